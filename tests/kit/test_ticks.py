"""Turns of periodic work: each is taken once, and again only when its holder died."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from kit import leases, ticks
from kit.models import Tick

NOW = datetime(2025, 3, 1, 12, 34, 56, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_turn_begins_at_the_same_instant_for_whoever_asks_within_it() -> None:
    assert ticks.slot(NOW, HOUR) == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert ticks.slot(NOW + timedelta(minutes=20), HOUR) == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert ticks.slot(NOW, timedelta(days=1)) == datetime(2025, 3, 1, tzinfo=UTC)


def test_of_many_clocks_one_takes_the_turn(transactional_db: None) -> None:
    took = []

    def ring() -> None:
        took.append(ticks.claim("nightly", ticks.slot(NOW, HOUR)))
        connection.close()

    clocks = [threading.Thread(target=ring) for _ in range(4)]
    for clock in clocks:
        clock.start()
    for clock in clocks:
        clock.join()
    assert sorted(took) == [False, False, False, True]


def test_a_finished_turn_never_comes_again_even_when_its_lease_is_over(db: None) -> None:
    turn = ticks.slot(NOW, HOUR)
    assert ticks.claim("nightly", turn)
    ticks.finish("nightly", turn)
    Tick.objects.update(lease_until=leases.until(-HOUR))
    assert not ticks.claim("nightly", turn)


def test_a_turn_whose_holder_died_is_free_when_its_lease_is_over(db: None) -> None:
    turn = ticks.slot(NOW, HOUR)
    assert ticks.claim("nightly", turn)
    assert not ticks.claim("nightly", turn)
    Tick.objects.update(lease_until=leases.until(-timedelta(seconds=1)))
    assert ticks.claim("nightly", turn)


def test_work_is_called_once_per_turn_and_again_in_the_next(db: None) -> None:
    called: list[datetime] = []
    for now in (NOW, NOW + timedelta(minutes=1), NOW + HOUR):
        ticks.once("nightly", HOUR, now, called.append)
    assert called == [NOW, NOW + HOUR]


def test_work_that_fails_leaves_its_turn_to_the_next_caller(db: None) -> None:
    with pytest.raises(ZeroDivisionError):
        ticks.once("nightly", HOUR, NOW, lambda now: 1 / 0)
    assert Tick.objects.get().finished_at is None
    assert ticks.once("nightly", HOUR, NOW, lambda now: None)


def test_a_turn_is_passed_over_while_the_one_before_is_at_work(db: None) -> None:
    def overtaken(now: datetime) -> None:
        assert not ticks.once("nightly", HOUR, now + HOUR, lambda later: 1 / 0)
        assert ticks.once("hourly", HOUR, now, lambda later: None)

    assert ticks.once("nightly", HOUR, NOW, overtaken)
    assert ticks.once("nightly", HOUR, NOW + HOUR, lambda now: None)


def test_a_turn_is_kept_for_as_long_as_its_work_takes(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks, "LEASE", timedelta(seconds=0.5))
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.1)
    took: list[bool] = []

    def rival() -> None:
        time.sleep(1)
        took.append(ticks.claim("nightly", ticks.slot(NOW, HOUR)))
        connection.close()

    def one_long_statement(now: datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1.5)")

    other = threading.Thread(target=rival)
    other.start()
    assert ticks.once("nightly", HOUR, NOW, one_long_statement)
    other.join()
    assert took == [False]


def test_old_turns_are_forgotten(db: None) -> None:
    for now in (NOW - 40 * HOUR, NOW):
        ticks.once("nightly", HOUR, now, lambda now: None)
    assert ticks.forget(NOW - HOUR) == 1
    assert Tick.objects.count() == 1
