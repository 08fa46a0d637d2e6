"""Why somebody got it or did not: in words, with times, for every way a message can go and every reason to stay out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audience import live as engine
from audience.activity import activities
from audience.models import Activity, Person
from audience.subjects import exclusions, people
from campaigns import entry, journeys, plans, responses, tracing
from campaigns.models import Campaign, Enrollment, Message, MessageAttempt, Response
from kit.sql import sql
from lifecycle.ledger import stages
from tests.campaigns import making
from tests.factories import NOW, activity, days_ago, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
SOON = NOW + timedelta(minutes=5)


def told(campaign: Campaign, someone: Person, now=SOON) -> list[str]:
    return [line.text for line in tracing.trace(campaign, someone.pk, now=now)]


def flow(**values) -> Campaign:
    draft = making.campaign(**values)
    plans.add_step(draft, "send", name="Welcome", content=making.content())
    branch = plans.add_step(draft, "branch", name="German?", condition=GERMAN)
    plans.add_step(draft, "exit", name="Bye", parent=branch, arm="yes", settings={"reason": "speaks German"})
    plans.add_step(draft, "wait", settings={"days": 2})
    plans.add_step(draft, "send", name="More", content=making.content("More"))
    return making.launched(draft).campaign


def test_every_step_is_told_with_its_time_and_a_branch_with_its_reason():
    someone = person(country="FR")
    campaign = flow()
    entry.enroll(campaign, [someone.pk], why="by hand", by=None, now=NOW)
    journeys.run_all(SOON)
    lines = tracing.trace(campaign, someone.pk, now=SOON)
    assert [(line.at, line.text) for line in lines] == [
        (NOW, "Entered, on version 1: by hand"),
        (SOON, "Welcome: waits to be sent"),
        (SOON, "German?: no"),
        (None, "Now: Wait 2 days, which is over Jun 17, 2025 10:05"),
    ]
    assert (lines[2].why.held, lines[2].why.found) == (False, "FR")
    journeys.run_all(SOON + timedelta(days=2))
    assert told(campaign, someone)[-3:] == [
        "Wait 2 days", "More: waits to be sent", "Went through to the end",
    ]  # fmt: skip


def test_a_branch_is_explained_as_of_when_it_was_asked():
    someone = person(country="FR")
    campaign = flow()
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    people.change(someone, {"country": "DE"}, source="tests", by=None, now=SOON)
    [line] = [each for each in tracing.trace(campaign, someone.pk, now=SOON) if each.text == "German?: no"]
    assert (line.why.held, line.why.found) == (False, "FR")


@pytest.mark.parametrize(
    ("states", "reason", "text", "level"),
    [
        (["suppressed"], "no consent", "Welcome: held back: has not agreed", "held"),
        (["skipped"], "frequency cap", "Welcome: passed over: frequency cap", "held"),
        (["expired"], "it was to leave earlier", "Welcome: dropped as too late: it was to leave earlier", "held"),
        (["claimed", "sending", "sent"], "", "Welcome: sent", "ok"),
        (["claimed", "sending", "failed"], "550 no such user", "Welcome: could not be sent: 550 no such user", "wrong"),
        (["claimed", "sending", "unknown"], "cut", "Welcome: perhaps sent, nobody knows: cut", "wrong"),
    ],
)
def test_what_became_of_a_message_is_told_with_the_reason_and_when_that_was_learnt(states, reason, text, level):
    someone = person()
    campaign = flow()
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    for state in states:
        Message.objects.update(state=state, reason=reason)
    MessageAttempt.objects.create(message=Message.objects.get(), attempt=1, phase="outcome", state=states[-1], at=SOON)
    [line] = [each for each in tracing.trace(campaign, someone.pk, now=SOON) if each.message]
    assert (line.text, line.level, line.at) == (text, level, SOON)


def test_answers_are_told_and_by_whom_when_it_was_no_human():
    someone = person()
    campaign = flow()
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    message = Message.objects.get()
    for actor, kind in (("bot", "clicked"), ("human", "opened")):
        Response.objects.create(message=message, kind=kind, actor=actor, at=SOON)
    texts = told(campaign, someone)
    assert "Welcome: clicked (by a machine)" in texts and "Welcome: opened" in texts


def test_an_answer_that_was_taken_back_is_marked_until_it_counts_again():
    someone = person()
    campaign = flow()
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    for kind in (Response.Kind.OPENED, Response.Kind.CLICKED):
        responses.record(Message.objects.get(), kind, actor="human", at=SOON, now=SOON)
    assert {"Welcome: opened", "Welcome: clicked"} <= set(told(campaign, someone))
    clicked = Activity.objects.filter(kind__slug="email_clicked")
    activities.take_back(clicked.get(), by=None, now=SOON)
    lines = {line.text: line.level for line in tracing.trace(campaign, someone.pk, now=SOON)}
    assert lines["Welcome: clicked, taken back since: it counts nowhere"] == tracing.HELD
    assert lines["Welcome: opened"] == tracing.OK and "Welcome: clicked" not in lines


def test_leaving_is_told_with_the_reason_and_the_step_that_was_not_taken():
    someone = person()
    campaign = flow(goal={"field": "person.country", "op": "is", "value": "ES"})
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    people.change(someone, {"country": "ES"}, source="tests", by=None, now=SOON)
    engine.run_all(SOON)
    assert told(campaign, someone)[-1] == "Done: reached the goal: country is “ES”, before “Wait 2 days”"
    assert "Welcome: cancelled: reached the goal: country is “ES”" in told(campaign, someone)


def test_an_exit_step_tells_its_reason():
    someone = person(country="DE")
    campaign = flow()
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    assert told(campaign, someone)[-2:] == ["Bye", "Left: speaks German"]


def test_the_held_out_and_the_set_aside_are_told():
    draft = making.simple()
    plans.change_campaign(draft.campaign, holdout=50)
    campaign = making.launched(draft).campaign
    ids = [person().pk for _n in range(20)]
    entry.enroll(campaign, ids, by=None, now=NOW)
    out = Enrollment.objects.filter(state="holdout")[0]
    lines = tracing.trace(campaign, out.subject_id, now=SOON)
    assert len(lines) == 2 and lines[1].level == "held" and lines[1].text.startswith("Held out: one of the 50 %")
    aside = Enrollment.objects.filter(state="active")[0]
    chosen = sql("SELECT {}::bigint AS enrollment_id", aside.pk)
    journeys.leave(chosen, state="quarantined", reason="too large", now=NOW)
    last = tracing.trace(campaign, aside.subject_id, now=SOON)[-1]
    assert last.level == "wrong" and last.text.startswith("Set aside: too large, before “Send")


def test_each_pass_is_told_apart():
    someone = person()
    campaign = flow(reentry_days=0)
    for _n in range(2):
        entry.enroll(campaign, [someone.pk], why="by hand", by=None, now=NOW)
        journeys.run_all(NOW)
        journeys.leave(sql("SELECT id AS enrollment_id FROM campaigns_enrollment"), state="exited", reason="x", now=NOW)
    texts = told(campaign, someone)
    assert texts[0] == "Entered for the 1. time, on version 1: by hand"
    assert "Entered for the 2. time, on version 1: by hand" in texts


def test_a_wait_until_tells_since_when_it_will_be_in_vain_and_how_it_stands():
    someone = person()
    draft = making.campaign()
    plans.add_step(draft, "wait_until", name="Active?", condition=GERMAN, settings={"days": 3})
    campaign = making.launched(draft).campaign
    entry.enroll(campaign, [someone.pk], by=None, now=NOW)
    journeys.run_all(NOW)
    line = tracing.trace(campaign, someone.pk, now=SOON)[-1]
    assert line.text == "Now: Active?; in vain from Jun 18, 2025 10:00" and line.why.held is False
    plans.pause(campaign, because="somebody said so", by=None, now=SOON)
    campaign.refresh_from_db()
    assert "The campaign stands still: somebody said so" in told(campaign, someone)


# ---- why not ----


def test_who_never_entered_is_told_all_that_stands_against_it():
    version = published()
    inside, outside, wrong, out = person(country="DE"), person(country="DE"), person(country="FR"), person()
    draft = making.simple(version=version, stage="engaged", audience=GERMAN)
    campaign = making.launched(draft).campaign
    for each in (inside, wrong):
        to = version.stages.get(slug="engaged")
        stages.place(each.pk, version, to=to, reason="", by=None, at=SOON, now=SOON)
    assert told(campaign, inside) == [
        "They came: entered “Engaged”", "Nothing stands against it: they enter within seconds.",
    ]  # fmt: skip
    assert told(campaign, outside) == [
        "Whoever enters “Engaged” of Small: they have not, since the launch Jun 15, 2025 10:00.",
        "They are not in the stage that the campaign is for.",
    ]
    lines = tracing.trace(campaign, wrong.pk, now=SOON)
    assert [line.text for line in lines] == ["They came: entered “Engaged”", "They are not of the audience."]
    assert lines[1].why.found == "FR"
    exclusions.by_hand(Person, sql("SELECT {}::bigint AS subject_id", out.pk), reason="rival", by=None, now=SOON)
    assert told(campaign, out)[0] == "Left out of figures (rival): no campaign takes them."


def test_who_has_reached_the_goal_before_and_what_is_not_running_is_told():
    someone = person(country="DE")
    campaign = making.launched(making.simple(entry="segment", segment=making.segment(), goal=GERMAN)).campaign
    assert told(campaign, someone)[-1] == "They have reached its goal already."
    plans.pause(campaign, because="holidays", by=None, now=NOW)
    campaign.refresh_from_db()
    assert told(campaign, someone)[0] == "It is not running (Paused: holidays)."
    activity(someone, days_ago(1))
