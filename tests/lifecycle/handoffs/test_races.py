"""Two at once, with a connection each: one answer wins, turns stay fair, and everybody is told once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from kit.models import Notice
from lifecycle.handoffs import answering, routing, turning
from lifecycle.models import Handoff, Membership, Movement
from tests.factories import NOW
from tests.lifecycle.handoffs.making import handed, in_turns, team, version

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[object]:
    """What each gives, all begun at the same moment. An error of one fails the test."""
    barrier, given = threading.Barrier(len(works)), [None] * len(works)
    errors: list[BaseException] = []

    def work(at: int) -> None:
        try:
            barrier.wait()
            given[at] = works[at]()
        except BaseException as error:  # told by the test's own thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[at]) for at in range(len(works))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert not errors, errors
    return given


def test_of_two_who_answer_at_once_one_wins_and_the_ledger_has_one_move():
    made, (north, (ina, bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    for _each in range(5):
        ada = handed(made)
        one = answering.one(ada)
        won = at_once(
            lambda one=one: answering.accept(one, answering.Saying(ina, "page", NOW)),
            lambda one=one: answering.reject(one, "No need", answering.Saying(bob, "link", NOW)),
            lambda one=one: answering.pass_on(one, bob, answering.Saying(ina, "page", NOW)),
        )
        final = set(Handoff.objects.filter(membership=ada.membership_id).values_list("state", flat=True))
        moves = Movement.objects.filter(membership=ada.membership_id).count()
        assert sum(won[:2]) + (moves == 1) == 1, (won, final)


def test_a_team_takes_fair_turns_whoever_routes():
    made, (north, _members) = version(), team("Ina", "Bob", "Cem")
    in_turns(made, north)
    for _each in range(30):
        handed(made, turn=False)
    at_once(*[lambda: routing.route(NOW)] * 3)
    assert set(Counter(Handoff.objects.values_list("user__name", flat=True)).values()) == {10}


def test_two_turns_of_the_clock_tell_and_bring_back_once():
    made, (north, (ina, _bob)) = version(), team("Ina", "Bob")
    in_turns(made, north)
    ada = handed(made)
    answering.not_now(answering.one(ada), NOW.date().replace(day=20), answering.Saying(ina, "page", NOW))
    at_once(*[lambda: turning.turn(NOW.replace(day=21))] * 2)
    turning.turn(NOW.replace(day=21))
    assert Membership.objects.get().stage.slug == "mql" and Handoff.objects.count() == 2
    assert Notice.objects.filter(kind="handoff.returned").count() == 1
