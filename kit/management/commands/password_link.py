"""Prints a link by which a user chooses a new password: for whoever runs the server, when no mail arrives."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit import access, addresses, audit, links
from kit.management.commands.first_administrator import told
from kit.models import User


class Command(BaseCommand):
    help = "Print a link, for one use, by which a user chooses a password. Exit code 1 when there is no such user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="by which the user signs in")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, email: str, as_json: bool, **options: Any) -> None:
        user = User.objects.filter(email=addresses.email(email)).first()
        if user is None:
            raise CommandError(f"Nobody here signs in as {email}.")
        try:
            user = access.send_link(user, by=None, actor=audit.COMMAND, now=timezone.now())
        except access.Refused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(told(links.password(user), user.email, links.in_words(links.lasts(user)), as_json=as_json))
