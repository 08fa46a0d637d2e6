"""Hours from the offer to its acceptance, of the offers of the window that were accepted: median and p90.

By the clock and the calendar, nights and weekends included, between the two moves; shown in days of 24 hours.
"""

from django.db.models import IntegerField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import offers
from reporting.metrics.acceptance import LEFT, left_at
from reporting.metrics.metric import FIGURE, Extra, Metric
from reporting.offers import Outcome
from reporting.questions import Question


def people(question: Question, part: str = FIGURE) -> Sql:
    """The offers that were accepted."""
    return sql("SELECT id FROM ({}) offer WHERE outcome = {}", offers.made(question), str(Outcome.ACCEPTED))


def hours(question: Question) -> Sql:
    """The whole hours of an offer."""
    return sql("(extract(epoch FROM {} - reporting_stageentry.occurred_at) / 3600)::int", left_at(question))


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Hours in “%(stage)s” until accepted") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="time_to_accept",
    label=_("Time to accept"),
    definition=_(
        "Hours from the offer to its acceptance, of the offers of the window that were accepted: median and p90. By "
        "the clock and the calendar, nights and weekends included, between the two moves; shown in days of 24 hours."
    ),
    people=people,
    title=title,
    needs=("stage",),
    extras=(LEFT, Extra("hours", _("Hours"), hours, IntegerField(), ends=True, later=True)),
)
