"""The crash table over SMTP, beyond its lines: mail servers that fail meanwhile, workers and servers that are halted."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from campaigns import faults, sending
from tests.campaigns import crashing as crashes
from tests.campaigns.mailing import running
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)
FAILING = (
    "421@mail", "450@recipient", "cut@recipient", "garbage@recipient", "cut@body", "451@dot", "cut@dot", "drop@dot",
    "garbage@dot",
)  # fmt: skip


def at_last() -> None:
    """Leases run out, the sweeper comes by, and much later another worker does what is left."""
    crashes.leases_run_out()
    sending.sweep(NOW)
    sending.run_all(NOW + timedelta(hours=9), write=crashes.slowly)


@pytest.mark.parametrize("fault", FAILING)
def test_a_crash_while_the_server_fails_too(fault, servers):
    version = running()
    for point in faults.POINTS:
        servers.use(f"{fault}:0.5")
        these = crashes.five(version)
        assert crashes.ended(crashes.start(point)) in (-signal.SIGKILL, 0)  # an answer may never come
        servers.use()
        at_last()
        told = crashes.states(these)
        assert servers.broken_promises() == [], point
        assert set(told) <= {"sent", "unknown"}, (point, told)


@pytest.mark.parametrize("point", ["after-claim", "in-rendering", "after-intent", "before-dot", "after-dot"])
def test_a_worker_that_was_halted_for_longer_than_its_lease_and_goes_on(point, servers):
    these = crashes.five()
    pid = crashes.halted(f"{point}!STOP")
    crashes.time_goes_on()
    in_the_air = 0 if point in ("after-claim", "in-rendering") else crashes.BATCH
    assert crashes.states(these).get("unknown", 0) == in_the_air, "nobody sends again what is in the air"
    os.kill(pid, signal.SIGCONT)
    assert crashes.ended(pid) == 0
    assert crashes.states(these) == {"sent": 5}, "what it tells late is evidence"
    assert servers.broken_promises() == []


def test_a_server_that_dies_with_a_message_in_its_hands(servers):
    these = crashes.five()
    pid = crashes.halted("before-dot!STOP")
    servers.kill()
    servers.use()
    os.kill(pid, signal.SIGCONT)
    assert crashes.ended(pid) == 0
    at_last()
    told = crashes.states(these)
    assert set(told) <= {"sent", "unknown"} and told.get("unknown", 0) <= 1, (
        "one message waits for its answer at a time"
    )
    assert servers.broken_promises() == []
