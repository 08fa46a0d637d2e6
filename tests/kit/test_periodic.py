"""Periodic work: how the last turn went, whether it is late, and one turn more when somebody asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as ours
from django.test import Client
from django.utils import timezone

from kit import heartbeats, leases, periodic, tasks, ticks
from kit.models import AuditEntry, Heartbeat, Periodic, Tick, User

pytestmark = pytest.mark.django_db
A_DAY = timedelta(days=1)


def standing(name: str) -> periodic.Standing:
    [found] = [each for each in periodic.standings(timezone.now()) if each.work.name == name]
    return found


@pytest.fixture
def turns(monkeypatch: Any) -> list[Any]:
    """What was done in turns of one kind of work."""
    done: list[Any] = []
    work = periodic._works["forget_old"]
    monkeypatch.setitem(periodic._works, "forget_old", periodic.Work(**{**vars(work), "run": done.append}))
    return done


@pytest.fixture
def ada(client: Client) -> User:
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.OPS)
    client.force_login(made)
    return made


def test_everything_that_the_clock_sends_is_known_by_name_and_as_often_as_it_comes() -> None:
    scheduled = {entry["task"] for entry in ours.CELERY_BEAT_SCHEDULE.values()}
    assert {work.task for work in periodic.works()} == scheduled
    now = timezone.now()
    for work in periodic.works():
        assert timedelta(0) <= work.schedule.remaining_estimate(now) <= work.every, work.name


def test_a_turn_is_taken_once_and_says_how_it_went(turns: list[Any]) -> None:
    now = timezone.now()
    assert standing("forget_old").began_at is None
    assert periodic.turn("forget_old", now) and not periodic.turn("forget_old", now)
    assert turns == [now]
    found = standing("forget_old")
    assert found.began_at and found.took is not None and not found.error and not found.is_late


def test_a_turn_that_fails_says_why_until_one_does_not(turns: list[Any], monkeypatch: Any) -> None:
    now = timezone.now()
    work = periodic._works["forget_old"]
    monkeypatch.setitem(periodic._works, "forget_old", periodic.Work(**{**vars(work), "run": lambda now: 1 / 0}))
    with pytest.raises(ZeroDivisionError):
        periodic.turn("forget_old", now)
    assert "division by zero" in standing("forget_old").error
    monkeypatch.setitem(periodic._works, "forget_old", work)
    assert periodic.turn("forget_old", now)
    assert standing("forget_old").error == ""


def test_work_that_comes_every_few_seconds_is_noted_now_and_then_and_whenever_it_fails(monkeypatch: Any) -> None:
    monkeypatch.setattr(periodic, "_noted", {})
    with periodic.noted("judge"):
        pass
    first = standing("judge").began_at
    with periodic.noted("judge"):
        pass
    assert standing("judge").began_at == first
    with pytest.raises(ValueError, match="no such field"), periodic.noted("judge"):
        raise ValueError("no such field")
    assert "no such field" in standing("judge").error


def test_work_that_does_not_come_is_late() -> None:
    heartbeats.beat("worker@here", "quick")
    assert not standing("judge").is_late, "its worker has only just come"
    heartbeats.beat("worker@here", "quick", timedelta(hours=1))
    assert standing("judge").is_late, "it was never heard of"
    assert not standing("forget_old").is_late, "its time may not have come yet"
    for name, ago, late in (
        ("judge", timedelta(seconds=20), False), ("judge", timedelta(minutes=4), True),
        ("forget_old", timedelta(hours=20), False), ("forget_old", timedelta(hours=30), True),
    ):  # fmt: skip
        then = leases.until(-ago)
        Periodic.objects.update_or_create(name=name, defaults={"began_at": then, "ended_at": then})
        assert standing(name).is_late == late, (name, ago)


def test_a_turn_beside_the_clock_is_taken_once_by_whoever_hears_of_it(
    client: Client, ada: User, turns: list[Any]
) -> None:
    assert periodic.turn("forget_old", timezone.now())
    page = client.post("/operations/system/turns/forget_old/", follow=True).content.decode()
    assert "A worker takes a turn" in page and "Asked for" in page
    asked = Periodic.objects.get(name="forget_old")
    assert asked.asked_by == ada and AuditEntry.objects.filter(action="periodic.ask", user=ada).exists()
    assert "asked for already" in client.post("/operations/system/turns/forget_old/", follow=True).content.decode()
    tasks.take_turn(asked.pk)
    tasks.take_turn(asked.pk)
    assert len(turns) == 2
    assert not standing("forget_old").asked


def test_while_a_turn_is_at_work_another_is_refused(client: Client, ada: User, turns: list[Any]) -> None:
    Tick.objects.create(job="forget_old", slot=timezone.now(), lease_until=leases.until(timedelta(minutes=1)))
    assert standing("forget_old").at_work
    assert "A turn is at work" in client.post("/operations/system/turns/forget_old/", follow=True).content.decode()
    assert not Periodic.objects.exclude(asked_at=None).exists()


def test_a_turn_that_was_asked_for_waits_for_the_one_at_work(turns: list[Any]) -> None:
    now = timezone.now()
    assert periodic.ask("forget_old", by=None, now=now)
    asked = Periodic.objects.get(name="forget_old")
    assert ticks.claim("forget_old", now - A_DAY)
    assert not periodic.take(asked.pk, now)
    ticks.finish("forget_old", now - A_DAY)
    assert periodic.take(asked.pk, now) and turns == [now]


def test_work_that_any_number_may_do_cannot_be_asked_for(client: Client, ada: User) -> None:
    for name in ("judge", "no_such_work"):
        client.post(f"/operations/system/turns/{name}/")
    assert not Periodic.objects.exists()


# ---- workers ----


def test_a_worker_says_what_it_takes_from_and_since_when_it_is_there() -> None:
    heartbeats.beat("jobs@here", "jobs", timedelta(hours=1))
    [found] = heartbeats.alive()
    assert found.takes_from == ["jobs"]
    assert timedelta(minutes=59) < found.seen_at - found.started_at < timedelta(minutes=61)
    heartbeats.beat("jobs@here", "jobs quick")
    [found] = heartbeats.alive()
    assert found.takes_from == ["jobs", "quick"] and found.seen_at - found.started_at < timedelta(seconds=1)


def test_a_silent_worker_can_be_dismissed_and_a_living_one_cannot(client: Client, ada: User) -> None:
    heartbeats.beat("worker@here", "quick")
    Heartbeat.objects.create(
        worker="mail@gone", queues="mail", started_at=timezone.now(), seen_at=timezone.now() - timedelta(hours=1)
    )
    page = client.get("/operations/system/").content.decode()
    assert "The worker mail@gone has not been heard of for 1 h 0 min." in page
    for worker in ("worker@here", "mail@gone", "nobody@nowhere"):
        client.post("/operations/system/workers/", {"worker": worker})
    assert list(Heartbeat.objects.values_list("worker", flat=True)) == ["worker@here"]
    assert AuditEntry.objects.get(action="worker.dismiss").target == "mail@gone"
