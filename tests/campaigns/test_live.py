"""Campaigns follow what happens: who enters within one look of the live engine, who leaves, whom time alone moves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audience import live as engine
from audience import segments
from audience.models import Field, Person, SegmentMember
from audience.subjects import exclusions, people
from campaigns import entry, journeys, live, plans
from campaigns.models import Campaign, Enrollment, Message
from kit import jobs, reading
from kit.models import Job
from kit.sql import Sql, rows, sql
from lifecycle.ledger import stages, undo
from lifecycle.models import Membership, Movement
from tests.campaigns import making
from tests.factories import NOW, activity, days_ago, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
SILENT = {"field": "activity.count", "days": 30, "op": "equals", "value": 0}
SOON = NOW + timedelta(minutes=5)
LATER = NOW + timedelta(minutes=10)


def states(**of) -> dict[int, str]:
    return dict(Enrollment.objects.filter(**of).values_list("subject_id", "state"))


def place(someone: Person, version, stage="known", now=NOW) -> Membership:
    to = version.stages.get(slug=stage)
    stages.place(someone.pk, version, to=to, reason="test", by=None, at=now, now=now)
    return Membership.objects.get(subject_id=someone.pk, ended_at=None)


def move(someone: Person, stage: str, now=SOON) -> None:
    membership = Membership.objects.get(subject_id=someone.pk, ended_at=None)
    to = membership.version.stages.get(slug=stage)
    assert stages.move(membership, to=to, reason="test", by=None, at=now, now=now)


# ---- entering ----


def test_whoever_a_rule_moves_into_the_stage_is_in_the_campaign_after_the_same_look():
    version = published()
    someone = person()
    campaign = making.launched(making.simple(version=version, stage="engaged")).campaign
    activity(someone, SOON - timedelta(seconds=1), recorded_at=SOON)
    engine.run_all(SOON)
    assert Movement.objects.filter(to_stage__slug="engaged").exists()
    assert states(campaign=campaign) == {someone.pk: "active"}
    assert Enrollment.objects.get().entered_at == SOON
    engine.mark_everybody("person")
    engine.run_all(LATER)
    assert Enrollment.objects.count() == 1


def test_whoever_comes_to_fit_the_segment_is_in_the_campaign_after_the_same_look():
    someone = person()
    segment = segments.create("Germans", of="person", condition=GERMAN, by=None, now=NOW)
    making.launched(making.simple(entry="segment", segment=segment))
    people.change(someone, {"country": "DE"}, source="tests", by=None, now=SOON)
    engine.run_all(SOON)
    assert states() == {someone.pk: "active"}


def test_a_segment_that_a_campaign_waits_for_marks_its_new_members_and_is_not_deleted():
    someone = person(country="DE")
    segment = segments.create(
        "Speakers", of="person", condition={"field": "person.language", "op": "is", "value": "de"}, by=None, now=NOW
    )
    version = making.launched(making.simple(entry="segment", segment=segment))
    segments.change(segment, label="Germans", condition=GERMAN, by=None, now=SOON)
    engine.run_all(SOON)
    assert states() == {someone.pk: "active"}
    with pytest.raises(segments.Refused) as refused:
        segments.delete(segment, by=None, now=SOON)
    assert [str(use) for use in refused.value.users] == [f"Campaign “{version}”"]


def test_a_paused_campaign_lets_nobody_in_and_makes_up_for_it_when_it_goes_on():
    version = published()
    someone = person()
    campaign = making.launched(making.simple(version=version, stage="resting")).campaign
    place(someone, version)
    plans.pause(campaign, by=None, now=NOW)
    move(someone, "resting")
    engine.run_all(SOON)
    assert states() == {}
    plans.resume(campaign, by=None, now=LATER)
    engine.run_all(LATER)
    assert states() == {someone.pk: "active"}


def test_whoever_arrived_unseen_under_the_version_before_enters_the_new_one():
    version = published()
    someone = person()
    first = making.launched(making.simple(version=version, stage="resting"))
    place(someone, version)
    move(someone, "resting", SOON)
    second = plans.draft_of(first.campaign, by=None, now=SOON)
    making.launched(second, SOON + timedelta(seconds=1))
    engine.run_all(LATER)
    assert Enrollment.objects.get().version == second


# ---- leaving ----


def enrolled(draft, *some: Person) -> Campaign:
    version = making.launched(draft)
    entry.enroll(version.campaign, [each.pk for each in some], by=None, now=NOW)
    journeys.run_all(NOW)
    engine.run_all(NOW)
    return version.campaign


@pytest.mark.parametrize(
    ("column", "state", "reason"),
    [
        ("goal", "goal", "reached the goal: country is “DE”"),
        ("exit", "exited", "left because: country is “DE”"),
    ],
)
def test_whoever_reaches_the_goal_or_the_exit_leaves_at_once_and_gets_nothing_more(column, state, reason):
    german, other = person(), person()
    enrolled(making.simple(**{column: GERMAN}), german, other)
    people.change(german, {"country": "DE"}, source="tests", by=None, now=SOON)
    engine.run_all(SOON)
    left = Enrollment.objects.get(person=german)
    assert (left.state, left.reason, left.ended_at) == (state, reason, SOON)
    assert Message.objects.get(person=german).state == "cancelled"
    assert Message.objects.get(person=other).state == "queued"


def test_whoever_leaves_the_stage_leaves_the_campaign_and_an_undo_is_leaving_too():
    version = published()
    moved, undone, stays = person(), person(), person()
    making.launched(making.simple(version=version, stage="resting"))
    for each in (moved, undone, stays):
        place(each, version)
        move(each, "resting")
    engine.run_all(SOON)
    journeys.run_all(SOON)
    assert set(states().values()) == {"active"} and len(states()) == 3
    move(moved, "lead", LATER)
    last = Movement.objects.get(membership__person=undone, to_stage__slug="resting")
    assert undo.undo(last, by=None, now=LATER)
    engine.run_all(LATER)
    assert states() == {moved.pk: "exited", undone.pk: "exited", stays.pk: "active"}
    assert Enrollment.objects.get(person=moved).reason == "left the stage"


def test_whoever_may_stay_when_they_leave_the_stage_does():
    version = published()
    someone = person()
    making.launched(making.simple(version=version, stage="resting", leave_with_stage=False))
    place(someone, version)
    move(someone, "resting")
    engine.run_all(SOON)
    move(someone, "lead", LATER)
    engine.run_all(LATER)
    assert states() == {someone.pk: "active"}


def test_whoever_is_erased_or_left_out_of_figures_leaves_every_campaign_paused_ones_too():
    erased, out, stays = person(), person(), person()
    campaign = enrolled(making.simple(), erased, out, stays)
    plans.pause(campaign, by=None, now=NOW)
    Person.objects.filter(pk=erased.pk).update(erased_at=SOON)
    friend = sql("SELECT {}::bigint AS subject_id", out.pk)
    exclusions.by_hand(Person, friend, reason="a friend", by=None, now=SOON)
    engine.run_all(SOON)
    assert states() == {erased.pk: "exited", out.pk: "exited", stays.pk: "active"}


def test_what_holds_of_somebody_who_was_enrolled_meanwhile_is_not_missed():
    someone = person()
    version = making.launched(making.simple(goal=GERMAN))
    engine.run_all(NOW)
    entry.enroll(version.campaign, [someone.pk], by=None, now=NOW)
    with engine.without_marks():  # as if it had been judged before the enrollment was committed
        people.change(someone, {"country": "DE"}, source="tests", by=None, now=NOW)
    engine.run_all(SOON)
    assert states() == {someone.pk: "goal"}


# ---- by time alone ----


def test_what_time_alone_makes_hold_is_found_by_the_clock():
    ada, bob = person(), person()
    for each in (ada, bob):
        activity(each, days_ago(29))
    segment = making.segment(bob, at=NOW + timedelta(seconds=1))
    goal = enrolled(making.simple(goal=SILENT), ada)
    audience = making.launched(making.simple("Wake up", entry="segment", segment=segment, audience=SILENT)).campaign
    engine.run_all(SOON)
    assert states(campaign=goal) == {ada.pk: "active"} and states(campaign=audience) == {}
    over = NOW + timedelta(days=1, minutes=1)
    engine.clock(over)
    engine.run_all(over)
    assert states(campaign=goal) == {ada.pk: "goal"}
    assert states(campaign=audience) == {bob.pk: "active"}


def test_the_clock_marks_nobody_who_is_neither_in_the_campaign_nor_arriving():
    inside, outside = person(), person()
    for each in (inside, outside):
        activity(each, days_ago(29))
    enrolled(making.simple(goal=SILENT), inside)
    engine.run_all(NOW)
    live.clock(NOW + timedelta(days=1, minutes=1))
    assert set(rows(Sql("SELECT subject_id FROM audience_dirty"))) == {(inside.pk,)} and outside.pk


# ---- faults ----


def test_a_condition_that_cannot_be_asked_pauses_its_campaign_alone_and_removes_nobody():
    Field.objects.create(slug="gone", label="Gone", type="text", of="person", created_at=NOW)
    someone, other = person(), person()
    broken = enrolled(making.simple(goal={"field": "person.custom.gone", "op": "not_empty"}), someone)
    sound = enrolled(making.simple("Sound", goal=GERMAN), someone, other)
    Field.objects.all().delete()
    people.change(someone, {"country": "DE"}, source="tests", by=None, now=SOON)
    engine.run_all(SOON)
    broken.refresh_from_db()
    assert broken.state == "paused" and "person.custom.gone" in broken.paused_because
    assert states(campaign=broken) == {someone.pk: "active"}
    assert states(campaign=sound) == {someone.pk: "goal", other.pk: "active"}


def test_a_condition_that_takes_too_long_pauses_its_campaign_alone(monkeypatch):
    someone = person()
    slow = enrolled(making.simple("Slow", goal=GERMAN), someone)
    sound = enrolled(making.simple("Sound", goal=GERMAN), someone)
    follow = live.follow

    def sleeping(version, *args, **more):
        if version.campaign == slow:
            rows(Sql("SELECT pg_sleep(5)"))
        follow(version, *args, **more)

    monkeypatch.setattr(live, "follow", sleeping)
    monkeypatch.setattr(live, "LOOK_TIME", 0.5)
    people.change(someone, {"country": "DE"}, source="tests", by=None, now=SOON)
    engine.run_all(SOON)
    slow.refresh_from_db()
    assert slow.state == "paused" and "too long" in slow.paused_because
    assert states(campaign=slow) == {someone.pk: "active"} and states(campaign=sound) == {someone.pk: "goal"}


def test_an_audience_that_cannot_be_asked_stops_the_job_with_the_reason():
    Field.objects.create(slug="gone", label="Gone", type="text", of="person", created_at=NOW)
    condition = {"field": "person.custom.gone", "op": "not_empty"}
    making.launched(making.simple(entry="broadcast", segment=making.segment(person()), audience=condition))
    Field.objects.all().delete()
    live.begin(SOON)
    jobs.run(Job.objects.get().pk, SOON)
    assert Job.objects.get().state == "failed" and "person.custom.gone" in Job.objects.get().error
    assert states() == {} and SegmentMember.objects.count() == 1


def test_the_order_is_behind_scores_stages_and_segments():
    assert [each.name for each in engine.judges()][-1] == "campaigns"
    assert reading.TooSlow in live.FAULTS
