"""Campaigns over the API: launched by the exact number into the mailbox, who goes through and why, every message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audience.models import Person, SegmentMember
from campaigns import journeys, live, plans, sending
from campaigns.channels import Outcome
from campaigns.models import Campaign, CampaignVersion, Enrollment, Letter, Message
from kit import installation, jobs
from kit.models import Job, User
from tests import asking
from tests.asking import pages, problem, send
from tests.campaigns import making
from tests.campaigns.mailing import Scripted, queued, reader
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    installation.put("postal_address", "Marlow Creek, 1 Mill Lane")
    return asking.by(asking.user())


def broadcast(*people: Person) -> CampaignVersion:
    return making.simple(entry="broadcast", segment=making.segment(*people, at=NOW))


def go_on() -> None:
    """What workers do meanwhile: those who enter are written down, go their steps, and are written to."""
    now = timezone.now()
    live.begin(now)
    for pk in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
        jobs.run(pk, now)
    journeys.run_all(now)
    sending.run_all(now)


# ---- campaigns ----


def test_a_launch_by_the_exact_number_sends_into_the_mailbox(api: Client) -> None:
    readers = [reader(), reader()]
    draft = broadcast(*readers)
    checklist = api.get("/api/v1/campaigns/nurture/checklist/").json()
    assert (checklist["may_launch"], checklist["entering"]) == (True, 2)
    assert {each["level"] for each in checklist["checks"]} == {"warn"}
    SegmentMember.objects.create(segment=draft.segment, person=reader(), entered_at=NOW)

    launch = "/api/v1/campaigns/nurture/launch/"
    refused = problem(send(api, launch, {"confirmed": checklist["entering"]}), 409, "campaign_refused")
    assert refused["count"] == 3 and not Enrollment.objects.exists()
    problem(send(api, launch, {}), 400, "required")
    problem(send(api, launch, {"confirmed": "many"}), 400, "invalid")
    launched = send(api, launch, {"confirmed": refused["count"]}, Idempotency_Key="launch")
    assert (launched.json()["state"], launched.json()["live_version"]) == ("running", 1)
    assert send(api, launch, {"confirmed": 3}, Idempotency_Key="launch").json() == launched.json()
    problem(send(api, launch, {"confirmed": 3}), 409, "no_draft")

    go_on()
    assert sorted(Letter.objects.values_list("recipient", flat=True)) == sorted(
        Person.objects.values_list("email", flat=True)
    )
    campaign = api.get("/api/v1/campaigns/nurture/").json()
    assert {name: campaign["figures"][name] for name in ("entered", "active", "sent")} == {
        "entered": 3, "active": 3, "sent": 3,
    }  # fmt: skip
    first, wait, second = campaign["version"]["steps"]
    assert (first["kind"], first["content"], first["content_version"]) == ("send", "nurture_one", 1)
    assert (first["counts"]["sent"], wait["counts"]["waiting"], second["counts"]["entered"]) == (3, 3, 0)
    members = pages(api, f"/api/v1/enrollments/?campaign=nurture&step={first['key']}&did=sent")
    assert len(members) == first["counts"]["sent"]


def test_a_launch_that_the_checklist_forbids_is_refused_with_its_words(api: Client) -> None:
    making.campaign()
    checklist = api.get("/api/v1/campaigns/nurture/checklist/").json()
    assert (checklist["may_launch"], checklist["entering"]) == (False, None)
    [stop] = [each["text"] for each in checklist["checks"] if each["level"] == "stop"]
    refused = problem(send(api, "/api/v1/campaigns/nurture/launch/", {"confirmed": 0}), 409, "campaign_refused")
    assert refused["detail"] == stop and "count" not in refused


def test_a_campaign_pauses_goes_on_and_stops_and_says_when_there_is_nothing_to_do(api: Client) -> None:
    making.launched(broadcast(reader()))

    def ask(verb: str, body: Any = None) -> Any:
        return send(api, f"/api/v1/campaigns/nurture/{verb}/", body)

    problem(ask("resume"), 409, "not_paused")
    paused = ask("pause", {"because": "Wrong price"}).json()
    assert (paused["state"], paused["paused_because"]) == ("paused", "Wrong price")
    problem(ask("pause"), 409, "not_running")
    assert ask("resume").json()["state"] == "running"
    assert ask("pause").json()["paused_because"] == "paused by ada@example.com"
    assert ask("stop").json()["state"] == "stopped"
    problem(ask("stop"), 409, "not_running")
    problem(send(api, "/api/v1/campaigns/nothing/stop/"), 404, "not_found")


def test_lists_of_campaigns_and_versions_are_narrowed_and_ask_no_more_for_more_of_them(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    making.launched(making.simple("One"))
    plans.draft_of(Campaign.objects.get(), by=None, now=NOW)
    making.campaign("Two")
    making.campaign("Three")
    with django_assert_max_num_queries(4):  # the key, its use and allowance, the rows
        found = pages(api, "/api/v1/campaigns/?ordering=name")
    assert [each["slug"] for each in found] == ["one", "three", "two"]
    assert [each["slug"] for each in pages(api, "/api/v1/campaigns/?state=running")] == ["one"]
    versions = pages(api, "/api/v1/campaigns/one/versions/")
    assert [(each["number"], each["state"]) for each in versions] == [(1, "live"), (2, "draft")]
    whole = api.get("/api/v1/campaigns/one/versions/1/").json()
    assert [each["kind"] for each in whole["steps"]] == ["send", "wait", "send"]
    assert api.get("/api/v1/campaigns/one/").json()["version"]["number"] == 2


def test_the_steps_of_a_version_take_as_many_queries_for_many_as_for_few(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    draft = making.campaign()
    branch = plans.add_step(draft, "branch", condition={"field": "person.country", "op": "is", "value": "DE"})
    for arm in ("yes", "no"):
        for number in range(5):
            plans.add_step(draft, "send", parent=branch, arm=arm, content=making.content(f"{arm} {number}"))
    with django_assert_max_num_queries(11):
        steps = api.get("/api/v1/campaigns/nurture/versions/1/").json()["steps"]
    assert len(steps) == 11
    assert {each["branch"] for each in steps[1:]} == {steps[0]["key"]} and steps[0]["branch"] is None


# ---- enrollments ----


def test_somebody_is_put_in_by_hand_and_traced_and_who_may_not_enter_hears_why(api: Client) -> None:
    making.launched(making.simple())
    someone, left_out = reader(), person(is_excluded=True, excluded_reason="Competitor")
    made = send(api, "/api/v1/enrollments/", {"campaign": "nurture", "person": someone.pk})
    assert made.status_code == 201
    assert made.json()["why"] == "by hand (ada@example.com (sync))"
    go_on()
    told = api.get(made["Location"]).json()
    assert (told["state"], told["person"]) == ("active", someone.pk)
    [message] = pages(api, "/api/v1/messages/?campaign=nurture")
    assert [each["message"] for each in told["trace"] if "sent" in each["text"]] == [message["id"]]
    again = problem(
        send(api, "/api/v1/enrollments/", {"campaign": "nurture", "person": someone.pk}), 409, "may_not_enter"
    )
    assert again["errors"]
    refused = send(api, "/api/v1/enrollments/", {"campaign": "nurture", "person": left_out.pk})
    assert any("Competitor" in each["detail"] for each in problem(refused, 409, "may_not_enter")["errors"])
    for wish in ({"campaign": "nothing", "person": someone.pk}, {"campaign": "nurture", "person": 10**15}):
        problem(send(api, "/api/v1/enrollments/", wish), 404, "not_found")
    plans.stop(Campaign.objects.get(), by=None, now=NOW)
    problem(send(api, "/api/v1/enrollments/", {"campaign": "nurture", "person": reader().pk}), 409, "enroll_refused")


def test_enrollments_are_found_by_campaign_person_and_state_in_a_fixed_number_of_queries(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    version = making.launched(making.simple())
    people = [reader() for _ in range(5)]
    for each in people:
        send(api, "/api/v1/enrollments/", {"campaign": "nurture", "person": each.pk})
    with django_assert_max_num_queries(5):  # the key, its use and allowance, which campaign, the rows
        found = pages(api, "/api/v1/enrollments/?campaign=nurture")
    assert {each["person"] for each in found} == {each.pk for each in people}
    assert len(pages(api, "/api/v1/enrollments/?campaign=nurture&limit=2")) == 5
    assert len(pages(api, f"/api/v1/enrollments/?person={people[0].pk}&state=active")) == 1
    assert pages(api, "/api/v1/enrollments/?state=holdout") == pages(api, "/api/v1/enrollments/?campaign=none") == []
    key = making.steps(version)[0].key
    assert len(pages(api, f"/api/v1/enrollments/?step={key}")) == 5
    assert pages(api, f"/api/v1/enrollments/?step={key}&did=clicked") == []
    problem(api.get(f"/api/v1/enrollments/?step={key}&did=danced"), 400, "invalid_choice")


# ---- messages ----


def test_a_message_tells_each_attempt_and_answer_and_lists_tell_nothing_of_what_it_says(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    version = making.launched(making.simple())
    sent = [making.sent(reader(), making.steps(version)[0], at=NOW + timedelta(hours=n)) for n in range(4)]
    with django_assert_max_num_queries(6):  # the key, its use and allowance, which campaign, its steps, the rows
        found = pages(api, "/api/v1/messages/?campaign=nurture")
    assert [each["id"] for each in found] == [str(each.pk) for each in sent]
    assert "Hello" not in str(found) and "@" not in str(found)
    assert pages(api, "/api/v1/messages/?campaign=nurture&ordering=-created_at&limit=3") == found[::-1]
    assert pages(api, f"/api/v1/messages/?person={sent[1].person_id}&state=sent") == [found[1]]
    assert pages(api, "/api/v1/messages/?since=2025-06-15T12:00:00Z") == found[2:]
    assert pages(api, f"/api/v1/messages/?step={making.steps(version)[2].key}") == []
    told = api.get(f"/api/v1/messages/{sent[0].pk}/").json()
    assert (told["content"], told["content_version"], told["learnt"], told["responses"]) == ("nurture_one", 1, [], [])
    problem(api.get("/api/v1/messages/nothing/"), 404, "not_found")


def test_what_was_perhaps_sent_is_sent_again_once(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    message = queued(making.launched(making.simple()), reader())
    Scripted(lambda letter: Outcome(letter.id, "unknown", "dot", None, "", "no answer")).installed(monkeypatch)
    go_on()
    address = f"/api/v1/messages/{message.pk}/"
    told = api.get(address).json()
    assert told["state"] == "unknown" and told["learnt"][-1]["phase"] == "dot"
    assert send(api, f"{address}resend/").json()["state"] == "queued"
    problem(send(api, f"{address}resend/"), 409, "not_unknown")


# ---- sight ----


def test_a_salesperson_sees_their_own_people_go_through_and_launches_nothing(api: Client) -> None:
    seller = asking.user(User.Role.SALES, "cy@example.com")
    version = making.launched(making.simple())
    own, foreign = reader(owner=seller), reader()
    ours, theirs = (making.sent(each, making.steps(version)[0]) for each in (own, foreign))
    sales = asking.by(seller)
    assert [each["person"] for each in pages(sales, "/api/v1/enrollments/")] == [own.pk]
    assert [each["id"] for each in pages(sales, "/api/v1/messages/")] == [str(ours.pk)]
    problem(sales.get(f"/api/v1/messages/{theirs.pk}/"), 404, "not_found")
    problem(sales.get(f"/api/v1/enrollments/{theirs.enrollment_id}/"), 404, "not_found")
    assert sales.get("/api/v1/campaigns/nurture/").json()["figures"]["sent"] == 2  # figures are the firm's
    problem(send(sales, "/api/v1/campaigns/nurture/pause/"), 403, "role_may_not")
    problem(send(sales, "/api/v1/enrollments/", {"campaign": "nurture", "person": own.pk}), 403, "role_may_not")
    assert Message.objects.count() == 2
