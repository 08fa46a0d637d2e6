"""Known of applicable: of any number of fields at an instant by one statement, and over time out of what was kept.

Completeness is known / applicable, of those who count. Of a past day it is told twice: as it was known then, and as
it is known now of that day; a file that brings old values changes the second alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from audience import live
from audience.conditions import compile, tree
from audience.conditions.tree import Node
from audience.models import Completeness
from audience.readiness import measures
from audience.readiness.measures import Fact, Measure, Measured
from kit import installation
from kit.sql import join, rows, sql
from kit.statistics import Share

MONTHS = 12
TURN = "measure_readiness"  # the nightly work that keeps it
OF = ("person", "account")
Shares = dict[str, Share]
Clock = Completeness.Clock


@dataclass(frozen=True)
class Point:
    """How complete it was as a day began; of the last point, as it is now."""

    day: date
    share: Share


def tally(asked: Sequence[Sequence[Node]], *, of: str, at: datetime, known: datetime | None = None) -> list[int]:
    """For each row of conditions, for how many of those who count all of them hold. One statement, one scan."""
    names = {node: f"n{number}" for number, node in enumerate(dict.fromkeys(node for row in asked for node in row))}
    counts = tree.parse(measures.counted(of), of=of)
    table = compile.table({name: node for node, name in names.items()} | {"counts": counts}, of=of, at=at, known=known)
    figures = [
        sql("count(*) FILTER (WHERE {})", join(" AND ", [sql(f"told.{names[node]}") for node in row])) for row in asked
    ]
    if not figures:
        return []
    [found] = rows(sql("SELECT {} FROM ({}) told WHERE told.counts", join(", ", figures), table))
    return list(found)


def at(some: Sequence[Measure], *, of: str, at: datetime, known: datetime | None = None) -> Shares:
    """How complete each of these fields of people or accounts was."""
    counts = iter(tally([row for each in some for row in bases(each)], of=of, at=at, known=known))
    found = {}
    for each in some:
        applicable, filled = next(counts), next(counts)
        found[each.name] = Share(filled, applicable)
    return found


def bases(measure: Measure) -> tuple[list[Node], list[Node]]:
    """To whom a field applies, and of whom of them it is known, as rows of a tally."""
    applies = [tree.parse({"all": list(measure.applies.parts)}, of=measure.of)]
    return applies, [*applies, tree.parse(measure.known, of=measure.of)]


def of_fact(fact: Fact, now: datetime) -> Share:
    """The same of what stands in contracts, deals and purchases."""
    told = sql("SELECT count(*) FILTER (WHERE is_known), count(*) FROM ({}) told", fact.told(now))
    [(known, applicable)] = rows(told)
    return Share(known, applicable)


def now_of(measure: Measured, now: datetime) -> Share:
    """How complete one field is now."""
    if isinstance(measure, Fact):
        return of_fact(measure, now)
    return at([measure], of=measure.of, at=now + live.INSTANT)[measure.name]


def whole(shares: Iterable[Share]) -> Share:
    """All of them together: known values of all that could be."""
    some = list(shares)
    return Share(sum(each.hits for each in some), sum(each.of for each in some))


# ---- over time ----


def days(today: date) -> list[date]:
    """The first days of the last twelve months."""
    first = today.replace(day=1)
    found = []
    for _month in range(MONTHS):
        found.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return found[::-1]


def take(now: datetime) -> None:
    """Keep how complete everything was as today began, and as each of the last twelve months did. Safe to repeat."""
    zone = installation.zone()
    today = now.astimezone(zone).date()
    when = list(dict.fromkeys((*days(today), today)))
    for of in OF:
        some = measures.kept(of)
        for day in when:
            begins = installation.midnight(day, zone)
            missing = _missing(some, day)
            if missing:
                _keep(day, Clock.THEN, at(missing, of=of, at=begins, known=begins))
            _keep(day, Clock.NOW, at(some, of=of, at=begins))
        told = {each.name: of_fact(each, installation.midnight(today, zone)) for each in measures.facts(of)}
        _keep(today, Clock.THEN, {name: share for name, share in told.items() if share.of})


def curve(names: Sequence[str], clock: str, live: Share, today: date) -> list[Point]:
    """The months of one field, or of several together, as far as they were kept; the last point is the present."""
    kept = Completeness.objects.filter(field__in=names, clock=clock, day__in=days(today))
    by_day: dict[date, list[Share]] = {}
    for each in kept:
        by_day.setdefault(each.day, []).append(Share(each.known, each.applicable))
    points = [Point(day, whole(shares)) for day, shares in sorted(by_day.items())]
    return [*(point for point in points if point.share.of), Point(today, live)]


def usual_clock() -> str:
    """As known then, once that tells of a time before this month; until then what is known now of those days."""
    told = Completeness.objects.filter(clock=Clock.THEN, applicable__gt=0).values_list("day", flat=True)
    return Clock.THEN if len(set(told.filter(day__day=1))) > 1 else Clock.NOW


def taken_until() -> date | None:
    """The last day that was kept; None before the first night."""
    return Completeness.objects.order_by("-day").values_list("day", flat=True).first()


def _missing(some: Sequence[Measure], day: date) -> list[Measure]:
    there = set(Completeness.objects.filter(day=day, clock=Clock.THEN).values_list("field", flat=True))
    return [each for each in some if each.name not in there]


@transaction.atomic
def _keep(day: date, clock: str, shares: Shares) -> None:
    made = [
        Completeness(day=day, field=name, clock=clock, known=share.hits, applicable=share.of)
        for name, share in shares.items()
    ]
    Completeness.objects.bulk_create(
        made, update_conflicts=True, unique_fields=["field", "clock", "day"], update_fields=["known", "applicable"]
    )
