"""What a builder of conditions offers: the fields with their operators, and the values that are in use.

Values are for choosing among, so they are read from a bounded part of the rows, the most frequent first; any other
value may be typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audience.conditions import columns, registry, values
from audience.conditions.describe import key_in_words
from audience.conditions.facts import DAYS
from audience.conditions.operators import Operator, fold
from audience.conditions.registry import Column, Field
from kit import reading
from kit.sql import Sql, rows, sql

LOOKED_AT = 50_000  # rows, the latest, out of which values are offered
MOST = 50  # values offered at once
LONGEST = 100  # letters of what is searched
PATIENCE = 3  # seconds; who types does not wait, and can always go on without an offer
REMEMBERED = 60  # seconds
PROPERTY = "properties."

Offer = tuple[str, str]  # value and label
Source = Callable[[Field, str], Sql | None]

TAKES: dict[Any, str] = {
    values.text: "text",
    values.texts: "texts",
    values.number: "number",
    values.money: "money",
    values.days: "days",
    values.day: "day",
    values.instant: "instant",
    values.yes_no: "yes_no",
    values.nothing: "nothing",
}

_sources: dict[str, Source] = {}


def register(prefix: str, source: Source) -> None:
    """Say where the values of fields whose names begin so come from.

    `source(field, key)` gives a statement with one column of texts, with repetitions: of the field's own values when
    `key` is "", else of a key of `where` ("properties" asks for the names of properties); None where there are none.
    """
    _sources[prefix] = source


# ---- fields ----


def fields(of: str, coming: Iterable[Field] = ()) -> list[dict[str, Any]]:
    """Every field that can be asked of people or accounts, for a program that draws a builder."""
    return described(registry.catalogue(of, coming).all())


def described(some: Iterable[Field]) -> list[dict[str, Any]]:
    """The same of given fields."""
    return [_field(each) for each in some]


def _field(one: Field) -> dict[str, Any]:
    return {
        "name": one.name,
        "label": capfirst(str(one.label)),
        "group": str(one.group) or _("Other"),
        "type": one.type,
        "operators": [
            {"name": each.name, "label": str(each.label), "takes": takes(each)} for each in one.operators.values()
        ],
        "choices": [{"value": value, "label": str(label)} for value, label in one.choices],
        "where": [
            {
                "key": key,
                "label": key_in_words(key),
                "choices": list(one.where_choices.get(key, ())),
                "takes": "day" if key in DAYS else "texts",
            }
            for key in one.where
        ],
        "windowed": one.windowed,
        "needs_days": one.needs_days,
        "who": one.who,
        "hidden": one.hidden,
        "offers": isinstance(one.answer, Column) and one.type == "text",
    }


def takes(operator: Operator) -> str:
    """What an operator's value is: a name of TAKES, or two of one ("number,number")."""
    if operator.reads_two:
        return f"{TAKES[operator.reads_two]},{TAKES[operator.reads_two]}"
    return TAKES[operator.read]


# ---- values ----


def values_of(of: str, name: str, key: str = "", search: str = "") -> list[Offer]:
    """The values in use of a field, or of a key of its `where`, that contain what is searched; the most frequent first.

    None are offered for what is not known, has none, or cannot be told in time.
    """
    found = registry.catalogue(of).get(name)
    if found is None or of not in found.of or not _is_clean(key):
        return []
    wanted = fold(search.strip()[:LONGEST].replace("\x00", ""))
    if found.choices and not key:
        return [(value, str(label)) for value, label in found.choices if wanted in fold(f"{value} {label}")][:MOST]
    if found.where_choices.get(key):
        return [(value, value) for value in found.where_choices[key] if wanted in fold(value)]
    statement = _statement(found, key)
    return _in_use(statement, wanted) if statement else []


def _is_clean(text: str) -> bool:
    """Whether the database can be asked about this text."""
    try:
        values.clean(text)
    except values.Unusable:
        return False
    return True


def _statement(found: Field, key: str) -> Sql | None:
    if key and key not in found.where and not (key.startswith(PROPERTY) and "properties" in found.where):
        return None
    if isinstance(found.answer, Column):
        return _of_column(found.answer) if not key and found.type == "text" else None
    for prefix, source in _sources.items():
        if found.name.startswith(prefix):
            return source(found, key)
    return None


def _of_column(column: Column) -> Sql:
    stored = sql("x.custom ->> {}", column.name) if column.how == "custom" else Sql(f"x.{column.name}")
    return latest(stored, columns.TABLES[column.owner])


def latest(expression: Sql, table: str) -> Sql:
    """The texts that an expression over `x` gives for the latest rows of a table."""
    return sql(f"SELECT {{}} FROM {table} x ORDER BY x.id DESC LIMIT {{}}", expression, LOOKED_AT)


def _in_use(statement: Sql, wanted: str) -> list[Offer]:
    asked = "conditions.values." + sha256(repr((statement, wanted)).encode()).hexdigest()
    found = cache.get(asked)
    if found is None:
        ranked = sql(
            "SELECT v FROM ({}) used (v) WHERE v <> '' AND position({} IN lower(v COLLATE \"C\")) > 0 "
            "GROUP BY v ORDER BY count(*) DESC, v LIMIT {}",
            statement,
            wanted,
            MOST,
        )
        try:
            with reading.only(PATIENCE):
                found = [row[0] for row in rows(ranked)]
        except reading.TooSlow:
            found = []
        cache.set(asked, found, REMEMBERED)
    return [(value, value) for value in found]
