"""What an index over the current values of a custom field is made of, and which questions it can answer.

An index and the question that uses it have to be of one expression, so both are written here and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from audience.conditions import columns, operators
from audience.conditions.moment import Moment
from audience.conditions.operators import Operator, fold
from kit.sql import Sql, sql

EQUAL = ("is", "in")
COMPARED = ("at_least", "at_most", "more_than", "less_than", "equals", "between")
DAYS = ("before", "on_or_after")
NO_MATTER = Moment(datetime.min.replace(tzinfo=UTC))  # what is asked here is the same at any moment


def made_of(stored: Sql, type: str) -> tuple[str, Sql]:
    """The method and the expression of an index; `stored` is the value as text."""
    if type in ("number", "money", "yes_no"):
        return "btree", sql("({})", columns.typed(stored, type))
    if type == "date":
        return "btree", sql('({} COLLATE "C")', stored)
    if type == "set":
        return "gin", sql("({})", _listed(stored))
    return "btree", sql("({})", operators.folded(columns.typed(stored, type)))


def finds(stored: Sql, type: str, how: Operator, operand: Any) -> Sql | None:
    """Holds for the current values that answer the question, as the index knows them; None where it knows nothing.

    More may hold than answers, never less: a text that reads like a list or a day is looked at again by its type.
    """
    if type in ("text", "choice"):
        known = how.name in (*EQUAL, "starts_with")
        return how.holds(columns.typed(stored, type), operand, NO_MATTER) if known else None
    if type in ("number", "money"):
        return how.holds(columns.typed(stored, type), operand, NO_MATTER) if how.name in COMPARED else None
    if type == "yes_no":
        return how.holds(columns.typed(stored, type), operand, NO_MATTER) if how.name == "is" else None
    if type == "date" and how.name in DAYS and isinstance(operand, date):
        sign = Sql("<" if how.name == "before" else ">=")
        return sql('(({} COLLATE "C") {} {})', stored, sign, operand.isoformat())
    if type == "set" and how.name in EQUAL:
        wanted = [fold(each) for each in (operand if isinstance(operand, tuple) else (operand,))]
        return sql("({} ?| {}::text[])", _listed(stored), wanted)
    return None


def begins(stored: Sql, text: str) -> Sql:
    """Holds for the texts and choices that begin so, as a search box asks."""
    return sql("starts_with({}, {})", operators.folded(columns.typed(stored, "text")), fold(text))


def _listed(stored: Sql) -> Sql:
    """The members of a list in small letters, as JSON: letters alone change, so it stays JSON."""
    return sql('(CASE WHEN {} ~ {} THEN lower({} COLLATE "C")::jsonb END)', stored, columns.LIST, stored)
