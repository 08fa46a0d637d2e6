"""Hand-offs as rows: every entry into a stage, how the stay ended, when it was due; read by the metrics of hand-offs.

An offer is an entry into the stage, unless another version of the lifecycle made it; the move that ended the stay says
what became of it. Reasons and the two instants are those of the ledger, of the rows asked for alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.subjects import owners
from kit.sql import Sql, join, sql
from lifecycle.engine import sla
from lifecycle.models import Movement
from reporting.plans import FORWARD
from reporting.questions import Question

Kind = Movement.Kind
BY_HAND = (Kind.HAND, Kind.API, Kind.IMPORT, Kind.CAMPAIGN)
BY_RULE = (Kind.RULE, Kind.REPLAY)
NO_STEP = (Kind.UNDO, Kind.VOID, Kind.MERGE, Kind.ERASURE, Kind.MIGRATION)  # nobody's answer, wherever it leads


# The rule for a missed limit moves at the very instant of the deadline.
BY_LIMIT = Sql("EXISTS (SELECT FROM lifecycle_transition rule WHERE rule.id = moved.transition_id AND rule.on_missed)")


class Outcome(models.TextChoices):
    """What became of an offer."""

    ACCEPTED = "accepted", _("accepted: moved forward")
    REJECTED = "rejected", _("rejected: sent back, on a detour or out by hand, import or API")
    EXPIRED = "expired", _("expired: sent back, on a detour or out by a rule")
    OTHERWISE = "otherwise", _("ended otherwise: undone, merged, erased, migrated")
    WAITING = "waiting", _("waiting: still in the stage")


class Speed(models.TextChoices):
    """How soon an offer was accepted, in days of 24 hours."""

    DAY = "day", _("within a day")
    DAYS = "days", _("in one to five days")
    LATER = "later", _("later than five days")


LIMITS: Mapping[Speed, tuple[int, int | None]] = {Speed.DAY: (0, 24), Speed.DAYS: (24, 120), Speed.LATER: (120, None)}


def made(question: Question, *, owned: bool = False) -> Sql:
    """The offers made in the window: `id, bucket, membership_id, seq, next_seq, offered_at, left_at, outcome, reason,
    seconds` (from the offer to its end). Narrowed to the question's reason and speed, if it has one. With `owned`, or
    where the question keeps to an owner, each has its `owner`: the id of the user who had the subject when it arrived,
    as text; empty for nobody."""
    narrowed = [_of_reason(question)] + ([of_speed(Speed(question.speed))] if question.speed else [])
    return sql(
        "SELECT * FROM ({}) offer WHERE {}",
        _of_owner(question, _ended(question, question.entries()), owned),
        join(" AND ", narrowed),
    )


def dated(question: Question, *, owned: bool = False) -> Sql:
    """The offers whose deadline falls in the window: the same with `due_at`, and `met`, `missed`, `late`.

    Whom another version took out of the stage before the deadline has none. Met: left in time. Missed: not left by
    then, whether or not left since; whom the limit itself has moved has missed it. Late: missed and still in at the
    end.
    """
    zone, as_of = question.zone, question.as_of
    longest = sql(
        """SELECT max(limit_hours) FROM lifecycle_stage stage
           JOIN lifecycle_version version ON version.id = stage.version_id
           WHERE version.lifecycle_id = {} AND stage.slug = {}""",
        question.plan.lifecycle.pk,
        question.stage,
    )
    return sql(
        """
        WITH offer AS MATERIALIZED (
            SELECT offer.*, stage.limit_hours, {} AS named FROM ({}) offer
            JOIN lifecycle_stage stage ON stage.version_id = offer.version_id AND stage.slug = {}
            WHERE stage.limit_hours > 0
        ),
        calendar AS MATERIALIZED ({}),
        dated AS (SELECT offer.*, {} AS due_at FROM offer JOIN calendar USING (named))
        SELECT *, COALESCE(left_at <= due_at AND NOT by_limit, false) AS met,
               due_at < {} AND (left_at IS NULL OR left_at > due_at OR by_limit) AS missed,
               due_at < {} AND (left_at IS NULL OR left_at >= {}) AS late
        FROM dated
        WHERE NOT COALESCE(by_version AND left_at <= due_at, false)
          AND (due_at AT TIME ZONE {})::date >= {} AND (due_at AT TIME ZONE {})::date < {}
        """,
        sla.BY_STAGE,
        _of_owner(
            question, _ended(question, question.entries_since(question.window.start - _longest_wait(question))), owned
        ),
        question.stage,
        sla.calendars(
            Sql("offer"), first=Sql("min(offered_at)"), last=Sql("max(offered_at)"), hours=sql("({})", longest)
        ),
        sla.due(Sql("offer.offered_at"), Sql("offer.limit_hours")),
        as_of,
        as_of,
        as_of,
        zone,
        question.window.start,
        zone,
        question.window.end,
    )


def of_speed(speed: Speed) -> Sql:
    """Whether an offer (alias `offer`) ended so soon."""
    above, up_to = LIMITS[speed]
    longer = sql("offer.seconds > {}", above * 3600) if above else Sql("true")
    return sql("({} AND {})", longer, sql("offer.seconds <= {}", up_to * 3600) if up_to else Sql("true"))


def _ended(question: Question, entries: Sql) -> Sql:
    """Entries into the stage with the move that ended each."""
    forward = question.plan.targets(question.stage, FORWARD)
    return sql(
        """
        SELECT offer.id, offer.bucket, offer.membership_id, offer.version_id, offer.seq, onward.seq AS next_seq,
               offer.occurred_at AS offered_at, onward.occurred_at AS left_at,
               onward.by_version, {} AS by_limit,
               CASE WHEN onward.seq IS NULL THEN 'waiting' WHEN moved.kind = ANY({}) THEN 'otherwise'
                    WHEN onward.to_stage = ANY({}) THEN 'accepted'
                    WHEN moved.kind = ANY({}) THEN 'rejected' WHEN moved.kind = ANY({}) THEN 'expired'
                    ELSE 'otherwise' END AS outcome,
               COALESCE(moved.reason, '') AS reason,
               extract(epoch FROM onward.occurred_at - offer.occurred_at)::bigint AS seconds
        FROM (SELECT entry.*, {} AS bucket FROM {} AND entry.to_stage = {} AND NOT entry.by_version) offer
        LEFT JOIN LATERAL (
            SELECT seq, to_stage, occurred_at, by_version FROM {} later
            WHERE later.membership_id = offer.membership_id AND later.seq > offer.seq ORDER BY later.seq LIMIT 1
        ) onward ON true
        LEFT JOIN lifecycle_movement moved ON moved.membership_id = offer.membership_id AND moved.seq = onward.seq
        """,
        BY_LIMIT,
        [str(kind) for kind in NO_STEP],
        forward,
        [str(kind) for kind in BY_HAND],
        [str(kind) for kind in BY_RULE],
        question.bucket_column,
        entries,
        question.stage,
        question.table,
    )


def _of_owner(question: Question, offers: Sql, owned: bool) -> Sql:
    """The offers with the owner of each, and those of the question's owner alone if it has one."""
    if question.owner is None and not owned:
        return offers
    known = question.as_of_day(question.known) if question.known else None
    told = sql(
        """SELECT offer.*, COALESCE((SELECT u.id::text FROM kit_user u WHERE u.id = {}), '') AS owner
           FROM ({}) offer JOIN lifecycle_membership membership ON membership.id = offer.membership_id""",
        owners.then(question.plan.lifecycle.of, Sql("membership.subject_id"), Sql("offer.offered_at"), known),
        offers,
    )
    return told if question.owner is None else sql("SELECT * FROM ({}) offer WHERE owner = {}", told, question.owner)


def _of_reason(question: Question) -> Sql:
    return Sql("true") if question.reason is None else sql("offer.reason = {}", question.reason)


def _longest_wait(question: Question) -> timedelta:
    """No deadline is further from its offer than this: at least one hour is worked a week, and holidays are few."""
    return timedelta(weeks=max(52, question.plan.place(question.stage).limit_hours + 8))
