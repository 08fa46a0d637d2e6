"""What it means for stages that two subjects are made one, and what it means that they are parted.

Every pass of both stays in the ledger, under one number of passes. Of two open passes through one lifecycle the one
that is further stays: on the success path before a detour, then by the order of stages, then the one that is longer
there. The other is left by an exit of kind “merge”, so that every balance is still what came in less what went out.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audience import merging
from audience.models import Merge
from kit.audit import actor_of
from kit.models import User
from kit.sql import sql
from lifecycle.editions import migrating
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Stage


def join(merge: Merge, *, by: User | None, now: datetime) -> None:
    """Leave all but one open pass through each lifecycle, and count the passes of both as one's."""
    by_lifecycle = defaultdict(list)
    for each in _passes(merge.survivor_id, merge.merged_id):
        by_lifecycle[each.lifecycle_id].append(each)
    for passes in by_lifecycle.values():
        if len({each.subject_id for each in passes}) == 2:
            _close(merge, passes, by=by, now=now)
            _count(merge, passes)


def _passes(*subjects: int) -> list[Membership]:
    held = Membership.objects.select_for_update(of=("self",)).filter(subject_id__in=subjects)
    return list(held.select_related("stage", "version__lifecycle").order_by("pk"))


def _close(merge: Merge, passes: list[Membership], *, by: User | None, now: datetime) -> None:
    is_open = sorted((each for each in passes if each.ended_at is None), key=lambda each: _reach(merge, each))
    for less in is_open[:-1]:
        reason = _("merged with #%(id)s, who is further") % {
            "id": merge.merged_id if less.subject_id == merge.survivor_id else merge.survivor_id
        }
        stages.move(less, to=None, reason=reason, by=by, at=now, now=now, kind=Movement.Kind.MERGE)
        less.refresh_from_db(fields=["seq", "ended_at"])
        merging.note_changed(merge, Membership, {less.pk: {"seq": less.seq}})


def _reach(merge: Merge, membership: Membership) -> tuple[Any, ...]:
    stage = membership.stage
    on_path = stage is not None and stage.path == Stage.Path.SUCCESS
    there = -membership.entered_at.timestamp()
    return (on_path, stage.order if stage else -1, there, membership.subject_id == merge.survivor_id)


def _count(merge: Merge, passes: list[Membership]) -> None:
    """The passes of both in the order in which they ended, an open one last; each one's own stay in their order."""
    merging.note_changed(merge, Membership, {each.pk: {"pass_number": each.pass_number} for each in passes})
    latest: dict[int, datetime] = {}
    places = []
    for each in sorted(passes, key=lambda each: (each.subject_id, each.pass_number)):
        ended = each.ended_at or datetime.max.replace(tzinfo=each.entered_at.tzinfo)
        latest[each.subject_id] = max(ended, latest.get(each.subject_id, ended))
        places.append((latest[each.subject_id], each.ended_at is None, each.subject_id, each.pass_number, each.pk))
    order = [pk for *_place, pk in sorted(places)]
    merging.renumber(Membership, {pk: number for number, pk in enumerate(order, 1)})


def part(merge: Merge, *, by: User | None, now: datetime) -> None:
    """Each counts their own passes again; the pass that the merge has left goes on where it was."""
    kept = merging.changed(merge, Membership)
    for subject in (merge.survivor_id, merge.merged_id):
        theirs = sorted(
            _passes(subject), key=lambda each: kept.get(each.pk, {}).get("pass_number", each.pass_number + 10**6)
        )
        for lifecycle in {each.lifecycle_id for each in theirs}:
            own = [each.pk for each in theirs if each.lifecycle_id == lifecycle]
            merging.renumber(Membership, {pk: number for number, pk in enumerate(own, 1)})
        for each in _passes(subject):
            if each.ended_at and kept.get(each.pk, {}).get("seq") == each.seq:
                _reopen(each, by=by, now=now)


def _reopen(membership: Membership, *, by: User | None, now: datetime) -> None:
    """By a row of its own. Whoever has begun another pass meanwhile stays there."""
    others = Membership.objects.filter(lifecycle=membership.lifecycle, subject_id=membership.subject_id)
    if others.filter(ended_at=None).exists():
        return
    relation = sql(
        """
        SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number, 1 AS step,
               NULL::bigint AS from_stage, last.from_stage_id AS to_stage, {}::timestamptz AS occurred_at,
               {}::timestamptz AS evidence_at, NULL::bigint AS transition_id, {} AS reason
        FROM lifecycle_membership membership
        JOIN lifecycle_movement last ON last.membership_id = membership.id AND last.seq = membership.seq
        WHERE membership.id = {}
        """,
        now, now, _("parted again"), membership.pk,
    )  # fmt: skip
    stages.move_many(relation, stages.Ledgering(membership.version, Movement.Kind.UNDO, actor_of(by), now))
    migrating.catch_up(membership.lifecycle, [membership.subject_id], by=by, now=now)
