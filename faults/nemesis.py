"""Whoever breaks things: kills, suspends, cuts and empties, at random, but the same for the same seed."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from signal import SIGUSR1

import psutil
import psycopg2

from faults.processes import Part, Product

SESSIONS = """SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
SENDERS = """SELECT DISTINCT substring(owner FROM ':([0-9]+)/')::int FROM campaigns_message
    WHERE state = 'sending' AND lease_until > clock_timestamp() AND owner ~ ':[0-9]+/'"""
WORKING = ("worker", "jobs", "mail")  # what the names of parts begin with that send or advance


@dataclass
class Nemesis:
    """Its dice, whom it has suspended until when, and what it has done so far."""

    product: Product
    seed: int
    longest_lease: float  # seconds
    done: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    suspended: list[tuple[float, psutil.Process]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self._ways: dict[str, tuple[int, Callable[[], bool]]] = {
            "a worker killed": (4, self.kill_worker),
            "a worker's child killed": (4, self.kill_child),
            "whoever was sending killed": (10, self.kill_sender),
            "whoever was sending suspended": (4, self.suspend_sender),
            "a clock killed": (1, self.kill_clock),
            "all connections to the sink cut": (3, self.cut),
            "the sink killed": (2, lambda: self._kill_part(self.product.sink)),
            "a database session ended": (4, self.end_session),
            "hints emptied": (2, self.empty_broker),
        }
        if self.product.broker.part:
            self._ways["the broker killed"] = (1, lambda: self._kill_part(self.product.parts["redis"]))
        if self.product.database.server:
            self._ways["the database crashed"] = (2, self.crash_database)
            self._ways["a database process killed"] = (1, self.kill_backend)

    def act(self) -> str:
        """Break one thing; what it was, or nothing when there was nothing to break."""
        weights = [weight for weight, _way in self._ways.values()]
        name = self.dice.choices(list(self._ways), weights)[0]
        if not self._ways[name][1]():
            return ""
        self.done[name] += 1
        return name

    def pause(self) -> float:
        """Seconds until the next time."""
        return self.dice.uniform(0.5, 3.0)

    def wake(self, *, everybody: bool = False) -> None:
        """Let go on whoever was suspended for long enough."""
        now = time.monotonic()
        for until, process in list(self.suspended):
            if everybody or now >= until:
                with suppress(psutil.Error):
                    process.resume()
                self.suspended.remove((until, process))

    def kill_worker(self) -> bool:
        return self._kill_part(self.dice.choice(self.product.named(*WORKING)))

    def kill_child(self) -> bool:
        children = [each for part in self.product.named(*WORKING) for each in part.all()[1:]]
        return bool(children) and self._kill(self.dice.choice(children))

    def kill_clock(self) -> bool:
        return self._kill_part(self.dice.choice(self.product.named("beat")))

    def kill_sender(self) -> bool:
        """Somebody with messages in the air."""
        sender = self._sender()
        return sender is not None and self._kill(sender)

    def suspend_sender(self) -> bool:
        """As when a machine sleeps: its leases run out meanwhile, and it wakes and believes that it still has them."""
        sender = None if self.suspended else self._sender()
        if sender is None:
            return False
        with suppress(psutil.Error):
            sender.suspend()
            self.suspended.append((time.monotonic() + self.longest_lease * 1.5, sender))
            return True
        return False

    def cut(self) -> bool:
        for process in self.product.sink.all()[:1]:
            os.kill(process.pid, SIGUSR1)
            return True
        return False

    def end_session(self) -> bool:
        """One of those that are at work, if any is."""
        pids = self._ask(f"{SESSIONS} ORDER BY state = 'active' DESC, state = 'idle', pid")
        if not pids:
            return False
        chosen = pids[0] if self.dice.random() < 0.5 else self.dice.choice(pids)
        ended = any(self._ask("SELECT pg_terminate_backend(%s)::int", chosen))
        self.kills += ended
        return ended

    def kill_backend(self) -> bool:
        """PostgreSQL answers the death of one of its processes by ending all sessions and recovering."""
        pids = self._ask(f"{SESSIONS} ORDER BY pid")
        return bool(pids) and self._kill(psutil.Process(self.dice.choice(pids)))

    def crash_database(self) -> bool:
        self.product.database.crash()
        self.kills += 1
        return True

    def empty_broker(self) -> bool:
        self.product.broker.empty()
        return True

    def _kill_part(self, part: Part) -> bool:
        """Its first process; what that leaves is ended when it is started again."""
        return any(self._kill(process) for process in part.all()[:1])

    def _kill(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            process.kill()
            self.kills += 1
            return True
        return False

    def _sender(self) -> psutil.Process | None:
        """Whoever has messages in the air now or within a second or two: who owns them, by the rows."""
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            ours = {each.pid: each for part in self.product.named(*WORKING) for each in part.all()}
            owners = self._ask(SENDERS)
            if found := [ours[pid] for pid in sorted(owners) if pid in ours]:
                return self.dice.choice(found)
        return None

    def _ask(self, query: str, *values: object) -> list[int]:
        """The first column of a query; empty when the database cannot answer just now."""
        with closing(self.product.database.connect()) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(query, values)
                return [row[0] for row in cursor.fetchall()]
            except psycopg2.OperationalError:
                return []
