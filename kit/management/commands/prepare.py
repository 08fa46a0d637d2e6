"""Makes an installation ready to serve: tables, defaults, static files, and its first user."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from kit import access, heartbeats, hints, installation
from kit.models import User
from kit.registry import registry


class Command(BaseCommand):
    help = "Migrate, write missing defaults, collect static files; safe to repeat, and needed after each update."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", metavar="EMAIL", help="make this administrator unless there is one of that name")
        parser.add_argument("--password-file", type=Path, help="where that user's first password stands")

    def handle(self, *args: Any, user: str | None, password_file: Path | None, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        installation.ensure_defaults()
        now = timezone.now()
        for make in registry.defaults:
            make(now)
        call_command("collectstatic", interactive=False, verbosity=0)
        heartbeats.forget(older_than=heartbeats.MISSED)  # of workers that ran before, perhaps elsewhere
        if settings.EMBEDDED_BROKER:
            hints.forget()  # that broker starts empty, so nothing is under way
        if user and password_file:
            self._ensure_user(user, password_file.read_text().strip())
        if not access.anybody():
            self.stdout.write(
                "Nobody can sign in yet. Make the first administrator: manage.py first_administrator EMAIL"
            )

    def _ensure_user(self, email: str, password: str) -> None:
        existing = User.objects.filter(email=email).first()
        if existing is None:
            User.objects.create_superuser(email, password)
        elif not existing.check_password(password):
            self.stdout.write(f"{email} exists, and the password is another.")
