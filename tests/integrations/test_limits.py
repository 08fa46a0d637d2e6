"""How often a key may ask: counted for all processes together, told with every answer, refilled evenly."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from integrations import keys, limits
from integrations.models import ApiKey
from kit.models import Job
from kit.sql import run, sql
from tests import asking
from tests.asking import problem

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/jobs/"


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = 3


def later(seconds: float) -> None:
    run(sql("UPDATE integrations_allowance SET full_at = full_at - {} * interval '1 second'", seconds))


def test_whoever_asks_too_often_is_told_when_to_ask_again() -> None:
    api = asking.by(asking.user())
    answers = [api.get(JOBS) for _turn in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    told = problem(answers[3], 429, "too_many_requests")
    assert 1 <= int(answers[3]["Retry-After"]) <= 21 and told["detail"]
    later(21)
    assert api.get(JOBS).status_code == 200
    assert api.get(JOBS).status_code == 429


def test_every_answer_tells_how_many_are_left() -> None:
    api = asking.by(asking.user())
    told = [api.get(JOBS) for _turn in range(4)]
    assert {each["RateLimit-Policy"] for each in told} == {'"key";q=3;w=60'}
    left = [each["RateLimit"].split(";")[1] for each in told]
    assert left == ["r=2", "r=1", "r=0", "r=0"]
    assert api.get("/api/v1/jobs/99999/")["RateLimit"].startswith('"key";r=')
    later(600)
    assert api.get(JOBS)["RateLimit"].startswith('"key";r=2;t=2')


def test_each_key_has_an_allowance_of_its_own() -> None:
    who = asking.user()
    one, other = asking.by(who, name="one"), asking.by(who, name="other")
    for _turn in range(4):
        last = one.get(JOBS)
    assert last.status_code == 429 and other.get(JOBS).status_code == 200


def test_without_a_limit_nothing_is_counted_or_told(settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = 0
    api = asking.by(asking.user())
    answers = [api.get(JOBS) for _turn in range(5)]
    assert {each.status_code for each in answers} == {200} and "RateLimit" not in answers[0]


def test_what_one_too_many_would_have_done_is_not_done(settings: Any) -> None:
    settings.API_REQUESTS_A_MINUTE = 1
    api = asking.by(asking.user())
    work = [Job.objects.create(kind="preview", created_at=timezone.now()) for _number in range(2)]
    answers = [asking.send(api, f"{JOBS}{each.pk}/cancel/") for each in work]
    assert [each.status_code for each in answers] == [200, 429]
    assert [each.state for each in Job.objects.order_by("pk")] == ["cancelled", "queued"]


@pytest.mark.django_db(transaction=True)
def test_of_forty_at_once_over_connections_of_their_own_as_many_pass_as_may() -> None:
    """As it is with several web processes: each has nothing but the row."""
    key, _secret = keys.make("sync", ["imports:read"], user=asking.user(), by=None, now=timezone.now())
    passed: list[bool] = []

    def send() -> None:
        try:
            for _turn in range(5):
                passed.append(not limits.ask(key.pk, 12).wait)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM full_at - clock_timestamp()) FROM integrations_allowance")
        [(ahead,)] = cursor.fetchall()
    assert ahead <= 60
    refilled = passed.count(True) - 12  # one each five seconds that the test takes
    assert 0 <= refilled <= 6


def test_a_key_that_goes_takes_its_allowance_with_it() -> None:
    asking.by(asking.user()).get(JOBS)
    ApiKey.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM integrations_allowance")
        assert cursor.fetchall() == [(0,)]
