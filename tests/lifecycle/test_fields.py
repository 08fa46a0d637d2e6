"""Conditions about stages: now, ever, and for how many days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from audience.conditions import compile, registry, tree
from audience.models import Person
from kit import installation
from kit.sql import dicts, rows, run, sql
from lifecycle.ledger import stages
from lifecycle.models import Membership, Stage, Version
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
        f"stage.{slug}{what}" for slug in ("second", "small") for what in ("", ".ever", ".days_in", ".stalled")
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
