"""Whoever guesses slows down, whoever is guessed at does not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from kit import throttle
from kit.models import Attempts
from kit.throttle import Counted, Limit, TooOften

NOW = datetime(2025, 6, 15, 10, tzinfo=UTC)
LIMIT = Limit("test", 3, timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
ADA = Counted(LIMIT, "ada")


def after(**span):
    return NOW + timedelta(**span)


def wait(*whom, now):
    """How long one must wait; 0 when the attempt may be made."""
    try:
        throttle.claim(*whom or (ADA,), now=now)
    except TooOften as often:
        return often.wait.total_seconds()
    return 0


@pytest.mark.django_db
def test_waits_grow_from_the_last_free_attempt_on_and_have_an_end():
    assert [wait(now=NOW) for _ in range(4)] == [0, 0, 0, 30]
    at, waits = NOW, []
    for _ in range(6):
        waits.append(wait(now=at))
        at += timedelta(seconds=waits[-1])
        assert wait(now=at) == 0
    assert waits == [30, 60, 120, 240, 300, 300]


@pytest.mark.django_db
def test_an_attempt_that_was_refused_makes_the_wait_no_longer():
    for _ in range(3):
        wait(now=NOW)
    assert [wait(now=after(seconds=10)) for _ in range(50)] == [20] * 50
    assert wait(now=after(seconds=30)) == 0


@pytest.mark.django_db
def test_after_a_quiet_while_the_count_begins_anew():
    for _ in range(3):
        wait(now=NOW)
    assert [wait(now=after(minutes=61)) for _ in range(4)] == [0, 0, 0, 30]


@pytest.mark.django_db
def test_one_counter_that_says_to_wait_lets_the_others_count_nothing():
    bob = Counted(LIMIT, "bob")
    for _ in range(3):
        wait(ADA, now=NOW)
    assert [wait(ADA, bob, now=NOW) for _ in range(9)] == [30] * 9
    assert [wait(bob, now=NOW) for _ in range(4)] == [0, 0, 0, 30]


@pytest.mark.django_db
def test_success_gives_the_attempt_back_with_the_wait_that_it_brought():
    street = Counted(Limit("street", 3, timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1)), "x")
    for _ in range(2):
        throttle.claim(ADA, street, now=NOW)
    throttle.give_back(throttle.claim(ADA, street, now=NOW), ADA, now=NOW)
    assert [wait(ADA, now=NOW) for _ in range(4)] == [0, 0, 0, 30]
    assert [wait(street, now=NOW) for _ in range(2)] == [0, 30]


@pytest.mark.django_db
def test_success_does_not_end_the_wait_that_others_brought_meanwhile():
    mine = throttle.claim(ADA, now=NOW)
    for _ in range(2):
        throttle.claim(ADA, now=NOW)
    throttle.give_back(mine, now=NOW)
    assert wait(now=after(seconds=1)) == 29


@pytest.mark.django_db
def test_what_was_typed_is_not_kept():
    wait(Counted(LIMIT, "hunter2 typed as an email"), now=NOW)
    assert "hunter2" not in Attempts.objects.get().key


@pytest.mark.django_db
def test_counters_that_nobody_touched_are_forgotten():
    wait(now=NOW)
    assert throttle.forget(NOW) == 0 and throttle.forget(after(days=2)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_only_the_free_ones_pass():
    """The attempt is counted before it is made, so a burst finds no gap between looking and counting."""
    passed, start = [], threading.Barrier(12)

    def burst():
        start.wait()
        try:
            passed.append(wait(now=NOW) == 0)
        finally:
            connection.close()

    threads = [threading.Thread(target=burst) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 3
