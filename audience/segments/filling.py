"""Filling a segment: everybody is compared with its condition, at once or by a job, by itself or on somebody's word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, tree
from audience.models import Segment
from audience.segments import asking, comparing
from audience.segments.comparing import FAULTS, Difference
from kit import audit, jobs, reading
from kit.models import Job, User
from kit.sql import rows, sql

AT_ONCE = 2.0  # seconds in which a new or changed segment is filled while its maker waits; else a job does it
JOB_TIME = 600.0  # seconds for all of one segment


def fill(segment: Segment, *, by: User | None, now: datetime, confirmed: bool = False) -> Difference | None:
    """Compare everybody with the condition: at once if that is quick, else by a job (None; `segment.job` does it)."""
    try:
        with reading.in_time(AT_ONCE), _marking(segment):
            done = comparing.refresh(segment, at=now + live.INSTANT, now=now, confirmed=confirmed)
    except reading.TooSlow:
        fill_later(segment, by=by, now=now, confirmed=confirmed)
        return None
    transaction.on_commit(partial(_look_in_time, segment, by, now, confirmed))
    return done


def _look_in_time(segment: Segment, by: User | None, now: datetime, confirmed: bool) -> None:
    try:
        with reading.in_time(AT_ONCE):
            look_again(segment, now)
    except reading.TooSlow:
        fill_later(segment, by=by, now=now, confirmed=confirmed)


def fill_again(segment: Segment, *, by: User | None, now: datetime) -> Difference | None:
    """Somebody asks to compare everybody anew; as `fill`."""
    audit.record("segment.refresh", segment.name, by=by, now=now)
    return fill(segment, by=by, now=now)


@contextmanager
def _marking(segment: Segment) -> Iterator[None]:
    """Whoever enters or leaves is judged again only if something asks for the segment: a large new one marks nobody."""
    if asking.users(segment):
        yield
    else:
        with live.without_marks():
            yield


def look_again(segment: Segment, now: datetime) -> None:
    """Compare once more, after the first comparison is committed.

    Somebody may have changed, and been judged, while the first was on its way, which then wrote the older answer. There
    are few of them, and whoever enters or leaves by this look is marked.
    """
    comparing.refresh(segment, at=now + live.INSTANT, now=now)


def fill_later(segment: Segment, *, by: User | None, now: datetime, confirmed: bool = False) -> Job:
    """Have a job compare everybody with the condition. One that waits or runs already is cancelled in its favour."""
    with transaction.atomic():
        if segment.job_id:
            jobs.cancel(segment.job_id)
        title = _("Members of the segment %(segment)s") % {"segment": segment}
        payload = {"segment": segment.pk, "confirmed": confirmed}
        segment.job = jobs.enqueue("segment", payload, by=by, now=now, title=title)
        segment.save(update_fields=["job"])
    return segment.job


def work(held: jobs.Held) -> dict[str, Any]:
    """The work of filling a segment. A condition that fails is noted on the segment, and fails the job in words."""
    segment = Segment.objects.filter(pk=held.payload["segment"]).first()
    if segment is None:
        raise jobs.Refused(_("The segment is gone."))
    number = rows(sql("SELECT count(*) FROM {}", comparing.subjects(segment.of)))[0][0]
    held.progress(phase=_("asking everybody"), rows_done=0, rows_total=number)
    try:
        if not held.cursor:
            with reading.in_time(JOB_TIME), _marking(segment):
                done = comparing.refresh(
                    segment, at=held.now + live.INSTANT, now=held.now, confirmed=held.payload["confirmed"]
                )
                held.progress(phase="", rows_done=number, cursor=asdict(done))
        with reading.in_time(JOB_TIME):
            look_again(segment, held.now)
    except FAULTS as fault:
        comparing.note_failure([segment], fault, held.now)
        raise jobs.Refused(comparing.in_words(fault)) from fault
    return held.cursor | {"link": segment.get_absolute_url()}


def let_leave(segment: Segment, *, by: User | None, now: datetime) -> Difference | None:
    """Somebody has looked: those who were held back leave, however many they are."""
    audit.record("segment.let_leave", segment.name, by=by, now=now)
    return fill(segment, by=by, now=now, confirmed=True)


def would_leave(segment: Segment, *, at: datetime, patience: float = 5.0) -> int | None:
    """How many members do not meet the condition as of `at`; None when nobody could tell in time."""
    try:
        members = compile.members(tree.parse(segment.condition, of=segment.of), of=segment.of, at=at)
        with reading.only(patience):
            asked = sql(
                "SELECT count(*) FROM audience_segmentmember m WHERE m.segment_id = {} AND m.left_at IS NULL "
                "AND NOT EXISTS (SELECT FROM ({}) held WHERE held.subject_id = m.subject_id)",
                segment.pk,
                members,
            )
            return int(rows(asked)[0][0])
    except FAULTS:
        return None
