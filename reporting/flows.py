"""The moves of a window, counted by stage left and stage entered: one statement from which four metrics are read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from kit.sql import Sql, rows, sql
from reporting.plans import Direction, Plan
from reporting.questions import Question


@dataclass
class Flows:
    """Moves from stage to stage: how many before the window, and how many in it.

    Read out of the entries, `ended` has the stays that ended in the window, as stage left, entered, days and how often.
    """

    plan: Plan
    before: dict[tuple[str, str], int] = field(default_factory=dict)
    within: dict[tuple[str, str], int] = field(default_factory=dict)
    over: dict[tuple[str, str], int] = field(default_factory=dict)  # in it, by another version of the lifecycle
    ended: list[tuple[str, str, int, int]] = field(default_factory=list)

    def in_before(self, stage: str) -> int:
        return sum(n for (_, target), n in self.before.items() if target == stage)

    def out_before(self, stage: str) -> int:
        return sum(n for (source, _), n in self.before.items() if source == stage)

    def came(self, stage: str) -> int:
        """Moves into the stage in the window."""
        return sum(n for (_, target), n in self.within.items() if target == stage)

    def came_over(self, stage: str) -> int:
        """Those whom another version of the lifecycle has brought into the stage in the window."""
        return sum(n for (_, target), n in self.over.items() if target == stage)

    def went_over(self, stage: str) -> int:
        """Those whom another version of the lifecycle has taken out of the stage in the window."""
        return sum(n for (source, _), n in self.over.items() if source == stage)

    def left(self, stage: str, directions: tuple[Direction, ...] = ()) -> int:
        """Moves out of the stage in the window, in some directions only if given."""
        return sum(
            n
            for (source, target), n in self.within.items()
            if source == stage and (not directions or self.plan.direction(source, target) in directions)
        )


def by_bucket(question: Question) -> dict[str, Flows]:
    """The flows of each bucket; of everybody, under "", when nobody is parted. Never raw movements."""
    found: dict[str, Flows] = defaultdict(lambda: Flows(question.plan))
    for bucket, source, target, days, before, within, over in rows(
        _of_everybody(question) if question.rolled_up else _of_buckets(question)
    ):
        flow, pair = found[bucket], (source, target)
        for told, number in ((flow.before, before), (flow.within, within), (flow.over, over)):
            told[pair] = told.get(pair, 0) + int(number)
        if days is not None and within:
            flow.ended.append((source, target, days, within))
    return found


def _of_everybody(question: Question) -> Sql:
    start = question.window.start
    return sql(
        """SELECT '', from_stage, to_stage, NULL, COALESCE(sum(count) FILTER (WHERE day < {}), 0),
                  COALESCE(sum(count) FILTER (WHERE day >= {} AND NOT by_version), 0),
                  COALESCE(sum(count) FILTER (WHERE day >= {} AND by_version), 0)
           FROM reporting_dailyflow WHERE lifecycle_id = {} AND day < {} GROUP BY from_stage, to_stage""",
        start,
        start,
        start,
        question.plan.lifecycle.pk,
        question.window.end,
    )


def _of_buckets(question: Question) -> Sql:
    """Parted by the days of the stay that ended as well: all entries are read once for both."""
    start = question.window.start
    return sql(
        """SELECT {}, entry.from_stage, entry.to_stage, CASE WHEN entry.day >= {} THEN entry.stay_days END,
                  count(*) FILTER (WHERE entry.day < {}),
                  count(*) FILTER (WHERE entry.day >= {} AND NOT entry.by_version),
                  count(*) FILTER (WHERE entry.day >= {} AND entry.by_version)
           FROM {} GROUP BY 1, 2, 3, 4""",
        question.bucket_column,
        start,
        start,
        start,
        start,
        question.entries(day_before=True),
    )


def first_day(lifecycle_id: int) -> Any:
    """The day of the first move of a lifecycle, on which all time begins; None when there is none."""
    found = rows(sql("SELECT min(day) FROM reporting_dailyflow WHERE lifecycle_id = {}", lifecycle_id))
    return found[0][0]
