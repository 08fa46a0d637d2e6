"""Moves out of the stage in the window: onward, past the next stage, back, to a detour, or out of the model.

The five are counted apart and never set off against one another.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.flows import Flows
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import Direction
from reporting.questions import Question


def compute(flows: Flows, stage: str, directions: tuple[Direction, ...] = ()) -> int:
    """How many moves led out of the stage, in some directions only if given."""
    return flows.left(stage, directions)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves out of the stage."""
    return sql(
        "SELECT entry.id FROM {} AND entry.from_stage = {} AND NOT entry.by_version {}",
        question.entries(),
        question.stage,
        towards(question),
    )


def towards(question: Question) -> Sql:
    """A further condition that keeps to the directions asked for, if any are."""
    if not question.directions:
        return Sql("")
    return sql("AND entry.to_stage = ANY({})", question.plan.targets(question.stage, question.directions))


def title(question: Question) -> str:
    """The figure in words."""
    words = gettext("Moves out of “%(stage)s”") % {"stage": question.plan.label(question.stage)}
    ways = ", ".join(str(way.label) for way in question.directions)
    return gettext("%(words)s: %(ways)s") % {"words": words, "ways": ways} if ways else words


METRIC = Metric(
    name="out_flow",
    label=_("Out flow"),
    definition=_(
        "Moves out of the stage in the window: onward, past the next stage, back, to a detour, or out of the model. "
        "The five are counted apart and never set off against one another."
    ),
    people=people,
    title=title,
    needs=("stage",),
)
