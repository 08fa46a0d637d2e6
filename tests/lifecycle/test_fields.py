"""Conditions about stages: now, ever, and for how many days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import translation

from audience.conditions import compile, describe, registry, tree
from audience.models import Person
from kit import installation
from kit.sql import dicts, rows, run, sql
from lifecycle.engine import passes, replay, rules
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Stage, Version
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db

A_LITTLE = timedelta(microseconds=1)


@pytest.fixture
def version() -> Version:
    installation.put("zone", "UTC")
    return factories.published()


def stage(version: Version, slug: str) -> Stage:
    return version.stages.get(slug=slug)


def move(person: Person, version: Version, slug: str | None, at: datetime) -> None:
    """Place or move by the product's own verbs, as if it were then."""
    to = stage(version, slug) if slug else None
    membership = Membership.objects.filter(person=person, ended_at=None).first()
    if membership is None:
        assert to and stages.place(person.pk, version, to=to, reason="test", by=None, at=at, now=at)
    else:
        assert stages.move(membership, to=to, reason="test", by=None, at=at, now=at)


def held(data: Any, at: datetime = NOW, **more: Any) -> set[int]:
    return {row[0] for row in rows(compile.members(tree.parse(data), of="person", at=at, **more))}


def in_stage(slug: str) -> dict[str, Any]:
    return {"field": "stage.small", "op": "is", "value": slug}


def test_the_stage_is_where_the_last_movement_before_the_instant_led(version: Version) -> None:
    person = factories.person()
    move(person, version, "known", days_ago(30))
    move(person, version, "engaged", days_ago(20))
    move(person, version, None, days_ago(10))
    assert held(in_stage("known"), days_ago(30)) == set()
    assert held(in_stage("known"), days_ago(20)) == {person.pk}
    assert held(in_stage("engaged"), days_ago(20) + A_LITTLE) == {person.pk}
    assert held(in_stage("engaged"), days_ago(10)) == {person.pk}
    assert held({"field": "stage.small", "op": "empty"}) == {person.pk}, "an exit leads nowhere"
    alone = sql("SELECT {}::bigint AS subject_id", person.pk)
    assert held(in_stage("engaged"), days_ago(15), among=alone) == {person.pk}


def test_the_stage_of_a_second_pass_replaces_that_of_the_first(version: Version) -> None:
    person = factories.person()
    move(person, version, "known", days_ago(30))
    move(person, version, "won", days_ago(20))
    move(person, version, "engaged", days_ago(10))
    assert held(in_stage("won"), days_ago(15)) == {person.pk}
    assert held(in_stage("won")) == set()
    assert held(in_stage("engaged")) == {person.pk}
    assert held({"field": "stage.small", "op": "in", "value": ["engaged", "lead"]}) == {person.pk}


def test_as_known_then_a_movement_counts_from_its_recording(version: Version) -> None:
    person = factories.person()
    assert stages.place(
        person.pk, version, to=stage(version, "known"), reason="", by=None, at=days_ago(30), now=days_ago(5)
    )
    assert held(in_stage("known"), days_ago(20)) == {person.pk}
    assert held(in_stage("known"), days_ago(20), known=days_ago(20)) == set()
    assert held(in_stage("known"), days_ago(20), known=NOW) == {person.pk}


def test_ever_looks_at_all_movements_into_a_stage(version: Version) -> None:
    person, other = factories.person(), factories.person()
    move(person, version, "known", days_ago(30))
    move(person, version, "lead", days_ago(20))
    move(person, version, "resting", days_ago(10))
    move(other, version, "known", days_ago(30))
    ever = {"field": "stage.small.ever", "op": "is", "value": "lead"}
    assert held(ever) == {person.pk}
    assert held(ever, days_ago(20)) == set()
    assert held({"not": ever}) == {other.pk}
    assert held({"field": "stage.small.ever", "op": "in", "value": ["lead", "known"]}) == {person.pk, other.pk}


def test_days_in_a_stage_are_whole_local_days_since_the_entry(version: Version) -> None:
    installation.put("zone", "Europe/Berlin")
    person = factories.person()
    move(person, version, "known", datetime.fromisoformat("2025-06-01T23:59:00+02:00"))
    days = {"field": "stage.small.days_in", "op": "at_least", "value": 2}
    assert held(days, datetime.fromisoformat("2025-06-02T23:59:59+02:00")) == set()
    assert held(days, datetime.fromisoformat("2025-06-03T00:00:00+02:00")) == {person.pk}
    assert held({"field": "stage.small.days_in", "op": "empty"}) == set()


