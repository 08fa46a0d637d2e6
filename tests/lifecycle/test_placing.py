"""Starting points: a stage proposed from the evidence of each, accepted by group, and taken back."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from kit import jobs
from kit.models import Job, User
from lifecycle import accepting, placing
from lifecycle.editions import versions
from lifecycle.engine import passes, rules
from lifecycle.ledger import moving, stages, undo
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


def test_whom_a_new_version_took_over_and_whose_move_was_taken_back_have_been_nowhere_else():
    version, made = world()
    held = Membership.objects.get(person=made["open"])
    stages.move(held, to=version.stages.get(slug="engaged"), reason="", by=None, at=NOW, now=NOW)
    undo.undo(stages.last_movement(held), by=None, now=NOW)
    later = draft(STEPS.replace("name: Talking", "name: In talks"), NOW)
    jobs.run(versions.publish(later, by=None, now=NOW).pk, NOW)
    later.refresh_from_db()
    looked(later)
    told = {row.person.first_name: row.stage and row.stage.slug for row in Proposal.objects.select_related("person")}
    assert told == {
        "won": "won", "bought": "won", "open": "talking", "called": "talking", "once": "talking", "silent": None,
        "outside": None,
    }  # fmt: skip


def test_a_group_is_accepted_on_the_page_with_the_date_of_its_evidence_and_taken_back(page):
    version, made = world()
    found = looked(version)
    shown = page.get("/lifecycles/steps/starting-points/").content.decode()
    assert "Accept 1" in shown and "not enough data" in shown
    asked = page.post("/lifecycles/steps/starting-points/accept/", {"group": "deal_won-won"}, follow=True)
    [job] = placing.acceptances(found)
    assert f'id="job-{job.pk}"' in asked.content.decode() and "being placed" in asked.content.decode()
    again = page.post("/lifecycles/steps/starting-points/accept/", {"group": "deal_won-won"}, follow=True)
    assert "This group is being placed already." in again.content.decode()
    anew = page.post("/lifecycles/steps/starting-points/", follow=True).content.decode()
    assert "A group is being placed" in anew and placing.newest(version) == found
    jobs.run(job.pk, NOW)
    bulk = BulkMove.objects.get()
    shown = page.get("/lifecycles/steps/starting-points/").content.decode()
    assert bulk.get_absolute_url() in shown and "moved 1" in shown, "what came of it, and the way to it and to its undo"
    moved = Movement.objects.get(membership__person=made["won"], seq=2)
    assert (moved.kind, moved.to_stage.slug, moved.evidence_at) == ("placement", "won", days_ago(20))
    assert "accepted" in page.get("/lifecycles/steps/starting-points/").content.decode()
    page.post("/lifecycles/steps/starting-points/accept/", {"group": "deal_won-won"})
    assert len(placing.acceptances(found)) == 1, "nobody is left to place"
    moving.take_back(bulk, by=None, now=NOW)
    assert Membership.objects.get(person=made["won"]).stage.slug == "known"
    assert found.proposals.get(person=made["won"]).bulk == bulk
    assert "taken back 1" in page.get("/lifecycles/steps/starting-points/").content.decode()


def test_who_is_in_no_pass_is_placed_and_who_moved_since_is_left_alone():
    version = published(STEPS, NOW)
    outside, since = person(), person()
    for each in (outside, since):
        deal(each, days_ago(50), days_ago(20))
    found = looked(version)
    stages.place(since.pk, version, to=version.stages.get(slug="talking"), reason="", by=None, at=NOW, now=NOW)
    job = accepting.ask(found, placing.group(found, "deal_won-won"), by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.result["moved"], job.result["skipped"]) == ("done", 1, 1)
    assert {each.person_id: each.stage.slug for each in Membership.objects.all()} == {
        outside.pk: "won",
        since.pk: "talking",
    }


def test_nonsense_is_answered_in_words(page):
    url = "/lifecycles/steps/starting-points/"
    draft(STEPS)
    assert "Not live yet" in page.get(url).content.decode()
    for told in ({}, {"group": "x\x00"}, {"group": "little"}):
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
    assert api.get(address).json()["groups"][0]["job"] == job.json()["id"]
    asking.problem(asking.send(api, f"{address}deal_won-won/accept/"), 409, "placing_refused")
    jobs.run(job.json()["id"], NOW)
    assert Membership.objects.get(person=made["won"]).stage.slug == "won"
    bulk = BulkMove.objects.get()
    key = f"deal_won-won-{bulk.pk}"
    [group] = [each for each in api.get(address).json()["groups"] if each["key"] == key]
    assert (group["move"], group["job"], group["outcomes"]) == (bulk.pk, None, {"moved": 1})
    done = asking.send(api, f"{address}{key}/undo/")
    assert (done.status_code, done.json()["outcomes"]) == (200, {"undone": 1})
    assert Membership.objects.get(person=made["won"]).stage.slug == "known"
    asking.problem(asking.send(api, f"{address}{key}/undo/"), 409, "undo_refused")


def test_a_job_that_finds_that_all_have_moved_since_says_so_and_leaves_no_bulk_move():
    version, made = world()
    found = looked(version)
    job = accepting.ask(found, placing.group(found, "deal_won-won"), by=None, now=NOW)
    since = Membership.objects.get(person=made["won"])
    stages.move(since, to=version.stages.get(slug="engaged"), reason="By hand", by=None, at=NOW, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == "failed" and "Nobody of this group is left" in job.error
    assert not BulkMove.objects.exists()


def many(count):
    """So many who have each bought something, of one group."""
    version = published(STEPS, NOW)
    for each in range(count):
        purchase(person(), days_ago(30 + each))
    passes.apply(rules.read(version), among=None, at=NOW, now=NOW)
    found = looked(version)
    group = placing.group(found, "purchase-won")
    assert group.count == count
    return version, found, accepting.ask(found, group, by=None, now=NOW)


def placed():
    return Membership.objects.filter(stage__slug="won").count()


WORK = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[2]
from kit import jobs
from lifecycle import accepting
from tests.factories import NOW
accepting.CHUNK = 2
note, seen = accepting._note_members, []

def noted(*args):
    note(*args)
    seen.append(1)
    if len(seen) == 3:
        print("written", flush=True)
        time.sleep(60)

accepting._note_members = noted
jobs.run(int(sys.argv[1]), NOW)
"""


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_is_followed_by_one_that_goes_on_behind_the_last_chunk():
    _version, found, job = many(7)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(job.pk), connection.settings_dict["NAME"]],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert worker.stdout.readline() == "written\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    job.refresh_from_db()
    assert (job.state, job.cursor["done"], placed()) == ("running", 4, 4), "the chunk at hand has left nothing behind"
    Job.objects.filter(pk=job.pk).update(lease_until=None)  # as if it had run out
    assert jobs.run(job.pk, NOW)
    job.refresh_from_db()
    bulk = BulkMove.objects.get()
    assert (job.state, job.result["moved"], job.result["skipped"], placed()) == ("done", 7, 0, 7)
    assert (bulk.job, moving.outcomes(bulk)) == (job, {"moved": 7}), "one bulk move, whoever placed them"
    assert found.proposals.filter(bulk=bulk).count() == 7
    assert Movement.objects.filter(kind="placement", seq=2).count() == 7, "nobody was placed twice"


