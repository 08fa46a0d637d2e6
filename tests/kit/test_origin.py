"""One request is followed by its id: through the web's lines, a hint, a job, what a worker sends, and back to a page."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth import SESSION_KEY
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from campaigns import entry, journeys, live, sending
from campaigns.models import Enrollment, Message
from kit import hints, installation, jobs, logs, origin, requests, tasks
from kit.models import AuditEntry, Job, User
from tests.campaigns import mailing, making
from tests.factories import NOW

pytestmark = pytest.mark.django_db
ID = "trace-me.2025=1"


class Log:
    """What was logged meanwhile, as a machine reads it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def of(self, logger: str, request_id: str = ID) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [each for each in told if each["logger"] == logger and each.get("request_id") == request_id]


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    handler = logging.StreamHandler(made.stream)
    handler.setFormatter(logs.Json())
    handler.addFilter(logs.Origin())
    root = logging.getLogger()
    root.addHandler(handler)
    yield made
    root.removeHandler(handler)


@pytest.fixture
def ada(client: Client) -> User:
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN)
    client.force_login(made)
    return made


# ---- at the door ----


def test_an_answer_says_the_id_that_came_with_its_request_or_a_new_one(client: Client, ada: User) -> None:
    assert client.get("/", headers={"X-Request-ID": ID})["X-Request-ID"] == ID
    made = {client.get("/")["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2 and all(origin.read(each) for each in made)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "short",
        "x" * 65,
        "x" * 100_000,
        "two,ids-joined",
        "spa ce-in-it",
        "nl\nin-it-all",
        "<script>alert(1)",
        "ünïcode-id",
    ],
)
def test_an_id_that_is_not_well_formed_is_not_taken_over(client: Client, given: str) -> None:
    said = client.get("/sign-in/", headers={"X-Request-ID": given})["X-Request-ID"]
    assert said != given and len(said) == 32


@pytest.mark.parametrize(
    ("path", "status"), [("/", 302), ("/no/such/page/", 404), ("/sign-in/", 200), ("/static/x.css", 404)]
)
def test_every_answer_has_one_whoever_gave_it(client: Client, path: str, status: int) -> None:
    answer = client.get(path, headers={"X-Request-ID": ID})
    assert (answer.status_code, answer["X-Request-ID"]) == (status, ID)


def test_a_request_has_one_line_with_route_status_time_and_user(client: Client, ada: User, log: Log) -> None:
    client.get("/people/?q=ada.lind@secret.example", headers={"X-Request-ID": ID})
    [told] = log.of("kit.requests")
    assert (told["method"], told["route"], told["status"], told["user_id"]) == ("GET", "people", 200, ada.pk)
    assert told["ms"] > 0 and "secret.example" not in log.stream.getvalue()


