"""Tasks of the audience: each reads the clock and calls one verb."""

import time

from celery import shared_task
from django.utils import timezone

from audience import live
from kit import periodic

LONGEST = 60.0  # seconds that one task goes on; what still waits is found by the next


@shared_task
def judge() -> None:
    """Every few seconds: whoever was marked is judged. Each batch by the clock as it then is."""
    until = time.monotonic() + LONGEST
    with periodic.noted("judge"):
        while live.run_once(timezone.now()) and time.monotonic() < until:
            pass


@shared_task
def tell_time() -> None:
    """Every minute, and so at once after midnight: whom time alone changes."""
    periodic.turn("tell_time", timezone.now())


@shared_task
def start_imports() -> None:
    """Every minute: the scheduled imports that are due."""
    periodic.turn("start_imports", timezone.now())


@shared_task
def look_again() -> None:
    """Every night: what was written about somebody while they were being erased."""
    periodic.turn("look_again", timezone.now())


@shared_task
def measure_readiness() -> None:
    """Every night: how complete every field is."""
    periodic.turn("measure_readiness", timezone.now())


@shared_task
def find_duplicates() -> None:
    """Every night: who may be one and the same."""
    periodic.turn("find_duplicates", timezone.now())


@shared_task
def forget_strangers() -> None:
    """Every night: what strangers looked at long ago, and what was refused."""
    periodic.turn("forget_strangers", timezone.now())
