"""Intervals of shares, and exact medians of whole numbers: formulas with their sources."""

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
