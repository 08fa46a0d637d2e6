"""How tests bring files in: through the verb and its job, as everybody does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from audience import importing
from audience.models import Import
from kit import jobs
from kit.models import Job

NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
PLACES = [folder / "shared" / "data" for folder in Path(settings.BASE_DIR).parents]
DATA = next((place for place in PLACES if place.is_dir()), PLACES[0])


def bring(
    content: str | bytes | Path,
    kind: str = "people",
    mapping: Mapping[str, Any] | None = None,
    *,
    source: str = "crm",
    now: datetime = NOW,
    **more: Any,
) -> Import:
    """Bring a file in and work it off; the import with its counts. A refusal is raised, a failure fails the test."""
    if isinstance(content, str):
        content = content.encode()
    file = BytesIO(content) if isinstance(content, bytes) else content
    name = more.pop("name", "file.csv" if isinstance(content, bytes) else "")
    imported = importing.start(file, kind, mapping=mapping, source=source, by=None, now=now, name=name, **more)
    jobs.run(imported.job_id or 0, now)
    job = Job.objects.get(pk=imported.job_id)
    assert job.state == Job.State.DONE, job.error
    imported.refresh_from_db()
    return imported


def counts(imported: Import) -> dict[str, int]:
    """What is not nothing among the counts."""
    return {name: number for name, number in importing.counts_of(imported).items() if number}


def rejects(imported: Import) -> list[tuple[int, str, str]]:
    """The refused rows: number, column, reason."""
    return list(imported.rejects.order_by("row", "id").values_list("row", "column", "reason"))


def shared(path: str) -> Path:
    """A file of the real test data, or the test is skipped."""
    if not (DATA / path).exists():
        pytest.skip(f"needs the real test data at {DATA / path}")
    return DATA / path
