"""The checker finds each way in which the promise can be broken, planted one at a time; and nothing when it was kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from campaigns.models import Campaign, Enrollment, Letter, Message, MessageAttempt, Step, StepRun
from faults import checker
from faults.sink import Taken
from tests.campaigns import making
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)


@dataclass
class World:
    """A campaign of two mails that three people went through, as delivery leaves it, and what was received of it."""

    enrollments: list[Enrollment]
    steps: list[Step]
    messages: list[Message]
    journal: list[Taken]

    def report(self) -> checker.Report:
        return checker.check(connection, self.journal)


@pytest.fixture
def world() -> World:
    people = [person(email=f"p{n}@example.com") for n in range(3)]
    draft = making.campaign(entry="broadcast", segment=making.segment(*people))
    for name in ("One", "Two"):
        making.plans.add_step(draft, "send", content=making.content(name))
    version = making.launched(draft, confirmed=3)
    steps = making.steps(version)
    made = World([], steps, [], [])
    for each in people:
        enrolled = Enrollment.objects.create(
            campaign=version.campaign, version=version, person=each, state="finished", entered_at=NOW, ended_at=LATER
        )
        made.enrollments.append(enrolled)
        for place, step in enumerate(steps):
            at = NOW + timedelta(seconds=place)
            StepRun.objects.create(enrollment=enrolled, step=step, at=at, outcome="written", next_id=step.next_id)
            made.messages.append(write(enrolled, step))
    for message in made.messages:
        go(message, "claimed", "sending", "sent")
        made.journal.append(Taken(str(message.pk), "x@example.com", "answered"))
    return made


def write(enrolled: Enrollment, step: Step, **values: Any) -> Message:
    told = {"campaign": enrolled.campaign, "person": enrolled.person, "due_at": NOW, "created_at": NOW}
    return Message.objects.create(id=uuid.uuid4(), enrollment=enrolled, step=step, **told | values)


def go(message: Message, *states: str) -> None:
    """Through these states, with a word on each attempt, as the protocol has it."""
    for state in states:
        if state == "sending":
            message.attempt += 1
        elif message.state == "sending":
            attempt(message, state)
        message.state = state
        message.save()


def attempt(message: Message, state: str) -> None:
    MessageAttempt.objects.create(message=message, attempt=message.attempt, phase="dot", state=state, at=LATER)


def test_a_promise_that_was_kept_is_said_to_be(world: World) -> None:
    report = world.report()
    assert report.kept and report.messages == report.received == 6 and report.states == {"sent": 6}
    assert report.unknown == 0 and world.report().kept, "and may be asked again"


def test_perhaps_sent_is_allowed_whether_it_was_received_or_not(world: World) -> None:
    enrolled = Enrollment.objects.create(
        campaign=world.enrollments[0].campaign, version=world.enrollments[0].version, person=person(),
        state="finished", entered_at=NOW, ended_at=LATER,
    )  # fmt: skip
    for place, step in enumerate(world.steps):
        StepRun.objects.create(enrollment=enrolled, step=step, at=LATER, outcome="written", next_id=step.next_id)
        message = write(enrolled, step)
        go(message, "claimed", "sending", "unknown")
        world.journal += [Taken(str(message.pk), "x@example.com", "cut@dot")] * place
    report = world.report()
    assert report.kept and report.unknown == 2 and report.received == 7


def test_letters_of_the_mailbox_are_received_too(world: World) -> None:
    taken = world.journal.pop()
    assert len(world.report().lost) == 1
    Letter.objects.create(message_id=taken.id, sender="us", recipient="x", subject="Two", raw=b"", received_at=LATER)
    assert world.report().kept
    world.journal.append(taken)
    assert len(world.report().duplicates) == 1


def test_a_letter_that_comes_again_is_seen_though_the_mailbox_keeps_one(world: World) -> None:
    with connection.cursor() as cursor:
        checker.watch_mailbox(cursor)
    taken = world.journal.pop()
    letter = Letter(message_id=taken.id, sender="us", recipient="x", subject="Two", raw=b"", received_at=LATER)
    Letter.objects.bulk_create([letter])
    assert world.report().kept
    Letter.objects.bulk_create([letter], ignore_conflicts=True)
    assert Letter.objects.count() == 1 and len(world.report().duplicates) == 1


def duplicate(world: World) -> None:
    world.journal.append(world.journal[0])


def sent_twice(world: World) -> None:
    world.messages[0].attempt = 2
    attempt(world.messages[0], "sent")


def again_after_unknown(world: World) -> None:
    go(more(world), "claimed", "sending", "unknown", "queued", "claimed", "sending", "failed")


def never_received(world: World) -> None:
    world.journal.pop()


def received_but_failed(world: World) -> None:
    message = more(world)
    go(message, "claimed", "sending", "failed")
    world.journal.append(Taken(str(message.pk), "x@example.com", "garbage@dot"))


def more(world: World) -> Message:
    """One message more, of a second visit."""
    message = write(world.enrollments[2], world.steps[1], visit=2)
    StepRun.objects.create(enrollment=message.enrollment, step=message.step, visit=2, at=LATER, outcome="written")
    return message


def received_of_nobody(world: World) -> None:
    world.journal.append(Taken(str(uuid.uuid4()), "x@example.com", "answered"))


def step_without_message(world: World) -> None:
    StepRun.objects.create(
        enrollment=world.enrollments[0], step=world.steps[1], visit=2, at=LATER, outcome="written", next_id=None
    )


def not_enrolled(world: World) -> None:
    chosen = world.enrollments[0].version.segment
    making.SegmentMember.objects.create(segment=chosen, person=person(), entered_at=NOW)


def set_aside(world: World) -> None:
    Enrollment.objects.filter(pk=world.enrollments[0].pk).update(state="quarantined")


def queued(world: World) -> None:
    more(world)


def claimed(world: World) -> None:
    go(more(world), "claimed")


def sending(world: World) -> None:
    go(more(world), "claimed", "sending")


def on_the_way(world: World) -> None:
    Enrollment.objects.filter(pk=world.enrollments[0].pk).update(state="active", step=None)


def out_of_order(world: World) -> None:
    runs = StepRun.objects.filter(enrollment=world.enrollments[1]).order_by("pk")
    StepRun.objects.filter(pk=runs[0].pk).update(at=LATER + timedelta(hours=1))


def led_elsewhere(world: World) -> None:
    StepRun.objects.filter(enrollment=world.enrollments[1], step=world.steps[0]).update(next=world.steps[0])


def without_a_step(world: World) -> None:
    write(world.enrollments[0], making.plans.Step.objects.create(
        version=making.campaign("Other"), key="k", kind="wait", position=1
    ))  # fmt: skip


def without_a_word(world: World) -> None:
    Message.objects.filter(pk=world.messages[0].pk).update(attempt=2)


def does_not_add_up(world: World) -> None:
    write(world.enrollments[0], world.steps[0], channel="other")


@pytest.mark.parametrize(
    ("plant", "kind", "words"),
    [
        (duplicate, "duplicates", "received more than once"),
        (sent_twice, "duplicates", "noted as sent at two attempts"),
        (again_after_unknown, "duplicates", "again after an attempt of which nobody knows"),
        (never_received, "lost", "nobody received it"),
        (received_but_failed, "lost", "neither sent nor perhaps sent"),
        (received_of_nobody, "lost", "no row tells of it"),
        (step_without_message, "lost", "should have been written"),
        (not_enrolled, "lost", "never enrolled"),
        (set_aside, "lost", "set aside"),
        (queued, "open", "still on its way"),
        (claimed, "open", "still on its way"),
        (sending, "open", "still on its way"),
        (on_the_way, "open", "has not come to its end"),
        (out_of_order, "disorder", "does not follow"),
        (led_elsewhere, "disorder", "does not follow"),
        (without_a_step, "disorder", "a step that it did not do"),
        (without_a_word, "disorder", "without a word"),
        (does_not_add_up, "disorder", "does not add up"),
    ],
)
def test_what_breaks_the_promise_is_found(world: World, plant: Callable[[World], None], kind: str, words: str) -> None:
    plant(world)
    report = world.report()
    assert not report.kept
    assert [each for each in getattr(report, kind) if words in each], report
    assert report.figures()[kind] >= 1


def test_a_campaign_that_is_stopped_owes_nothing_more(world: World) -> None:
    Campaign.objects.update(state="stopped")
    Enrollment.objects.filter(pk=world.enrollments[0].pk).update(state="stopped")
    assert world.report().kept
