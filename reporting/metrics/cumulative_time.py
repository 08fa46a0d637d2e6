"""Days of all stays together, of each membership that was in the stage at some time in the window; open ones count to
now.

Now is the day of asking. A detour in between is not counted; stays before the window are.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics import latest_time
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def people(question: Question, part: str = FIGURE) -> Sql:
    """The last stay of each membership."""
    return latest_time.people(question, part)


def days(question: Question) -> Sql:
    """The sum of the stays of each row's membership."""
    return sql(
        """(SELECT sum(CASE WHEN stay.from_stage = {} THEN stay.stay_days ELSE {}::date - stay.evidence_day END)::int
            FROM reporting_stageentry stay WHERE stay.membership_id = reporting_stageentry.membership_id
            AND (stay.from_stage = {} AND stay.since_day < {}
                 OR stay.to_stage = {} AND stay.until_day IS NULL AND stay.day < {}))""",
        question.stage,
        question.today,
        question.stage,
        question.window.end,
        question.stage,
        question.window.end,
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Days of all stays in “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="cumulative_time",
    label=_("Cumulative time in stage"),
    definition=_(
        "Days of all stays together, of each membership that was in the stage at some time in the window; open ones "
        "count to now. Now is the day of asking. A detour in between is not counted; stays before the window are."
    ),
    people=people,
    title=title,
    needs=("stage",),
    days=days,
)
