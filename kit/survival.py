"""How long until something ends, where much of it has not ended yet: survival and what ends it, out of counts.

Survival is the product-limit estimate of E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete
observations", JASA 53 (1958) 457–481, with M. Greenwood's variance on the log(−log) scale (J. D. Kalbfleisch and
R. L. Prentice, The Statistical Analysis of Failure Time Data, 1980). What ends it is told by cumulative incidence:
O. O. Aalen and S. Johansen, Scandinavian Journal of Statistics 5 (1978) 141–150. The other causes compete; taking them
for unfinished would overstate each.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kit.statistics import Z95, Interval


@dataclass(frozen=True)
class Step:
    """One day on which something ended: how many had lasted until then, and what holds behind it.

    `incidence` is the share that has ended by each cause so far; they and `survival` add up to 1.
    """

    day: int
    at_risk: int
    ended: Mapping[str, int]
    survival: float
    spread: float  # Greenwood's sum
    incidence: Mapping[str, float]


@dataclass(frozen=True)
class Curve:
    """The steps in order, of so many observations, the last of which was seen on day `reach`.

    `open` are still lasting; `cut` were observed no further, for a reason that says nothing of how long they last.
    """

    steps: tuple[Step, ...] = ()
    of: int = 0
    open: int = 0
    cut: int = 0
    reach: int = 0
    _lasting: Mapping[int, int] = field(default_factory=dict)  # how many lasted exactly so long

    def survival(self, day: int) -> float | None:
        """The share that lasts longer than a day; None where nothing was observed so long."""
        if not self._is_seen(day):
            return None
        return self._before(day).survival

    def interval(self, day: int) -> Interval | None:
        """95 % round it; None where it is 1 or 0 and Greenwood's formula says nothing, and where there is no share."""
        if not self._is_seen(day):
            return None
        step = self._before(day)
        if not 0 < step.survival < 1:
            return None
        log = math.log(step.survival)
        spread = Z95 * math.sqrt(step.spread) / abs(log)
        return Interval(step.survival ** math.exp(spread), step.survival ** math.exp(-spread))

    def incidence(self, cause: str, day: int) -> float | None:
        """The share that has ended by a cause up to a day, that day included; None as for survival."""
        if not self._is_seen(day):
            return None
        return self._before(day).incidence.get(cause, 0.0)

    def at_risk(self, day: int) -> int:
        """How many lasted at least until a day."""
        return sum(count for length, count in self._lasting.items() if length >= day)

    @property
    def median(self) -> int | None:
        """The first day behind which no more than half last; None when that was not reached."""
        return next((step.day for step in self.steps if step.survival <= 0.5 + 1e-12), None)

    def reached(self, cause: str, share: float = 0.5) -> int | None:
        """The first day by which this share has ended by a cause; None when that was not reached."""
        return next((step.day for step in self.steps if step.incidence.get(cause, 0.0) >= share - 1e-12), None)

    def _is_seen(self, day: int) -> bool:
        """Something was observed so long; or everything had ended, behind which nothing changes."""
        return bool(self.of) and (day <= self.reach or self._before(day).survival < 1e-12)

    def _before(self, day: int) -> Step:
        found = Step(0, self.of, {}, 1.0, 0.0, {})
        for step in self.steps:
            if step.day > day:
                break
            found = step
        return found


Lengths = Iterable[tuple[int, int]]  # so many days, and how many


def curve(ended: Mapping[str, Lengths], still: Lengths, cut: Lengths = ()) -> Curve:
    """The curve of what ended, by cause, of what is still open after so many days, and of what was cut short then.

    Whatever is still open, or cut short, on a day on which others end lasted through it. Lengths below zero count as
    none.
    """
    ends: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    lasting: dict[int, int] = defaultdict(int)
    for cause, lengths in ended.items():
        for day, count in lengths:
            ends[max(day, 0)][cause] += count
            lasting[max(day, 0)] += count
    still, cut = list(still), list(cut)
    for day, count in [*still, *cut]:
        lasting[max(day, 0)] += count
    at_risk = of = sum(lasting.values())
    survival, spread, incidence = 1.0, 0.0, dict.fromkeys(ended, 0.0)
    steps = []
    for day in sorted(lasting):
        if gone := sum(ends[day].values()) if day in ends else 0:
            incidence = {cause: told + survival * ends[day][cause] / at_risk for cause, told in incidence.items()}
            survival *= 1 - gone / at_risk
            spread += gone / (at_risk * (at_risk - gone)) if at_risk > gone else 0.0
            steps.append(Step(day, at_risk, dict(ends[day]), survival, spread, incidence))
        at_risk -= lasting[day]
    left_open, cut_short = (sum(count for _day, count in lengths) for lengths in (still, cut))
    return Curve(tuple(steps), of, left_open, cut_short, max(lasting, default=0), dict(lasting))