def test_a_line_costs_no_query_and_a_stranger_has_no_name(
    client: Client, log: Log, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        client.get("/static/x.css", headers={"X-Request-ID": ID})
    [told] = log.of("kit.requests")
    assert told["user_id"] is None and SESSION_KEY not in client.session


def test_an_odd_method_and_an_unknown_page_are_told_by_words_of_ours(client: Client, log: Log) -> None:
    client.generic("JUMP\u0041", "/nowhere/at/all/", headers={"X-Request-ID": ID})
    [told] = log.of("kit.requests")
    assert (told["method"], told["route"]) == ("other", "none")


def test_an_error_is_told_with_its_traceback_under_the_same_id(
    client: Client, ada: User, log: Log, monkeypatch: Any
) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("kit.views.panels.draw", lambda *_: 1 / 0)
    answer = client.get("/", headers={"X-Request-ID": ID})
    assert (answer.status_code, answer["X-Request-ID"]) == (500, ID)
    [told] = log.of("django.request")
    assert "ZeroDivisionError" in told["exception"]
    assert [each["status"] for each in log.of("kit.requests")] == [500]


def test_an_answer_that_is_made_while_it_is_read_goes_back_to_its_request() -> None:
    made = requests.given_an_id(lambda _request: StreamingHttpResponse(origin.request_id() for _ in range(2)))
    answer = made(RequestFactory().get("/", headers={"X-Request-ID": ID}))
    parts = []
    for part in answer.streaming_content:  # type: ignore[attr-defined]
        assert origin.request_id() == "", "who reads it is left alone"
        parts.append(part)
    assert parts == [ID.encode()] * 2


# ---- further on ----


def test_a_job_keeps_the_request_that_asked_for_it_and_its_lines_and_page_say_both(
    client: Client, ada: User, log: Log, monkeypatch: Any
) -> None:
    monkeypatch.setattr(jobs, "_kinds", dict(jobs._kinds))
    jobs.register("sample", lambda held: logging.getLogger("kit.sample").info("at work"))
    with origin.following(ID):
        job = jobs.enqueue("sample", {}, by=ada, now=NOW)
    assert jobs.run(job.pk, NOW)
    [at_work] = log.of("kit.sample")
    assert at_work["job_id"] == job.pk
    assert [each["message"].split(" ")[3] for each in log.of("kit.jobs")] == ["begins,", "ends:"]
    assert origin.request_id() == ""
    assert ID in client.get(f"/operations/jobs/{job.pk}/").content.decode()


def test_what_a_job_asks_for_goes_back_to_the_same_request(ada: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(jobs, "_kinds", dict(jobs._kinds))
    jobs.register("second", lambda held: None)
    jobs.register("first", lambda held: jobs.enqueue("second", {}, by=None, now=NOW) and None)
    with origin.following(ID):
        first = jobs.enqueue("first", {}, by=ada, now=NOW)
    jobs.run(first.pk, NOW)
    assert Job.objects.get(kind="second").request_id == ID


@pytest.mark.django_db(transaction=True)
def test_a_hint_carries_the_request_to_the_worker(monkeypatch: Any) -> None:
    monkeypatch.setattr(hints, "_silent_until", 0.0)
    seen = []
    monkeypatch.setattr(jobs, "run", lambda job_id, now: seen.append((job_id, origin.request_id())))
    with current_app.connection_for_read() as broker:
        queue = broker.SimpleQueue("jobs")
        queue.clear()
        with origin.following(ID):
            hints.later("kit.tasks.run_job", 41)
        message = queue.get(timeout=2)
        message.ack()
        queue.close()
    tasks.run_job.apply(args=message.payload[0], headers=message.headers)
    tasks.run_job.apply(args=[42], headers={hints.HEADER: "not\nwell-formed"})
    tasks.run_job(43)
    assert seen == [(41, ID), (42, ""), (43, "")]


def test_the_trail_of_changes_names_the_request(client: Client, ada: User) -> None:
    client.post("/people/new/", {"email": "grace@example.com"}, headers={"X-Request-ID": ID})
    assert set(AuditEntry.objects.values_list("request_id", flat=True)) == {ID}


# ---- as far as the mail ----


def test_a_test_message_is_followed_from_the_button_to_the_mail_servers_answer(
    client: Client, ada: User, log: Log
) -> None:
    making.sender()
    content = making.content()
    client.post(f"/content/{content.slug}/test/", headers={"X-Request-ID": ID})
    message = Message.objects.get()
    assert message.request_id == ID
    sending.run_all(timezone.now())
    [told] = log.of("campaigns.sending.lines")
    assert (told["messages"], told["state"], told["purpose"]) == ([str(message.pk)], "sent", "test")
    assert [each["route"] for each in log.of("kit.requests")] == ["content_test"]


def test_whoever_is_put_in_by_hand_brings_the_request_to_their_message(client: Client, ada: User, log: Log) -> None:
    version = mailing.running()
    grace, other = mailing.reader(), mailing.reader()
    client.post(f"/campaigns/{version.campaign.slug}/people/{grace.pk}/enroll/", headers={"X-Request-ID": ID})
    entry.enroll(version.campaign, [other.pk], by=None, now=NOW)
    assert set(Enrollment.objects.values_list("person_id", "request_id")) == {(grace.pk, ID), (other.pk, "")}
    later = timezone.now() + timedelta(seconds=1)
    journeys.run_all(later)
    sending.run_all(later)
    [told] = log.of("campaigns.sending.lines")
    [mine] = Message.objects.filter(person=grace).values_list("pk", flat=True)
    assert told["messages"] == [str(mine)] and told["campaign"] == version.campaign.slug


def test_a_launch_is_followed_through_the_job_that_lets_people_in_to_their_mail(ada: User, log: Log) -> None:
    installation.put("postal_address", "Marlow Creek, 1 Mill Lane")
    grace = mailing.reader()
    draft = making.simple(entry="broadcast", segment=making.segment(grace))
    with origin.following(ID):
        making.launched(draft, confirmed=1)
    live.begin(NOW)
    [job] = Job.objects.filter(kind=live.JOB)
    jobs.run(job.pk, NOW)
    assert Enrollment.objects.get().request_id == job.request_id == ID
    journeys.run_all(NOW)
    sending.run_all(NOW)
    [told] = log.of("campaigns.sending.lines")
    assert (told["state"], len(told["messages"])) == ("sent", 1)
    assert [each["job_id"] for each in log.of("kit.jobs")] == [job.pk, job.pk]


def test_messages_that_no_request_caused_have_no_line(log: Log) -> None:
    version = mailing.running()
    entry.enroll(version.campaign, [mailing.reader().pk], by=None, now=NOW)
    journeys.run_all(NOW)
    assert sending.run_all(NOW) == 1
    assert "campaigns.sending.lines" not in log.stream.getvalue()


def test_a_message_that_is_sent_again_goes_back_to_who_asked_for_that(client: Client, ada: User) -> None:
    making.sender()
    message = sending.test(making.content().versions.get(), to=ada, person=None, now=NOW)
    Message.objects.filter(pk=message.pk).update(state="claimed")
    Message.objects.filter(pk=message.pk).update(state="sending")
    Message.objects.filter(pk=message.pk).update(state="unknown")
    client.post(f"/outbox/{message.pk}/resend/", headers={"X-Request-ID": ID})
    message.refresh_from_db()
    assert (message.state, message.request_id) == ("queued", ID)
