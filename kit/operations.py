"""What the kit tells those who operate an installation: its figures, jobs that failed, what home warns of."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from prometheus_client import Metric

from kit import (
    deadletters,
    heartbeats,
    jobs,
    metrics,
    navigation,
    periodic,
    queues,
    registry,
    rights,
    tasks,
    troubles,
)
from kit.deadletters import DeadLetter
from kit.models import Heartbeat, User
from kit.sql import Sql, dicts, rows, sql, value

AWAKE = 60.0  # seconds after the web has started for workers to come; before, nothing is said of those missing
SEEN = "dead_letters_seen"  # of a session: until when its user has looked

_began = time.monotonic()


@dataclass(frozen=True)
class Queue:
    """One queue: who takes from it, how many messages lie in it, and for how long the oldest has been under way."""

    name: str
    workers: int
    depth: int | None
    waiting: timedelta | None


@dataclass(frozen=True)
class Place:
    """What an installation runs on."""

    version: str
    database: str
    database_bytes: int
    free_bytes: int


# ---- the page of the system ----


def workers(now: datetime) -> list[Heartbeat]:
    """All workers and clocks that did not say good-bye, each with `silent`: for how long, if too long."""
    found = list(Heartbeat.objects.order_by("worker"))
    for each in found:
        quiet = now - each.seen_at
        each.silent = quiet if quiet > heartbeats.MISSED else None  # type: ignore[attr-defined]
    return found


def queues_now(now: datetime) -> list[Queue]:
    """The queues, as the broker and the rows tell of them."""
    taken = [queue for each in heartbeats.alive() for queue in each.takes_from]
    depths, oldest = queues.depths(), queues.oldest_hints()
    return [
        Queue(
            name=name,
            workers=taken.count(name),
            depth=None if depths is None else depths[name],
            waiting=max(now - oldest[name], timedelta(0)) if name in oldest else None,
        )
        for name in queues.names()
    ]


def place() -> Place:
    """Version, database and room. For those who are signed in."""
    server, size = rows(Sql("SELECT current_setting('server_version'), pg_database_size(current_database())"))[0]
    return Place(settings.VERSION, server, size, shutil.disk_usage(settings.DATA_DIR).free)


# ---- home ----


def warnings(_subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of home for those who operate: workers that are missing, and what stopped since they last looked."""
    if not rights.may(request.user, "operate"):
        return None
    found = troubles.of_workers(now) if time.monotonic() - _began > AWAKE else []
    new = deadletters.since(parse_datetime(request.session.get(SEEN, "")))
    return {"troubles": found, "new": new} if found or new else None


# ---- dead letters ----


def failed_jobs(limit: int, key: str | None) -> Sequence[DeadLetter]:
    """Jobs that failed for good."""
    found = dicts(
        sql(
            """SELECT id, kind, title, payload, cursor, error, finished_at FROM kit_job
               WHERE state = 'failed' AND {} AND {} ORDER BY finished_at DESC, id DESC LIMIT {}""",
            deadletters.unsettled("job", Sql("kit_job.id::text"), Sql("finished_at")),
            sql("id::text = {}", key) if key else Sql("true"),
            limit,
        )
    )
    return [
        DeadLetter(
            key=str(row["id"]),
            title=row["title"] or row["kind"],
            reason=row["error"],
            at=row["finished_at"],
            url=reverse("job", args=[row["id"]]),
            payload={"kind": row["kind"]} | {name: json.loads(row[name]) for name in ("payload", "cursor")},
        )
        for row in found
    ]


def retry_job(key: str, _by: User | None, _now: datetime) -> bool:
    """From where it stopped."""
    return jobs.retry(int(key))


FAILED_JOBS = deadletters.Kind(
    "job",
    _("Jobs that failed"),
    _("Read the reason, put it right, and try the job again: it goes on from where it stopped."),
    failed_jobs,
    retry_job,
)


# ---- figures for machines ----


