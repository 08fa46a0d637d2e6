"""Publishes a lifecycle file (or a playbook by name) with its history replayed."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from kit import jobs
from kit.models import Job
from lifecycle.editions import documents, versions


class Command(BaseCommand):
    help = "Draft a lifecycle from a YAML file or a playbook, check it, and publish it with its history replayed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        names = ", ".join(path.stem for path in sorted(documents.PLAYBOOKS.glob("*.yaml")))
        parser.add_argument("file", help=f"a YAML file, or one of the playbooks: {names}")
        parser.add_argument("--dry-run", action="store_true", help="say what the replay would do, and do nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        if not path.exists():
            path = documents.PLAYBOOKS / f"{options['file']}.yaml"
        if not path.exists():
            self.refuse([f"There is no file and no playbook “{options['file']}”."])
        now = timezone.now()
        try:
            version = versions.draft(documents.parse(path.read_text()), by=None, now=now)
            ask = versions.preview if options["dry_run"] else versions.publish
            job = ask(version, by=None, now=now)
        except documents.DocumentError as error:
            self.refuse([str(error)])
        except versions.PublishRefused as refused:
            self.refuse(refused.problems)
        done = jobs.see_through(job, timezone.now)
        if done.state != Job.State.DONE:
            self.refuse([done.error or str(done.get_state_display())])
        if options["dry_run"]:
            version.refresh_from_db()
            versions.discard(version, by=None, now=now)
        result = {"lifecycle": version.lifecycle.slug, "version": version.number, **done.result}
        self.stdout.write(json.dumps(result) if options["json"] else f"{version}: {done.result['movements']} movements")

    def refuse(self, reasons: list[str]) -> None:
        for reason in reasons:
            self.stderr.write(reason)
        sys.exit(1)
