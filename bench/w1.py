"""W1: a file of people into an empty installation, against a raw COPY of the same file into the same indexed table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from audience import importing
from audience.models import Import, Person
from bench import history, measuring, people
from kit import jobs


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """One figure."""
    path = people.write(number)
    figure = measuring.compare(lambda: bring(path), lambda: copy(path), before=empty, repeats=repeats)
    assert Person.objects.count() == number
    yield {"people": number, "activities": 0, **figure, "rows": number, "peak_rss_mb": measuring.peak_rss_mb()}


def bring(path: Path) -> Import:
    """Through the product: taken in, guessed, validated, normalised, matched, merged, counted, audited."""
    now = timezone.now()
    imported = importing.start(path, "people", mapping=None, source="bench", by=None, now=now)
    jobs.run(imported.job_id or 0, now)
    imported.refresh_from_db()
    assert imported.finished_at, imported.job and imported.job.error
    return imported


def copy(path: Path) -> None:
    """What PostgreSQL alone needs for the same columns of the same file in the same table."""
    with connection.cursor() as cursor, path.open() as file:
        columns, texts = ", ".join(people.COLUMNS), ", ".join(people.COLUMNS[:-1])
        options = f"FORMAT csv, HEADER, FORCE_NOT_NULL ({texts})"
        cursor.copy_expert(f"COPY audience_person ({columns}) FROM STDIN ({options})", file)


def empty() -> None:
    history.spoil()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE audience_person, audience_import, kit_job CASCADE")
