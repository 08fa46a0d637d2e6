"""Moving many members at once, and taking such a move back: small ones on the spot, large ones as a job in chunks.

Whom a bulk move is of is written down when it is asked for, each member with the `seq` that was read. So nobody is
moved twice by a job that was killed and goes on, whoever was moved by somebody else meanwhile is left alone and named,
and the whole of it can be taken back later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from kit import audit, jobs
from kit.audit import actor_of
from kit.models import User
from kit.sql import Sql, rows, run, sql, value
from lifecycle.engine import guards
from lifecycle.ledger import stages, undo
from lifecycle.models import BulkMember, BulkMove, Membership, Movement, Stage, Version

AT_ONCE = 200  # members that a request moves by itself; more become a job
CHUNK = 1000  # members of one transaction of the job

Outcome = BulkMember.Outcome


def chosen(pairs: Iterable[tuple[int, int]]) -> Sql:
    """The members of some memberships as they were read, (membership, seq)."""
    read = list(pairs)
    return sql(
        "SELECT * FROM unnest({}::bigint[], {}::int[]) chosen (membership_id, seq)",
        [membership for membership, _seq in read],
        [seq for _membership, seq in read],
    )


def everybody_of(found: QuerySet[Membership]) -> Sql:
    """All memberships of a set, as they are now."""
    text, params = found.order_by().values_list("pk", "seq").query.sql_with_params()
    return sql("SELECT found.* FROM ({}) found (membership_id, seq)", Sql(text, params))


def move(
    version: Version,
    members: Sql,
    *,
    to: Stage | None,
    reason: str,
    by: User | None,
    now: datetime,
    override: bool = False,
) -> BulkMove:
    """Move the members (membership_id, seq) of a live version to a stage, or out of the model when `to` is None.

    A few are moved when it returns; for more there is a job (`BulkMove.job`). Whom a guard keeps stays, unless
    `override`: then they are moved all the same, and the ledger says that it was against the guard. Raises MoveRefused
    when nobody is chosen, and for a stage that nobody can be moved to.
    """
    _refuse_impossible(version, to)
    with transaction.atomic():
        bulk = BulkMove.objects.create(
            version=version, to_stage=to, reason=reason, created_by=by, created_at=now, overrides=override
        )
        count = run(
            sql(
                """
                INSERT INTO lifecycle_bulkmember (bulk_id, membership_id, seq, outcome, why)
                SELECT DISTINCT ON (membership.id) {}, membership.id, chosen.seq, {}, ''
                FROM ({}) chosen JOIN lifecycle_membership membership ON membership.id = chosen.membership_id
                WHERE membership.version_id = {} ORDER BY membership.id
                """,
                bulk.pk,
                Outcome.WAITING,
                members,
                version.pk,
            )
        )
        if not count:
            raise stages.MoveRefused(_("Nobody is chosen."))
        after = {"members": count, "reason": reason} | ({"against the guard": True} if override else {})
        audit.record("lifecycle.bulk_move", str(bulk), by=by, now=now, after=after, about=_whom(bulk))
        if count <= AT_ONCE:
            _move_chunk(bulk, 0, _last_of(bulk, 0), now)
        else:
            bulk.job = jobs.enqueue("bulk_move", {"bulk": bulk.pk, "members": count}, title=str(bulk), by=by, now=now)
            bulk.save(update_fields=["job"])
    return bulk


def _whom(bulk: BulkMove, *outcomes: str) -> Sql:
    """The subjects of a bulk move, of these outcomes or of all."""
    return sql(
        """SELECT membership.subject_id FROM lifecycle_bulkmember member
           JOIN lifecycle_membership membership ON membership.id = member.membership_id
           WHERE member.bulk_id = {} AND member.outcome = ANY ({})""",
        bulk.pk,
        list(outcomes or Outcome.values),
    )


def move_kept(bulk: BulkMove, *, reason: str, by: User | None, now: datetime) -> BulkMove:
    """Move those whom a guard has kept from a bulk move, and who are as they were read then, all the same.

    A bulk move of its own with its own reason. Raises MoveRefused when nobody of them is left.
    """
    kept = sql(
        "SELECT membership_id, seq FROM lifecycle_bulkmember member WHERE bulk_id = {} AND {}", bulk.pk, _is_kept()
    )
    return move(bulk.version, kept, to=bulk.to_stage, reason=reason, by=by, now=now, override=True)


def kept_by_guard(bulk: BulkMove) -> int:
    """How many `move_kept` would move."""
    return int(
        value(sql("SELECT count(*) FROM lifecycle_bulkmember member WHERE bulk_id = {} AND {}", bulk.pk, _is_kept()))
    )


def guard_in_words(bulk: BulkMove) -> str:
    """What the guards of a bulk move ask; empty where it has none."""
    ways = guards.to_stage(bulk.version, bulk.to_stage)
    return guards.in_words(ways, bulk.version.lifecycle.of) if ways else ""


def _is_kept() -> Sql:
    return sql(
        """member.outcome = {} AND EXISTS (
               SELECT FROM lifecycle_membership membership
               WHERE membership.id = member.membership_id AND membership.seq = member.seq
                 AND membership.ended_at IS NULL)""",
        Outcome.GUARDED,
    )


def take_back(bulk: BulkMove, *, by: User | None, now: datetime) -> None:
    """Undo all moves of a bulk move that can be undone; those that cannot are named with the reason.

    A few at once, more by a job (`BulkMove.undo_job`). Raises UndoRefused while the move or its undo is still on its
    way, and when there is nothing to take back.
    """
    with transaction.atomic():
        locked = BulkMove.objects.select_for_update(of=("self",)).select_related("job", "undo_job").get(pk=bulk.pk)
        if any(job and job.state in jobs.OPEN for job in (locked.job, locked.undo_job)):
            raise undo.UndoRefused(_("This bulk move, or its undo, is still on its way; wait for it or cancel it."))
        count = locked.members.filter(outcome=Outcome.MOVED).count()
        if not count:
            raise undo.UndoRefused(_("There is nothing to take back any more."))
        whom = _whom(locked, Outcome.MOVED)
        audit.record("lifecycle.bulk_undo", str(locked), by=by, now=now, after={"members": count}, about=whom)
        if count <= AT_ONCE:
            _undo_range(locked, 0, None, by=by, now=now)
            return
        title = _("Undo: %(bulk)s") % {"bulk": locked}
        locked.undo_job = jobs.enqueue(
            "bulk_undo", {"bulk": bulk.pk, "members": count, "by": by.pk if by else None}, title=title, by=by, now=now
        )
        locked.save(update_fields=["undo_job"])


def outcomes(bulk: BulkMove) -> dict[str, int]:
    """How many members came to what."""
    return dict(rows(sql("SELECT outcome, count(*) FROM lifecycle_bulkmember WHERE bulk_id = {} GROUP BY 1", bulk.pk)))


# ---- the jobs ----


def move_job(held: jobs.Held) -> dict[str, Any]:
    """The work of a large bulk move: a chunk of members after the other."""
    bulk = _bulk(held)

    def chunk(after: int, last: int) -> None:
        _move_chunk(bulk, after, last, held.now)

    _work(held, bulk, chunk)
    found = outcomes(bulk)
    skipped = sum(found.get(each, 0) for each in (Outcome.SKIPPED, Outcome.ENDED, Outcome.GUARDED))
    told = {"moved": found.get(Outcome.MOVED, 0), "skipped": skipped, "there_already": found.get(Outcome.SAME, 0)}
    return told | {"link": bulk.get_absolute_url()}


def undo_job(held: jobs.Held) -> dict[str, Any]:
    """The work of taking a large bulk move back."""
    bulk = _bulk(held)
    by = User.objects.filter(pk=held.payload["by"]).first()

    def chunk(after: int, last: int) -> None:
        _undo_range(bulk, after, last, by=by, now=held.now)

    _work(held, bulk, chunk)
    found = outcomes(bulk)
    told = {"taken_back": found.get(Outcome.UNDONE, 0), "not_taken_back": found.get(Outcome.KEPT, 0)}
    return told | {"link": bulk.get_absolute_url()}


def _bulk(held: jobs.Held) -> BulkMove:
    return BulkMove.objects.select_related("version__lifecycle", "to_stage", "created_by").get(pk=held.payload["bulk"])


def _work(held: jobs.Held, bulk: BulkMove, chunk: Callable[[int, int], None]) -> None:
    """Chunk by chunk in the order of memberships, each a transaction that ends with the job's cursor."""
    after, done = held.cursor.get("after", 0), held.cursor.get("done", 0)
    total = bulk.members.count()
    while (last := _last_of(bulk, after)) is not None:
        with transaction.atomic():
            chunk(after, last)
            done += value(
                sql(
                    "SELECT count(*) FROM lifecycle_bulkmember "
                    "WHERE bulk_id = {} AND membership_id > {} AND membership_id <= {}",
                    bulk.pk,
                    after,
                    last,
                )
            )
            held.progress(rows_done=done, rows_total=total, cursor={"after": last, "done": done})
        after = last


