"""Scores everybody again, by one model or by all; or says what the scores were at a past instant."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from audience import live
from kit import jobs, progress
from kit.models import Job
from scoring import previewing, running, versions
from scoring.models import ScoringModel


class Command(BaseCommand):
    help = "Score everybody again by one model (or by all) and write what differs; with --as-of only say what was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", nargs="?", help="the short name of one scoring model; all of them without it")
        parser.add_argument(
            "--as-of", type=date.fromisoformat, metavar="DAY", help="say what the scores were as that day began"
        )
        parser.add_argument("--json", action="store_true", help="print a line of JSON for each model")

    def handle(self, *args: Any, **options: Any) -> None:
        models = ScoringModel.objects.order_by("slug")
        if options["model"]:
            models = models.filter(slug=options["model"])
            if not models:
                self.refuse(f"There is no scoring model “{options['model']}”.")
        for model in models:
            told = self.as_of(model, options["as_of"]) if options["as_of"] else self.rescore(model)
            line = {"model": model.slug, **told}
            self.stdout.write(json.dumps(line) if options["json"] else "  ".join(f"{k} {v}" for k, v in line.items()))

    def as_of(self, model: ScoringModel, day: date) -> dict[str, Any]:
        """The distribution as the local day began."""
        return previewing.as_of(model, versions.effective_from(day))

    def rescore(self, model: ScoringModel) -> dict[str, Any]:
        job = jobs.see_through(running.ask(model, by=None, now=timezone.now()), timezone.now)
        if job.state != Job.State.DONE:
            self.refuse(job.error or str(job.get_state_display()))
        at = timezone.now() + live.INSTANT
        return {
            **_figures(job.result),
            **{key: value for key, value in previewing.as_of(model, at).items() if key != "scored"},
        }

    def refuse(self, reason: str) -> None:
        self.stderr.write(reason)
        sys.exit(1)


def _figures(result: dict[str, Any]) -> dict[str, Any]:
    """What the job has counted, without where its page is."""
    return {name: value for name, value in result.items() if name != progress.LINK}
