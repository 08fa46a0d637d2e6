"""Of the stays that began in the window, the share that lasts longer than so many days; open stays count so far as
seen.

The product-limit estimate of Kaplan and Meier: whoever is still there counts for as long as they have been, no longer,
and so does whoever another version of the lifecycle took elsewhere. A stage that the other version has too is one stay.
The median is the first day behind which no more than half last; “not reached” is an answer. At risk: who lasted at
least so long. Counted in local days between the two facts, of open stays to the day of asking.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import stays
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

STILL, CUT = "still", "cut"


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves that ended the stays, and the entries of those who are there still."""
    kept = Sql({STILL: "is_open", CUT: "is_cut"}.get(part, "true"))
    return sql("SELECT id FROM ({}) stay WHERE {}", began(question), kept)


def began(question: Question) -> Sql:
    """The stays in the question's stage that began in the window."""
    return sql("SELECT * FROM ({}) stay WHERE began_day >= {}", stays.in_stage(question), question.window.start)


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Stays in “%(stage)s” that began") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="survival",
    label=_("Still there after so many days"),
    definition=_(
        "Of the stays that began in the window, the share that lasts longer than so many days; open stays count so "
        "far as seen. The product-limit estimate of Kaplan and Meier: whoever is still there counts for as long as "
        "they have been, no longer, and so does whoever another version of the lifecycle took elsewhere. A stage that "
        "the other version has too is one stay. The median is the first day behind which no more than half last; “not "
        "reached” is an answer. At risk: who lasted at least so long. Counted in local days between the two facts, of "
        "open stays to the day of asking."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("stays that began"), STILL: _("still open"), CUT: _("ended by another version")},
    days=stays.days,
)
