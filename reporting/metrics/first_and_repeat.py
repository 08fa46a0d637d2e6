"""Entries into the stage in the window for the first time, and those of subjects who had been in it before.

Again: in this pass or in an earlier one of the same lifecycle. The two are never added up without being said.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

REPEAT = "repeat"


def entries(question: Question) -> Sql:
    """`id, to_stage, again` of every entry of the window into the stage asked for, or any of the success path."""
    stages = [question.stage] if question.stage else [place.slug for place in question.plan.success]
    return sql(
        """
        SELECT came.id, came.to_stage, NOT came.is_first OR EXISTS (
            SELECT FROM lifecycle_membership now
            JOIN lifecycle_membership before ON before.lifecycle_id = now.lifecycle_id
                AND before.subject_id = now.subject_id AND before.pass_number < now.pass_number
            JOIN {} earlier ON earlier.membership_id = before.id AND earlier.to_stage = came.to_stage
            WHERE now.id = came.membership_id AND now.pass_number > 1
        ) AS again
        FROM (SELECT entry.* FROM {} AND entry.to_stage = ANY({}) AND NOT entry.by_version) came
        """,
        question.table,
        question.entries(),
        stages,
    )


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries, for the first time or again."""
    return sql("SELECT id FROM ({}) told WHERE {}", entries(question), Sql("again" if part == REPEAT else "NOT again"))


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Came into “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="first_and_repeat",
    label=_("First time and again"),
    definition=_(
        "Entries into the stage in the window for the first time, and those of subjects who had been in it before. "
        "Again: in this pass or in an earlier one of the same lifecycle. The two are never added up without being "
        "said."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("for the first time"), REPEAT: _("again")},
)
