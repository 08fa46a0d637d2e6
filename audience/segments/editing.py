"""Segments are made, changed and deleted here; fixed lists get and lose their members."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience import live
from audience.conditions import tree, uses
from audience.models import Segment
from audience.segments.asking import asked_by, users
from audience.segments.comparing import owner, subjects
from audience.segments.filling import fill
from kit import audit, jobs, slugs
from kit.models import User
from kit.sql import Sql, run, sql


class Refused(ValueError):
    """What cannot be done to a segment, in the user's words; `users` are those who need it."""

    def __init__(self, message: str, users: Iterable[uses.Use] = ()) -> None:
        super().__init__(message)
        self.users = list(users)


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


@transaction.atomic
def add(segment: Segment, members: Sql, *, now: datetime, by: User | None = None) -> int:
    """Put subjects into a fixed list; how many were not in it."""
    added = run(
        sql(
            "INSERT INTO audience_segmentmember (segment_id, {}, entered_at) "
            "SELECT {}, there.id, {} FROM (SELECT DISTINCT subject_id FROM ({}) given) given "
            "JOIN {} there ON there.id = given.subject_id AND there.erased_at IS NULL ON CONFLICT DO NOTHING",
            owner(segment.of),
            segment.pk,
            now,
            members,
            subjects(segment.of),
        )
    )
    if added:
        whom = sql(
            "SELECT subject_id FROM audience_segmentmember WHERE segment_id = {} AND entered_at = {}", segment.pk, now
        )
        audit.record("segment.put_in", segment.name, by=by, now=now, after={"members": added}, about=whom)
    return added


@transaction.atomic
def remove(segment: Segment, members: Sql, *, now: datetime, by: User | None = None) -> int:
    """Take subjects out of a fixed list; how many were in it."""
    removed = run(
        sql(
            "UPDATE audience_segmentmember SET left_at = {} "
            "WHERE segment_id = {} AND left_at IS NULL AND subject_id IN ({})",
            now,
            segment.pk,
            members,
        )
    )
    if removed:
        whom = sql(
            "SELECT subject_id FROM audience_segmentmember WHERE segment_id = {} AND left_at = {}", segment.pk, now
        )
        audit.record("segment.take_out", segment.name, by=by, now=now, after={"members": removed}, about=whom)
    return removed


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
    waiting = [(slug, [segment.name]) for slug in asked_by(condition)]
    seen = set()
    while waiting:
        slug, way = waiting.pop(0)
        if slug == segment.slug:
            return [*way, segment.name]
        if slug in known and slug not in seen:
            seen.add(slug)
            waiting += [(each, [*way, known[slug].name]) for each in asked_by(known[slug].condition)]
    return []
