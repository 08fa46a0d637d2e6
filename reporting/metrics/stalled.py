"""Those in the stage at the end of the window who are stuck: in it for longer than nine of ten were who left it, or
past its own limit, and nothing came from them, nor went from human to human, for 45 days.

Days are those since they came into the stage.
"""

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from lifecycle.engine import stalled
from reporting.metrics import age
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

QUIET = 45  # days without a sign of life


def by_stage(question: Question) -> Mapping[str, int]:
    """How many are stuck in each stage: one statement."""
    return dict(rows(sql("SELECT to_stage, count(*) FROM ({}) stuck GROUP BY 1", _stuck(question))))


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries of those who are stuck in the stage, or in any."""
    within = sql("to_stage = {}", question.stage) if question.stage else Sql("true")
    return sql("SELECT id FROM ({}) stuck WHERE {}", _stuck(question), within)


def _stuck(question: Question) -> Sql:
    return sql(
        """SELECT entry.id, entry.to_stage FROM {} AND entry.to_stage <> ''
           AND (entry.until_day IS NULL OR entry.until_day >= {})
           AND entry.membership_id IN (
               SELECT held.id FROM lifecycle_membership held
               WHERE held.lifecycle_id = {} AND held.subject_id IN (SELECT stuck.subject_id FROM ({}) stuck))""",
        question.entries(day_before=True),
        question.window.end,
        question.plan.lifecycle.pk,
        stalled.of(question.plan.lifecycle, at=question.as_of, days=QUIET),
    )


def title(question: Question) -> str:
    """The figure in words."""
    if not question.stage:
        return gettext("Stalled")
    return gettext("Stalled in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="stalled",
    label=_("Stalled"),
    definition=_(
        "Those in the stage at the end of the window who are stuck: in it for longer than nine of ten were who left "
        "it, or past its own limit, and nothing came from them, nor went from human to human, for 45 days. Days are "
        "those since they came into the stage."
    ),
    people=people,
    title=title,
    days=age.days,
)
