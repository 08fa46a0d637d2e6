"""A condition tried out while it is being written: what it says, what is wrong with it, how many and who.

Among many an exact count takes seconds, so who writes sees an estimate first: some subjects, drawn by their
numbers, are asked the very same question, and how many of all that makes is told with its margin.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DataError
from django.utils.translation import gettext as _

from audience.conditions import columns, compile, describe, tree
from audience.conditions.registry import Field
from audience.conditions.tree import ConditionError
from kit import reading, statistics
from kit.sql import Sql, name, rows, sql

PATIENCE = 10  # seconds
SAMPLE = 10
MANY = 50_000  # subjects that are counted exactly at once
ASKED = 1_500  # of more


@dataclass(frozen=True)
class Trial:
    """The answer: a sentence, or the errors; how many hold (None when nobody could tell, and `trouble` says why).

    With a `margin` the count is an estimate: with 95 % certainty it is off by no more.
    """

    sentence: str = ""
    errors: list[ConditionError] = field(default_factory=list)
    count: int | None = None
    sample: list[int] = field(default_factory=list)
    trouble: str = ""
    margin: int | None = None


def of(
    data: Any, *, of: str, at: datetime, coming: Iterable[Field] = (), patience: float = PATIENCE, sample: int = SAMPLE,
    first: bool = False,
) -> Trial:  # fmt: skip
    """Ask a condition as of an instant; it can neither write nor take longer than `patience` seconds.

    The count and the sample (the newest first) are of one statement, so they speak of the same people. `first`: among
    more than MANY an estimate will do.
    """
    coming = list(coming)
    errors = tree.problems(data, of=of, coming=coming)
    if errors:
        return Trial(errors=errors)
    node = tree.parse(data, of=of, coming=coming)
    sentence = describe.sentence(node)
    drawn = _drawn(of) if first else None
    held = compile.members(node, of=of, at=at, among=drawn.numbers if drawn else None, few=bool(drawn))
    asked = sql(
        "WITH held AS MATERIALIZED ({}) SELECT (SELECT count(*) FROM held), "
        "ARRAY(SELECT subject_id FROM held ORDER BY subject_id DESC LIMIT {})",
        held,
        sample,
    )
    try:
        with reading.only(patience):
            ((count, some),) = rows(asked)
    except reading.TooSlow:
        return Trial(
            sentence, trouble=_("This takes too long to count while you wait. Narrow it, or save it as it is.")
        )
    except DataError:
        return Trial(
            sentence, trouble=_("A value in it is too large or too odd to be compared with. Look over the values.")
        )
    if drawn:
        count, margin = drawn.scaled(count)
        return Trial(sentence, count=count, sample=list(some), margin=margin)
    return Trial(sentence, count=count, sample=list(some))


@dataclass(frozen=True)
class Drawn:
    """Numbers drawn out of a range that holds all subjects of a kind, and others': how many of how many."""

    of: int
    asked: int
    numbers: Sql

    def scaled(self, hits: int) -> tuple[int, int]:
        """Of how many of the whole range it holds, and the larger half of the interval, in figures that mean something.

        Wilson's interval of the share among the drawn numbers, times the range.
        """
        interval = statistics.wilson(hits, self.asked)
        assert interval is not None
        share = hits / self.asked
        margin = max(interval.high - share, share - interval.low) * self.of
        step = 10 ** max(0, math.floor(math.log10(margin))) if margin >= 1 else 1
        return round(share * self.of / step) * step, math.ceil(margin / step) * step


def _drawn(of: str) -> Drawn | None:
    """Numbers to ask instead of everybody; None where everybody is asked as quickly.

    People and accounts share one sequence, and the numbers of those who are not there answer no, so the range is what
    is scaled to. The same range gives the same numbers: an estimate does not flicker while nothing has changed.
    """
    table = columns.TABLES[of]
    first, last = rows(sql("SELECT min(id), max(id) FROM {}", name(table)))[0]
    if first is None or last - first < MANY:
        return None
    span = last - first + 1
    numbers = random.Random(f"{first} {last}").sample(range(first, last + 1), ASKED)  # noqa: S311 - a sample, no secret
    return Drawn(span, ASKED, sql("SELECT unnest({}::bigint[]) AS subject_id", numbers))