def of_jobs(now: datetime) -> Iterable[Metric]:
    """Open jobs, by the index of open jobs."""
    open_jobs = "FROM kit_job WHERE state IN ('queued', 'running')"
    counted = dict(rows(Sql(f"SELECT state, count(*) {open_jobs} GROUP BY state")))
    since = value(Sql(f"SELECT min(created_at) {open_jobs} AND state = 'queued'"))
    states = {state.value: counted.get(state.value, 0) for state in jobs.OPEN}
    yield metrics.gauge("jobs", "Jobs that have not ended", label="state", of=states)
    yield metrics.gauge("job_oldest_waiting_seconds", "How long the oldest job has waited", _age(since, now))
    yield metrics.gauge(
        "dead_letters",
        f"What stopped for good and waits for a human, counted up to {deadletters.MOST} of a kind",
        label="kind",
        of=deadletters.counts(),
    )


def of_queues(now: datetime) -> Iterable[Metric]:
    """Queues and who takes from them."""
    found = queues_now(now)
    answers = all(queue.depth is not None for queue in found)
    yield metrics.gauge("broker_up", "Whether the broker answers; without it work waits for sweeps", float(answers))
    depths = {queue.name: queue.depth for queue in found if queue.depth is not None}
    yield metrics.gauge("queue_messages", "Messages in a queue of the broker", label="queue", of=depths)
    waiting = {queue.name: queue.waiting.total_seconds() for queue in found if queue.waiting}
    yield metrics.gauge("hint_oldest_seconds", "How long the oldest hint is under way", label="queue", of=waiting)
    taken = {queue.name: queue.workers for queue in found}
    yield metrics.gauge("workers", "Living workers that take from a queue", label="queue", of=taken)
    seen = {each.worker: _age(each.seen_at, now) or 0 for each in Heartbeat.objects.all()}
    yield metrics.gauge("heartbeat_age_seconds", "Since when a worker is silent", label="worker", of=seen)


def of_periodic_work(now: datetime) -> Iterator[Metric]:
    """The last turn of each kind of periodic work."""
    found = periodic.standings(now)
    ended = {
        each.work.name: _age(each.began_at + each.took, now) or 0
        for each in found
        if each.began_at is not None and each.took is not None
    }
    yield metrics.gauge(
        "periodic_age_seconds", "Since the end of the last turn of periodic work", label="work", of=ended
    )
    late = {each.work.name: float(each.is_late) for each in found}
    yield metrics.gauge("periodic_late", "Whether periodic work is late", label="work", of=late)
    failed = {each.work.name: float(bool(each.error)) for each in found}
    yield metrics.gauge("periodic_failed", "Whether the last turn failed", label="work", of=failed)


def of_database(_now: datetime) -> Iterable[Metric]:
    """Its size, and how many sessions there are."""
    size, sessions = rows(
        Sql(
            "SELECT pg_database_size(current_database()), "
            "(SELECT numbackends FROM pg_stat_database WHERE datname = current_database())"
        )
    )[0]
    yield metrics.gauge("database_bytes", "Size of the database", size)
    yield metrics.gauge("database_sessions", "Sessions in the database", sessions)


def _age(since: datetime | None, now: datetime) -> float | None:
    return max((now - since).total_seconds(), 0.0) if since else None


def register_all() -> None:
    """Name what the kit has to tell; `AppConfig.ready` calls it."""
    navigation.register(area="operations", label=_("System"), url_name="system", icon="activity", order=5)
    navigation.register(
        area="operations", label=_("Dead letters"), url_name="dead_letters", icon="mail-warning", order=15
    )
    registry.panel("urgent", _("System"), "kit/_warnings.html", warnings, order=0)
    deadletters.register(FAILED_JOBS)
    metrics.register("jobs", of_jobs)
    metrics.register("queues", of_queues)
    metrics.register("periodic", of_periodic_work)
    metrics.register("database", of_database)
    periodic.register(
        "sweep_jobs",
        _("Looking for waiting work"),
        _("Jobs that nobody holds are given to a worker, should their message be lost."),
        task="kit.tasks.sweep_jobs",
        every=timedelta(seconds=5),
    )
    periodic.register(
        "forget_old",
        _("Clearing away"),
        _("Old turns and hints go, and notes and tasks that were removed long ago."),
        task="kit.tasks.forget_old",
        every=timedelta(days=1),
        run=tasks.forget,
    )
