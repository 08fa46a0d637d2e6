"""The whole of it alive: a fact changes score, stage and segment within one judgement, whatever is killed meanwhile."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import connection

from audience import live, segments
from audience.models import Dirty, Segment, SegmentMember
from lifecycle.editions import documents as lifecycle_documents
from lifecycle.editions import versions as lifecycle_versions
from lifecycle.engine import passes, rules
from lifecycle.ledger import undo
from lifecycle.models import Membership, Movement, Version
from scoring import documents, running, versions
from scoring.models import Score, ScoreChange, ScoringModel, ScoringVersion
from tests.factories import NOW, activity, person
from tests.lifecycle.test_replay import NOW as LATER
from tests.lifecycle.test_replay import some_history

pytestmark = pytest.mark.django_db

SCORING = """
model: lead
name: Lead score
limit: 20
grades: {A: 10, B: 5, C: 1}
rules:
  - {name: Came back, points: 10, did: {kind: page_visited}, half_life: 30, cap: 45}
  - {name: From Germany, points: 6, fit: {field: person.country, op: is, value: DE}}
"""
LIFECYCLE = """
lifecycle: leads
name: Leads
species: net_new
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: any, to: won, when: {field: deal.count, where: {status: won}, op: at_least, value: 1}}
  - {from: known, to: mql, when: {field: score.lead.reached, op: is, value: true}, reason: The score reached its limit}
  - {from: mql, to: known, by_hand: true}
"""
A_SECOND = timedelta(seconds=1)
HOT = {
    "all": [
        {"field": "stage.leads", "op": "is", "value": "mql"},
        {"field": "score.lead", "op": "at_least", "value": 20},
    ]
}


def begin(at) -> tuple[ScoringModel, Version, Segment]:
    """A scoring model, a lifecycle that asks for its score, and a segment that asks for both; nobody is judged yet."""
    scoring = versions.draft(documents.parse(SCORING), by=None, now=at)
    ScoringVersion.objects.filter(pk=scoring.pk).update(state="published", published_at=at)
    running.full(scoring.model, at=at, now=at)
    version = lifecycle_versions.draft(lifecycle_documents.parse(LIFECYCLE), by=None, now=at)
    Version.objects.filter(pk=version.pk).update(state="published", published_at=at, looked_until=at)
    return scoring.model, version, segments.create("Hot", of="person", condition=HOT, by=None, now=at)


def members(segment) -> set[int]:
    return set(SegmentMember.objects.filter(segment=segment, left_at=None).values_list("subject_id", flat=True))


def test_one_activity_changes_score_stage_and_segment():
    _model, _version, hot = begin(NOW)
    ada = person(first_seen_at=NOW)
    activity(ada, NOW)
    live.run_all(NOW + timedelta(seconds=5))
    assert Score.objects.get(person=ada).shown == 10 and members(hot) == set()
    activity(ada, NOW + timedelta(seconds=6))
    live.run_all(NOW + timedelta(seconds=9))
    assert Score.objects.get(person=ada).shown == 20
    assert Membership.objects.get(person=ada).stage.slug == "mql"
    assert Movement.objects.get(membership__person=ada, to_stage__slug="mql").reason == "The score reached its limit"
    assert members(hot) == {ada.pk}


def test_what_has_faded_by_midnight_leaves_score_and_segment_without_anybody_touching_the_person():
    _model, _version, hot = begin(NOW)
    ada = person(first_seen_at=NOW)
    for second in range(2):
        activity(ada, NOW + timedelta(seconds=second))
    live.run_all(NOW + timedelta(seconds=5))
    assert members(hot) == {ada.pk}
    morning = NOW + timedelta(days=30)
    live.clock(morning)
    live.run_all(morning)
    assert Score.objects.get(person=ada).shown == 10
    assert members(hot) == set()
    assert [change.shown for change in ScoreChange.objects.filter(person=ada).order_by("pk")] == [20, 10]


def test_taking_a_move_back_restores_the_segment_that_asks_for_the_stage():
    _model, _version, hot = begin(NOW)
    ada = person(first_seen_at=NOW)
    for second in range(3):
        activity(ada, NOW + timedelta(seconds=second))
    live.run_all(NOW + timedelta(seconds=5))
    assert members(hot) == {ada.pk}
    undo.undo(Movement.objects.get(membership__person=ada, seq=2), by=None, now=NOW + timedelta(minutes=1))
    live.run_all(NOW + timedelta(minutes=2))
    assert Membership.objects.get(person=ada).stage.slug == "known" and members(hot) == set()
    assert Score.objects.get(person=ada).shown == 30, "what she did stands"


@pytest.mark.django_db(transaction=True)
def test_workers_killed_anywhere_lose_nothing_and_do_nothing_twice():
    """After three kills of -9 a comparison of everybody with everything finds nothing left to do, nor done twice."""
    some_history(31, people=60)
    Dirty.objects.all().delete()
    model, version, hot = begin(LATER)
    live.mark_everybody("person")
    kills = 0
    while Dirty.objects.exists():
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, connection.settings_dict["NAME"], (LATER + kills * A_SECOND).isoformat()],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )
        worker.stdout.readline()
        if kills < 3:
            time.sleep(0.02 + 0.06 * kills)
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
                kills += 1
        worker.wait(timeout=300)
    assert kills == 3, "nobody was killed at work"

    assert Movement.objects.filter(to_stage__slug="mql").count() > 5 and members(hot)
    end = LATER + 10 * A_SECOND
    at = end + live.INSTANT
    assert passes.apply(rules.read(version), among=None, at=at, now=end) == 0
    assert segments.refresh(hot, at=at, now=end) == segments.Difference()
    assert running.full(model, at=at, now=end)["changed"] == 0
    for change in ScoreChange.objects.all():
        assert change.old_shown == 0, "each was scored for the first time, once"
    assert ScoreChange.objects.count() == ScoreChange.objects.values("subject_id").distinct().count()
    for membership in Membership.objects.all():
        moves = list(Movement.objects.filter(membership=membership).order_by("seq"))
        assert [move.seq for move in moves] == list(range(1, membership.seq + 1))
        assert [move.from_stage_id for move in moves[1:]] == [move.to_stage_id for move in moves[:-1]]


WORKER = """
import os, sys
from datetime import datetime, timedelta
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[1]
from audience import live
live.BATCH, live.FEW = 5, 0
now = datetime.fromisoformat(sys.argv[2])
print("started", flush=True)
while live.run_once(now):
    now += timedelta(milliseconds=1)
"""