def test_a_job_that_is_cancelled_leaves_placed_whom_it_has_placed_and_the_others_to_be_accepted_again(
    monkeypatch, page
):
    monkeypatch.setattr(accepting, "CHUNK", 2)
    _version, found, job = many(5)
    cancelled_in(monkeypatch, job, chunk=2)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, placed()) == ("cancelled", 2)
    shown = page.get("/lifecycles/steps/starting-points/").content.decode()
    assert "Cancelled" in shown and "Accept 3" in shown and "moved 2" in shown
    monkeypatch.undo()
    again = accepting.ask(found, placing.group(found, "purchase-won"), by=None, now=NOW)
    jobs.run(again.pk, NOW)
    assert placed() == 5 and BulkMove.objects.count() == 2
    for bulk in BulkMove.objects.all():
        moving.take_back(bulk, by=None, now=NOW)
    assert placed() == 0


def test_nobody_is_placed_in_a_version_that_another_one_has_replaced(monkeypatch):
    version, _found, job = many(2)
    version.state = "retired"
    version.save()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == "failed" and "is not live" in job.error and placed() == 0


def cancelled_in(monkeypatch, job, chunk):
    """Somebody cancels the job while this chunk is being written."""
    genuine, seen = accepting._note_members, []

    def note(*args):
        genuine(*args)
        seen.append(1)
        if len(seen) == chunk:
            jobs.cancel(job.pk)

    monkeypatch.setattr(accepting, "_note_members", note)
