"""Makes a key of the REST API and prints its secret, once."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations import keys
from kit.models import User


class Command(BaseCommand):
    help = "Make a key of the REST API and print its secret, which is told this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what uses it, for example “warehouse sync”")
        parser.add_argument(
            "--scopes",
            nargs="+",
            required=True,
            metavar="SCOPE",
            help=f"“all”, or some of: {', '.join(keys.all_scopes())}",
        )
        parser.add_argument(
            "--user", metavar="EMAIL", help="whose rights it has; else the first active administrator's"
        )
        parser.add_argument("--days", type=int, help="after which it expires; else never")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        scopes = keys.all_scopes() if options["scopes"] == ["all"] else options["scopes"]
        expires_at = now + timedelta(days=options["days"]) if options["days"] is not None else None
        try:
            key, secret = keys.make(
                options["name"], scopes, user=self._user(options["user"]), by=None, now=now, expires_at=expires_at
            )
        except (keys.Refused, OverflowError) as refused:
            raise CommandError(str(refused)) from None
        if options["json"]:
            self.stdout.write(
                json.dumps({"name": key.name, "key": secret, "scopes": key.scopes, "user": key.user.email})
            )
        else:
            self.stdout.write(secret)

    def _user(self, email: str | None) -> User:
        active = User.objects.filter(is_active=True)
        found = active.filter(email=email) if email else active.filter(role=User.Role.ADMIN)
        user = found.order_by("pk").first()
        if user is None:
            raise CommandError("No active user is called that." if email else "There is no administrator yet.")
        return user
