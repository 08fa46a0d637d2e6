"""Offers accepted, of the offers made in the window: entries into the stage that moved forward next.

An offer is each entry into the stage; somebody offered twice counts twice. Rejected: sent back, on a detour or out of
the model by hand, import or API. Expired: the same by a rule. Those still in the stage are waiting, and apart.
"""

from django.db.models import CharField, DateTimeField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting import offers
from reporting.metrics.metric import FIGURE, Extra, Metric
from reporting.offers import Outcome
from reporting.questions import Question

OFFERED, REJECTED, EXPIRED, OTHERWISE, WAITING = "offered", "rejected", "expired", "otherwise", "waiting"


def people(question: Question, part: str = FIGURE) -> Sql:
    """The offers: the entries into the stage."""
    made = sql("SELECT id FROM ({}) offer", offers.made(question))
    outcome = {FIGURE: Outcome.ACCEPTED, OFFERED: None}.get(part, part)
    return made if outcome is None else sql("{} WHERE outcome = {}", made, str(outcome))


def left_at(question: Question) -> Sql:
    """When the stay ended, of an entry."""
    return sql(
        """(SELECT later.occurred_at FROM {} later WHERE later.membership_id = reporting_stageentry.membership_id
            AND later.seq > reporting_stageentry.seq ORDER BY later.seq LIMIT 1)""",
        question.table,
    )


def left_because(question: Question) -> Sql:
    """Why it ended, in the words of the ledger."""
    return sql(
        """(SELECT moved.reason FROM {} later
            JOIN lifecycle_movement moved ON moved.membership_id = later.membership_id AND moved.seq = later.seq
            WHERE later.membership_id = reporting_stageentry.membership_id AND later.seq > reporting_stageentry.seq
            ORDER BY later.seq LIMIT 1)""",
        question.table,
    )


LEFT = Extra("left_at", _("Left"), left_at, DateTimeField(), later=True)
BECAUSE = Extra("left_because", _("Because"), left_because, CharField(), later=True)


def title(question: Question) -> str:
    """The figure in words."""
    words = gettext("Handed over in “%(stage)s”") % {"stage": question.plan.label(question.stage)}
    return gettext("%(words)s: %(reason)s") % {"words": words, "reason": question.reason} if question.reason else words


METRIC = Metric(
    name="acceptance",
    label=_("Acceptance"),
    definition=_(
        "Offers accepted, of the offers made in the window: entries into the stage that moved forward next. An offer "
        "is each entry into the stage; somebody offered twice counts twice. Rejected: sent back, on a detour or out "
        "of the model by hand, import or API. Expired: the same by a rule. Those still in the stage are waiting, and "
        "apart."
    ),
    people=people,
    title=title,
    needs=("stage",),
    parts={
        FIGURE: _("accepted"),
        OFFERED: _("offered"),
        REJECTED: _("rejected"),
        EXPIRED: _("expired"),
        OTHERWISE: _("ended otherwise"),
        WAITING: _("waiting"),
    },
    extras=(LEFT, BECAUSE),
)
