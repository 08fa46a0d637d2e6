"""Intervals of shares, means and their differences, and exact medians of whole numbers: formulas with their sources."""

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


@dataclass(frozen=True)
class Sample:
    """So many values with this mean and variance (of the sample: divided by one less than their number)."""

    of: int
    mean: float
    variance: float


@dataclass(frozen=True)
class MeanDifference:
    """What the mean of one sample has over that of another, their variances not taken to be alike.

    B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34 (1947) 28–35, with the degrees of freedom of F. E. Satterthwaite, Biometrics Bulletin 2 (1946)
    110–114.
    """

    treated: Sample
    held: Sample

    @property
    def value(self) -> float | None:
        """The difference; None where a sample is empty."""
        return self.treated.mean - self.held.mean if self.treated.of and self.held.of else None

    @property
    def interval(self) -> Interval | None:
        """95 %; None below two values in a sample, and where nothing varies."""
        freedom = self._freedom
        if self.value is None or freedom is None:
            return None
        spread = _student_quantile(0.975, freedom) * math.sqrt(sum(self._errors))
        return Interval(self.value - spread, self.value + spread)

    @property
    def p(self) -> float | None:
        """How likely a difference at least this large is, either way, where there is none; None as for the interval."""
        freedom = self._freedom
        if self.value is None or freedom is None:
            return None
        return 2 * (1 - student(abs(self.value) / math.sqrt(sum(self._errors)), freedom))

    @property
    def few(self) -> bool:
        return min(self.treated.of, self.held.of) < Share.FEW

    @property
    def _errors(self) -> tuple[float, float]:
        return self.treated.variance / self.treated.of, self.held.variance / self.held.of

    @property
    def _freedom(self) -> float | None:
        if self.treated.of < 2 or self.held.of < 2 or not sum(self._errors):
            return None
        first, second = self._errors
        return (first + second) ** 2 / (first**2 / (self.treated.of - 1) + second**2 / (self.held.of - 1))


def student(t: float, freedom: float) -> float:
    """The share of Student's distribution below t (M. Abramowitz and I. A. Stegun, 26.7.1)."""
    tail = _beta_share(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return 1 - tail if t >= 0 else tail


def _student_quantile(share: float, freedom: float) -> float:
    """The t below which this share lies, for shares above a half: by halving."""
    low, high = 0.0, 1.0
    while student(high, freedom) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student(middle, freedom) < share else (low, middle)
    return high


def _beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun, 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction is slow, its mirror image is quick
        return 1 - _beta_share(1 - x, b, a)
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny, c, d, found = 1e-300, 1.0, 0.0, 1.0
    for n in range(400):
        m = n // 2
        if n == 0:
            term = 1.0
        elif n % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / ((1 + term * d) or tiny)
        c = (1 + term / c) or tiny
        found *= c * d
        if abs(1 - c * d) < 1e-14:
            break
    return scale * (found - 1)


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
