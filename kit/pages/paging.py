"""The order of a list and its screenfuls, by the last row's key: the thousandth costs what the first does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core import signing
from django.db.models import F, Q, QuerySet

from kit import writing

COUNTED_TO = 10_000  # beyond it a total is shown as “10,000+”: nobody reads further, and counting a million is slow
SALT = "kit.pages"
# Of the rows, by a sort, at most so many, from a place on, backwards or not: their keys with their sort values.
Keys = Callable[[QuerySet[Any], str, int, Any, bool], list[tuple[int, Any]]]


@dataclass(frozen=True)
class Position:
    """Where a page of the list begins: behind or before the row with this sort value and key, the nth of the list."""

    value: Any
    pk: Any
    number: int

    def signed(self, order: str) -> str:
        """As the address carries it; `order` names the list and its sort: elsewhere the position means nothing."""
        return signing.dumps([_to_json(self.value), _to_json(self.pk), self.number], salt=f"{SALT}:{order}")

    @classmethod
    def read(cls, text: str, order: str) -> Position:
        """Raises signing.BadSignature for anything that `signed` did not write for this order."""
        value, pk, number = signing.loads(text, salt=f"{SALT}:{order}")
        return cls(_from_json(value), pk, number)


@dataclass
class Page:
    """One screenful of rows; `before` and `after` are where its neighbours begin, None where there is none."""

    rows: list[Any]
    first: int
    before: Position | None = None
    after: Position | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1


@dataclass(frozen=True)
class Total:
    """How many rows there are, counted up to COUNTED_TO."""

    count: int
    exact: bool

    def __str__(self) -> str:
        return writing.number(self.count) + ("" if self.exact else "+")


def counted(rows: QuerySet[Any]) -> Total:
    """How many rows there are, at the price of looking at COUNTED_TO + 1 of them at most."""
    count = rows.order_by().values("pk")[: COUNTED_TO + 1].count()
    return Total(min(count, COUNTED_TO), count <= COUNTED_TO)


def ordered(rows: QuerySet[Any], sort: str) -> QuerySet[Any]:
    """The rows by `sort` ("name", "-name" or "" for the key), rows without a value last, the key breaking ties.

    The key runs the same way as the sort, so that one index (sort, key) serves both directions.
    """
    name, falls = sort.removeprefix("-"), sort.startswith("-")
    tie = "-pk" if falls else "pk"
    if not name or name == "pk":
        return rows.order_by(tie)
    if not _may_miss(rows, name):
        return rows.order_by(f"-{name}" if falls else name, tie)
    return rows.order_by(F(name).desc(nulls_last=True) if falls else F(name).asc(nulls_last=True), tie)


def page_of(
    rows: QuerySet[Any], *, sort: str, size: int, after: Position | None = None, before: Position | None = None,
    keys: Keys | None = None,
) -> Page:  # fmt: skip
    """The `size` rows behind `after`, or before `before`, or the first ones, in the order of `ordered`.

    The order is found among the bare keys; the rows with all that the list adds to them are then read by their key,
    so that a sort over a million rows carries no joins. A list that is sorted by what stands in no column finds its
    keys by `keys` instead of `keys_of`.
    """
    backwards = before is not None and after is None
    place = before if backwards else after
    found = (keys or keys_of)(rows, sort, size + 1, place, backwards)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    by_key = {row.pk: row for row in _whole(rows, [pk for pk, _value in found])} if found else {}
    first = 1
    if place:
        first = max(place.number - len(found), 1) if backwards else place.number + 1
    page = Page(rows=[by_key[pk] for pk, _value in found if pk in by_key], first=first)
    if found and (more if backwards else after is not None):
        page.before = Position(found[0][1], found[0][0], first)
    if found and (backwards or more):
        page.after = Position(found[-1][1], found[-1][0], first + len(found) - 1)
    return page


def _whole(rows: QuerySet[Any], keys: list[Any]) -> QuerySet[Any]:
    """The rows of these keys, with all that the list adds to them. What it is narrowed by has found the keys, and is
    not asked a second time: a search would look for everybody again."""
    found = rows.order_by()
    found.query.where = type(found.query.where)()
    return found.filter(pk__in=keys)


def keys_of(
    rows: QuerySet[Any], sort: str, size: int, place: Position | None, backwards: bool
) -> list[tuple[int, Any]]:
    """The keys of at most `size` rows with their sort values, from `place` on.

    Rows with a value and rows without are two runs, so that each is a range of an index.
    """
    name, falls = sort.removeprefix("-") or "pk", sort.startswith("-") != backwards
    with_value, without = rows.annotate(sort_value=F(name)), None
    pk_beyond = "pk__lt" if falls else "pk__gt"
    if _may_miss(rows, name):
        without = with_value.filter(sort_value__isnull=True)
        with_value = with_value.filter(sort_value__isnull=False)
    if place is not None and place.value is None:
        without = without.filter(**{pk_beyond: place.pk}) if without is not None else None
        with_value = with_value if backwards else with_value.none()
    elif place is not None:
        reach, beyond = ("lte", "lt") if falls else ("gte", "gt")
        with_value = with_value.filter(
            # The first condition bounds the range of the index; the second leaves out what was seen.
            Q(**{f"sort_value__{reach}": place.value}),
            Q(**{f"sort_value__{beyond}": place.value}) | Q(**{pk_beyond: place.pk}),
        )
        without = None if backwards else without

    value_order, tie = ("-sort_value", "-pk") if falls else ("sort_value", "pk")
    runs = [with_value.order_by(value_order, tie)]
    if without is not None:
        runs.insert(0 if backwards else 1, without.order_by(tie))
    found: list[tuple[int, Any]] = []
    for run in runs:
        if len(found) < size:
            found += run.values_list("pk", "sort_value")[: size - len(found)]
    return found


def _may_miss(rows: QuerySet[Any], name: str) -> bool:
    """Whether a row can be without a value; only a column of the table itself can promise that it never is."""
    if name == "pk":
        return False
    model_fields = {each.name: each for each in rows.model._meta.concrete_fields}
    return not (name in model_fields and name not in rows.query.annotations and not model_fields[name].null)


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, text = next(iter(value.items()))
    readers: dict[str, Callable[[str], Any]] = {
        "instant": datetime.fromisoformat,
        "day": date.fromisoformat,
        "decimal": Decimal,
    }
    return readers[kind](text)
