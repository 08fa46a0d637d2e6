"""Segments: named conditions that keep themselves, and fixed lists; who is in them, since when, and who was.

A dynamic segment is compared with its condition by difference: what is inserted and closed among its members *is* who
entered and left. The live engine does so for everybody who changed (`judge`), the clock for whom time alone changes, a
job for all. A query that fails removes nobody and is told on the segment's page; so many leaving at once that it looks
like an accident are held back until somebody has looked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, ProgrammingError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import compile, describe, explain, registry, tree, uses
from audience.conditions.tree import ConditionError, Node
from audience.models import Segment, SegmentMember
from kit import audit, jobs, reading, slugs
from kit.models import Job, User
from kit.sql import Sql, join, name, rows, run, sql

PREFIX = "segment."  # of the condition fields
AT_ONCE = 2.0  # seconds in which a new or changed segment is filled while its maker waits; else a job does it
JOB_TIME = 600.0  # seconds for all of one segment
BATCH_TIME = 10.0  # seconds for one batch of the live engine
FEW = 20  # may leave at once whatever the segment's size
SHARE = 0.3  # of a segment; if more leave within LATELY, the rest waits for somebody's word
LATELY = timedelta(hours=1)
AGAIN = timedelta(minutes=10)  # after a failure
TOGETHER = 20  # segments that one statement asks about
FAULTS = (ConditionError, DataError, ProgrammingError, reading.TooSlow)  # of the condition; a lost connection is none

logger = logging.getLogger(__name__)


class Refused(ValueError):
    """What cannot be done to a segment, in the user's words; `users` are those who need it."""

    def __init__(self, message: str, users: Iterable[uses.Use] = ()) -> None:
        super().__init__(message)
        self.users = list(users)


@dataclass(frozen=True)
class Difference:
    """What one comparison with the condition changed; `held_back` would have left too, and wait."""

    entered: int = 0
    left: int = 0
    held_back: int = 0


@dataclass(frozen=True)
class Parsed:
    """A dynamic segment with the tree of its condition."""

    segment: Segment
    node: Node


# ---- make, change, delete ----


def create(label: str, *, of: str, condition: Any, by: User | None, now: datetime) -> Segment:
    """A segment that keeps itself by a condition. It is filled at once, or by a job (`segment.job`) if that takes long.

    Raises ConditionError for a condition that cannot be asked, Refused for one that asks nothing.
    """
    condition = _checked(condition, of)
    with transaction.atomic():
        made = _made(
            label, of, by, now, kind=Segment.Kind.DYNAMIC, condition=condition, looked_until=now + live.INSTANT
        )
        audit.record("segment.create", made.name, by=by, now=now, after={"condition": condition})
    fill(made, by=by, now=now)
    return made


def create_list(label: str, *, of: str, members: Sql, by: User | None, now: datetime) -> Segment:
    """A fixed list of the subjects that the statement `members` yields (subject_id), as they are now."""
    with transaction.atomic():
        made = _made(label, of, by, now, kind=Segment.Kind.STATIC)
        number = add(made, members, now=now)
        audit.record("segment.create", made.name, by=by, now=now, after={"members": number})
    return made


def change(segment: Segment, *, label: str, condition: Any, by: User | None, now: datetime) -> None:
    """Another name, or another condition, which is filled at once or by a job. A fixed list takes no condition.

    Raises ConditionError, and Refused for a condition that asks nothing or comes back to this segment.
    """
    before = {"name": segment.name, "condition": segment.condition}
    condition = _checked(condition, segment.of, segment) if segment.kind == Segment.Kind.DYNAMIC else None
    segment.name, segment.condition, segment.updated_at = label, condition, now
    after = {"name": label, "condition": condition}
    if after == before:
        return
    with transaction.atomic():
        segment.save(update_fields=["name", "condition", "updated_at"])
        audit.record("segment.change", segment.name, by=by, now=now, before=before, after=after)
    if condition != before["condition"]:
        # Whoever changes a condition has seen its count: what leaves by that is meant to.
        fill(segment, by=by, now=now, confirmed=True)


def delete(segment: Segment, *, by: User | None, now: datetime) -> None:
    """Take a segment and its history away. Raises Refused while a condition asks for it, naming all that do."""
    with transaction.atomic():
        Segment.objects.select_for_update().get(pk=segment.pk)
        if used := users(segment):
            raise Refused(_("“%(segment)s” is in use, so it cannot be deleted.") % {"segment": segment}, used)
        if segment.job_id:
            jobs.cancel(segment.job_id)
        audit.record("segment.delete", segment.name, by=by, now=now, before={"condition": segment.condition})
        with live.without_marks():  # nobody asks for it, so nobody need be judged again
            run(sql("DELETE FROM audience_segmentmember WHERE segment_id = {}", segment.pk))
        segment.delete()


