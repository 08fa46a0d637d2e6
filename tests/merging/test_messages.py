"""Consent and campaigns of two who become one: the stricter word wins, and nobody gets a step's message twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audience import consent, merging
from audience.models import ConsentRecord, Topic
from campaigns import invariant
from campaigns.models import Enrollment, Message, StepRun
from tests import factories
from tests.campaigns import making
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db


def pair() -> tuple[Any, Any]:
    return factories.person(email="a@a.example"), factories.person(email="b@b.example")


def say(person: Any, topic: Topic | None, given: bool, at: Any, **more: Any) -> None:
    act = consent.give if given else consent.withdraw
    act(person, topic=topic, source="fair", at=at, now=at, **more)


def verdict(person: Any, topic: Topic | None, at: Any = NOW) -> str | None:
    return consent.verdict(type(person).objects.get(pk=person.pk), topic=topic, at=at + timedelta(minutes=1))


# ---- consent ----


@pytest.mark.parametrize("refuses", [0, 1])
def test_what_either_refused_both_refuse_although_the_other_agreed_later(refuses: int) -> None:
    people, news = pair(), making.topic()
    say(people[refuses], news, False, days_ago(20))
    say(people[1 - refuses], news, True, days_ago(10))
    made = merging.merge(*people, by=None, now=NOW)
    assert verdict(people[0], news) == "withdrew"
    merging.part(made, by=None, now=NOW)
    assert verdict(people[refuses], news) == "withdrew" and verdict(people[1 - refuses], news) is None


def test_to_have_said_nothing_is_no_refusal() -> None:
    (ours, theirs), news = pair(), making.topic()
    say(theirs, news, True, days_ago(10))
    made = merging.merge(ours, theirs, by=None, now=NOW)
    assert verdict(ours, news) is None and ConsentRecord.objects.count() == 1
    merging.part(made, by=None, now=NOW)
    assert verdict(ours, news) == "no consent" and verdict(theirs, news) is None


def test_who_wants_nothing_at_all_gets_nothing_of_any_topic() -> None:
    (ours, theirs), news = pair(), making.topic()
    other = making.topic(slug="events", label="Events")
    say(ours, news, True, days_ago(10))
    say(ours, other, True, days_ago(10))
    say(theirs, None, False, days_ago(20))
    merging.merge(ours, theirs, by=None, now=NOW)
    assert {verdict(ours, each) for each in (news, other, None)} == {"withdrew"}


def test_whoever_objected_to_tracking_is_not_tracked() -> None:
    ours, theirs = pair()
    say(theirs, None, False, days_ago(20), channel=consent.TRACKING)
    say(ours, None, True, days_ago(10), channel=consent.TRACKING)
    merging.merge(ours, theirs, by=None, now=NOW)
    assert not consent.may_track(ours.pk)


def test_an_address_that_must_not_be_used_stays_so() -> None:
    (ours, theirs), news = pair(), making.topic()
    say(ours, news, True, days_ago(10))
    consent.suppress("b@b.example", reason="bounced", by=None, now=days_ago(5))
    made = merging.merge(ours, theirs, chosen={"email": True}, by=None, now=NOW)
    assert verdict(ours, news) == "suppressed: bounced"
    merging.part(made, by=None, now=NOW)
    assert verdict(ours, news) is None


def test_what_was_refused_while_they_were_one_both_refuse() -> None:
    (ours, theirs), news = pair(), making.topic()
    for each in (ours, theirs):
        say(each, news, True, days_ago(10))
    made = merging.merge(ours, theirs, by=None, now=NOW)
    say(ours, news, False, NOW + timedelta(hours=1))
    merging.part(made, by=None, now=NOW + timedelta(hours=2))
    later = NOW + timedelta(hours=3)
    assert (verdict(ours, news, later), verdict(theirs, news, later)) == ("withdrew", "withdrew")


def test_whoever_asked_for_the_longer_pause_is_left_in_peace_and_each_by_their_own_word_afterwards() -> None:
    (ours, theirs), news = pair(), making.topic()
    for each, days in ((theirs, 9), (ours, 2)):
        say(each, news, True, days_ago(10))
        consent.pause(each, until=NOW + timedelta(days=days), source="page", now=NOW)
    made = merging.merge(ours, theirs, by=None, now=NOW)
    assert consent.paused_until(ours, at=NOW) == NOW + timedelta(days=9)
    merging.part(made, by=None, now=NOW)
    assert consent.paused_until(ours, at=NOW) == NOW + timedelta(days=2)
    assert consent.paused_until(theirs, at=NOW) == NOW + timedelta(days=9)


# ---- campaigns ----


def enrolled(person: Any, version: Any, *, sent: int = 0, waits: bool = False, state: str = "active") -> Enrollment:
    """Somebody on the way, who was sent the first of so many messages; or whose next one waits."""
    steps = [step for step in making.steps(version) if step.kind == "send"]
    made = Enrollment.objects.create(
        campaign=version.campaign, version=version, person=person, entered_at=days_ago(5), step=steps[0], state=state,
        ended_at=None if state == "active" else days_ago(1),
    )  # fmt: skip
    for step in steps[:sent]:
        making.sent(person, step)
        following = version.steps.filter(position__gt=step.position, parent=None).order_by("position").first()
        StepRun.objects.create(enrollment=made, step=step, at=NOW, outcome="sent", next=following)
        Enrollment.objects.filter(pk=made.pk).update(step=following)
    if waits:
        message = making.sent(person, steps[sent], at=NOW)
        Message.objects.filter(pk=message.pk).delete()
        Message.objects.create(
            id=message.pk, campaign=version.campaign, enrollment=made, step=steps[sent], person=person,
            due_at=NOW, created_at=NOW,
        )  # fmt: skip
    return made


def states(*enrollments: Enrollment) -> list[str]:
    return [Enrollment.objects.get(pk=each.pk).state for each in enrollments]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((0, 0), (0, 0), ["active", "exited"]),  # of equals the survivor's
        ((0, 1), (0, 0), ["active", "exited"]),
        ((0, 0), (0, 1), ["exited", "active"]),  # whoever has had more
        ((0, 1), (0, 1), ["active", "exited"]),
    ],
)
def test_at_most_one_pass_goes_on_and_it_repeats_nothing(ours: Any, theirs: Any, expected: list[str]) -> None:
    version, people = making.launched(making.simple()), pair()
    first, second = enrolled(people[0], version, sent=ours[1]), enrolled(people[1], version, sent=theirs[1])
    merging.merge(*people, by=None, now=NOW)
    assert states(first, second) == expected
    assert sorted(Enrollment.objects.values_list("pass_number", flat=True)) == [1, 2]
    assert invariant.figures(version.campaign).holds


def test_whoever_would_get_what_the_other_had_goes_no_further() -> None:
    version, people = making.launched(making.simple()), pair()
    first, second = enrolled(people[0], version), enrolled(people[1], version, sent=2, state="finished")
    merging.merge(*people, by=None, now=NOW)
    assert states(first, second) == ["exited", "finished"]


def test_what_waits_of_the_pass_that_ends_is_cancelled_and_no_step_is_sent_twice() -> None:
    version, people = making.launched(making.simple()), pair()
    enrolled(people[0], version, waits=True), enrolled(people[1], version, waits=True)
    made = merging.merge(*people, by=None, now=NOW)
    by_state = sorted(Message.objects.values_list("state", "person_id"))
    assert by_state == [("cancelled", people[0].pk), ("queued", people[0].pk)]
    merging.part(made, by=None, now=NOW)
    assert sorted(Message.objects.values_list("state", "person_id")) == [
        ("cancelled", people[1].pk), ("queued", people[0].pk),
    ]  # fmt: skip


def test_parted_again_each_goes_on_where_they_stood_unless_the_campaign_was_stopped() -> None:
    version, people = making.launched(making.simple()), pair()
    first, second = enrolled(people[0], version, sent=1), enrolled(people[1], version)
    made = merging.merge(*people, by=None, now=NOW)
    assert states(first, second) == ["active", "exited"]
    merging.part(made, by=None, now=NOW)
    assert states(first, second) == ["active", "active"]
    assert set(Enrollment.objects.values_list("person_id", "pass_number")) == {(each.pk, 1) for each in people}
    again = merging.merge(*people, by=None, now=NOW)
    version.campaign.state = "stopped"
    version.campaign.save()
    merging.part(again, by=None, now=NOW)
    assert states(first, second) == ["active", "exited"]


def test_what_was_sent_in_a_pass_while_they_were_one_goes_with_the_pass() -> None:
    version, people = making.launched(making.simple()), pair()
    second = enrolled(people[1], version)
    made = merging.merge(*people, by=None, now=NOW)
    step = making.steps(version)[0]
    second.refresh_from_db()
    message = making.sent(people[0], step)
    assert message.enrollment_id == second.pk and message.person_id == people[0].pk
    merging.part(made, by=None, now=NOW)
    message.refresh_from_db()
    assert message.person_id == people[1].pk
