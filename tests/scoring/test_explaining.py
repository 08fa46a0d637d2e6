"""Why a score is what it is: entries that add up to it exactly, what moved, and ways that really lead to the limit."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from kit.sql import dicts
from scoring import compiling, explaining, rules
from scoring.rules import MICRO
from tests.factories import NOW, activity, days_ago, person
from tests.scoring.making import draft, text_of
from tests.scoring.test_compiling import some_people, some_reasons

pytestmark = pytest.mark.django_db


def lines(told):
    return [(entry.kind, entry.label, entry.points) for entry in told.entries]


def test_each_line_says_what_it_gave_and_together_they_are_the_score():
    someone = person(title="Director", country="DE")
    for days in (1, 2, 3):
        activity(someone, days_ago(days), "content_downloaded")
    activity(someone, days_ago(1), "webinar_attended", channel="web")
    told = explaining.explain(rules.read(draft()), someone.pk, at=NOW)
    assert lines(told) == [
        ("behaviour", "Read something", 15_000_000),
        ("cap", "Cap of “Read something” reached", -5_000_000),
        ("behaviour", "Watched a webinar", 8_000_000),
        ("fit", "Director", 20_000_000),
        ("fit", "Germany", 10_500_000),
        ("group", "Cap of the group “content” reached", -6_000_000),
        ("rounding", "Rounded to whole points", 500_000),
    ]
    assert (told.shown, told.grade, told.behaviour, told.fit) == (43, "A", 12_000_000, 30_500_000)
    assert told.entries[0].count == 3 and told.entries[0].last == days_ago(1)
    assert [entry.start for entry in told.entries][:3] == [0, 15_000_000, 10_000_000]
    assert (told.entries[4].whole, told.entries[4].places) == ("+10", ".5")
    assert (told.entries[1].whole, told.entries[1].places) == ("−5", "")


def test_what_moved_since_yesterday_is_told_line_by_line():
    someone = person()
    activity(someone, days_ago(20), "demo_requested")
    activity(someone, days_ago(0.2), "content_downloaded")
    plan = rules.read(draft())
    now = explaining.explain(plan, someone.pk, at=NOW)
    before = explaining.explain(plan, someone.pk, at=NOW - timedelta(days=1))
    moves = {move.label: move.now - move.before for move in explaining.moved(before, now)}
    assert moves["Read something"] == 5_000_000
    assert moves["Asked for a demo"] == rules.decayed(40_000_000, 20, 30) - rules.decayed(40_000_000, 19, 30) < 0
    assert explaining.moved(now, now) == []


def test_the_nearest_way_is_the_one_rule_that_reaches_the_limit_soonest():
    someone = person(title="Director")
    plan = rules.read(draft())
    told = explaining.explain(plan, someone.pk, at=NOW)
    assert [(way.label, way.times, way.shown) for way in explaining.ways(plan, told, 60)] == [
        ("Asked for a demo", 1, 60)
    ]
    near = [(way.label, way.times, way.is_fit) for way in explaining.ways(plan, told, 30)]
    assert near == [("Asked for a demo", 1, False), ("Germany", 1, True), ("Watched a webinar", 2, False)]
    assert explaining.ways(plan, told, 20) == []


def test_nobody_is_explained_who_was_not_there():
    someone = person(erased_at=NOW)
    assert explaining.explain(rules.read(draft()), someone.pk, at=NOW) is None


@pytest.mark.parametrize("seed", range(12))
def test_entries_add_up_to_what_the_statement_says_of_everybody(seed):
    chance = random.Random(seed)
    begin = datetime(2025, 1, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    people = some_people(chance, 6, begin, 60)
    plan = rules.read(draft(text_of(reasons, caps, grades={"A": 20, "B": 5, "C": 1})))
    at = begin + timedelta(days=61, hours=5)
    scored = {row["subject_id"]: row for row in dicts(compiling.totals(plan, at=at))}
    for someone in people:
        told = explaining.explain(plan, someone.pk, at=at)
        row = scored[someone.pk]
        assert (told.behaviour, told.fit, told.shown, told.grade) == (
            row["behaviour"], row["fit"], row["shown"], row["grade"],
        )  # fmt: skip
        assert sum(entry.points for entry in told.entries) == row["shown"] * MICRO


@pytest.mark.parametrize("seed", range(8))
def test_a_way_leads_to_the_limit_when_it_is_gone(seed):
    """Whoever does what the way says has just the score that it foretells."""
    chance = random.Random(seed)
    begin = datetime(2025, 1, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    reasons = [each for each in reasons if each.kind and not each.actor and float(each.points) > 0]
    for each in reasons:
        each.kind, each.channel = f"kind_{id(each) % 100000}", "web"  # no two rules count the same activity
    if not reasons:
        return
    someone = some_people(chance, 1, begin, 60)[0]
    plan = rules.read(draft(text_of(reasons, {k: v for k, v in caps.items() if k in {r.group for r in reasons}})))
    at = begin + timedelta(days=61, hours=5)
    told = explaining.explain(plan, someone.pk, at=at)
    for way in explaining.ways(plan, told, told.shown + 3):
        from django.db import transaction

        from audience.models import Person

        with transaction.atomic():
            rule = next(each for each in plan.rules if each.rule.name == way.label)
            for n in range(way.times):
                activity(
                    Person.objects.get(pk=someone.pk),
                    at - timedelta(minutes=n + 1),
                    dict(rule.where)["kind"][0],
                    channel="web",
                )
            again = explaining.explain(rules.read(plan.version), someone.pk, at=at)
            assert again.shown == way.shown >= told.shown + 3
            transaction.set_rollback(True)
