"""What those still away from the path would be worth, if they won as often, and as much, as those who came back.

Still away × the share of the returned that have a won deal × the mean of what those won. An expectation, not money
lost: who came back may differ from who did not. Nothing is told where nobody came back, or nobody of them won.
"""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql
from reporting.metrics import recycled
from reporting.metrics.detour_value import Worth
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


def compute(away: int, returned: int, worth: Worth) -> float | None:
    """In minor units."""
    if not returned or not worth.returned:
        return None
    return away * (worth.returned / returned) * (worth.amount / worth.returned)


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves to the detour of those who are still away."""
    return recycled.people(question, recycled.AWAY)


def title(question: Question) -> str:
    """The figure in words."""
    if question.detour:
        return gettext("Still in “%(stage)s”") % {"stage": question.plan.label(question.detour)}
    return gettext("Still on a detour")


METRIC = Metric(
    name="neglect",
    label=_("Cost of neglect"),
    definition=_(
        "What those still away from the path would be worth, if they won as often, and as much, as those who came "
        "back. Still away × the share of the returned that have a won deal × the mean of what those won. An "
        "expectation, not money lost: who came back may differ from who did not. Nothing is told where nobody came "
        "back, or nobody of them won."
    ),
    people=people,
    title=title,
    extras=(recycled.BECAUSE,),
)
