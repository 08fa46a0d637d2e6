"""By which ways people come to us and we to them: what happened in some days, by channel and by platform.

Activities count once, by the channel, platform, direction and actor that they have; what is not said is a bucket of its
own, so that each table adds up. Of whoever is left out of figures nothing counts, and how much that is, is told. People
are counted once in each line, so they do not add up; the total counts each once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Coalesce

from audience.activity import channels, retractions
from audience.commerce import costs
from audience.models import Activity, Channel
from audience.subjects import querysets

PATIENCE = 20.0  # seconds that whoever asks waits
COUNTS: Mapping[str, Any] = {
    "number": Count("pk"),
    "inbound": Count("pk", filter=Q(direction=Activity.Direction.INBOUND)),
    "outbound": Count("pk", filter=Q(direction=Activity.Direction.OUTBOUND)),
    "undirected": Count("pk", filter=Q(direction="")),
    "human": Count("pk", filter=Q(actor=Activity.Actor.HUMAN)),
    "reached": Count(Coalesce("person_id", "account_id"), distinct=True),
}


@dataclass(frozen=True)
class Line:
    """One channel or platform ("" where none is said), or all: activities, of which by direction and of humans; people
    and accounts; `channel` as the taxonomy has it, and what it cost by currency."""

    key: str
    number: int = 0
    inbound: int = 0
    outbound: int = 0
    undirected: int = 0
    human: int = 0
    reached: int = 0
    channel: Channel | None = None
    cost: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Mix:
    """The lines of both tables, the most frequent first; the total of each; and how much of others was left out."""

    by_channel: list[Line]
    by_platform: list[Line]
    total: Line
    left_out: int


def of(rows: QuerySet[Activity], asked: retractions.Asked, since: date, until: date) -> Mix:
    """The mix of those of the rows that the filters mean, with the costs of `[since, until)`. Six statements.

    Costs are of a channel as a whole: no filter but the days narrows them.
    """
    chosen = retractions.narrowed(querysets.standing(rows), asked)
    counted = chosen.exclude(retractions.LEFT_OUT).order_by()
    spent, known = costs.by_channel(since, until), {each.slug: each for each in Channel.objects.all()}
    by_channel = {row["channel"]: row for row in counted.values("channel").annotate(**COUNTS)}
    lines = [
        Line(key, channel=known.get(key), cost=spent.get(key, {}), **_counts(by_channel.get(key, {})))
        for key in {*by_channel, *spent}
    ]
    platforms = [Line(row["platform"], **_counts(row)) for row in counted.values("platform").annotate(**COUNTS)]
    total = Line("", cost=_sums(spent), **counted.aggregate(**COUNTS))
    return Mix(_ordered(lines), _ordered(platforms), total, chosen.filter(retractions.LEFT_OUT).count())


def label(line: Line) -> str:
    """What a channel is called; "" for none."""
    return str(line.channel) if line.channel else line.key


def platform(line: Line) -> str:
    """What a platform is called; "" for none."""
    return str(channels.PLATFORMS.get(line.key, line.key))


def _counts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name, 0) for name in COUNTS}


def _sums(spent: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    told: dict[str, int] = {}
    for sums in spent.values():
        for currency, amount in sums.items():
            told[currency] = told.get(currency, 0) + amount
    return told


def _ordered(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda each: (-each.number, each.key))
