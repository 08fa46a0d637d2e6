"""What stopped for good: each kind shows what it was about and why, is tried again, or settled with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, Enrollment, Message, Response
from kit import deadletters, heartbeats, operations, periodic, queues
from kit.models import AuditEntry, Job, Settled, User
from lifecycle.engine import live
from lifecycle.models import Version
from tests.campaigns import mailing, making
from tests.factories import NOW, published

pytestmark = pytest.mark.django_db
ADDRESS = "/operations/dead-letters/"


@pytest.fixture
def ada(client: Client) -> User:
    made = User.objects.create_user("ada@example.com", "x", role=User.Role.OPS)
    client.force_login(made)
    return made


def page(client: Client) -> str:
    return client.get(ADDRESS).content.decode()


def failed_job(**values: Any) -> Job:
    told = {"kind": "import", "title": "people.csv", "state": "failed", "error": "Row 301 has 14 cells.", "attempts": 3}
    return Job.objects.create(
        **told | {"payload": {"file": "people.csv"}, "created_at": NOW, "finished_at": NOW} | values
    )


def message(*states: str, **values: Any) -> Message:
    made = mailing.queued(mailing.running(values.pop("campaign", "Nurture")), **values)
    for state in states:
        Message.objects.filter(pk=made.pk).update(state=state)
    return made


# ---- jobs ----


def test_a_failed_job_shows_what_it_was_about_and_why_and_can_be_tried_again(client: Client, ada: User) -> None:
    job = failed_job()
    shown = page(client)
    assert "people.csv" in shown and "Row 301 has 14 cells." in shown and "&quot;file&quot;" in shown
    assert f"/operations/jobs/{job.pk}/" in shown
    assert "It is tried again." in client.post(f"{ADDRESS}job/{job.pk}/retry/", follow=True).content.decode()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("queued", 0)
    assert "Nothing has stopped" in page(client)
    assert AuditEntry.objects.get(action="dead_letter.retry").target == f"job {job.pk}"


def test_a_job_is_settled_with_a_reason_and_shown_again_when_it_fails_once_more(client: Client, ada: User) -> None:
    job = failed_job(finished_at=timezone.now())
    assert "Say why" in client.post(f"{ADDRESS}job/{job.pk}/settle/", {"reason": "  "}, follow=True).content.decode()
    client.post(f"{ADDRESS}job/{job.pk}/settle/", {"reason": "The file was withdrawn."})
    assert "Nothing has stopped" in page(client)
    assert Settled.objects.get().reason == "The file was withdrawn."
    assert AuditEntry.objects.get(action="dead_letter.settle").user == ada
    assert (
        "does not wait" in client.post(f"{ADDRESS}job/{job.pk}/settle/", {"reason": "x"}, follow=True).content.decode()
    )
    Job.objects.update(finished_at=timezone.now() + timedelta(seconds=1), error="Failed again.")
    assert "Failed again." in page(client)


@pytest.mark.parametrize("key", ["0", "99999999999999999999999", "x", "1'; DROP TABLE kit_job; --", "%F0%9F"])
@pytest.mark.parametrize("kind", ["job", "unknown", "failed", "aside", "rules", "campaign", "nothing"])
def test_what_is_not_there_is_neither_tried_nor_settled(client: Client, ada: User, kind: str, key: str) -> None:
    for act in ("retry", "settle"):
        assert client.post(f"{ADDRESS}{kind}/{key}/{act}/", {"reason": "x"}).status_code in (302, 404)
    assert not Settled.objects.exists()


def test_whoever_may_only_look_sees_why_and_neither_the_payload_nor_a_button(client: Client) -> None:
    client.force_login(User.objects.create_user("eve@example.com", "x", role=User.Role.VIEWER))
    failed_job()
    shown = page(client)
    assert "Row 301" in shown and "&quot;file&quot;" not in shown and "Try again" not in shown


def test_many_are_counted_up_to_a_limit_and_the_newest_are_shown(client: Client, ada: User) -> None:
    Job.objects.bulk_create(
        Job(kind="import", title=f"file {n}", state="failed", created_at=NOW, finished_at=NOW + timedelta(seconds=n))
        for n in range(130)
    )
    shown = page(client)
    assert "file 129" in shown and "file 110" in shown and "file 109" not in shown
    assert "And 80 or more that are older." in shown


# ---- messages and campaigns ----


def test_a_message_that_is_perhaps_sent_can_be_sent_again_or_left(client: Client, ada: User) -> None:
    again, left = message("claimed", "sending", "unknown"), message("claimed", "sending", "unknown", campaign="Other")
    assert page(client).count("Send one once more") == 1
    client.post(f"{ADDRESS}unknown/{again.pk}/retry/")
    client.post(f"{ADDRESS}unknown/{left.pk}/settle/", {"reason": "She has confirmed that it came."})
    assert set(Message.objects.values_list("pk", "state")) == {(again.pk, "queued"), (left.pk, "unknown")}
    assert "Nothing has stopped" in page(client)


def test_a_message_of_a_stopped_campaign_is_not_sent_again_and_says_why(client: Client, ada: User) -> None:
    lost = message("claimed", "sending", "unknown")
    Campaign.objects.update(state="stopped")
    assert "stopped for ever" in client.post(f"{ADDRESS}unknown/{lost.pk}/retry/", follow=True).content.decode()
    lost.refresh_from_db()
    assert lost.state == "unknown"


def test_failed_messages_are_told_by_campaign_and_bad_addresses_are_none(client: Client, ada: User) -> None:
    version = mailing.running()
    for number in range(3):
        made = mailing.queued(version)
        Message.objects.filter(pk=made.pk).update(state="claimed")
        Message.objects.filter(pk=made.pk).update(state="failed", strikes=3, reason="It cannot be written: line 4")
        if number == 0:
            Response.objects.create(message=made, kind="bounced", actor="unknown", at=NOW)
    shown = page(client)
    assert "It cannot be written: line 4" in shown and "2 times" in shown
    assert "/outbox/?state=failed&amp;campaign=nurture" in shown
    assert client.get("/outbox/?state=failed&campaign=nurture").content.decode().count("line 4") == 3
    key = f"{version.campaign_id}:written"
    client.post(f"{ADDRESS}failed/{key}/settle/", {"reason": "The content is mended."})
    assert "Nothing has stopped" in page(client)


def test_people_set_aside_and_campaigns_that_paused_by_themselves_lead_to_their_pages(
    client: Client, ada: User
) -> None:
    version = mailing.running()
    Enrollment.objects.create(
        campaign=version.campaign, version=version, person=mailing.reader(), state="quarantined", entered_at=NOW,
        ended_at=NOW, step=making.steps(version)[0], reason="“Branch”: ValueError",
    )  # fmt: skip
    Campaign.objects.update(state="paused", paused_because="Too many bounced.")
    shown = page(client)
    assert "“Branch”: ValueError" in shown and "/campaigns/nurture/people/?state=quarantined" in shown
    assert "Too many bounced." in shown and 'href="/campaigns/nurture/"' in shown
    assert client.get("/campaigns/nurture/people/?state=quarantined").status_code == 200


def test_a_campaign_that_somebody_paused_is_none(client: Client, ada: User) -> None:
    mailing.running()
    Campaign.objects.update(state="paused")
    assert "Nothing has stopped" in page(client)


def test_rules_that_stopped_go_on_from_here(client: Client, ada: User) -> None:
    version = published()
    live.stop(version, "There is no field “score.gone”.", NOW)
    assert "score.gone" in page(client)
    client.post(f"{ADDRESS}rules/{version.pk}/retry/")
    assert Version.objects.get(pk=version.pk).stopped_at is None
    assert "Nothing has stopped" in page(client)


# ---- home ----


def all_at_work() -> None:
    heartbeats.beat("worker@here", " ".join(queues.names()), timedelta(hours=1))


def test_home_warns_of_what_stopped_until_its_user_has_looked(
    client: Client, ada: User, in_time: Callable[[], None]
) -> None:
    in_time()
    assert "waits for a human" not in client.get("/").content.decode()
    failed_job(finished_at=timezone.now())
    assert "1 thing has stopped and waits for a human" in client.get("/").content.decode()
    page(client)
    assert "waits for a human" not in client.get("/").content.decode()
    failed_job(finished_at=timezone.now() + timedelta(seconds=1))
    assert "1 thing has stopped and waits for a human" in client.get("/").content.decode()


def test_home_warns_when_no_worker_takes_from_a_queue(client: Client, ada: User, in_time: Callable[[], None]) -> None:
    in_time()
    assert "No worker takes" not in client.get("/").content.decode()
    heartbeats.stop("worker@here")
    assert "No worker takes from the queue “mail”" in client.get("/").content.decode()
    client.force_login(User.objects.create_user("eve@example.com", "x", role=User.Role.SALES))
    assert "No worker takes" not in client.get("/").content.decode(), "it is not for them to start one"


def test_right_after_a_start_nothing_is_said_of_workers_that_are_still_coming(
    client: Client, ada: User, monkeypatch: Any
) -> None:
    monkeypatch.setattr(operations, "_began", time.monotonic())
    assert "No worker takes" not in client.get("/").content.decode()
    assert "No worker takes" in client.get("/operations/system/").content.decode()


def test_when_all_is_well_the_system_says_so(client: Client, ada: User, in_time: Callable[[], None]) -> None:
    in_time()
    shown = client.get("/operations/system/").content.decode()
    assert "All is well." in shown and "worker@here" in shown and "Judging" in shown
    part = client.get("/operations/system/", headers={"HX-Request": "true", "HX-Target": "system"}).content.decode()
    assert "All is well." in part and "<html" not in part


def test_the_system_shows_a_broker_that_is_away_and_asks_little_of_the_database(
    client: Client, ada: User, in_time: Callable[[], None], django_assert_max_num_queries: Any
) -> None:
    in_time()
    with django_assert_max_num_queries(30):
        assert "the broker does not answer" not in client.get("/operations/system/").content.decode()


@pytest.fixture
def in_time(monkeypatch: Any) -> Callable[[], None]:
    """Has workers and clock at work, beside a web that has run for a while."""
    monkeypatch.setattr(operations, "AWAKE", 0)

    def begin() -> None:
        all_at_work()
        for work in periodic.works():
            periodic._note(work.name, 0.1)

    return begin


def test_a_kind_without_a_way_to_try_again_is_not_tried(ada: User) -> None:
    kind = deadletters.kind("campaign")
    assert kind and not deadletters.retry(kind, "1", by=ada, now=NOW)
