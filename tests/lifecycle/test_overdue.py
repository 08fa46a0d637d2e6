"""Limits missed where nobody is handed over: told once to whoever looks after them, and never of the past."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from audience import live as engine
from audience.models import Person
from kit import jobs
from kit.models import Notice, User
from kit.sql import Sql, sql
from lifecycle.editions import migrating, versions
from lifecycle.handoffs import turning
from lifecycle.ledger import stages
from lifecycle.models import Membership, MissedLimit, Movement, Version
from tests.factories import NOW, SMALL, account, draft, person, published
from tests.lifecycle.handoffs import making

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
PLAIN = SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 8}")
RECYCLED = SMALL.replace(
    "{slug: lead, name: Lead}",
    "{slug: lead, name: Lead, kind: sla, limit_hours: 8, when_missed: {to: resting, reason: Nobody called}}",
)
DUE = datetime.fromisoformat("2025-06-16T17:00Z")  # eight working hours after NOW, a Sunday


@pytest.fixture
def ina() -> User:
    return User.objects.create_user("ina@example.com", "x", name="Ina", zone="Asia/Tokyo")


@pytest.fixture
def boss() -> User:
    return User.objects.create_user("boss@example.com", "x", name="Boss", role=User.Role.ADMIN)


def live_now(text: str) -> Version:
    version = published(text)
    Version.objects.filter(pk=version.pk).update(looked_until=NOW)
    return version


def leads(version: Version, *people: Person, kind: str = Movement.Kind.PLACEMENT, now: datetime = NOW) -> None:
    """They came into the stage with the limit at NOW, which was written down at another instant, perhaps."""
    relation = sql(
        """SELECT subject_id, NULL::bigint AS membership_id, 0 AS seq, 1 AS pass_number, 1 AS step,
                  NULL::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, '' AS reason
           FROM unnest({}::bigint[]) subject_id""",
        version.stages.get(slug="lead").pk, NOW, NOW, [each.pk for each in people],
    )  # fmt: skip
    assert stages.move_many(relation, stages.Ledgering(version, kind, "tests", now)) == len(people)


def lived_at(*instants: datetime) -> None:
    for at in instants:
        engine.clock(at)
        engine.run_all(at)


def told() -> list[tuple[str, str, str]]:
    found = Notice.objects.filter(kind="limit.missed").order_by("pk").select_related("user")
    return [(each.user.name, each.title, each.body) for each in found if each.user]


def test_whoever_misses_a_limit_is_told_of_once_to_their_owner_in_the_owners_zone(ina):
    ada = person(first_name="Ada", last_name="Okafor", owner=ina)
    leads(live_now(PLAIN), ada)
    lived_at(DUE, DUE + MINUTE, DUE + 2 * MINUTE)
    assert told() == [("Ina", "A limit was missed: Ada Okafor", "Small, Lead: it was due Jun 17, 2025 02:00 JST.")]
    notice = Notice.objects.get()
    assert (notice.subject_id, notice.link) == (ada.pk, ada.get_absolute_url())
    assert Membership.objects.get().stage.slug == "lead"


@pytest.mark.parametrize("first", ["the clock", "the rules"])
def test_whom_the_limit_recycles_is_told_of_too_whichever_comes_first(ina, first):
    leads(live_now(RECYCLED), person(first_name="Ada", owner=ina))
    steps = [engine.clock, engine.run_all]
    if first == "the rules":
        engine.clock(DUE - MINUTE)
        engine.mark(Sql("SELECT id AS subject_id FROM audience_person"))
        steps.reverse()
    for step in steps:
        step(DUE + MINUTE)
    lived_at(DUE + 2 * MINUTE)
    assert Membership.objects.get().stage.slug == "resting" and MissedLimit.objects.count() == 1
    [(who, title, body)] = told()
    assert (who, title) == ("Ina", "A limit was missed: Ada")
    assert ("Now in “Resting”." in body) is (first == "the rules")


def test_whoever_leaves_by_hand_after_the_deadline_is_told_of_and_whoever_leaves_before_is_not(ina):
    version = live_now(PLAIN)
    late, punctual = person(first_name="Late", owner=ina), person(first_name="Punctual", owner=ina)
    leads(version, late, punctual)
    for someone, at in ((punctual, DUE - MINUTE), (late, DUE + MINUTE)):
        here = Membership.objects.select_related("version__lifecycle", "stage").get(person=someone)
        assert stages.move(here, to=version.stages.get(slug="known"), reason="", by=None, at=at, now=at)
    lived_at(DUE + 2 * MINUTE)
    assert [title for _who, title, _body in told()] == ["A limit was missed: Late"]


def test_nobodys_go_to_who_has_the_account_or_to_administrators_and_a_closed_owner_is_nobody(ina, boss):
    gone = User.objects.create_user("gone@example.com", "x", name="Gone", is_active=False)
    works = account(owner=ina)
    leads(
        live_now(PLAIN), person(first_name="Of Ina", owner=gone, account=works), person(first_name="Lost", owner=gone)
    )
    lived_at(DUE + MINUTE)
    assert {(who, title) for who, title, _body in told()} == {
        ("Ina", "A limit was missed: Of Ina"), ("Boss", "A limit was missed: Lost"),
    }  # fmt: skip


def test_many_at_once_are_one_notice_that_names_nobody(ina):
    leads(live_now(PLAIN), *(person(first_name="Ada", owner=ina) for _each in range(3)))
    lived_at(DUE + MINUTE)
    assert told() == [("Ina", "3 missed a limit in Small", "Lead: 3")]
    assert Notice.objects.get().subject_id is None and Notice.objects.get().link == "/lifecycles/small/board/"


@pytest.mark.parametrize("kind", [Movement.Kind.REPLAY, Movement.Kind.IMPORT])
def test_what_a_replay_or_a_file_tells_of_the_past_is_no_news_and_a_limit_still_to_come_is(ina, kind):
    version = live_now(PLAIN)
    leads(version, person(first_name="Past", owner=ina), kind=kind, now=DUE + timedelta(hours=1))
    leads(version, person(first_name="Coming", owner=ina), kind=kind, now=DUE - timedelta(hours=1))
    lived_at(DUE + timedelta(hours=2))
    assert [title for _who, title, _body in told()] == ["A limit was missed: Coming"]


def test_a_limit_that_a_new_version_makes_shorter_is_told_of_nobody(ina):
    leads(live_now(PLAIN.replace("limit_hours: 8", "limit_hours: 80")), person(owner=ina))
    second = draft(PLAIN, DUE + timedelta(hours=1))
    migrating.decide(second, {}, reason="", by=None, now=DUE + timedelta(hours=1))
    job = versions.publish(second, by=None, now=DUE + timedelta(hours=1))
    jobs.run(job.pk, DUE + timedelta(hours=1))
    assert Membership.objects.get().due_at == DUE
    lived_at(DUE + timedelta(hours=2))
    assert told() == []


def test_nothing_is_told_a_week_late_nor_twice_of_somebody_who_is_handed_over(ina):
    leads(live_now(PLAIN), person(owner=ina))
    offer = making.handed(making.version(), owner=making.seller("Bob"))
    lived_at(DUE + timedelta(days=8), offer.due_at + timedelta(days=8))
    turning.turn(offer.due_at + MINUTE)
    assert told() == [] and Notice.objects.filter(kind="handoff.missed").count() == 1
