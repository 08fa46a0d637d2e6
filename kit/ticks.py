"""Turns of periodic work: however many clocks ring, each turn is taken once.

A turn is a row (job, slot). Whoever inserts it holds it for a lease on the database's clock and works after that is
committed; a turn whose holder died is free again when the lease is over.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction

from kit import leases
from kit.models import Tick

LEASE = timedelta(minutes=10)


def slot(now: datetime, every: timedelta) -> datetime:
    """The start of the turn that `now` falls in; turns of one length are counted from the same instant everywhere."""
    epoch = datetime(2000, 1, 1, tzinfo=now.tzinfo)
    return now - (now - epoch) % every


def claim(job: str, turn: datetime, *, lease: timedelta = LEASE) -> bool:
    """Take a turn. True for one caller only, until the lease is over and the turn is still unfinished.

    Commits before it returns, so it must not be called within a transaction.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_tick AS tick (job, slot, lease_until) VALUES (%s, %s, clock_timestamp() + %s::interval)
            ON CONFLICT (job, slot) DO UPDATE SET lease_until = excluded.lease_until
            WHERE tick.finished_at IS NULL AND tick.lease_until < clock_timestamp()
            """,
            [job, turn, str(lease)],
        )
        return bool(cursor.rowcount)


def finish(job: str, turn: datetime) -> None:
    """The turn is done and never comes again."""
    Tick.objects.filter(job=job, slot=turn, finished_at=None).update(finished_at=leases.CLOCK)


def once(job: str, every: timedelta, now: datetime, work: Callable[[datetime], object]) -> bool:
    """Call `work(now)` when this turn is still free. An error leaves the turn to the next caller after the lease."""
    turn = slot(now, every)
    if not claim(job, turn):
        return False
    work(now)
    finish(job, turn)
    return True


def forget(before: datetime) -> int:
    """Delete turns that began before this instant."""
    return Tick.objects.filter(slot__lt=before).delete()[0]
