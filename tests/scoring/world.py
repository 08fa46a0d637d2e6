"""Scores computed by hand: one activity and one rule at a time, in Python, without a statement of SQL.

What the compiled statement must agree with, to the micro-point. Arithmetic is by fractions where it can be exact, and
by a hundred digits where it cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

MICRO = 1_000_000


@dataclass
class Deed:
    """One activity of somebody."""

    kind: str
    at: datetime
    channel: str = ""
    actor: str = "human"
    reversed_at: datetime | None = None

    def counts(self, at: datetime) -> bool:
        return self.at < at and (self.reversed_at is None or self.reversed_at >= at)


@dataclass
class Reason:
    """One rule, as plain values; a fit rule asks only for a country."""

    points: str
    kind: str = ""
    channel: str = ""
    actor: str = ""
    country: str = ""
    half_life: int | None = None
    expires: int | None = None
    once: bool = False
    cap: str | None = None
    group: str = ""

    @property
    def is_fit(self) -> bool:
        return bool(self.country)

    def document(self, number: int) -> dict[str, Any]:
        """The rule as a document has it."""
        told: dict[str, Any] = {"name": f"Rule {number}", "points": Decimal(self.points)}
        if self.is_fit:
            told["fit"] = {"field": "person.country", "op": "is", "value": self.country}
        else:
            wanted = {"kind": self.kind, "channel": self.channel, "actor": self.actor}
            told["did"] = {key: value for key, value in wanted.items() if value}
        more = {"half_life": self.half_life, "expires": self.expires, "once": self.once, "group": self.group}
        told |= {key: value for key, value in more.items() if value}
        return told | ({"cap": Decimal(self.cap)} if self.cap is not None else {})


@dataclass
class Someone:
    """A person with what is known and was done."""

    country: str
    deeds: list[Deed] = field(default_factory=list)
    pk: int = 0


def score(
    someone: Someone, reasons: Iterable[Reason], caps: dict[str, str], at: datetime, zone: ZoneInfo
) -> tuple[int, int, int]:
    """Behaviour and fit in micro-points, and the points shown."""
    sums = {True: 0, False: 0}
    groups: dict[tuple[bool, str], int] = {}
    for reason in reasons:
        points = _capped(reason, _of_rule(someone, reason, at, zone))
        if reason.group:
            key = (reason.is_fit, reason.group)
            groups[key] = groups.get(key, 0) + points
        else:
            sums[reason.is_fit] += points
    for (is_fit, group), points in groups.items():
        sums[is_fit] += min(points, micro(caps[group])) if group in caps else points
    return sums[False], sums[True], shown(sums[False] + sums[True])


def _of_rule(someone: Someone, reason: Reason, at: datetime, zone: ZoneInfo) -> int:
    if reason.is_fit:
        return micro(reason.points) if someone.country == reason.country else 0
    terms = [_term(reason, deed, at, zone) for deed in someone.deeds if _matches(reason, deed) and deed.counts(at)]
    terms = [term for term in terms if term is not None]
    if reason.once:
        return max(terms, key=abs, default=0)
    return sum(terms)


def _matches(reason: Reason, deed: Deed) -> bool:
    if reason.actor:
        return deed.actor == reason.actor and reason.kind in ("", deed.kind) and reason.channel in ("", deed.channel)
    return deed.actor == "human" and reason.kind in ("", deed.kind) and reason.channel in ("", deed.channel)


def _term(reason: Reason, deed: Deed, at: datetime, zone: ZoneInfo) -> int | None:
    if reason.expires is not None:
        local = at.astimezone(zone).replace(tzinfo=None) - timedelta(days=reason.expires)
        if deed.at < local.replace(tzinfo=zone):
            return None
    points = Decimal(reason.points)
    if reason.half_life:
        age = (at.astimezone(zone).date() - deed.at.astimezone(zone).date()).days
        points = halved(points, age, reason.half_life)
    return int((points * MICRO).to_integral_value(ROUND_HALF_UP))


def halved(points: Decimal, age: int, half_life: int) -> Decimal:
    """points × 0.5^(age / half_life), by roots: the whole halvings exactly, the rest as a root of a power of two."""
    with localcontext() as context:
        context.prec = 100
        whole, rest = divmod(age, half_life)
        root = Decimal(2) ** (Decimal(rest) / Decimal(half_life)) if rest else Decimal(1)
        return points / Decimal(2) ** whole / root


def _capped(reason: Reason, points: int) -> int:
    if reason.cap is None:
        return points
    cap = micro(reason.cap)
    return max(points, -cap) if Decimal(reason.points) < 0 else min(points, cap)


def micro(points: str) -> int:
    return int(Decimal(points) * MICRO)


def shown(micro_points: int) -> int:
    return int((Decimal(micro_points) / MICRO + Decimal("0.5")).to_integral_value(ROUND_FLOOR))