def _last_of(bulk: BulkMove, after: int) -> int | None:
    """The last membership of the chunk behind `after`; None when there is none."""
    return value(
        sql(
            """SELECT max(membership_id) FROM (
                   SELECT membership_id FROM lifecycle_bulkmember
                   WHERE bulk_id = {} AND membership_id > {} ORDER BY membership_id LIMIT {}) chunk""",
            bulk.pk,
            after,
            CHUNK,
        )
    )


def _move_chunk(bulk: BulkMove, after: int, last: int | None, now: datetime) -> None:
    """Move those between the two memberships that are as they were read, and note of each what came of it."""
    waiting = _among(bulk, after, last, Outcome.WAITING)
    _lock(waiting)
    run(
        sql(
            """
            UPDATE lifecycle_bulkmember member SET outcome = CASE
                WHEN membership.seq <> member.seq THEN {} WHEN membership.ended_at IS NOT NULL THEN {} ELSE {} END
            FROM lifecycle_membership membership
            WHERE membership.id = member.membership_id AND {}
              AND (membership.seq <> member.seq OR membership.ended_at IS NOT NULL OR membership.stage_id = {}::bigint)
            """,
            Outcome.SKIPPED,
            Outcome.ENDED,
            Outcome.SAME,
            waiting,
            bulk.to_stage_id,
        )
    )
    _skip_guarded(bulk, waiting, now)
    _move_those(bulk, waiting, now)
    if bulk.overrides:  # those alone who are moved against it are marked so
        _move_those(bulk, _among(bulk, after, last, Outcome.GUARDED), now, overrides=True)


