"""What came to each step is what is there, at every instant, whatever becomes of people; and a lost row is found."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from audience import live as engine
from audience.subjects import people
from campaigns import entry, invariant, journeys, plans
from campaigns.models import Campaign, Enrollment, Message, StepRun
from kit.sql import sql
from tests.campaigns import making
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
FRENCH = {"field": "person.country", "op": "is", "value": "FR"}


def flow(**values):
    draft = making.campaign(**values)
    plans.add_step(draft, "send", name="one", content=making.content("one"))
    branch = plans.add_step(draft, "branch", name="french?", condition=FRENCH)
    plans.add_step(draft, "send", name="french", content=making.content("french"), parent=branch, arm="yes")
    plans.add_step(draft, "wait", name="wait", settings={"days": 2})
    plans.add_step(draft, "send", name="two", content=making.content("two"))
    return making.launched(draft)


def told(campaign: Campaign) -> dict[str, tuple[int, int, int]]:
    return {row.step.name: (row.entered, row.pending, row.cancelled) for row in invariant.figures(campaign)}


def test_who_came_who_waits_and_who_left_before_it_are_told_step_by_step():
    everybody = [person(country="FR" if n < 4 else "") for n in range(10)]
    version = flow(goal=GERMAN)
    entry.enroll(version.campaign, [each.pk for each in everybody], by=None, now=NOW)
    assert told(version.campaign)["one"] == (10, 10, 0)
    journeys.run_all(NOW)
    assert told(version.campaign) == {
        "one": (10, 10, 0), "french?": (10, 0, 0), "french": (4, 4, 0), "wait": (10, 10, 0), "two": (0, 0, 0),
    }  # fmt: skip
    Message.objects.filter(step__name="one").update(state="claimed")
    people.change(everybody[0], {"country": "DE"}, source="tests", by=None, now=NOW)
    engine.run_all(NOW)
    journeys.run_all(NOW + timedelta(days=2))
    found = told(version.campaign)
    assert found["one"] == (10, 9, 1) and found["french"] == (4, 3, 1)
    assert found["wait"] == (10, 0, 1) and found["two"] == (9, 9, 0)
    assert invariant.figures(version.campaign).holds


@pytest.mark.parametrize("seed", range(4))
def test_it_holds_after_every_turn_of_a_random_story(seed):
    dice = random.Random(seed)
    everybody = [person(country=dice.choice(["FR", ""])) for _n in range(30)]
    draft = flow(goal=GERMAN, reentry_days=0)
    campaign = draft.campaign
    entry.enroll(campaign, [each.pk for each in everybody], by=None, now=NOW)
    now = NOW
    for _turn in range(25):
        now += timedelta(hours=dice.randrange(1, 30))
        match dice.choice([0, 1, 1, 1, 2, 3, 4, 5]):
            case 0:
                some = [each.pk for each in dice.sample(everybody, 10)]
                entry.enroll(campaign, some, by=None, now=now)
            case 1:
                journeys.run_once(now)
            case 2:
                who = dice.choice(everybody)
                people.change(who, {"country": dice.choice(["DE", "FR", "ES"])}, source="tests", by=None, now=now)
                engine.run_all(now)
            case 3:
                ids = list(Message.objects.filter(state="queued").values_list("pk", flat=True)[:7])
                after = dice.choice([["suppressed"], ["claimed", "sending", "sent"], ["claimed", "sending", "unknown"]])
                for state in after:
                    Message.objects.filter(pk__in=ids).update(state=state)
            case 4:
                chosen = Enrollment.objects.filter(state="active").order_by("?").values_list("pk", flat=True)[:2]
                some = sql("SELECT unnest({}::bigint[]) AS enrollment_id", list(chosen))
                journeys.leave(some, state=dice.choice(["exited", "quarantined"]), reason="x", now=now)
            case 5:
                plans.pause(campaign, by=None, now=now)
                journeys.run_once(now)
                plans.resume(campaign, by=None, now=now)
        assert invariant.figures(campaign).holds, [vars(row) for row in invariant.figures(campaign).off]
    assert StepRun.objects.count() > 30


def test_versions_are_told_apart_and_the_held_out_come_to_no_step():
    draft = making.simple(reentry_days=0)
    plans.change_campaign(draft.campaign, holdout=50)
    first = making.launched(draft)
    everybody = [person().pk for _n in range(20)]
    entered = entry.enroll(first.campaign, everybody, by=None, now=NOW)
    second = making.launched(plans.draft_of(first.campaign, by=None, now=NOW), NOW)
    more = entry.enroll(first.campaign, [person().pk for _n in range(20)], by=None, now=NOW)
    journeys.run_all(NOW)
    found = invariant.figures(first.campaign)
    top = {row.step.version_id: row.entered for row in found if row.step.position == 1}
    assert found.holds and top == {first.pk: entered.active, second.pk: more.active}
    assert [row.step.version_id for row in found] == [second.pk] * 3 + [first.pk] * 3


def test_a_message_that_was_lost_and_one_too_many_are_found():
    version = flow()
    entry.enroll(version.campaign, [person().pk for _n in range(3)], by=None, now=NOW)
    journeys.run_all(NOW)
    message = Message.objects.filter(step__name="one")[0]
    Message.objects.filter(pk=message.pk).delete()
    found = invariant.figures(version.campaign)
    assert not found.holds and [row.step.name for row in found.off] == ["one"]
    assert (found.off[0].entered, found.off[0].there) == (3, 2)
