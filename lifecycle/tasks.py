"""Tasks of lifecycles: each reads the clock and calls one verb."""

from celery import shared_task
from django.utils import timezone

from kit import periodic


@shared_task
def take_in_partners() -> None:
    """Every minute: who has applied, and which steps were taken."""
    periodic.turn("take_in_partners", timezone.now())


@shared_task
def hand_over() -> None:
    """Every few seconds: hand-offs find their receivers, fall due and come back."""
    periodic.turn("hand_over", timezone.now())


@shared_task
def hand_over_again() -> None:
    """Every minute: what waits in a queue finds whoever has become free."""
    periodic.turn("hand_over_again", timezone.now())


@shared_task
def measure_stays() -> None:
    """Once a day: how long stays usually last, by which it is told who is stuck."""
    periodic.turn("measure_stays", timezone.now())
