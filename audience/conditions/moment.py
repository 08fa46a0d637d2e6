"""The instant a condition is asked at, and what follows from it: which rows count, which local day it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from kit import installation
from kit.sql import Sql, sql


@dataclass(frozen=True)
class Moment:
    """As of `at` counts what occurred strictly before it; with `known`, only what was also recorded before that."""

    at: datetime
    known: datetime | None = None

    @cached_property
    def zone(self) -> ZoneInfo:
        """The installation's zone; read only when a question needs local days."""
        return installation.zone()

    @cached_property
    def today(self) -> date:
        """The local day that the instant lies in."""
        return self.at.astimezone(self.zone).date()

    def window_start(self, days: int) -> datetime:
        """Where the window of the last N local days begins: the same time on the clock, N days earlier."""
        local = self.at.astimezone(self.zone).replace(tzinfo=None)
        return (local - timedelta(days=days)).replace(tzinfo=self.zone).astimezone(UTC)

    def counts(self, alias: str, occurred: str = "occurred_at", recorded: str = "recorded_at") -> Sql:
        """A row of `alias` had happened (and, when asked, was known)."""
        happened = sql(f"{alias}.{occurred} < {{}}", self.at)
        if self.known is None:
            return happened
        return sql(f"({{}} AND {alias}.{recorded} < {{}})", happened, self.known)

    def later(self, alias: str, occurred: str = "occurred_at", recorded: str = "recorded_at") -> Sql:
        """A row of `alias` had not happened yet (or was not known yet): the opposite of `counts`."""
        to_come = sql(f"{alias}.{occurred} >= {{}}", self.at)
        if self.known is None:
            return to_come
        return sql(f"({{}} OR {alias}.{recorded} >= {{}})", to_come, self.known)

    def local_day(self, instant: Sql) -> Sql:
        """The local day of an instant, as SQL."""
        return sql("(({} AT TIME ZONE {})::date)", instant, str(self.zone))

    def days_since(self, instant: Sql) -> Sql:
        """Whole local days from an instant to this one, as SQL; NULL stays NULL."""
        return sql("({}::date - {})", self.today, self.local_day(instant))


@dataclass(frozen=True)
class Span:
    """From one instant to a later one: what may differ between asking as of the one and as of the other."""

    since: Moment
    until: Moment

    def within(self, column: str) -> Sql:
        """Something happened in `[since, until)`."""
        return sql(f"({column} >= {{}} AND {column} < {{}})", self.since.at, self.until.at)

    def leaves_window(self, column: str, days: int) -> Sql:
        """An instant is in the window of the last N days at one end and not at the other, though before both."""
        starts = sorted([self.since.window_start(days), self.until.window_start(days)])
        return sql(f"({column} >= {{}} AND {column} < {{}})", *starts)

    def day_crosses(self, day: Sql, ages: tuple[int, ...]) -> Sql | None:
        """A day whose age in whole local days reaches one of `ages` between the two instants; None when none can."""
        first, last = sorted([self.since.today, self.until.today])
        if first == last or not ages:
            return None
        parts = [sql("({} > {}::date AND {} <= {}::date)", day, _day(first, age), day, _day(last, age)) for age in ages]
        return sql("({})", _any(parts))

    def instant_crosses(self, column: str, ages: tuple[int, ...]) -> Sql | None:
        """The same for a column of instants; with bounds that an index on it can use (a day wide for clock changes)."""
        first, last = sorted([self.since.today, self.until.today])
        if first == last or not ages:
            return None
        parts = []
        for age in ages:
            low, high = _day(first, age), _day(last, age)
            bounds = (
                installation.midnight(low, self.since.zone).astimezone(UTC),
                installation.midnight(high + timedelta(days=2), self.since.zone).astimezone(UTC),
            )
            day = self.since.local_day(Sql(column))
            parts.append(
                sql(
                    f"({column} >= {{}} AND {column} < {{}} AND {{}} > {{}}::date AND {{}} <= {{}}::date)",
                    *bounds,
                    day,
                    low,
                    day,
                    high,
                )
            )
        return sql("({})", _any(parts))


def _day(today: date, age: int) -> date:
    return today - timedelta(days=age)


def _any(parts: list[Sql]) -> Sql:
    return Sql(" OR ".join(part.text for part in parts), tuple(v for part in parts for v in part.params))
