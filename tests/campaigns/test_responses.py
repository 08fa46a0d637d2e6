"""Answers to messages: told once, as activities that conditions count; machines are kept apart from humans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audience import consent, live
from audience.activity import timeline
from audience.conditions import explain, tree
from audience.models import Activity, ActivityKind, Dirty, Person
from campaigns import plans, responses
from campaigns.models import Message, Response
from tests.campaigns import making
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db
LINKS = ["https://marlowcreek.example/guide", "https://marlowcreek.example/demo", "https://other.example/"]
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def step():
    draft = making.campaign("Spring nurture")
    said = making.content("Guide", links=LINKS)
    plans.add_step(draft, "send", content=said)
    return making.steps(making.launched(draft))[0]


@pytest.fixture
def message(step):
    return making.sent(person(email="ada@example.com"), step)


def holds(someone, condition, at=LATER + timedelta(days=1)):
    return explain.explain(tree.parse(condition, of="person"), someone.pk, of="person", at=at).held


def counted(**where):
    return {"field": "activity.count", "where": where, "op": "at_least", "value": 1}


def test_an_answer_is_a_row_and_an_activity_that_names_what_was_answered(message):
    assert responses.record(message, "clicked", link=1, at=LATER, now=LATER)
    told = Activity.objects.get(kind__slug="email_clicked")
    assert (told.person_id, told.channel, told.direction, told.actor) == (
        message.person_id,
        "email",
        "inbound",
        "human",
    )
    assert told.source == "campaigns" and told.external_id.startswith(str(message.pk))
    assert told.properties == {
        "campaign": message.campaign.slug, "campaign_name": "Spring nurture", "content": "guide", "content_name": "Guide",
        "style": "education", "link": "marlowcreek.example",
    }  # fmt: skip


def test_only_who_clicks_or_answers_has_come_to_us(message):
    for kind in ("opened", "bounced", "complained", "unsubscribed"):
        responses.record(message, kind, at=LATER, now=LATER)
    assert not holds(message.person, counted(direction="inbound"))
    responses.record(message, "replied", at=LATER, now=LATER)
    assert holds(message.person, counted(direction="inbound"))


def test_an_answer_is_told_once_for_each_kind_link_and_actor(message):
    for kind, link in (("opened", None), ("clicked", 0), ("clicked", 1)):
        assert responses.record(message, kind, link=link, at=LATER, now=LATER)
        assert not responses.record(message, kind, link=link, at=LATER, now=LATER)
    assert responses.record(message, "opened", actor="proxy", at=LATER, now=LATER)
    assert Response.objects.count() == Activity.objects.count() == 4


def test_whoever_answers_is_judged_again(message):
    live.run_all(LATER)
    assert not Dirty.objects.exists()
    responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    assert Dirty.objects.filter(subject_id=message.person_id).exists()


def test_conditions_count_humans_unless_machines_are_asked_for(message):
    for actor in ("bot", "proxy", "unknown"):
        responses.record(message, "clicked", actor=actor, link=0, at=LATER, now=LATER)
    assert not holds(message.person, counted(kind="email_clicked"))
    assert holds(message.person, counted(kind="email_clicked", actor="bot"))
    responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    assert holds(message.person, counted(kind="email_clicked"))
    assert holds(message.person, counted(kind="email_clicked", **{"properties.campaign": message.campaign.slug}))


def test_many_that_were_sent_are_told_by_one_statement_and_once(step):
    sent = [making.sent(person(email=f"p{number}@example.com"), step) for number in range(20)]
    with CaptureQueriesContext(connection) as asked:
        assert responses.record_sent([each.pk for each in sent], now=LATER) == 20
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) == 1
    assert responses.record_sent([each.pk for each in sent], now=LATER) == 0
    told = Activity.objects.filter(kind__slug="email_sent")
    assert {each.direction for each in told} == {"outbound"}
    assert {each.occurred_at for each in told} == {NOW}
    assert told[0].properties["content_name"] == "Guide"


def test_of_tests_and_notices_nothing_is_kept(message):
    test = Message.objects.create(
        id="00112233-4455-6677-8899-aabbccddeeff", purpose="test", person=message.person, due_at=NOW, created_at=NOW
    )
    assert not responses.record(test, "clicked", link=0, at=LATER, now=LATER)
    assert responses.record_sent([test.pk], now=LATER) == 0
    assert not Response.objects.exists() and not Activity.objects.exists()


def test_whoever_does_not_want_to_be_watched_is_not_but_bounces_are_kept(message):
    consent.withdraw(message.person, topic=None, channel=consent.TRACKING, source="page", at=NOW, now=NOW)
    assert not responses.record(message, "opened", at=LATER, now=LATER)
    assert not responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    assert responses.record(message, "bounced", at=LATER, now=LATER)


def test_an_answer_of_somebody_erased_is_counted_for_the_message_and_for_nobody(message):
    Person.objects.filter(pk=message.person_id).update(erased_at=NOW, email="")
    assert responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    assert Response.objects.count() == 1 and not Activity.objects.exists()


# ---- scanners ----


def click(message, link, seconds, actor="human"):
    at = LATER + timedelta(seconds=seconds)
    return responses.clicked(message, link, actor=actor, at=at, now=at)


def test_whoever_follows_all_links_within_seconds_is_a_scanner_and_was_one_from_the_first(message):
    assert click(message, 0, 0) == "human"
    assert holds(message.person, counted(kind="email_clicked"))
    assert click(message, 1, 1) == "bot"
    assert click(message, 2, 1.5) == "bot"
    assert not holds(message.person, counted(kind="email_clicked"))
    assert set(Response.objects.values_list("link", "actor")) == {(0, "bot"), (1, "bot"), (2, "bot")}
    reversed_ = Activity.objects.exclude(reversal_of=None).values("reversal_of")
    standing = Activity.objects.filter(reversal_of=None).exclude(pk__in=reversed_)
    assert {each.actor for each in standing} == {"bot"} and standing.count() == 3


def test_three_links_within_ten_seconds_are_a_scanners(message):
    assert [click(message, link, seconds) for link, seconds in ((0, 0), (1, 4), (2, 8))] == ["human", "human", "bot"]
    assert not Response.objects.exclude(actor="bot").exists()


def test_a_human_reads_between_two_links_and_may_follow_one_twice(message):
    assert [click(message, 0, 0), click(message, 0, 0.5), click(message, 1, 30)] == ["human", "human", "human"]


def test_a_human_who_comes_after_the_scanner_counts(message):
    for link in range(3):
        click(message, link, link / 10)
    assert click(message, 0, 600) == "human"
    assert holds(message.person, counted(kind="email_clicked"))


# ---- what is shown ----


def test_kinds_have_names_that_people_read_whoever_made_them_first(message):
    responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    responses.ensure_defaults(NOW)
    responses.ensure_defaults(NOW)
    clicked = ActivityKind.objects.get(slug="email_clicked")
    assert (clicked.label, clicked.is_response) == ("Email clicked", True)
    assert not ActivityKind.objects.get(slug="email_opened").is_response


def test_the_timeline_names_campaign_and_content(message):
    responses.record(message, "clicked", link=0, at=LATER, now=LATER)
    [item] = timeline.page(message.person, timeline.Wanted()).items
    assert ("Campaign", "Spring nurture") in item.details and ("Content", "Guide") in item.details
    assert ("Link", "marlowcreek.example") in item.details
    assert item.is_brief and len(item.details) == 4
