"""Lifecycles over the API: drafts from documents, who is where, moving and taking back, the ledger page by page."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audience.models import Person
from kit import jobs
from kit.models import AuditEntry, User
from lifecycle.editions import documents
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Membership, Movement, Version
from reporting import integrity
from tests import asking
from tests.asking import pages, problem, send
from tests.factories import NOW, SMALL, account, activity, days_ago, person, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    return asking.by(asking.user())


def placed(version: Version, stage: str = "known", **values: Any) -> Membership:
    subject = person(**values)
    stages.place(
        subject.pk, version, to=version.stages.get(slug=stage), reason="", by=None, at=days_ago(3), now=days_ago(3)
    )
    return Membership.objects.get(person=subject)


# ---- lifecycles and versions ----


def test_from_a_document_over_a_check_and_a_preview_to_a_live_lifecycle(api: Client) -> None:
    someone = person()
    activity(someone, days_ago(5))
    made = send(api, "/api/v1/lifecycles/", {"yaml": SMALL})
    assert made.status_code == 201
    address = made["Location"]
    version = api.get(address).json()
    assert (version["number"], version["state"]) == (1, "draft")
    assert [each["slug"] for each in version["stages"]] == ["known", "engaged", "checked", "lead", "won", "resting"]
    assert version["transitions"][1] | {"words": ""} == {
        "priority": 2, "from_stage": "known", "to_stage": "engaged", "name": "", "reason": "Did something",
        "by_hand": False, "on_missed": False, "delay": None, "delay_unit": "", "guard": None, "when": {"field": "activity.count", "days": 90, "op": "at_least", "value": 1}, "words": "",
    }  # fmt: skip
    assert documents.parse(version["yaml"]) == documents.parse(SMALL) | {"goal": "", "reentry": False}
    assert api.get(f"{address}check/").json() == {"may_publish": True, "problems": [], "findings": [], "cases": []}

    preview = send(api, f"{address}preview/")
    assert preview.status_code == 202
    problem(send(api, f"{address}preview/"), 409, "version_refused")
    problem(api.delete(address), 409, "version_refused")
    jobs.run(preview.json()["id"], NOW)
    assert not Membership.objects.exists()

    job = send(api, f"{address}publish/", Idempotency_Key="once")
    assert job.status_code == 202
    again = send(api, f"{address}publish/", Idempotency_Key="once")
    assert (again.status_code, again["Location"], again.json()) == (202, job["Location"], job.json())
    jobs.run(job.json()["id"], NOW)
    assert api.get(job["Location"]).json()["state"] == "done"
    lifecycle = api.get("/api/v1/lifecycles/small/").json()
    assert (lifecycle["live_version"], lifecycle["draft_version"], lifecycle["version"]["number"]) == (1, None, 1)
    [member] = pages(api, f"/api/v1/memberships/?person={someone.pk}")
    assert (member["lifecycle"], member["stage"], member["ended_at"]) == ("small", "engaged", None)
    problem(send(api, f"{address}publish/"), 409, "version_refused")


def test_a_document_that_is_wrong_says_where_and_one_playbook_or_document_is_taken(api: Client) -> None:
    wrong = send(api, "/api/v1/lifecycles/", {"yaml": SMALL.replace("kind: gate", "kind: door")})
    assert problem(wrong, 400, "bad_document")["place"] == "stages › 3 › kind"
    problem(send(api, "/api/v1/lifecycles/", {}), 400, "one_of_both")
    problem(send(api, "/api/v1/lifecycles/", {"playbook": "nothing"}), 400, "unknown_playbook")
    assert send(api, "/api/v1/lifecycles/", {"playbook": "net_new_b2b"}).status_code == 201
    problem(send(api, "/api/v1/lifecycles/", {"yaml": SMALL, "species": "partner"}), 400, "unknown_field")


def test_what_keeps_a_draft_from_being_published_is_told_by_the_check_and_by_the_refusal(api: Client) -> None:
    text = SMALL.replace("- {from: any, to: won", "- {from: lead, to: won") + (
        "cases:\n  - {name: A stranger, expect: {on: 2025-03-01, stage: won}}\n"
    )
    address = send(api, "/api/v1/lifecycles/", {"yaml": text})["Location"]
    told = api.get(f"{address}check/").json()
    assert told["may_publish"] is False
    assert [(each["name"], each["passed"], each["expected"]) for each in told["cases"]] == [
        ("A stranger", False, "won")
    ]
    refused = problem(send(api, f"{address}publish/"), 409, "version_refused")
    assert "A stranger" in refused["errors"][0]["detail"]
    assert api.delete(address).status_code == 204
    assert not Lifecycle.objects.exists()
    assert AuditEntry.objects.get(action="lifecycle.discard").actor == "ada@example.com (sync)"


def test_a_next_version_is_checked_compared_planned_published_and_rolled_back(api: Client) -> None:
    placed(published(), "lead")
    text = SMALL.replace("slug: lead, name: Lead", "slug: warm, name: Warm").replace("lead", "warm")
    address = send(api, "/api/v1/lifecycles/", {"yaml": text})["Location"]
    assert api.get(f"{address}check/").json()["findings"] == []
    changes = {(each["about"], each["what"], each["kind"]) for each in api.get(f"{address}changes/1/").json()}
    assert {("stage", "lead", "removed"), ("stage", "warm", "added")} <= changes
    assert api.get(f"{address}changes/9/").status_code == 404
    counted = ("stage", "how", "members", "left_out")
    assert [tuple(row[key] for key in counted) for row in api.get(f"{address}plan/").json()["rows"]] == [
        ("lead", "undecided", 1, 0)
    ]
    Person.objects.update(is_excluded=True)
    assert api.get(f"{address}plan/").json()["rows"][0]["left_out"] == 1
    problem(send(api, f"{address}publish/"), 409, "version_refused")
    problem(send(api, f"{address}decide/", {"stages": {"lead": "checked"}}), 409, "plan_refused")
    problem(send(api, f"{address}decide/", {"stages": {"lead": "no\u0000"}}), 400, "bad_unicode")
    assert send(api, f"{address}decide/", {"stages": ["lead"]}).status_code == 400
    told = send(api, f"{address}decide/", {"stages": {"lead": "warm"}}).json()
    assert (told["refusals"], told["rows"][0]["how"]) == ([], "move")
    jobs.run(send(api, f"{address}publish/").json()["id"], timezone.now())
    assert (api.get(address).json()["state"], api.get(address).json()["before"]) == ("published", 1)
    problem(api.get(f"{address}plan/"), 409, "nobody_to_move")
    problem(send(api, f"{address}withdraw/"), 409, "version_refused")
    movement = pages(api, "/api/v1/movements/?lifecycle=small")[-1]
    assert (movement["kind"], movement["way"], movement["to_stage"]) == ("migration", "version", "warm")

    first = "/api/v1/lifecycles/small/versions/1/"
    assert api.get(f"{first}plan/").json()["rows"][0]["how"] == "back"
    jobs.run(send(api, f"{first}roll-back/").json()["id"], timezone.now())
    assert Membership.objects.get().stage.slug == "lead"  # type: ignore[union-attr]
    assert AuditEntry.objects.filter(action="lifecycle.roll_back").exists()


def test_a_guard_refuses_a_move_unless_it_is_overridden(api: Client) -> None:
    guarded = SMALL.replace("reason: Not now", "reason: Not now, guard: {field: person.country, op: is, value: DE}")
    membership = placed(published(guarded), "lead")
    address, wish = f"/api/v1/memberships/{membership.pk}/move/", {"to": "resting", "reason": "Off", "seq": 1}
    refused = problem(send(api, address, wish), 409, "move_guarded")
    assert "country is “DE”" in refused["detail"]
    assert send(api, address, wish | {"override": True}).json()["movement"]["overrides"] is True


def test_lists_of_lifecycles_and_versions_ask_no_more_for_more_of_them(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    for slug in ("one", "two", "three"):
        published(SMALL.replace("lifecycle: small", f"lifecycle: {slug}"))
    with django_assert_max_num_queries(4):  # the key, its use and allowance, the rows
        assert [each["slug"] for each in pages(api, "/api/v1/lifecycles/")] == ["one", "two", "three"]
    assert [each["number"] for each in pages(api, "/api/v1/lifecycles/two/versions/")] == [1]
    problem(api.get("/api/v1/lifecycles/four/versions/"), 404, "not_found")
    problem(api.get("/api/v1/lifecycles/two/versions/2/"), 404, "not_found")


def test_the_rules_of_a_version_that_stopped_go_on_once(api: Client) -> None:
    version = published()
    Version.objects.filter(pk=version.pk).update(stopped_at=NOW, stopped_because="A field is gone")
    address = "/api/v1/lifecycles/small/versions/1/"
    assert send(api, f"{address}resume/").json()["stopped_at"] is None
    problem(send(api, f"{address}resume/"), 409, "not_stopped")


def test_who_may_only_look_drafts_nothing_and_moves_nobody() -> None:
    member = placed(published())
    viewer = asking.by(asking.user(User.Role.VIEWER))
    problem(send(viewer, "/api/v1/lifecycles/", {"yaml": SMALL}), 403, "role_may_not")
    move = f"/api/v1/memberships/{member.pk}/move/"
    problem(send(viewer, move, {"to": "engaged", "reason": "x", "seq": 1}), 403, "role_may_not")
    reader = asking.by(asking.user(email="bo@example.com"), "lifecycles:read")
    problem(send(reader, move, {"to": "engaged", "reason": "x", "seq": 1}), 403, "scope_missing")
    sales = asking.by(asking.user(User.Role.SALES, "cy@example.com"))
    problem(send(sales, "/api/v1/lifecycles/", {"yaml": SMALL}), 403, "role_may_not")


# ---- memberships ----


def test_stages_tell_how_many_are_in_them_and_members_are_found_by_stage_and_subject(api: Client) -> None:
    version = published()
    here, there = placed(version, "engaged"), placed(version, "won")
    counts = {each["slug"]: each["members"] for each in pages(api, "/api/v1/lifecycles/small/stages/")}
    assert counts == {"known": 0, "engaged": 1, "checked": 0, "lead": 0, "won": 1, "resting": 0}

    def found(query: str) -> list[int]:
        return [each["id"] for each in pages(api, f"/api/v1/memberships/?{query}")]

    assert found("lifecycle=small&stage=engaged") == [here.pk]
    assert found("lifecycle=small&limit=1") == [here.pk, there.pk]
    assert found("open=true") == [here.pk]
    assert found("open=false") == [there.pk]
    assert found(f"person={there.person_id}") == [there.pk]
    assert found(f"account={there.person_id}") == found("lifecycle=other") == found("stage=nowhere") == []
    for query, code in (
        ("open=perhaps", "no_truth"),
        ("person=x", "invalid"),
        (f"person={2**63}", "max_value"),
        ("ordering=entered_at", "unknown_ordering"),
        ("owner=1", "unknown_parameter"),
    ):
        problem(api.get(f"/api/v1/memberships/?{query}"), 400, code)


def test_a_member_is_moved_as_it_was_read_and_the_move_is_taken_back(api: Client) -> None:
    member = placed(published())
    address = f"/api/v1/memberships/{member.pk}/"
    read = api.get(address)
    problem(send(api, f"{address}move/", {"to": "engaged", "reason": "Called"}), 428, "say_what_you_saw")
    moved = send(api, f"{address}move/", {"to": "engaged", "reason": "Called"}, If_Match=read["ETag"])
    assert moved.status_code == 200
    told = moved.json()
    assert (told["membership"]["stage"], told["membership"]["seq"]) == ("engaged", 2)
    assert told["movement"] | {"id": 0} == {
        "id": 0, "membership": member.pk, "seq": 2, "lifecycle": "small", "version": 1, "person": member.person_id,
        "account": None, "from_stage": "known", "to_stage": "engaged", "kind": "api", "way": "direct", "overrides": False, "rule": None, "reason": "Called",
        "actor": "ada@example.com (sync)", "occurred_at": told["movement"]["recorded_at"],
        "evidence_at": told["movement"]["recorded_at"], "recorded_at": told["movement"]["recorded_at"],
    }  # fmt: skip
    assert api.get(address)["ETag"] == moved["ETag"]

    late = send(api, f"{address}move/", {"to": "lead", "reason": "Late"}, If_Match=read["ETag"])
    assert problem(late, 412, "changed_meanwhile")["by"] == "ada@example.com (sync)"
    late = problem(send(api, f"{address}move/", {"to": "lead", "reason": "Late", "seq": 1}), 409, "changed_meanwhile")
    assert (late["seq"], late["to"]) == (2, "engaged")
    assert "ada@example.com (sync)" in late["detail"] and "ago" in late["detail"]

    undone = send(api, f"/api/v1/movements/{told['movement']['id']}/undo/", {"reason": "Wrong person"})
    assert (undone.json()["membership"]["stage"], undone.json()["movement"]["kind"]) == ("known", "undo")
    assert "Wrong person" in undone.json()["movement"]["reason"]
    problem(send(api, f"/api/v1/movements/{told['movement']['id']}/undo/"), 409, "undo_refused")


def test_a_move_that_cannot_be_made_says_why(api: Client) -> None:
    member = placed(published())
    address = f"/api/v1/memberships/{member.pk}/move/"

    def refused(status: int, code: str, **wish: Any) -> dict[str, Any]:
        body = {"to": "engaged", "reason": "x", "seq": 1} | wish
        return problem(send(api, address, body), status, code)

    assert "engaged" in refused(400, "unknown_stage", to="nowhere")["detail"]
    refused(409, "move_refused", to="checked")
    refused(409, "move_refused", to="known")
    assert refused(400, "blank", reason=" ")["field"] == "reason"
    refused(400, "max_length", reason="x" * 501)
    refused(400, "unknown_field", by="me")
    refused(400, "invalid", seq="one")
    assert Movement.objects.count() == 1
    assert send(api, address, {"to": None, "reason": "Gone", "seq": 1}).json()["membership"]["ended_at"]
    refused(409, "move_refused", seq=2)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_move_one_member_at_once_one_wins_and_the_other_hears_by_whom() -> None:
    version = published()
    member = placed(version)
    ada, bo = (asking.by(asking.user(email=f"{name}@example.com"), name=name) for name in ("ada", "bo"))
    start, answers = threading.Barrier(2), {}

    def move(name: str, api: Client, to: str) -> None:
        try:
            start.wait()
            body = {"to": to, "reason": name, "seq": 1}
            answers[name] = send(api, f"/api/v1/memberships/{member.pk}/move/", body)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=move, args=("ada", ada, "engaged")),
        threading.Thread(target=move, args=("bo", bo, "lead")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.status_code for each in answers.values()) == [200, 409]
    winner, loser = sorted(answers, key=lambda name: answers[name].status_code)
    told = problem(answers[loser], 409, "changed_meanwhile")
    assert told["by"] == f"{winner}@example.com ({winner})"
    assert told["by"] in told["detail"]
    assert Movement.objects.filter(membership=member).count() == 2
    assert integrity.check(version.lifecycle, now=timezone.now()) == []


# ---- movements ----


def test_the_ledger_is_read_page_by_page_by_id_and_by_time_and_nothing_is_lost_among_equals(api: Client) -> None:
    version = published()
    members = [placed(version) for _ in range(5)]  # all at the same instant
    for number, member in enumerate(members):
        at = NOW + timedelta(hours=number % 2)
        stages.move(member, to=version.stages.get(slug="engaged"), reason="", by=None, at=at, now=at)
    by_id = pages(api, "/api/v1/movements/?limit=3")
    assert [each["id"] for each in by_id] == sorted(each["id"] for each in by_id) and len(by_id) == 10
    by_time = pages(api, "/api/v1/movements/?lifecycle=small&ordering=occurred_at&limit=3")
    assert [(each["occurred_at"], each["id"]) for each in by_time] == sorted(
        (each["occurred_at"], each["id"]) for each in by_id
    )
    back = pages(api, "/api/v1/movements/?lifecycle=small&ordering=-occurred_at&limit=3")
    assert back == by_time[::-1]
    problem(api.get("/api/v1/movements/?ordering=occurred_at"), 400, "ordering_needs_filter")


def test_movements_are_found_by_way_kind_subject_and_time(api: Client) -> None:
    version = published()
    member = placed(version)
    stages.move(member, to=version.stages.get(slug="engaged"), reason="", by=None, at=NOW, now=NOW)

    def found(query: str) -> list[int]:
        return [each["seq"] for each in pages(api, f"/api/v1/movements/?{query}")]

    assert found("to_stage=engaged") == found("from_stage=known") == found("kind=hand") == [2]
    assert found("kind=placement") == found("to_stage=known") == [1]
    assert found(f"person={member.person_id}") == found(f"membership={member.pk}") == [1, 2]
    assert found(f"person={account().pk}") == []
    assert found("since=2025-06-15T10:00:00Z") == [2] and found("before=2025-06-15T10:00:00Z") == [1]
    assert found("since=2025-06-15T12:00:00%2B02:00") == [2]
    problem(api.get("/api/v1/movements/?since=yesterday"), 400, "bad_instant")
    [placement] = pages(api, "/api/v1/movements/?kind=placement")
    assert api.get(f"/api/v1/movements/{placement['id']}/").json() == placement


def test_pages_of_members_and_movements_take_as_many_queries_for_many_as_for_one(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    version = published()
    for _ in range(10):
        placed(version)
    with django_assert_max_num_queries(5):  # the key, its use and allowance, which lifecycle, the rows
        assert len(pages(api, "/api/v1/memberships/?lifecycle=small")) == 10
    with django_assert_max_num_queries(5):
        assert len(pages(api, "/api/v1/movements/?lifecycle=small")) == 10


# ---- sight ----


def test_a_salesperson_sees_and_moves_their_own_members_and_the_rest_is_not_there() -> None:
    version = published()
    seller = asking.user(User.Role.SALES, "cy@example.com")
    own, foreign = placed(version, owner=seller), placed(version)
    api = asking.by(seller)
    assert [each["id"] for each in pages(api, "/api/v1/memberships/")] == [own.pk]
    assert {each["membership"] for each in pages(api, "/api/v1/movements/")} == {own.pk}
    assert pages(api, f"/api/v1/memberships/?person={foreign.person_id}") == []
    body = {"to": "engaged", "reason": "Called", "seq": 1}
    problem(api.get(f"/api/v1/memberships/{foreign.pk}/"), 404, "not_found")
    problem(send(api, f"/api/v1/memberships/{foreign.pk}/move/", body), 404, "not_found")
    [movement] = Movement.objects.filter(membership=foreign)
    problem(send(api, f"/api/v1/movements/{movement.pk}/undo/"), 404, "not_found")
    assert send(api, f"/api/v1/memberships/{own.pk}/move/", body).status_code == 200
    counts = {each["slug"]: each["members"] for each in pages(api, "/api/v1/lifecycles/small/stages/")}
    assert counts["known"] + counts["engaged"] == 2  # figures are the firm's
