"""One version takes over from another: exact counts, all or nothing, back again, and figures that add up over it."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection

from audience import live as engine
from audience.conditions import compile, tree
from audience.models import Person
from kit import jobs
from kit.models import Job
from lifecycle.editions import migrating, versions
from lifecycle.engine import live
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Version
from reporting import filling, funnel, integrity
from tests.factories import NOW, SMALL, activity, days_ago, draft, person, published
from tests.lifecycle.crowds import crowd

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
# Engaged is called Warm now, Resting is gone, and a Lead has sixteen working hours.
NEXT = (
    SMALL.replace("{slug: engaged, name: Engaged}", "{slug: warm, name: Warm}")
    .replace("  - {slug: resting, name: Resting, path: detour}\n", "")
    .replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 16}")
    .replace("engaged", "warm")
    .replace("  - {from: checked, to: resting, when: {}, reason: From elsewhere}\n", "")
    .replace("checked, name: Checked, kind: gate", "checked, name: Checked")
)
NEXT = "".join(line for line in NEXT.splitlines(keepends=True) if "resting" not in line)


def crowded() -> Version:
    """A live version with three known, two engaged, four leads, one resting; and a lead that has won."""
    version = published()
    for slug, count in {"known": 3, "engaged": 2, "lead": 5, "resting": 1}.items():
        crowd(version, count, slug)
    winner = Membership.objects.filter(stage__slug="lead").last()
    winner = Membership.objects.select_related("version__lifecycle", "stage").get(pk=winner.pk)
    stages.move(winner, to=version.stages.get(slug="won"), reason="Bought", by=None, at=NOW, now=NOW)
    return version


def taken_over(version: Version, now=LATER) -> Job:
    job = versions.publish(version, by=None, now=now)
    jobs.run(job.pk, now)
    job.refresh_from_db()
    return job


def decided(text: str = NEXT) -> Version:
    version = draft(text, LATER)
    choices = {"engaged": "warm", "resting": None}
    migrating.decide(version, choices, reason="No detour any more", by=None, now=LATER)
    return version


def where() -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for number, slug in Membership.objects.values_list("version__number", "stage__slug"):
        found[number, slug or "out"] = found.get((number, slug or "out"), 0) + 1
    return found


def ways(version: Version, before: Version) -> list[tuple[str, str | None, str, int]]:
    rows = migrating.preview(migrating.plan(version, before))
    return [(row.stage, row.to, row.how, row.members) for row in rows]


def check(version: Version, now=LATER) -> list:
    return [finding.words for finding in integrity.check(version.lifecycle, now=now)]


def test_the_plan_is_proposed_by_slug_and_what_has_no_counterpart_must_be_decided():
    before = crowded()
    version = draft(NEXT, LATER)
    assert ways(version, before) == [
        ("known", "known", "stay", 3),
        ("engaged", None, "undecided", 2),
        ("lead", "lead", "stay", 4),
        ("resting", None, "undecided", 1),
    ]
    with pytest.raises(versions.PublishRefused, match="where the 2 members of “Engaged” go") as refused:
        versions.publish(version, by=None, now=LATER)
    assert len(refused.value.problems) == 2
    version.refresh_from_db()
    assert version.state == "draft"
    with pytest.raises(migrating.PlanRefused, match="no stage “nowhere”"):
        migrating.decide(version, {"engaged": "nowhere"}, reason="", by=None, now=LATER)
    migrating.decide(version, {"engaged": "warm", "resting": None}, reason="", by=None, now=LATER)
    with pytest.raises(versions.PublishRefused, match="Say why members leave"):
        versions.publish(version, by=None, now=LATER)


def test_members_move_over_as_the_plan_counts_them_and_ended_passes_keep_their_version():
    before = crowded()
    since = dict(Membership.objects.filter(stage__slug="lead").values_list("pk", "entered_at"))
    version = decided()
    counted = ways(version, before)
    job = taken_over(version)
    assert (job.state, job.result["movements"]) == (Job.State.DONE, 10), job.error
    assert {(slug, to): n for slug, to, _how, n in counted} == {
        ("known", "known"): 3, ("engaged", "warm"): 2, ("lead", "lead"): 4, ("resting", None): 1,
    }  # fmt: skip
    assert where() == {(2, "known"): 3, (2, "warm"): 2, (2, "lead"): 4, (2, "out"): 1, (1, "won"): 1}
    assert list(Version.objects.order_by("number").values_list("state", flat=True)) == ["retired", "published"]
    assert set(Movement.objects.filter(kind="migration").values_list("recorded_at", flat=True)) == {LATER}
    left = Movement.objects.get(kind="migration", to_stage=None)
    assert (left.reason, left.from_stage.slug) == ("No detour any more", "resting")
    leads = Membership.objects.filter(stage__slug="lead")
    assert dict(leads.values_list("pk", "entered_at")) == since, "the stay goes on"
    assert all(each.due_at is not None and each.due_at > each.entered_at for each in leads), "and is due by its limit"
    assert check(version) == []


def test_the_new_versions_rules_judge_whoever_came_over():
    crowded()
    version = decided()
    known = Membership.objects.filter(stage__slug="known").first()
    taken_over(version)
    engine.run_all(LATER)
    activity(known.person, LATER + timedelta(minutes=1))
    engine.run_all(LATER + timedelta(minutes=2))
    known.refresh_from_db()
    assert (known.stage.slug, known.version) == ("warm", version)


def test_rolled_back_everybody_is_where_they_came_from_but_for_those_who_moved_since():
    before = crowded()
    version = decided()
    was = {each.pk: each.stage.slug for each in Membership.objects.select_related("stage")}
    taken_over(version)
    moved = Membership.objects.select_related("version__lifecycle", "stage").filter(stage__slug="warm").first()
    stages.move(moved, to=version.stages.get(slug="lead"), reason="Spoke", by=None, at=LATER, now=LATER)
    before.refresh_from_db()
    soon = LATER + timedelta(hours=1)
    job = versions.roll_back(before, by=None, now=soon)
    jobs.run(job.pk, soon)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    now_at = {each.pk: each.stage.slug for each in Membership.objects.select_related("stage")}
    assert now_at == was | {moved.pk: "lead"}, "whom the plan had let leave is back too"
    assert set(Membership.objects.values_list("version__number", flat=True)) == {1}
    assert list(Version.objects.order_by("number").values_list("state", flat=True)) == ["published", "retired"]
    assert check(before, soon) == []


def test_of_two_who_publish_at_once_one_wins_and_the_other_is_told():
    crowded()
    first, second = decided(), decided()
    job = versions.publish(first, by=None, now=LATER)
    with pytest.raises(versions.PublishRefused, match="Small v2 is being published already"):
        versions.publish(second, by=None, now=LATER)
    jobs.run(job.pk, LATER)
    assert taken_over(second, LATER + timedelta(minutes=1)).state == Job.State.DONE
    assert [each.state for each in Version.objects.order_by("number")] == ["retired", "retired", "published"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_from_two_connections_at_once_one_wins_and_the_other_hears_why():
    before = crowded()
    drafts, gate = [decided(), decided()], threading.Barrier(2)
    jobs_made, told = {}, {}

    def publish(version):
        try:
            gate.wait(20)
            jobs_made[version.number] = versions.publish(version, by=None, now=LATER)
        except versions.PublishRefused as refused:
            told[version.number] = refused.problems
        finally:
            connection.close()

    people = [threading.Thread(target=publish, args=[version]) for version in drafts]
    for each in people:
        each.start()
    for each in people:
        each.join(60)
    [(winner, job)], [(loser, problems)] = jobs_made.items(), told.items()
    assert problems == [f"Small v{winner} is being published already; wait for it, or cancel it."]
    assert jobs.run(job.pk, LATER)
    states = dict(Version.objects.values_list("number", "state"))
    assert states == {before.number: "retired", winner: "published", loser: "draft"}
    assert not Membership.objects.filter(ended_at=None).exclude(version__number=winner).exists()
    assert Movement.objects.filter(kind="migration").count() == 10
    assert check(before.lifecycle.versions.get(number=winner)) == []


def test_a_publication_that_is_cancelled_or_fails_leaves_a_draft_and_everybody_where_they_were(monkeypatch):
    crowded()
    version, was = decided(), where()
    job = versions.publish(version, by=None, now=LATER)
    jobs.cancel(job.pk)
    version.refresh_from_db()
    assert version.state == "draft"
    assert jobs.retry(job.pk) and jobs.run(job.pk, LATER)
    job.refresh_from_db()
    assert "not being published any more" in job.error

    again = versions.publish(version, by=None, now=LATER)
    Job.objects.filter(pk=again.pk).update(cancel_asked=False)
    carry = migrating.carry

    def carried_and_cancelled(*args, **told):
        moved = carry(*args, **told)
        Job.objects.filter(pk=again.pk).update(cancel_asked=True)
        return moved

    monkeypatch.setattr(migrating, "carry", carried_and_cancelled)
    jobs.run(again.pk, LATER)
    version.refresh_from_db()
    assert (version.state, where()) == ("draft", was)
    assert not Movement.objects.filter(kind="migration").exists()


def test_a_replay_that_is_cancelled_half_way_is_taken_back_and_counts_nowhere(monkeypatch):
    for days in (30, 20, 10):
        activity(person(first_seen_at=days_ago(days)), days_ago(days))
    version = draft()
    job = versions.publish(version, by=None, now=NOW)
    progress, days = jobs.Held.progress, []

    def cancelled_on_the_third_day(held, **reached):
        days.append(1)
        if len(days) == 3:
            Job.objects.filter(pk=job.pk).update(cancel_asked=True)
        progress(held, **reached)

    monkeypatch.setattr(jobs.Held, "progress", cancelled_on_the_third_day)
    jobs.run(job.pk, NOW)
    monkeypatch.undo()
    version.refresh_from_db()
    assert Membership.objects.count() >= 1 and version.job.kind == "withdraw"
    jobs.run(version.job_id, NOW)
    version.refresh_from_db()
    fresh = version.lifecycle.versions.get(number=2)
    assert (version.state, fresh.state) == ("withdrawn", "draft")
    assert not Membership.objects.filter(ended_at=None).exists()

    ever = tree.parse({"field": "stage.small.ever", "op": "in", "value": ["known", "engaged"]})
    assert compile.count(ever, of="person", at=NOW) == 0
    again = versions.publish(fresh, by=None, now=NOW)
    jobs.run(again.pk, NOW)
    assert Membership.objects.filter(version=fresh, ended_at=None).count() == 3, (
        "history is replayed as if for the first time"
    )
    assert compile.count(ever, of="person", at=NOW) == 3
    assert check(fresh, NOW) == []
    answer = funnel.funnel(fresh.lifecycle, start=days_ago(60).date(), end=LATER.date(), today=LATER.date())
    assert sum(row.balance_end for row in answer.everybody.rows) == 3


def test_conditions_do_not_see_a_change_of_edition_and_do_see_one_of_stage():
    crowded()
    Person.objects.update(created_at=days_ago(20))
    taken_over(decided())
    at = LATER + timedelta(days=5)

    def count(condition, at=at):
        return compile.count(tree.parse(condition), of="person", at=at)

    lead = {"field": "stage.small", "op": "is", "value": "lead"}
    assert (count(lead), count(lead, LATER - timedelta(hours=1))) == (4, 4)
    assert count({"all": [lead, {"field": "stage.small.days_in", "op": "at_least", "value": 16}]}) == 4
    warm = {"field": "stage.small", "op": "is", "value": "warm"}
    assert (count(warm), count(warm, LATER - timedelta(hours=1))) == (2, 0)
    assert count({"all": [warm, {"field": "stage.small.days_in", "op": "at_least", "value": 6}]}) == 0
    known_then = compile.count(tree.parse(lead), of="person", at=at, known=at)
    assert known_then == 4


def test_the_funnel_adds_up_over_a_migration_which_has_columns_of_its_own():
    crowded()
    version = decided()
    taken_over(version)
    filling.fill(version.lifecycle, now=LATER)
    day = LATER.date()
    answer = funnel.funnel(version.lifecycle, start=day, end=day + timedelta(days=1), today=day + timedelta(days=1))
    told = {
        row.place.slug: (row.balance_start, row.in_flow, row.out_flow, row.came_over, row.went_over, row.balance_end)
        for row in answer.everybody.rows
    }
    assert told["warm"] == (0, 0, 0, 2, 0, 2)
    assert told["engaged"] == (2, 0, 0, 0, 2, 0)
    assert told["resting"] == (1, 0, 0, 0, 1, 0)
    assert told["lead"] == (4, 0, 0, 0, 0, 4)
    assert all(row.balances for row in answer.everybody.rows)


@pytest.mark.django_db(transaction=True)
def test_whoever_enters_while_a_version_is_replaced_does_not_strand_in_the_old_one():
    """The writer has read the old version; the new one is taking over; the writer must not place anybody there."""
    before = crowded()
    someone = person()
    first = before.stages.get(slug="known")
    version = decided()
    job = versions.publish(version, by=None, now=LATER)
    carry, placed, begun = migrating.carry, [], threading.Event()

    def place():
        try:
            begun.wait(20)
            placed.append(stages.place(someone.pk, before, to=first, reason="Late", by=None, at=LATER, now=LATER))
        finally:
            connection.close()

    writer = threading.Thread(target=place)
    writer.start()

    def slowly(*args, **told):
        begun.set()
        writer.join(1.5)
        assert writer.is_alive(), "it waits"
        return carry(*args, **told)

    migrating.carry = slowly
    try:
        jobs.run(job.pk, LATER)
    finally:
        migrating.carry = carry
        writer.join(20)
    assert placed == [False]
    assert not Membership.objects.filter(version=before, ended_at=None).exists()
    engine.run_all(LATER + timedelta(minutes=1))
    assert Membership.objects.get(person=someone).version == version


def test_the_preview_says_who_would_go_where_and_whom_the_rules_would_move_on():
    crowded()
    known = Membership.objects.filter(stage__slug="known").first()
    activity(known.person, days_ago(1))
    version, was = decided(), where()
    job = versions.preview(version, by=None, now=LATER)
    jobs.run(job.pk, LATER)
    job.refresh_from_db()
    assert (job.result["movements"], job.result["onward"]) == (10, 1), job.error
    assert [row["members"] for row in job.result["ways"]] == [3, 2, 4, 1]
    assert where() == was
    assert live.circles(version, LATER) == []


WORK = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[2]
from kit import jobs
from lifecycle.editions import migrating
from tests.lifecycle.test_migrating import LATER
carry = migrating.carry

def carried(*args, **told):
    carry(*args, **told)
    print("carried", flush=True)
    time.sleep(60)

migrating.carry = carried
jobs.run(int(sys.argv[1]), LATER)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_while_members_move_leaves_all_as_it_was_and_the_next_one_does_it():
    crowded()
    version, was = decided(), where()
    job = versions.publish(version, by=None, now=LATER)
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, str(job.pk), connection.settings_dict["NAME"]],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert worker.stdout.readline() == "carried\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert where() == was and not Movement.objects.filter(kind="migration").exists()
    assert [each.state for each in Version.objects.order_by("number")] == ["published", "publishing"]
    Job.objects.filter(pk=job.pk).update(lease_until=None)  # as if it had run out
    assert jobs.run(job.pk, LATER)
    assert [each.state for each in Version.objects.order_by("number")] == ["retired", "published"]
    assert check(version) == []
