"""The crash table over SMTP, beyond its lines: each two crashes in either order, mail servers that fail meanwhile, halts.

The mail server is a process of its own with a journal on disk, so that nothing a worker does can reach what it took.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from campaigns import faults, sending
from faults import checker, sink
from kit import instance
from tests.campaigns import test_crashes as crashes
from tests.campaigns.mailing import email, running
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)
FAILING = (
    "421@mail", "450@recipient", "cut@recipient", "garbage@recipient", "cut@body", "451@dot", "cut@dot", "drop@dot",
    "garbage@dot",
)  # fmt: skip


class Server:
    """A mail server that is started anew with other faults, and keeps its journal."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.process: subprocess.Popen[str] | None = None

    def start(self, faults: str = "") -> None:
        self.stop()
        command = [sys.executable, "-m", "faults.sink", "--journal", str(self.journal), "--faults", faults]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        port = int(self.process.stdout.readline().rpartition(":")[2])
        email(
            provider="smtp", batch=crashes.BATCH, paused_at=None, retry_at=None,
            settings={"host": "127.0.0.1", "port": port, "security": "none"},
        )  # fmt: skip

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    found.start()
    assert instance.is_live()
    yield found
    found.stop()


def goes_wrong(server: Server) -> list[str]:
    """What of the promise does not hold, by the checker of `bin/faults`; enrollments of these tests have no runs."""
    report = checker.check(connection, sink.read(server.journal))
    return [each for each in report.duplicates + report.lost + report.open if "enrollment" not in each]


def at_last() -> None:
    """Leases run out, the sweeper comes by, and much later another worker does what is left."""
    crashes.leases_run_out()
    sending.sweep(NOW)

    def work() -> None:
        sending.run_all(NOW + timedelta(hours=9), owner=f"w{os.getpid()}", write=crashes.slowly)

    assert crashes.ended(crashes.start(do=work)) == 0


def test_every_order_of_two_crashes_sends_nothing_twice_and_loses_nothing(server):
    version = running()
    for first, second in itertools.product(faults.POINTS, repeat=2):
        these = crashes.five(version)
        assert crashes.ended(crashes.start(first)) == -signal.SIGKILL
        crashes.leases_run_out()
        sending.sweep(NOW)
        assert crashes.ended(crashes.start(second)) in (-signal.SIGKILL, 0)  # may find nothing left to die of
        crashes.time_goes_on()
        told = crashes.states(these)
        assert goes_wrong(server) == [], (first, second)
        assert set(told) <= {"sent", "unknown"} and told.get("unknown", 0) <= 2 * crashes.BATCH, (first, second, told)


@pytest.mark.parametrize("fault", FAILING)
def test_a_crash_while_the_server_fails_too(fault, server):
    version = running()
    for point in faults.POINTS:
        server.start(f"{fault}:0.5")
        these = crashes.five(version)
        assert crashes.ended(crashes.start(point)) in (-signal.SIGKILL, 0)  # an answer may never come
        server.start()
        at_last()
        told = crashes.states(these)
        assert goes_wrong(server) == [], point
        assert set(told) <= {"sent", "unknown"}, (point, told)


@pytest.mark.parametrize("point", ["after-claim", "in-rendering", "after-intent", "before-dot", "after-dot"])
def test_a_worker_that_was_halted_for_longer_than_its_lease_and_goes_on(point, server):
    these = crashes.five()
    pid = crashes.halted(f"{point}!STOP")
    crashes.time_goes_on()
    in_the_air = 0 if point in ("after-claim", "in-rendering") else crashes.BATCH
    assert crashes.states(these).get("unknown", 0) == in_the_air, "nobody sends again what is in the air"
    os.kill(pid, signal.SIGCONT)
    assert crashes.ended(pid) == 0
    assert crashes.states(these) == {"sent": 5}, "what it tells late is evidence"
    assert goes_wrong(server) == []


def test_a_server_that_dies_with_a_message_in_its_hands(server):
    these = crashes.five()
    pid = crashes.halted("before-dot!STOP")
    server.start()
    os.kill(pid, signal.SIGCONT)
    assert crashes.ended(pid) == 0
    at_last()
    told = crashes.states(these)
    assert set(told) <= {"sent", "unknown"} and told.get("unknown", 0) <= 1, (
        "one message waits for its answer at a time"
    )
    assert goes_wrong(server) == []
