"""Tasks of integrations: each reads the clock and calls one verb."""

from celery import shared_task
from django.utils import timezone

from kit import periodic


@shared_task
def forget_changes() -> None:
    """Once a day: notes of changes that no cursor asks for any more."""
    periodic.turn("forget_changes", timezone.now())
