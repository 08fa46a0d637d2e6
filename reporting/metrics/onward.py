"""Of the stays that began in the window, the share that has gone on along the success path within so many days.

Cumulative incidence after Aalen and Johansen: detours, returns to an earlier stage and ends off the path compete, and
are counted as ends of their own. Taking them for unfinished would overstate the share. From a detour, going on is
coming back to the path. Whoever another version took elsewhere has gone no way, and counts as far as seen. All ways out
and those still there add up to the whole.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import stays
from reporting.metrics import survival
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question
from reporting.stays import End


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves that ended the stays, by one way out."""
    ways = {FIGURE: End.ONWARD}.get(part, part)
    targets = [each for each in ["", *(place.slug for place in question.plan.places)] if each != question.stage]
    led = [each for each in targets if stays.end(question.plan, question.stage, each) == ways]
    return sql(
        """SELECT stay.id FROM ({}) stay JOIN {} gone ON gone.id = stay.id
           WHERE NOT is_open AND NOT is_cut AND gone.to_stage = ANY({})""",
        survival.began(question),
        question.table,
        led,
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Stays in “%(stage)s” that began, and went on") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="onward",
    label=_("Gone on after so many days"),
    definition=_(
        "Of the stays that began in the window, the share that has gone on along the success path within so many days. "
        "Cumulative incidence after Aalen and Johansen: detours, returns to an earlier stage and ends off the path "
        "compete, and are counted as ends of their own. Taking them for unfinished would overstate the share. From a "
        "detour, going on is coming back to the path. Whoever another version took elsewhere has gone no way, and "
        "counts as far as seen. All ways out and those still there add up to the whole."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: End.ONWARD.label, **{each.value: each.label for each in (End.DETOUR, End.BACK, End.OUT, End.OTHER)}},
    days=stays.days,
)
