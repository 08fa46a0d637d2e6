"""Waits end at the right instant: in every zone, at every change of its clocks, and for each way to say how long."""

from __future__ import annotations

import zoneinfo
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns import waits

BERLIN = ZoneInfo("Europe/Berlin")
YEARS = (
    1995,
    2011,
    2022,
    2025,
    2026,
)  # Samoa skipped a day in 2011; Iran, Mexico and Jordan gave up summer time in 2022
MINUTE = timedelta(minutes=1)


def local(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The instants of a year at which the zone's clock jumps, to the second, found by halving days."""
    found = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        low, high = day, day + timedelta(days=1)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
                    low = middle
                else:
                    high = middle
            found.append(high)
        day += timedelta(days=1)
    return found


def around(zone: ZoneInfo, change: datetime) -> tuple[list[datetime], list[datetime]]:
    """Every minute for two days around a change, with the highest local time that the clock has shown by then."""
    first = change - timedelta(hours=30)
    instants = [first + n * MINUTE for n in range(60 * 60)]
    highest, shown = local(zone, first), []
    for each in instants:
        highest = max(highest, local(zone, each))
        shown.append(highest)
    return instants, shown


@pytest.mark.parametrize("year", YEARS)
def test_the_first_instant_at_which_the_clock_shows_a_time_or_a_later_one_in_every_zone_at_every_change(year):
    asked = 0
    seen = set()  # zones that make the same change at the same instant need asking once
    for name in sorted(zoneinfo.available_timezones()):
        zone = ZoneInfo(name)
        for change in changes(zone, year):
            same = (
                change,
                local(zone, change - timedelta(days=2)),
                local(zone, change),
                local(zone, change + timedelta(days=2)),
            )
            if same in seen:
                continue
            seen.add(same)
            instants, shown = around(zone, change)
            jump = local(zone, change) - local(zone, change - timedelta(seconds=1)) - timedelta(seconds=1)
            before = local(zone, change - timedelta(seconds=1)) + timedelta(seconds=1)
            low, high = sorted([before, before + jump])
            wanted = [low - MINUTE, low, low + (high - low) / 2, high - MINUTE, high, high + MINUTE]
            for each in (each.replace(second=0, microsecond=0) for each in wanted):
                # Independently: minute by minute, whichever first shows as much.
                expected = instants[bisect_left(shown, each)]
                assert waits.first_instant(each, zone) == expected, (name, change, each)
                asked += 1
    assert asked > 100


def test_a_change_that_is_no_whole_minute_is_met_to_the_second():
    zone = ZoneInfo("Africa/Monrovia")  # from 44:30 behind to none, on 7 January 1972
    skipped = datetime.fromisoformat("1972-01-07T00:20")
    assert waits.first_instant(skipped, zone) == datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC)


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


CASES = (
    ({"days": 2}, "2025-06-15T12:00", "2025-06-17T12:00"),
    ({"days": 2, "hours": 3}, "2025-06-15T12:00", "2025-06-17T15:00"),
    ({"hours": 5}, "2025-06-15T12:00", "2025-06-15T17:00"),
    ({"days": 1}, "2025-03-29T12:00", "2025-03-30T12:00"),  # 23 hours, as the clocks go forward
    ({"hours": 24}, "2025-03-29T12:00", "2025-03-30T13:00"),
    ({"days": 1}, "2025-03-29T02:30", "2025-03-30T03:00"),  # there is no half past two: the first instant after
    ({"days": 1, "time": "09:00"}, "2025-06-15T15:00", "2025-06-16T09:00"),
    ({"days": 1, "time": "09:00"}, "2025-06-15T03:00", "2025-06-16T09:00"),
    ({"time": "09:00"}, "2025-06-15T08:00", "2025-06-15T09:00"),
    ({"time": "09:00"}, "2025-06-15T09:00", "2025-06-15T09:00"),
    ({"time": "09:00"}, "2025-06-15T09:01", "2025-06-16T09:00"),
    ({"hours": 5, "time": "09:00"}, "2025-06-15T06:00", "2025-06-16T09:00"),
    ({"time": "02:30"}, "2025-03-29T12:00", "2025-03-30T03:00"),
    ({"date": "2025-12-01", "time": "09:00"}, "2025-06-15T12:00", "2025-12-01T09:00"),
    ({"date": "2025-12-01"}, "2025-06-15T12:00", "2025-12-01T00:00"),
    ({"date": "2025-05-01"}, "2025-06-15T12:00", "2025-06-15T12:00"),
    ({}, "2025-06-15T12:00", "2025-06-15T12:00"),
)  # fmt: skip


@pytest.mark.parametrize(("settings", "came", "over"), CASES)
def test_a_wait_is_over(settings, came, over):
    assert waits.until(settings, when(came), BERLIN) == when(over)


def test_a_time_that_comes_twice_is_met_once():
    before, between = datetime(2025, 10, 26, 0, 0, tzinfo=UTC), datetime(2025, 10, 26, 0, 45, tzinfo=UTC)
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert waits.until({"time": "02:30"}, before, BERLIN) == first
    assert waits.until({"time": "02:30"}, between, BERLIN) == datetime(2025, 10, 27, 1, 30, tzinfo=UTC)
