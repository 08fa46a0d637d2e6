"""Passes of rules: who moves, how far, when it occurred, and that nobody moves twice."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from kit import installation
from lifecycle.engine import passes, rules
from lifecycle.models import Membership, Movement
from tests.factories import SMALL, activity, deal, person, published

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)
MIDNIGHT = datetime(2025, 6, 11, tzinfo=UTC)


def walk(version, at=MIDNIGHT, **more):
    return passes.apply(rules.read(version), among=None, at=at, now=at, **more)


def way(subject):
    moves = Movement.objects.filter(membership__subject_id=subject.pk).order_by("membership__pass_number", "seq")
    return [(move.to_stage.slug, move.occurred_at, move.reason) for move in moves.select_related("to_stage")]


def test_one_pass_carries_a_subject_through_several_stages_and_through_a_gate_that_holds_nobody():
    version, someone = published(), person(country="DE", first_seen_at=NOON)
    for minutes in (10, 20, 30):
        activity(someone, NOON + timedelta(minutes=minutes))
    assert walk(version) == 4
    assert way(someone) == [
        ("known", NOON, "Entered the lifecycle"),
        ("engaged", NOON + timedelta(minutes=10), "Did something"),
        ("checked", NOON + timedelta(minutes=30), "Did a lot"),
        ("lead", NOON + timedelta(minutes=30), "From Germany"),
    ]
    assert not Membership.objects.filter(stage__kind="gate").exists()


def test_the_default_exit_of_a_gate_takes_whom_no_other_rule_wants():
    version, someone = published(), person(country="FR", first_seen_at=NOON)
    for minutes in (10, 20, 30):
        activity(someone, NOON + timedelta(minutes=minutes))
    walk(version)
    assert [stage for stage, *_ in way(someone)] == ["known", "engaged", "checked", "resting"]


def test_a_second_pass_over_the_same_facts_moves_nobody():
    version, someone = published(), person(first_seen_at=NOON)
    activity(someone, NOON + timedelta(minutes=5))
    assert walk(version) == 2
    assert walk(version) == 0
    assert walk(version, at=MIDNIGHT + timedelta(hours=3)) == 0


def test_what_time_alone_changes_occurs_at_the_midnight_of_the_pass():
    version, someone = published(), person(first_seen_at=NOON - timedelta(days=40))
    activity(someone, NOON - timedelta(days=31))
    walk(version, at=MIDNIGHT - timedelta(days=31))
    assert walk(version) == 1
    last = Movement.objects.latest("seq")
    assert (last.to_stage.slug, last.occurred_at, last.evidence_at) == ("resting", MIDNIGHT, MIDNIGHT)


def test_a_late_fact_moves_the_subject_now_and_keeps_its_own_date():
    version, someone = published(), person(first_seen_at=NOON - timedelta(days=20))
    walk(version, at=MIDNIGHT - timedelta(days=19))
    activity(someone, NOON - timedelta(days=10))
    now = NOON + timedelta(hours=3)
    assert walk(version, at=now) == 1
    last = Movement.objects.latest("seq")
    assert (last.occurred_at, last.evidence_at) == (now, NOON - timedelta(days=10))


def test_a_deal_won_before_the_first_contact_occurs_with_the_contact_and_keeps_its_own_date():
    version, someone = published(), person(first_seen_at=NOON)
    deal(someone, NOON - timedelta(days=2), NOON - timedelta(days=2))
    walk(version)
    last = Movement.objects.latest("seq")
    assert (last.to_stage.slug, last.occurred_at, last.evidence_at) == ("won", NOON, NOON - timedelta(days=2))


def test_a_fact_that_qualified_somebody_before_the_arrival_is_no_negative_stay():
    text = SMALL.replace(
        "{field: activity.count, days: 90, op: at_least, value: 1}", "{field: person.source, op: is, value: fair}"
    )
    version, someone = published(text), person(first_seen_at=NOON - timedelta(days=9), source="")
    for days in (5, 4, 3):
        activity(someone, NOON - timedelta(days=days))
    walk(version, at=MIDNIGHT - timedelta(days=1))
    from audience.models import FieldChange, Person

    Person.objects.update(source="fair")
    FieldChange.objects.create(
        person=someone, field="source", old="", source="tests", occurred_at=NOON, recorded_at=NOON
    )
    walk(version)
    engaged, checked = Movement.objects.filter(to_stage__slug__in=["engaged", "checked"]).order_by("seq")
    assert engaged.evidence_at == checked.evidence_at == NOON


def test_only_those_asked_for_are_moved():
    from kit.sql import sql

    version, one, other = published(), person(first_seen_at=NOON), person(first_seen_at=NOON)
    passes.apply(rules.read(version), among=sql("SELECT {}::bigint AS subject_id", one.pk), at=MIDNIGHT, now=MIDNIGHT)
    assert way(one) and not way(other)


def test_an_ended_pass_is_not_begun_again_unless_the_version_says_so():
    version, someone = published(), person(first_seen_at=NOON)
    deal(someone, NOON, NOON + timedelta(hours=1))
    walk(version)
    assert walk(version, at=MIDNIGHT + timedelta(days=30)) == 0
    assert Membership.objects.get().ended_at == NOON + timedelta(hours=1)


def test_where_it_may_begin_again_it_does_by_something_that_happened_after_the_end():
    text = SMALL.replace("entry: {}", "entry: {field: activity.count, days: 7, op: at_least, value: 1}\nreentry: true")
    won = "where: {status: won}, op: at_least, value: 1"
    text = text.replace(won, won.replace("at_least", "equals"))
    version, someone = published(text), person(first_seen_at=NOON)
    activity(someone, NOON + timedelta(minutes=1))
    deal(someone, NOON, NOON + timedelta(hours=1))
    walk(version)
    assert walk(version, at=MIDNIGHT + timedelta(days=1)) == 0
    activity(someone, MIDNIGHT + timedelta(days=9))
    deal(someone, MIDNIGHT, MIDNIGHT + timedelta(days=1))
    walk(version, at=MIDNIGHT + timedelta(days=10))
    assert list(Membership.objects.order_by("pass_number").values_list("pass_number", "stage__slug")) == [
        (1, "won"),
        (2, "engaged"),
    ]


def test_local_midnights_are_those_of_the_installations_zone():
    installation.put("zone", "America/Sao_Paulo")
    version, someone = published(), person(first_seen_at=NOON)
    local_midnight = datetime(2025, 6, 11, 3, tzinfo=UTC)
    activity(someone, datetime(2025, 6, 11, 1, tzinfo=UTC))  # still the tenth there
    walk(version, at=local_midnight)
    assert way(someone)[-1][1] == datetime(2025, 6, 11, 1, tzinfo=UTC)


def test_a_pass_costs_the_same_number_of_statements_however_many_move():
    version = published()
    for _ in range(3):
        activity(person(first_seen_at=NOON), NOON + timedelta(minutes=1))
    asked = rules.read(version)
    counts = []
    for at in (MIDNIGHT, MIDNIGHT + timedelta(days=1)):
        with connection.execute_wrapper(lambda execute, *args: (counts.append(1), execute(*args))[1]):
            passes.apply(asked, among=None, at=at, now=at)
        for _ in range(40):
            activity(person(first_seen_at=at), at + timedelta(minutes=1))
        counts.append(0)
    first = counts.index(0)
    assert first == len(counts) - first - 2


def test_days_in_a_stage_are_not_those_of_the_stage_before():
    """Long in the one stage, just come into the next: what asks for days there waits until they have passed."""
    slow = SMALL + (
        "  - {from: lead, to: resting, when: {field: stage.small.days_in, op: at_least, value: 40}, reason: Slow}\n"
    )
    version, someone = published(slow), person(country="DE", first_seen_at=NOON - timedelta(days=50))
    walk(version, MIDNIGHT - timedelta(days=49))
    for minutes in (10, 20, 30):
        activity(someone, NOON + timedelta(minutes=minutes))
    walk(version)
    walk(version, MIDNIGHT + timedelta(seconds=5))
    assert [stage for stage, _at, _why in way(someone)] == ["known", "engaged", "checked", "lead"]
    walk(version, MIDNIGHT + timedelta(days=40))
    assert way(someone)[-1][0] == "resting"
