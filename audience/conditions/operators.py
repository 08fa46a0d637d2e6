"""What can be asked of a value, by its type: how the operand is read, the SQL, the sentence, and what time does to it.

A comparison with an unknown value holds for nobody, “is not” included: unknown is a bucket of its own, asked for by
“empty”. So "country is not DE" finds those of whom another country is known, while {"not": {… "is" …}} finds
everybody else, the unknown among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audience.conditions import values
from audience.conditions.moment import Moment
from kit import installation
from kit.sql import Sql, sql

Text = str | Promise
Holds = Callable[[Sql, Any, Moment], Sql]
Ages = Callable[[Any], tuple[int, ...]]


def _no_ages(value: Any) -> tuple[int, ...]:
    return ()


def _no_least(value: Any) -> int | None:
    return None


@dataclass(frozen=True)
class Operator:
    """One way to ask a value.

    `read` turns JSON into the operand. `holds(x, operand, moment)` is SQL that is NULL or false when x is NULL
    (but for "empty"). `sentence` has %(field)s and %(value)s. `ages(operand)`: the ages in whole local days at which
    the answer of a date (or of a number of days) changes. `least(operand)`: the n of “at least n”, for which the nth
    fact decides. `timed`: time alone changes the answer. `falls`: a smaller figure can make it hold.
    `reads_two`: the operand is a pair, each of which is read by this.
    """

    name: str
    label: Text
    sentence: Text
    read: Callable[[Any], Any]
    holds: Holds
    ages: Ages = _no_ages
    least: Callable[[Any], int | None] = _no_least
    timed: bool = False
    falls: bool = False
    counted: Text | None = None
    reads_two: Callable[[Any], Any] | None = None


def fold(text: str) -> str:
    """Text as it compares: ASCII letters in lower case, all else as it is, the same as lower(x COLLATE "C")."""
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def folded(x: Sql) -> Sql:
    """The same in SQL."""
    return sql('lower({} COLLATE "C")', x)


def _empty(x: Sql, value: Any, moment: Moment) -> Sql:
    return sql("({} IS NULL)", x)


def _not_empty(x: Sql, value: Any, moment: Moment) -> Sql:
    return sql("({} IS NOT NULL)", x)


EMPTY = Operator("empty", _("is empty"), _("%(field)s is empty"), values.nothing, _empty, falls=True)
NOT_EMPTY = Operator("not_empty", _("is known"), _("%(field)s is known"), values.nothing, _not_empty)


def _is(x: Sql, value: str, moment: Moment) -> Sql:
    return sql("({} = {})", folded(x), fold(value))


def _is_not(x: Sql, value: str, moment: Moment) -> Sql:
    return sql("({} <> {})", folded(x), fold(value))


def _in(x: Sql, value: tuple[str, ...], moment: Moment) -> Sql:
    return sql("({} = ANY ({}))", folded(x), [fold(each) for each in value])


def _not_in(x: Sql, value: tuple[str, ...], moment: Moment) -> Sql:
    return sql("({} <> ALL ({}))", folded(x), [fold(each) for each in value])


def _contains(x: Sql, value: str, moment: Moment) -> Sql:
    return sql("(position({} IN {}) > 0)", fold(value), folded(x))


def _starts_with(x: Sql, value: str, moment: Moment) -> Sql:
    return sql("starts_with({}, {})", folded(x), fold(value))


TEXT = (
    Operator("is", _("is"), _("%(field)s is %(value)s"), values.text, _is),
    Operator("is_not", _("is known and is not"), _("%(field)s is known and is not %(value)s"), values.text, _is_not),
    Operator("in", _("is one of"), _("%(field)s is one of %(value)s"), values.texts, _in),
    Operator("not_in", _("is known and none of"), _("%(field)s is known and none of %(value)s"), values.texts, _not_in),
    Operator("contains", _("contains"), _("%(field)s contains %(value)s"), values.text, _contains),
    Operator("starts_with", _("starts with"), _("%(field)s starts with %(value)s"), values.text, _starts_with),
    EMPTY,
    NOT_EMPTY,
)


def _compare(comparison: str) -> Holds:
    return lambda x, value, moment: sql(f"({{}} {comparison} {{}})", x, value)


def _between(x: Sql, value: tuple[Any, Any], moment: Moment) -> Sql:
    return sql("({} BETWEEN {} AND {})", x, *value)


def _up(value: Any) -> int:
    return math.ceil(value)


def _above(value: Any) -> int:
    return math.floor(value) + 1


def _equal_ages(value: Any) -> tuple[int, ...]:
    return (int(value), int(value) + 1) if value == int(value) else ()


def _numbers(read: Callable[[Any], Any]) -> tuple[Operator, ...]:
    return (
        Operator(
            "at_least",
            _("is at least"),
            _("%(field)s is at least %(value)s"),
            read,
            _compare(">="),
            ages=lambda value: (_up(value),),
            least=_up,
            counted=_("at least %(value)s %(field)s"),
        ),
        Operator(
            "at_most",
            _("is at most"),
            _("%(field)s is at most %(value)s"),
            read,
            _compare("<="),
            ages=lambda value: (_above(value),),
            falls=True,
            counted=_("at most %(value)s %(field)s"),
        ),
        Operator(
            "more_than",
            _("is more than"),
            _("%(field)s is more than %(value)s"),
            read,
            _compare(">"),
            ages=lambda value: (_above(value),),
            least=_above,
            counted=_("more than %(value)s %(field)s"),
        ),
        Operator(
            "less_than",
            _("is less than"),
            _("%(field)s is less than %(value)s"),
            read,
            _compare("<"),
            ages=lambda value: (_up(value),),
            falls=True,
            counted=_("fewer than %(value)s %(field)s"),
        ),
        Operator(
            "equals",
            _("equals"),
            _("%(field)s equals %(value)s"),
            read,
            _compare("="),
            ages=_equal_ages,
            least=lambda value: int(value) if value == int(value) else None,
            falls=True,
            counted=_("exactly %(value)s %(field)s"),
        ),
        Operator(
            "between",
            _("is between"),
            _("%(field)s is between %(value)s"),
            values.two(read),
            _between,
            ages=lambda value: (_up(value[0]), _above(value[1])),
            least=lambda value: _up(value[0]),
            falls=True,
            counted=_("between %(value)s %(field)s"),
            reads_two=read,
        ),
        EMPTY,
        NOT_EMPTY,
    )


def _bound(value: date | datetime, moment: Moment, instants: bool) -> Sql:
    if not instants:
        return sql("{}::date", value)
    if isinstance(value, datetime):
        return sql("{}::timestamptz", value)
    return sql("{}::timestamptz", installation.midnight(value, moment.zone))


def _days(instants: bool) -> tuple[Operator, ...]:
    """The operators of calendar days, or of instants, whose local day is meant where days are counted."""
    read = values.instant if instants else values.day

    def age(x: Sql, moment: Moment) -> Sql:
        return moment.days_since(x) if instants else sql("({}::date - {})", moment.today, x)

    return (
        Operator(
            "before",
            _("is before"),
            _("%(field)s is before %(value)s"),
            read,
            lambda x, value, moment: sql("({} < {})", x, _bound(value, moment, instants)),
        ),
        Operator(
            "on_or_after",
            _("is on or after"),
            _("%(field)s is on or after %(value)s"),
            read,
            lambda x, value, moment: sql("({} >= {})", x, _bound(value, moment, instants)),
        ),
        Operator(
            "days_ago_at_least",
            _("was at least … days ago"),
            _("%(field)s was at least %(value)s days ago"),
            values.days,
            lambda x, value, moment: sql("({} >= {})", age(x, moment), value),
            ages=lambda value: (value,),
            timed=True,
        ),
        Operator(
            "days_ago_at_most",
            _("was at most … days ago"),
            _("%(field)s was at most %(value)s days ago"),
            values.days,
            lambda x, value, moment: sql("({} BETWEEN 0 AND {})", age(x, moment), value),
            ages=lambda value: (0, value + 1),
            timed=True,
        ),
        Operator(
            "within_next_days",
            _("is within the next … days"),
            _("%(field)s is within the next %(value)s days"),
            values.days,
            lambda x, value, moment: sql("({} BETWEEN {} AND 0)", age(x, moment), -value),
            ages=lambda value: (-value, 1),
            timed=True,
        ),
        EMPTY,
        NOT_EMPTY,
    )


YES_NO = (
    Operator(
        "is",
        _("is"),
        _("%(field)s: %(value)s"),
        values.yes_no,
        lambda x, value, moment: sql("({} = {})", x, value),
    ),
    EMPTY,
    NOT_EMPTY,
)


def _held_one(x: Sql, value: str, moment: Moment) -> Sql:
    return sql("({} = ANY ({}))", fold(value), x)


def _held_any(x: Sql, value: tuple[str, ...], moment: Moment) -> Sql:
    return sql("({} && {}::text[])", x, [fold(each) for each in value])


# Of a field that has had several values, all of which still count ("has ever been in").
EVER = (
    Operator("is", _("has been"), _("%(field)s %(value)s"), values.text, _held_one),
    Operator("in", _("has been one of"), _("%(field)s one of %(value)s"), values.texts, _held_any),
)


# Of a field that has any number of values at once (tags).
SET = (
    Operator("is", _("include"), _("%(field)s include %(value)s"), values.text, _held_one),
    Operator("in", _("include one of"), _("%(field)s include one of %(value)s"), values.texts, _held_any),
    Operator("empty", _("are none"), _("no %(field)s"), values.nothing, _empty, falls=True),
    Operator("not_empty", _("are some"), _("any %(field)s"), values.nothing, _not_empty),
)


def _named(*operators: Operator) -> dict[str, Operator]:
    return {each.name: each for each in operators}


TYPES: dict[str, dict[str, Operator]] = {
    "text": _named(*TEXT),
    "choice": _named(*TEXT),
    "number": _named(*_numbers(values.number)),
    "money": _named(*_numbers(values.money)),
    "date": _named(*_days(instants=False)),
    "instant": _named(*_days(instants=True)),
    "yes_no": _named(*YES_NO),
    "ever": _named(*EVER),
    "set": _named(*SET),
}
