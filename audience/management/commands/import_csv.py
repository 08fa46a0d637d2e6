"""Brings a file in, in this process, and says what became of its rows: manage.py import_csv KIND FILE.

Exit codes: 0 done (rejected rows are told, and are no failure), 1 refused, failed or cancelled, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from audience import importing
from audience.importing import saved
from audience.models import Import
from kit import jobs, progress
from kit.models import Job
from kit.registry import registry

ANY = "any"
LOOK = 0.5  # seconds between two looks at the job
REJECTS_SHOWN = 10


class Command(BaseCommand):
    help = "Bring a CSV file in (or a .csv.gz, a workbook .xlsx, a ZIP of CSV files): people, accounts, activities …"

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = [ANY, *sorted(registry.import_kinds)]
        parser.add_argument("kind", choices=kinds, help=f"what the rows are; {ANY}: found out from the columns")
        parser.add_argument("file", type=Path, help="the file")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="correct the guess: this column is that field; COLUMN= leaves it out; FIELD==VALUE is a fixed value",
        )
        parser.add_argument("--mapping", default="", metavar="NAME", help="read it by the mapping kept under this name")
        parser.add_argument("--only", action="store_true", help="bring in nothing but what --map says")
        parser.add_argument("--sheet", default="", help="of a workbook, or a file of an archive; else the first")
        parser.add_argument("--source", default="file", help="the system that the file is from (default: file)")
        parser.add_argument("--policy", choices=Import.Policy.values, default=Import.Policy.UPSERT)
        parser.add_argument("--dry-run", action="store_true", help="say what would become of the rows, write nothing")
        parser.add_argument("--json", action="store_true", help="answer with one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.is_file():
            raise CommandError(f"There is no file {file}.", returncode=2)
        if options["mapping"] and (options["map"] or options["only"]):
            raise CommandError("--mapping says what --map and --only would say; give one of them.", returncode=2)
        now = timezone.now()
        kept = None
        kind = "" if options["kind"] == ANY else options["kind"]
        try:
            if options["mapping"]:
                kept = saved.named(options["mapping"])
                kind = kept.kind
            source = kept.source if kept else options["source"]
            imported = importing.upload(file, kind, source=source, by=None, now=now, sheet=options["sheet"])
        except importing.Refused as refusal:
            self._refuse(refusal.code, refusal.message, options)
        try:
            found = importing.guessed(imported)
            if kept is not None:
                saved.begin(imported, kept, dry_run=options["dry_run"], by=None, now=now)
                told = imported.mapping["columns"]
            else:
                told = _mapping({} if options["only"] else found.mapping, options["map"], imported.header)
                importing.begin(
                    imported, mapping=told, policy=options["policy"], dry_run=options["dry_run"], by=None, now=now
                )
        except (importing.Refused, CommandError) as refusal:
            importing.discard(imported)
            if isinstance(refusal, CommandError):
                raise
            self._refuse(refusal.code, refusal.message, options)
        notes = [*imported.mapping["options"].get("notes", []), *found.notes]
        left_out = [column for column in imported.header if column not in told]
        if not options["json"]:
            self._tell_mapping(told, left_out, notes)
        job = self._work(imported, now, quiet=options["json"])
        if job.state != Job.State.DONE:
            self._refuse(job.state, job.error or f"The job is {job.get_state_display()}.", options)
        imported.refresh_from_db()
        self._tell(imported, told, left_out, notes, options)

    def _work(self, imported: Import, now: Any, *, quiet: bool) -> Job:
        job_id = imported.job_id
        assert job_id is not None  # begin() made it
        try:
            with self._shown(job_id, quiet=quiet):
                jobs.run(job_id, now)
                # A worker may have been quicker: then it is only left to wait for it.
                while (job := Job.objects.get(pk=job_id)).state in jobs.OPEN:
                    time.sleep(LOOK)
                    jobs.run(job_id, now)
        except KeyboardInterrupt:
            jobs.cancel(job_id)
            raise CommandError("Cancelled. What was written stays; the rest is not.", returncode=1) from None
        return job

    @contextmanager
    def _shown(self, job_id: int, *, quiet: bool) -> Iterator[None]:
        """A bar on a terminal, a line per phase elsewhere, drawn by a thread that looks at the job's row."""
        if quiet:
            yield
            return
        over = threading.Event()

        def draw() -> None:
            said = ""
            try:
                while not over.wait(LOOK):
                    line = _line(Job.objects.get(pk=job_id))
                    if self.stderr.isatty():
                        self.stderr.write(f"\r\033[K{line}", ending="")
                    elif (phase := line.partition(" ")[0]) != said:
                        said = phase
                        self.stderr.write(line)
            finally:
                connection.close()

        thread = threading.Thread(target=draw, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            if self.stderr.isatty():
                self.stderr.write("\r\033[K", ending="")

    def _tell_mapping(self, told: dict[str, list[str]], left_out: Sequence[str], notes: Sequence[str]) -> None:
        for column, fields in told.items():
            self.stdout.write(f"  {column} → {', '.join(fields)}")
        if left_out:
            self.stdout.write(f"  left out: {', '.join(left_out)}")
        for note in notes:
            self.stdout.write(f"  note: {note}")

    def _tell(
        self,
        imported: Import,
        told: dict[str, list[str]],
        left_out: list[str],
        notes: list[str],
        options: dict[str, Any],
    ) -> None:
        if options["json"]:
            answer = {
                "import": imported.pk, "state": "done", "kind": imported.kind, "file": imported.file_name,
                "dry_run": imported.dry_run, **importing.counts_of(imported), "mapping": told,
                "unknown_columns": left_out, "notes": notes,
            }  # fmt: skip
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
            return
        if imported.dry_run:
            self.stdout.write("Dry run, nothing was written. It would be:")
        self.stdout.write(
            ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in importing.counts_of(imported).items())
        )
        for reject in imported.rejects.order_by("row")[:REJECTS_SHOWN]:
            where = f"row {reject.row}, “{reject.column}”" if reject.column else f"row {reject.row}"
            self.stdout.write(f"  rejected {where}: {reject.reason}")
        if (more := imported.counts["rejected"] - REJECTS_SHOWN) > 0:
            self.stdout.write(f"  … and {more} more; the page of import {imported.pk} has them as a file")

    def _refuse(self, code: str, message: str, options: dict[str, Any]) -> NoReturn:
        if options["json"]:
            self.stdout.write(json.dumps({"state": "refused", "code": code, "detail": message}, ensure_ascii=False))
            sys.exit(1)
        raise CommandError(message, returncode=1)


def _mapping(guess: dict[str, str], told: Sequence[str], header: Sequence[str]) -> dict[str, list[str]]:
    """The guess with what was told laid over it. A field that was told is nobody else's."""
    mapping: dict[str, list[str]] = {}
    dropped: set[str] = set()
    for each in told:
        field, constant, fixed = each.partition("==")
        if constant and each.rpartition("=")[0] not in header:
            mapping.setdefault(f"={fixed}", []).append(field)
            continue
        column, equals, field = each.rpartition("=")
        if not equals:
            raise CommandError(f"--map takes COLUMN=FIELD, not “{each}”.", returncode=2)
        if field:
            mapping.setdefault(column, []).append(field)
        else:
            dropped.add(column)
    taken = {field.partition(":")[0] for fields in mapping.values() for field in fields}
    for column, field in guess.items():
        if column not in mapping and column not in dropped and field not in taken:
            mapping[column] = [field]
    return mapping


def _line(job: Job) -> str:
    now = progress.of(job, timezone.now())
    share = f"{now.percent} %" if now.percent is not None else ""
    return f"{job.phase or 'Waiting'} {job.rows_done:,} rows {share} ({now.rate:,.0f} per s)"
