"""What a move had brought about is restored by its undo: scores, segments and rules follow within one live run."""

from datetime import timedelta

import pytest

from audience import live, segments
from audience.models import SegmentMember
from kit import jobs
from lifecycle.ledger import moving, stages, undo
from lifecycle.models import Membership, Movement
from reporting import integrity
from scoring.models import Score
from tests.factories import NOW, activity, days_ago, person, published
from tests.lifecycle.crowds import crowd
from tests.scoring import making

pytestmark = pytest.mark.django_db

SCORE = """
model: lead
name: Lead score
species: net_new
limit: 60
rules:
  - {name: Is a lead, points: 25, fit: {field: stage.small, op: is, value: lead}}
"""


def minutes(number):
    return NOW + timedelta(minutes=number)


def placed(version, slug="known"):
    someone = person(first_seen_at=days_ago(9))
    stage = version.stages.get(slug=slug)
    assert stages.place(someone.pk, version, to=stage, reason="", by=None, at=days_ago(8), now=days_ago(8))
    return Membership.objects.get(subject_id=someone.pk)


def move(membership, slug, at):
    to = membership.version.stages.get(slug=slug)
    membership.refresh_from_db()
    assert stages.move(membership, to=to, reason="", by=None, at=at, now=at)
    return stages.last_movement(membership)


def points(membership):
    found = Score.objects.filter(subject_id=membership.subject_id).values_list("shown", flat=True)
    return sum(found)


def inside(segment):
    return set(SegmentMember.objects.filter(segment=segment, left_at=None).values_list("subject_id", flat=True))


def test_score_and_segment_are_as_before_once_the_live_engine_has_run():
    version = published()
    membership = placed(version)
    making.published(SCORE)
    lead = segments.create("Leads", of="person", condition={"field": "stage.small", "op": "is", "value": "lead"}, by=None, now=NOW)  # fmt: skip
    hot = segments.create("Hot", of="person", condition={"field": "score.lead", "op": "at_least", "value": 20}, by=None, now=NOW)  # fmt: skip
    live.run_all(NOW)
    assert (points(membership), inside(lead), inside(hot)) == (0, set(), set())

    moved = move(membership, "lead", minutes(1))
    live.run_all(minutes(2))
    assert points(membership) == 25
    assert inside(lead) == inside(hot) == {membership.subject_id}

    assert undo.undo(moved, by=None, now=minutes(3))
    live.run_all(minutes(4))
    assert (points(membership), inside(lead), inside(hot)) == (0, set(), set())
    stays = SegmentMember.objects.filter(subject_id=membership.subject_id).values_list("segment__slug", flat=True)
    assert sorted(stays) == ["hot", "leads"], "that they were in it stays history"


def test_a_whole_bulk_move_taken_back_restores_everybodys_score():
    version = published()
    crowd(version, moving.AT_ONCE + 10)
    making.published(SCORE)
    live.run_all(NOW)
    to = version.stages.get(slug="lead")
    bulk = moving.move(
        version, moving.everybody_of(Membership.objects.all()), to=to, reason="Fair", by=None, now=minutes(1)
    )
    jobs.run(bulk.job_id, minutes(1))
    live.run_all(minutes(2))
    assert Score.objects.filter(shown=25).count() == moving.AT_ONCE + 10
    moving.take_back(bulk, by=None, now=minutes(3))
    bulk.refresh_from_db()
    jobs.run(bulk.undo_job_id, minutes(3))
    live.run_all(minutes(4))
    assert not Score.objects.exclude(shown=0).exists()
    assert integrity.check(version.lifecycle, now=minutes(5)) == []


def test_the_live_rules_leave_alone_what_was_taken_back_until_something_new_happens():
    published()
    someone = person(first_seen_at=days_ago(1))
    activity(someone, days_ago(0.5))
    live.run_all(NOW)
    membership = Membership.objects.get()
    assert membership.stage.slug == "engaged"
    assert undo.undo(stages.last_movement(membership), by=None, now=minutes(1))
    live.run_all(minutes(2))  # the undo itself marks its subject
    live.clock(minutes(3))
    live.run_all(minutes(3))
    membership.refresh_from_db()
    assert membership.stage.slug == "known"
    assert list(Movement.objects.order_by("seq").values_list("kind", flat=True)) == ["rule", "rule", "undo"]
    activity(someone, minutes(4), kind="email_sent", direction="outbound", actor="bot")  # nothing that the rule counts
    live.run_all(minutes(5))
    assert Membership.objects.get().stage.slug == "known"
    activity(someone, minutes(6))
    live.run_all(minutes(7))
    assert Membership.objects.get().stage.slug == "engaged"


def test_a_fact_of_before_that_is_recorded_after_the_undo_is_news_too():
    published()
    someone = person(first_seen_at=days_ago(1))
    activity(someone, days_ago(0.5))
    live.run_all(NOW)
    assert undo.undo(stages.last_movement(Membership.objects.get()), by=None, now=minutes(1))
    live.run_all(minutes(2))
    activity(someone, days_ago(0.4), recorded_at=minutes(3))
    live.run_all(minutes(4))
    assert Membership.objects.get().stage.slug == "engaged"
