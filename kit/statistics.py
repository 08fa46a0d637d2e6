"""Intervals of shares and of their differences, and exact medians of whole numbers: formulas with their sources."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution


class Interval(NamedTuple):
    """From low to high, both shares of one."""

    low: float
    high: float


def wilson(hits: int, of: int, z: float = Z95) -> Interval | None:
    """The Wilson score interval of a share, without continuity correction; None when there is nothing to share.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209–212;
    method 3 of R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872. Raises ValueError for hits outside 0 … of.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of} is no share")
    if of == 0:
        return None
    square = z * z
    middle = 2 * hits + square
    spread = z * math.sqrt(square + 4 * hits * (of - hits) / of)
    below, above = (middle - spread) / (2 * (of + square)), (middle + spread) / (2 * (of + square))
    # At the ends the bound is exactly 0 or 1; the roots miss it by rounding.
    return Interval(0.0 if hits == 0 else below, 1.0 if hits == of else above)


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    FEW = 30  # below this in the denominator a page says "few" and prints the interval first

    @property
    def rate(self) -> float | None:
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> Interval | None:
        """95 %, Wilson; None without a base, and when one row was counted more often than it is in the base."""
        return wilson(self.hits, self.of) if 0 <= self.hits <= self.of else None

    @property
    def few(self) -> bool:
        return self.of < self.FEW


@dataclass(frozen=True)
class Difference:
    """What one share has over another: of those treated, over those held out."""

    treated: Share
    held: Share

    @property
    def value(self) -> float | None:
        """The difference of the two rates; None where one of them has no base."""
        if self.treated.rate is None or self.held.rate is None:
            return None
        return self.treated.rate - self.held.rate

    @property
    def interval(self) -> Interval | None:
        """95 %, out of the Wilson intervals of the two shares.

        Method 10 of R. G. Newcombe, "Interval estimation for the difference between independent proportions",
        Statistics in Medicine 17 (1998) 873–890.
        """
        first, second, value = self.treated.interval, self.held.interval, self.value
        if first is None or second is None or value is None:
            return None
        assert self.treated.rate is not None and self.held.rate is not None  # or there were no value
        down = math.hypot(self.treated.rate - first.low, second.high - self.held.rate)
        up = math.hypot(first.high - self.treated.rate, self.held.rate - second.low)
        return Interval(max(value - down, -1.0), min(value + up, 1.0))

    @property
    def relative(self) -> float | None:
        """The difference as a share of the rate of those held out; None where that rate is nothing."""
        return self.value / self.held.rate if self.value is not None and self.held.rate else None

    @property
    def p(self) -> float | None:
        """How likely a difference at least this large is, either way, where there is none: the pooled two-proportion
        z test, without continuity correction. None without a base, and where all or none of both were hit."""
        of = self.treated.of + self.held.of
        hits = self.treated.hits + self.held.hits
        if self.value is None or hits in (0, of):
            return None
        pooled = hits / of
        error = math.sqrt(pooled * (1 - pooled) * (1 / self.treated.of + 1 / self.held.of))
        return math.erfc(abs(self.value) / error / math.sqrt(2))

    @property
    def few(self) -> bool:
        return self.treated.few or self.held.few


def as_planned(hits: int, of: int, planned: float) -> float | None:
    """How likely a share at least this far from the planned one is by chance.

    Pearson's chi-square with one degree of freedom; None without a base.
    Raises ValueError for a plan outside 0 … 1, its ends excluded.
    """
    if not 0 < planned < 1:
        raise ValueError(f"{planned} is no planned share")
    if of == 0:
        return None
    square = (hits - of * planned) ** 2 / (of * planned * (1 - planned))
    return math.erfc(math.sqrt(square / 2))


class Counts:
    """Whole numbers and how often each occurred; every figure of it is exact at any size."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._counts: dict[int, int] = {}
        for number, times in pairs:
            if times:
                self._counts[number] = self._counts.get(number, 0) + times

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __add__(self, other: Counts) -> Counts:
        return Counts([*self._counts.items(), *other._counts.items()])

    @property
    def count(self) -> int:
        return sum(self._counts.values())

    @property
    def mean(self) -> float | None:
        return sum(number * times for number, times in self._counts.items()) / self.count if self else None

    @property
    def minimum(self) -> int | None:
        return min(self._counts, default=None)

    @property
    def median(self) -> float | None:
        """The middle one, or the mean of the two in the middle."""
        if not self:
            return None
        return (self._nth((self.count - 1) // 2) + self._nth(self.count // 2)) / 2

    def at(self, share: float) -> int | None:
        """The smallest number such that at least this share of all is not above it (the nearest-rank quantile)."""
        if not self:
            return None
        # Rounded first, so that 0.9 × 10 is the ninth whatever binary makes of it.
        return self._nth(max(math.ceil(round(share * self.count, 6)), 1) - 1)

    @property
    def p90(self) -> int | None:
        return self.at(0.9)

    @property
    def negative(self) -> int:
        """How many lie below zero."""
        return sum(times for number, times in self._counts.items() if number < 0)

    def _nth(self, index: int) -> int:
        for number in sorted(self._counts):
            index -= self._counts[number]
            if index < 0:
                return number
        raise IndexError(index)
