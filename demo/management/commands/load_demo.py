"""Brings the demo company in: manage.py load_demo [--seed N] [--end DATE] [--by EMAIL] [--ask] [--json]."""

from __future__ import annotations

import json
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from demo import building, loading
from kit import jobs
from kit.models import Job, User

LOOK = 0.25  # seconds between two looks at the job


class Command(BaseCommand):
    help = "Bring Marlow Creek Instruments in, a fictional company with two years of history, by the product's imports."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=building.SEED, help="another company of the same figures")
        parser.add_argument("--end", type=date.fromisoformat, help="the day on which its history ends (today)")
        parser.add_argument("--by", metavar="EMAIL", help="the user by whose password two of its salespeople sign in")
        parser.add_argument("--ask", action="store_true", help="leave the work to the workers, and return at once")
        parser.add_argument("--json", action="store_true", help="answer with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        end = options["end"] or loading.today(now)
        try:
            job = loading.start(seed=options["seed"], end=end, by=self._user(options), now=now)
        except loading.Refused as refusal:
            self._refuse(str(refusal), options)
        if options["ask"]:
            self.stdout.write(f"Job {job.pk} brings it in.")
            return
        with self._shown(job.pk, quiet=options["json"]):
            job = jobs.see_through(job, timezone.now)
        if job.state != Job.State.DONE:
            self._refuse(job.error or str(job.get_state_display()), options)
        answer = {"state": "done", **job.payload, **job.result, "steps": job.cursor}
        self.stdout.write(json.dumps(answer) if options["json"] else f"Done in {job.result['seconds']} s.")

    def _user(self, options: dict[str, Any]) -> User | None:
        if not options["by"]:
            return None
        found = User.objects.filter(email__iexact=options["by"], is_active=True).first()
        if found is None:
            self._refuse(f"Nobody signs in as {options['by']}.", options)
        return found

    @contextmanager
    def _shown(self, job_id: int, *, quiet: bool) -> Iterator[None]:
        """A line for each step, written by a thread that looks at the job's row."""
        over = threading.Event()

        def tell() -> None:
            said, began = "", time.monotonic()
            try:
                while not over.wait(LOOK):
                    phase = Job.objects.values_list("phase", flat=True).get(pk=job_id)
                    if phase != said:
                        self.stderr.write(f"{time.monotonic() - began:6.1f} s  {phase} …")
                        said = phase
            finally:
                connection.close()

        thread = threading.Thread(target=tell, daemon=True)
        if not quiet:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if not quiet:
                thread.join()

    def _refuse(self, message: str, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"state": "refused", "detail": message}, ensure_ascii=False))
            raise SystemExit(1)
        raise CommandError(message, returncode=1)
