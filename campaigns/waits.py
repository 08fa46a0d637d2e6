"""When a wait is over: so many days and hours on, at a time of day, or on a date, by the local clock.

A local time that a clock change skips is the first instant after the gap; one that comes twice is the first of the two.
Both are one rule: the first instant at which the local clock shows that time or a later one. Everybody who comes to a
step in one tick waits equally long, so this is computed once per step and instant, and never per person.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.models import Step

A_DAY = timedelta(days=1)


def at_once(step: Step | None) -> bool:
    """Whether a step is looked at as soon as somebody comes to it."""
    return step is not None and step.kind != Step.Kind.WAIT


def over(step: Step, at: datetime, zone: ZoneInfo) -> datetime | None:
    """When the wait of a step is over for who came to it `at`; for a wait with a condition, when it is in vain.

    None when a wait with a condition has no end of its own.
    """
    if step.kind == Step.Kind.WAIT_UNTIL and not any(step.settings.get(key) for key in ("days", "hours")):
        return None
    return until(step.settings, at, zone)


def until(settings: dict[str, Any], at: datetime, zone: ZoneInfo) -> datetime:
    """The end of a wait that begins `at`; never before that.

    `{"days", "hours"}`: the same time on the local clock so many days on, and so many hours after that. With `"time"`
    days are those of the calendar: at that time on the day so many days on, or at the next such time if that is past.
    `{"date", "time"}`: at that time on that day, or at once if that is past.
    """
    days, hours = int(settings.get("days") or 0), timedelta(hours=int(settings.get("hours") or 0))
    clock = time.fromisoformat(settings["time"]) if settings.get("time") else None
    if settings.get("date"):
        day = date.fromisoformat(settings["date"])
        return max(at, first_instant(datetime.combine(day, clock or time.min), zone))
    local = at.astimezone(zone).replace(tzinfo=None)
    if clock is None:
        shifted = first_instant(local + timedelta(days=days), zone) if days else at
        return max(at, shifted) + hours
    day = local.date() + timedelta(days=days)
    earliest = max(at, first_instant(datetime.combine(day, time.min), zone)) + hours
    return _next_time(clock, earliest, zone)


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock of the zone shows this local time (without a zone) or a later one."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    return _end_of_gap(local, zone)


def _end_of_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the clock change that skips a local time: between the two readings of it, found by halving."""
    low = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _next_time(clock: time, earliest: datetime, zone: ZoneInfo) -> datetime:
    """The first instant from `earliest` on at which a time of day comes."""
    day = earliest.astimezone(zone).date()
    while (found := first_instant(datetime.combine(day, clock), zone)) < earliest:
        day += A_DAY
    return found
