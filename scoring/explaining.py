"""Why somebody has the score they have: entries that add up to it, what moved since, and what it takes to the limit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from kit.sql import dicts, sql
from scoring import compiling, documents
from scoring.rules import MICRO, Behaviour, Fit, Plan

MOST_EVENTS = 20  # of one kind on the way to the limit; more is no advice


@dataclass(frozen=True)
class Entry:
    """One line: what gave or took how many micro-points. `start` is the sum of the lines before it.

    `kind` is "behaviour", "fit", "cap", "group" or "rounding"; `count` and `last` are of the activities that counted.
    """

    kind: str
    label: str
    points: int
    start: int = 0
    count: int | None = None
    last: datetime | None = None
    key: str = ""

    @property
    def whole(self) -> str:
        """The points before the decimal point, with their sign."""
        sign = "−" if self.points < 0 else "+"
        return f"{sign}{abs(self.points) // MICRO}"

    @property
    def places(self) -> str:
        """What comes behind it, the point included; empty for whole points."""
        places = f"{abs(self.points) % MICRO:06d}".rstrip("0")
        return f".{places}" if places else ""


@dataclass(frozen=True)
class Explanation:
    """One subject's score at an instant. The points of `entries` add up to `shown`, exactly."""

    entries: list[Entry]
    behaviour: int
    fit: int
    shown: int
    grade: str
    raw: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One way to the limit: so many more of what a rule counts, or one thing more that fits."""

    label: str
    times: int
    shown: int
    is_fit: bool


@dataclass(frozen=True)
class Move:
    """How one line moved between two instants, in micro-points."""

    label: str
    before: int
    now: int

    @property
    def change(self) -> Entry:
        """The difference, written as an entry is."""
        return Entry("", self.label, self.now - self.before)


def explain(plan: Plan, subject_id: int, *, at: datetime, known: datetime | None = None) -> Explanation | None:
    """The score of one subject line by line; None when that subject was not there (or is erased)."""
    alone = sql("SELECT {}::bigint AS subject_id", subject_id)
    found = dicts(compiling.parts(plan, at=at, known=known, among=alone, details=True))
    if not found:
        return None
    row = found[0]
    raw = tuple(int(row[f"r{number}"]) for number in range(len(plan.rules)))
    return _explanation(plan, raw, row)


def moved(before: Explanation | None, now: Explanation) -> list[Move]:
    """The lines that differ, the largest change first."""
    then = {entry.key: entry for entry in before.entries} if before else {}
    later = {entry.key: entry for entry in now.entries}
    moves = [
        Move(
            (later.get(key) or then[key]).label,
            then[key].points if key in then else 0,
            later[key].points if key in later else 0,
        )
        for key in dict.fromkeys([*then, *later])
    ]
    return sorted((each for each in moves if each.before != each.now), key=lambda each: -abs(each.now - each.before))


def ways(plan: Plan, explanation: Explanation, limit: int, most: int = 3) -> list[Step]:
    """The nearest ways to a limit that is not reached: one rule each, the fewest repetitions first.

    Each is computed by the rules themselves, caps and groups included, as if it happened now.
    """
    if explanation.shown >= limit:
        return []
    found = []
    for number, each in enumerate(plan.rules):
        if each.points <= 0:
            continue
        tries = range(1, MOST_EVENTS + 1) if isinstance(each, Behaviour) and not each.rule.once else (1,)
        for times in tries:
            raw = list(explanation.raw)
            raw[number] = _with_more(each, raw[number], times)
            after = _shown(_sum(plan, tuple(raw)))
            if after >= limit:
                found.append(Step(each.rule.name, times, after, isinstance(each, Fit)))
                break
    return sorted(found, key=lambda each: (each.times, each.is_fit, -each.shown))[:most]


def grade(plan: Plan, fit: int) -> str:
    """The grade of so many micro-points of fit; empty when the version gives none."""
    return next((name for name, least in plan.grades if _shown(fit) >= least), plan.lowest_grade)


def level(plan: Plan, behaviour: int) -> str:
    """The level, 1 to 4, of so many micro-points of behaviour; empty when the version has none."""
    if not plan.version.levels:
        return ""
    falling = sorted(plan.version.levels.items(), key=lambda each: -each[1])
    return next((name for name, least in falling if _shown(behaviour) >= least), "4")


# ---- the arithmetic of the statement, for one subject ----


def _explanation(plan: Plan, raw: tuple[int, ...], row: dict[str, Any]) -> Explanation:
    lines: list[Entry] = []
    groups: dict[tuple[type, str], int] = defaultdict(int)
    for number, each in enumerate(plan.rules):
        if not raw[number]:
            continue
        if isinstance(each, Behaviour):
            lines.append(
                Entry(
                    "behaviour", each.rule.name, raw[number], count=row[f"n{number}"], last=row[f"d{number}"],
                    key=_key(each),
                )
            )  # fmt: skip
        else:
            lines.append(Entry("fit", each.rule.name, raw[number], key=_key(each)))
        left = _capped(each, raw[number])
        if left != raw[number]:
            told = _("Cap of “%(rule)s” reached") % {"rule": each.rule.name}
            lines.append(Entry("cap", told, left - raw[number], key=f"cap of {_key(each)}"))
        groups[type(each), each.rule.group] += left
    for (_kind, group), points in groups.items():
        if group in plan.caps and points > plan.caps[group]:
            told = _("Cap of the group “%(group)s” reached") % {"group": group}
            lines.append(Entry("group", told, plan.caps[group] - points, key=f"group {group}"))
    behaviour, fit = _sums(plan, raw)
    shown = _shown(behaviour + fit)
    rounding = shown * MICRO - behaviour - fit
    if rounding:
        lines.append(Entry("rounding", _("Rounded to whole points"), rounding, key="rounding"))
    entries, start = [], 0
    for line in lines:
        entries.append(Entry(line.kind, line.label, line.points, start, line.count, line.last, line.key))
        start += line.points
    return Explanation(entries, behaviour, fit, shown, grade(plan, fit), raw)


def _key(rule: Behaviour | Fit) -> str:
    return f"{rule.rule.order} {rule.rule.name}"


def _with_more(rule: Behaviour | Fit, points: int, times: int) -> int:
    if isinstance(rule, Fit):
        return rule.points
    new = rule.of_age(0)
    return max(points, new) if rule.rule.once else points + times * new


def _capped(rule: Behaviour | Fit, points: int) -> int:
    if rule.cap is None:
        return points
    return max(points, -rule.cap) if rule.points < 0 else min(points, rule.cap)


def _sum(plan: Plan, raw: tuple[int, ...]) -> int:
    return sum(_sums(plan, raw))


def _sums(plan: Plan, raw: tuple[int, ...]) -> tuple[int, int]:
    """Behaviour and fit, after the caps of rules and then of groups."""
    sums = {Behaviour: 0, Fit: 0}
    groups: dict[tuple[type[Any], str], int] = defaultdict(int)
    for each, points in zip(plan.rules, raw, strict=True):
        groups[type(each), each.rule.group] += _capped(each, points)
    for (kind, group), points in groups.items():
        sums[kind] += min(points, plan.caps[group]) if group in plan.caps else points
    return sums[Behaviour], sums[Fit]


def _shown(points: int) -> int:
    return (points + MICRO // 2) // MICRO


def rounded(points: int) -> int:
    """Micro-points as they are shown."""
    return _shown(points)


def plain_points(points: Decimal) -> str:
    """Points of a rule with their sign and no more places than they need."""
    sign = "−" if points < 0 else "+"
    return f"{sign}{documents.plain(abs(points))}"
