"""Workers and mail servers for the crash table: real processes, killed, halted or failing where they are told.

Leases run out by hand, because nobody wants to wait a minute.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections

from campaigns import faults, sending
from campaigns.models import CampaignVersion, Message
from faults import checker, sink
from kit.sql import Sql, run
from tests.campaigns.mailing import email, plainly, queued, running
from tests.factories import NOW

MESSAGES, BATCH = 5, 2


def five(version: CampaignVersion | None = None) -> list[Message]:
    version = version or running()
    return [queued(version) for _ in range(MESSAGES)]


def slowly(ids: Any, now: Any) -> Any:
    faults.point("in-rendering")
    return plainly(ids, now)


def work() -> None:
    """A worker's way until nothing is due."""
    sending.run_all(NOW + timedelta(hours=1), owner=f"w{os.getpid()}", write=slowly)


def start(fault: str) -> int:
    """A worker in a process of its own, armed with a fault; its process id."""
    connection.close()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _forget_connections()
            faults._waiting = faults._armed(fault)
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def _forget_connections() -> None:
    """What was opened before the fork is not ours. A browser in this process has Django keep a second connection: it is
    chosen where an event loop runs, and none does in the fork, which would go on with the parent's first."""
    with suppress(AttributeError):
        del connections[DEFAULT_DB_ALIAS]


def ended(pid: int) -> int:
    """How it ended: 0, 1, or the signal it died of, below zero."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def halted(fault: str) -> int:
    """A worker that has come to the fault and stands still there."""
    pid = start(fault)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    return pid


def states(of: list[Message] | None = None) -> dict[str, int]:
    """How many messages, or of these, are in each state."""
    found = Message.objects.filter(pk__in=[each.pk for each in of]) if of else Message.objects.all()
    return dict(Counter(found.values_list("state", flat=True)))


def leases_run_out() -> None:
    run(
        Sql(
            "UPDATE campaigns_message SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_until IS NOT NULL"
        )
    )


def time_goes_on() -> None:
    """Leases run out, the sweeper comes by, another worker does what is left."""
    leases_run_out()
    sending.sweep(NOW)
    work()


class Servers:
    """Mail servers that fail in ways of their own, with one journal: another is chosen as a provider moves its traffic."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.running: dict[str, tuple[subprocess.Popen[str], int]] = {}

    def use(self, faults: str = "") -> None:
        """Mail goes to the one with these faults from now on."""
        if faults not in self.running:
            self.running[faults] = self._started(faults)
        email(
            provider="smtp", batch=BATCH, paused_at=None, retry_at=None,
            settings={"host": "127.0.0.1", "port": self.running[faults][1], "security": "none"},
        )  # fmt: skip

    def _started(self, faults: str) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-m", "faults.sink", "--journal", str(self.journal), "--faults", faults]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        return process, int(process.stdout.readline().rpartition(":")[2])

    def kill(self) -> None:
        for process, _port in self.running.values():
            process.kill()
            process.wait(10)
        self.running.clear()

    def broken_promises(self) -> list[str]:
        """What does not hold, by the checker of `bin/faults`; enrollments of these tests have no runs."""
        report = checker.check(connection, sink.read(self.journal))
        return [each for each in report.duplicates + report.lost + report.open if "enrollment" not in each]
