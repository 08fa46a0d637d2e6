"""The working calendar: hours worked and due instants, counted by hand, against a slow count, and set by every move."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from kit import installation
from kit.sql import Sql, sql, value
from lifecycle.engine import live, passes, replay, rules, sla
from lifecycle.ledger import stages
from lifecycle.models import Membership
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def worked(start, end):
    """Working hours between two instants."""
    found = value(
        sql(
            "SELECT {} - {} FROM {} calendar",
            sla.worked(sql("{}::timestamptz", end)),
            sla.worked(sql("{}::timestamptz", start)),
            sla.calendar(sql("{}::timestamptz", start), sql("{}::timestamptz", end), Sql("0")),
        )
    )
    return found / sla.HOUR


def due(start, hours):
    since, limit = sql("{}::timestamptz", start), sql("{}::int", hours)
    return value(sql("SELECT {} FROM {} calendar", sla.due(since, limit), sla.calendar(since, since, limit)))


@pytest.fixture(autouse=True)
def berlin():
    installation.put("zone", "Europe/Berlin")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2025-01-06T09:00", "2025-01-06T17:00", 8),  # a Monday
        ("2025-01-06T07:00", "2025-01-06T20:00", 8),
        ("2025-01-06T10:30", "2025-01-06T11:00", 0.5),
        ("2025-01-06T17:00", "2025-01-07T09:00", 0),
        ("2025-01-03T16:00", "2025-01-06T10:00", 2),  # over a weekend
        ("2025-01-04T10:00", "2025-01-05T18:00", 0),  # a Saturday and a Sunday
        ("2025-01-01T00:00", "2025-02-01T00:00", 23 * 8),  # January has 23 weekdays
        ("2025-03-28T09:00", "2025-04-01T17:00", 24),  # the clocks go forward in the weekend between
        ("2025-10-24T12:00", "2025-10-27T12:00", 8),  # and back
    ],
)
def test_hours_worked_between_two_instants(start, end, hours):
    assert worked(at(start), at(end)) == hours


@pytest.mark.parametrize(
    ("since", "hours", "until"),
    [
        ("2025-01-06T09:00", 8, "2025-01-06T17:00"),  # due when the day closes, not when the next one opens
        ("2025-01-06T09:00", 9, "2025-01-07T10:00"),
        ("2025-01-06T12:00", 16, "2025-01-08T12:00"),
        ("2025-01-03T16:30", 16, "2025-01-07T16:30"),  # Friday afternoon: Tuesday
        ("2025-01-04T11:00", 16, "2025-01-07T17:00"),  # a Saturday begins on Monday
        ("2025-01-06T20:00", 1, "2025-01-07T10:00"),
        ("2025-03-28T13:00", 16, "2025-04-01T13:00"),  # the clocks go forward in between
        ("2024-12-31T16:00", 400, "2025-03-11T16:00"),  # ten weeks
    ],
)
def test_when_working_hours_are_over(since, hours, until):
    assert due(at(since), hours) == at(until)


def test_holidays_and_short_weeks_are_not_worked():
    installation.put("holidays", ["2025-01-06", "2025-01-07"])
    assert due(at("2025-01-03T13:00"), 8) == at("2025-01-08T13:00")
    installation.put("working_days", [6])
    assert due(at("2025-01-03T13:00"), 16) == at("2025-01-11T17:00")
    assert worked(at("2025-01-01T00:00"), at("2025-02-01T00:00")) == 32


def test_a_day_on_which_the_clocks_change_within_the_hours_is_as_long_as_it_is():
    for name, told in (("working_days", [1, 2, 3, 4, 5, 6, 7]), ("working_from", "00:00"), ("working_until", "24:00")):
        installation.put(name, told)
    assert worked(at("2025-03-30T00:00"), at("2025-03-31T00:00")) == 23
    assert worked(at("2025-10-26T00:00"), at("2025-10-27T00:00")) == 25
    assert due(at("2025-03-29T12:00"), 24) == at("2025-03-30T13:00")


def test_an_instant_between_two_openings_counts_to_the_microsecond():
    start = at("2025-01-06T09:00")
    assert worked(start, start + timedelta(microseconds=1)) * sla.HOUR == 1
    assert due(start + timedelta(microseconds=1), 8) == at("2025-01-07T09:00") + timedelta(microseconds=1)


# ---- against a slow count ----

MOMENTS = st.integers(0, 60 * 24 * 800).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
CALENDARS = st.fixed_dictionaries(
    {
        "zone": st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC"]),
        "working_days": st.sets(st.integers(1, 7), min_size=1).map(sorted),
        "hours": st.sampled_from([("09:00", "17:00"), ("00:00", "24:00"), ("08:15", "12:45"), ("00:30", "23:30")]),
        "holidays": st.sets(st.integers(0, 60), max_size=8).map(
            lambda days: sorted((date(2024, 3, 1) + timedelta(days=day * 9)).isoformat() for day in days)
        ),
    }
)


def slow(calendar, start, end):
    """The minutes worked between two whole minutes, one after the other; days that are not worked at a stride."""
    zone = ZoneInfo(calendar["zone"])
    begins, ends = (time.max if text == "24:00" else time.fromisoformat(text) for text in calendar["hours"])
    minutes, moment = 0, start
    while moment < end:
        local = moment.astimezone(zone)
        if local.isoweekday() not in calendar["working_days"] or local.date().isoformat() in calendar["holidays"]:
            moment += timedelta(minutes=1) if local.hour >= 20 else timedelta(hours=1)
            continue
        minutes += begins <= local.time() < ends
        moment += timedelta(minutes=1)
    return minutes


class AgainstASlowCount(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(CALENDARS, MOMENTS, st.integers(0, 60 * 24 * 12), st.integers(1, 60))
    def test_hours_worked_and_due(self, calendar, start, minutes, hours):
        for name in ("zone", "working_days", "holidays"):
            installation.put(name, calendar[name])
        for name, told in zip(("working_from", "working_until"), calendar["hours"], strict=True):
            installation.put(name, told)
        end = start + timedelta(minutes=minutes)
        assert round(worked(start, end) * 60) == slow(calendar, start, end)
        over = due(start, hours)
        assert worked(start, over) == hours
        assert worked(start, over - timedelta(microseconds=1)) < hours


# ---- set by every move ----

SLOW = """
lifecycle: small
name: Small
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: lead, name: Lead, kind: sla, limit_hours: 16}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: known, to: lead, when: {field: activity.count, op: at_least, value: 1}, reason: Did something}
  - {from: lead, to: won, when: {field: deal.count, where: {status: won}, op: at_least, value: 1}, reason: Won}
