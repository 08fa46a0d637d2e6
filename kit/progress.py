"""How far a job is, in the words of a progress line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kit import jobs, pages
from kit.models import Job

# What a kind of work may put into its result for people to go on from; shown as a button, not as a figure.
LINK = "link"


@dataclass(frozen=True)
class Progress:
    """A job and its figures at one moment. `percent` is 0–100, or None when nobody knows how much there is to do."""

    job: Job
    is_open: bool
    percent: int | None
    rate: float
    left: timedelta | None
    took: timedelta | None
    figures: list[tuple[str, Any]]
    link: str


def of(job: Job, now: datetime) -> Progress:
    """The progress of `job` at `now`; reads nothing but the row."""
    result = job.result if isinstance(job.result, dict) else {}
    link = result.get(LINK)
    return Progress(
        job=job,
        is_open=job.state in jobs.OPEN,
        percent=_percent(job),
        rate=jobs.rate(job, now),
        left=jobs.time_left(job, now),
        took=(job.finished_at or now) - job.started_at if job.started_at else None,
        figures=[(_title(name), pages.written(value)) for name, value in result.items() if _is_figure(name, value)],
        link=link if isinstance(link, str) and link.startswith("/") and not link.startswith("//") else "",
    )


def _percent(job: Job) -> int | None:
    if job.state == Job.State.DONE:
        return 100
    if not job.rows_total:
        return None
    return min(int(job.rows_done * 100 / job.rows_total), 100)


def _is_figure(name: str, value: Any) -> bool:
    return name != LINK and isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
