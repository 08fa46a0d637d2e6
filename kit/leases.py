"""Leases and heartbeats, on the database's clock alone, so that machines with different clocks agree on them."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Func, Q, Value

RENEW_EVERY = 10.0  # seconds; a lease should last at least three times as long

logger = logging.getLogger(__name__)
CLOCK = Func(function="clock_timestamp", output_field=DateTimeField())


def until(length: timedelta) -> ExpressionWrapper:
    """The instant `length` from now, as an expression for an UPDATE or INSERT."""
    return ExpressionWrapper(CLOCK + Value(length, output_field=DurationField()), output_field=DateTimeField())


def free(column: str = "lease_until") -> Q:
    """True for rows that nobody holds: never leased, or the lease is over."""
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lt": CLOCK})


def coalesced(column: str) -> Func:
    """The column, or the database's clock where it is still empty."""
    return Func(F(column), CLOCK, function="coalesce", output_field=DateTimeField())


@contextmanager
def kept(renew: Callable[[], object], what: str) -> Iterator[Callable[[], None]]:
    """Call `renew` every few seconds for as long as the block lasts, and at once when what the block gets is called.

    From a thread with a connection of its own: one statement of set-based work may well take longer than a lease, and
    no code of the work runs meanwhile. Work that hangs for ever is ended by its task's time limit.
    """
    over, soon = threading.Event(), threading.Event()
    thread = threading.Thread(target=_renew, args=[renew, what, over, soon], name=f"lease of {what}", daemon=True)
    thread.start()
    try:
        yield soon.set
    finally:
        over.set()
        soon.set()
        thread.join()


def _renew(renew: Callable[[], object], what: str, over: threading.Event, soon: threading.Event) -> None:
    while True:
        soon.wait(RENEW_EVERY)
        soon.clear()
        if over.is_set():
            return
        try:
            renew()
        except DatabaseError as error:
            logger.warning("could not renew the lease of %s: %s", what, error)
        finally:
            connection.close()
