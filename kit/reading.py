"""Statements that may only read, and statements that may not take long, whatever they turn out to cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction

from kit.sql import Sql, run, sql, value

CANCELED = "57014"  # PostgreSQL's query_canceled


class TooSlow(Exception):
    """A statement did not answer in the time it was given."""


@contextmanager
def only(seconds: float) -> Iterator[None]:
    """Statements within can change nothing, and each has so many seconds. Raises TooSlow for one that took longer."""
    with _in_time(), transaction.atomic():
        run(sql("SELECT set_config('transaction_read_only', 'on', true)"))
        _give(seconds)
        yield
        # Taken back, and with it the two settings, should this be a part of a larger transaction.
        transaction.set_rollback(True)


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Statements within, which may write, have so many seconds each. Raises TooSlow with all of them taken back."""
    with _in_time(), transaction.atomic():
        before = value(Sql("SELECT current_setting('statement_timeout')"))
        _give(seconds)
        yield
        run(sql("SELECT set_config('statement_timeout', {}, true)", before))


def _give(seconds: float) -> None:
    run(sql("SELECT set_config('statement_timeout', {}, true)", f"{round(seconds * 1000)}ms"))


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) == CANCELED:
            raise TooSlow from error
        raise
