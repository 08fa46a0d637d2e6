"""Publishes a scoring file: everybody is scored by it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from kit import jobs, progress, yamlfiles
from kit.models import Job
from scoring import documents, previewing, versions


class Command(BaseCommand):
    help = "Draft a scoring model from a YAML file, check it, publish it, and score everybody by it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a YAML file")
        parser.add_argument(
            "--effective-from", type=date.fromisoformat, metavar="DAY", help="in force from this day on (2026-03-31)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what the scores would be, and do nothing")
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            document = documents.parse(options["file"].read_text(encoding="utf-8-sig"))
            if options["effective_from"]:
                document["effective_from"] = options["effective_from"].isoformat()
                yamlfiles.day(document["effective_from"], "--effective-from")
            if options["dry_run"]:
                self.tell(self.preview(document, now), options)
                return
            version = versions.draft(document, by=None, now=now)
            job = versions.publish(version, by=None, now=now)
        except (OSError, UnicodeDecodeError, yamlfiles.DocumentError) as error:
            self.refuse([str(error)])
        except versions.Refused as refused:
            self.refuse(refused.problems)
        done = jobs.see_through(job, timezone.now)
        if done.state != Job.State.DONE:
            self.refuse([done.error or str(done.get_state_display())])
        self.tell({"model": version.model.slug, "version": version.number, **_figures(done.result)}, options)

    def preview(self, document: dict[str, Any], now: Any) -> dict[str, Any]:
        """What the scores would be, from a draft that is taken back."""
        with transaction.atomic():
            version = versions.draft(document, by=None, now=now)
            if found := versions.problems(version):
                raise versions.Refused(found)
            told = previewing.summary(version, now=now)
            transaction.set_rollback(True)
        return {"model": document["model"], "version": version.number, **told}

    def tell(self, result: dict[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            self.stdout.write("  ".join(f"{name} {value}" for name, value in result.items()))

    def refuse(self, reasons: list[str]) -> None:
        for reason in reasons:
            self.stderr.write(reason)
        sys.exit(1)


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    """What the job has counted, without where its page is."""
    return {name: value for name, value in result.items() if name != progress.LINK}
