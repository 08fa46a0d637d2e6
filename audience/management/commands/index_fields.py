"""Bring the indexes of custom fields in line with what is marked as searchable, by an account that may."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audience.subjects import searchable


class Command(BaseCommand):
    """Safe to repeat; nobody who writes waits for it."""

    help = "Make and drop the indexes of searchable custom fields."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(f"{searchable.bring_up(concurrently=True)} changed")
        except searchable.NotAllowed as refused:
            raise CommandError(str(refused)) from refused
