"""Long work: asked for once, done by whoever claims it, resumed from its cursor, cancelled or retried by hand.

A row of `Job` is all there is: a worker that dies leaves a lease that runs out, and the sweep hands the row to the
next. The work of a kind is one function, `run(held) -> result`, registered in `AppConfig.ready`. It works in chunks,
and each chunk is one transaction that ends with `held.progress(cursor=…)`: the cursor is true exactly when the chunk
is. A worker that lost its lease cannot commit a chunk, because `progress` then raises and the chunk is rolled back.

    def run(held: jobs.Held) -> dict:
        for start in range(held.cursor.get("row", 0), total, 1000):
            with transaction.atomic():
                …
                held.progress(rows_done=start + 1000, rows_total=total, cursor={"row": start + 1000})
        return {"created": …}
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from kit import audit, hints, leases, origin
from kit.models import Job, User

LEASE = timedelta(seconds=30)  # two renewals may fail
ATTEMPTS = 3  # in a row without progress; then the job stops and says why
SHOWN_EVERY = 1.0  # seconds between two looks at work that lies in one transaction
PAUSE = timedelta(seconds=5)  # before the next attempt, times the attempts so far
OPEN = (Job.State.QUEUED, Job.State.RUNNING)
TASK = "kit.tasks.run_job"

logger = logging.getLogger(__name__)


class Refused(Exception):
    """The work cannot be done, whoever tries: the message is the reason, in the user's words. Never tried again."""


class Cancelled(Exception):
    """Somebody asked to cancel; the chunk at hand is rolled back."""


class LeaseLost(Exception):
    """Another worker took the job over; the chunk at hand is rolled back."""


@dataclass(frozen=True)
class Kind:
    """What a kind of job does, what it clears away once the job is done, failed or cancelled, and what it counts."""

    run: Callable[[Held], dict[str, Any] | None]
    tidy: Callable[[Job], None] | None = None
    counts: str = "rows"  # or "days", "steps"


_kinds: dict[str, Kind] = {}


def register(
    kind: str,
    run: Callable[[Held], dict[str, Any] | None],
    *,
    tidy: Callable[[Job], None] | None = None,
    counts: str = "rows",
) -> None:
    """Name the function that does this kind of work; called from `AppConfig.ready`."""
    _kinds[kind] = Kind(run, tidy, counts)


def counts(job: Job) -> str:
    """What `rows_done` and `rows_total` of a job count: "rows", "days" or "steps"."""
    return _kinds[job.kind].counts if job.kind in _kinds else "rows"


def enqueue(kind: str, payload: dict[str, Any], *, by: User | None, now: datetime, title: str = "") -> Job:
    """Ask for work. The row is the promise; a worker hears of it when the transaction commits. `kind` must be known."""
    if kind not in _kinds:
        raise LookupError(f"no kind of job is called {kind!r}")
    job = Job.objects.create(
        kind=kind,
        payload=payload,
        title=title,
        created_by=by,
        created_at=now,
        request_id=origin.request_id(),
    )
    hints.later(TASK, job.pk)
    return job


def run(job_id: int, now: datetime) -> bool:
    """Do the job if it is open and nobody holds it. True when this call did it, to whatever end the row now tells.

    `now` is handed on to the work. Never raises for what the work did wrong: that is the row's `error`.
    """
    owner = uuid.uuid4().hex
    if not _claim(job_id, owner):
        return False
    job = Job.objects.get(pk=job_id)
    with origin.following(job.request_id, job=job.pk):
        _see_to(Held(job, owner, now))
    return True


def see_through(job: Job, clock: Callable[[], datetime]) -> Job:
    """Do the job here, or wait for the worker that took it, to whatever end the returned row tells; for commands."""
    while job.state in OPEN:
        if not run(job.pk, clock()):
            time.sleep(0.5)
        job.refresh_from_db()
    return job


