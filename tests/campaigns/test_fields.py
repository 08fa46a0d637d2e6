"""Conditions about messages and campaigns: as of any instant, narrowed, and complete in whom a time touches."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audience import live
from audience.conditions import compile, describe, offering, tree
from audience.models import Dirty
from campaigns import plans, responses
from campaigns.models import Enrollment
from kit.sql import rows
from tests.campaigns import making
from tests.factories import NOW, days_ago, person

pytestmark = pytest.mark.django_db
A_LITTLE = timedelta(microseconds=1)


@pytest.fixture
def step():
    draft = making.campaign("Spring nurture", now=days_ago(60))
    plans.add_step(draft, "send", content=making.content("Guide", links=["https://a.example", "https://b.example"]))
    return making.steps(making.launched(draft, days_ago(50)))[0]


def held(data, at=NOW, of="person", known=None):
    return {row[0] for row in rows(compile.members(tree.parse(data, of=of), of=of, at=at, known=known))}


def touched(data, since, until):
    found = compile.touched([tree.parse(data, of="person")], of="person", since=since, until=until)
    return {row[0] for row in rows(found)}


def count(name, number=1, **more):
    return {"field": f"message.{name}", "op": "at_least", "value": number} | more


def answered(message, kind, at, **more):
    responses.record(message, kind, at=at, now=at, **more)


def test_messages_are_counted_by_what_became_of_them(step):
    ada, eva = person(), person()
    message = making.sent(ada, step, at=days_ago(9))
    making.sent(eva, step, at=days_ago(5))
    responses.record_sent([each.pk for each in type(message).objects.all()], now=days_ago(5))
    answered(message, "opened", days_ago(8))
    answered(message, "clicked", days_ago(7), link=0)
    answered(message, "clicked", days_ago(6), link=1)
    assert held(count("sent")) == {ada.pk, eva.pk}
    assert held(count("opened")) == held(count("clicked")) == held(count("clicked", 2)) == {ada.pk}
    assert held({"field": "message.clicked", "op": "equals", "value": 0}) == {eva.pk}
    assert held(count("clicked"), days_ago(7)) == set()
    assert held(count("clicked"), days_ago(7) + A_LITTLE) == {ada.pk}


def test_messages_are_narrowed_by_campaign_content_style_link_and_time(step):
    ada = person()
    answered(making.sent(ada, step, at=days_ago(20)), "clicked", days_ago(9), link=0)
    named = {"campaign": step.version.campaign.slug, "content": "guide", "style": "education", "link": "a.example"}
    for key, value in named.items():
        assert held(count("clicked", where={key: value})) == {ada.pk}
    for key in ("campaign", "content", "link"):
        assert held(count("clicked", where={key: "another"})) == set()
    assert held(count("clicked", where={"style": "engagement"})) == set()
    assert held(count("clicked", days=10)) == {ada.pk}
    assert held(count("clicked", days=8)) == set()


def test_machines_count_when_asked_for(step):
    ada = person()
    answered(making.sent(ada, step, at=days_ago(20)), "clicked", days_ago(9), link=0, actor="bot")
    assert held(count("clicked")) == set()
    assert held(count("clicked", where={"actor": "bot"})) == {ada.pk}


def test_what_just_happens_to_a_message_counts_whoever_told_it(step):
    ada = person()
    answered(making.sent(ada, step, at=days_ago(20)), "bounced", days_ago(9), actor="unknown")
    assert held(count("bounced")) == {ada.pk}


def test_a_scanner_found_out_never_counted_but_as_was_known_before(step):
    ada = person()
    message = making.sent(ada, step, at=days_ago(20))
    responses.clicked(message, 0, actor="human", at=days_ago(9), now=days_ago(9))
    late = days_ago(9) + timedelta(seconds=1)
    responses.clicked(message, 1, actor="human", at=late, now=late)
    assert held(count("clicked"), known=late) == {ada.pk}
    assert held(count("clicked")) == held(count("clicked"), late) == set()


def test_everybody_whose_count_differs_is_touched(step):
    people = [person() for _ in range(6)]
    for number, each in enumerate(people):
        answered(making.sent(each, step, at=days_ago(30)), "clicked", days_ago(number * 3 + 1), link=0)
    asked = count("clicked", days=7)
    instants = [days_ago(each) for each in (20, 12, 8, 4, 2, 0)]
    for since, until in zip(instants, instants[1:], strict=False):
        assert held(asked, since) ^ held(asked, until) <= touched(asked, since, until)


def test_how_it_stands_in_a_campaign_now_and_ever(step):
    campaign = step.version.campaign
    name = f"campaign.{campaign.slug}"
    ada, eva, ida, other = (person() for _ in range(4))
    for someone, state, ended in ((ada, "finished", days_ago(5)), (eva, "holdout", None), (ida, "active", None)):
        Enrollment.objects.create(campaign=campaign, version=step.version, person=someone, state=state,
                                  entered_at=days_ago(10), ended_at=ended)  # fmt: skip

    def is_(state, at=NOW):
        return held({"field": name, "op": "is", "value": state}, at)

    assert (is_("finished"), is_("holdout"), is_("active")) == ({ada.pk}, {eva.pk}, {ida.pk})
    assert is_("active", days_ago(7)) == {ada.pk, ida.pk}
    assert is_("active", days_ago(10)) == set()
    assert held({"field": name, "op": "empty"}) == {other.pk}
    ever = {"field": f"{name}.ever", "op": "in", "value": ["active"]}
    assert held(ever) == {ada.pk, ida.pk}
    assert held(ever | {"value": ["finished", "holdout"]}) == {ada.pk, eva.pk}
    asked = {"field": name, "op": "is", "value": "finished"}
    assert touched(asked, days_ago(6), days_ago(4)) == {ada.pk}


def test_the_latest_pass_is_what_stands(step):
    ada = person()
    for number, state, days, ended in ((1, "goal", 30, days_ago(20)), (2, "active", 3, None)):
        Enrollment.objects.create(campaign=step.version.campaign, version=step.version, person=ada, state=state,
                                  entered_at=days_ago(days), ended_at=ended, pass_number=number)  # fmt: skip
    name = f"campaign.{step.version.campaign.slug}"
    assert held({"field": name, "op": "is", "value": "active"}) == {ada.pk}
    assert held({"field": name, "op": "is", "value": "goal"}, days_ago(10)) == {ada.pk}
    assert held({"field": f"{name}.ever", "op": "in", "value": ["goal"]}) == {ada.pk}


def test_whoever_enters_a_campaign_or_changes_state_in_it_is_judged_again(step):
    ada, eva = person(), person()
    live.run_all(NOW)
    made = [Enrollment(campaign=step.version.campaign, version=step.version, person=each, entered_at=NOW)
            for each in (ada, eva)]  # fmt: skip
    Enrollment.objects.bulk_create(made)
    assert set(Dirty.objects.values_list("subject_id", flat=True)) == {ada.pk, eva.pk}
    Dirty.objects.all().delete()
    Enrollment.objects.update(wake_at=NOW, strikes=1)
    assert not Dirty.objects.exists()
    Enrollment.objects.filter(person=ada).update(state="exited", ended_at=NOW)
    assert set(Dirty.objects.values_list("subject_id", flat=True)) == {ada.pk}


def test_conditions_read_as_sentences_and_offer_what_there_is(step):
    asked = tree.parse(count("clicked", 2, where={"campaign": step.version.campaign.slug}, days=30), of="person")
    assert describe.sentence(asked) == (
        f"at least 2 links clicked (campaign: {step.version.campaign.slug}) in the last 30 days"
    )
    state = tree.parse({"field": f"campaign.{step.version.campaign.slug}", "op": "is", "value": "goal"}, of="person")
    assert describe.sentence(state) == "in “Spring nurture” is “reached the goal”"
    assert offering.values_of("person", "message.clicked", "campaign") == [(step.version.campaign.slug,) * 2]
    assert ("guide", "guide") in offering.values_of("person", "message.clicked", "content")
