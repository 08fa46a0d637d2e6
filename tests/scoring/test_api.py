"""Scoring over the API: drafts from documents, scores that their entries add up to, the ledger of changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kit import jobs
from kit.models import User
from scoring import documents, running
from scoring.models import Score, ScoringModel
from scoring.rules import MICRO
from tests import asking
from tests.asking import pages, problem, send
from tests.factories import NOW, activity, days_ago, person
from tests.scoring.making import LEAD, draft, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    return asking.by(asking.user())


def done(answer: Any) -> None:
    assert answer.status_code == 202, answer.content[:300]
    assert jobs.run(answer.json()["id"], NOW)


def test_a_model_is_drafted_from_a_document_previewed_published_and_retired(api: Client) -> None:
    hot = person(title="Director", country="DE")
    made = send(api, "/api/v1/scoring-models/", {"yaml": LEAD})
    assert made.status_code == 201
    address, version = made["Location"], made.json()
    assert (version["number"], version["state"], version["limit"], len(version["rules"])) == (1, "draft", 60, 6)
    assert version["rules"][5]["points"] == "10.500000" and "Germany" not in version["rules"][5]["words"]
    assert documents.parse(version["yaml"])["rules"] == documents.parse(LEAD)["rules"]
    preview = send(api, f"{address}preview/")
    problem(send(api, f"{address}preview/"), 409, "version_refused")
    problem(api.delete(address), 409, "version_refused")
    done(preview)
    assert not Score.objects.exists()
    done(send(api, f"{address}publish/"))
    problem(send(api, f"{address}publish/"), 409, "version_refused")
    problem(api.delete(address), 409, "version_refused")
    model = api.get("/api/v1/scoring-models/lead/").json()
    assert (model["live_version"], model["version"]["number"]) == (1, 1)
    assert Score.objects.get(person=hot).shown == 31
    assert send(api, f"{address}retire/").json()["state"] == "retired"
    assert api.get("/api/v1/scoring-models/lead/").json()["version"] is None


def test_a_draft_is_thrown_away_and_a_document_that_is_wrong_says_where(api: Client) -> None:
    address = send(api, "/api/v1/scoring-models/", {"yaml": LEAD})["Location"]
    assert api.delete(address).status_code == 204
    assert not ScoringModel.objects.exists()
    wrong = send(api, "/api/v1/scoring-models/", {"yaml": LEAD.replace("limit: 60", "limit: much")})
    assert problem(wrong, 400, "bad_document")["place"] == "limit"
    problem(send(api, "/api/v1/scoring-models/", {}), 400, "required")
    problem(api.get("/api/v1/scoring-models/lead/versions/"), 404, "not_found")


def test_the_entries_of_a_score_add_up_to_it_to_the_micro_point_now_and_then(api: Client) -> None:
    hot = person(title="Director of Sales", country="DE")
    activity(hot, days_ago(37), "demo_requested")
    for age in (3, 4, 5):
        activity(hot, days_ago(age), "content_downloaded")
    activity(hot, days_ago(1), "webinar_attended", channel="web")
    published()
    [row] = pages(api, f"/api/v1/scores/?person={hot.pk}")
    assert row["model"] == "lead" and row["micro_points"] == row["behaviour"] + row["fit"]
    for query in ("", "?at=2025-06-15T10:00:00Z", "?at=2025-05-20T10:00:00Z"):
        told = api.get(f"/api/v1/scores/{row['id']}/{query}").json()
        assert sum(each["micro_points"] for each in told["entries"]) == told["score"] * MICRO
        exact = sum(each["micro_points"] for each in told["entries"] if each["kind"] != "rounding")
        assert exact == told["micro_points"] == told["behaviour"] + told["fit"]
        assert {each["kind"] for each in told["entries"]} >= {"behaviour", "fit"}
    then = api.get(f"/api/v1/scores/{row['id']}/?at=2025-06-15T10:00:00Z").json()
    assert {name: then[name] for name in ("score", "micro_points", "behaviour", "fit", "grade")} == {
        name: row[name] for name in ("score", "micro_points", "behaviour", "fit", "grade")
    }
    assert {each["kind"] for each in then["entries"]} == {"behaviour", "fit", "cap", "group", "rounding"}
    assert [each["count"] for each in then["entries"] if each["reason"] == "Read something"] == [3]
    problem(api.get(f"/api/v1/scores/{row['id']}/?at=2020-01-01T00:00:00Z"), 404, "no_score_then")
    problem(api.get(f"/api/v1/scores/{row['id']}/?at=then"), 400, "bad_instant")
    problem(api.get(f"/api/v1/scores/{row['id']}/?on=then"), 400, "unknown_parameter")


def test_scores_are_found_by_model_and_how_high_they_are_page_by_page(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        person(title="Director" if number % 2 else "Clerk")
    published()
    published(LEAD.replace("model: lead", "model: other"))
    with django_assert_max_num_queries(5):  # the key, its use and allowance, which model, the rows
        assert len(pages(api, "/api/v1/scores/?model=lead")) == 5
    assert len(pages(api, "/api/v1/scores/?model=lead&limit=2")) == 5
    assert [each["score"] for each in pages(api, "/api/v1/scores/?model=lead&least=20")] == [20, 20]
    assert [each["score"] for each in pages(api, "/api/v1/scores/?model=lead&most=0")] == [0, 0, 0]
    assert {each["score"] for each in pages(api, "/api/v1/scores/?grade=B")} == {20}
    assert pages(api, "/api/v1/scores/?model=nothing") == []
    problem(api.get("/api/v1/scores/?grade=Z"), 400, "invalid_choice")
    problem(api.get("/api/v1/scores/?ordering=shown"), 400, "unknown_ordering")


def test_changes_of_scores_are_read_by_time(api: Client) -> None:
    hot = person()
    version = published()
    activity(hot, days_ago(0.5), "demo_requested")
    running.full(version.model, at=NOW, now=NOW)
    [change] = pages(api, "/api/v1/score-changes/?model=lead")
    score = Score.objects.get(person=hot).shown
    assert score > 30
    assert (change["person"], change["old_score"], change["score"], change["version"]) == (hot.pk, 0, score, 1)
    assert pages(api, f"/api/v1/score-changes/?person={hot.pk}") == [change]
    assert pages(api, "/api/v1/score-changes/?before=2025-06-15T10:00:00Z") == []
    assert len(pages(api, "/api/v1/score-changes/?since=2025-06-15T09:00:00Z")) == 1
    problem(api.get("/api/v1/score-changes/?ordering=occurred_at"), 400, "unknown_ordering")


def test_a_salesperson_sees_the_scores_of_their_own_people() -> None:
    seller = asking.user(User.Role.SALES, "cy@example.com")
    own, foreign = person(owner=seller, title="Director"), person(title="Director")
    published()
    api = asking.by(seller)
    assert [each["person"] for each in pages(api, "/api/v1/scores/")] == [own.pk]
    assert {each["person"] for each in pages(api, "/api/v1/score-changes/")} == {own.pk}
    problem(api.get(f"/api/v1/scores/{Score.objects.get(person=foreign).pk}/"), 404, "not_found")
    problem(send(api, "/api/v1/scoring-models/", {"yaml": LEAD}), 403, "role_may_not")


def test_everybody_is_scored_again_by_whoever_may_operate(api: Client) -> None:
    published()
    first, again = (send(api, "/api/v1/scoring-models/lead/rescore/") for _ in range(2))
    assert first.status_code == 202 and again.json()["id"] == first.json()["id"]
    draft()
    assert [each["draft_version"] for each in pages(api, "/api/v1/scoring-models/")] == [2]
    assert [each["number"] for each in pages(api, "/api/v1/scoring-models/lead/versions/")] == [1, 2]
