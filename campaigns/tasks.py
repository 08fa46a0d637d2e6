"""Tasks of the campaigns: each reads the clock and calls one verb."""

import os
import socket
import time
from datetime import datetime

from celery import shared_task
from django.utils import timezone

from campaigns import journeys, live, sending
from kit import hints, periodic

LONGEST = 60.0  # seconds that one task goes on; what still waits is found by the next


@shared_task
def advance() -> None:
    """Every two seconds: who is due goes on, and whoever is there at a launch enters."""
    until = time.monotonic() + LONGEST
    with periodic.noted("advance"):
        live.begin(timezone.now())
        while journeys.run_once(timezone.now()) and time.monotonic() < until:
            pass


@shared_task
def send() -> None:
    """Every two seconds: what is due leaves. Any number may run at once."""
    with periodic.noted("send"):
        _send(timezone.now())


@hints.task()
def send_now(_target: int, now: datetime) -> None:
    """Somebody waits for a message: it leaves at once."""
    _send(now)


def _send(now: datetime) -> None:
    until = time.monotonic() + LONGEST
    sending.notify(now)
    while sending.run_once(timezone.now(), owner=owner()) and time.monotonic() < until:
        pass


@shared_task
def sweep_messages() -> None:
    """What workers that are gone have left."""
    with periodic.noted("sweep_messages"):
        sending.sweep(timezone.now())


def owner() -> str:
    """Who claims in this process."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}"
