"""Moves along the success path in the window, to the next stage or past it, divided by the days of the window.

Of one stage: those that left it that way. First placements are none of them, and going back takes nothing off.
"""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, join, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.plans import FORWARD
from reporting.questions import Question


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves along the path: out of the question's stage, or of any."""
    plan = question.plan
    stages = [question.stage] if question.stage else [place.slug for place in plan.success]
    led = [
        sql("(entry.from_stage = {} AND entry.to_stage = ANY({}))", stage, plan.targets(stage, FORWARD))
        for stage in stages
    ]
    along = join(" OR ", led or [Sql("false")])
    return sql("SELECT entry.id FROM {} AND NOT entry.by_version AND ({})", question.entries(), along)


def title(question: Question) -> str:
    """The figure in words."""
    if not question.stage:
        return gettext("Moves along the success path")
    return gettext("Moves from “%(stage)s” along the success path") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="throughput",
    label=_("Throughput"),
    definition=_(
        "Moves along the success path in the window, to the next stage or past it, divided by the days of the window. "
        "Of one stage: those that left it that way. First placements are none of them, and going back takes nothing "
        "off."
    ),
    people=people,
    title=title,
)
