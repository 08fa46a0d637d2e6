"""Compares the ledger with what is stored beside it, and names whatever differs."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from reporting import integrity


class Command(BaseCommand):
    help = (
        "Compare memberships, movements and the tables of reports of every lifecycle, and name whatever differs. "
        "Exit code 0 when all of it agrees, 1 when something is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        checks = integrity.run_all(timezone.now())
        found = sum(check.found for check in checks)
        if options["json"]:
            told = {
                check.lifecycle.slug: {
                    "memberships": check.memberships,
                    "movements": check.movements,
                    "found": check.found,
                    "findings": check.findings,
                }
                for check in checks
            }
            self.stdout.write(json.dumps({"found": found, "lifecycles": told}))
        else:
            self._tell(checks)
        if found:
            sys.exit(1)

    def _tell(self, checks: list[Any]) -> None:
        for check in checks:
            verdict = f"{check.found} findings" if check.found else "all of it agrees"
            self.stdout.write(
                f"{check.lifecycle.slug}: {check.memberships} memberships, {check.movements} movements: {verdict}"
            )
            for finding in check.findings:
                self.stdout.write(f"  {finding['what']}: {finding['where']}. {finding['words']}")
        if not checks:
            self.stdout.write("There is no lifecycle yet: publish one first.")
