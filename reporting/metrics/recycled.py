"""Moves from a stage of the success path to a detour in the window, and what became of those who were sent there.

Returned: came back to a stage of the success path later in the same pass. Won: reached the last stage later in the same
pass. Away: neither came back nor left the model. Ends off the path are no detour here: nobody comes back from them.
Whom another version of the lifecycle has moved was not sent by it, nor came back.
"""

from django.db.models import CharField, DateTimeField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, join, sql
from reporting.metrics.metric import FIGURE, Extra, Metric
from reporting.questions import Question

RETURNED, WON, AWAY = "returned", "won", "away"


def sent(question: Question) -> Sql:
    """`id, membership_id, occurred_at, from_stage, to_stage, reason, back_stage, days, won, away, so_far` of every such
    move, narrowed to the question's stage, detour, reason and, as the stage they came back to, target. `so_far` are the
    days on the detour of those still away."""
    plan = question.plan
    path = [place.slug for place in plan.success]
    narrowed = [Sql("true")]
    if question.stage:
        narrowed.append(sql("from_stage = {}", question.stage))
    if question.reason is not None:
        narrowed.append(sql("reason = {}", question.reason))
    if question.detour:
        narrowed.append(sql("to_stage = {}", question.detour))
    if question.target:
        narrowed.append(sql("back_stage = {}", question.target))
    return sql(
        """
        SELECT * FROM (
            SELECT gone.id, gone.membership_id, gone.occurred_at, {}::date - gone.evidence_day AS so_far,
                   gone.from_stage, gone.to_stage, COALESCE(moved.reason, '') AS reason,
                   CASE WHEN back.by_version IS FALSE THEN back.to_stage ELSE '' END AS back_stage,
                   CASE WHEN back.by_version IS FALSE THEN back.evidence_day - gone.evidence_day END AS days,
                   EXISTS (SELECT FROM {} won WHERE won.membership_id = gone.membership_id AND won.seq > gone.seq
                           AND won.to_stage = {} AND NOT won.by_version) AS won,
                   back.seq IS NULL AND NOT EXISTS (
                       SELECT FROM {} gone_on WHERE gone_on.membership_id = gone.membership_id
                       AND gone_on.seq > gone.seq AND NOT gone_on.to_stage = ANY({})) AS away
            FROM (SELECT entry.* FROM {} AND entry.from_stage = ANY({}) AND entry.to_stage = ANY({})
                  AND NOT entry.by_version) gone
            LEFT JOIN lifecycle_movement moved ON moved.membership_id = gone.membership_id AND moved.seq = gone.seq
            LEFT JOIN LATERAL (
                SELECT seq, to_stage, evidence_day, by_version FROM {} later
                WHERE later.membership_id = gone.membership_id AND later.seq > gone.seq AND later.to_stage = ANY({})
                ORDER BY later.seq LIMIT 1
            ) back ON true
        ) sent WHERE {}
        """,
        question.today,
        question.table,
        path[-1] if path else "",
        question.table,
        plan.detours,
        question.entries(),
        path,
        plan.detours,
        question.table,
        path,
        join(" AND ", narrowed),
    )


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves to a detour."""
    kept = {FIGURE: "true", RETURNED: "back_stage <> ''", WON: "won", AWAY: "away"}[part]
    return sql("SELECT id FROM ({}) sent WHERE {}", sent(question), Sql(kept))


def back_at(question: Question) -> Sql:
    """When they came back, of a move to a detour."""
    return sql(
        """(SELECT CASE WHEN NOT later.by_version THEN later.occurred_at END FROM {} later
            WHERE later.membership_id = reporting_stageentry.membership_id
            AND later.seq > reporting_stageentry.seq AND later.to_stage = ANY({}) ORDER BY later.seq LIMIT 1)""",
        question.table,
        [place.slug for place in question.plan.success],
    )


def because(question: Question) -> Sql:
    """Why they were sent, in the words of the ledger."""
    return Sql(
        """(SELECT moved.reason FROM lifecycle_movement moved
            WHERE moved.membership_id = reporting_stageentry.membership_id AND moved.seq = reporting_stageentry.seq)"""
    )


BECAUSE = Extra("because", _("Because"), because, CharField())
BACK = Extra("back_at", _("Came back"), back_at, DateTimeField(), later=True)


def title(question: Question) -> str:
    """The figure in words."""
    if question.detour:
        words = gettext("Sent to “%(stage)s”") % {"stage": question.plan.label(question.detour)}
    elif question.stage:
        words = gettext("Sent on a detour from “%(stage)s”") % {"stage": question.plan.label(question.stage)}
    else:
        words = gettext("Sent on a detour")
    return gettext("%(words)s: %(reason)s") % {"words": words, "reason": question.reason} if question.reason else words


METRIC = Metric(
    name="recycled",
    label=_("Recycled"),
    definition=_(
        "Moves from a stage of the success path to a detour in the window, and what became of those who were sent "
        "there. Returned: came back to a stage of the success path later in the same pass. Won: reached the last "
        "stage later in the same pass. Away: neither came back nor left the model. Ends off the path are no detour "
        "here: nobody comes back from them. Whom another version of the lifecycle has moved was not sent by it, nor "
        "came back."
    ),
    people=people,
    title=title,
    parts={FIGURE: _("sent on a detour"), RETURNED: _("returned"), WON: _("won after all"), AWAY: _("still away")},
    extras=(BECAUSE, BACK),
)
