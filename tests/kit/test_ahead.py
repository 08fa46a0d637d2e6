"""What comes next is made by a session of its own while its forerunner is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from kit.ahead import ahead
from kit.sql import Sql, rows, sql, value
from tests.patience import until

SESSION = Sql("SELECT pg_backend_pid()")


def sessions(number: int) -> Iterator[int]:
    for _ in range(number):
        yield value(SESSION)


@pytest.mark.django_db(transaction=True)
def test_things_are_made_by_another_session_which_ends_with_them() -> None:
    makers = set(ahead(sessions(3)))
    assert len(makers) == 1 and value(SESSION) not in makers
    until(lambda: not rows(sql("SELECT pid FROM pg_stat_activity WHERE pid = ANY ({})", list(makers))))


@pytest.mark.django_db(transaction=True)
def test_the_next_is_made_while_the_one_at_hand_is_worked_on() -> None:
    made = Event()

    def two() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    found = ahead(two())
    assert next(found) == 1
    assert made.wait(timeout=30)
    assert list(found) == [2]


@pytest.mark.django_db(transaction=True)
def test_what_fails_while_it_is_made_fails_where_it_is_asked_for() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the file ends here")

    found = ahead(broken())
    assert next(found) == 1
    with pytest.raises(OSError, match="the file ends here"):
        next(found)


@pytest.mark.django_db
def test_within_a_transaction_they_are_made_by_the_one_session_that_sees_it() -> None:
    assert set(ahead(sessions(3))) == {value(SESSION)}
