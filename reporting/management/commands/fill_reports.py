"""Brings the tables that reports read up to the ledger."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reporting import filling


class Command(BaseCommand):
    help = "Bring the tables that reports read up to the ledger, for every lifecycle. Safe to repeat and to interrupt."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        filled = filling.fill_all(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps({slug: asdict(each) for slug, each in filled.items()}))
            return
        for slug, each in filled.items():
            self.stdout.write(f"{slug}: {each.memberships} memberships looked at, {each.days} days counted again")
        if not filled:
            self.stdout.write("There is no lifecycle yet: publish one first.")
