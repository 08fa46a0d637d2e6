"""Moves into the stage in the window, whatever they came from; the first placement of a membership counts as in.

Somebody who came twice counts twice. Whom another version of the lifecycle has brought is counted apart.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.flows import Flows
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def compute(flows: Flows, stage: str) -> int:
    """How many moves led into the stage."""
    return flows.came(stage)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries into the stage."""
    return sql(
        "SELECT entry.id FROM {} AND entry.to_stage = {} AND NOT entry.by_version", question.entries(), question.stage
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Moves into “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="in_flow",
    label=_("In flow"),
    definition=_(
        "Moves into the stage in the window, whatever they came from; the first placement of a membership counts as "
        "in. Somebody who came twice counts twice. Whom another version of the lifecycle has brought is counted apart."
    ),
    people=people,
    title=title,
    needs=("stage",),
)
