"""Wins of the window that had been on a detour before, in the same pass: without the loop they would not be there.

A win is the first entry into the last stage of the success path. Narrowed, where asked, to detours from one stage or
for one reason.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

BASE = "base"


def people(question: Question, part: str = FIGURE) -> Sql:
    """The wins; of the figure itself those that had been on a detour."""
    plan = question.plan
    path = [place.slug for place in plan.success]
    wins = sql("SELECT entry.id FROM {} AND entry.is_first AND entry.to_stage = {}", question.entries(), path[-1])
    if part == BASE:
        return wins
    reason = Sql("")
    if question.reason is not None:
        reason = sql(
            """AND EXISTS (SELECT FROM lifecycle_movement moved WHERE moved.membership_id = gone.membership_id
                           AND moved.seq = gone.seq AND moved.reason = {})""",
            question.reason,
        )
    return sql(
        """{} AND EXISTS (SELECT FROM {} gone WHERE gone.membership_id = entry.membership_id AND gone.seq < entry.seq
                          AND NOT gone.by_version AND gone.to_stage = ANY({}) AND gone.from_stage = ANY({}) {})""",
        wins,
        question.table,
        plan.detours,
        [question.stage] if question.stage else path,
        reason,
    )


def title(question: Question) -> str:
    """The figure in words."""
    last = question.plan.success[-1].name
    return gettext("“%(stage)s” after a detour") % {"stage": last}


METRIC = Metric(
    name="detoured_wins",
    label=_("Wins after a detour"),
    definition=_(
        "Wins of the window that had been on a detour before, in the same pass: without the loop they would not be "
        "there. A win is the first entry into the last stage of the success path. Narrowed, where asked, to detours "
        "from one stage or for one reason."
    ),
    people=people,
    title=title,
    parts={FIGURE: _("had been on a detour"), BASE: _("wins")},
)
