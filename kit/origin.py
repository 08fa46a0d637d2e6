"""What a piece of work goes back to: the request that asked for it, and the job that does it.

An id is given to each request at the door. It stands in every line of the log, travels with hints, and is kept by jobs
and by whatever is sent later on, so that one id finds the same matter in the logs of web, workers and mail.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST = 64  # characters of an id, and of the columns that keep one
WELL_FORMED = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._=-]{{7,{LONGEST - 1}}}")

_request: ContextVar[str] = ContextVar("request", default="")
_job: ContextVar[int | None] = ContextVar("job", default=None)


def request_id() -> str:
    """The id of the request that the present work goes back to; empty where no request caused it."""
    return _request.get()


def job_id() -> int | None:
    """The number of the job that the present work belongs to."""
    return _job.get()


@contextmanager
def following(request_id: str, *, job: int | None = None) -> Iterator[None]:
    """Work within goes back to this request (empty: to none), and belongs to this job."""
    before, job_before = _request.set(request_id), _job.set(job)
    try:
        yield
    finally:
        _request.reset(before)
        _job.reset(job_before)


def read(given: object) -> str:
    """An id from outside as it may stand in logs, headers and columns; "" when it is not well-formed."""
    return given if isinstance(given, str) and WELL_FORMED.fullmatch(given) else ""


def accepted(given: str) -> str:
    """The id that somebody before us has given the request when it is well-formed, else a new one."""
    return read(given) or uuid.uuid4().hex
