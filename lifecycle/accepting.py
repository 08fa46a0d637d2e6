"""Accepting a group of starting points: a job that places everybody of it, chunk by chunk, as one bulk move.

Page and API ask for the same job, whatever the size of the group. It can be cancelled, and a worker that is killed is
followed by one that goes on behind the last chunk. What it has placed stands as a bulk move, and taken back like one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from kit import audit, jobs
from kit.audit import actor_of
from kit.models import Job, User
from kit.sql import Sql, name, run, sql, value
from lifecycle.ledger import stages
from lifecycle.models import BulkMember, BulkMove, Lifecycle, Movement, PlacementRound, Proposal, Stage, Version
from lifecycle.placing import ACCEPTING, Group, PlacingRefused, groups

CHUNK = 5000  # subjects of one transaction


def ask(found: PlacementRound, of: Group, *, by: User | None, now: datetime) -> Job:
    """Have a job place everybody of a group, each with the date of the evidence.

    Raises PlacingRefused for a group that was accepted, or is being so, and for one that proposes no stage.
    """
    if of.stage is None or of.accepted is not None:
        raise PlacingRefused(_("This group was accepted already, or proposes no stage."))
    asked = {"round": found.pk, "stage": of.stage.pk, "evidence": of.evidence, "by": by.pk if by else None}
    title = _("Starting points: %(evidence)s") % {"evidence": of.words}
    with transaction.atomic():
        Lifecycle.objects.select_for_update(no_key=True).get(pk=found.version.lifecycle_id)  # as whoever looks anew
        if not PlacementRound.objects.filter(pk=found.pk).exists():
            raise PlacingRefused(_("Somebody has begun to look anew."))
        if any(group.job for group in groups(found) if (group.stage, group.evidence) == (of.stage, of.evidence)):
            raise PlacingRefused(_("This group is being placed already."))
        job = jobs.enqueue(ACCEPTING, asked, title=title, by=by, now=now)
        after = {"to": str(of.stage), "because": of.words, "members": of.count}
        audit.record("lifecycle.place_later", str(found.version), by=by, now=now, after=after)
    return job


def work(held: jobs.Held) -> dict[str, Any]:
    """The job: those of the group who wait are placed; whoever was moved since the look is left alone.

    Raises jobs.Refused when nobody of the group is left, and when the version or the look was replaced meanwhile.
    """
    found, stage = _asked(held)
    waiting = _waiting(found, stage, held.payload["evidence"])
    after, done, moved, bulk = (held.cursor.get(each, 0) for each in ("after", "done", "moved", "bulk"))
    total = done + _count(_behind(waiting, after))
    while (last := _last(waiting, after)) is not None:
        with transaction.atomic():
            chunk = sql("{} AND proposal.subject_id <= {}", _behind(waiting, after), last)
            done += _count(chunk)
            moved, bulk = _place(held, found.version, stage, chunk, moved, bulk)
            cursor = {"after": last, "done": done, "moved": moved, "bulk": bulk}
            held.progress(rows_done=done, rows_total=total, cursor=cursor)
        after = last
    if not moved:
        raise jobs.Refused(_("Nobody of this group is left to place: they have moved since."))
    placed = BulkMove.objects.get(pk=bulk)
    told = {"members": moved, "to": str(stage), "reason": placed.reason}
    audit.record("lifecycle.place", str(found.version), by=held.job.created_by, now=held.now, after=told)
    return {"moved": moved, "skipped": done - moved, "link": placed.get_absolute_url()}


def _asked(held: jobs.Held) -> tuple[PlacementRound, Stage]:
    found = PlacementRound.objects.select_related("version__lifecycle").filter(pk=held.payload["round"]).first()
    if found is None:
        raise jobs.Refused(_("Somebody has begun to look anew."))
    return found, Stage.objects.get(pk=held.payload["stage"])


def _place(held: jobs.Held, version: Version, stage: Stage, chunk: Sql, moved: int, bulk: int) -> tuple[int, int]:
    """Place a chunk, as a bulk move that begins with whom it places first; how many are placed so far, and its id."""
    if not Version.objects.select_for_update(no_key=True).filter(pk=version.pk, state=Version.State.PUBLISHED).exists():
        raise jobs.Refused(_("%(version)s is not live.") % {"version": version})
    evidence = Proposal.Evidence(held.payload["evidence"])
    reason = str(_("Starting point: %(evidence)s") % {"evidence": evidence.label})
    by = User.objects.filter(pk=held.payload["by"]).first()
    writing = stages.Ledgering(version, Movement.Kind.PLACEMENT, actor_of(by), held.now)
    placed = stages.move_many(_relation(version, chunk, reason, held.now), writing)
    if not placed:
        return moved, bulk
    if not bulk:
        made = BulkMove.objects.create(
            version=version, to_stage=stage, reason=reason, created_by=by, created_at=held.now, job=held.job
        )
        bulk = made.pk
    _note_members(version, bulk, chunk)
    return moved + placed, bulk


def _waiting(found: PlacementRound, stage: Stage, evidence: str) -> Sql:
    return sql(
        "proposal.round_id = {} AND proposal.stage_id = {} AND proposal.evidence = {} AND proposal.bulk_id IS NULL",
        found.pk,
        stage.pk,
        evidence,
    )


def _behind(waiting: Sql, after: int) -> Sql:
    return sql("{} AND proposal.subject_id > {}", waiting, after)


def _count(those: Sql) -> int:
    return int(value(sql("SELECT count(*) FROM lifecycle_proposal proposal WHERE {}", those)))


def _last(waiting: Sql, after: int) -> int | None:
    """The last subject of the chunk behind `after`; None when there is none."""
    return value(
        sql(
            """SELECT max(subject_id) FROM (
                   SELECT subject_id FROM lifecycle_proposal proposal WHERE {} ORDER BY subject_id LIMIT {}) chunk""",
            _behind(waiting, after),
            CHUNK,
        )
    )


def _relation(version: Version, chunk: Sql, reason: str, now: datetime) -> Sql:
    """The members of a chunk as the ledger's writer takes them: in the first stage still, or in no pass."""
    return sql(
        """
        SELECT proposal.subject_id, membership.id AS membership_id, COALESCE(membership.seq, 0) AS seq,
               COALESCE(membership.pass_number, 1) AS pass_number, 1 AS step, membership.stage_id AS from_stage,
               proposal.stage_id AS to_stage, {}::timestamptz AS occurred_at,
               COALESCE(proposal.evidence_at, {}::timestamptz) AS evidence_at, NULL::bigint AS transition_id,
               {} AS reason
        FROM lifecycle_proposal proposal
        JOIN {} subject ON subject.id = proposal.subject_id AND subject.erased_at IS NULL
        LEFT JOIN lifecycle_membership membership
            ON membership.subject_id = proposal.subject_id AND membership.lifecycle_id = {}
        WHERE {} AND (membership.id IS NULL OR membership.stage_id = {} AND membership.seq = 1
                      AND membership.ended_at IS NULL)
        """,
        now,
        now,
        reason,
        name(f"audience_{version.lifecycle.of}"),
        version.lifecycle_id,
        chunk,
        stages.first_stage(version).pk,
    )