def test_a_stage_holds_since_the_movement_and_days_in_it_by_time_alone(version: Version) -> None:
    person = factories.person()
    move(person, version, "known", days_ago(30))
    move(person, version, "engaged", days_ago(20))
    asked = {
        "now": in_stage("engaged"),
        "ever": {"field": "stage.small.ever", "op": "in", "value": ["known", "engaged"]},
        "days": {"field": "stage.small.days_in", "op": "at_least", "value": 5},
    }
    nodes = {name: tree.parse(data) for name, data in asked.items()}
    (row,) = dicts(compile.table(nodes, of="person", at=NOW, evidence=True))
    assert row["now"] and row["ever"] and row["days"]
    assert row["now__evidence"] == days_ago(20)
    assert row["ever__evidence"] == days_ago(30)
    assert row["days__evidence"] is None


def test_a_stay_that_reaches_its_age_is_touched_and_no_other(version: Version) -> None:
    people = {days: factories.person() for days in (4, 5, 6)}
    for days, person in people.items():
        move(person, version, "known", days_ago(days))
    node = tree.parse({"field": "stage.small.days_in", "op": "at_least", "value": 6})
    touched = compile.touched([node], of="person", since=NOW, until=NOW + timedelta(days=1))
    assert rows(touched) == [(people[5].pk,)]
    moved = compile.touched([tree.parse(in_stage("won"))], of="person", since=days_ago(5), until=days_ago(4))
    assert rows(moved) == [(people[5].pk,)]


def test_a_stage_of_another_lifecycle_is_no_choice(version: Version) -> None:
    with pytest.raises(tree.ConditionError) as refused:
        tree.parse(in_stage("customer"))
    assert refused.value.code == "unknown_choice"
    assert str(refused.value) == (
        "value: “stage.small” is never “customer”; it can be known, engaged, checked, lead, won, resting"
    )


def test_the_stages_of_all_lifecycles_are_read_in_as_many_queries_as_of_one(
    version: Version, django_assert_num_queries: Any
) -> None:
    factories.draft(factories.SMALL.replace("lifecycle: small", "lifecycle: second"))
    with django_assert_num_queries(3):
        names = [each.name for each in registry.Catalogue("person")._family("stage.").values()]
    assert names == [
        f"stage.{slug}{what}"
        for slug in ("second", "small")
        for what in ("", ".ever", ".days_in", ".stalled", ".limit", ".hours_over")
    ]


@pytest.mark.parametrize(
    "condition",
    [
        in_stage("known"),
        {"not": in_stage("known")},
        {"field": "stage.small.ever", "op": "is", "value": "known"},
        {"all": [in_stage("known"), {"field": "activity.count", "days": 30, "op": "at_least", "value": 3}]},
    ],
)
def test_a_question_about_stages_can_be_answered_by_several_processes(
    version: Version, condition: dict[str, Any]
) -> None:
    for cost in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        run(sql("SELECT set_config({}, '0', true)", cost))
    plan = rows(sql("EXPLAIN {}", compile.members(tree.parse(condition), of="person", at=NOW)))
    assert any("Workers Planned" in line for (line,) in plan), plan


LIMITED = factories.SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 16}")
MONDAY = datetime.fromisoformat("2025-06-02T09:00:00+00:00")
DEADLINE = datetime.fromisoformat("2025-06-03T17:00:00+00:00")


def limit(word: str | list[str]) -> dict[str, Any]:
    return {"field": "stage.small.limit", "op": "in" if isinstance(word, list) else "is", "value": word}


def test_a_limit_is_met_by_leaving_in_time_missed_for_good_once_it_is_over_and_past_due_while_they_stay() -> None:
    installation.put("zone", "UTC")
    version = factories.published(LIMITED)
    punctual, late = factories.person(first_seen_at=MONDAY), factories.person(first_seen_at=MONDAY)
    move(punctual, version, "lead", MONDAY)
    move(late, version, "lead", MONDAY)
    assert held(limit(["met", "missed", "past_due"]), DEADLINE) == set(), "at the very deadline nobody is late"
    assert held(limit("past_due"), DEADLINE + A_LITTLE) == {punctual.pk, late.pk}
    move(punctual, version, "engaged", DEADLINE)
    afterwards = DEADLINE + timedelta(hours=20)  # Wednesday at one o'clock: four hours of work later
    assert held(limit("past_due"), afterwards) == held(limit("missed"), afterwards) == {late.pk}
    assert held(limit("met"), afterwards) == {punctual.pk}
    over = {"field": "stage.small.hours_over", "op": "at_least", "value": 4}
    assert held(over, afterwards) == {late.pk} and held(over, afterwards - A_LITTLE) == set()
    assert held({"field": "stage.small.hours_over", "op": "empty"}, afterwards) == {punctual.pk}
    move(late, version, "engaged", afterwards)
    assert held(limit("past_due"), afterwards + A_LITTLE) == set()
    assert held(limit("missed"), afterwards + A_LITTLE) == {late.pk}
    move(late, version, "won", afterwards + timedelta(hours=1))
    move(late, version, "known", afterwards + timedelta(hours=2))
    assert held(limit("missed"), afterwards + timedelta(hours=3)) == set(), "of the newest pass alone"


