"""An import in a process of its own, which kills itself on the way."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from audience.importing import reading, running
from kit import jobs
from tests.audience.importing.bringing import NOW


@dataclass(frozen=True)
class Ended:
    """How the process ended: what it returned or the signal by which it went (negative), what it said, how many steps it took."""

    returncode: int
    stderr: str = ""
    stdout: int = 0


def in_a_process(job: int, fatal: int, when: str, at_once: int = 40) -> Ended:
    """The job runs in a copy of this process, with a session of its own, and kills itself at its nth step (0: never).

    `when`: “before” the step's transaction ends, or “after” its commit. `at_once`: rows read or written in one step.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        told: Ended
        try:
            told = Ended(0, stdout=_run(job, fatal, when, at_once))
        except BaseException:
            told = Ended(1, stderr=traceback.format_exc())
        os.write(writer, pickle.dumps(told))
        os._exit(told.returncode)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        content = said.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return pickle.loads(content) if content else Ended(code)


INHERITED: list[Any] = []


def _run(job: int, fatal: int, when: str, at_once: int) -> int:
    INHERITED.append(connection.connection)  # the parent's session: closing it here would end it there
    connection.connection = None
    reading.BATCH_ROWS = running.WRITTEN_AT_ONCE = at_once
    steps, progress = [0], jobs.Held.progress

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(held: jobs.Held, **reached: Any) -> None:
        progress(held, **reached)
        steps[0] += 1
        if steps[0] == fatal:
            die() if when == "before" else transaction.on_commit(die)

    jobs.Held.progress = counted  # type: ignore[method-assign]
    jobs.run(job, NOW)
    return steps[0]
