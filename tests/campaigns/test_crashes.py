"""The crash table: a worker that is killed, halted or cut off at each point leaves rows that tell how far it came.

Workers here are real processes with connections of their own. Their provider is a journal on disk, which stands for
another machine: it keeps what it took whatever becomes of the worker, and takes the same message twice if it is handed
it twice. Each two crashes in either order: `test_two_crashes`.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns import channels, faults, sending
from campaigns.channels import Outcome, Outgoing
from campaigns.models import Letter, Message
from kit import instance
from kit.sql import Sql, run
from tests.campaigns.crashing import BATCH, ended, five, halted, start, states, time_goes_on
from tests.campaigns.mailing import email, running
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

# Where the worker dies, and how many of five messages, two in the air at once, are then in which state and taken.
TABLE = {
    "after-claim": ({"claimed": 5}, 0),
    "in-rendering": ({"claimed": 5}, 0),
    "before-intent": ({"claimed": 5}, 0),
    "after-intent": ({"sending": 2, "claimed": 3}, 0),
    "before-dot": ({"sending": 2, "claimed": 3}, 0),
    "after-dot": ({"sending": 2, "claimed": 3}, 2),
    "before-intent@2": ({"sending": 2, "claimed": 3}, 2),
    "after-intent@2": ({"sent": 2, "sending": 2, "claimed": 1}, 2),
    "after-dot@3": ({"sent": 4, "sending": 1}, 5),
    "before-outcome": ({"sent": 4, "sending": 1}, 5),
    "after-outcome": ({"sent": 5}, 5),
}


class Journal:
    """A provider that writes down what it takes, and then says so."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ready(self) -> bool:
        return True

    def send(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        faults.point("before-dot")
        with self.path.open("a") as journal:
            journal.writelines(f"{each.id}\n" for each in batch)
        faults.point("after-dot")
        return [Outcome(each.id, channels.ACCEPTED, "outcome", 250, "2.0.0", "OK") for each in batch]

    def close(self) -> None:
        pass

    def taken(self) -> Counter[str]:
        return Counter(self.path.read_text().split() if self.path.exists() else [])


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: Any) -> Journal:
    """Email is carried by a journal."""
    found = Journal(tmp_path / "journal")

    class Provider(channels.Channel):
        name, label, longest = "journal", "Journal", timedelta(seconds=60)

        def connect(self) -> Any:
            return found

    monkeypatch.setitem(channels._kinds, "journal", Provider)
    email(provider="journal", batch=BATCH)
    assert instance.is_live()
    return found


@pytest.fixture
def mailbox() -> None:
    email(provider="mailbox", batch=BATCH)
    assert instance.is_live()


def check(journal: Journal) -> None:
    """What must hold whatever happened: nothing twice, nothing lost, nothing open, nothing claimed that was not so."""
    taken = journal.taken()
    assert max(taken.values(), default=1) == 1, "a message was taken twice"
    for pk, state in Message.objects.values_list("pk", "state"):
        assert state in ("sent", "unknown"), state
        assert state == "unknown" or str(pk) in taken, "a message is said to be sent, and was not taken"
    assert len(set(taken) - {str(pk) for pk in Message.objects.values_list("pk", flat=True)}) == 0


def test_every_point_is_in_the_table():
    assert {each.partition("@")[0] for each in TABLE} == set(faults.POINTS)


def test_a_killed_worker_leaves_rows_that_tell_how_far_it_came(journal):
    version = running()
    for fault, (left, taken) in TABLE.items():
        these, before = five(version), journal.taken().total()
        assert ended(start(fault)) == -signal.SIGKILL, fault
        assert (states(these), journal.taken().total() - before) == (left, taken), fault
        in_the_air = left.get("sending", 0)
        time_goes_on()
        ends = {"sent": 5 - in_the_air, "unknown": in_the_air}
        assert states(these) == {state: number for state, number in ends.items() if number}, fault
        check(journal)


def test_of_the_mailbox_can_be_asked_afterwards_what_it_took(mailbox):
    version = running()
    for fault, (left, taken) in TABLE.items():
        these = five(version)
        before = Letter.objects.count()
        assert ended(start(fault)) == -signal.SIGKILL
        assert (states(these), Letter.objects.count() - before) == (left, taken), fault
        time_goes_on()
        there = set(Letter.objects.values_list("message_id", flat=True))
        assert there == set(Message.objects.filter(state="sent").values_list("pk", flat=True)), fault
        assert not Message.objects.exclude(state__in=["sent", "unknown"]).exists(), fault


def test_two_crashes_at_once_of_two_workers(journal):
    five()
    email(batch=1)
    pids = [start("after-dot"), start("after-intent@2")]
    assert all(ended(pid) in (-signal.SIGKILL, 0) for pid in pids)
    time_goes_on()
    check(journal)


# ---- halted for longer than its lease ----


@pytest.mark.parametrize("fault", ["after-claim", "in-rendering"])
def test_a_worker_that_was_halted_before_its_intent_comes_back_to_messages_that_are_not_its_own(fault, journal):
    five()
    pid = halted(f"{fault}!STOP")
    time_goes_on()
    assert states() == {"sent": 5}
    os.kill(pid, signal.SIGCONT)
    assert ended(pid) == 0
    assert states() == {"sent": 5}
    check(journal)


def test_a_worker_that_was_halted_within_its_intent_holds_its_rows_and_goes_on(journal):
    five()
    pid = halted("before-intent!STOP")
    leases_run_out_of_others()
    assert sending.sweep(NOW).given_back == 3, "those that its transaction does not hold"
    os.kill(pid, signal.SIGCONT)
    assert ended(pid) == 0
    time_goes_on()
    assert states() == {"sent": 5}
    check(journal)


def leases_run_out_of_others() -> None:
    run(
        Sql(
            "UPDATE campaigns_message SET lease_until = clock_timestamp() - interval '1 s' WHERE id IN "
            "(SELECT id FROM campaigns_message WHERE lease_until IS NOT NULL FOR UPDATE SKIP LOCKED)"
        )
    )


@pytest.mark.parametrize("fault", ["after-intent", "before-dot", "after-dot"])
def test_a_worker_that_was_halted_with_messages_in_the_air_tells_late_what_became_of_them(fault, journal):
    five()
    pid = halted(f"{fault}!STOP")
    time_goes_on()
    assert states() == {"sent": 3, "unknown": 2}, "nobody knows, and nobody sends them again"
    os.kill(pid, signal.SIGCONT)
    assert ended(pid) == 0
    assert states() == {"sent": 5}, "its late answer is evidence"
    check(journal)


# ---- the database goes ----


@pytest.mark.parametrize("fault, left", [
    ("after-claim", {"claimed": 5}), ("before-intent", {"claimed": 5}),
    ("after-intent", {"sent": 2, "claimed": 3}), ("before-outcome", {"sending": 1, "sent": 4}),
])  # fmt: skip
def test_a_worker_whose_database_goes_leaves_no_more_in_doubt_than_if_it_were_killed(fault, left, journal):
    five()
    pid = halted(f"{fault}!STOP")
    run(
        Sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    time.sleep(0.2)
    os.kill(pid, signal.SIGCONT)
    assert ended(pid) == 1, "it says so and ends"
    assert states() == left
    time_goes_on()
    check(journal)