def _note_members(version: Version, bulk: int, chunk: Sql) -> None:
    """Whom this transaction placed, as a bulk move keeps them, so that it is told and taken back like any other."""
    placed = sql(
        """SELECT proposal.id AS proposal_id, membership.id AS membership_id, movement.seq - 1 AS seq
           FROM lifecycle_proposal proposal
           JOIN lifecycle_membership membership
               ON membership.subject_id = proposal.subject_id AND membership.lifecycle_id = {}
           JOIN lifecycle_movement movement ON movement.membership_id = membership.id AND movement.seq = membership.seq
           WHERE {} AND movement.kind = {} AND movement.to_stage_id = proposal.stage_id
             AND movement.xid = pg_current_xact_id()::text::bigint""",
        version.lifecycle_id,
        chunk,
        Movement.Kind.PLACEMENT,
    )
    run(
        sql(
            """WITH placed AS MATERIALIZED ({}), noted AS (
                   INSERT INTO lifecycle_bulkmember (bulk_id, membership_id, seq, outcome, why)
                   SELECT {}, membership_id, seq, {}, '' FROM placed)
               UPDATE lifecycle_proposal proposal SET bulk_id = {} FROM placed
               WHERE placed.proposal_id = proposal.id""",
            placed,
            bulk,
            BulkMember.Outcome.MOVED,
            bulk,
        )
    )