def cancel(job_id: int, *, by: User | None = None, now: datetime | None = None) -> bool:
    """Ask to stop: a waiting job at once, a running one at its next chunk. False when it had already ended.

    With `now` somebody asked for it, and the trail says who.
    """
    waiting = Job.objects.filter(pk=job_id, state=Job.State.QUEUED)
    waited = waiting.update(state=Job.State.CANCELLED, cancel_asked=True, finished_at=leases.CLOCK)
    if waited:
        _tidy(Job.objects.get(pk=job_id))
    stopped = waited or Job.objects.filter(pk=job_id, state=Job.State.RUNNING).update(cancel_asked=True)
    if stopped:
        _write_down("job.cancel", job_id, by, now)
    return bool(stopped)


def retry(job_id: int, *, by: User | None = None, now: datetime | None = None) -> bool:
    """Queue a failed or cancelled job again, from its cursor. False when it is open or done. `now` as in `cancel`."""
    ended = Job.objects.filter(pk=job_id, state__in=[Job.State.FAILED, Job.State.CANCELLED])
    again = ended.update(
        state=Job.State.QUEUED, attempts=0, cancel_asked=False, lease_until=None, owner="", error="", finished_at=None
    )
    if again:
        _write_down("job.retry", job_id, by, now)
        hints.later(TASK, job_id)
    return bool(again)


def sweep() -> int:
    """Send a hint for every open job that nobody holds, and say how many: a lost message costs this wait, no more."""
    ids = Job.objects.filter(leases.free(), state__in=OPEN).order_by("created_at").values_list("pk", flat=True)[:1000]
    for job_id in ids:
        hints.later(TASK, job_id)
    return len(ids)


def rate(job: Job, now: datetime) -> float:
    """Rows per second since the job was first started; 0 when it has not."""
    if not job.started_at:
        return 0.0
    seconds = ((job.finished_at or now) - job.started_at).total_seconds()
    return job.rows_done / seconds if seconds > 0 else 0.0


def time_left(job: Job, now: datetime) -> timedelta | None:
    """How long the rest takes at the rate so far; None when nobody can tell."""
    speed = rate(job, now)
    if job.state != Job.State.RUNNING or not job.rows_total or not speed:
        return None
    return timedelta(seconds=max(job.rows_total - job.rows_done, 0) / speed)


class Held:
    """A job in the hands of the one worker that claimed it; what a kind's `run` is given."""

    def __init__(self, job: Job, owner: str, now: datetime) -> None:
        self.job = job
        self.now = now
        self._owner = owner
        self._shown: dict[str, Any] = {}
        self._shown_at = 0.0
        self.renew_soon: Callable[[], None] = lambda: None

    @property
    def payload(self) -> dict[str, Any]:
        return self.job.payload

    @property
    def cursor(self) -> dict[str, Any]:
        """Where the last committed chunk ended; empty at the first start."""
        return self.job.cursor

    @property
    def row(self) -> QuerySet[Job]:
        """The job's row while it is still ours."""
        return Job.objects.filter(pk=self.job.pk, state=Job.State.RUNNING, owner=self._owner)

    def renew(self) -> None:
        """Prolong the lease, if it is still ours, and write what is to be shown; what counts, `progress` writes."""
        self.row.update(lease_until=leases.until(LEASE), **self._shown)

    def show(self, *, rows_done: int, rows_total: int) -> None:
        """How far work is that lies in one transaction: written within about a second by a renewal, which has its own
        connection.

        Raises `Cancelled` when somebody asked for that; this transaction itself does not touch the job's row.
        """
        self._shown = {"rows_done": rows_done, "rows_total": rows_total}
        if time.monotonic() - self._shown_at >= SHOWN_EVERY:
            self._shown_at = time.monotonic()
            self.renew_soon()
        if not self.row.filter(cancel_asked=False).exists():
            raise Cancelled if self.row.exists() else LeaseLost

    def progress(self, **reached: Any) -> None:
        """Write down what is reached: any of `rows_done`, `rows_total`, `phase`, `cursor`, `result`. Renews the lease.

        Call it last in the chunk's transaction. Raises `Cancelled` or `LeaseLost`, which must leave that transaction.
        A new cursor counts as progress: the three attempts start afresh.
        """
        if unknown := set(reached) - {"rows_done", "rows_total", "phase", "cursor", "result"}:
            raise TypeError(f"progress knows nothing of {', '.join(sorted(unknown))}")
        if "cursor" in reached and reached["cursor"] != self.job.cursor:
            reached["attempts"] = 1
        if not self.row.filter(cancel_asked=False).update(lease_until=leases.until(LEASE), **reached):
            raise Cancelled if self.row.exists() else LeaseLost
        for name, value in reached.items():
            setattr(self.job, name, value)