def users(segment: Segment) -> list[uses.Use]:
    """Every kept condition that asks for this segment."""
    return uses.of_field(PREFIX + segment.slug)


def kept() -> Iterator[uses.Use]:
    """The conditions of segments, for the register of who asks what."""
    for each in Segment.objects.exclude(condition=None).order_by("name"):
        yield uses.Use(_("Segment"), each.name, each.get_absolute_url(), each.condition)


def add(segment: Segment, members: Sql, *, now: datetime) -> int:
    """Put subjects into a fixed list; how many were not in it."""
    return run(
        sql(
            "INSERT INTO audience_segmentmember (segment_id, {}, entered_at) "
            "SELECT {}, there.id, {} FROM (SELECT DISTINCT subject_id FROM ({}) given) given "
            "JOIN {} there ON there.id = given.subject_id AND there.erased_at IS NULL ON CONFLICT DO NOTHING",
            _owner(segment.of),
            segment.pk,
            now,
            members,
            _subjects(segment.of),
        )
    )


def remove(segment: Segment, members: Sql, *, now: datetime) -> int:
    """Take subjects out of a fixed list; how many were in it."""
    return run(
        sql(
            "UPDATE audience_segmentmember SET left_at = {} "
            "WHERE segment_id = {} AND left_at IS NULL AND subject_id IN ({})",
            now,
            segment.pk,
            members,
        )
    )


def _made(label: str, of: str, by: User | None, now: datetime, **given: Any) -> Segment:
    return Segment.objects.create(
        name=label,
        slug=slugs.free(label, Segment.objects.all(), "segment"),
        of=of,
        created_by=by,
        created_at=now,
        updated_at=now,
        **given,
    )


def _checked(condition: Any, of: str, segment: Segment | None = None) -> Any:
    """The condition as it is kept."""
    node = tree.parse(condition, of=of)
    if tree.is_everybody(node):
        raise Refused(_("Say who belongs to the segment: add at least one condition."))
    if segment is not None and (way := _way_back(condition, segment)):
        raise Refused(
            _("The condition comes back to this segment: %(way)s. A segment cannot be made of itself.")
            % {"way": " → ".join(f"“{each}”" for each in way)}
        )
    return tree.dump(node)


def _way_back(condition: Any, segment: Segment) -> list[str]:
    """The names of the segments on a way from this one by its condition back to it; none when there is no such way."""
    known = {each.slug: each for each in Segment.objects.all()}
    waiting = [(slug, [segment.name]) for slug in _asked(condition)]
    seen = set()
    while waiting:
        slug, way = waiting.pop(0)
        if slug == segment.slug:
            return [*way, segment.name]
        if slug in known and slug not in seen:
            seen.add(slug)
            waiting += [(each, [*way, known[slug].name]) for each in _asked(known[slug].condition)]
    return []


def _asked(condition: Any) -> set[str]:
    """The slugs of the segments that a condition asks for."""
    return {each.removeprefix(PREFIX) for each in uses.names(condition) if each.startswith(PREFIX)}


# ---- all of one segment ----


def fill(segment: Segment, *, by: User | None, now: datetime, confirmed: bool = False) -> Difference | None:
    """Compare everybody with the condition: at once if that is quick, else by a job (None; `segment.job` does it)."""
    try:
        with reading.in_time(AT_ONCE), _marking(segment):
            done = refresh(segment, at=now + live.INSTANT, now=now, confirmed=confirmed)
        with reading.in_time(AT_ONCE):
            _again(segment, now)
    except reading.TooSlow:
        fill_later(segment, by=by, now=now, confirmed=confirmed)
        return None
    return done


@contextmanager
def _marking(segment: Segment) -> Iterator[None]:
    """Whoever enters or leaves is judged again only if something asks for the segment: a large new one marks nobody."""
    if users(segment):
        yield
    else:
        with live.without_marks():
            yield


def _again(segment: Segment, now: datetime) -> None:
    """Compare once more, after the first comparison is committed.

    Somebody may have changed, and been judged, while the first was on its way, which then wrote the older answer. There
    are few of them, and whoever enters or leaves by this look is marked.
    """
    refresh(segment, at=now + live.INSTANT, now=now)


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
    number = rows(sql("SELECT count(*) FROM {}", _subjects(segment.of)))[0][0]
    held.progress(phase=_("asking everybody"), rows_done=0, rows_total=number)
    try:
        if not held.cursor:
            with reading.in_time(JOB_TIME), _marking(segment):
                done = refresh(segment, at=held.now + live.INSTANT, now=held.now, confirmed=held.payload["confirmed"])
                held.progress(phase="", rows_done=number, cursor=asdict(done))
        with reading.in_time(JOB_TIME):
            _again(segment, held.now)
    except FAULTS as fault:
        _note_failure([segment], fault, held.now)
        raise jobs.Refused(in_words(fault)) from fault
    return held.cursor | {"link": segment.get_absolute_url()}


