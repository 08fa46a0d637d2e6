"""Stages that count by a working calendar of their own, against tables counted by hand and a slow count."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from audience import live as engine
from audience.conditions import compile, tree
from kit import calendars, installation
from kit.models import AuditEntry, Notice, User, WorkingCalendar
from kit.sql import Sql, rows, sql, value
from lifecycle.editing import drafts
from lifecycle.editions import checking, differing, documents, versions
from lifecycle.engine import live, sla, stalled
from lifecycle.handoffs import queue
from lifecycle.ledger import stages
from lifecycle.models import Handoff, Lifecycle, Membership, Version
from tests import asking, factories
from tests.factories import NOW, SMALL, draft, published
from tests.lifecycle.handoffs import making
from tests.lifecycle.test_engine import FULL, assert_lived_as_replayed

pytestmark = pytest.mark.django_db

EDIT = "/lifecycles/small/v1/edit/"
WEEK = (1, 2, 3, 4, 5)
A_LITTLE = timedelta(microseconds=1)


def made(slug: str, zone: str, hours: dict[int, tuple[str, str]] | None = None, free: tuple[str, ...] = ()) -> Any:
    """A calendar by the verb that makes them; from nine to five on weekdays where no hours are told."""
    hours = hours or dict.fromkeys(WEEK, ("09:00", "17:00"))
    told = {
        "slug": slug, "name": slug.replace("_", " ").upper(), "zone": zone, "holidays": [{"on": day} for day in free],
        "hours": [{"weekday": day, "opens": opens, "closes": closes} for day, (opens, closes) in hours.items()],
    }  # fmt: skip
    return calendars.define(told, by=None, now=NOW)


@pytest.fixture
def regions() -> None:
    made("emea", "Europe/Berlin", free=("2025-04-18", "2025-04-21"))
    made("us_east", "America/New_York")
    made("shop", "Europe/Berlin", dict.fromkeys(WEEK, ("10:00", "18:00")) | {6: ("10:00", "14:00")})
    made("round", "America/New_York", dict.fromkeys(range(1, 8), ("00:00", "24:00")))
    wednesdays = tuple((date(2025, 1, 8) + timedelta(weeks=week)).isoformat() for week in range(10))
    made("rare", "Europe/Berlin", {3: ("09:00", "10:00")}, free=wednesdays)


def due(named: str, since: datetime, hours: int) -> datetime:
    start, limit = sql("{}::timestamptz", since), sql("{}::int", hours)
    calendar = sla.calendar(start, start, limit, sql("{}", named))
    return value(sql("SELECT {} FROM {} calendar", sla.due(start, limit), calendar))  # type: ignore[no-any-return]


def worked(named: str, start: datetime, end: datetime) -> float:
    first, last = sql("{}::timestamptz", start), sql("{}::timestamptz", end)
    calendar = sla.calendar(first, last, Sql("0"), sql("{}", named))
    found = value(sql("SELECT {} - {} FROM {} calendar", sla.worked(last), sla.worked(first), calendar))
    return float(found / sla.HOUR)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("named", "since", "hours", "until"),
    [
        # Friday at noon UTC is 13:00 in Berlin and 07:00 in New York, where the clocks go forward in the night to Sunday.
        ("", "2025-03-07T12:00", 16, "2025-03-11T12:00"),
        ("emea", "2025-03-07T12:00", 16, "2025-03-11T12:00"),
        ("us_east", "2025-03-07T12:00", 16, "2025-03-10T21:00"),  # Monday 17:00, by summer time
        ("us_east", "2025-03-07T21:00", 16, "2025-03-11T20:00"),  # an hour of Friday, seven of Tuesday
        ("emea", "2025-03-28T12:00", 16, "2025-04-01T11:00"),  # three weeks later in Berlin
        ("emea", "2025-04-17T13:00", 8, "2025-04-22T13:00"),  # over Good Friday and Easter Monday
        ("us_east", "2025-04-17T13:00", 8, "2025-04-17T21:00"),  # which are worked there
        ("shop", "2025-06-06T14:00", 8, "2025-06-09T10:00"),  # two hours, four on Saturday, two on Monday
        ("shop", "2025-06-06T14:00", 6, "2025-06-07T12:00"),  # due when Saturday closes
        ("shop", "2025-06-07T12:00", 1, "2025-06-09T09:00"),
        ("round", "2025-03-08T17:00", 24, "2025-03-09T17:00"),
        ("rare", "2025-01-07T00:00", 2, "2025-03-26T09:00"),  # behind ten Wednesdays on which nobody works
        ("nowhere", "2025-03-07T12:00", 16, "2025-03-11T12:00"),  # as the settings
    ],
)
def test_when_working_hours_are_over_by_each_calendar(regions, named, since, hours, until):
    assert due(named, utc(since), hours) == utc(until)


def test_a_day_on_which_the_clocks_change_is_as_long_as_it_is(regions):
    new_york = ZoneInfo("America/New_York")
    for day, length in ((date(2025, 3, 9), 23), (date(2025, 3, 30), 24), (date(2025, 11, 2), 25)):
        begins, ends = (datetime.combine(each, time(0), new_york) for each in (day, day + timedelta(days=1)))
        assert worked("round", begins, ends) == length
    assert worked("shop", utc("2025-06-02T00:00"), utc("2025-06-09T00:00")) == 44


# ---- against a slow count ----

HOURS = st.sampled_from([("09:00", "17:00"), ("00:00", "24:00"), ("08:15", "12:45"), ("13:00", "14:00")])
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC"])
MOMENTS = st.integers(0, 60 * 24 * 800).map(lambda minutes: utc("2024-01-01T00:00") + timedelta(minutes=minutes))
FREE = st.sets(st.integers(0, 60), max_size=12).map(
    lambda days: tuple((date(2024, 3, 1) + timedelta(days=day * 7)).isoformat() for day in sorted(days))
)


def slow(zone: str, hours: dict[int, tuple[str, str]], free: tuple[str, ...], start: datetime, end: datetime) -> int:
    """The minutes worked between two whole minutes, one after the other."""
    minutes, moment = 0, start
    while moment < end:
        local = moment.astimezone(ZoneInfo(zone))
        opens, closes = hours.get(local.isoweekday(), ("00:00", "00:00"))
        minutes += local.date().isoformat() not in free and opens <= f"{local:%H:%M}" < closes
        moment += timedelta(minutes=1)
    return minutes


class AgainstASlowCount(TestCase):
    @settings(max_examples=30, deadline=None)
    @given(
        ZONES, st.dictionaries(st.integers(1, 7), HOURS, min_size=1), FREE, MOMENTS, st.integers(0, 60 * 24 * 9),
        st.integers(1, 40),
    )  # fmt: skip
    def test_hours_worked_and_due(self, zone, week, free, start, minutes, hours):
        WorkingCalendar.objects.all().delete()
        made("any", zone, week, free)
        end = start + timedelta(minutes=minutes)
        assert round(worked("any", start, end) * 60) == slow(zone, week, free, start, end)
        over = due("any", start, hours)
        assert worked("any", start, over) == hours and worked("any", start, over - A_LITTLE) < hours


# ---- set by every move, and set anew ----

TWO = SMALL.replace(
    "{slug: engaged, name: Engaged}", "{slug: engaged, name: Engaged, kind: sla, limit_hours: 16, calendar: us_east}"
).replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 16, calendar: emea}")
PLAIN = TWO.replace(", calendar: us_east", "").replace(", calendar: emea", "")
FRIDAY = utc("2025-03-07T12:00")


def placed(version: Version, slug: str, at: datetime = FRIDAY, **values: Any) -> Membership:
    someone = factories.person(**values)
    to = version.stages.get(slug=slug)
    assert stages.place(someone.pk, version, to=to, reason="", by=None, at=at, now=at)
    return Membership.objects.get(person=someone)


def dues() -> dict[str, datetime]:
    return dict(Membership.objects.exclude(due_at=None).values_list("stage__slug", "due_at"))


def test_one_batch_into_two_stages_is_due_by_two_calendars_in_one_statement(regions, django_assert_num_queries):
    version = published(TWO)
    people = [factories.person(), factories.person()]
    assert version.lifecycle.of == "person"
    to = [version.stages.get(slug=slug).pk for slug in ("engaged", "lead")]
    relation = sql(
        """SELECT subject_id, NULL::bigint AS membership_id, 0 AS seq, 1 AS pass_number, 1 AS step,
                  NULL::bigint AS from_stage, to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at,
                  NULL::bigint AS transition_id, '' AS reason
           FROM unnest({}::bigint[], {}::bigint[]) told(subject_id, to_stage)""",
        FRIDAY, FRIDAY, [each.pk for each in people], to,
    )  # fmt: skip
    with django_assert_num_queries(1):
        assert stages.move_many(relation, stages.Ledgering(version, "import", "", NOW)) == 2
    assert dues() == {"engaged": utc("2025-03-10T21:00"), "lead": utc("2025-03-11T12:00")}


def test_one_changed_calendar_redates_its_members_and_their_hand_offs_alone(regions):
    version = published(TWO)
    placed(version, "engaged")
    placed(version, "lead")
    live.clock(FRIDAY)
    calendars.change(
        WorkingCalendar.objects.get(slug="us_east"), {"holidays": [{"on": "2025-03-10"}]}, by=None, now=NOW
    )
    assert sla.redate({"emea", ""}) == 0
    live.clock(FRIDAY)
    assert dues() == {"engaged": utc("2025-03-11T21:00"), "lead": utc("2025-03-11T12:00")}
    assert sla.keep() == 0
    installation.put("working_days", [7])  # by which neither counts
    assert sla.keep() == 0 and sla.redate() == 0
    made("unused", "UTC")
    assert sla.keep() == 0


def test_a_new_version_on_another_calendar_lets_the_stay_go_on_by_that(regions):
    version = published(TWO)
    membership = placed(version, "lead")
    after = draft(TWO.replace("calendar: emea", "calendar: us_east"))
    Version.objects.filter(pk=version.pk).update(state="retired")
    Version.objects.filter(pk=after.pk).update(state="published")
    relation = sql(
        """SELECT {}::bigint AS subject_id, {}::bigint AS membership_id, 1 AS seq, 1 AS pass_number, 1 AS step,
                  {}::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, '' AS reason""",
        membership.subject_id, membership.pk, membership.stage_id, after.stages.get(slug="lead").pk, NOW, NOW,
    )  # fmt: skip
    after.refresh_from_db()
    assert stages.move_many(relation, stages.Ledgering(after, "migration", "", NOW)) == 1
    assert dues() == {"lead": utc("2025-03-10T21:00")}


@pytest.mark.parametrize(("seed", "of"), [(21, "person"), (23, "account")])
def test_living_through_every_midnight_equals_the_replay_with_stages_on_two_calendars(regions, seed, of):
    lead, engaged = "kind: sla, limit_hours: 16", "{slug: engaged, name: Engaged"
    text = FULL.format(of=of).replace(lead, f"{lead}, calendar: us_east")
    text = text.replace(engaged, f"{engaged}, kind: sla, limit_hours: 20, calendar: shop, when_missed: resting")
    text = text.replace("{slug: resting,", "{slug: resting, kind: sla, limit_hours: 500, calendar: rare,")
    ledger = assert_lived_as_replayed(text, seed, of)
    assert {"engaged", "lead"} <= {source for *_key, source, _to, _at, _fact, why in ledger if "missed" in why}


# ---- asked of the limit ----


def held(field: str, op: str, wanted: Any, at: datetime) -> set[int]:
    node = tree.parse({"field": f"stage.small.{field}", "op": op, "value": wanted})
    return {row[0] for row in rows(compile.members(node, of="person", at=at))}


def test_conditions_about_limits_ask_the_calendar_of_the_stage(regions):
    version = published(TWO)
    east, berlin = placed(version, "engaged").subject_id, placed(version, "lead").subject_id
    assert held("limit", "is", "past_due", utc("2025-03-10T21:00")) == set()
    assert held("limit", "is", "past_due", utc("2025-03-10T21:00") + A_LITTLE) == {east}
    assert held("limit", "is", "past_due", utc("2025-03-11T12:00") + A_LITTLE) == {east, berlin}
    # At 15:00 in Berlin three hours of work are over there, and two in New York, where it is eleven.
    later = utc("2025-03-11T15:00")
    assert held("hours_over", "at_least", 2, later) == {east, berlin}
    assert held("hours_over", "at_least", 3, later) == {berlin}


def test_whose_hours_over_turn_is_looked_at_again(regions):
    version = published(TWO)
    people = {placed(version, slug).subject_id for slug in ("engaged", "lead")}
    node = tree.parse({"field": "stage.small.hours_over", "op": "at_least", "value": 3})
    for hour in range(100):
        since = utc("2025-03-10T12:00") + timedelta(hours=hour)
        before, after = (held("hours_over", "at_least", 3, at) for at in (since, since + timedelta(hours=1)))
        turned = {
            row[0] for row in rows(compile.touched([node], of="person", since=since, until=since + timedelta(hours=1)))
        }
        assert (before ^ after) & people <= turned


def test_past_the_limit_by_its_own_calendar_somebody_is_stuck(regions):
    version = published(TWO)
    placed(version, "engaged")
    placed(version, "lead")
    of = Lifecycle.objects.get()
    assert stalled.counts(of, at=utc("2025-03-10T20:00")) == {}
    assert stalled.counts(of, at=utc("2025-03-10T22:00")) == {"engaged": 1}
    assert stalled.counts(of, at=utc("2025-03-11T13:00")) == {"engaged": 1, "lead": 1}


# ---- hand-offs ----


def test_a_hand_off_is_due_and_its_time_left_is_told_by_the_calendar_of_its_stage(regions):
    text = making.HANDING.replace("MISSED", "stay").replace("limit_hours: 16", "limit_hours: 16, calendar: us_east")
    ina = making.seller("Ina", zone="Europe/Berlin")
    held = making.handed(published(text), at=FRIDAY, owner=ina)
    assert held.due_at == utc("2025-03-10T21:00")
    queue.described([held], utc("2025-03-10T14:00"))  # Monday, ten o'clock in New York
    assert held.left_words == "7 working h left"  # type: ignore[attr-defined]
    notice = Notice.objects.get(user=ina)
    assert "MQL, due Mar 10, 2025 17:00 EDT" in notice.body
    engine.clock(FRIDAY)
    calendars.change(
        WorkingCalendar.objects.get(slug="us_east"), {"holidays": [{"on": "2025-03-10"}]}, by=None, now=NOW
    )
    engine.clock(FRIDAY)
    assert Handoff.objects.get().due_at == Membership.objects.get().due_at == utc("2025-03-11T21:00")


# ---- named in a document, an editor, and told ----


def test_a_document_with_calendars_comes_back_unchanged(regions):
    version = draft(TWO)
    told = {each["slug"]: each.get("calendar") for each in documents.of_version(version)["stages"]}
    assert told == {"known": None, "engaged": "us_east", "checked": None, "lead": "emea", "won": None, "resting": None}
    assert documents.parse(documents.dump(version)) == documents.of_version(version)


@pytest.mark.parametrize("wrong", ["7", "''", "null", "[emea]", "Not a slug", "new"])
def test_what_is_no_name_of_a_calendar_is_refused_at_its_place(wrong):
    with pytest.raises(documents.DocumentError, match="stages › 2 › calendar"):
        documents.parse(TWO.replace("calendar: us_east", f"calendar: {wrong}"))


def found(text: str) -> dict[str, tuple[str, str]]:
    return {each.code: (each.words, each.severity) for each in checking.findings(draft(text))}


def test_a_calendar_that_is_not_there_keeps_from_publishing_and_names_those_that_are(regions):
    words, severity = found(TWO.replace("calendar: emea", "calendar: apac"))["no_calendar"]
    assert severity == "error" and "“Lead” counts by the working calendar “apac”" in words
    assert all(f"“{slug}”" in words for slug in ("emea", "us_east", "shop"))
    assert "no_calendar" not in found(TWO)
    WorkingCalendar.objects.all().delete()
    assert "but there is none yet" in found(TWO)["no_calendar"][0]


def test_a_calendar_of_a_stage_that_is_no_sla_is_a_warning_and_counts_for_nothing(regions):
    words, severity = found(SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, calendar: emea}"))[
        "idle_calendar"
    ]
    assert severity == "warning" and "“Lead” names a working calendar" in words


def test_another_calendar_is_a_difference_in_words(regions):
    before = draft(TWO)
    after = versions.again(before, by=None, now=NOW)
    drafts.change(after, lambda document: document["stages"][3].update(calendar="us_east"), by=None, now=NOW)
    [change] = differing.between(before, after)
    assert (change.words, change.before, change.after) == ("The calendar of “Lead” has changed.", "EMEA", "US EAST")
    drafts.change(after, lambda document: document["stages"][3].pop("calendar"), by=None, now=NOW)
    assert differing.between(before, after)[0].after == "that of the settings"


def test_the_editor_offers_the_calendars_keeps_the_chosen_one_and_lets_it_go_with_the_limit(client, regions):
    client.force_login(User.objects.create_user("eda@example.com", "x", role=User.Role.MARKETER))
    draft(PLAIN)
    page = unescape(client.get(EDIT + "stages/lead/").content.decode())
    assert "that of the settings" in page and "EMEA (Europe/Berlin)" in page
    stage = {"name": "Lead", "path": "success", "kind": "sla", "limit_hours": "16", "calendar": "emea", "seen": ""}

    def saved(**more: str) -> Any:
        seen = client.get(EDIT + "stages/lead/").content.decode().split('name="seen" value="')[1].split('"')[0]
        return client.post(EDIT + "stages/lead/", stage | {"seen": seen} | more)

    assert saved().status_code == 302
    assert documents.of_version(Version.objects.get())["stages"][3]["calendar"] == "emea"
    assert "limit 16 working hours, calendar EMEA" in unescape(client.get(EDIT).content.decode())
    assert saved(calendar="apac").status_code == 400
    assert saved(kind="inventory").status_code == 302
    assert "calendar" not in documents.of_version(Version.objects.get())["stages"][3]


def test_the_pages_of_a_version_say_by_which_calendars_its_limits_count(client, regions):
    client.force_login(User.objects.create_user("eda@example.com", "x"))
    published(TWO.replace(", calendar: us_east", ""))
    for address in ("/lifecycles/small/v1/", "/reports/documents/small/v1/"):
        page = unescape(client.get(address).content.decode())
        assert "Limits count on the working calendar: Monday, " in page and "(UTC)" in page
        told = "Limits of “Lead” count on the calendar “EMEA”: Monday, Tuesday, Wednesday, Thursday, Friday, 09:00 to 17:00"
        assert told in page and "(Europe/Berlin), less 2 holidays." in page
        assert "calendar EMEA" in page


def test_the_api_tells_the_calendar_of_each_stage_and_takes_it_in_a_document(regions):
    api = asking.by(asking.user())
    draft(PLAIN)
    version = "/api/v1/lifecycles/small/versions/1/"
    document = api.get(version + "document/").json()
    document["stages"][3]["calendar"] = "emea"
    assert api.put(version + "document/", document, content_type="application/json").status_code == 200
    assert {each["slug"]: each["calendar"] for each in api.get(version).json()["stages"]}["lead"] == "emea"
    document["stages"][3]["calendar"] = "apac"
    assert api.put(version + "document/", document, content_type="application/json").status_code == 200
    codes = [each["code"] for each in api.get(version + "check/").json()["findings"]]
    assert "no_calendar" in codes


# ---- who counts by it ----


def test_a_calendar_stays_while_a_stage_counts_by_it_and_so_does_its_short_name(client, regions):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    version, emea = published(TWO), WorkingCalendar.objects.get(slug="emea")
    address = "/operations/settings/calendars/emea/"
    assert "“Lead” of Small v1 (Published)" in unescape(client.get(address).content.decode())
    page = client.post(address + "remove/", follow=True)
    assert "“EMEA” cannot be removed, because stages count by it: “Lead” of Small v1 (Published)." in unescape(
        page.content.decode()
    )
    with pytest.raises(calendars.InUse, match="“Lead” of Small v1"):
        calendars.change(emea, {"slug": "europe"}, by=None, now=NOW)
    api = asking.Api(asking.user(User.Role.ADMIN, "bob@example.com"))
    told = api.refused("delete", "/working-calendars/emea/", None, 409, "in_use")
    assert told["users"] == [{"what": "stage", "name": "“Lead” of Small v1 (Published)"}]
    Version.objects.filter(pk=version.pk).update(state="retired")  # by which reports tell of the past
    with pytest.raises(calendars.InUse):
        calendars.remove(emea, by=None, now=NOW)
    Version.objects.filter(pk=version.pk).update(state="withdrawn")
    assert calendars.change(emea, {"slug": "europe"}, by=None, now=NOW)
    calendars.remove(emea, by=None, now=NOW)
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "calendar.create",
        "calendar.change",
        "calendar.remove",
    }
