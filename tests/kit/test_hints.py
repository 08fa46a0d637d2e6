"""Hints: after commit, once per (task, id), never in the way of the request, whatever the broker does."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection, transaction

from kit import hints, leases, tasks
from kit.models import Hint

TASK = "kit.tasks.run_job"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> list[tuple[str, list[int]]]:
    """What reached the broker, read from its queue."""
    monkeypatch.setattr(hints, "_silent_until", 0.0)
    return _Queue()  # type: ignore[return-value]


class _Queue(list[Any]):
    """The jobs queue of the broker in this process; comparing it drains it."""

    def __init__(self) -> None:
        super().__init__()
        self.drain()
        self.clear()

    def drain(self) -> list[int]:
        with current_app.connection_for_read() as broker:
            queue = broker.SimpleQueue("jobs")
            while True:
                try:
                    message = queue.get_nowait()
                except queue.Empty:
                    break
                self.append(message.payload[0][0])
                message.ack()
            queue.close()
        return list(self)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Point the application at another broker for one test."""

    def use(url: str) -> None:
        # The second first: unset it follows the other, and would be put back to what that then is.
        monkeypatch.setattr(current_app.conf, "broker_write_url", url, raising=False)
        monkeypatch.setattr(current_app.conf, "broker_url", url)

    yield use


def test_a_hint_waits_for_the_commit(sent: Any) -> None:
    with transaction.atomic():
        hints.later(TASK, 7)
        assert sent.drain() == []
    assert sent.drain() == [7]


def test_what_is_rolled_back_hints_at_nothing(sent: Any) -> None:
    with pytest.raises(ValueError), transaction.atomic():
        hints.later(TASK, 7)
        raise ValueError
    assert sent.drain() == []


def test_one_hint_per_task_and_id_is_under_way(sent: Any) -> None:
    for target in (7, 7, 8, 7):
        hints.later(TASK, target)
    assert sorted(sent.drain()) == [7, 8]


def test_a_hint_that_arrived_makes_room_for_the_next(sent: Any) -> None:
    hints.later(TASK, 7)
    tasks.run_job(7)
    hints.later(TASK, 7)
    assert sent.drain() == [7, 7]


def test_a_hint_that_never_arrived_may_be_sent_again_after_a_minute(sent: Any) -> None:
    hints.later(TASK, 7)
    Hint.objects.update(sent_at=leases.until(-hints.FORGOTTEN - timedelta(seconds=1)))
    hints.later(TASK, 7)
    assert sent.drain() == [7, 7]


def test_an_emptied_broker_leaves_nothing_noted(sent: Any) -> None:
    hints.later(TASK, 7)
    assert hints.forget() == 1
    hints.later(TASK, 7)
    assert sent.drain() == [7, 7]


def test_a_dead_broker_neither_fails_nor_delays_and_then_is_left_in_peace(sent: Any, broker: Any) -> None:
    broker("redis://127.0.0.1:1/0")
    begun = time.monotonic()
    with transaction.atomic():
        hints.later(TASK, 7)
    assert time.monotonic() - begun < 2
    assert not Hint.objects.exists(), "a hint that was not sent is not noted as under way"
    assert hints._silent_until > time.monotonic() + hints.SILENCE - 5
    hints.later(TASK, 8)
    assert not Hint.objects.exists()


def test_a_hung_broker_costs_half_a_second_once(sent: Any, broker: Any) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        begun = time.monotonic()
        hints.later(TASK, 7)
        hints.later(TASK, 8)
        assert 0.4 < time.monotonic() - begun < 2


def test_a_broken_hint_row_does_not_fail_the_request(sent: Any) -> None:
    with transaction.atomic():
        hints.later("x" * 300, 7)  # longer than the column
    assert connection.is_usable()
    assert sent.drain() == []


@pytest.mark.redis
def test_a_hint_travels_through_redis(sent: Any, broker: Any) -> None:
    broker(os.environ["REDIS_URL"])
    with current_app.connection_for_write() as redis:
        queue = redis.SimpleQueue("jobs")
        queue.clear()
        hints.later(TASK, 41)
        message = queue.get(timeout=2)
        message.ack()
        queue.close()
    assert message.payload[0] == [41]
