"""The history of segments: how many are in them, who came and went, and that day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audience.models import Segment, SegmentMember
from kit import installation
from kit.sql import dicts, sql

MOST_DAYS = 92  # that are told one by one


@dataclass(frozen=True)
class Day:
    """One local day of a segment: who entered and left on it, and how many were in it at its end."""

    day: date
    entered: int
    left: int
    size: int


def with_sizes(rows: QuerySet[Segment], *, since: datetime) -> QuerySet[Segment]:
    """Segments with `size`, and with how many `entered` and `left` since an instant."""
    stays = SegmentMember.objects.filter(segment=OuterRef("pk")).order_by().values("segment")
    return rows.annotate(
        size=_number(stays.filter(left_at=None)),
        entered=_number(stays.filter(entered_at__gte=since)),
        left=_number(stays.filter(left_at__gte=since)),
    )


def in_it_now(segment: Segment) -> QuerySet[SegmentMember]:
    """The stays that have not ended."""
    return SegmentMember.objects.filter(segment=segment, left_at=None)


def days(segment: Segment, first: date, last: date) -> list[Day]:
    """Each local day from the first to the last, the latest first; of more than MOST_DAYS the latest so many."""
    first = max(first, last - timedelta(days=MOST_DAYS - 1))
    zone = installation.zone()
    since, until = installation.midnight(first, zone), installation.midnight(last + timedelta(days=1), zone)
    # By local day from both columns, each by its own index.
    moved = dicts(
        sql(
            "SELECT day, sum(entered)::int AS entered, sum(left_it)::int AS left FROM ("
            "SELECT (entered_at AT TIME ZONE {})::date AS day, 1 AS entered, 0 AS left_it FROM audience_segmentmember "
            "WHERE segment_id = {} AND entered_at >= {} AND entered_at < {} UNION ALL "
            "SELECT (left_at AT TIME ZONE {})::date, 0, 1 FROM audience_segmentmember "
            "WHERE segment_id = {} AND left_at >= {} AND left_at < {}) moved GROUP BY day",
            str(zone), segment.pk, since, until, str(zone), segment.pk, since, until,
        )
    )  # fmt: skip
    on = {each["day"]: each for each in moved}
    size = there_at(segment, until)
    told = []
    for ago in range((last - first).days + 1):
        day = last - timedelta(days=ago)
        entered, left = (on[day]["entered"], on[day]["left"]) if day in on else (0, 0)
        told.append(Day(day, entered, left, size))
        size -= entered - left
    return told


def there_at(segment: Segment, at: datetime) -> int:
    """How many were in it as of an instant, by its rows."""
    stays = SegmentMember.objects.filter(segment=segment, entered_at__lt=at)
    return stays.filter(left_at=None).count() + stays.filter(left_at__gte=at).count()


def _number(rows: QuerySet[SegmentMember, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.values(n=Count("pk")), output_field=IntegerField()), 0)
