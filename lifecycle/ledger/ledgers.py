"""Where a lifecycle's ledger stands: in the tables of that name, or for a while in tables on the side.

Whatever runs rules, writes movements or asks for stages takes the names of its tables from here. So a trial of a draft
is the very work of publishing, and leaves no trace in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from kit.sql import Sql, name, run, sql


@dataclass(frozen=True)
class Ledger:
    """The names of three tables, as they are written into a statement."""

    memberships: Sql
    movements: Sql
    waiting: Sql

    def count(self) -> None:
        """Tell the planner how many are in it by now; its last count may be from before a replay filled it."""
        run(sql("ANALYZE {}, {}", self.memberships, self.movements))


REAL = Ledger(Sql("lifecycle_membership"), Sql("lifecycle_movement"), Sql("lifecycle_waiting"))

_instead: ContextVar[Mapping[str, Ledger]] = ContextVar("ledgers", default={})  # noqa: B039 - never changed in place


def of(lifecycle: str) -> Ledger:
    """The ledger of the lifecycle with this slug."""
    return _instead.get().get(lifecycle, REAL)


@contextmanager
def instead(lifecycle: str, ledger: Ledger) -> Iterator[None]:
    """For as long as this lasts the lifecycle's ledger is another one, for this thread alone."""
    token = _instead.set({**_instead.get(), lifecycle: ledger})
    try:
        yield
    finally:
        _instead.reset(token)


def aside(label: str) -> Ledger:
    """The ledger on the side that is called so. It need not be there yet."""
    return Ledger(*(sql("work.{}", name(f"{label}_{which}")) for which in ("memberships", "movements", "waiting")))


def make(ledger: Ledger) -> None:
    """Have an empty ledger on the side: the columns and keys of the real one, without what watches over that.

    Nobody is marked for judgement by what is written into it, and it can be thrown away.
    """
    remove(ledger)
    for table, real in zip(_tables(ledger), _tables(REAL), strict=True):
        run(sql("CREATE TABLE {} (LIKE public.{} INCLUDING ALL)", table, real))


def remove(ledger: Ledger) -> None:
    """Throw a ledger on the side away, if it is there."""
    assert ledger != REAL
    run(sql("DROP TABLE IF EXISTS {}, {}, {}", *_tables(ledger)))


def _tables(ledger: Ledger) -> tuple[Sql, Sql, Sql]:
    return ledger.memberships, ledger.movements, ledger.waiting
