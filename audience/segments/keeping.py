"""Segments kept by the live engine: for everybody who changed, and by the clock for whom time alone changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from audience import live
from audience.conditions import compile, registry, tree
from audience.conditions.tree import ConditionError, Node
from audience.models import Segment
from audience.segments import asking, comparing, filling
from audience.segments.comparing import FAULTS
from kit import jobs, reading
from kit.sql import Sql, join, name, run, sql

BATCH_TIME = 10.0  # seconds for one batch
AGAIN = timedelta(minutes=10)  # after a failure
TOGETHER = 20  # segments that one statement asks about


@dataclass(frozen=True)
class Parsed:
    """A dynamic segment with the tree of its condition."""

    segment: Segment
    node: Node


def judge(subjects: Sql, *, at: datetime, now: datetime) -> None:
    """Bring every segment up to date for the subjects of a statement, as of `at`.

    Segments that ask for others come after them. One that fails is noted and tried again as a whole; the others go on.
    """
    for some in _in_turn(_parsed(now)):
        for group in _by_kind(some):
            _judge(group, subjects, at, now)
    _drop_erased(subjects, now)


def clock(now: datetime) -> None:
    """Mark those whom time alone may have brought into a segment or out of it since it last looked."""
    until = now + live.INSTANT
    for group in _by_kind(_parsed(now)):
        for some in _same_look(group):
            _look(some, until, now)
    stale = _dynamic().filter(Q(failed_at__lte=now - AGAIN) | Q(held_back_at__lte=now - AGAIN))
    for segment in stale.select_related("job"):
        last = segment.job
        if last is None or (last.state not in jobs.OPEN and last.created_at <= now - AGAIN):
            filling.fill_later(segment, by=None, now=now)


def _dynamic() -> QuerySet[Segment]:
    return Segment.objects.filter(kind=Segment.Kind.DYNAMIC).order_by("pk")


def _parsed(now: datetime) -> list[Parsed]:
    """Every dynamic segment whose condition can be parsed; fields are read once for all of them."""
    catalogues = {of: registry.catalogue(of) for of in ("person", "account")}
    found = []
    for each in _dynamic():
        try:
            found.append(Parsed(each, tree.parse(each.condition, of=each.of, catalogue=catalogues[each.of])))
        except ConditionError as fault:
            if each.failure != comparing.in_words(fault)[:500]:
                comparing.note_failure([each], fault, now)
    return found


def _in_turn(parsed: list[Parsed]) -> Iterator[list[Parsed]]:
    """Segments in layers: each asks only for segments of layers before it."""
    waiting = {each.segment.slug: each for each in parsed}
    while waiting:
        ready = [each for each in waiting.values() if not asking.asked_by(each.segment.condition) & set(waiting)]
        ready = ready or list(waiting.values())  # a circle cannot be saved; should there be one, all are asked once
        for each in ready:
            del waiting[each.segment.slug]
        yield ready


def _by_kind(some: list[Parsed]) -> Iterator[list[Parsed]]:
    """The segments of people and those of accounts, as many at a time as one statement may ask about."""
    for of in ("person", "account"):
        those = [each for each in some if each.segment.of == of]
        for start in range(0, len(those), TOGETHER):
            yield those[start : start + TOGETHER]


def _same_look(some: list[Parsed]) -> Iterator[list[Parsed]]:
    looks: dict[datetime, list[Parsed]] = {}
    for each in some:
        if each.segment.looked_until:
            looks.setdefault(each.segment.looked_until, []).append(each)
    yield from looks.values()


def _judge(some: list[Parsed], subjects: Sql, at: datetime, now: datetime) -> None:
    of = some[0].segment.of
    answers = compile.table({f"s{each.segment.pk}": each.node for each in some}, of=of, at=at, among=subjects)
    each_of = [sql("({}::bigint, answers.{})", each.segment.pk, name(f"s{each.segment.pk}")) for each in some]
    held = sql(
        "SELECT answers.subject_id, asked.segment_id FROM ({}) answers "
        "CROSS JOIN LATERAL (VALUES {}) asked (segment_id, holds) WHERE asked.holds",
        answers,
        join(", ", each_of),
    )
    try:
        with reading.in_time(BATCH_TIME):
            done = comparing.difference([each.segment for each in some], held, subjects, now)
    except FAULTS as fault:
        if len(some) == 1:
            comparing.note_failure([some[0].segment], fault, now)
        else:
            for each in some:
                _judge([each], subjects, at, now)
        return
    for each in some:
        if done[each.segment.pk].held_back and not each.segment.held_back_at:
            Segment.objects.filter(pk=each.segment.pk, held_back_at=None).update(held_back_at=now)


def _look(some: list[Parsed], until: datetime, now: datetime) -> None:
    since = some[0].segment.looked_until
    if since is None or since >= until:
        return
    ids = [each.segment.pk for each in some]
    try:
        with reading.in_time(BATCH_TIME * 6):
            of = some[0].segment.of
            live.mark(compile.touched([each.node for each in some], of=of, since=since, until=until))
            Segment.objects.filter(pk__in=ids, looked_until=since).update(looked_until=until)
    except FAULTS as fault:
        if len(some) == 1:
            comparing.note_failure([some[0].segment], fault, now)
        else:
            for each in some:
                _look([each], until, now)


def _drop_erased(subjects: Sql, now: datetime) -> None:
    """Nobody who is erased stays in a fixed list."""
    lists = Segment.objects.filter(kind=Segment.Kind.STATIC)
    for of in sorted(set(lists.values_list("of", flat=True))):
        run(
            sql(
                "UPDATE audience_segmentmember m SET left_at = {} FROM {} gone WHERE m.left_at IS NULL "
                "AND m.subject_id IN ({}) AND gone.id = m.subject_id AND gone.erased_at IS NOT NULL",
                now,
                comparing.subjects(of),
                subjects,
            )
        )
