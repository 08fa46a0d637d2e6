"""Tasks of the campaigns: each reads the clock and calls one verb."""

import time

from celery import shared_task
from django.utils import timezone

from campaigns import journeys, live

LONGEST = 60.0  # seconds that one task goes on; what still waits is found by the next


@shared_task
def advance() -> None:
    """Every two seconds: who is due goes on, and whoever is there at a launch enters."""
    until = time.monotonic() + LONGEST
    live.begin(timezone.now())
    while journeys.run_once(timezone.now()) and time.monotonic() < until:
        pass
