"""Tasks of lifecycles: each reads the clock and calls one verb."""

from celery import shared_task
from django.utils import timezone

from kit import periodic


@shared_task
def measure_stays() -> None:
    """Once a day: how long stays usually last, by which it is told who is stuck."""
    periodic.turn("measure_stays", timezone.now())
