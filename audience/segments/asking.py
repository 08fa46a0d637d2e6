"""What is asked of segments: who is in one, now or as of an instant, why somebody is, and what asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audience.conditions import compile, describe, explain, tree, uses
from audience.conditions.tree import ConditionError
from audience.models import Segment, SegmentMember
from kit.sql import Sql, sql

PREFIX = "segment."  # of the condition fields


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