def test_the_deadline_says_since_when_a_limit_is_past_due_and_the_sentence_says_what_is_asked(version: Version) -> None:
    limited = factories.published(
        LIMITED.replace("lifecycle: small", "lifecycle: tight").replace("name: Small", "name: Tight")
    )
    person = factories.person(first_seen_at=MONDAY)
    move(person, limited, "lead", MONDAY)
    node = tree.parse(limit("past_due") | {"field": "stage.tight.limit"})
    (row,) = dicts(compile.table({"late": node}, of="person", at=NOW, evidence=True))
    assert (row["late"], row["late__evidence"]) == (True, DEADLINE)
    assert describe.sentence(node) == "has, in this pass of Tight, a limit that is “past due”"
    with translation.override("zh-hans"):
        node = tree.parse(limit("past_due") | {"field": "stage.tight.limit"})
        assert describe.sentence(node) == "在Tight本轮中，时限的状态为“已逾期”"


RULED = LIMITED.replace(
    "transitions:\n",
    "transitions:\n  - {from: lead, to: resting, when: {field: stage.small.limit, op: is, value: past_due}, reason: Late}\n",
).replace("entry: {}", "entry: {field: activity.count, op: at_least, value: 1}")


@pytest.mark.parametrize("asked", ["limit, op: is, value: past_due", "hours_over, op: at_least, value: 3"])
def test_a_rule_that_asks_for_it_says_the_same_live_by_the_midnight_and_in_a_replay(asked: str) -> None:
    installation.put("zone", "UTC")
    version = factories.published(RULED.replace("limit, op: is, value: past_due", asked), MONDAY)
    someone = factories.person(first_seen_at=MONDAY, country="DE")
    for minutes in range(3):
        factories.activity(someone, MONDAY + timedelta(minutes=minutes))

    def moves() -> list[Any]:
        found = Movement.objects.filter(membership__person=someone).order_by("seq")
        return list(found.values_list("from_stage__slug", "to_stage__slug", "occurred_at"))

    until = MONDAY + timedelta(days=6)
    with transaction.atomic():
        replay.run(version, now=until, until=until)
        replayed = moves()
        transaction.set_rollback(True)
    for day in range(1, 7):
        midnight = datetime.combine((MONDAY + timedelta(days=day)).date(), datetime.min.time(), MONDAY.tzinfo)
        since = midnight - timedelta(days=1)
        asked_of = rules.read(version)
        passes.apply(asked_of, among=replay._touched(asked_of, since, midnight, None), at=midnight, now=midnight)
    assert replayed == moves()
    late = [at for left, to, at in replayed if (left, to) == ("lead", "resting")]
    due = MONDAY + timedelta(days=2, minutes=2)  # sixteen hours of work after they came
    assert late == [due] if asked.startswith("limit") else late[0] >= due + timedelta(hours=3), replayed


HURRIED = """
lifecycle: small
name: Small
species: net_new
entry: {}
stages:
  - {slug: lead, name: Lead, kind: sla, limit_hours: 16}
  - {slug: engaged, name: Engaged}
  - {slug: resting, name: Resting, path: detour}
transitions:
  - {from: lead, to: engaged, when: {field: person.country, op: is, value: DE}, reason: From Germany}
  - {from: engaged, to: resting, when: {field: stage.small.limit, op: is, value: past_due}, reason: Too late}
"""


def test_a_rule_about_limits_is_not_followed_by_what_was_true_of_the_stage_before() -> None:
    installation.put("zone", "UTC")
    version = factories.published(HURRIED)
    late = factories.person(first_seen_at=MONDAY, country="DE")
    move(late, version, "lead", MONDAY)
    later = DEADLINE + timedelta(days=1)
    assert held(limit("past_due"), later) == {late.pk}
    passes.apply(rules.read(version), among=None, at=later, now=later)
    assert held(in_stage("engaged"), later + A_LITTLE) == {late.pk}
    assert held(limit("past_due"), later + A_LITTLE) == set()
