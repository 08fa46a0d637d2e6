"""What is asked of segments: who is in one, now or as of an instant, why somebody is, and what asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audience.conditions import compile, describe, explain, tree, uses
from audience.conditions.tree import ConditionError
from audience.models import Segment, SegmentMember
from kit.sql import Sql, dicts, sql

PREFIX = "segment."  # of the condition fields


def members(segment: Segment, *, at: datetime | None = None, known: datetime | None = None) -> Sql:
    """One statement with the subject_id of each member: now, or of a dynamic one by its condition as of `at`, with
    `known` by what had been recorded before that.

    A fixed list as of an instant is who was in it then, on both clocks: it is written as it happens.
    """
    if at is None:
        return sql(
            "SELECT m.subject_id FROM audience_segmentmember m WHERE m.segment_id = {} AND m.left_at IS NULL",
            segment.pk,
        )
    if segment.kind == Segment.Kind.DYNAMIC:
        return compile.members(tree.parse(segment.condition, of=segment.of), of=segment.of, at=at, known=known)
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


def of_subject_then(
    every: Iterable[Segment], subject_id: int, *, at: datetime, known: datetime | None = None
) -> tuple[set[int], list[Segment]]:
    """The ids of those of the segments (of one kind of subject) that somebody was in as of `at`, in two statements;
    and the segments whose condition cannot be asked any more."""
    every, asked, unasked = list(every), {}, []
    for each in every:
        if each.condition is not None:
            try:
                asked[f"s{each.pk}"] = tree.parse(each.condition, of=each.of)
            except ConditionError:
                unasked.append(each)
    alone = sql("SELECT {}::bigint AS subject_id", subject_id)
    inside: set[int] = set()
    if asked:
        for row in dicts(compile.table(asked, of=every[0].of, at=at, known=known, among=alone)):
            inside |= {int(name[1:]) for name in asked if row[name]}
    lists = SegmentMember.objects.filter(Q(left_at=None) | Q(left_at__gte=at), subject_id=subject_id, entered_at__lt=at)
    kept = [each.pk for each in every if each.condition is None]
    return inside | set(lists.filter(segment__in=kept).values_list("segment_id", flat=True)), unasked


def users(segment: Segment) -> list[uses.Use]:
    """Every kept condition that asks for this segment."""
    return uses.of_field(PREFIX + segment.slug)


def kept() -> Iterator[uses.Use]:
    """The conditions of segments, for the register of who asks what."""
    for each in Segment.objects.exclude(condition=None).order_by("name"):
        yield uses.Use(_("Segment"), each.name, each.get_absolute_url(), each.condition)


def asked_by(condition: Any) -> set[str]:
    """The slugs of the segments that a condition asks for."""
    return {each.removeprefix(PREFIX) for each in uses.names(condition) if each.startswith(PREFIX)}
