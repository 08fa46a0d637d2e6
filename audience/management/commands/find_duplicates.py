"""Looks for people and accounts that may be one and the same, in this process: manage.py find_duplicates."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from audience.merging import duplicates
from audience.models import Duplicate


class Command(BaseCommand):
    help = "Look for people and accounts that may be one and the same; they wait on the page Duplicates."

    def handle(self, *args: Any, **options: Any) -> None:
        waiting = duplicates.find(timezone.now())
        people = Duplicate.objects.filter(state=Duplicate.State.OPEN, of="person").count()
        self.stdout.write(f"{waiting} pairs wait to be looked at: {people} of people, {waiting - people} of accounts.")
