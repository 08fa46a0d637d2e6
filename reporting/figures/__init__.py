"""The figures of reports as pages show them: how each is written, what it is counted from, the door to its people.

Here is what all pages share; each report has a file of its own that lays its figures out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from kit import writing
from kit.statistics import Counts, Share
from reporting import addresses, metrics
from reporting.metrics.metric import FIGURE
from reporting.questions import Question

SHOWN_BUCKETS = 60  # of a split by, say, city: the largest; the file has all


@dataclass(frozen=True)
class Figure:
    """One figure: `text` is the link to the list of the `count` rows behind it; `note` says what it is counted from.

    A share has its base in `of`, and the 95 % interval in `interval`.
    """

    text: str
    metric: str = ""
    count: int | None = None
    url: str = ""
    note: str = ""
    value: Any = None
    tone: str = ""  # "good" or "bad" against what is held to be par
    of: int | None = None
    interval: tuple[float, float] | None = None

    @property
    def formula(self) -> str:
        """How it is counted, in words."""
        return str(metrics.find(self.metric).definition) if self.metric else ""


NOTHING = Figure(writing.NOTHING)


@dataclass(frozen=True)
class Line:
    """One line of a table: its heading, a remark on it, and its figures in the order of the columns."""

    head: str
    figures: Sequence[Figure]
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first of its heads is that of the lines."""

    heads: Sequence[str]
    lines: Sequence[Line]
    sum: Line | None = None
    left_over: int = 0

    @property
    def labelled(self) -> list[tuple[Line, list[tuple[str, Figure]]]]:
        """Each line with its figures beside the heads of their columns: on a phone they stand one below the other."""
        return [(line, self._beside(line)) for line in self.lines]

    @property
    def summed(self) -> list[tuple[str, Figure]]:
        """The same of the last line, which sums up."""
        return self._beside(self.sum) if self.sum else []

    def _beside(self, line: Line) -> list[tuple[str, Figure]]:
        return list(zip(self.heads[1:], line.figures, strict=False))


def counted(question: Question, metric: str, count: int, part: str = FIGURE, note: str = "") -> Figure:
    """A plain number."""
    return Figure(writing.number(count), metric, count, addresses.people(question, metric, part), note, count)


def share(question: Question, metric: str, answer: Share | None) -> Figure:
    """A share with its base; with few in the base the interval comes first, because the rate says little."""
    if answer is None:
        return NOTHING
    note = _("%(hits)s of %(of)s") % {"hits": writing.number(answer.hits), "of": writing.number(answer.of)}
    text = writing.percent(answer.rate)
    if answer.rate is not None and answer.few:
        text, note = interval(answer), _("few: %(rate)s, %(base)s") % {"rate": text, "base": note}
    url = addresses.people(question, metric)
    return Figure(text, metric, answer.hits, url, note, answer.rate, of=answer.of, interval=answer.interval)


def interval(answer: Share) -> str:
    """The 95 % interval of a share."""
    bounds = answer.interval
    if bounds is None:
        return writing.NOTHING
    return _("%(low)s to %(high)s") % {"low": writing.percent(bounds.low), "high": writing.percent(bounds.high)}


def days(question: Question, metric: str, answer: Counts | None, value: float | None, note: str = "") -> Figure:
    """A number of days taken from durations; the list behind it is all of them."""
    if not answer or value is None:
        return NOTHING
    url = addresses.people(question, metric)
    return Figure(in_days(value), metric, answer.count, url, note, value)


def in_days(value: float) -> str:
    """A number of days, with one decimal where it is not whole."""
    return writing.number(value, 0 if float(value).is_integer() else 1)