def _move_those(bulk: BulkMove, those: Sql, now: datetime, *, overrides: bool = False) -> None:
    relation = sql(
        """
        SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number, 1 AS step,
               membership.stage_id AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
               {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason
        FROM lifecycle_bulkmember member JOIN lifecycle_membership membership ON membership.id = member.membership_id
        WHERE {}
        """,
        bulk.to_stage_id,
        bulk.created_at,
        bulk.created_at,
        bulk.reason,
        those,
    )
    writing = stages.Ledgering(bulk.version, Movement.Kind.HAND, actor_of(bulk.created_by), now, overrides=overrides)
    stages.move_many(relation, writing)
    run(sql("UPDATE lifecycle_bulkmember member SET outcome = {}, why = '' WHERE {}", Outcome.MOVED, those))


def _skip_guarded(bulk: BulkMove, waiting: Sql, now: datetime) -> None:
    """Whom a guard keeps from being moved there by hand is noted, with the guard in words."""
    ways = guards.to_stage(bulk.version, bulk.to_stage)
    if not ways:
        return
    of = bulk.version.lifecycle.of
    members = sql(
        """SELECT membership.subject_id, membership.stage_id AS from_stage FROM lifecycle_bulkmember member
           JOIN lifecycle_membership membership ON membership.id = member.membership_id WHERE {}""",
        waiting,
    )
    run(
        sql(
            """
            UPDATE lifecycle_bulkmember member SET outcome = {}, why = {} FROM lifecycle_membership membership
            WHERE membership.id = member.membership_id AND {} AND membership.subject_id IN ({})
            """,
            Outcome.GUARDED,
            guards.in_words(ways, of)[:300],
            waiting,
            guards.broken(ways, of, members, now),
        )
    )


def _undo_range(bulk: BulkMove, after: int, last: int | None, *, by: User | None, now: datetime) -> None:
    """Take back the moves of those between the two memberships (all behind the first when `last` is None)."""
    moved = _among(bulk, after, last, Outcome.MOVED)
    _lock(moved)
    wanted = sql("SELECT membership_id, seq + 1 AS seq FROM lifecycle_bulkmember member WHERE {}", moved)
    done = undo.undo_many(wanted, bulk.version, by=by, now=now, reason=_("undo of a bulk move"))
    run(
        sql(
            """
            UPDATE lifecycle_bulkmember member SET outcome = {}, why = left(refused.words, 300)
            FROM unnest({}::bigint[], {}::text[]) refused (membership_id, words)
            WHERE refused.membership_id = member.membership_id AND {}
            """,
            Outcome.KEPT,
            [verdict.membership_id for verdict in done.refused],
            [verdict.words for verdict in done.refused],
            moved,
        )
    )
    run(sql("UPDATE lifecycle_bulkmember member SET outcome = {} WHERE {}", Outcome.UNDONE, moved))


def _among(bulk: BulkMove, after: int, last: int | None, outcome: str) -> Sql:
    """The members of a chunk that have come to this so far."""
    return sql(
        "member.bulk_id = {} AND member.membership_id > {} AND {} AND member.outcome = {}",
        bulk.pk,
        after,
        sql("member.membership_id <= {}", last) if last is not None else Sql("true"),
        outcome,
    )


def _lock(members: Sql) -> None:
    """Nobody else moves them until this transaction ends. In order, so that two bulk moves wait and neither fails."""
    run(
        sql(
            """SELECT FROM lifecycle_membership membership
               JOIN lifecycle_bulkmember member ON member.membership_id = membership.id
               WHERE {} ORDER BY membership.id FOR NO KEY UPDATE OF membership""",
            members,
        )
    )


def _refuse_impossible(version: Version, to: Stage | None) -> None:
    if version.state != Version.State.PUBLISHED:
        raise stages.MoveRefused(_("%(version)s is not live.") % {"version": version})
    if to is None:
        return
    if to.version_id != version.pk:
        raise stages.MoveRefused(
            _("“%(stage)s” is a stage of %(other)s, but these are members of %(own)s.")
            % {"stage": to, "other": to.version, "own": version}
        )
    if to.kind == Stage.Kind.GATE:
        raise stages.MoveRefused(
            _("“%(stage)s” is a gate and holds nobody; choose the stage behind it.") % {"stage": to}
        )
