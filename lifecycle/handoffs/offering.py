"""What a batch of moves means for hand-offs: those that end, and those that begin. Part of the one writing statement.

A replay tells what has been; it neither ends nor begins any. An import ends those that it overtakes, and begins none.
What is nobody's step answers none: an undo, a merge, an erasure and a new version withdraw what they end. A new version
begins none either: an open hand-off goes on where its members come to a stage that is handed to sales too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from kit import audit
from kit.models import User
from kit.sql import Sql, run, sql
from lifecycle.models import Handoff, Movement, Stage

Kind, State = Movement.Kind, Handoff.State
BY_HAND = (Kind.HAND, Kind.API, Kind.IMPORT, Kind.CAMPAIGN)
STEPS = (*BY_HAND, Kind.RULE, Kind.PLACEMENT)  # a move forward that is one accepts


@dataclass(frozen=True)
class Answer:
    """What somebody answered, when a batch of moves is the answer to hand-offs."""

    state: str
    by: User | None
    route: str
    words: str = ""
    until: date | None = None


def around(kind: str, actor: str, now: datetime, answer: Answer | None) -> tuple[Sql, Sql]:
    """What stands before and behind the ledger's INSERT, so that hand-offs follow in the same statement; nothing for a
    replay. With it the statement yields the number of movements."""
    if kind == Kind.REPLAY:
        return Sql(""), Sql("")
    behind = sql(
        " RETURNING membership_id, seq, to_stage_id, reason, occurred_at, transition_id) {} "
        "SELECT count(*) FROM written",
        _follow(kind, actor, now, answer),
    )
    return Sql(", written AS ("), behind


def _follow(kind: str, actor: str, now: datetime, answer: Answer | None) -> Sql:
    """The parts behind `written` (what the ledger took) and `won` (where each came to).

    An open hand-off ends with the movement that left its stage: as the answer says, else as reports count it. What ends
    after its deadline was missed, and is told so, also when the clock has not come to it; the rule for a missed limit
    moves at that very instant. Whoever comes to rest in a stage that is handed to sales is offered. A new version takes
    the open offer over, with the limit of its own stage, and offers nobody anew.
    """
    same = Sql("false")
    if kind == Kind.MIGRATION:
        same = Sql("onward.hand_off IS NOT NULL AND onward.kind <> 'terminal'")
    return sql(
        """,
        left_behind AS MATERIALIZED (
            SELECT held.id, moved.seq, moved.reason, onward.id AS onward_id, {} AS stays,
                   held.missed_at IS NULL AND held.due_at < {} AND (
                       held.due_at < moved.occurred_at
                       OR moved.transition_id IN (SELECT id FROM lifecycle_transition WHERE on_missed)) AS late,
                   CASE WHEN {} AND here.path = 'success' AND onward.path = 'success'
                             AND onward."order" > here."order" THEN {}
                        WHEN {} THEN {} WHEN {} THEN {} ELSE {} END AS state
            FROM written moved
            JOIN lifecycle_handoff held
              ON held.membership_id = moved.membership_id AND held.seq = moved.seq - 1 AND held.state = 'offered'
            JOIN lifecycle_stage here ON here.id = held.stage_id
            LEFT JOIN lifecycle_stage onward ON onward.id = moved.to_stage_id
        ),
        closed AS (
            UPDATE lifecycle_handoff held
            SET state = {}, reason = left_behind.reason, answered_at = {}, actor = {}, answered_by_id = {}::bigint,
                route = {}, words = {}, until = {}::date,
                missed_at = COALESCE(held.missed_at, CASE WHEN left_behind.late THEN {}::timestamptz END)
            FROM left_behind WHERE held.id = left_behind.id AND NOT left_behind.stays
            RETURNING held.id, held.state, held.user_id, left_behind.late AND held.missed_at = {} AS missed
        ),
        carried AS (
            UPDATE lifecycle_handoff held
            SET seq = left_behind.seq, stage_id = left_behind.onward_id, due_at = won.due_at
            FROM left_behind, won WHERE held.id = left_behind.id AND left_behind.stays
              AND won.id = held.membership_id
            RETURNING held.membership_id
        ),
        offered AS (
            INSERT INTO lifecycle_handoff (membership_id, seq, stage_id, state, offered_at, due_at)
            SELECT won.id, won.seq, won.stage_id, 'offered', won.entered_at, won.due_at
            FROM won JOIN lifecycle_stage stage ON stage.id = won.stage_id
            WHERE stage.hand_off IS NOT NULL AND won.ended_at IS NULL AND {}
            RETURNING id
        ),
        noted AS (
            INSERT INTO lifecycle_handoffevent (handoff_id, kind, at, to_id, wants_telling)
            SELECT id, 'missed', {}::timestamptz, user_id, true FROM closed WHERE missed
            UNION ALL SELECT id, state, {}, NULL, false FROM closed
            UNION ALL SELECT id, 'offered', {}, NULL, false FROM offered
        )
        """,
        same,
        now,
        kind in STEPS,
        str(State.ACCEPTED),
        kind in BY_HAND,
        str(State.REJECTED),
        kind == Kind.RULE,
        str(State.EXPIRED),
        str(State.WITHDRAWN),
        answer.state if answer else Sql("left_behind.state"),
        now,
        actor,
        answer.by.pk if answer and answer.by else None,
        answer.route if answer else str(Handoff.Route.MOVE),
        answer.words if answer else "",
        answer.until if answer else None,
        now,
        now,
        kind not in (Kind.IMPORT, Kind.MIGRATION),
        now,
        now,
        now,
    )


def waiting(stage: Stage) -> Sql:
    """Members who stand in a stage that is handed to sales, and of whom no hand-off was ever made: (id, seq, …)."""
    return sql(
        """SELECT membership.id, membership.seq, membership.entered_at, membership.due_at
           FROM lifecycle_membership membership
           WHERE membership.stage_id = {} AND membership.ended_at IS NULL AND NOT EXISTS (
               SELECT FROM lifecycle_handoff held
               WHERE held.membership_id = membership.id AND held.seq = membership.seq)""",
        stage.pk,
    )


@transaction.atomic
def offer_waiting(stage: Stage, *, by: User | None, now: datetime) -> int:
    """Hand over whoever stands in the stage since before it was handed to sales, with the due dates they have."""
    offered = run(
        sql(
            """WITH offered AS (
                   INSERT INTO lifecycle_handoff (membership_id, seq, stage_id, state, offered_at, due_at)
                   SELECT id, seq, {}, 'offered', entered_at, due_at FROM ({}) waiting ORDER BY entered_at, id
                   ON CONFLICT DO NOTHING RETURNING id)
               INSERT INTO lifecycle_handoffevent (handoff_id, kind, at) SELECT id, 'offered', {} FROM offered""",
            stage.pk,
            waiting(stage),
            now,
        )
    )
    audit.record("handoff.offer", str(stage), by=by, now=now, after={"count": offered})
    return offered


def note(handoffs: Sql, kind: str, now: datetime, *, telling: bool) -> Sql:
    """The statement that writes an event for each row of a relation (id, to_id)."""
    return sql(
        """INSERT INTO lifecycle_handoffevent (handoff_id, kind, at, to_id, wants_telling)
           SELECT id, {}, {}, to_id, {} FROM ({}) happened""",
        kind,
        now,
        telling,
        handoffs,
    )


def anew(which: Sql, now: datetime, *, receiver: Sql, actor: str, reason: str, by: int | None, route: str) -> Sql:
    """Pass the open hand-offs of a condition (`held`) on: the old rows are closed, new ones take their place.

    `receiver` are the columns user_id, team_id, routed_at, via of the new rows; without routed_at they are routed.
    Runs as one statement; yields a row per hand-off: id, the old user, the new user.
    """
    return sql(
        """
        WITH gone AS (
            UPDATE lifecycle_handoff held
            SET state = 'passed_on', answered_at = {}, actor = {}, answered_by_id = {}::bigint, route = {}, reason = {}
            WHERE held.state = 'offered' AND {}
            RETURNING held.*
        ),
        made AS (
            INSERT INTO lifecycle_handoff
                (membership_id, seq, stage_id, state, offered_at, due_at, missed_at, soon_at, user_id, team_id,
                 routed_at, via)
            SELECT membership_id, seq, stage_id, 'offered', offered_at, due_at, missed_at, soon_at, {} FROM gone
            RETURNING id, membership_id, seq, user_id
        ),
        noted AS (
            INSERT INTO lifecycle_handoffevent (handoff_id, kind, at)
            SELECT id, 'passed_on', {}::timestamptz FROM gone UNION ALL SELECT id, 'offered', {} FROM made
        )
        SELECT made.id, gone.user_id AS old_user, made.user_id AS new_user
        FROM made JOIN gone USING (membership_id, seq)
        """,
        now,
        actor,
        by,
        route,
        reason,
        which,
        receiver,
        now,
        now,
    )