"""
FRIDAY = at("2025-01-03T16:30")


def test_whoever_comes_into_an_sla_stage_is_due_and_whoever_leaves_it_is_not():
    version = factories.published(SLOW)
    someone = factories.person()
    stages.place(someone.pk, version, to=version.stages.get(slug="lead"), reason="", by=None, at=FRIDAY, now=NOW)
    membership = Membership.objects.get()
    assert membership.due_at == at("2025-01-07T16:30")
    known = version.stages.get(slug="known")
    assert stages.move(membership, to=known, reason="", by=None, at=at("2025-01-08T12:00"), now=NOW)
    membership.refresh_from_db()
    assert membership.due_at is None
    lead = version.stages.get(slug="lead")
    assert stages.move(membership, to=lead, reason="", by=None, at=at("2025-01-09T12:00"), now=NOW)
    membership.refresh_from_db()
    assert membership.due_at == at("2025-01-13T12:00")


def test_a_batch_of_years_is_due_in_one_statement(django_assert_num_queries):
    version = factories.published(SLOW)
    people = [factories.person() for _ in range(3)]
    assert version.lifecycle.of == "person"
    lead = version.stages.get(slug="lead")
    days = [at("2014-01-03T16:30"), at("2020-01-03T16:30"), at("2025-01-03T16:30")]
    relation = sql(
        """SELECT subject_id, NULL::bigint AS membership_id, 0 AS seq, 1 AS pass_number, 1 AS step,
                  NULL::bigint AS from_stage, {}::bigint AS to_stage, occurred_at, occurred_at AS evidence_at,
                  NULL::bigint AS transition_id, '' AS reason
           FROM unnest({}::bigint[], {}::timestamptz[]) told(subject_id, occurred_at)""",
        lead.pk,
        [each.pk for each in people],
        days,
    )
    with django_assert_num_queries(1):
        assert stages.move_many(relation, stages.Ledgering(version, "import", "", NOW)) == 3
    assert [*Membership.objects.order_by("entered_at").values_list("due_at", flat=True)] == [
        at("2014-01-07T16:30"), at("2020-01-07T16:30"), at("2025-01-07T16:30"),
    ]  # fmt: skip


def test_rules_and_replay_set_what_is_due():
    version = factories.published(SLOW)
    someone = factories.person(first_seen_at=at("2025-01-02T10:00"))
    factories.activity(someone, FRIDAY)
    replay.run(version, now=at("2025-02-01T10:00"))
    membership = Membership.objects.get()
    assert (membership.entered_at, membership.due_at) == (FRIDAY, at("2025-01-07T16:30"))
    factories.deal(someone, FRIDAY, at("2025-02-01T09:00"))
    passes.apply(rules.read(version), among=None, at=at("2025-02-01T11:00"), now=at("2025-02-01T11:00"))
    membership.refresh_from_db()
    assert (membership.stage.slug, membership.due_at) == ("won", None)


def test_a_changed_calendar_redates_those_who_are_in():
    version = factories.published(SLOW)
    for _ in range(2):
        someone = factories.person()
        stages.place(someone.pk, version, to=version.stages.get(slug="lead"), reason="", by=None, at=FRIDAY, now=NOW)
    assert sla.redate() == 0
    installation.put("holidays", ["2025-01-06"])
    assert sla.redate() == 2
    assert set(Membership.objects.values_list("due_at", flat=True)) == {at("2025-01-08T16:30")}
    Membership.objects.all().update(stage=version.stages.get(slug="known"))
    assert sla.redate() == 0


def test_the_clock_redates_once_after_the_calendar_was_changed():
    version = factories.published(SLOW)
    someone = factories.person()
    stages.place(someone.pk, version, to=version.stages.get(slug="lead"), reason="", by=None, at=FRIDAY, now=NOW)
    live.clock(NOW)
    installation.put("holidays", ["2025-01-06"])
    assert Membership.objects.get().due_at == at("2025-01-07T16:30")
    live.clock(NOW)
    assert Membership.objects.get().due_at == at("2025-01-08T16:30")
    assert sla.keep() == 0


def test_nobody_in_an_sla_stage_is_no_work():
    factories.published(SLOW)
    assert sla.redate() == 0
