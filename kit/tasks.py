"""Tasks of the kit: each reads the clock and calls one verb."""

from datetime import datetime, timedelta

from celery import shared_task
from django.utils import timezone

from kit import heartbeats, hints, jobs, notes, ticks, work


@hints.task(time_limit=6 * 3600)
def run_job(job_id: int, now: datetime) -> None:
    jobs.run(job_id, now)


@shared_task
def sweep_jobs() -> None:
    jobs.sweep()


@shared_task
def forget_old() -> None:
    """Once a day: old turns, hints and heartbeats; notes and tasks that were removed long ago."""
    ticks.once("forget_old", timedelta(days=1), timezone.now(), _forget)


def _forget(now: datetime) -> None:
    ticks.forget(now - timedelta(days=2))
    hints.forget(older_than=timedelta(days=1))
    heartbeats.forget(older_than=timedelta(days=1))
    notes.forget(now - notes.KEPT)
    work.forget(now - work.KEPT)
