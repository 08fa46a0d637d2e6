"""Moving subjects between stages: the only writer of movements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from kit import audit
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, run, sql, value
from lifecycle.engine import guards, overdue, sla
from lifecycle.handoffs import offering
from lifecycle.ledger import ledgers
from lifecycle.models import Lifecycle, Membership, Movement, Stage, Version


class MoveRefused(ValueError):
    """A move that cannot be made, in the user's words."""


class Guarded(MoveRefused):
    """A move by hand whose guard, told in words, does not hold; it can be made all the same by somebody who says so."""

    def __init__(self, words: str, guard: str) -> None:
        super().__init__(words)
        self.guard = guard


@dataclass(frozen=True)
class Ledgering:
    """What all rows of one batch of moves have in common: the version in force, how, by whom, and the clock.

    With `recorded` each row has a column `recorded_at` of its own: a history that was written down elsewhere before.
    `overrides`: somebody has moved them although a guard does not hold.
    """

    version: Version
    kind: str
    actor: str
    now: datetime
    recorded: bool = False
    overrides: bool = False
    answer: offering.Answer | None = None  # to hand-offs, where the moves are one


def move_many(relation: Sql, writing: Ledgering) -> int:
    """Write a batch of moves in one statement; the number of movements written.

    `relation` has the columns subject_id, membership_id (NULL opens a new pass), seq (the membership's as it was
    read; 0 for a new one), pass_number, step (1, 2 … for moves of one subject in one batch), from_stage, to_stage
    (NULL is an exit), occurred_at, evidence_at, transition_id, reason.

    Guarantees: a membership that somebody else moved since it was read (another `seq`) is left alone with all its
    steps; nobody enters a version that another one has replaced meanwhile; `occurred_at` never decreases within a
    membership; a terminal stage or an exit ends the pass, which only an undo or the way back from a migration opens
    again; in an SLA stage the membership is due when the stage's limit is over on its working calendar. A migration
    between two editions of one stage lets the stay go on: `entered_at` is kept, and the limit runs from there.
    Hand-offs to sales end and begin in the same statement (`handoffs.offering`), but for what a replay tells; and who
    leaves too late where nobody is handed over is noted (`overdue.leaving`).
    """
    written, following = offering.around(writing.kind, writing.actor, writing.now, writing.answer)
    lifecycle = writing.version.lifecycle
    ledger = ledgers.of(lifecycle.slug)
    person = lifecycle.of == "person"
    return _movements(
        writing,
        sql(
            """
            WITH asked AS MATERIALIZED ({}),
            -- A writer that waits here for a version that is being replaced sees afterwards that it was.
            enters AS MATERIALIZED (
                SELECT id FROM lifecycle_version
                WHERE id = {} AND state NOT IN ('retired', 'withdrawn')
                  AND EXISTS (SELECT FROM asked WHERE membership_id IS NULL)
                FOR KEY SHARE
            ),
            dated AS MATERIALIZED (
                SELECT asked.*,
                       (SELECT entered_at FROM {} membership WHERE membership.id = asked.membership_id) AS since,
                       GREATEST(max(asked.occurred_at) OVER (PARTITION BY asked.subject_id ORDER BY step),
                                (SELECT last.occurred_at FROM {} last
                                 WHERE last.membership_id = asked.membership_id AND last.seq = asked.seq)) AS moved_at
                FROM asked
            ),
            arrived AS MATERIALIZED (
                SELECT DISTINCT ON (subject_id) dated.*,
                       last_value(moved_at) OVER back AS left_at, last_value(transition_id) OVER back AS left_by,
                       CASE WHEN to_stage IS NULL OR stage.kind = 'terminal' THEN moved_at END AS ended_at,
                       CASE WHEN {} AND source.slug = stage.slug THEN since ELSE moved_at END AS entered_at,
                       CASE WHEN stage.kind = 'sla' AND stage.limit_hours > 0 THEN stage.limit_hours END AS hours,
                       stage.calendar AS named
                FROM dated LEFT JOIN lifecycle_stage stage ON stage.id = dated.to_stage
                LEFT JOIN lifecycle_stage source ON source.id = dated.from_stage
                WINDOW back AS (PARTITION BY subject_id ORDER BY step DESC
                                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
                ORDER BY subject_id, step DESC
            ),
            -- Nobody reads a calendar, and so nothing is worked out, unless somebody arrives in an SLA stage.
            calendar AS MATERIALIZED ({}),
            last AS (
                SELECT arrived.*, CASE WHEN hours IS NOT NULL THEN (
                    SELECT {} FROM calendar WHERE calendar.named = arrived.named) END AS due_at FROM arrived
            ),
            opened AS (
                INSERT INTO {}
                    (lifecycle_id, version_id, person_id, account_id, pass_number, stage_id, seq, entered_at, ended_at,
                     due_at)
                SELECT {}, {}, CASE WHEN {} THEN subject_id END, CASE WHEN {} THEN subject_id END,
                       pass_number, to_stage, step, entered_at, ended_at, due_at
                FROM last WHERE membership_id IS NULL AND EXISTS (SELECT FROM enters)
                ON CONFLICT DO NOTHING
                RETURNING id, subject_id, stage_id, seq, entered_at, ended_at, due_at,
                          NULL::timestamptz AS left_at, NULL::bigint AS left_by
            ),
            advanced AS (
                UPDATE {} membership
                SET stage_id = last.to_stage, version_id = {}, seq = last.seq + last.step,
                    entered_at = last.entered_at, ended_at = last.ended_at, due_at = last.due_at
                FROM last
                WHERE membership.id = last.membership_id AND membership.seq = last.seq
                  AND (membership.ended_at IS NULL OR {})
                -- The subject as asked: a merge may have given the pass to another.
                RETURNING membership.id, last.subject_id, membership.stage_id, membership.seq, membership.entered_at,
                          membership.ended_at, membership.due_at, last.left_at, last.left_by
            ),
            -- All that follows reads off these alone: how many they are no plan can know, and two such sets are joined
            -- row by row.
            won AS (SELECT * FROM opened UNION ALL SELECT * FROM advanced){}{}
            INSERT INTO {}
                (membership_id, seq, version_id, from_stage_id, to_stage_id, occurred_at, evidence_at, recorded_at,
                 kind, transition_id, reason, actor, overrides)
            SELECT won.id, dated.seq + dated.step, {}, dated.from_stage, dated.to_stage, dated.moved_at,
                   dated.evidence_at, {}, {}, dated.transition_id, dated.reason, {}, {}
            FROM dated JOIN won USING (subject_id)
            ORDER BY dated.moved_at, won.id, dated.step{}
            """,
            relation,
            writing.version.pk,
            ledger.memberships,
            ledger.movements,
            writing.kind == Movement.Kind.MIGRATION,
            sla.calendars(
                Sql("(SELECT * FROM arrived WHERE hours IS NOT NULL)"),
                first=Sql("min(entered_at)"),
                last=Sql("max(entered_at)"),
                hours=Sql("max(hours)"),
            ),
            sla.due(Sql("arrived.entered_at"), Sql("arrived.hours")),
            ledger.memberships,
            lifecycle.pk,
            writing.version.pk,
            person,
            not person,
            ledger.memberships,
            writing.version.pk,
            writing.kind in (Movement.Kind.UNDO, Movement.Kind.MIGRATION),
            overdue.leaving(writing.kind, writing.now),
            written,
            ledger.movements,
            writing.version.pk,
            Sql("dated.recorded_at") if writing.recorded else sql("{}", writing.now),
            writing.kind,
            writing.actor,
            writing.overrides,
            following,
        ),
    )


