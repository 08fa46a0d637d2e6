"""Days on the detour, of those sent there in the window who came back: median and p90.

Counted between the local dates of the two facts, from the move to the detour to the return to the success path.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics import recycled
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves to a detour of those who came back."""
    return recycled.people(question, recycled.RETURNED)


def days(question: Question) -> Sql:
    """Each move's days until the return."""
    return sql(
        """(SELECT later.evidence_day - reporting_stageentry.evidence_day FROM {} later
            WHERE later.membership_id = reporting_stageentry.membership_id AND later.seq > reporting_stageentry.seq
              AND later.to_stage = ANY({}) ORDER BY later.seq LIMIT 1)""",
        question.table,
        [place.slug for place in question.plan.success],
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("%(sent)s, days until the return") % {"sent": recycled.title(question)}


METRIC = Metric(
    name="time_until_return",
    label=_("Time until return"),
    definition=_(
        "Days on the detour, of those sent there in the window who came back: median and p90. Counted between the "
        "local dates of the two facts, from the move to the detour to the return to the success path."
    ),
    people=people,
    title=title,
    days=days,
    extras=(recycled.BECAUSE,),
)