def _write_down(action: str, job_id: int, by: User | None, now: datetime | None) -> None:
    if now is not None:
        audit.record(action, str(Job.objects.get(pk=job_id)), by=by, now=now, after={"job": job_id})


def _claim(job_id: int, owner: str) -> bool:
    free = Job.objects.filter(leases.free(), pk=job_id, state__in=OPEN)
    return bool(
        free.update(
            state=Job.State.RUNNING,
            owner=owner,
            attempts=F("attempts") + 1,
            lease_until=leases.until(LEASE),
            started_at=leases.coalesced("started_at"),
        )
    )


def _see_to(held: Held) -> None:
    job = held.job
    if job.cancel_asked:
        _end(held, Job.State.CANCELLED)
    elif job.attempts > ATTEMPTS:
        _end(held, Job.State.FAILED, error=_("It stopped without a word three times. Retry it, or look into the log."))
    elif job.kind not in _kinds:
        _end(held, Job.State.FAILED, error=_("This version does not know work of the kind “%s”.") % job.kind)
    else:
        logger.info("job %s (%s) begins, attempt %s", job.pk, job.kind, job.attempts)
        _work(held)


def _work(held: Held) -> None:
    try:
        with leases.kept(held.renew, f"job {held.job.pk}") as held.renew_soon:
            result = _kinds[held.job.kind].run(held)
    except Cancelled:
        _end(held, Job.State.CANCELLED)
    except LeaseLost:
        logger.warning("job %s was taken over by another worker", held.job.pk)
    except Refused as refusal:
        _end(held, Job.State.FAILED, error=str(refusal))
    except Exception as error:
        logger.exception("job %s (%s) failed", held.job.pk, held.job.kind)
        _fail(held, error)
    except BaseException:
        _hand_back(held)
        raise
    else:
        _end(held, Job.State.DONE, **({"result": result} if result is not None else {}))


def _end(held: Held, state: Job.State, **values: Any) -> None:
    ended = held.row.update(
        state=state, finished_at=leases.CLOCK, lease_until=None, owner="", **({"error": ""} | values)
    )
    if ended:
        logger.info("job %s (%s) ends: %s", held.job.pk, held.job.kind, state.value)
        _tidy(held.job)


def _fail(held: Held, error: Exception) -> None:
    """Try again after a pause, or stop for good after the last attempt. If nothing can be written, the lease ends."""
    reason = _("Something unexpected went wrong: %(error)s") % {"error": f"{type(error).__name__}: {error}"[:2000]}
    try:
        if held.job.attempts >= ATTEMPTS:
            _end(held, Job.State.FAILED, error=reason)
        else:
            pause = leases.until(PAUSE * held.job.attempts)
            held.row.update(state=Job.State.QUEUED, owner="", lease_until=pause, error=reason)
    except DatabaseError:
        logger.exception("job %s could not be put back", held.job.pk)


def _hand_back(held: Held) -> None:
    """The process is told to stop: the next worker may go on at once, and this attempt does not count."""
    if not connection.in_atomic_block:
        held.row.update(state=Job.State.QUEUED, owner="", lease_until=None, attempts=F("attempts") - 1)


def _tidy(job: Job) -> None:
    kind = _kinds.get(job.kind)
    if kind and kind.tidy:
        kind.tidy(job)
