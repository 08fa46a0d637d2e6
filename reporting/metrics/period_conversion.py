"""Moves forward out of the stage in the window, to the next or a later stage of the success path, of all stays there.

The stays are those there at the start of the window plus those that came in it or were brought by another version of
the lifecycle; whoever was taken away and brought back has two. Windows of different length are not comparable.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from kit.statistics import Share
from reporting.flows import Flows
from reporting.metrics import balance, by_version, in_flow, out_flow
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import FORWARD
from reporting.questions import Question

BASE, EXISTING, NEW = "base", "existing", "new"


def compute(flows: Flows, stage: str) -> Share:
    """Forward moves of stays; a stage off the success path has no forward and gives 0 of its stays."""
    stays = balance.compute(flows, stage, balance.START) + in_flow.compute(flows, stage) + flows.came_over(stage)
    return Share(out_flow.compute(flows, stage, FORWARD), stays)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The forward moves (all, or of stays that began before or in the window); as the base, the stays."""
    if part == BASE:
        return sql(
            "{} UNION ALL {} UNION ALL {}",
            balance.people(question.about(moment=balance.START)),
            in_flow.people(question),
            by_version.people(question),
        )
    forward = out_flow.people(question.about(directions=FORWARD))
    if part == EXISTING:
        return sql("{} AND entry.since_day < {}", forward, question.window.start)
    if part == NEW:
        return sql("{} AND entry.since_day >= {}", forward, question.window.start)
    return forward


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Moved forward from “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="period_conversion",
    label=_("Period conversion"),
    definition=_(
        "Moves forward out of the stage in the window, to the next or a later stage of the success path, of all stays "
        "there. The stays are those there at the start of the window plus those that came in it or were brought by "
        "another version of the lifecycle; whoever was taken away and brought back has two. Windows of different "
        "length are not comparable."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={
        FIGURE: _("moved forward"),
        BASE: _("were there or came"),
        EXISTING: _("moved forward, there since before the window"),
        NEW: _("moved forward, came in the window"),
    },
)
