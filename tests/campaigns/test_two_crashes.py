"""Each two crashes in either order, over SMTP: nothing is sent twice, nothing is lost.

The mail server is a process of its own with a journal on disk, so that nothing a worker does can reach what it took.
"""

import signal

import pytest

from campaigns import faults, sending
from tests.campaigns import crashing as crashes
from tests.campaigns.mailing import running
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("first", faults.POINTS)
def test_after_a_crash_here_another_one_anywhere_sends_nothing_twice_and_loses_nothing(first, servers):
    version = running()
    for second in faults.POINTS:
        these = crashes.five(version)
        assert crashes.ended(crashes.start(first)) == -signal.SIGKILL
        crashes.leases_run_out()
        sending.sweep(NOW)
        assert crashes.ended(crashes.start(second)) in (-signal.SIGKILL, 0)  # may find nothing left to die of
        crashes.time_goes_on()
        told = crashes.states(these)
        assert servers.broken_promises() == [], second
        assert set(told) <= {"sent", "unknown"}, (second, told)
        assert told.get("unknown", 0) <= 2 * crashes.BATCH, "a batch for each crash at most"
