"""Periodic work: what runs by itself, how its last turn went, and one turn more when somebody asks for it.

Work with a `run` is done by one worker at a time (`kit.ticks`); its task calls `turn`. Other work may be done by any
number at once; its task is done within `noted`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import schedules
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min
from django.utils.functional import Promise

from kit import audit, heartbeats, hints, leases, ticks
from kit.models import Periodic, Tick, User
from kit.sql import Sql, rows, run, sql

TASK = "kit.tasks.take_turn"
SELDOM = 10.0  # seconds between two notes of one process about work that comes every few seconds
GRACE = timedelta(minutes=2)  # beyond its time before work is called late; a turn may take a minute

Text = str | Promise


@dataclass(frozen=True)
class Work:
    """One kind of periodic work: what it is called, what it does, the task that the clock sends, and how often.

    `run`: what one worker at a time does, and what may be asked for beside the clock.
    """

    name: str
    label: Text
    purpose: Text
    task: str
    every: timedelta
    run: Callable[[datetime], object] | None = None

    @property
    def may_be_asked(self) -> bool:
        return self.run is not None

    @property
    def schedule(self) -> Any:
        """When the clock sends it, as Celery has it."""
        entries = settings.CELERY_BEAT_SCHEDULE.values()
        return next(schedules.maybe_schedule(each["schedule"]) for each in entries if each["task"] == self.task)


@dataclass(frozen=True)
class Standing:
    """How periodic work stands at an instant."""

    work: Work
    began_at: datetime | None
    took: timedelta | None
    error: str
    at_work: bool
    asked: bool
    next_at: datetime
    is_late: bool


_works: dict[str, Work] = {}
_noted: dict[str, float] = {}


def register(
    name: str,
    label: Text,
    purpose: Text,
    *,
    task: str,
    every: timedelta,
    run: Callable[[datetime], object] | None = None,
) -> None:
    """Name periodic work; call it in `AppConfig.ready`. The schedule says when its task is sent."""
    _works[name] = Work(name, label, purpose, task, every, run)


def works() -> list[Work]:
    """All periodic work, the most frequent first."""
    return sorted(_works.values(), key=lambda work: (work.every, work.name))


def turn(name: str, now: datetime) -> bool:
    """The turn that the clock rang for, once however many clocks ring. True when this call did it."""
    work = _works[name]
    return ticks.once(name, work.every, now, lambda at: _do(work, at))


@contextmanager
def noted(name: str) -> Iterator[None]:
    """A turn of work that any number may do at once: how it went is written down, every few seconds at most."""
    began = time.monotonic()
    try:
        yield
    except Exception as error:
        _note(name, time.monotonic() - began, f"{type(error).__name__}: {error}")
        raise
    if time.monotonic() - _noted.get(name, -SELDOM) >= SELDOM:
        _note(name, time.monotonic() - began)
        _noted[name] = time.monotonic()


def ask(name: str, *, by: User | None, now: datetime) -> bool:
    """Have a worker take a turn as soon as it can. False while one is at work or asked for already, or none may be."""
    work = _works.get(name)
    if work is None or work.run is None:
        return False
    with transaction.atomic():
        if not rows(_asking(name, by)):
            return False
        audit.record("periodic.ask", name, by=by, now=now)
        hints.later(TASK, Periodic.objects.values_list("pk", flat=True).get(name=name))
    return True


def take(target: int, now: datetime) -> bool:
    """Take the turn that somebody asked for. True when this call did it."""
    asked = Periodic.objects.filter(pk=target).exclude(asked_at=None).first()
    work = _works.get(asked.name) if asked else None
    if asked is None or work is None or work.run is None:
        return False

    def begin(at: datetime) -> None:
        Periodic.objects.filter(pk=target).update(asked_at=None, asked_by=None)
        _do(work, at)

    return ticks.take(work.name, now, now, begin)


def sweep() -> None:
    """A hint for each turn that was asked for and that nobody has taken."""
    for pk in Periodic.objects.exclude(asked_at=None).values_list("pk", flat=True):
        hints.later(TASK, pk)


def standings(now: datetime) -> list[Standing]:
    """How all periodic work stands."""
    last = {each.name: each for each in Periodic.objects.all()}
    held = Tick.objects.filter(~leases.free(), finished_at=None).values_list("job", flat=True)
    at_work = set(held)
    since = heartbeats.alive().aggregate(since=Min("started_at"))["since"]
    expected = since is not None and now - since > GRACE  # of workers that have just come nothing is
    return [_standing(work, last.get(work.name), work.name in at_work, expected, now) for work in works()]


def _standing(work: Work, last: Periodic | None, at_work: bool, expected: bool, now: datetime) -> Standing:
    ended = last.ended_at if last else None
    left = work.schedule.remaining_estimate(now)
    overdue = now - ended > work.every + GRACE if ended else work.every <= GRACE
    return Standing(
        work=work,
        began_at=last.began_at if last else None,
        took=last.ended_at - last.began_at if last and last.ended_at and last.began_at else None,
        error=last.error if last and last.failed_at else "",
        at_work=at_work,
        asked=bool(last and last.asked_at),
        next_at=now + max(left, timedelta(0)),
        is_late=expected and overdue and not at_work,
    )


def _do(work: Work, now: datetime) -> None:
    assert work.run is not None
    began = time.monotonic()
    try:
        work.run(now)
    except Exception as error:
        _note(work.name, time.monotonic() - began, f"{type(error).__name__}: {error}")
        raise
    _note(work.name, time.monotonic() - began)


def _note(name: str, seconds: float, error: str = "") -> None:
    """How a turn went, by the database's clock. A database that is away has nothing noted, and that is seen as well."""
    took = timedelta(seconds=seconds)
    failed = sql("clock_timestamp()") if error else Sql("NULL")
    with suppress(DatabaseError):
        run(
            sql(
                """INSERT INTO kit_periodic AS work (name, began_at, ended_at, failed_at, error)
                   VALUES ({}, clock_timestamp() - {}::interval, clock_timestamp(), {}, {})
                   ON CONFLICT (name) DO UPDATE SET began_at = excluded.began_at, ended_at = excluded.ended_at,
                       failed_at = excluded.failed_at, error = excluded.error""",
                name,
                took,
                failed,
                error[:500],
            )
        )


def _asking(name: str, by: User | None) -> Sql:
    """The statement that asks for a turn; yields nothing when one is asked for already, or at work."""
    return sql(
        """INSERT INTO kit_periodic AS work (name, asked_at, asked_by_id)
           SELECT {}, clock_timestamp(), {} WHERE NOT EXISTS (
               SELECT FROM kit_tick WHERE job = {} AND finished_at IS NULL AND lease_until > clock_timestamp())
           ON CONFLICT (name) DO UPDATE SET asked_at = excluded.asked_at, asked_by_id = excluded.asked_by_id
           WHERE work.asked_at IS NULL
           RETURNING id""",
        name,
        by.pk if by else None,
        name,
    )
