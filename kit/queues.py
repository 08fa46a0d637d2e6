"""The broker's queues: which there are, how full they are, whether the broker answers at all.

Its messages are hints, so nothing here is needed for anything to be done; it tells how quickly it will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Min
from kombu.exceptions import ChannelError

from kit.models import Hint

PATIENCE = 0.5  # seconds a broker may take to answer


def names() -> list[str]:
    """The queues that work is sent to, the one of everything else first."""
    routes = settings.CELERY_TASK_ROUTES.values()
    return list(dict.fromkeys([settings.CELERY_TASK_DEFAULT_QUEUE, *(route["queue"] for route in routes)]))


def of_task(task: str) -> str:
    """The queue that a task is sent to."""
    return str(settings.CELERY_TASK_ROUTES.get(task, {}).get("queue", settings.CELERY_TASK_DEFAULT_QUEUE))


def impatient(transport: Any) -> dict[str, Any]:
    """Options that keep a hung broker from being waited for.

    Redis alone has sockets to wait for; the folder of the embedded broker answers at once.
    """
    if transport != "redis":
        return {}
    return {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "max_retries": 0, "retry_on_timeout": False}


@contextmanager
def impatiently() -> Iterator[Any]:
    """A connection to the broker that gives up soon."""
    with current_app.connection_for_write() as broker:
        broker.transport_options = {**(broker.transport_options or {}), **impatient(broker.transport_cls)}
        yield broker


def depths() -> dict[str, int] | None:
    """How many messages lie in each queue; None when the broker does not answer."""
    try:
        with impatiently() as broker:
            channel = broker.default_channel
            return {name: _depth(channel, name) for name in names()}
    except Exception:  # whatever a broker client raises
        return None


def oldest_hints() -> dict[str, datetime]:
    """By queue, since when the oldest hint has been under way."""
    found: dict[str, datetime] = {}
    for task, since in Hint.objects.values_list("task").annotate(Min("sent_at")):
        queue = of_task(task)
        found[queue] = min(since, found.get(queue, since))
    return found


def _depth(channel: Any, name: str) -> int:
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except ChannelError:  # nothing was ever sent to it, or it is empty
        return 0
