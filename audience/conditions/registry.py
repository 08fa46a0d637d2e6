"""What a condition may ask: fields, registered by each app in `ready`, and families of fields resolved from rows.

A field is answered in one of three ways: by a column of the subject (with its history), by an aggregate of activities
(all aggregates of a statement share one scan), or by a relation (subject, value, evidence) at an instant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise

from audience.conditions import operators
from audience.conditions.moment import Moment, Span
from audience.conditions.operators import Operator
from kit.sql import Sql, sql

Text = str | Promise
BOTH = frozenset({"person", "account"})
PERSON = frozenset({"person"})
ACCOUNT = frozenset({"account"})

Where = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Column:
    """A value kept on the subject itself, or on a person's account.

    `owner` is "person" or "account"; `name` the column, or the slug within `custom`; `history` the name under which
    changes are kept, None for a value that never changes; `how` is "stored", "custom", "link" (is it set at all?) or
    "user" (by the address of one).
    `indexed`: there is an index over its current values (`conditions.indexes`).
    """

    owner: str
    name: str
    history: str | None
    how: str = "stored"
    indexed: bool = False


@dataclass(frozen=True)
class Aggregate:
    """A figure over activities: "count", "sum", "first", "last" or "days_since_last".

    "change" is the count in the window less the count in as many days before it.
    """

    function: str


@dataclass(frozen=True)
class Ask:
    """One question put to a relation: whom, when, which rows, and what is asked of the value.

    `who` is the condition within it (a node of `tree`), where the field takes one.

    `turns` is for `touched` alone: which change of the answer is asked after, True that it may have come to hold,
    False that it may have ceased to, None either. What only time changes the other way may then be left out.
    """

    of: str
    moment: Moment
    where: Where
    days: int | None
    operator: Operator
    operand: Any
    chosen: Sql = Sql("")
    evidence: bool = False
    turns: bool | None = None
    who: Any = None

    def only(self, column: str) -> Sql:
        """A further condition that keeps to the subjects asked for; empty when everybody is."""
        return sql(f" AND {column} IN ({{}})", self.chosen) if self.chosen else Sql("")

    def in_window(self, column: str) -> Sql:
        """A further condition that keeps to the window of days, if there is one."""
        if self.days is None:
            return Sql("")
        return sql(f" AND {column} >= {{}}", self.moment.window_start(self.days))

    def wanted(self, key: str) -> tuple[str, ...]:
        """The values that `where` asks for under a key; none when it does not ask."""
        return dict(self.where).get(key, ())


def _value(alias: str, ask: Ask) -> Sql:
    return Sql(f"{alias}.value")


@dataclass(frozen=True)
class Relation:
    """An answer from other tables.

    `rows(ask)` selects subject_id (once each), value, evidence (the date of the fact that decides, or NULL).
    `touched(ask, span)` selects, in any number of pieces, the subject ids whose value or answer may differ between
    the two instants of the span. Equal statements are joined once; `read` makes the value out of the joined row.
    """

    rows: Callable[[Ask], Sql]
    touched: Callable[[Ask, Span], list[Sql]]
    read: Callable[[str, Ask], Sql] = _value


@dataclass(frozen=True)
class Field:
    """One thing that conditions can ask.

    `type` is a key of `operators.TYPES`. `where` names what its facts can be narrowed by ("properties" allows
    `properties.<key>`) and `where_choices` what some of these can be; `windowed` allows `days`, `needs_days` wants
    them. `who` is the kind of subject that a condition within it is about ("" where none is). `zero`: a subject of whom
    nothing is found has 0 rather than an unknown value; `always`: the value is never unknown. `counted` is the noun
    (`ngettext_lazy`) of sentences like “at least 3 activities”. `timed`: the value is an age in local days, which time
    alone changes. `fades`: time alone can make it smaller, or no longer true. `hidden`: builders do not offer it;
    whoever asks it already goes on asking. `comes_to`: the question with a number (as it is written) to which a yes
    comes by now, for whoever tries other numbers; None when there is none.
    """

    name: str
    label: Text
    type: str
    of: frozenset[str]
    answer: Column | Aggregate | Relation = field(compare=False, repr=False)
    choices: tuple[tuple[str, Text], ...] = field(default=(), compare=False)
    where: tuple[str, ...] = ()
    where_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    windowed: bool = False
    needs_days: bool = False
    who: str = ""
    zero: bool = False
    always: bool = False
    timed: bool = False
    fades: bool = False
    counted: Any = field(default=None, compare=False)
    group: Text = field(default="", compare=False)
    hidden: bool = field(default=False, compare=False)
    comes_to: Callable[[], dict[str, Any] | None] | None = field(default=None, compare=False, repr=False)

    @property
    def operators(self) -> Mapping[str, Operator]:
        """The operators it takes, by name."""
        known = operators.TYPES[self.type]
        if not (self.zero or self.always):
            return known
        return {name: each for name, each in known.items() if name not in ("empty", "not_empty")}


Family = Callable[[], Iterable[Field]]
Labels = Callable[[], Mapping[str, str]]

_fields: dict[str, Field] = {}
_families: dict[str, Family] = {}
_labels: list[Labels] = []  # of the kinds of activities


def register(one: Field) -> None:
    """Make a field known. Raises ValueError for a name that is taken by another app."""
    if one.name in _fields:
        raise ValueError(f"the condition field {one.name} is registered twice")
    _fields[one.name] = one


def register_family(prefix: str, resolve: Family) -> None:
    """Make known all fields whose names begin with `prefix` and stand in rows; `resolve()` reads them, in one query."""
    if prefix in _families:
        raise ValueError(f"the family of condition fields {prefix} is registered twice")
    _families[prefix] = resolve


def register_kinds(labels: Labels) -> None:
    """Make known what kinds of activities are called; `labels()` reads them by their slugs, in one query."""
    _labels[:] = [labels]


def words(slug: str) -> str:
    """A slug as words, where nothing better is known."""
    return slug.replace("_", " ").replace("-", " ")


class Catalogue:
    """The fields as they stand during one parse: each family is read at most once, and only when needed.

    `coming` are fields of rows that are about to be written (the stages of a playbook that is being read).
    """

    def __init__(self, of: str, coming: Iterable[Field] = ()) -> None:
        self.of = of
        self.coming = {each.name: each for each in coming}
        self.read: dict[str, dict[str, Field]] = {}
        self.kinds: Mapping[str, str] | None = None

    def get(self, name: str) -> Field | None:
        """The field of that name, for any kind of subject; None when there is none."""
        if name in self.coming:
            return self.coming[name]
        if name in _fields:
            return _fields[name]
        for prefix in _families:
            if name.startswith(prefix) and name in self._family(prefix):
                return self._family(prefix)[name]
        return None

    def all(self, families: Iterable[str] | None = None) -> list[Field]:
        """Every field that can be asked of this kind of subject, in the order of registration; of the fields that stand
        in rows only these families, if they are named."""
        known = dict(_fields)
        for prefix in _families if families is None else families:
            known |= self._family(prefix)
        known |= self.coming
        return [each for each in known.values() if self.of in each.of]

    def kind_name(self, slug: str) -> str:
        """What a kind of activity is called in a sentence: by its label, else by its slug's words."""
        if self.kinds is None:
            self.kinds = _labels[0]() if _labels else {}
        return self.kinds.get(slug) or words(slug)

    def close_to(self, name: str) -> str | None:
        """The name that was probably meant."""
        names = [each.name for each in self.all()]
        found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        if not found:
            found = [each for each in names if each.rpartition(".")[2] == name.rpartition(".")[2]][:1]
        return found[0] if found else None

    def _family(self, prefix: str) -> dict[str, Field]:
        if prefix not in self.read:
            self.read[prefix] = {each.name: each for each in _families[prefix]()}
        return self.read[prefix]


def catalogue(of: str, coming: Iterable[Field] = ()) -> Catalogue:
    """The fields that can be asked now of a kind of subject ("person" or "account")."""
    return Catalogue(of, coming)


def span(since: datetime, until: datetime) -> Span:
    """The time between two instants, for `touched`."""
    return Span(Moment(since), Moment(until))
