"""Days from the first entry into the stage to the first entry into the target, of those that moved, in the window.

The window is that of reaching the target. Counted between the local dates of the two facts; a negative number means
that the target's fact is dated before the stage's; it stays in and is flagged.
"""

from __future__ import annotations

from collections import defaultdict

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
    for bucket, source, target, days, count in rows(_statement(question)):
        found[bucket][source, target].append((days, int(count)))
    return {bucket: {pair: Counts(days) for pair, days in speeds.items()} for bucket, speeds in found.items()}


def _statement(question: Question) -> Sql:
    if question.split is None:
        return sql(
            """SELECT '', origin, target, days.days, sum(days.n)
               FROM reporting_dailycohort cohort, unnest(cohort.days, cohort.counts) days(days, n)
               WHERE lifecycle_id = {} AND kind = 'velocity' AND day >= {} AND day < {} GROUP BY 1, 2, 3, 4""",
            question.plan.lifecycle.pk,
            question.window.start,
            question.window.end,
        )
    path = [place.slug for place in question.plan.success]
    return sql(
        """SELECT {}, speed.source, entry.to_stage, speed.days, count(*)
           FROM {} AND speed.days IS NOT NULL GROUP BY 1, 2, 3, 4""",
        question.bucket_column,
        question.entries(_speeds(path)),
    )


def _speeds(path: list[str]) -> Sql:
    """The one or two durations of each entry, with the stage they began in."""
    place = sql("array_position({}::text[], entry.to_stage::text)", path)
    return sql(
        """CROSS JOIN LATERAL (
               SELECT ({}::text[])[{} - 1] AS source, entry.from_previous AS days
               UNION ALL SELECT ({}::text[])[1], entry.from_first WHERE {} = {} AND {} > 2
           ) speed""",
        path,
        place,
        path,
        place,
        len(path),
        len(path),
    )


def people(question: Question, part: str = FIGURE) -> Sql:
    """The first entries into the target; of the negative ones alone, if asked."""
    return sql(
        """SELECT entry.id FROM reporting_stageentry start, {}
             AND entry.is_first AND entry.to_stage = {} AND start.is_first AND start.to_stage = {}
             AND start.membership_id = entry.membership_id AND start.seq < entry.seq {}""",
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
