"""Starting points: a stage proposed from the evidence of each, accepted by group, and taken back."""

import pytest

from kit import jobs
from kit.models import User
from lifecycle import placing
from lifecycle.engine import passes, rules
from lifecycle.ledger import moving, stages
from lifecycle.models import BulkMove, Membership, Movement, Proposal
from tests import asking
from tests.factories import NOW, activity, days_ago, deal, draft, person, published, purchase

pytestmark = pytest.mark.django_db

STEPS = """
lifecycle: steps
name: Steps
species: net_new
entry: {not: {field: person.country, op: is, value: FR}}
stages:
  - {slug: known, name: Known}
  - {slug: engaged, name: Engaged}
  - {slug: talking, name: Talking}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: engaged, to: talking, when: {field: activity.count, where: {kind: called}, days: 20, op: at_least, value: 1}}
  - {from: engaged, to: won, by_hand: true}
  - {from: talking, to: won, by_hand: true}
  - {from: known, to: engaged, by_hand: true}
"""


@pytest.fixture
def page(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    return client


def world():
    """One of each evidence; who is excluded, elsewhere, or moved on already is asked for nothing."""
    version = published(STEPS, NOW)
    made = {
        name: person(first_name=name)
        for name in ("won", "bought", "open", "called", "once", "silent", "outside", "moved")
    }
    person(is_excluded=True)
    deal(person(country="FR"), days_ago(50), days_ago(20))
    deal(made["won"], days_ago(50), days_ago(20))
    purchase(made["bought"], days_ago(30))
    deal(made["open"], days_ago(9))
    activity(made["called"], days_ago(5), kind="called")
    activity(made["once"], days_ago(95), kind="called")
    deal(made["moved"], days_ago(9))
    passes.apply(rules.read(version), among=None, at=NOW, now=NOW)
    moved = Membership.objects.get(person=made["moved"])
    stages.move(moved, to=version.stages.get(slug="engaged"), reason="By hand", by=None, at=NOW, now=NOW)
    return version, made


def looked(version):
    found = placing.ask(version, by=None, now=NOW)
    jobs.run(found.job_id, NOW)
    found.refresh_from_db()
    assert found.job.state == "done", found.job.error
    return found


def test_the_strongest_evidence_proposes_a_stage_and_who_has_none_is_said_to_have_too_little():
    version, made = world()
    found = looked(version)
    assert {
        name: (row.stage and row.stage.slug, row.evidence, row.evidence_at)
        for name, one in made.items()
        for row in Proposal.objects.filter(person=one)
    } == {
        "won": ("won", "deal_won", days_ago(20)),
        "bought": ("won", "purchase", days_ago(30)),
        "open": ("talking", "deal_open", days_ago(9)),
        "called": ("talking", "rule", days_ago(5)),
        "once": ("talking", "rule_past", days_ago(95)),
        "silent": (None, "little", None),
        "outside": (None, "little", None),
    }
    assert Proposal.objects.count() == 7
    assert [(group.stage and group.stage.slug, group.evidence, group.confidence, group.count) for group in placing.groups(found)] == [
        ("won", "deal_won", "high", 1), ("won", "purchase", "high", 1), ("talking", "deal_open", "medium", 1),
        ("talking", "rule", "medium", 1), ("talking", "rule_past", "low", 1), (None, "little", "", 2),
    ]  # fmt: skip


def test_a_group_is_accepted_on_the_page_with_the_date_of_its_evidence_and_taken_back(page):
    version, made = world()
    found = looked(version)
    shown = page.get("/lifecycles/steps/starting-points/").content.decode()
    assert "Accept 1" in shown and "not enough data" in shown
    answer = page.post("/lifecycles/steps/starting-points/accept/", {"stage": "won", "evidence": "deal_won"})
    bulk = BulkMove.objects.get()
    assert answer["Location"] == bulk.get_absolute_url()
    moved = Movement.objects.get(membership__person=made["won"], seq=2)
    assert (moved.kind, moved.to_stage.slug, moved.evidence_at) == ("placement", "won", days_ago(20))
    assert "accepted" in page.get("/lifecycles/steps/starting-points/").content.decode()
    page.post("/lifecycles/steps/starting-points/accept/", {"stage": "won", "evidence": "deal_won"})
    assert BulkMove.objects.count() == 1, "nobody is left to place"
    moving.take_back(bulk, by=None, now=NOW)
    assert Membership.objects.get(person=made["won"]).stage.slug == "known"
    assert found.proposals.get(person=made["won"]).bulk == bulk


def test_who_is_in_no_pass_is_placed_and_who_moved_since_is_left_alone():
    version = published(STEPS, NOW)
    outside, since = person(), person()
    for each in (outside, since):
        deal(each, days_ago(50), days_ago(20))
    found = looked(version)
    won = version.stages.get(slug="won")
    stages.place(since.pk, version, to=version.stages.get(slug="talking"), reason="", by=None, at=NOW, now=NOW)
    placing.accept(found, won, "deal_won", by=None, now=NOW)
    assert {each.person_id: each.stage.slug for each in Membership.objects.all()} == {
        outside.pk: "won",
        since.pk: "talking",
    }


def test_nonsense_is_answered_in_words(page):
    url = "/lifecycles/steps/starting-points/"
    draft(STEPS)
    assert "Not live yet" in page.get(url).content.decode()
    for told in ({}, {"stage": "x\x00", "evidence": "rule"}, {"stage": "won", "evidence": "little"}):
        assert "no such group" in page.post(url + "accept/", told, follow=True).content.decode()
    assert page.get("/lifecycles/nothing/starting-points/").status_code == 404


def test_programs_look_read_the_groups_and_who_is_in_them_accept_by_a_job_and_take_back():
    version, made = world()
    api = asking.by(asking.user(User.Role.ADMIN))
    address = "/api/v1/lifecycles/steps/starting-points/"
    assert api.get(address).status_code == 404, "nobody has looked"
    asking.problem(asking.send(api, f"{address}look/", {"deep": True}), 400, "unknown_field")
    job = asking.send(api, f"{address}look/")
    assert job.status_code == 202 and jobs.run(job.json()["id"], NOW)
    asked = api.get(address).json()
    assert [(each["key"], each["confidence"], each["count"], each["move"]) for each in asked["groups"]] == [
        ("deal_won-won", "high", 1, None), ("purchase-won", "high", 1, None), ("deal_open-talking", "medium", 1, None),
        ("rule-talking", "medium", 1, None), ("rule_past-talking", "low", 1, None), ("little", "", 2, None),
    ]  # fmt: skip
    there = api.get(f"{address}little/members/", {"limit": 1}).json()
    assert len(there["results"]) == 1 and there["next"], "page by page, by key"
    assert {each["person"] for each in api.get(f"{address}little/members/").json()["results"]} == {
        made["silent"].pk, made["outside"].pk,
    }  # fmt: skip
    assert api.get(f"{address}nothing-at-all/members/").status_code == 404
    asking.problem(asking.send(api, f"{address}little/accept/"), 409, "placing_refused")
    asking.problem(asking.send(api, f"{address}deal_won-won/undo/"), 409, "placing_refused")
    told = {"Idempotency_Key": "once"}
    job = asking.send(api, f"{address}deal_won-won/accept/", **told)
    again = asking.send(api, f"{address}deal_won-won/accept/", **told)
    assert job.status_code == again.status_code == 202 and job.json()["id"] == again.json()["id"]
    jobs.run(job.json()["id"], NOW)
    assert Membership.objects.get(person=made["won"]).stage.slug == "won"
    bulk = BulkMove.objects.get()
    key = f"deal_won-won-{bulk.pk}"
    [group] = [each for each in api.get(address).json()["groups"] if each["key"] == key]
    assert (group["move"], group["outcomes"]) == (bulk.pk, {"moved": 1})
    done = asking.send(api, f"{address}{key}/undo/")
    assert (done.status_code, done.json()["outcomes"]) == (200, {"undone": 1})
    assert Membership.objects.get(person=made["won"]).stage.slug == "known"
    asking.problem(asking.send(api, f"{address}{key}/undo/"), 409, "undo_refused")


def test_of_two_jobs_that_accept_one_group_the_second_says_that_nobody_is_left():
    version, made = world()
    found = looked(version)
    group = placing.group(found, "deal_won-won")
    first, second = (placing.ask_to_accept(found, group, by=None, now=NOW) for _ in range(2))
    jobs.run(first.pk, NOW), jobs.run(second.pk, NOW)
    second.refresh_from_db()
    assert second.state == "failed" and "Nobody of this group is left" in second.error
    assert BulkMove.objects.count() == 1
