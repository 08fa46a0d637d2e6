"""Wake-up calls for workers: a hint saves waiting for the next sweep, and losing one loses nothing.

Rows are the truth. A dead or hung broker must neither delay nor fail the request that saved them, so a hint is sent
once, after commit, with half a second at most, and after a failure this process stays silent for a while.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from celery import current_app, shared_task
from django.db import connection, transaction
from django.utils import timezone

from kit import origin, queues
from kit.models import Hint

SILENCE = 30.0  # seconds without another attempt after one that failed
FORGOTTEN = timedelta(seconds=60)  # a hint that has not arrived by then is taken for lost, and may be sent again

HEADER = "perennial_request"  # of the message that carries a hint

logger = logging.getLogger(__name__)
_silent_until = 0.0


def later(task: str, target: int) -> None:
    """Have a worker call the task with this id soon after commit. At most one hint per (task, id) is under way."""
    request_id = origin.request_id()
    transaction.on_commit(lambda: _send(task, target, request_id), robust=True)


def task(**options: Any) -> Callable[[Callable[[int, datetime], object]], Any]:
    """Make a task of `work(id, now)`: it notes that the hint arrived, so that the next may go, and reads the clock.

    What it does goes back to the request that sent the hint.
    """

    def made(work: Callable[[int, datetime], object]) -> Any:
        @wraps(work)
        def arrived(target: int) -> None:
            Hint.objects.filter(task=celery_task.name, target=target).delete()
            with origin.following(_asked_by(celery_task)):
                work(target, timezone.now())

        celery_task = shared_task(**options)(arrived)
        return celery_task

    return made


def forget(*, older_than: timedelta | None = None) -> int:
    """Drop what is noted as under way: all of it when the broker was emptied, or what is older than that."""
    with connection.cursor() as cursor:
        age = str(older_than or timedelta(0))
        cursor.execute("DELETE FROM kit_hint WHERE sent_at <= clock_timestamp() - %s::interval", [age])
        return cursor.rowcount


def _asked_by(celery_task: Any) -> str:
    return origin.read((celery_task.request.headers or {}).get(HEADER))


def _send(task: str, target: int, request_id: str) -> None:
    global _silent_until
    if time.monotonic() < _silent_until or not _is_first(task, target):
        return
    try:
        with queues.impatiently() as broker:
            headers = {HEADER: request_id} if request_id else None
            current_app.send_task(
                task, args=[target], headers=headers, connection=broker, retry=False, ignore_result=True
            )
    except Exception as error:  # whatever a broker client raises: the sweep finds the rows
        logger.warning("the broker does not answer, so %s(%s) waits for the sweep: %s", task, target, error)
        _silent_until = time.monotonic() + SILENCE
        Hint.objects.filter(task=task, target=target).delete()


def _is_first(task: str, target: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO kit_hint AS hint (task, target, sent_at) VALUES (%s, %s, clock_timestamp())
            ON CONFLICT (task, target) DO UPDATE SET sent_at = excluded.sent_at
            WHERE hint.sent_at < clock_timestamp() - %s::interval
            """,
            [task, target, str(FORGOTTEN)],
        )
        return bool(cursor.rowcount)