def refresh(
    segment: Segment, *, at: datetime, now: datetime, among: Sql | None = None, confirmed: bool = False
) -> Difference:
    """Bring a dynamic segment up to date as of `at`, for everybody or for the subjects of `among`, by one statement.

    Whoever enters or leaves does so at `now`. Unless `confirmed`, nobody leaves when too many would at once. Raises one
    of FAULTS when the condition cannot be asked; then nothing has changed.
    """
    with transaction.atomic():
        if among is None:
            segment = Segment.objects.select_for_update().get(pk=segment.pk)  # one comparison of all of it at a time
        since, segment.held_back_at = segment.held_back_at, segment.held_back_at if among else None
        if confirmed:
            segment.confirmed_at = now
        node = tree.parse(segment.condition, of=segment.of)
        members = compile.members(node, of=segment.of, at=at, among=among)
        held = sql("SELECT subject_id, {}::bigint AS segment_id FROM ({}) members", segment.pk, members)
        done = _difference([segment], held, among, now, confirmed=confirmed)[segment.pk]
        if among is None:
            Segment.objects.filter(pk=segment.pk).update(
                looked_until=at,
                failure="",
                failed_at=None,
                confirmed_at=segment.confirmed_at,
                held_back_at=(since or now) if done.held_back else None,
            )
    return done


def in_words(fault: Exception) -> str:
    """Why a segment could not be brought up to date."""
    if isinstance(fault, reading.TooSlow):
        return _("Its condition took too long to ask. Nobody was removed; it is tried again by itself.")
    if isinstance(fault, ConditionError):
        return _("Its condition cannot be asked any more: %(why)s") % {"why": fault.message}
    return _("Its condition compares with a value that is too large or too odd. Nobody was removed.")


def _difference(
    some: list[Segment], held: Sql, among: Sql | None, now: datetime, *, confirmed: bool = False
) -> dict[int, Difference]:
    """Make the members of segments those of `held` (subject_id, segment_id; once each), by one statement."""
    ids = [each.pk for each in some]
    of = some[0].of
    only = sql(" AND m.subject_id IN ({})", among) if among else Sql("")
    found = rows(
        sql(
            """
            WITH held AS MATERIALIZED ({}),
            here AS MATERIALIZED (
                SELECT m.id, m.segment_id, m.subject_id FROM audience_segmentmember m
                WHERE m.left_at IS NULL AND m.segment_id = ANY ({}){}
            ),
            leaving AS MATERIALIZED (
                SELECT here.id, here.segment_id FROM here
                WHERE NOT EXISTS (SELECT FROM held
                                  WHERE held.segment_id = here.segment_id AND held.subject_id = here.subject_id)
            ),
            verdict AS MATERIALIZED (
                SELECT leaving.segment_id, count(*) AS number, {} AS is_held_back
                FROM leaving GROUP BY leaving.segment_id
            ),
            gone AS (
                UPDATE audience_segmentmember m SET left_at = {} FROM leaving JOIN verdict USING (segment_id)
                WHERE m.id = leaving.id AND m.left_at IS NULL AND NOT verdict.is_held_back RETURNING m.segment_id
            ),
            come AS (
                INSERT INTO audience_segmentmember (segment_id, {}, entered_at)
                SELECT held.segment_id, held.subject_id, {} FROM held
                WHERE NOT EXISTS (SELECT FROM here
                                  WHERE here.segment_id = held.segment_id AND here.subject_id = held.subject_id)
                ON CONFLICT DO NOTHING RETURNING segment_id
            )
            SELECT segment_id, count(*) FILTER (WHERE what = 'come'), count(*) FILTER (WHERE what = 'gone'),
                   (SELECT number FROM verdict
                    WHERE verdict.segment_id = told.segment_id AND verdict.is_held_back)
            FROM (SELECT segment_id, 'come' AS what FROM come UNION ALL SELECT segment_id, 'gone' FROM gone
                  UNION ALL SELECT segment_id, '' FROM verdict WHERE is_held_back) told
            GROUP BY segment_id
            """,
            held,
            ids,
            only,
            Sql("false") if confirmed else _too_many(some, now),
            now,
            _owner(of),
            now,
        )
    )
    told = {pk: Difference(entered, left, held_back or 0) for pk, entered, left, held_back in found}
    return {pk: told.get(pk, Difference()) for pk in ids}


