"""What filling a gap would change: how many more would come into reach of what asks for the field.

A known value decides nothing by itself; it lets a rule, a segment or a score see somebody. Of those whose value is
known a share meets what is asked. If those without were like them, so many of these would too: lacking × share −
those who meet it as it is, with the Wilson interval of the share. Below ENOUGH known values nothing is said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audience import live
from audience.conditions import describe, tree, uses
from audience.conditions.tree import ConditionError, Leaf
from audience.conditions.uses import Use
from audience.readiness import completeness
from audience.readiness.measures import Measure, Measured
from kit import installation
from kit.sql import rows, sql
from kit.statistics import Interval, Share

ENOUGH = Share.FEW  # of known values, and of closed deals
MOST = 150  # questions about one kind of subject that are answered at once
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Reach:
    """One question that something asks of a field: of how many it holds, among the known and among those without."""

    measure: Measure
    leaf: Leaf
    uses: tuple[Use, ...]
    met: Share  # of those whose value is known
    lacking: int
    met_without: int = 0  # of those without a value, such as by “is empty”

    @property
    def sentence(self) -> str:
        return describe.leaf(self.leaf)

    @property
    def is_told(self) -> bool:
        """Whether there are known values enough to say anything."""
        return self.met.of >= ENOUGH

    @property
    def more(self) -> int:
        """How many more it would hold of."""
        return self._of(self.met.rate or 0)

    @property
    def interval(self) -> Interval:
        """95 %, in whole people or accounts."""
        found = self.met.interval
        assert found is not None  # there are known values
        return Interval(self._of(found.low), self._of(found.high))

    def _of(self, rate: float) -> int:
        return max(round(self.lacking * rate) - self.met_without, 0)


@dataclass(frozen=True)
class Stake:
    """Open deals of those who lack a value, and what they are worth by the win rate of one's own closed deals."""

    deals: int
    amount: int  # minor units
    currency: str
    won: Share  # of the deals closed in a year

    @property
    def is_told(self) -> bool:
        return self.won.of >= ENOUGH

    @property
    def worth(self) -> int:
        return round(self.amount * (self.won.rate or 0))

    @property
    def interval(self) -> Interval:
        found = self.won.interval
        assert found is not None
        return Interval(round(self.amount * found.low), round(self.amount * found.high))


@dataclass(frozen=True)
class Standing:
    """How complete the fields of people or accounts are now, and what asks for each."""

    shares: completeness.Shares
    reaches: dict[str, list[Reach]]
    uses: dict[str, list[Use]]

    def best(self, name: str) -> Reach | None:
        """The question that filling a field would bring most more into."""
        told = [each for each in self.reaches.get(name, ()) if each.is_told and each.more]
        return max(told, key=lambda each: each.more, default=None)


def standing(some: Sequence[Measure], *, of: str, now: datetime) -> Standing:
    """All of it for these fields of people or accounts, by one statement."""
    asking = uses.by_field()
    asked = [each for measure in some for each in _asked(measure, asking.get(measure.name, []))][:MOST]
    tallied = [row for measure in some for row in completeness.bases(measure)]
    for measure, leaf, _uses in asked:
        applies = tree.parse({"all": list(measure.applies.parts)}, of=of)
        known, empty = (tree.parse({"field": measure.name, "op": op}, of=of) for op in ("not_empty", "empty"))
        tallied += [[applies, known, leaf], [applies, empty, leaf]]
    counts = iter(completeness.tally(tallied, of=of, at=now + live.INSTANT))
    shares = {}
    for measure in some:
        applicable, known_of = next(counts), next(counts)
        shares[measure.name] = Share(known_of, applicable)
    reaches: dict[str, list[Reach]] = {}
    for measure, leaf, users in asked:
        share = shares[measure.name]
        met, without = Share(next(counts), share.hits), next(counts)
        reaches.setdefault(measure.name, []).append(
            Reach(measure, leaf, tuple(users), met, share.of - share.hits, without)
        )
    used = {measure.name: _once([use for use, _leaf in asking.get(measure.name, ())]) for measure in some}
    return Standing(shares, reaches, used)


def stake(measure: Measured, now: datetime) -> Stake:
    """The open deals of those who lack a value, in the installation's currency."""
    currency = str(installation.get("currency"))
    lacking = measure.without(now + live.INSTANT)
    whose = sql("deal.account_id IN ({})", lacking)
    if measure.of == "person":
        whose = sql(
            "deal.id IN (SELECT part.deal_id FROM audience_dealrole part WHERE part.person_id IN ({}))", lacking
        )
    [(deals, amount)] = rows(
        sql(
            """SELECT count(*), coalesce(sum(deal.amount), 0)::bigint FROM audience_deal deal
               WHERE deal.status = 'open' AND deal.opened_at <= {} AND deal.currency IN ({}, '') AND {}""",
            now,
            currency,
            whose,
        )
    )
    return Stake(deals, amount, currency, win_rate(now))


def win_rate(now: datetime) -> Share:
    """Won of won and lost, among the deals closed in the last 365 days."""
    [(won, closed)] = rows(
        sql(
            """SELECT count(*) FILTER (WHERE status = 'won'), count(*) FROM audience_deal
               WHERE status <> 'open' AND closed_at >= {} AND closed_at <= {}""",
            now - YEAR,
            now,
        )
    )
    return Share(won, closed)


Asked = tuple[Measure, Leaf, list[Use]]


def _asked(measure: Measure, asking: Sequence[tuple[Use, object]]) -> list[Asked]:
    """The different questions that are asked of a field, each with who asks it; those for its absence are none."""
    found: dict[str, Asked] = {}
    for use, part in asking:
        key = json.dumps(part, sort_keys=True, default=str)
        if key not in found:
            try:
                leaf = tree.parse(part, of=measure.of)
            except ConditionError:  # kept from before its field or choice went
                continue
            if not isinstance(leaf, Leaf) or leaf.operator in ("empty", "not_empty"):
                continue
            found[key] = (measure, leaf, [])
        found[key][2].append(use)
    return [(each, leaf, _once(users)) for each, leaf, users in found.values()]


def _once(some: Sequence[Use]) -> list[Use]:
    """Each user once, in their order."""
    return list({(str(each.what), each.name, each.url): each for each in some}.values())
