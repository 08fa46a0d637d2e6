"""Conditions read back as sentences, and explained for one subject."""

from __future__ import annotations

from typing import Any

import pytest

from audience.conditions import describe, explain, registry, tree
from audience.conditions.tree import Leaf
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db

DIRECTORS: dict[str, Any] = {
    "all": [
        {"field": "person.country", "op": "is", "value": "DE"},
        {
            "any": [
                {"field": "activity.count", "op": "at_least", "value": 3, "days": 30,
                 "where": {"kind": "webinar_attended"}},
                {"field": "person.title", "op": "contains", "value": "director"},
            ]
        },
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            DIRECTORS,
            "country is “DE” and (at least 3 activities (webinar attended) in the last 30 days "
            "or job title contains “director”)",
        ),
        ({}, "everybody"),
        ({"not": {}}, "not (everybody)"),
        (
            {"not": {"any": [DIRECTORS["all"][0], {"field": "person.city", "op": "empty"}]}},
            "not (country is “DE” or city is empty)",
        ),
        ({"all": [{"any": [DIRECTORS["all"][0]]}]}, "country is “DE”"),
        (
            {"field": "person.country", "op": "not_in", "value": ["DE", "FR"]},
            "country is known and none of “DE”, “FR”",
        ),
        (
            {"field": "deal.count", "op": "equals", "value": 0, "where": {"status": ["won", "lost"]}},
            "exactly 0 deals (status: won or lost)",
        ),
        (
            {"field": "deal.amount", "op": "between", "value": [100_000, 250_050]},
            "amount of deals is between 1000.00 and 2500.50",
        ),
        (
            {"field": "activity.last", "op": "days_ago_at_most", "value": 7, "where": {"properties.topic": ""}},
            "last activity (topic: (empty)) was at most 7 days ago",
        ),
        (
            {"field": "activity.count", "op": "at_least", "value": 1, "days": 1},
            "at least 1 activity in the last day",
        ),
        (
            {
                "field": "activity.count",
                "op": "at_least",
                "value": 2,
                "where": {"kind": "webinar_attended", "since": "2026-01-01", "until": "2026-03-31"},
            },
            "at least 2 activities (webinar attended, from 2026-01-01, up to 2026-03-31)",
        ),
        ({"field": "person.has_account", "op": "is", "value": False}, "has an account: no"),
        ({"field": "activity.sum", "op": "more_than", "value": 2.5}, "sum of the activities' values is more than 2.5"),
        ({"field": "person.created", "op": "before", "value": "2025-03-31"}, "first seen is before 2025-03-31"),
    ],
)
def test_a_condition_reads_as_a_sentence(data: Any, sentence: str) -> None:
    assert describe.sentence(tree.parse(data)) == sentence


@pytest.mark.parametrize("of", ["person", "account"])
def test_every_field_and_operator_has_words(of: str) -> None:
    operands = ["x", ["x"], 3, [1, 2], "2025-01-01", True, None]
    for field in registry.catalogue(of).all():
        for operator in field.operators.values():
            said = set()
            for operand in operands:
                try:
                    leaf = Leaf(field, operator.name, operator.read(operand))
                except ValueError:
                    continue
                said.add(describe.sentence(leaf))
            assert said, f"nothing can be asked with {field.name} {operator.name}"
            assert not any("%(" in each or "None" in each for each in said)


def test_an_explanation_says_of_each_part_whether_it_held_and_what_was_found() -> None:
    person = factories.person(country="DE", title="Engineer")
    for days in (1, 2, 40):
        factories.activity(person, days_ago(days), kind="webinar_attended")
    explained = explain.explain(tree.parse(DIRECTORS), person.pk, of="person", at=NOW)
    assert explained is not None and explained.held is False and explained.word == "all"
    country, either = explained.parts
    assert (country.sentence, country.held, country.found) == ("country is “DE”", True, "DE")
    assert (either.held, either.word) == (False, "any")
    assert [(part.held, part.found) for part in either.parts] == [(False, "2"), (False, "Engineer")]


def test_an_unknown_value_is_explained_as_not_found_and_a_count_of_nothing_as_zero() -> None:
    person = factories.person()
    explained = explain.explain(tree.parse(DIRECTORS), person.pk, of="person", at=NOW)
    assert explained is not None
    country, either = explained.parts
    assert country.found is None and either.parts[0].found == "0"


def test_somebody_who_was_not_there_is_not_explained() -> None:
    person = factories.person(first_seen_at=days_ago(1))
    assert explain.explain(tree.parse(DIRECTORS), person.pk, of="person", at=days_ago(2)) is None


def test_an_explanation_is_one_statement(django_assert_num_queries: Any) -> None:
    person = factories.person()
    node = tree.parse({"all": [DIRECTORS["all"][0], {"field": "deal.count", "op": "at_least", "value": 1}]})
    with django_assert_num_queries(1):
        explain.explain(node, person.pk, of="person", at=NOW)
