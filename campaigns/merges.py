"""What it means for campaigns that two people are made one: nobody gets one step's message twice.

A pass goes on only if it has been sent everything that the other one's passes through the campaign were sent, so that
nothing comes again; of two that could go on the survivor's does. Every other one is left, and what waits is cancelled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audience import merging
from audience.models import Merge
from campaigns import journeys
from campaigns.models import Campaign, Enrollment, Message
from kit.models import User
from kit.sql import run, sql

State = Enrollment.State
# A message that may have reached its reader, or is about to.
REACHED = (Message.State.SENT, Message.State.UNKNOWN, Message.State.SENDING)
ENDED = ("state", "reason", "ended_at", "wake_at")


def join(merge: Merge, *, by: User | None, now: datetime) -> None:
    """Let at most one pass through each campaign go on, and count the passes of both as one's."""
    pair = [merge.survivor_id, merge.merged_id]
    held = list(Enrollment.objects.select_for_update().filter(subject_id__in=pair).order_by("pk"))
    shared = {each.campaign_id for each in held if each.subject_id == pair[0]} & {
        each.campaign_id for each in held if each.subject_id == pair[1]
    }
    for campaign in sorted(shared):
        passes = [each for each in held if each.campaign_id == campaign]
        _leave(merge, passes, now)
        _count(merge, passes)


def _leave(merge: Merge, passes: list[Enrollment], now: datetime) -> None:
    active = [each for each in passes if each.state == State.ACTIVE]
    sent = _sent([each.pk for each in passes])
    going_on = [each for each in active if not _of_others(each, passes, sent) - sent.get(each.pk, set())]
    going_on.sort(key=lambda each: each.subject_id != merge.survivor_id)
    ending = [each for each in active if each not in going_on[:1]]
    was = {each.pk: {column: _plain(getattr(each, column)) for column in ENDED} for each in ending}
    merging.note_changed(merge, Enrollment, was)
    theirs = sql("SELECT unnest({}::bigint[]) AS enrollment_id", [each.pk for each in ending])
    reason = _("merged with somebody who was in this campaign too")
    journeys.leave(theirs, state=State.EXITED, reason=reason, now=now)


def _sent(enrollments: list[int]) -> dict[int, set[int]]:
    """The steps of which each of these passes has a message that may have come. Held, so that none leaves meanwhile."""
    held = Message.objects.select_for_update(of=("self",), no_key=True).filter(enrollment__in=enrollments)
    found: dict[int, set[int]] = {}
    for enrollment, step, state in held.order_by("pk").values_list("enrollment", "step", "state"):
        if state in REACHED:
            found.setdefault(enrollment, set()).add(step)
    return found


def _of_others(one: Enrollment, passes: list[Enrollment], sent: dict[int, set[int]]) -> set[int]:
    return set().union(*(sent.get(each.pk, set()) for each in passes if each.subject_id != one.subject_id))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _count(merge: Merge, passes: list[Enrollment]) -> None:
    """In the order in which they began; whichever goes on comes last."""
    merging.note_changed(merge, Enrollment, {each.pk: {"pass_number": each.pass_number} for each in passes})
    active = set(Enrollment.objects.filter(pk__in=[each.pk for each in passes], state=State.ACTIVE).values_list("pk"))
    order = sorted(passes, key=lambda each: ((each.pk,) in active, each.entered_at, each.pk))
    merging.renumber(Enrollment, {each.pk: number for number, each in enumerate(order, 1)})


def part(merge: Merge, *, by: User | None, now: datetime) -> None:
    """Each has their own passes again, with the messages of those; what the merge has left goes on where it stood.

    In a campaign that was stopped since nothing does, nor for somebody who is on the way there again. A message that
    was cancelled is not sent after all.
    """
    kept = merging.changed(merge, Enrollment)
    for subject in (merge.survivor_id, merge.merged_id):
        passes = Enrollment.objects.filter(subject_id=subject).select_related("campaign")
        theirs = sorted(passes, key=lambda each: kept.get(each.pk, {}).get("pass_number", each.pass_number + 10**6))
        for campaign in {each.campaign_id for each in theirs}:
            own = [each.pk for each in theirs if each.campaign_id == campaign]
            merging.renumber(Enrollment, {pk: number for number, pk in enumerate(own, 1)})
        for each in theirs:
            if "state" in kept.get(each.pk, {}) and each.state == State.EXITED:
                _go_on(each, kept[each.pk])
    # What was sent in a pass is its reader's.
    run(
        sql(
            """UPDATE campaigns_message m SET person_id = e.person_id, account_id = e.account_id
               FROM campaigns_enrollment e
               WHERE e.id = m.enrollment_id AND e.subject_id = {} AND m.subject_id = {}""",
            merge.merged_id,
            merge.survivor_id,
        )
    )


def _go_on(enrollment: Enrollment, was: dict[str, Any]) -> None:
    on_the_way = Enrollment.objects.filter(
        campaign=enrollment.campaign_id, subject_id=enrollment.subject_id, state=State.ACTIVE
    )
    if enrollment.campaign.state in (Campaign.State.RUNNING, Campaign.State.PAUSED) and not on_the_way.exists():
        Enrollment.objects.filter(pk=enrollment.pk).update(**{column: was[column] for column in ENDED})
