"""Who may be written to: consent by topic, withdrawals, corrections, pauses, and addresses that must not be used."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from audience import consent
from audience.models import ConsentRecord, Person, Suppression, Topic
from audience.subjects.people import BadValue
from kit import holding
from kit.models import AuditEntry, Setting
from kit.sql import Sql, rows, sql
from tests.factories import NOW, account, days_ago, person

pytestmark = pytest.mark.django_db
ALL = Sql("SELECT id AS subject_id FROM audience_person")


@pytest.fixture
def news() -> Topic:
    return Topic.objects.create(slug="news", label="News")


@pytest.fixture
def service() -> Topic:
    return Topic.objects.create(slug="service", label="Service", basis=Topic.Basis.INTEREST)


def reader(**values):
    return person(**{"email": f"r{Person.objects.count()}@example.com"} | values)


def given(someone, topic, at=NOW, **more):
    return consent.give(someone, topic=topic, source="form", at=at, now=at, **more)


def withdrawn(someone, topic, at=NOW, **more):
    return consent.withdraw(someone, topic=topic, source="page", at=at, now=at, **more)


def why(someone, topic, at=NOW):
    return consent.verdict(someone, topic=topic, at=at)


def test_a_topic_by_consent_goes_to_those_alone_who_agreed_to_it(news, service):
    someone = reader()
    assert why(someone, news) == "no consent"
    given(someone, service, days_ago(3))
    assert why(someone, news) == "no consent"
    given(someone, news, days_ago(2))
    assert why(someone, news) is None


def test_a_topic_by_interest_goes_to_everybody_who_has_not_objected(service):
    someone = reader()
    assert why(someone, service) is None
    withdrawn(someone, service)
    assert why(someone, service) == "withdrew"


def test_of_what_was_said_of_a_topic_and_of_all_the_latest_counts(news, service):
    someone = reader()
    given(someone, news, days_ago(9))
    withdrawn(someone, None, days_ago(8))
    assert (why(someone, news), why(someone, service)) == ("withdrew", "withdrew")
    given(someone, news, days_ago(7))
    assert (why(someone, news), why(someone, service)) == (None, "withdrew")
    given(someone, None, days_ago(6))
    assert (why(someone, news), why(someone, service)) == (None, None)


def test_of_two_acts_of_one_instant_the_one_written_later_counts(news):
    someone = reader()
    given(someone, news)
    withdrawn(someone, news)
    assert why(someone, news) == "withdrew"


def test_consent_counts_from_its_date_and_a_withdrawal_whatever_its_clock_said(news):
    someone = reader()
    given(someone, news, NOW)
    assert why(someone, news, NOW - timedelta(seconds=1)) == "no consent"
    withdrawn(someone, news, NOW + timedelta(hours=1))
    assert why(someone, news, NOW) == "withdrew"


def test_without_a_topic_only_consent_to_everything_counts(news):
    someone = reader()
    given(someone, news)
    assert why(someone, None) == "no consent"
    given(someone, None)
    assert why(someone, None) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"email": ""}, "no address"),
        ({"is_excluded": True}, "left out"),
        ({"erased_at": NOW}, "erased"),
    ],
)
def test_nobody_is_written_to_without_an_address_or_left_out_or_erased(service, values, reason):
    assert why(reader(**values), service) == reason


def test_an_account_is_not_written_to(service):
    told = consent.verdicts(sql("SELECT {}::bigint AS subject_id", account().pk), topic=service, at=NOW)
    assert [reason for _who, reason in rows(told)] == ["not a person"]


def test_a_pause_holds_until_its_end_and_can_be_ended(service):
    someone = reader()
    consent.pause(someone, until=NOW + timedelta(days=30), source="page", now=NOW)
    assert why(someone, service) == "paused"
    assert why(someone, service, NOW + timedelta(days=30)) is None
    consent.pause(someone, until=NOW, source="page", now=NOW)
    assert why(someone, service) is None


def test_a_mistaken_record_counts_no_more_but_stays(news):
    someone = reader()
    given(someone, news)
    wrong = Sql("SELECT id FROM audience_consentrecord")
    assert consent.take_back(wrong, by=None, now=NOW) == 1
    assert consent.take_back(wrong, by=None, now=NOW) == 0
    assert why(someone, news) == "no consent"
    assert [(each.given, each.is_corrected) for each in consent.history(someone).filter(reversal_of=None)] == [
        (True, True)
    ]


def test_consent_is_a_ledger_that_the_database_holds(news):
    given(reader(), news, wording="Yes, write to me")
    for change in ({"given": False}, {"wording": "Something else"}, {"source": "elsewhere"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ConsentRecord.objects.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        ConsentRecord.objects.all()._raw_delete("default")
    with holding.erasing():
        assert ConsentRecord.objects.update(wording=None) == 1


def test_an_act_told_twice_is_written_once(news):
    someone = reader()
    assert given(someone, news) and not given(someone, news)
    assert withdrawn(someone, news) and not withdrawn(someone, news, NOW + timedelta(days=1))
    assert ConsentRecord.objects.count() == 2


def test_withdrawing_everything_counts_as_such_only_while_no_topic_was_given_since(news):
    someone = reader()
    assert withdrawn(someone, None, days_ago(5))
    assert not withdrawn(someone, None, days_ago(4))
    given(someone, news, days_ago(3))
    assert withdrawn(someone, None, days_ago(2))


def test_many_acts_are_one_statement(news):
    people = [reader(email=f"m{number}@example.com") for number in range(50)]
    acts = sql(
        """SELECT id AS person_id, {}::bigint AS topic_id, true AS given, 'consent' AS basis, 'Yes' AS wording,
                  'fair' AS source, {}::timestamptz AS occurred_at FROM audience_person""",
        news.pk,
        NOW,
    )
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert consent.record_many(acts, now=NOW) == 50
    assert len(asked) == 1
    assert consent.record_many(acts, now=NOW) == 0
    assert {reason for _who, reason in rows(consent.verdicts(ALL, topic=news, at=NOW))} == {None}
    assert len(people) == 50


def test_what_cannot_be_is_refused(news):
    someone = reader()
    with pytest.raises(BadValue):
        consent.give(someone, topic=news, basis="because", source="form", at=NOW, now=NOW)
    with pytest.raises(BadValue):
        consent.give(someone, topic=news, source="", at=NOW, now=NOW)
    with pytest.raises(BadValue):
        consent.suppress("nobody", reason="by hand", now=NOW)
    with pytest.raises(BadValue):
        consent.suppress("a@example.com", reason="", now=NOW)


# ---- addresses ----


def test_a_suppressed_address_is_not_written_to_whatever_was_agreed(news):
    someone = reader(email="ada@example.com")
    given(someone, news)
    assert consent.suppress("ADA@example.com", reason="hard bounce", now=NOW)
    assert not consent.suppress("ada@example.com", reason="hard bounce", now=NOW)
    assert why(someone, news) == "suppressed: hard bounce"
    assert consent.find("Ada@Example.com") and not consent.find("eva@example.com")


def test_an_address_is_suppressed_for_one_topic_alone(news, service):
    someone = reader(email="ada@example.com")
    given(someone, news)
    consent.suppress("ada@example.com", topic=news, reason="complaint", now=NOW)
    assert (why(someone, news), why(someone, service)) == ("suppressed: complaint", None)
    assert [each.topic for each in consent.find("ada@example.com")] == [news]


def test_a_suppression_is_lifted_with_a_reason_that_the_trail_keeps(service):
    someone = reader(email="ada@example.com")
    consent.suppress("ada@example.com", reason="hard bounce", now=NOW)
    [held] = consent.find("ada@example.com")
    with pytest.raises(BadValue):
        consent.lift(held, because=" ", by=None, now=NOW)
    assert consent.lift(held, because="mailbox is back", by=None, now=NOW)
    assert not consent.lift(held, because="again", by=None, now=NOW)
    assert why(someone, service) is None
    trail = AuditEntry.objects.get(action="suppression.lift")
    assert trail.target == "mailbox is back" and "ada" not in str(trail.before)


def test_no_address_stands_in_the_list_and_the_hash_cannot_be_made_without_the_key(settings):
    consent.suppress("ada@example.com", reason="hard bounce", now=NOW)
    import hashlib

    [held] = Suppression.objects.all()
    assert bytes(held.address_hash) != hashlib.sha256(b"ada@example.com").digest()
    settings.LASTING_KEY = "another"
    assert not consent.find("ada@example.com")


def test_an_objection_is_known_by_the_address_after_the_person_is_erased(service, news):
    gone = reader(email="ada@example.com")
    withdrawn(gone, None)
    Person.objects.filter(pk=gone.pk).update(email="", erased_at=NOW)
    back = reader(email="ada@example.com")
    assert (why(back, service), why(back, news)) == ("withdrew", "withdrew")
    given(back, news, NOW + timedelta(days=1))
    later = NOW + timedelta(days=2)
    assert (why(back, news, later), why(back, service, later)) == (None, "withdrew")


def test_whoever_agrees_again_is_on_the_list_no_more(news):
    someone = reader(email="ada@example.com")
    withdrawn(someone, news, days_ago(2))
    assert [each.reason for each in consent.find("ada@example.com")] == ["unsubscribed"]
    given(someone, news, days_ago(1))
    assert consent.find("ada@example.com") == []
    consent.suppress("ada@example.com", reason="complaint", now=NOW)
    given(someone, news, NOW)
    assert [each.reason for each in consent.find("ada@example.com")] == ["complaint"]


def test_a_graver_reason_takes_the_place_of_an_unsubscription():
    someone = reader(email="ada@example.com")
    withdrawn(someone, None)
    assert consent.suppress("ada@example.com", reason="complaint", now=NOW)
    assert [each.reason for each in consent.find("ada@example.com")] == ["complaint"]


def test_many_addresses_are_suppressed_by_one_statement():
    bounced = Sql("SELECT 'b' || n || '@example.com' AS address, 'hard bounce' AS reason FROM generate_series(1, 30) n")
    assert consent.suppress_many(bounced, now=NOW) == 30
    assert consent.suppress_many(bounced, now=NOW) == 0


# ---- how it stands ----


def test_how_it_stands_with_a_person_by_topic(news, service):
    someone = reader()
    assert [each.wanted for each in consent.standing(someone, [news, service])] == [False, True]
    given(someone, news, days_ago(2))
    withdrawn(someone, service, days_ago(1))
    assert [each.wanted for each in consent.standing(someone, [news, service])] == [True, False]
    assert consent.standing(someone, [news])[0].said.source == "form"


def test_tracking_is_allowed_until_the_person_objects():
    someone = reader()
    assert consent.may_track(someone.pk) and consent.may_track(None)
    withdrawn(someone, None, channel=consent.TRACKING)
    assert not consent.may_track(someone.pk)
    assert why(someone, Topic.objects.create(slug="s", label="S", basis="interest")) is None
    assert not Suppression.objects.exists()


def test_defaults_are_a_topic_and_the_mark_of_the_key_which_may_not_change_under_a_list(settings):
    consent.ensure_defaults(NOW)
    consent.ensure_defaults(NOW)
    assert Topic.objects.get().is_default
    settings.LASTING_KEY = "another"
    consent.ensure_defaults(NOW)
    consent.suppress("ada@example.com", reason="hard bounce", now=NOW)
    settings.LASTING_KEY = "a third"
    with pytest.raises(consent.WrongKey):
        consent.ensure_defaults(NOW)
    assert Setting.objects.filter(key=consent.KEY_MARK).count() == 1
