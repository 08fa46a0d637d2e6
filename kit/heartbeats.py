"""Signs of life: each worker process notes every few seconds that it is there, and a page reads who is.

Rows instead of Celery's own events: the embedded broker has no broadcast, and a dead broker should not hide workers.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery import signals
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from kit import audit, leases
from kit.models import Heartbeat, User

EVERY = 10.0  # seconds
MISSED = timedelta(seconds=35)  # three beats not heard: taken for dead

logger = logging.getLogger(__name__)
_beating: dict[str, threading.Event] = {}


def beat(worker: str, queues: str = "", alive_for: timedelta = timedelta(0)) -> None:
    """Note that this worker lives now, by the database's clock; `queues` it takes from, parted by spaces."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_heartbeat (worker, queues, started_at, seen_at)
            VALUES (%s, %s, clock_timestamp() - %s::interval, clock_timestamp())
            ON CONFLICT (worker) DO UPDATE
            SET queues = excluded.queues, started_at = excluded.started_at, seen_at = excluded.seen_at
            """,
            [worker, queues[:200], str(alive_for)],
        )


def stop(worker: str) -> None:
    """The worker left in good order: its row goes."""
    Heartbeat.objects.filter(worker=worker).delete()


def alive() -> QuerySet[Heartbeat]:
    """Workers heard of within the last three beats."""
    return Heartbeat.objects.filter(seen_at__gt=leases.until(-MISSED)).order_by("worker")


def silent() -> QuerySet[Heartbeat]:
    """Workers that did not say good-bye and have not been heard of since: killed, hung, or without the database."""
    return Heartbeat.objects.filter(seen_at__lte=leases.until(-MISSED)).order_by("worker")


def dismiss(worker: str, *, by: User | None, now: datetime) -> bool:
    """Somebody knows that a silent worker will not come back. False when it is not silent."""
    with transaction.atomic():
        gone = silent().filter(worker=worker).delete()[0]
        if gone:
            audit.record("worker.dismiss", worker, by=by, now=now)
    return bool(gone)


def forget(*, older_than: timedelta) -> int:
    """Delete rows of workers not heard of for so long."""
    return Heartbeat.objects.filter(seen_at__lt=leases.until(-older_than)).delete()[0]


@signals.worker_ready.connect
def _worker_ready(sender: Any, **_: Any) -> None:
    _keep_beating(sender.hostname, " ".join(sender.app.amqp.queues.consume_from))


@signals.beat_init.connect
def _beat_ready(**_: Any) -> None:
    _keep_beating(f"beat@{socket.gethostname()}")


@signals.worker_shutting_down.connect
def _worker_leaves(sender: str, **_: Any) -> None:
    if over := _beating.pop(sender, None):
        over.set()


def _keep_beating(worker: str, queues: str = "") -> None:
    over = _beating[worker] = threading.Event()
    threading.Thread(target=_go_on, args=[worker, queues, over], name="heartbeat", daemon=True).start()


def _go_on(worker: str, queues: str, over: threading.Event) -> None:
    """Each beat opens and closes its connection, so that no pool process forked meanwhile inherits an open one."""
    began = time.monotonic()
    while not over.is_set():
        _try(worker, lambda: beat(worker, queues, timedelta(seconds=time.monotonic() - began)))
        over.wait(EVERY)
    _try(worker, lambda: stop(worker))


def _try(worker: str, note: Callable[[], object]) -> None:
    try:
        note()
    except DatabaseError as error:
        logger.warning("no heartbeat of %s: %s", worker, error)
    finally:
        connection.close()
