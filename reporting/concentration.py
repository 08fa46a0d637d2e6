"""How much of the money comes from how few customers: shares of the largest, the Lorenz curve, Gini."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from audience.commerce import rates
from kit.sql import Sql, rows, sql, value
from reporting import metrics
from reporting.metrics import concentration as metric
from reporting.money import TOPS, Basis, MoneyQuestion


@dataclass(frozen=True)
class Concentration:
    """The amounts of the active customers, the largest first, and the sums of the metric's parts."""

    question: MoneyQuestion
    amounts: tuple[int, ...]
    sums: dict[str, tuple[int, int]]
    without_cost: int  # purchases of the window that do not say what they cost
    converted: rates.Sum  # by what exchange rates, and what has none

    @property
    def total(self) -> int:
        return sum(self.amounts)

    @property
    def share(self) -> float | None:
        """What the top have of all."""
        return self.sums[metric.TOP][1] / self.total if self.total else None

    def top(self, percent: int) -> tuple[int, int]:
        """How many the top so many per cent are, rounded up, and what they have."""
        count = math.ceil(len(self.amounts) * percent / 100)
        return count, sum(self.amounts[:count])

    @property
    def gini(self) -> float | None:
        """2 Σ i·x(i) / (n Σ x) − (n + 1) / n over the amounts in rising order; None without any money."""
        count = len(self.amounts)
        if not self.total:
            return None
        weighted = sum(place * amount for place, amount in enumerate(reversed(self.amounts), 1))
        return 2 * weighted / (count * self.total) - (count + 1) / count

    def curve(self, points: int = 100) -> list[tuple[float, float]]:
        """The Lorenz curve from the smallest customer on: shares of customers and of money, both of one."""
        return lorenz(self.amounts, points)


def lorenz(amounts: Sequence[int], points: int) -> list[tuple[float, float]]:
    """At most so many points of the curve of amounts given in falling order; its ends are 0, 0 and 1, 1."""
    count, total = len(amounts), sum(amounts)
    if not total:
        return []
    sums = [0, *accumulate(reversed(amounts))]
    places = sorted({round(count * step / points) for step in range(points + 1)})
    return [(place / count, sums[place] / total) for place in places]


def answer(question: MoneyQuestion) -> Concentration:
    """The concentration that a question asks for."""
    told = metrics.CUSTOMERS["concentration"]
    statement = sql("SELECT amount FROM ({}) told WHERE amount >= 0 ORDER BY amount DESC", told.relation(question))
    amounts = tuple(amount for (amount,) in rows(statement))
    converted = rates.added(metric.amounts(question), question.currency)
    return Concentration(question, amounts, told.sums(question), _without_cost(question), converted)


def _without_cost(question: MoneyQuestion) -> int:
    if question.basis != Basis.MARGIN:
        return 0
    zone = question.zone
    statement = sql(
        """SELECT count(*) FROM audience_purchase purchase
           LEFT JOIN audience_person buyer ON buyer.id = purchase.person_id
           WHERE cost IS NULL AND amount IS NOT NULL AND {} AND {}
             AND occurred_at >= {}::date::timestamp AT TIME ZONE {}
             AND occurred_at < {}::date::timestamp AT TIME ZONE {}""",
        rates.is_known(Sql("purchase.currency"), metric.bought_on(zone), question.currency),
        question.counted(question.customer("purchase")),
        question.window.start,
        zone,
        question.window.end,
        zone,
    )
    return int(value(statement))


SHOWN = TOPS
