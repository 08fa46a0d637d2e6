"""Turns of periodic work: however many clocks ring, each turn is taken once.

A turn is a row (job, slot). Whoever inserts it holds it for a lease on the database's clock and works after that is
committed; a turn whose holder died is free again when the lease is over. Turns of one job never overlap: while one is
at work, the next is passed over.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction

from kit import leases
from kit.models import Tick

LEASE = timedelta(minutes=1)


def slot(now: datetime, every: timedelta) -> datetime:
    """The start of the turn that `now` falls in; turns of one length are counted from the same instant everywhere."""
    epoch = datetime(2000, 1, 1, tzinfo=now.tzinfo)
    return now - (now - epoch) % every


def claim(job: str, turn: datetime) -> bool:
    """Take a turn. True for one caller only, until the lease is over and the turn is still unfinished.

    False too while another turn of the job is at work. Commits before it returns, so never within a transaction.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('kit_tick'), hashtext(%s))", [job])
        cursor.execute(
            """
            INSERT INTO kit_tick AS tick (job, slot, lease_until)
            SELECT %s, %s, clock_timestamp() + %s::interval
            WHERE NOT EXISTS (
                SELECT FROM kit_tick WHERE job = %s AND finished_at IS NULL AND lease_until > clock_timestamp()
            )
            ON CONFLICT (job, slot) DO UPDATE SET lease_until = excluded.lease_until
            WHERE tick.finished_at IS NULL AND tick.lease_until < clock_timestamp()
            """,
            [job, turn, str(LEASE), job],
        )
        return bool(cursor.rowcount)


def finish(job: str, turn: datetime) -> None:
    """The turn is done and never comes again."""
    Tick.objects.filter(job=job, slot=turn, finished_at=None).update(finished_at=leases.CLOCK)


def once(job: str, every: timedelta, now: datetime, work: Callable[[datetime], object]) -> bool:
    """Call `work(now)` when the turn that `now` falls in is free. True when this call did it."""
    return take(job, slot(now, every), now, work)


def take(job: str, turn: datetime, now: datetime, work: Callable[[datetime], object]) -> bool:
    """Call `work(now)` when this turn is free, and keep it for as long as that takes. True when this call did it.

    An error passes through and gives the turn back to the next caller.
    """
    if not claim(job, turn):
        return False
    held = Tick.objects.filter(job=job, slot=turn, finished_at=None)
    try:
        with leases.kept(lambda: held.update(lease_until=leases.until(LEASE)), job):
            work(now)
    except BaseException:
        with suppress(DatabaseError):  # when not even that can be written, the lease ends by itself
            held.update(lease_until=leases.CLOCK)
        raise
    finish(job, turn)
    return True


def forget(before: datetime) -> int:
    """Delete turns that began before this instant."""
    return Tick.objects.filter(slot__lt=before).delete()[0]
