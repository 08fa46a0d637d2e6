"""Tasks of reporting: each reads the clock and calls one verb."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from kit import hints, periodic
from lifecycle.models import Lifecycle
from reporting import filling


@shared_task
def fill_reports() -> None:
    """Twice a minute: what moved since is in the figures."""
    periodic.turn("fill_reports", timezone.now())


@hints.task()
def fill_lifecycle(lifecycle_id: int, now: datetime) -> None:
    """One lifecycle at once, because somebody is looking at it."""
    for lifecycle in Lifecycle.objects.filter(pk=lifecycle_id):
        filling.fill(lifecycle, now=now)


@shared_task
def check_ledgers() -> None:
    """Once a day: everything that the ledger page shows."""
    periodic.turn("check_ledgers", timezone.now())
