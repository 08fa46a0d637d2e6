"""Makes the first administrator of a server, and prints the link by which they choose their password."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit import access, links


class Command(BaseCommand):
    help = (
        "Make the first administrator, and print a link that works once for choosing a password. "
        "Asked again it gives a new link, until that password is chosen. Exit code 1 when somebody administers already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="by which the administrator signs in")
        parser.add_argument("--name", default="", help="what the administrator is called")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def handle(self, *args: Any, email: str, name: str, as_json: bool, **options: Any) -> None:
        try:
            user = access.first_administrator(email, name=name, now=timezone.now())
        except access.Refused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(told(links.password(user), user.email, links.in_words(links.lasts(user)), as_json=as_json))


def told(link: str, email: str, lasts: str, *, as_json: bool) -> str:
    """The link as a command prints it."""
    if as_json:
        return json.dumps({"email": email, "link": link, "lasts": lasts})
    return f"{email} chooses a password with this link. It works once, within {lasts}:\n\n  {link}\n"
