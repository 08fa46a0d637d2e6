"""The one statement: every figure as computed by hand, to the micro-point, whatever the zone and the day."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audience.models import Activity
from kit import installation
from kit.sql import dicts, rows, sql
from scoring import compiling, rules
from tests.factories import NOW, account, activity, days_ago, person
from tests.scoring import world
from tests.scoring.making import draft, text_of
from tests.scoring.world import Deed, Reason, Someone

pytestmark = pytest.mark.django_db

ONE = "model: lead\nname: Lead\nrules:\n  - {name: Visit, points: %s, did: {kind: page_visited}%s}\n"


def scored(version, at=NOW, **more):
    plan = rules.read(version)
    return {row["subject_id"]: row for row in dicts(compiling.totals(plan, at=at, **more))}


def total(text, someone, at=NOW):
    return scored(draft(text), at)[someone.pk]["total"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, 1_000_000), (1, 793_701), (2, 629_961), (3, 500_000), (6, 250_000), (21, 7_813), (60, 1), (62, 1),
        (63, 0), (300, 0),
    ],
)  # fmt: skip
def test_a_point_of_half_life_three_is_halved_every_three_days_and_rounded_half_up(days, expected):
    # 0.5^(1/3) = 0.7937005…, 0.5^7 = 0.0078125 exactly, which rounds up, 0.5^21 = 0.00000047…: nothing is left.
    someone = person(first_seen_at=days_ago(400), created_at=days_ago(400))
    activity(someone, days_ago(days + 0.01))
    assert total(ONE % (1, ", half_life: 3"), someone) == expected


def test_taken_points_fade_as_given_ones_do():
    someone = person()
    activity(someone, days_ago(21.01))
    assert total(ONE % (-1, ", half_life: 3"), someone) == -7_813


def test_age_is_counted_in_local_days_and_not_in_hours():
    installation.put("zone", "Europe/Berlin")
    someone = person()
    activity(someone, datetime(2025, 6, 14, 21, 59, tzinfo=UTC))  # 23:59 in Berlin
    at = datetime(2025, 6, 14, 22, 1, tzinfo=UTC)  # 00:01 of the next day
    assert total(ONE % (64, ", half_life: 1"), someone, at) == 32_000_000


def test_nothing_counts_after_its_expiry_to_the_minute_of_the_local_clock_through_the_clock_change():
    installation.put("zone", "Europe/Berlin")
    someone = person(first_seen_at=days_ago(200), created_at=days_ago(200))
    activity(someone, datetime(2025, 3, 29, 9, 0, tzinfo=UTC))  # 10:00 of winter time
    text = ONE % (7, ", expires: 2")
    version = draft(text)
    assert scored(version, datetime(2025, 3, 31, 8, 0, tzinfo=UTC))[someone.pk]["total"] == 7_000_000  # 10:00 summer
    assert scored(version, datetime(2025, 3, 31, 8, 1, tzinfo=UTC))[someone.pk]["total"] == 0


def test_as_of_an_instant_is_strictly_before_it():
    someone = person()
    activity(someone, NOW)
    version = draft(ONE % (7, ""))
    assert scored(version)[someone.pk]["total"] == 0
    assert scored(version, NOW + timedelta(microseconds=1))[someone.pk]["total"] == 7_000_000


def test_once_counts_the_one_activity_that_is_worth_most():
    someone = person()
    for days in (10.01, 3.01, 30.01):
        activity(someone, days_ago(days))
    assert total(ONE % (8, ", half_life: 3, once: true"), someone) == 4_000_000
    assert total(ONE % (-8, ", half_life: 3, once: true"), someone) == -4_000_000
    assert total(ONE % (8, ", once: true"), someone) == 8_000_000
    assert total(ONE % (8, ""), someone) == 24_000_000


def test_a_rule_is_capped_and_then_its_group():
    someone = person(country="DE")
    for _ in range(4):
        activity(someone, days_ago(1), "content_downloaded")
        activity(someone, days_ago(1), "webinar_attended", channel="web")
        activity(someone, days_ago(1), "webinar_attended", channel="phone")
    row = scored(draft())[someone.pk]
    assert row["behaviour"] == 12_000_000  # 20 capped to 10, and 32, together 42, capped to 12
    assert (row["fit"], row["total"], row["shown"], row["grade"]) == (10_500_000, 22_500_000, 23, "C")


def test_points_taken_away_are_capped_from_below():
    someone = person()
    for _ in range(4):
        activity(someone, days_ago(1))
    assert total(ONE % (-3, ", cap: 7"), someone) == -7_000_000


@pytest.mark.parametrize(
    ("points", "shown"),
    [
        ("0.5", 1),
        ("0.499999", 0),
        ("-0.5", 0),
        ("-0.500001", -1),
        ("-1.5", -1),
        ("1.5", 2),
        ("2.5", 3),
        ("999.999999", 1000),
    ],
)
def test_the_shown_score_is_the_floor_of_half_a_point_more(points, shown):
    someone = person()
    activity(someone, days_ago(1))
    assert scored(draft(ONE % (points, "")))[someone.pk]["shown"] == shown


def test_only_humans_give_points_unless_a_rule_asks_for_others():
    someone = person()
    for actor in ("human", "unknown", "bot", "proxy"):
        activity(someone, days_ago(1), actor=actor)
    assert total(ONE % (1, ""), someone) == 1_000_000
    both = ONE % (1, "") + "  - {name: Bots, points: 10, did: {kind: page_visited, actor: [bot, proxy]}}\n"
    assert total(both, someone) == 21_000_000


def test_a_reversed_activity_counts_until_it_is_reversed():
    someone = person()
    first = activity(someone, days_ago(5))
    Activity.objects.create(
        person=someone, kind=first.kind, reversal_of=first, occurred_at=days_ago(2), recorded_at=days_ago(2),
        source="tests", external_id="reversal",
    )  # fmt: skip
    version = draft(ONE % (3, ""))
    assert scored(version, days_ago(3))[someone.pk]["total"] == 3_000_000
    assert scored(version)[someone.pk]["total"] == 0


def test_as_known_then_counts_only_what_was_recorded_by_then():
    someone = person()
    activity(someone, days_ago(5), recorded_at=days_ago(1))
    version = draft(ONE % (3, ""))
    assert scored(version, days_ago(2))[someone.pk]["total"] == 3_000_000
    assert scored(version, days_ago(2), known=days_ago(2))[someone.pk]["total"] == 0


def test_accounts_are_scored_by_what_was_done_in_their_name():
    firm, other = account(), account()
    someone = person(account=firm)
    activity(someone, days_ago(1), account=firm)
    activity(firm, days_ago(1))
    version = draft((ONE % (3, "")).replace("name: Lead", "name: Lead\nof: account"))
    assert {pk: row["total"] for pk, row in scored(version).items()} == {firm.pk: 6_000_000, other.pk: 0}


def test_everybody_who_was_there_has_a_row_and_nobody_else():
    there = person()
    person(first_seen_at=NOW)
    person(erased_at=days_ago(1))
    assert set(scored(draft())) == {there.pk}


def test_evidence_is_the_latest_fact_that_gave_points():
    someone, nobody = person(title="Director"), person()
    activity(someone, days_ago(5), "demo_requested")
    activity(someone, days_ago(2), "unsubscribed")
    found = scored(draft(), evidence=True)
    assert found[someone.pk]["evidence"] == days_ago(5)
    assert found[nobody.pk]["evidence"] is None


def test_a_kind_that_nobody_knows_yet_gives_nothing():
    someone = person()
    activity(someone, days_ago(1))
    assert total((ONE % (3, "")).replace("page_visited", "never_seen"), someone) == 0


def test_one_scan_of_the_activities_serves_all_behaviour_rules():
    statement = compiling.totals(rules.read(draft()), at=NOW)
    assert statement.text.count("FROM audience_activity x") == 1


# ---- by hand, at random ----

KINDS = ("page_visited", "demo_requested", "unsubscribed")
CHANNELS = ("web", "email", "")


def some_reasons(chance):
    reasons = [
        Reason(
            points=chance.choice(["1", "5", "40", "-15", "0.333333", "12.5", "1000"]),
            kind=chance.choice([*KINDS, ""]),
            channel=chance.choice(["", "", "web"]),
            actor=chance.choice(["", "", "", "bot"]),
            half_life=chance.choice([None, 1, 3, 7, 30, 365]),
            expires=chance.choice([None, None, 1, 10, 90]),
            once=chance.random() < 0.3,
            cap=chance.choice([None, None, "7", "0.5", "50"]),
            group=chance.choice(["", "", "g", "h"]),
        )
        for _ in range(chance.randrange(1, 7))
    ]
    fits = [Reason(points=chance.choice(["10", "-3.5"]), country=each) for each in chance.sample(["DE", "FR"], 1)]
    return reasons + fits, {group: chance.choice(["5", "33.25"]) for group in {r.group for r in reasons} - {""}}


def some_people(chance, number, begin, days):
    people = []
    for _ in range(number):
        someone = Someone(chance.choice(["DE", "FR", ""]))
        made = person(country=someone.country, first_seen_at=begin, created_at=begin)
        someone.pk = made.pk
        for _ in range(chance.randrange(12)):
            at = begin + timedelta(minutes=chance.randrange(days * 1440))
            reversed_at = at + timedelta(days=chance.randrange(20)) if chance.random() < 0.1 else None
            actor = chance.choice(["human"] * 6 + ["bot", "unknown"])
            deed = Deed(chance.choice(KINDS), at, chance.choice(CHANNELS), actor, reversed_at)
            done = activity(made, at, deed.kind, channel=deed.channel, actor=actor)
            if reversed_at:
                Activity.objects.create(
                    person=made, kind=done.kind, reversal_of=done, occurred_at=reversed_at, recorded_at=reversed_at,
                    source="tests", external_id=f"r{done.pk}",
                )  # fmt: skip
            someone.deeds.append(deed)
        people.append(someone)
    return people


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
def test_the_statement_says_what_is_computed_by_hand(seed, zone):
    installation.put("zone", zone)
    chance = random.Random(f"{seed} {zone}")
    begin = datetime(2018, 1, 20, tzinfo=UTC) if zone == "America/Sao_Paulo" else datetime(2025, 1, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    people = some_people(chance, 8, begin, 100)
    version = draft(text_of(reasons, caps))
    for _ in range(4):
        at = begin + timedelta(minutes=chance.randrange(1, 130 * 1440))
        found = scored(version, at)
        for someone in people:
            row = found[someone.pk]
            expected = world.score(someone, reasons, caps, at, ZoneInfo(zone))
            assert (row["behaviour"], row["fit"], row["shown"]) == expected, (at, reasons, someone)
            assert row["total"] == expected[0] + expected[1]


@pytest.mark.parametrize("seed", range(6))
def test_one_subject_alone_has_the_score_that_it_has_among_all(seed):
    chance = random.Random(seed)
    begin = datetime(2025, 1, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    people = some_people(chance, 8, begin, 100)
    plan = rules.read(draft(text_of(reasons, caps)))
    at = begin + timedelta(days=70, hours=3)
    everybody = {row[0]: row for row in rows(compiling.totals(plan, at=at))}
    for someone in people:
        alone = sql("SELECT {}::bigint AS subject_id", someone.pk)
        assert rows(compiling.totals(plan, at=at, among=alone)) == [everybody[someone.pk]]