def _movements(writing: Ledgering, statement: Sql) -> int:
    """How many movements the writing statement wrote; with hand-offs behind it, it ends by counting them."""
    return run(statement) if writing.kind == Movement.Kind.REPLAY else int(value(statement))


def move(
    membership: Membership,
    *,
    to: Stage | None,
    reason: str,
    by: User | None,
    at: datetime,
    now: datetime,
    kind: str = Movement.Kind.HAND,
    override: bool = False,
) -> bool:
    """Move one membership as it was read to a stage, or out of the model when `to` is None.

    True when it was moved; False when somebody else moved it first (`last_movement` says who).
    Raises MoveRefused for a stage of another lifecycle, the same stage, a gate, or a pass that has ended, and Guarded
    where the guard of moves by hand does not hold; with `override` it is made, and counted as made against the guard.
    """
    _refuse_impossible(membership, to)
    overrides = kind in (Movement.Kind.HAND, Movement.Kind.API) and _against_guard(membership, to, at, override)
    relation = sql(
        """SELECT {}::bigint AS subject_id, {}::bigint AS membership_id, {}::int AS seq, {}::int AS pass_number,
                  1 AS step, {}::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason""",
        membership.subject_id,
        membership.pk,
        membership.seq,
        membership.pass_number,
        membership.stage_id,
        to.pk if to else None,
        at,
        at,
        reason,
    )
    with transaction.atomic():
        writing = Ledgering(membership.version, kind, actor_of(by), now, overrides=overrides)
        moved = move_many(relation, writing) > 0
        if moved:
            after = {
                "subject": membership.subject_id,
                "from": str(membership.stage or ""),
                "to": str(to or ""),
                "reason": reason,
            } | ({"against the guard": True} if overrides else {})
            audit.record("lifecycle.move", f"membership {membership.pk}", by=by, now=now, after=after)
    return moved


