"""Signs of life: each worker process notes every few seconds that it is there, and a page reads who is.

Rows instead of Celery's own events: the embedded broker has no broadcast, and a dead broker should not hide workers.
"""

import logging
import threading
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models import QuerySet

from kit import leases
from kit.models import Heartbeat

EVERY = 10.0  # seconds
MISSED = timedelta(seconds=35)  # three beats not heard: taken for dead

logger = logging.getLogger(__name__)


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


def keep_beating(worker: str) -> threading.Event:
    """Beat from a thread of this process until the returned event is set.

    Each beat opens and closes its connection, so that no pool process forked meanwhile inherits an open one.
    """
    over = threading.Event()

    def go_on() -> None:
        while True:
            _beat_once(worker)
            if over.wait(EVERY):
                break

    threading.Thread(target=go_on, name="heartbeat", daemon=True).start()
    return over


def _beat_once(worker: str) -> None:
    try:
        beat(worker)
    except DatabaseError as error:
        logger.warning("no heartbeat of %s: %s", worker, error)
    finally:
        connection.close()
