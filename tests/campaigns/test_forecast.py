"""The dry run says what then happens, person by person and day by day, and leaves nothing behind."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import connection

from audience import consent
from audience import live as engine
from audience.models import SegmentMember, Topic
from campaigns import forecast, journeys, live, plans
from campaigns.models import Campaign, Enrollment, Message, StepRun
from kit import installation, jobs
from kit.models import AuditEntry, Job
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests.campaigns import making
from tests.factories import NOW, activity, days_ago, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
SILENT = {"field": "activity.count", "days": 30, "op": "equals", "value": 0}


def agreed(someone) -> None:
    consent.give(someone, topic=Topic.objects.get(), source="test", at=days_ago(9), now=days_ago(9))


def crowd(number: int = 24):
    """People of two countries, some silent within days, some who have not agreed, some left out."""
    made = []
    making.topic()
    for n in range(number):
        someone = person(country="DE" if n % 2 else "FR", email=f"p{n}@example.com", is_excluded=n % 8 == 7)
        if n % 3:
            activity(someone, days_ago(30 - n % 6))
        if n % 4:
            agreed(someone)
        made.append(someone)
    return made


def flow(people, **values):
    draft = making.campaign(entry="broadcast", segment=making.segment(*people), **values)
    plans.add_step(draft, "send", name="one", content=making.content("one"))
    until = plans.add_step(draft, "wait_until", name="silent?", condition=SILENT, settings={"days": 3})
    branch = plans.add_step(draft, "branch", name="german?", condition=GERMAN, parent=until, arm="yes")
    plans.add_step(draft, "send", name="hallo", content=making.content("hallo"), parent=branch, arm="yes")
    plans.add_step(draft, "exit", name="out", parent=until, arm="no", settings={"reason": "lively"})
    plans.add_step(draft, "wait", name="wait", settings={"days": 1, "time": "09:00"})
    plans.add_step(draft, "send", name="two", content=making.content("two"))
    plans.change_campaign(draft.campaign, holdout=20)
    return draft


def live_through(draft, days: int) -> None:
    """Launch it, and let so many days go by, an hour at a time."""
    making.launched(draft)
    live.begin(NOW)
    jobs.run(Job.objects.get().pk, NOW)
    now = NOW
    while now < NOW + timedelta(days=days):
        engine.clock(now)
        engine.run_all(now)
        journeys.run_all(now)
        now += timedelta(hours=1)


def test_what_is_foretold_is_what_happens():
    draft = flow(crowd())
    found = forecast.dry_run(draft, at=NOW, days=9)
    live_through(draft, 9)
    entered = Enrollment.objects.count()
    assert (found.entering, found.held_out) == (entered, Enrollment.objects.filter(state="holdout").count())
    assert found.arriving == 24 > found.entering
    came: Counter[str] = Counter()
    for stop in found.stops:
        came[stop.step.name] += stop.came
    happened = Counter(StepRun.objects.values_list("step__name", flat=True))
    assert came == happened
    foretold = {name: dict(sum((Counter(s.outcomes) for s in found.stops if s.step.name == name), Counter()))
                for name in ("silent?", "german?")}  # fmt: skip
    for name, outcomes in foretold.items():
        runs = StepRun.objects.filter(step__name=name).values_list("outcome", flat=True)
        assert {key: n for key, n in outcomes.items() if n} == dict(Counter(runs)), name
    sends = sum(stop.came for stop in found.stops if stop.step.kind == "send")
    assert sends == Message.objects.count()
    days = Counter(message.due_at.date() for message in Message.objects.filter(step__name="two"))
    assert {stop.day: stop.came for stop in found.stops if stop.step.name == "two"} == days
    assert dict(found.ended) == {
        "went through": Enrollment.objects.filter(state="finished").count(),
        "lively": Enrollment.objects.filter(state="exited").count(),
    }


def test_who_may_not_be_written_to_is_told_with_the_reason_and_goes_on():
    draft = making.simple(entry="broadcast", segment=making.segment(*crowd(8)))
    found = forecast.dry_run(draft, at=NOW, days=30)
    assert [stop.held_back for stop in found.stops if stop.step.kind == "send"] == [{"no consent": 2}] * 2
    assert [stop.sent for stop in found.stops if stop.step.kind == "send"] == [5, 5]
    assert found.sent == 10 and found.held_back == {"no consent": 4}
    assert list(found.by_day().items()) == [
        (date(2025, 6, 15), {making.steps(draft)[0].pk: 5}), (date(2025, 6, 22), {making.steps(draft)[2].pk: 5}),
    ]  # fmt: skip


def test_the_cap_counts_what_was_sent_and_what_the_dry_run_sends():
    people = crowd(8)
    draft = making.campaign(entry="broadcast", segment=making.segment(*people))
    for n in range(3):
        plans.add_step(draft, "send", content=making.content(f"letter {n}"))
    plans.add_step(draft, "wait", settings={"days": 8})
    plans.add_step(draft, "send", content=making.content("later"))
    installation.put("frequency_cap", {"messages": 2, "days": 7})
    found = forecast.dry_run(draft, at=NOW, days=30)
    sends = [stop for stop in found.stops if stop.step.kind == "send"]
    assert [stop.sent for stop in sends] == [5, 5, 0, 5]
    assert sends[2].held_back == {"no consent": 2, "frequency cap": 5}


def test_a_dry_run_leaves_nothing_behind_and_can_be_repeated():
    version = published()
    someone = person()
    stages.place(someone.pk, version, to=version.stages.get(slug="engaged"), reason="", by=None, at=NOW, now=NOW)
    draft = making.campaign(version=version, stage="engaged", present=True)
    plans.add_step(draft, "send", content=making.content())
    plans.add_step(draft, "move", lifecycle=version.lifecycle, stage="lead")
    plans.add_step(draft, "send", content=making.content("more"))
    before = (Movement.objects.count(), AuditEntry.objects.count(), Membership.objects.get().seq)
    first, second = (forecast.dry_run(draft, at=NOW, days=5) for _n in range(2))
    assert (Movement.objects.count(), AuditEntry.objects.count(), Membership.objects.get().seq) == before
    assert not Enrollment.objects.exists() and not Message.objects.exists() and Campaign.objects.get().state == "draft"
    assert first == second
    assert [stop.outcomes for stop in first.stops] == [{}, {"moved": 1, "refused": 0}]
    assert dict(first.ended) == {"left the stage": 1}, "the move leads out of the stage that the campaign is for"
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM forecast_place), current_setting('transaction_read_only')")
        assert cursor.fetchone() == (0, "off")


def test_an_entry_that_goes_on_tells_how_many_came_a_day_lately():
    version = published()
    for n in range(14):
        membership = person().pk
        to = version.stages.get(slug="engaged")
        stages.place(membership, version, to=to, reason="", by=None, at=days_ago(n), now=days_ago(n))
    draft = making.simple(version=version, stage="engaged")
    found = forecast.dry_run(draft, at=NOW, days=30)
    assert (found.entering, found.a_day, found.stops) == (0, 0.5, [])
    assert forecast.dry_run(making.simple("Hand"), at=NOW).a_day is None


def test_history_that_was_recorded_lately_is_not_taken_for_arrivals():
    version = published()
    for n in range(14):
        membership = person().pk
        to = version.stages.get(slug="engaged")
        stages.place(membership, version, to=to, reason="", by=None, at=days_ago(40 + n), now=days_ago(1))
    assert forecast.dry_run(making.simple(version=version, stage="engaged"), at=NOW).a_day == 0


def test_whoever_was_in_a_segment_when_it_was_made_did_not_come_lately():
    chosen = making.segment(person(), person(), at=days_ago(2))
    SegmentMember.objects.create(segment=chosen, person=person(), entered_at=days_ago(1))
    found = forecast.dry_run(making.simple(entry="segment", segment=chosen), at=NOW)
    assert found.a_day == 1 / forecast.LATELY


def test_who_is_still_on_the_way_is_told():
    draft = making.simple(entry="broadcast", segment=making.segment(person(), person()))
    found = forecast.dry_run(draft, at=NOW, days=6)
    assert (found.entering, found.on_the_way, dict(found.ended)) == (2, 2, {})


def test_the_goal_ends_the_way_of_whom_time_alone_brings_to_it():
    ada, bob = person(), person()
    activity(ada, days_ago(27))
    activity(bob, days_ago(1))
    draft = making.simple(entry="broadcast", segment=making.segment(ada, bob), goal=SILENT)
    found = forecast.dry_run(draft, at=NOW, days=30)
    assert dict(found.ended) == {"reached the goal": 1, "went through": 1}
    assert [stop.came for stop in found.stops] == [2, 1, 1]