def _too_many(some: list[Segment], now: datetime) -> Sql:
    """Whether so many leave within the hour, and since somebody's last word, that it looks like an accident."""
    waiting = [each.pk for each in some if each.held_back_at]
    since = [max(filter(None, [now - LATELY, each.confirmed_at])) for each in some]
    lately = sql(
        "(SELECT count(*) FROM audience_segmentmember w WHERE w.segment_id = leaving.segment_id AND w.left_at > "
        "(SELECT word.at FROM unnest({}::bigint[], {}::timestamptz[]) word (id, at) "
        "WHERE word.id = leaving.segment_id))",
        [each.pk for each in some],
        since,
    )
    there = Sql(
        "(SELECT count(*) FROM audience_segmentmember w WHERE w.segment_id = leaving.segment_id AND w.left_at IS NULL)"
    )
    return sql(
        "CASE WHEN leaving.segment_id = ANY ({}::bigint[]) THEN true WHEN count(*) + {} <= {} THEN false "
        "ELSE count(*) + {} > {} * ({} + {}) END",
        waiting,
        lately,
        FEW,
        lately,
        SHARE,
        there,
        lately,
    )


def _owner(of: str) -> Sql:
    return Sql({"person": "person_id", "account": "account_id"}[of])


def _subjects(of: str) -> Sql:
    return Sql({"person": "audience_person", "account": "audience_account"}[of])


# ---- kept by the live engine ----


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
            fill_later(segment, by=None, now=now)


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
            if each.failure != in_words(fault)[:500]:
                _note_failure([each], fault, now)
    return found


def _in_turn(parsed: list[Parsed]) -> Iterator[list[Parsed]]:
    """Segments in layers: each asks only for segments of layers before it."""
    waiting = {each.segment.slug: each for each in parsed}
    while waiting:
        ready = [each for each in waiting.values() if not _asked(each.segment.condition) & set(waiting)]
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
            done = _difference([each.segment for each in some], held, subjects, now)
    except FAULTS as fault:
        if len(some) == 1:
            _note_failure([some[0].segment], fault, now)
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
            _note_failure([some[0].segment], fault, now)
        else:
            for each in some:
                _look([each], until, now)


def _note_failure(some: Iterable[Segment], fault: Exception, now: datetime) -> None:
    for each in some:
        logger.warning("the segment %s could not be asked: %s", each.slug, fault)
        Segment.objects.filter(pk=each.pk).update(failure=in_words(fault)[:500], failed_at=now)


def _drop_erased(subjects: Sql, now: datetime) -> None:
    """Nobody who is erased stays in a fixed list."""
    lists = Segment.objects.filter(kind=Segment.Kind.STATIC)
    for of in sorted(set(lists.values_list("of", flat=True))):
        run(
            sql(
                "UPDATE audience_segmentmember m SET left_at = {} FROM {} gone WHERE m.left_at IS NULL "
                "AND m.subject_id IN ({}) AND gone.id = m.subject_id AND gone.erased_at IS NOT NULL",
                now,
                _subjects(of),
                subjects,
            )
        )


# ---- somebody's word ----


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


# ---- asking ----


def members(segment: Segment, *, at: datetime | None = None) -> Sql:
    """One statement with the subject_id of each member: now, or of a dynamic one by its condition as of `at`.

    A fixed list as of an instant is who was in it then.
    """
    if at is None:
        return sql(
            "SELECT m.subject_id FROM audience_segmentmember m WHERE m.segment_id = {} AND m.left_at IS NULL",
            segment.pk,
        )
    if segment.kind == Segment.Kind.DYNAMIC:
        return compile.members(tree.parse(segment.condition, of=segment.of), of=segment.of, at=at)
    return sql(
        "SELECT DISTINCT m.subject_id FROM audience_segmentmember m WHERE m.segment_id = {} AND m.entered_at < {} "
        "AND (m.left_at IS NULL OR m.left_at >= {})",
        segment.pk,
        at,
        at,
    )


def sentence(segment: Segment) -> str:
    """The condition in words; why it cannot be asked, should its fields be gone."""
    if segment.condition is None:
        return ""
    try:
        return describe.sentence(tree.parse(segment.condition, of=segment.of))
    except ConditionError as error:
        return error.message


def why(segment: Segment, subject_id: int, *, at: datetime) -> explain.Explanation | None:
    """Which part of the condition holds for one subject; None for a fixed list, or a subject that was not there."""
    if segment.condition is None:
        return None
    return explain.explain(tree.parse(segment.condition, of=segment.of), subject_id, of=segment.of, at=at)


def of_subject(subject_id: int) -> QuerySet[SegmentMember]:
    """The segments that a subject is in now, by name."""
    stays = SegmentMember.objects.filter(subject_id=subject_id, left_at=None)
    return stays.select_related("segment").order_by("segment__name")
