"""How far a job is, in the words of a progress line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy, ngettext_lazy

from kit import jobs, pages, writing
from kit.models import Job

DONE = {
    "rows": ngettext_lazy("%(done)s row", "%(done)s rows", "n"),
    "days": ngettext_lazy("%(done)s day", "%(done)s days", "n"),
    "steps": ngettext_lazy("%(done)s step", "%(done)s steps", "n"),
}
DONE_OF = {
    "rows": gettext_lazy("%(done)s of %(total)s rows"),
    "days": gettext_lazy("%(done)s of %(total)s days"),
    "steps": gettext_lazy("%(done)s of %(total)s steps"),
}
# What a kind of work may put into its result for people to go on from; shown as a button, not as a figure.
LINK = "link"


@dataclass(frozen=True)
class Progress:
    """A job and its figures at one moment. `percent` is 0–100, or None when nobody knows how much there is to do.

    `done` says in words how much is, in what the work counts; `rate` is rows per second, 0 where it counts no rows.
    """

    job: Job
    is_open: bool
    done: str
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
        done=done(job),
        percent=_percent(job),
        rate=jobs.rate(job, now) if jobs.counts(job) == "rows" else 0.0,
        left=jobs.time_left(job, now),
        took=(job.finished_at or now) - job.started_at if job.started_at else None,
        figures=[(_title(name), pages.written(value)) for name, value in result.items() if _is_figure(name, value)],
        link=link if isinstance(link, str) and link.startswith("/") and not link.startswith("//") else "",
    )


def done(job: Job) -> str:
    """How much is done: “612,400 of 1,000,000 rows”; empty as long as nothing is known of it."""
    counted = jobs.counts(job)
    if job.rows_total and job.state != Job.State.DONE:
        told = {"done": writing.number(job.rows_done), "total": writing.number(job.rows_total)}
        return str(DONE_OF[counted] % told)
    if not job.rows_done:
        return ""
    return str(DONE[counted] % {"n": job.rows_done, "done": writing.number(job.rows_done)})


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
