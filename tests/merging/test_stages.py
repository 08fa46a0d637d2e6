"""Stages of two who become one: which pass stays, that every balance holds, and what parting gives back."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from audience import merging
from audience.models import Person
from kit.sql import rows, sql, value
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from reporting import filling, integrity
from reporting.models import DailyFlow
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db


def placed(version: Any, slug: str, at: Any, subject: Any = None) -> Any:
    subject = subject or factories.person()
    known = version.stages.get(slug="known")
    assert stages.place(subject.pk, version, to=known, reason="", by=None, at=at, now=at)
    if slug != "known":
        moved(Membership.objects.get(subject_id=subject.pk, ended_at=None), slug, at + timedelta(days=1))
    return subject


def moved(membership: Membership, slug: str | None, at: Any) -> None:
    to = membership.version.stages.get(slug=slug) if slug else None
    assert stages.move(membership, to=to, reason="Test", by=None, at=at, now=at)


def passes(subject: Any) -> list[tuple[int, str | None, bool]]:
    found = Membership.objects.filter(subject_id=subject.pk).order_by("pass_number").select_related("stage")
    return [(each.pass_number, each.stage and each.stage.slug, each.ended_at is None) for each in found]


def balances(version: Any) -> dict[str, int]:
    """How many are in each stage, by the flows of all days."""
    filling.fill(version.lifecycle, now=NOW)
    told: dict[str, int] = {}
    for flow in DailyFlow.objects.filter(lifecycle=version.lifecycle):
        told[flow.to_stage] = told.get(flow.to_stage, 0) + flow.count
        told[flow.from_stage] = told.get(flow.from_stage, 0) - flow.count
    return {slug: number for slug, number in told.items() if slug and number}


@pytest.mark.parametrize("survivor", [0, 1])
def test_the_pass_that_is_further_stays_and_the_other_is_left_by_a_movement_that_says_why(survivor: int) -> None:
    version = factories.published()
    pair = [placed(version, "lead", days_ago(20)), placed(version, "engaged", days_ago(30))]
    ours, theirs = pair[survivor], pair[1 - survivor]
    merging.merge(ours, theirs, by=None, now=NOW)
    assert passes(ours) == [(1, None, False), (2, "lead", True)] and passes(theirs) == []
    left = Movement.objects.get(kind="merge")
    assert (left.from_stage.slug, left.to_stage, left.occurred_at) == ("engaged", None, NOW)
    assert f"#{pair[0].pk}" in left.reason
    assert balances(version) == {"lead": 1}
    assert integrity.check(version.lifecycle, now=NOW) == []


def test_the_success_path_goes_before_a_detour_and_of_equals_the_longer_stay() -> None:
    version = factories.published()
    ours, theirs = placed(version, "resting", days_ago(30)), placed(version, "engaged", days_ago(20))
    merging.merge(ours, theirs, by=None, now=NOW)
    assert passes(ours)[-1] == (2, "engaged", True)
    third = placed(version, "engaged", days_ago(60))
    since = Membership.objects.get(subject_id=third.pk).entered_at
    merging.merge(ours, third, by=None, now=NOW)
    [open_pass] = Membership.objects.filter(subject_id=ours.pk, ended_at=None)
    assert open_pass.entered_at == since and open_pass.pass_number == 3


def test_parted_again_each_pass_goes_on_where_it_was_and_counts_as_before() -> None:
    version = factories.published()
    ours, theirs = placed(version, "engaged", days_ago(30)), placed(version, "lead", days_ago(20))
    moved(Membership.objects.get(subject_id=ours.pk), None, days_ago(15))
    placed(version, "known", days_ago(10), ours)
    before = (passes(ours), passes(theirs), balances(version))
    made = merging.merge(ours, theirs, by=None, now=NOW)
    assert [each[0] for each in passes(ours)] == [1, 2, 3] and balances(version) == {"lead": 1}
    merging.part(made, by=None, now=NOW)
    assert (passes(ours), passes(theirs), balances(version)) == before
    since = {each.subject_id: each.entered_at for each in Membership.objects.filter(ended_at=None)}
    assert since == {ours.pk: NOW, theirs.pk: days_ago(19)}, "the time of whoever had to leave begins anew"
    assert integrity.check(version.lifecycle, now=NOW) == []
    assert [each.kind for each in Movement.objects.order_by("-pk")[:2]] == ["undo", "merge"]


def test_a_pass_that_began_while_they_were_one_is_the_survivors_and_the_next_one_counts_on() -> None:
    version = factories.published()
    ours, theirs = placed(version, "engaged", days_ago(30)), placed(version, "known", days_ago(20))
    made = merging.merge(ours, theirs, by=None, now=NOW)
    moved(Membership.objects.get(subject_id=ours.pk, ended_at=None), None, NOW)
    placed(version, "lead", NOW, ours)
    merging.part(made, by=None, now=NOW + timedelta(days=2))
    assert passes(ours) == [(1, None, False), (2, "lead", True)]
    assert passes(theirs) == [(1, "known", True)]
    moved(Membership.objects.get(subject_id=ours.pk, ended_at=None), None, NOW + timedelta(days=3))
    placed(version, "known", NOW + timedelta(days=4), ours)
    assert [each[0] for each in passes(ours)] == [1, 2, 3]


def test_whether_the_survivor_counts_says_whether_the_stages_of_both_do() -> None:
    version = factories.published()
    ours, theirs = placed(version, "lead", days_ago(30)), placed(version, "known", days_ago(20))
    Person.objects.filter(pk=theirs.pk).update(is_excluded=True)
    assert balances(version) == {"lead": 1}
    made = merging.merge(ours, theirs, by=None, now=NOW)
    assert balances(version) == {"lead": 1}
    assert value(sql("SELECT count(*) FROM reporting_stageentry")) == 4
    merging.part(made, by=None, now=NOW)
    assert balances(version) == {"lead": 1} and value(sql("SELECT count(*) FROM reporting_stageentry")) == 2
    assert integrity.check(version.lifecycle, now=NOW) == []


# ---- at once ----


@pytest.mark.django_db(transaction=True)
def test_of_two_who_merge_the_same_pair_at_once_one_wins_and_the_other_is_told() -> None:
    ours, theirs = factories.person(email="a@a.example"), factories.person(email="b@b.example")
    ready, came = threading.Barrier(2), []

    def run(pair: tuple[Person, Person]) -> None:
        ready.wait()
        try:
            merging.merge(*pair, by=None, now=NOW)
            came.append("merged")
        except merging.Refused as refused:
            came.append(refused.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(pair,)) for pair in ((ours, theirs), (theirs, ours))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == ["already_merged", "merged"]
    assert Person.objects.filter(erased_at=None).count() == 1


def test_whoever_read_a_pass_before_a_merge_gave_it_to_another_moves_it_in_the_ledger_too() -> None:
    version = factories.published()
    survivor, merged = factories.person(), placed(version, "lead", days_ago(30))
    read = Membership.objects.get(subject_id=merged.pk)
    merging.merge(survivor, merged, by=None, now=NOW)
    moved(read, "engaged", NOW)
    assert passes(survivor) == [(1, "engaged", True)]
    assert integrity.check(version.lifecycle, now=NOW) == []


@pytest.mark.django_db(transaction=True)
def test_while_ten_move_memberships_a_merge_keeps_the_ledger_true() -> None:
    version = factories.published()
    people = [placed(version, "engaged", days_ago(30)) for _each in range(6)]
    ways = ["lead", "known", "engaged"]
    faults: list[Exception] = []

    def move(number: int) -> None:
        try:
            for turn in range(12):
                memberships = list(Membership.objects.filter(ended_at=None, lifecycle=version.lifecycle).order_by("pk"))
                each = memberships[(number + turn) % len(memberships)]
                to = version.stages.get(slug=ways[(number + turn) % 3])
                if to.pk != each.stage_id:
                    stages.move(each, to=to, reason="Test", by=None, at=NOW, now=NOW)
        except stages.MoveRefused:
            pass
        except Exception as fault:  # noqa: BLE001 - told to the test
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    made = [merging.merge(people[0], other, by=None, now=NOW) for other in people[1:4]]
    merging.part(made[-1], by=None, now=NOW)
    for thread in threads:
        thread.join()
    assert faults == []
    assert integrity.check(version.lifecycle, now=NOW) == []
    open_passes = rows(sql("SELECT subject_id, count(*) FROM lifecycle_membership WHERE ended_at IS NULL GROUP BY 1"))
    assert {count for _subject, count in open_passes} == {1} and len(open_passes) == 4
