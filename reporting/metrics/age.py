"""Days since they came, of those who are in the stage when the window ends: median, p90, and the oldest.

Counted from the local day of the fact of entering to the last day of the window.
"""

from __future__ import annotations

from collections import defaultdict

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from kit.statistics import Counts
from reporting.metrics import balance
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def by_stage(question: Question) -> dict[str, Counts]:
    """The ages in every stage: one statement."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    statement = sql(
        """SELECT entry.to_stage, {}::date - entry.evidence_day, count(*) FROM {}
           AND entry.to_stage <> '' AND (entry.until_day IS NULL OR entry.until_day >= {}) GROUP BY 1, 2""",
        question.window.last,
        question.entries(day_before=True),
        question.window.end,
    )
    for stage, days, count in rows(statement):
        found[stage].append((days, count))
    return {stage: Counts(pairs) for stage, pairs in found.items()}


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries of those who are in the stage."""
    return balance.people(question.about(moment=balance.END))


def days(question: Question) -> Sql:
    """The age of each."""
    return sql("{}::date - reporting_stageentry.evidence_day", question.window.last)


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Days so far in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="age",
    label=_("Age"),
    definition=_(
        "Days since they came, of those who are in the stage when the window ends: median, p90, and the oldest. "
        "Counted from the local day of the fact of entering to the last day of the window."
    ),
    people=people,
    title=title,
    needs=("stage",),
    days=days,
)
