"""The way of people through a flow: each kind of step, in sets, once; and what happens when a look fails or is killed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection, transaction

from audience import live as engine
from audience.models import Field, Person
from campaigns import entry, journeys, plans, stepping
from campaigns.models import Campaign, Enrollment, Message, Step, StepRun, message_id
from kit import installation, reading
from kit.sql import sql
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests.campaigns import making
from tests.factories import NOW, activity, days_ago, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
ACTIVE = {"field": "activity.count", "days": 7, "op": "at_least", "value": 1}
WEEK_LATER = NOW + timedelta(days=7)


def on_the_way(draft, *people: Person, now: datetime = NOW) -> Campaign:
    """The people enrolled in a launched draft."""
    version = making.launched(draft, now)
    assert entry.enroll(version.campaign, [each.pk for each in people], why="test", by=None, now=now)
    return version.campaign


def way(someone: Person) -> list[tuple[str, str]]:
    """The steps that somebody has done, with what came of each."""
    runs = StepRun.objects.filter(enrollment__person=someone).order_by("pk").select_related("step")
    return [(run.step.name or run.step.kind, run.outcome) for run in runs]


def where(someone: Person) -> tuple[str, str | None]:
    found = Enrollment.objects.select_related("step").get(person=someone)
    return found.state, found.step and (found.step.name or found.step.kind)


# ---- each kind of step ----


def test_a_send_writes_one_message_and_goes_on_to_wait():
    someone = person()
    draft = making.simple()
    plans.change_step(making.steps(draft)[0], settings={"not_after_hours": 12})
    campaign = on_the_way(draft, someone)
    assert journeys.run_all(NOW) == 1
    first, wait, _second = making.steps(draft)
    enrolled, message = Enrollment.objects.get(), Message.objects.get()
    assert (enrolled.step, enrolled.step_at, enrolled.wake_at) == (wait, NOW, WEEK_LATER)
    assert message.pk == message_id(enrolled.pk, first.pk, 1, "email")
    assert (message.state, message.due_at, message.not_after) == ("queued", NOW, NOW + timedelta(hours=12))
    assert (message.person, message.campaign, message.topic, message.sender) == (
        someone, campaign, campaign.topic, campaign.sender,
    )  # fmt: skip
    assert message.content_version == Step.objects.get(pk=first.pk).content_version
    assert StepRun.objects.get().next == wait
    assert journeys.run_all(WEEK_LATER - timedelta(seconds=1)) == 0


def test_the_end_of_the_flow_is_the_end_of_the_way():
    someone = person()
    on_the_way(making.simple(), someone)
    journeys.run_all(NOW)
    assert journeys.run_all(WEEK_LATER) == 2
    enrolled = Enrollment.objects.get()
    assert (enrolled.state, enrolled.step, enrolled.wake_at, enrolled.ended_at) == ("finished", None, None, WEEK_LATER)
    assert way(someone) == [("send", "queued"), ("wait", "waited"), ("send", "queued")]
    assert Message.objects.count() == 2
    assert journeys.run_all(WEEK_LATER) == 0


def test_a_branch_parts_people_by_its_condition_as_of_now_and_the_arms_meet_again():
    german, french, nobody = person(country="DE"), person(country="FR"), person()
    draft = making.campaign()
    branch = plans.add_step(draft, "branch", name="German?", condition=GERMAN)
    plans.add_step(draft, "send", name="Hallo", content=making.content("Hallo"), parent=branch, arm="yes")
    plans.add_step(draft, "send", name="Bye", content=making.content("Bye"))
    on_the_way(draft, german, french, nobody)
    assert journeys.run_all(NOW) == 7
    assert way(german) == [("German?", "yes"), ("Hallo", "queued"), ("Bye", "queued")]
    assert way(french) == way(nobody) == [("German?", "no"), ("Bye", "queued")]


def waiting(*people: Person, **settings) -> Campaign:
    draft = making.campaign()
    wait = plans.add_step(draft, "wait_until", name="Active?", condition=ACTIVE, settings=settings or {"days": 3})
    plans.add_step(draft, "send", name="Good", content=making.content("Good"), parent=wait, arm="yes")
    plans.add_step(draft, "exit", name="Out", parent=wait, arm="no", settings={"reason": "not interested"})
    return on_the_way(draft, *people)


def test_a_wait_until_goes_on_at_once_if_it_holds_when_it_happens_and_in_vain_when_the_time_is_over():
    already, soon, never = person(), person(), person()
    activity(already, days_ago(1))
    waiting(already, soon, never)
    journeys.run_all(NOW)
    assert [where(each)[0] for each in (already, soon, never)] == ["finished", "active", "active"]
    assert Enrollment.objects.get(person=never).wake_at == NOW + timedelta(minutes=1), "the second look"
    journeys.run_all(NOW + timedelta(minutes=1))
    over, later = NOW + timedelta(days=3), NOW + timedelta(hours=2)
    assert Enrollment.objects.get(person=never).wake_at == over
    activity(soon, later - timedelta(seconds=1), recorded_at=later)
    engine.run_all(later)
    assert Enrollment.objects.get(person=soon).wake_at == later
    journeys.run_all(later)
    assert way(soon) == [("Active?", "yes"), ("Good", "queued")]
    assert journeys.run_all(over - timedelta(seconds=1)) == 0
    journeys.run_all(over)
    assert way(never) == [("Active?", "no"), ("Out", "left")]
    left = Enrollment.objects.get(person=never)
    assert (left.state, left.reason, left.ended_at) == ("exited", "not interested", over)


def test_what_happens_while_the_first_look_is_under_way_is_found_by_the_second():
    someone = person()
    waiting(someone)
    journeys.run_all(NOW)
    engine.run_all(NOW)
    activity(someone, NOW)
    soon = NOW + timedelta(minutes=1)  # and the live engine has not seen it at the step
    journeys.run_all(soon)
    assert way(someone)[0] == ("Active?", "yes")


def test_a_goal_step_ends_the_way_of_those_who_reached_it():
    german, french = person(country="DE"), person(country="FR")
    draft = making.campaign()
    plans.add_step(draft, "goal", name="Is German", condition=GERMAN)
    plans.add_step(draft, "send", content=making.content())
    on_the_way(draft, german, french)
    journeys.run_all(NOW)
    assert Enrollment.objects.get(person=german).reason == "Is German"
    assert where(german) == ("goal", None) and where(french) == ("finished", None)
    assert Message.objects.get().person == french


def test_a_move_moves_whom_it_can_tells_why_it_cannot_and_everybody_goes_on():
    version = published()
    known, there, out, gate = person(), person(), person(), person()
    for each, stage in ((known, "known"), (there, "resting"), (gate, "engaged")):
        to = version.stages.get(slug=stage)
        stages.place(each.pk, version, to=to, reason="", by=None, at=days_ago(9), now=days_ago(9))
    draft = making.campaign("Rest")
    plans.add_step(draft, "move", name="Let rest", lifecycle=version.lifecycle, stage="resting")
    plans.add_step(draft, "send", content=making.content())
    on_the_way(draft, known, there, out, gate)
    journeys.run_all(NOW)
    assert [way(each)[0][1] for each in (known, there, out, gate)] == ["moved", "refused", "refused", "moved"]
    told = dict(StepRun.objects.filter(outcome="refused").values_list("enrollment__person", "detail"))
    assert told == {there.pk: "was in “Resting” already", out.pk: "is not in “Small” now"}
    movement = Movement.objects.get(membership__person=known, to_stage__slug="resting")
    assert (movement.kind, movement.reason, movement.recorded_at) == ("campaign", "Rest: Let rest", NOW)
    assert Membership.objects.get(person=known).stage.slug == "resting"
    assert Message.objects.count() == 4


def test_a_move_out_of_the_stage_that_the_campaign_is_for_ends_the_way():
    version = published()
    someone = person()
    to = version.stages.get(slug="engaged")
    stages.place(someone.pk, version, to=to, reason="", by=None, at=days_ago(9), now=days_ago(9))
    draft = making.campaign(version=version, stage="engaged")
    plans.add_step(draft, "move", lifecycle=version.lifecycle, stage="lead")
    plans.add_step(draft, "send", content=making.content())
    on_the_way(draft, someone)
    journeys.run_all(NOW)
    left = Enrollment.objects.get()
    assert (left.state, left.reason) == ("exited", "left the stage")
    assert not Message.objects.exists()


def test_a_wait_for_a_time_of_day_is_by_the_clock_of_the_installation():
    installation.put("zone", "Asia/Shanghai")
    draft = making.campaign()
    plans.add_step(draft, "wait", settings={"days": 1, "time": "09:00"})
    plans.add_step(draft, "send", content=making.content())
    on_the_way(draft, person())
    assert Enrollment.objects.get().wake_at == datetime(2025, 6, 16, 1, 0, tzinfo=UTC)


# ---- in sets ----


def test_many_versions_steps_and_blocks_are_taken_on_in_as_many_statements_as_there_are_kinds(
    monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(journeys, "SPAN", 1_000_000)
    for name in ("One", "Two", "Three"):
        on_the_way(making.simple(name), *(person() for _n in range(20)))
    with django_assert_max_num_queries(20):
        assert journeys.run_once(NOW) == 60
    assert Message.objects.count() == StepRun.objects.count() == 60
    with django_assert_max_num_queries(3):
        assert journeys.run_once(NOW) == 0


def test_ranges_are_the_same_for_every_worker_whoever_is_due(monkeypatch):
    monkeypatch.setattr(journeys, "SPAN", 10)
    on_the_way(making.simple(), *(person() for _n in range(25)))
    spans = journeys.read(NOW).spans
    assert len(spans) >= 3 and all(each.low % 10 == 0 and each.high == each.low + 10 for each in spans)


@pytest.mark.django_db(transaction=True)
def test_several_workers_share_the_work_and_nobody_gets_anything_twice(monkeypatch):
    monkeypatch.setattr(journeys, "SPAN", 10)
    campaign = on_the_way(making.simple(), *(person() for _n in range(120)))
    done, begun = [], threading.Barrier(3)

    def work() -> None:
        try:
            begun.wait()
            done.append(journeys.run_all(NOW))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _n in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    journeys.run_all(NOW)
    assert sum(done) == 120
    assert Message.objects.count() == StepRun.objects.count() == 120
    assert Enrollment.objects.filter(campaign=campaign, step=making.steps(campaign.versions.get())[1]).count() == 120


@pytest.mark.django_db(transaction=True)
def test_whom_somebody_else_holds_is_passed_over_and_nobody_waits():
    held, free = person(), person()
    on_the_way(making.simple(), held, free)
    holding, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Enrollment.objects.select_for_update().get(person=held)
                holding.set()
                over.wait(20)
        finally:
            connection.close()

    other = threading.Thread(target=hold)
    other.start()
    holding.wait()
    assert journeys.run_all(NOW) == 1
    assert Message.objects.get().person == free
    over.set()
    other.join()
    assert journeys.run_all(NOW) == 1


# ---- pause, stop, leave ----


def test_nothing_advances_while_paused_and_a_late_message_knows_how_late_it_is():
    draft = making.simple()
    plans.change_step(making.steps(draft)[2], settings={"not_after_hours": 24})
    campaign = on_the_way(draft, person())
    journeys.run_all(NOW)
    plans.pause(campaign, by=None, now=NOW)
    late = WEEK_LATER + timedelta(days=2)
    assert journeys.run_all(late) == 0
    plans.resume(campaign, by=None, now=late)
    assert journeys.run_all(late) == 2
    message = Message.objects.latest("due_at")
    assert (message.due_at, message.not_after) == (WEEK_LATER, WEEK_LATER + timedelta(days=1))
    assert message.not_after < late, "whoever sends finds it too late"


def test_a_stopped_campaign_takes_nobody_further():
    campaign = on_the_way(making.simple(), person())
    journeys.run_all(NOW)
    plans.stop(campaign, by=None, now=NOW)
    assert journeys.run_all(WEEK_LATER) == 0
    assert Enrollment.objects.get().state == "stopped" and Message.objects.get().state == "cancelled"


def test_who_leaves_keeps_what_was_sent_and_gets_nothing_that_has_not_left():
    someone = person()
    campaign = on_the_way(making.simple(), someone)
    journeys.run_all(NOW)
    Message.objects.update(state="claimed")
    chosen = sql("SELECT id AS enrollment_id FROM campaigns_enrollment")
    assert journeys.leave(chosen, state="exited", reason="changed their mind", now=NOW) == 1
    left = Enrollment.objects.get()
    assert (left.state, left.reason, left.ended_at, left.wake_at) == ("exited", "changed their mind", NOW, None)
    assert left.step == making.steps(campaign.versions.get())[1], "where they were stays written down"
    assert Message.objects.get().state == "cancelled"
    assert journeys.leave(chosen, state="exited", reason="again", now=NOW) == 0


# ---- failing ----


def test_a_killed_round_is_redone_from_the_start(monkeypatch):
    on_the_way(making.simple(), *(person() for _n in range(5)))
    take = stepping.take

    def killed(*args, **more):
        take(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(stepping, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        journeys.run_once(NOW)
    assert not StepRun.objects.exists() and not Message.objects.exists()
    monkeypatch.setattr(stepping, "take", take)
    assert journeys.run_all(NOW) == 5
    assert Message.objects.count() == 5


def asking(*people: Person, condition=GERMAN) -> Campaign:
    draft = making.campaign()
    plans.add_step(draft, "branch", name="German?", condition=condition)
    return on_the_way(draft, *people)


def test_one_that_makes_every_look_fail_is_soon_alone_and_set_aside_after_five_and_the_others_go_on(monkeypatch):
    everybody = [person() for _n in range(40)]
    asking(*everybody)
    poison = Enrollment.objects.get(person=everybody[17])
    monkeypatch.setattr(journeys, "TOGETHER", (40, 20, 10, 3, 1))
    take, looks = stepping.take, []

    def failing(steps, whom, **more):
        ids = whom.params[0]
        looks.append(len(ids))
        assert min(Enrollment.objects.filter(pk__in=ids).values_list("strikes", flat=True)) >= 1, "written before"
        if poison.pk in ids:
            raise DataError("value out of range")
        return take(steps, whom, **more)

    monkeypatch.setattr(stepping, "take", failing)
    journeys.run_all(NOW)
    poison.refresh_from_db()
    assert (poison.state, poison.strikes, poison.step.name) == ("quarantined", 5, "German?")
    assert "value out of range" in poison.reason
    others = Enrollment.objects.exclude(pk=poison.pk)
    assert set(others.values_list("state", "strikes")) == {("finished", 0)}
    assert looks[0] == 40 and looks.count(1) >= 1
    assert Campaign.objects.get().state == "running"


def test_a_worker_that_dies_in_the_look_leaves_the_strike(monkeypatch):
    asking(person())

    def dies(*_args, **_more):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(stepping, "take", dies)
        for n in range(1, 6):
            with pytest.raises(SystemExit):
                journeys.run_once(NOW)
            assert Enrollment.objects.get().strikes == n
    journeys.run_once(NOW)
    assert Enrollment.objects.get().state == "quarantined"


def test_a_campaign_pauses_when_a_step_fails_for_too_many(monkeypatch):
    asking(*(person() for _n in range(15)))
    other = on_the_way(making.simple("Other"), person())
    monkeypatch.setattr(journeys, "TOGETHER", (1,) * 5)
    take = stepping.take

    def failing(steps, whom, **more):
        if steps[0].kind == "branch":
            raise DataError("too large")
        return take(steps, whom, **more)

    monkeypatch.setattr(stepping, "take", failing)
    journeys.run_all(NOW)
    paused = Campaign.objects.exclude(pk=other.pk).get()
    assert paused.state == "paused" and "too large" in paused.paused_because
    assert 10 < Enrollment.objects.filter(state="quarantined").count() <= 15
    assert Message.objects.count() == 1, "the other campaign went on"


@pytest.mark.parametrize("fault", ["gone", "slow"])
def test_a_condition_that_cannot_be_asked_pauses_its_campaign_and_takes_nobody_anywhere(monkeypatch, fault):
    Field.objects.create(slug="gone", label="Gone", type="text", of="person", created_at=NOW)
    asking(person(), condition={"field": "person.custom.gone", "op": "not_empty"})
    other = on_the_way(making.simple("Other"), person())
    if fault == "gone":
        Field.objects.all().delete()
    else:
        take = stepping.take

        def slow(steps, whom, **more):
            if steps[0].kind == "branch":
                raise reading.TooSlow
            return take(steps, whom, **more)

        monkeypatch.setattr(stepping, "take", slow)
    journeys.run_all(NOW)
    paused = Campaign.objects.exclude(pk=other.pk).get()
    assert paused.state == "paused" and "German?" in paused.paused_because
    here = Enrollment.objects.get(campaign=paused)
    assert (here.state, here.step.name, here.strikes) == ("active", "German?", 0)
    assert Message.objects.filter(campaign=other).count() == 1
