"""Conditions that can never hold, or only where another does, as far as that is certain: by what is asked of one value.

Two leaves with the same field, facts and window see the same value, so what both ask must be possible together.
Nothing is concluded across fields, nor across what is asked at different times.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import describe, tree
from audience.conditions.operators import fold
from audience.conditions.registry import Aggregate
from audience.conditions.tree import All, AnyOf, Leaf, Node, Not

AGES = ("days_ago_at_least", "days_ago_at_most", "within_next_days")
ONE_VALUE = ("text", "choice")
BOUNDS = ("at_least", "more_than", "at_most", "less_than", "equals", "between")  # of numbers: what a range tells


def why_never(node: Node) -> str:
    """Why a condition can hold for nobody, in words; empty when that is not certain."""
    if isinstance(node, Leaf):
        return "" if _possible([node]) else describe.sentence(node)
    if isinstance(node, Not):
        return _("it asks for nobody") if tree.is_everybody(node.part) else ""
    if isinstance(node, AnyOf):
        reasons = [why_never(part) for part in node.parts]
        return reasons[0] if reasons and all(reasons) else ""
    parts = list(_conjuncts(node))
    for part in parts:
        if not isinstance(part, Leaf) and (why := why_never(part)):
            return why
        if isinstance(part, Not) and part.part in parts:
            return _both(part.part, part)
    asked: dict[Any, list[Leaf]] = defaultdict(list)
    for part in parts:
        if isinstance(part, Leaf):
            asked[part.field.name, part.where, part.days, part.who].append(part)
    return next((_both(*leaves) for leaves in asked.values() if not _possible(leaves)), "")


def implies(one: Node, other: Node) -> bool:
    """Whether whoever fulfils one condition surely fulfils the other; False where that is not certain."""
    if one == other:
        return True
    if isinstance(other, All):
        return all(implies(one, part) for part in other.parts)
    if isinstance(one, AnyOf):
        return all(implies(part, other) for part in one.parts)
    if isinstance(one, All) and any(implies(part, other) for part in one.parts):
        return True
    if isinstance(other, AnyOf):
        return any(implies(one, part) for part in other.parts)
    return isinstance(one, Leaf) and isinstance(other, Leaf) and _narrows(one, other)


def _narrows(one: Leaf, other: Leaf) -> bool:
    """Whether every value that one leaf takes is taken by the other, where both ask for one value."""
    if (one.field, one.where, one.days, one.who) != (other.field, other.where, other.days, other.who):
        return False
    names, of = {one.operator, other.operator}, one.field.type
    if of in ("number", "money") and names <= set(BOUNDS):
        return _Range.of_numbers([one]) in _Range.of_numbers([other])
    return of in ONE_VALUE and names <= {"is", "in"} and _texts(one) <= _texts(other)


def _conjuncts(node: All) -> Iterator[Node]:
    """All that must hold, groups within groups taken apart."""
    for part in node.parts:
        if isinstance(part, All):
            yield from _conjuncts(part)
        else:
            yield part


def _both(*parts: Node) -> str:
    told = [f"“{describe.sentence(part)}”" for part in dict.fromkeys(parts)]
    return told[0] if len(told) == 1 else _("%(all)s exclude one another") % {"all": _(" and ").join(told)}


def _possible(leaves: list[Leaf]) -> bool:
    """Whether one value can fulfil what all the leaves ask of it."""
    names = {leaf.operator for leaf in leaves}
    if "empty" in names and len(names) > 1:
        return False
    of = leaves[0].field.type
    if of in ("number", "money"):
        return _Range.of_numbers(leaves).is_possible
    if of in ("date", "instant"):
        return _Range.of_ages(leaves).is_possible and _Range.of_days(leaves).is_possible
    if of == "yes_no":
        return len({leaf.operand for leaf in leaves if leaf.operator == "is"}) < 2
    return _texts_possible(leaves) if of in ONE_VALUE else True


def _texts_possible(leaves: list[Leaf]) -> bool:
    """Whether a text is left over; where no list of texts is asked for, there always is one."""
    lists = [_texts(leaf) for leaf in leaves if leaf.operator in ("is", "in")]
    if not lists:
        return True
    left = set.intersection(*lists)
    for leaf in leaves:
        if leaf.operator in ("is_not", "not_in"):
            left -= _texts(leaf)
        elif leaf.operator == "contains":
            left = {each for each in left if fold(leaf.operand) in each}
        elif leaf.operator == "starts_with":
            left = {each for each in left if each.startswith(fold(leaf.operand))}
    return bool(left)


def _texts(leaf: Leaf) -> set[str]:
    wanted = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    return {fold(each) for each in wanted}


@dataclass
class _Range:
    """The values that are left between two bounds, each of which belongs to it or not; None is no bound."""

    low: Any = None
    low_in: bool = True
    high: Any = None
    high_in: bool = True
    whole: bool = False  # whole numbers alone

    @property
    def is_possible(self) -> bool:
        if self.low is None or self.high is None:
            return True
        if self.whole:
            low = math.ceil(self.low) if self.low_in else math.floor(self.low) + 1
            high = math.floor(self.high) if self.high_in else math.ceil(self.high) - 1
            return low <= high
        return bool(self.low < self.high or (self.low == self.high and self.low_in and self.high_in))

    def __contains__(self, other: _Range) -> bool:
        """Whether all values of another range are in this one."""
        low = self.low is None or (other.low is not None and (
            other.low > self.low or (other.low == self.low and (self.low_in or not other.low_in))))  # fmt: skip
        high = self.high is None or (other.high is not None and (
            other.high < self.high or (other.high == self.high and (self.high_in or not other.high_in))))  # fmt: skip
        return low and high

    def at_least(self, value: Any, inclusive: bool = True) -> None:
        if self.low is None or value > self.low or (value == self.low and not inclusive):
            self.low, self.low_in = value, inclusive

    def at_most(self, value: Any, inclusive: bool = True) -> None:
        if self.high is None or value < self.high or (value == self.high and not inclusive):
            self.high, self.high_in = value, inclusive

    @classmethod
    def of_numbers(cls, leaves: list[Leaf]) -> _Range:
        answer = leaves[0].field.answer
        counts = isinstance(answer, Aggregate) and answer.function == "count"
        found = cls(low=0 if counts else None, whole=counts)
        for leaf in leaves:
            if leaf.operator in ("at_least", "more_than"):
                found.at_least(leaf.operand, leaf.operator == "at_least")
            elif leaf.operator in ("at_most", "less_than"):
                found.at_most(leaf.operand, leaf.operator == "at_most")
            elif leaf.operator in ("equals", "between"):
                low, high = leaf.operand if leaf.operator == "between" else (leaf.operand, leaf.operand)
                found.at_least(low)
                found.at_most(high)
        return found

    @classmethod
    def of_ages(cls, leaves: list[Leaf]) -> _Range:
        """Of a date: how many days ago it was; negative is to come."""
        found = cls(whole=True)
        for leaf in leaves:
            if leaf.operator == "days_ago_at_least":
                found.at_least(leaf.operand)
            elif leaf.operator == "days_ago_at_most":
                found.at_least(0)
                found.at_most(leaf.operand)
            elif leaf.operator == "within_next_days":
                found.at_least(-leaf.operand)
                found.at_most(0)
        return found

    @classmethod
    def of_days(cls, leaves: list[Leaf]) -> _Range:
        """Of a date: when it was. A day and an instant are not compared: that depends on the zone."""
        found = cls()
        bounds = [leaf for leaf in leaves if leaf.operator in ("before", "on_or_after")]
        if len({_is_instant(leaf.operand) for leaf in bounds}) > 1:
            return found
        for leaf in bounds:
            if leaf.operator == "on_or_after":
                found.at_least(leaf.operand)
            else:
                found.at_most(leaf.operand, False)
        return found


def _is_instant(value: date) -> bool:
    return isinstance(value, datetime)
