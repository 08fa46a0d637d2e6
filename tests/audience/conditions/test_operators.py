"""Every operator of every type, by a table of values and what each must answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audience.conditions import compile, operators, tree
from audience.models import Account, Field, Person
from kit import installation
from kit.sql import rows
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

TEXTS = ["", "DE", "de", "Deutschland", "50%_x", "Ä"]
NUMBERS = [None, "0", "2", "2.5", "-3", "1e2", "many"]
DATES = [None, "2025-06-14", "2025-06-15", "2025-06-18", "2025-02-30", "soon"]
ANSWERS = [None, "true", "false", "maybe"]

TEXT_TABLE: list[tuple[str, Any, list[str]]] = [
    ("is", "de", ["DE", "de"]),
    ("is", "ä", []),  # only A to Z fold, the same on every server
    ("is_not", "de", ["Deutschland", "50%_x", "Ä"]),
    ("in", ["DE", "ä", "Ä"], ["DE", "de", "Ä"]),
    ("not_in", ["DE", "Ä"], ["Deutschland", "50%_x"]),
    ("contains", "SCH", ["Deutschland"]),
    ("contains", "%_", ["50%_x"]),
    ("contains", "_", ["50%_x"]),
    ("starts_with", "de", ["DE", "de", "Deutschland"]),
    ("starts_with", "%", []),
    ("empty", None, [""]),
    ("not_empty", None, ["DE", "de", "Deutschland", "50%_x", "Ä"]),
]
NUMBER_TABLE: list[tuple[str, Any, list[str | None]]] = [
    ("at_least", 2, ["2", "2.5", "1e2"]),
    ("at_most", 2, ["0", "2", "-3"]),
    ("more_than", 2, ["2.5", "1e2"]),
    ("less_than", 2, ["0", "-3"]),
    ("equals", 2.5, ["2.5"]),
    ("equals", 100, ["1e2"]),
    ("between", [0, 2.5], ["0", "2", "2.5"]),
    ("empty", None, [None, "many"]),
    ("not_empty", None, ["0", "2", "2.5", "-3", "1e2"]),
]
# Now is 2025-06-15 10:00 UTC, which is the 15th in Berlin.
DATE_TABLE: list[tuple[str, Any, list[str | None]]] = [
    ("before", "2025-06-15", ["2025-06-14"]),
    ("on_or_after", "2025-06-15", ["2025-06-15", "2025-06-18"]),
    ("days_ago_at_least", 0, ["2025-06-14", "2025-06-15"]),
    ("days_ago_at_least", 1, ["2025-06-14"]),
    ("days_ago_at_most", 0, ["2025-06-15"]),
    ("days_ago_at_most", 1, ["2025-06-14", "2025-06-15"]),
    ("within_next_days", 2, ["2025-06-15"]),
    ("within_next_days", 3, ["2025-06-15", "2025-06-18"]),
    ("empty", None, [None, "2025-02-30", "soon"]),
    ("not_empty", None, ["2025-06-14", "2025-06-15", "2025-06-18"]),
]
YES_NO_TABLE: list[tuple[str, Any, list[str | None]]] = [
    ("is", True, ["true"]),
    ("is", False, ["false"]),
    ("empty", None, [None, "maybe"]),
    ("not_empty", None, ["true", "false"]),
]


def held(field: str, op: str, value: Any, of: str = "person") -> set[int]:
    data = {"field": field, "op": op} | ({} if value is None else {"value": value})
    return {row[0] for row in rows(compile.members(tree.parse(data, of=of), of=of, at=NOW))}


def people_with(slug: str, type: str, pool: list[str | None]) -> dict[str | None, int]:
    """A person for each value of a custom field, kept as text."""
    installation.put("zone", "Europe/Berlin")
    Field.objects.create(of="person", slug=slug, label=slug, type=type, created_at=NOW)
    return {each: factories.person(custom={} if each is None else {slug: each}).pk for each in pool}


@pytest.mark.parametrize(("op", "value", "expected"), TEXT_TABLE)
def test_text(op: str, value: Any, expected: list[str]) -> None:
    people = {each: factories.person(country=each).pk for each in TEXTS}
    assert held("person.country", op, value) == {people[each] for each in expected}


@pytest.mark.parametrize(("op", "value", "expected"), NUMBER_TABLE)
def test_numbers(op: str, value: Any, expected: list[str | None]) -> None:
    people = people_with("size", "number", NUMBERS)
    assert held("person.custom.size", op, value) == {people[each] for each in expected}


@pytest.mark.parametrize(("op", "value", "expected"), DATE_TABLE)
def test_dates(op: str, value: Any, expected: list[str | None]) -> None:
    people = people_with("renews", "date", DATES)
    assert held("person.custom.renews", op, value) == {people[each] for each in expected}


@pytest.mark.parametrize(("op", "value", "expected"), YES_NO_TABLE)
def test_yes_and_no(op: str, value: Any, expected: list[str | None]) -> None:
    people = people_with("is_vip", "yes_no", ANSWERS)
    assert held("person.custom.is_vip", op, value) == {people[each] for each in expected}


def test_the_tables_above_leave_no_operator_out() -> None:
    tables = {"text": TEXT_TABLE, "number": NUMBER_TABLE, "date": DATE_TABLE, "yes_no": YES_NO_TABLE}
    for type, table in tables.items():
        assert {row[0] for row in table} == set(operators.TYPES[type])
    assert set(operators.TYPES["choice"]) == set(operators.TYPES["text"])
    assert set(operators.TYPES["money"]) == set(operators.TYPES["number"])
    assert set(operators.TYPES["instant"]) == set(operators.TYPES["date"])


def test_instants_are_compared_with_the_beginning_of_a_local_day() -> None:
    installation.put("zone", "Europe/Berlin")
    midnight = NOW.replace(day=1, hour=22)  # the 2nd begins in Berlin
    eve = factories.person(first_seen_at=midnight - timedelta(microseconds=1)).pk
    first = factories.person(first_seen_at=midnight).pk
    assert held("person.created", "before", "2025-06-02") == {eve}
    assert held("person.created", "on_or_after", "2025-06-02") == {first}
    assert held("person.created", "on_or_after", "2025-06-02T00:00:00+02:00") == {first}
    assert held("person.created", "days_ago_at_least", 14) == {eve}
    assert held("person.created", "days_ago_at_most", 13) == {first}
    assert held("person.created", "within_next_days", 30) == set()


def test_amounts_are_compared_in_minor_units() -> None:
    small, large, unknown = (factories.account(annual_revenue=each) for each in (99_999, 100_000, None))
    assert held("account.annual_revenue", "at_least", 100_000, of="account") == {large.pk}
    assert held("account.annual_revenue", "less_than", 100_000, of="account") == {small.pk}
    assert held("account.annual_revenue", "empty", None, of="account") == {unknown.pk}


def test_unknown_is_a_bucket_of_its_own() -> None:
    german, french, unknown = (factories.person(country=each) for each in ("DE", "FR", ""))
    assert held("person.country", "is_not", "DE") == {french.pk}
    negated = tree.parse({"not": {"field": "person.country", "op": "is", "value": "DE"}})
    assert {row[0] for row in rows(compile.members(negated, of="person", at=NOW))} == {french.pk, unknown.pk}
    assert held("person.country", "is", "DE") == {german.pk}


def test_every_column_field_answers_for_its_own_column() -> None:
    account = factories.account(
        name="Acme", domain="acme.example", industry="Tools", ownership="private", country="DE", region="BY", city="Ulm"
    )
    texts = ("email", "first_name", "last_name", "phone", "title", "title_group", "seniority", "country", "region",
             "city", "language", "source")  # fmt: skip
    left_out = {"is_excluded": True, "excluded_reason": "a rival"}
    person = factories.person(account=account, **left_out, **{each: f"the {each}" for each in texts})
    other = factories.person()
    for each in texts:
        assert held(f"person.{each}", "is", f"the {each}") == {person.pk}, each
    for each in ("name", "domain", "industry", "ownership", "country", "region", "city"):
        value = getattr(account, each)
        assert held(f"account.{each}", "is", value) == {person.pk}, each
        assert held(f"account.{each}", "is", value, of="account") == {account.pk}, each
    Account.objects.filter(pk=account.pk).update(employees=12, annual_revenue=5, **left_out)
    assert held("account.employees", "equals", 12) == {person.pk}
    assert held("account.annual_revenue", "equals", 5) == {person.pk}
    assert held("account.is_excluded", "is", True) == {person.pk}
    assert held("account.excluded_reason", "is", "a rival") == {person.pk}
    assert held("person.excluded_reason", "is", "a rival") == {person.pk}
    assert held("account.created", "before", "2025-06-01") == {person.pk}
    assert held("person.is_excluded", "is", True) == {person.pk}
    assert held("person.has_account", "is", True) == {person.pk}
    assert held("person.has_account", "is", False) == {other.pk}
    assert Person.objects.count() == 2
