"""Members whom another version of the lifecycle has brought into the stage in the window, as its plan said.

They neither came nor went by themselves, so no flow and no conversion counts them.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

TAKEN = "taken"


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves into the stage by another version; as the part “taken”, those out of it."""
    stage = sql("entry.{} = {}", Sql("from_stage" if part == TAKEN else "to_stage"), question.stage)
    return sql("SELECT entry.id FROM {} AND entry.by_version AND {}", question.entries(), stage)


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Moved by another version: “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="by_version",
    label=_("By another version"),
    definition=_(
        "Members whom another version of the lifecycle has brought into the stage in the window, as its plan said. "
        "They neither came nor went by themselves, so no flow and no conversion counts them."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={FIGURE: _("brought into the stage"), TAKEN: _("taken out of the stage")},
)
