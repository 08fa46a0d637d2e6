"""Slowing down whoever tries again and again: counters in the database, so that all web processes share them.

An attempt is counted before it is made, in the statement that asks whether it may be made: of a thousand at the same
moment only as many pass as are free. Whoever succeeds gives the attempt back. What counts is never an account alone,
so nobody can lock somebody else out from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import salted_hmac

from kit.models import Attempts
from kit.sql import rows, run, sql, value


@dataclass(frozen=True)
class Limit:
    """So many attempts are free; the next one waits `first`, each after it twice as long, at most `longest`.

    After `forgotten` without an attempt the count begins anew.
    """

    name: str
    free: int
    first: timedelta
    longest: timedelta
    forgotten: timedelta


@dataclass(frozen=True)
class Counted:
    """What is limited, and for whom: an address, or an account as tried from an address."""

    limit: Limit
    whom: str

    @property
    def key(self) -> str:
        """A hash with our own secret: what people type as their email is not kept, for it may be a password."""
        return salted_hmac("kit.throttle", f"{self.limit.name}|{self.whom}", algorithm="sha256").hexdigest()


class TooOften(Exception):
    """It must not be tried before `wait` has passed."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(frozen=True)
class Claim:
    """One attempt that may be made, with the count of each counter as it left it."""

    counted: dict[str, int]


def claim(*whom: Counted, now: datetime) -> Claim:
    """Count an attempt with each counter. Raises TooOften, and counts with none, when one of them says to wait.

    An attempt that was refused so does not make the wait longer.
    """
    counted: dict[str, int] = {}
    with transaction.atomic():
        for each in sorted(whom, key=lambda each: each.key):  # always in one order, so that no two wait in a circle
            counted[each.key] = _count(each, now)
    return Claim(counted)


def give_back(claim: Claim, *clear: Counted, now: datetime) -> None:
    """The attempt succeeded and counts nowhere; the counters of `clear` begin anew."""
    cleared = {each.key for each in clear}
    Attempts.objects.filter(key__in=cleared).delete()
    for key, ours in claim.counted.items():
        if key not in cleared:
            run(
                sql(
                    # The wait that it brought goes too, unless somebody else has tried since.
                    """UPDATE kit_attempts SET count = count - 1,
                              free_at = CASE WHEN count = {} THEN {} ELSE free_at END
                       WHERE key = {} AND count > 0""",
                    ours,
                    now,
                    key,
                )
            )


def clear(whom: Sequence[Counted]) -> None:
    """These counters begin anew."""
    Attempts.objects.filter(key__in=[each.key for each in whom]).delete()


def forget(before: datetime) -> int:
    """Delete counters that nobody has touched since; how many."""
    return Attempts.objects.filter(last_at__lt=before, free_at__lt=before).delete()[0]


def _count(whom: Counted, now: datetime) -> int:
    limit, key = whom.limit, whom.key
    n = sql("CASE WHEN a.last_at < {} THEN 1 ELSE a.count + 1 END", now - limit.forgotten)
    wait = sql(
        "CASE WHEN {} < {} THEN 0 ELSE least({} * 2 ^ least({} - {}, 20), {}) END",
        n, limit.free, limit.first.total_seconds(), n, limit.free, limit.longest.total_seconds(),
    )  # fmt: skip
    counted = rows(
        sql(
            """INSERT INTO kit_attempts AS a (key, count, last_at, free_at) VALUES ({}, 1, {}, {})
               ON CONFLICT (key) DO UPDATE SET count = {}, last_at = excluded.last_at,
                   free_at = excluded.last_at + make_interval(secs => {})
               WHERE a.free_at <= excluded.last_at
               RETURNING count""",
            key, now, now if limit.free > 1 else now + limit.first, n, wait,
        )
    )  # fmt: skip
    if counted:
        return int(counted[0][0])
    free_at = value(sql("SELECT free_at FROM kit_attempts WHERE key = {}", key))
    raise TooOften(max(free_at - now, timedelta(seconds=1)) if free_at else timedelta(seconds=1))
