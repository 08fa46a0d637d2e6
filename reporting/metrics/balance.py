"""How many are in the stage at an instant: the memberships whose last move before it led into the stage.

The balance at the end of a window is that at its start, plus what came in, less what went out, and what another
version of the lifecycle brought or took.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit import writing
from kit.sql import Sql, sql
from reporting.flows import Flows
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

START, END = "start", "end"


def compute(flows: Flows, stage: str, moment: str) -> int:
    """The balance at the start or at the end of the window."""
    before = flows.in_before(stage) - flows.out_before(stage)
    if moment == START:
        return before
    return before + flows.came(stage) - flows.left(stage) + flows.came_over(stage) - flows.went_over(stage)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries into the stage of those who are in it at the instant."""
    day = question.window.start if question.moment == START else question.window.end
    return sql(
        """SELECT entry.id FROM {} AND entry.to_stage = {} AND entry.day < {}
           AND (entry.until_day IS NULL OR entry.until_day >= {})""",
        question.entries(day_before=True),
        question.stage,
        day,
        day,
    )


def title(question: Question) -> str:
    """The figure in words."""
    stage, window = question.plan.label(question.stage), question.window
    if question.moment == START:
        return gettext("In “%(stage)s” at the start of %(day)s") % {"stage": stage, "day": writing.day(window.start)}
    return gettext("In “%(stage)s” at the end of %(day)s") % {"stage": stage, "day": writing.day(window.last)}


METRIC = Metric(
    name="balance",
    label=_("Balance"),
    definition=_(
        "How many are in the stage at an instant: the memberships whose last move before it led into the stage. "
        "The balance at the end of a window is that at its start, plus what came in, less what went out, "
        "and what another version of the lifecycle brought or took."
    ),
    people=people,
    title=title,
    needs=("stage", "moment"),
)