def erase(subject_id: int, *, by: User | None, now: datetime) -> None:
    """Whoever is erased leaves every lifecycle now; where they have been before stays in the ledger."""
    held = Membership.objects.select_for_update(of=("self",)).select_related("stage", "version__lifecycle")
    for each in held.filter(subject_id=subject_id, ended_at=None).order_by("pk"):
        move(each, to=None, reason=_("erased"), by=by, at=now, now=now, kind=Movement.Kind.ERASURE)


def place(
    subject_id: int, version: Version, *, to: Stage, reason: str, by: User | None, at: datetime, now: datetime
) -> bool:
    """Open a pass of a subject in a published version, in the given stage; False when one is open already."""
    passes = Membership.objects.filter(lifecycle=version.lifecycle, subject_id=subject_id)
    relation = sql(
        """SELECT {}::bigint AS subject_id, NULL::bigint AS membership_id, 0 AS seq, {}::int AS pass_number, 1 AS step,
                  NULL::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason""",
        subject_id,
        passes.count() + 1,
        to.pk,
        at,
        at,
        reason,
    )
    return move_many(relation, Ledgering(version, Movement.Kind.PLACEMENT, actor_of(by), now)) > 0


def last_movement(membership: Membership) -> Movement | None:
    """The newest movement of a membership, with its stages."""
    newest = Movement.objects.filter(membership=membership).order_by("-seq")
    return newest.select_related("from_stage", "to_stage").first()


def first_stage(version: Version) -> Stage:
    """Where a subject is placed on entering."""
    return version.stages.order_by("order")[0]


def live_version(lifecycle: Lifecycle) -> Version | None:
    """The published version of a lifecycle, if any."""
    return lifecycle.versions.filter(state=Version.State.PUBLISHED).first()


def offered(lifecycle: Lifecycle) -> list[Stage]:
    """The stages of the live version in their order; of the newest while none is live."""
    version = live_version(lifecycle) or lifecycle.versions.order_by("-number").first()
    return list(version.stages.order_by("order")) if version else []


def _refuse_impossible(membership: Membership, to: Stage | None) -> None:
    if membership.ended_at is not None:
        raise MoveRefused(_("This pass has ended; a new pass begins with a new placement."))
    if to is None:
        return
    if to.version_id != membership.version_id:
        raise MoveRefused(
            _("“%(stage)s” is a stage of %(other)s, but this is a membership of %(own)s.")
            % {"stage": to, "other": to.version, "own": membership.version}
        )
    if to.pk == membership.stage_id:
        raise MoveRefused(_("Already in “%(stage)s”.") % {"stage": to})
    if to.kind == Stage.Kind.GATE:
        raise MoveRefused(_("“%(stage)s” is a gate and holds nobody; choose the stage behind it.") % {"stage": to})


def _against_guard(membership: Membership, to: Stage | None, at: datetime, override: bool) -> bool:
    """Whether the move is against a guard. Raises Guarded when it is and nobody has said to make it all the same."""
    why = guards.why_not(membership.version, membership.subject_id, membership.stage_id, to, at)
    if why and not override:
        told = _("to move by hand to “%(stage)s”, this must hold: %(guard)s. Move all the same, and say why.")
        raise Guarded(told % {"stage": to, "guard": why}, why)
    return bool(why)
