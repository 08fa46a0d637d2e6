"""Offers left in time, of the deadlines that fall in the window: the stage's limit of working hours, from the entry on.

The clock runs on the working days and hours of the installation. Met: left by the deadline, wherever to. Missed: not
left by then, whether left since, moved by the missed limit itself, or not. Past due: missed and still in the stage at
the end of the window. A deadline that is yet to come is neither, and apart. Whom another version of the lifecycle took
away before has none.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import offers
from reporting.metrics.acceptance import BECAUSE, LEFT
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

DEADLINES, MISSED, LATE, COMING = "deadlines", "missed", "late", "coming"
KEPT = {
    FIGURE: "met",
    DEADLINES: "met OR missed",
    MISSED: "missed",
    LATE: "late",
    COMING: "NOT (met OR missed)",
}


def people(question: Question, part: str = FIGURE) -> Sql:
    """The offers whose deadline falls in the window."""
    return sql("SELECT id FROM ({}) offer WHERE {}", offers.dated(question), Sql(KEPT[part]))


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Deadlines of “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="attainment",
    label=_("SLA attainment"),
    definition=_(
        "Offers left in time, of the deadlines that fall in the window: the stage's limit of working hours, from the "
        "entry on. The clock runs on the working days and hours of the installation. Met: left by the deadline, "
        "wherever to. Missed: not left by then, whether left since, moved by the missed limit itself, or not. Past "
        "due: missed and still in the stage at the end of the window. A deadline that is yet to come is neither, and "
        "apart. Whom another version of the lifecycle took away before has none."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={
        FIGURE: _("met"),
        DEADLINES: _("deadlines"),
        MISSED: _("missed"),
        LATE: _("past due"),
        COMING: _("yet to come"),
    },
    extras=(LEFT, BECAUSE),
)
