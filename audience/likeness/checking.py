"""How well look-alikes would have done: ranked as of a year before, and held against who became a customer since.

Who was best, what everybody's values were and who was a customer already are all asked as of the cut, by what is
known now of that day. AUC is the chance that somebody who became a customer was ranked above somebody who did not,
ties counting half, with the interval of J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29–36.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audience.likeness import customers, profile, ranking
from audience.likeness.asking import Question
from kit.sql import rows, sql
from kit.statistics import Z95, Interval, Share

AGO = timedelta(days=365)
WON = 20  # who became customers since, below which nothing is told
TENTH = 0.1


@dataclass(frozen=True)
class Check:
    """What became of those who were no customers at the cut: `top` the tenth ranked first, `all` everybody."""

    cut: datetime
    best: int
    top: Share
    all: Share
    auc: float | None
    interval: Interval | None

    @property
    def is_told(self) -> bool:
        return self.auc is not None

    @property
    def is_chance(self) -> bool:
        """Whether it may have been no better than chance."""
        return self.interval is not None and self.interval.low <= 0.5

    @property
    def lift(self) -> float | None:
        """How many times as often the tenth ranked first became customers as everybody did."""
        return self.top.rate / self.all.rate if self.top.rate is not None and self.all.rate else None


def answer(question: Question) -> Check:
    """The check of a question: the same, asked a year earlier. A chosen segment is taken as it was then."""
    then = question.about(at=question.at - AGO, day=(question.at - AGO).date(), among=None)
    told = profile.answer(then, scoring=True)
    nothing = Check(then.at, told.best, Share(0, 0), Share(0, 0), None, None)
    if not told.is_told:
        return nothing
    scored = rows(
        sql(
            """SELECT ranked.score, count(since.subject_id), count(*) FROM ({}) ranked
               LEFT JOIN (SELECT DISTINCT subject_id FROM ({}) customers) since ON since.subject_id = ranked.subject_id
               GROUP BY 1 ORDER BY 1 DESC""",
            ranking.ranked(told),
            customers.all_of(question.of, question.at),
        )
    )
    won, all_ = sum(row[1] for row in scored), sum(row[2] for row in scored)
    if won < WON or won == all_:
        return Check(then.at, told.best, Share(0, 0), Share(won, all_), None, None)
    area = auc([(hits, of - hits) for _score, hits, of in scored])
    return Check(then.at, told.best, _top(scored), Share(won, all_), area, hanley(area, won, all_ - won))


def auc(groups: Sequence[tuple[int, int]]) -> float:
    """The area under the curve of groups of equal score, the highest first: hits and misses of each."""
    hits, misses = sum(pair[0] for pair in groups), sum(pair[1] for pair in groups)
    above, pairs = 0, 0.0
    for won, lost in groups:
        pairs += lost * (above + won / 2)
        above += won
    return pairs / (hits * misses)


def hanley(area: float, hits: int, misses: int) -> Interval:
    """95 %, by Hanley and McNeil's standard error."""
    one, two = area / (2 - area), 2 * area * area / (1 + area)
    error = math.sqrt(
        (area * (1 - area) + (hits - 1) * (one - area * area) + (misses - 1) * (two - area * area)) / (hits * misses)
    )
    return Interval(max(area - Z95 * error, 0.0), min(area + Z95 * error, 1.0))


def _top(scored: Sequence[tuple[float, int, int]]) -> Share:
    """The tenth ranked first, with all of those who tie with its last."""
    least = math.ceil(sum(row[2] for row in scored) * TENTH)
    hits = of = 0
    for _score, won, there in scored:
        hits, of = hits + won, of + there
        if of >= least:
            break
    return Share(hits, of)
