"""Tasks of the kit: each reads the clock and calls one verb."""

from datetime import datetime, timedelta

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from kit import heartbeats, hints, jobs, notes, periodic, throttle, ticks, work
from kit.api import idempotency


@hints.task(time_limit=6 * 3600)
def run_job(job_id: int, now: datetime) -> None:
    jobs.run(job_id, now)


@hints.task()
def take_turn(periodic_id: int, now: datetime) -> None:
    periodic.take(periodic_id, now)


@shared_task
def sweep_jobs() -> None:
    """Every few seconds: jobs that nobody holds, and turns that were asked for."""
    with periodic.noted("sweep_jobs"):
        jobs.sweep()
        periodic.sweep()


@shared_task
def forget_old() -> None:
    """Once a day."""
    periodic.turn("forget_old", timezone.now())


def forget(now: datetime) -> None:
    """Old turns, hints, heartbeats, attempts and sessions; notes and tasks that were removed long ago."""
    ticks.forget(now - timedelta(days=2))
    hints.forget(older_than=timedelta(days=1))
    heartbeats.forget(older_than=timedelta(days=1))
    idempotency.forget(now - idempotency.KEPT)
    notes.forget(now - notes.KEPT)
    work.forget(now - work.KEPT)
    throttle.forget(now - timedelta(days=2))
    SessionStore.clear_expired()
