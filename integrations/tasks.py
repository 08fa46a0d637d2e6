"""Tasks of integrations: each reads the clock and calls one verb."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from integrations.webhooks import delivering
from kit import hints, periodic

LONGEST = 50.0  # seconds that one task goes on; what still waits is found by the next


@shared_task
def forget_changes() -> None:
    """Once a day: notes of changes that no cursor asks for any more."""
    periodic.turn("forget_changes", timezone.now())


@shared_task
def forget_deliveries() -> None:
    """Once a day: what webhooks were told long ago."""
    periodic.turn("forget_deliveries", timezone.now())


@shared_task
def deliver() -> None:
    """Every two seconds: webhooks are told what happened. Any number may run at once."""
    with periodic.noted("deliver"):
        delivering.run_all(timezone.now, longest=LONGEST)


@hints.task()
def deliver_now(_target: int, _now: datetime) -> None:
    """Somebody waits for a delivery: it leaves at once."""
    delivering.run_all(timezone.now, longest=LONGEST)
