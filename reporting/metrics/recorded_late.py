"""Moves into the stage in the window that were recorded in a later month than that in which they happened.

They change the figures of a month that was over. Moves that were replayed from history are not meant: all of them are
written at once, whenever they happened.
"""

from django.db.models import DateTimeField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, rows, sql
from reporting.metrics.metric import FIGURE, Extra, Metric
from reporting.questions import Question


def by_stage(question: Question) -> dict[str, int]:
    """How many such moves there are into each stage."""
    statement = sql("SELECT entry.to_stage, count(*) FROM {} AND entry.recorded_late GROUP BY 1", question.entries())
    return dict(rows(statement))


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves into the stage."""
    return sql(
        "SELECT entry.id FROM {} AND entry.recorded_late AND entry.to_stage = {}", question.entries(), question.stage
    )


def recorded_at(question: Question) -> Sql:
    """When the move was written."""
    return Sql(
        """(SELECT moved.recorded_at FROM lifecycle_movement moved
            WHERE moved.membership_id = reporting_stageentry.membership_id AND moved.seq = reporting_stageentry.seq)"""
    )


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("Moves into “%(stage)s”, recorded late") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="recorded_late",
    label=_("Recorded late"),
    definition=_(
        "Moves into the stage in the window that were recorded in a later month than that in which they happened. "
        "They change the figures of a month that was over. Moves that were replayed from history are not meant: all "
        "of them are written at once, whenever they happened."
    ),
    people=people,
    title=title,
    needs=("stage",),
    extras=(Extra("recorded_at", _("Recorded"), recorded_at, DateTimeField()),),
)
