"""Signs of life: each worker process notes every few seconds that it is there, and a page reads who is.

Rows instead of Celery's own events: the embedded broker has no broadcast, and a dead broker should not hide workers.
"""

import logging
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import signals
from django.db import DatabaseError, connection
from django.db.models import QuerySet

from kit import leases
from kit.models import Heartbeat

EVERY = 10.0  # seconds
MISSED = timedelta(seconds=35)  # three beats not heard: taken for dead

logger = logging.getLogger(__name__)
_beating: dict[str, threading.Event] = {}


def beat(worker: str) -> None:
    """Note that this worker lives now, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_heartbeat (worker, started_at, seen_at) VALUES (%s, clock_timestamp(), clock_timestamp())
            ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at
            """,
            [worker],
        )


def stop(worker: str) -> None:
    """The worker left in good order: its row goes."""
    Heartbeat.objects.filter(worker=worker).delete()


def alive() -> QuerySet[Heartbeat]:
    """Workers heard of within the last three beats."""
    return Heartbeat.objects.filter(seen_at__gt=leases.until(-MISSED)).order_by("worker")


def forget(*, older_than: timedelta) -> int:
    """Delete rows of workers not heard of for so long."""
    return Heartbeat.objects.filter(seen_at__lt=leases.until(-older_than)).delete()[0]


@signals.worker_ready.connect
def _worker_ready(sender: Any, **_: Any) -> None:
    _keep_beating(sender.hostname)


@signals.beat_init.connect
def _beat_ready(**_: Any) -> None:
    _keep_beating(f"beat@{socket.gethostname()}")


@signals.worker_shutting_down.connect
def _worker_leaves(sender: str, **_: Any) -> None:
    if over := _beating.pop(sender, None):
        over.set()


def _keep_beating(worker: str) -> None:
    over = _beating[worker] = threading.Event()
    threading.Thread(target=_go_on, args=[worker, over], name="heartbeat", daemon=True).start()


def _go_on(worker: str, over: threading.Event) -> None:
    """Each beat opens and closes its connection, so that no pool process forked meanwhile inherits an open one."""
    while not over.is_set():
        _try(beat, worker)
        over.wait(EVERY)
    _try(stop, worker)


def _try(note: Callable[[str], object], worker: str) -> None:
    try:
        note(worker)
    except DatabaseError as error:
        logger.warning("no heartbeat of %s: %s", worker, error)
    finally:
        connection.close()
