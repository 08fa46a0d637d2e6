"""What a condition may look like, and the words in which it is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from audience.conditions import tree
from audience.conditions.tree import All, AnyOf, ConditionError, Leaf, Not
from audience.models import Field
from lifecycle import fields
from tests.factories import NOW

pytestmark = pytest.mark.django_db

COUNTRY = {"field": "person.country", "op": "is", "value": "DE"}
VISITS = {"field": "activity.count", "op": "at_least", "value": 3}


def refusal(data: Any, of: str = "person") -> ConditionError:
    with pytest.raises(ConditionError) as refused:
        tree.parse(data, of=of)
    return refused.value


def test_nested_groups_become_a_tree() -> None:
    node = tree.parse({"all": [COUNTRY, {"any": [VISITS, {"not": COUNTRY}]}]})
    assert isinstance(node, All)
    country, either = node.parts
    assert isinstance(country, Leaf) and country.field.name == "person.country" and country.operand == "DE"
    assert isinstance(either, AnyOf) and either.parts == (tree.parse(VISITS), Not(country))
    assert [leaf.field.name for leaf in tree.leaves(node)] == ["person.country", "activity.count", "person.country"]


@pytest.mark.parametrize("data", [{}, None, {"all": []}, {"all": [{}, {"all": []}]}])
def test_an_empty_condition_means_everybody(data: Any) -> None:
    assert tree.is_everybody(tree.parse(data))


def test_a_question_does_not_mean_everybody() -> None:
    assert not tree.is_everybody(tree.parse({"all": [COUNTRY]}))
    assert not tree.is_everybody(tree.parse({"not": {}}))


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (
            {"all": [{}, {"field": "person.contry", "op": "is", "value": "DE"}]},
            "unknown_field",
            "all › 2 › field: there is no field “person.contry”; did you mean “person.country”?",
        ),
        (
            {"field": "person.contry", "op": "is", "value": "DE"},
            "unknown_field",
            "field: there is no field “person.contry”; did you mean “person.country”?",
        ),
        ({"field": 5, "op": "is"}, "unknown_field", "field: needs the name of a field, such as “person.country”"),
        (
            {"not": COUNTRY | {"op": "matches"}},
            "unknown_operator",
            "not › op: “person.country” cannot be asked with “matches”; it takes is, is_not, in, not_in, contains, "
            "starts_with, empty, not_empty",
        ),
        (
            {"any": [VISITS | {"op": "empty"}]},
            "unknown_operator",
            "any › 1 › op: “activity.count” cannot be asked with “empty”; it takes at_least, at_most, more_than, "
            "less_than, equals, between",
        ),
        (COUNTRY | {"value": 7}, "wrong_type", "value: needs text, not 7"),
        (COUNTRY | {"op": "in"}, "wrong_type", "value: needs a list of texts, not “DE”"),
        (COUNTRY | {"op": "in", "value": []}, "no_value", "value: needs at least one value in the list"),
        (
            COUNTRY | {"value": " "},
            "no_value",
            "value: needs some text; to ask for a missing value use the operator “empty”",
        ),
        (COUNTRY | {"op": "empty"}, "wrong_type", "value: takes no value, but “DE” is given"),
        (COUNTRY | {"value": "a\0b"}, "bad_text", "value: the text holds a NUL character; remove it"),
        (
            COUNTRY | {"value": "\ud800"},
            "bad_text",
            "value: the text holds half a character (a lone surrogate); write it anew",
        ),
        (COUNTRY | {"value": "x" * 1001}, "too_long", "value: the text is longer than 1000 characters"),
        (VISITS | {"value": "3"}, "wrong_type", "value: needs a number, not “3”"),
        (VISITS | {"value": True}, "wrong_type", "value: needs a number, not true"),
        (VISITS | {"value": float("nan")}, "bad_number", "value: needs a finite number, not nan"),
        (VISITS | {"value": float("inf")}, "bad_number", "value: needs a finite number, not inf"),
        (VISITS | {"value": 10**5000}, "bad_number", "value: the number is beyond 1,000,000,000,000,000"),
        (
            VISITS | {"op": "between", "value": [5, 1]},
            "bad_range",
            "value: the first value is above the second; turn them round",
        ),
        (VISITS | {"days": 0}, "bad_number", "days: a window has at least one day"),
        (VISITS | {"days": 1.5}, "wrong_type", "days: needs a whole number of days, not 1.5"),
        (VISITS | {"days": 10**9}, "bad_number", "days: the days must lie between 0 and 36500"),
        (COUNTRY | {"days": 3}, "unknown_key", "days: “person.country” has no window; leave “days” out"),
        (
            COUNTRY | {"where": {"kind": "x"}},
            "unknown_key",
            "where: “person.country” cannot be narrowed; leave “where” out",
        ),
        (
            VISITS | {"where": {"kimd": "x"}},
            "unknown_key",
            "where: “kimd” is not known here; known are kind, channel, platform, direction, actor, source, "
            "response, engagement, paid, properties.…, since, until",
        ),
        (
            VISITS | {"where": {"direction": "inbund"}},
            "unknown_choice",
            "where › direction: is never “inbund”; it can be inbound, outbound",
        ),
        (
            VISITS | {"where": {"since": "31.3.2026"}},
            "bad_date",
            "where › since: needs a day written as 2025-03-31, not “31.3.2026”",
        ),
        (
            VISITS | {"where": {"since": "2026-04-01", "until": "2026-03-31"}},
            "bad_date",
            "where › until: is a day before “since”",
        ),
        (
            VISITS | {"where": {"kind": {"a": 1}}},
            "wrong_type",
            "where › kind: needs text, a number, true or false, not an object",
        ),
        (
            {"field": "person.created", "op": "before", "value": "2025-02-30"},
            "bad_date",
            "value: there is no day “2025-02-30” in the calendar",
        ),
        (
            {"field": "person.created", "op": "before", "value": "30.3.2025"},
            "bad_date",
            "value: needs a day written as 2025-03-31, not “30.3.2025”",
        ),
        (
            {"field": "person.created", "op": "before", "value": "2025-03-30T10:00:00"},
            "bad_date",
            "value: needs an instant with its offset, written as 2025-03-31T10:00:00+02:00, not “2025-03-30T10:00:00”",
        ),
        (
            {"field": "account.annual_revenue", "op": "at_least", "value": 12.5},
            "bad_number",
            "value: an amount is a whole number of the smallest unit (cents): 1250 means 12.50",
        ),
        (COUNTRY | {"vlaue": 1}, "unknown_key", None),
        ({"all": COUNTRY}, "wrong_shape", "all: needs a list of conditions, not an object"),
        ({"any": []}, "no_value", "any: needs at least one condition"),
        ({"all": [COUNTRY], "any": []}, "unknown_key", None),
        ({"none": []}, "unknown_key", "“none” is not known here; a condition has “all”, “any”, “not” or “field”"),
        ([COUNTRY], "wrong_shape", None),
        ({"all": ["x"]}, "wrong_shape", None),
        ({1: 2}, "unknown_key", None),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: Any, code: str, message: str | None) -> None:
    refused = refusal(data)
    assert refused.code == code
    if message:
        assert str(refused) == message
    assert refused.message == str(refused)
    assert "%(" not in str(refused)


def test_a_person_s_field_cannot_be_asked_of_accounts() -> None:
    refused = refusal(COUNTRY, of="account")
    assert (refused.code, refused.path) == ("wrong_subject", "field")
    assert str(refused) == "field: “person.country” cannot be asked of accounts; it belongs to people"


def test_two_hundred_parts_are_taken_and_no_more() -> None:
    tree.parse({"all": [COUNTRY] * 199})
    assert refusal({"all": [COUNTRY] * 200}).code == "too_many"


def test_sixty_four_levels_are_taken_and_no_more() -> None:
    def nested(levels: int) -> dict[str, Any]:
        data: dict[str, Any] = COUNTRY
        for _ in range(levels - 1):
            data = {"not": data}
        return data

    tree.parse(nested(64))
    assert refusal(nested(65)).code == "too_deep"


def test_a_custom_field_is_known_by_its_row() -> None:
    assert refusal({"field": "person.custom.size", "op": "at_least", "value": 3}).code == "unknown_field"
    Field.objects.create(of="person", slug="size", label="Size", type="number", created_at=NOW)
    node = tree.parse({"field": "person.custom.size", "op": "at_least", "value": 3})
    assert isinstance(node, Leaf) and node.operand == Decimal(3)


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do() -> None:
    Field.objects.create(of="person", slug="tier", label="Tier", type="choice", choices=["Gold", "Tin"], created_at=NOW)
    tree.parse({"field": "person.custom.tier", "op": "is", "value": "gold"})
    refused = refusal({"field": "person.custom.tier", "op": "in", "value": ["Tin", "Lead"]})
    assert str(refused) == "value: “person.custom.tier” is never “Lead”; it can be Gold, Tin"


def test_fields_that_are_about_to_come_can_be_asked() -> None:
    asked = {"field": "stage.soon.days_in", "op": "at_least", "value": 3}
    assert refusal(asked).code == "unknown_field"
    coming = fields.of_lifecycle("soon", "Soon", "person", [("new", "New")])
    assert isinstance(tree.parse(asked, coming=coming), Leaf)
    assert isinstance(tree.parse({"field": "stage.soon", "op": "is", "value": "new"}, coming=coming), Leaf)


def test_families_of_fields_are_read_once_per_condition(django_assert_num_queries: Any) -> None:
    Field.objects.create(of="person", slug="size", label="Size", type="number", created_at=NOW)
    leaf = {"field": "person.custom.size", "op": "at_least", "value": 3}
    with django_assert_num_queries(1):
        tree.parse({"all": [leaf] * 50})


def test_days_and_values_survive_being_written_back() -> None:
    data = {
        "all": [
            {"field": "person.created", "op": "on_or_after", "value": "2025-03-31"},
            VISITS | {"where": {"kind": ["a", "b"], "properties.n": 5}, "days": 30},
        ]
    }
    node = tree.parse(data)
    assert isinstance(node, All) and isinstance(node.parts[0], Leaf)
    assert node.parts[0].operand == date(2025, 3, 31)
    assert tree.dump(node) == {
        "all": [
            {"field": "person.created", "op": "on_or_after", "value": "2025-03-31"},
            VISITS | {"where": {"kind": ["a", "b"], "properties.n": "5"}, "days": 30},
        ]
    }
