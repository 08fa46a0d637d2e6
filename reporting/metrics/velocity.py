"""Days from the first entry into the stage to the first entry into the target, of those that moved, in the window.

The window is that of reaching the target. Counted between the local dates of the two facts; a negative number means
that the target's fact is dated before the stage's; it stays in and is flagged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Counts
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

NEGATIVE = "negative"
Pair = tuple[str, str]


def by_bucket(question: Question) -> dict[str, dict[Pair, Counts]]:
    """The days from each stage of the success path to the next, and from its first to its last, for each bucket."""
    found: dict[str, dict[Pair, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for bucket, source, target, days, count in _of_everybody(question) if question.rolled_up else _of_buckets(question):
        found[bucket][source, target].append((days, int(count)))
    return {bucket: {pair: Counts(days) for pair, days in speeds.items()} for bucket, speeds in found.items()}


Speed = tuple[str, str, str, int, int]  # bucket, stage, target, days, how often


def _of_everybody(question: Question) -> list[Speed]:
    return rows(
        sql(
            """SELECT '', origin, target, days, sum(n)
               FROM (SELECT origin, target, unnest(days) AS days, unnest(counts) AS n FROM reporting_dailycohort
                     WHERE lifecycle_id = {} AND kind = 'velocity' AND day >= {} AND day < {}) told
               GROUP BY 1, 2, 3, 4""",
            question.plan.lifecycle.pk,
            question.window.start,
            question.window.end,
        )
    )


def _of_buckets(question: Question) -> Iterator[Speed]:
    """Both durations of an entry in one row: parting them in the database costs ten times as much."""
    path = [place.slug for place in question.plan.success]
    statement = sql(
        """SELECT {}, entry.to_stage, entry.from_previous,
                  CASE WHEN entry.to_stage = {} THEN entry.from_first END, count(*)
           FROM {} AND (entry.from_previous IS NOT NULL OR entry.from_first IS NOT NULL) GROUP BY 1, 2, 3, 4""",
        question.bucket_column,
        path[-1] if len(path) > 2 else "",
        question.entries(),
    )
    for bucket, target, from_previous, from_first, count in rows(statement):
        if from_previous is not None:
            yield bucket, path[path.index(target) - 1], target, from_previous, count
        if from_first is not None:
            yield bucket, path[0], target, from_first, count


def people(question: Question, part: str = FIGURE) -> Sql:
    """The first entries into the target; of the negative ones alone, if asked."""
    return sql(
        """SELECT entry.id FROM {} start, {}
             AND entry.is_first AND entry.to_stage = {} AND start.is_first AND start.to_stage = {}
             AND start.membership_id = entry.membership_id AND start.seq < entry.seq {}""",
        question.table,
        question.entries(),
        question.target,
        question.stage,
        Sql("AND entry.evidence_day < start.evidence_day") if part == NEGATIVE else Sql(""),
    )


def days(question: Question) -> Sql:
    """Each entry's days from the stage."""
    return sql(
        """reporting_stageentry.evidence_day - (
               SELECT start.evidence_day FROM reporting_stageentry start
               WHERE start.membership_id = reporting_stageentry.membership_id
                 AND start.is_first AND start.to_stage = {})""",
        question.stage,
    )


def title(question: Question) -> str:
    """The figure in words."""
    names = {"origin": question.plan.label(question.stage), "target": question.plan.label(question.target)}
    return gettext("Days from “%(origin)s” to “%(target)s”") % names


METRIC = Metric(
    name="velocity",
    label=_("Velocity"),
    definition=_(
        "Days from the first entry into the stage to the first entry into the target, of those that moved, in the "
        "window. The window is that of reaching the target. Counted between the local dates of the two facts; a "
        "negative number means that the target's fact is dated before the stage's; it stays in and is flagged."
    ),
    people=people,
    title=title,
    needs=("stage", "target"),
    parts={FIGURE: _("moved"), NEGATIVE: _("reached the target before the stage, by the dates of the facts")},
    days=days,
)
