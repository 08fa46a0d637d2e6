"""Pages of campaigns: list, new, flow builder, settings, launch, people, results, versions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.urls import reverse

from audience import consent
from audience.models import Person, SegmentMember
from campaigns import counts, entry, flows, plans
from campaigns.models import Campaign, CampaignVersion, Enrollment, Message, Response, Step, StepRun
from kit.models import User
from tests import factories
from tests.campaigns import making

pytestmark = pytest.mark.django_db
NOW = factories.NOW
GERMAN = {"field": "person.country", "op": "is", "value": "DE"}


@pytest.fixture
def ada(client: Any) -> User:
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def text(answer: Any) -> str:
    return answer.content.decode()


def url(name: str, version: CampaignVersion, *more: Any) -> str:
    return reverse(name, args=[version.campaign.slug, *more])


def branched() -> CampaignVersion:
    """Send, then a branch with a wait for Germans and a way out for others, then send again."""
    draft = making.campaign()
    plans.add_step(draft, "send", content=making.content("Hello"))
    branch = plans.add_step(draft, "branch", condition=GERMAN)
    plans.add_step(draft, "wait", parent=branch, arm="yes", settings={"days": 2})
    plans.add_step(draft, "exit", parent=branch, arm="no", settings={"reason": "elsewhere"})
    plans.add_step(draft, "send", content=making.content("Goodbye"))
    return draft


def outline(version: CampaignVersion) -> list[Any]:
    """The flow as kinds, a branch with its two arms."""

    def told(nodes: Any) -> list[Any]:
        return [[n.step.kind, told(n.yes), told(n.no)] if n.parts else n.step.kind for n in nodes]

    return told(flows.tree(version))


# ---- list and new ----


def test_an_empty_list_says_what_a_campaign_is_and_offers_one(client, ada):
    answer = client.get(reverse("campaigns"))
    assert "No campaigns yet" in text(answer) and reverse("campaign_new") in text(answer)


def test_the_list_shows_what_came_of_each_campaign_and_each_figure_opens_its_list(client, ada):
    version = done(making.launched(making.simple()))
    answer = client.get(reverse("campaigns"))
    row = answer.context["page"].rows[0]
    assert (row.figures.entered, row.figures.active, row.figures.sent, row.figures.clicked) == (3, 1, 2, 1)
    people = url("campaign_people", version)
    for asked, number in (("held=no", 3), ("state=active", 1), ("did=sent", 2), ("did=clicked", 1), ("state=goal", 1)):
        assert f"{people}?{asked}" in text(answer)
        assert client.get(f"{people}?{asked}").context["total"].count == number, asked


def test_the_list_takes_as_many_queries_for_many_campaigns_as_for_one(client, ada, django_assert_max_num_queries):
    for number in range(6):
        making.launched(making.simple(f"Campaign {number}"))
    with django_assert_max_num_queries(14):
        client.get(reverse("campaigns"))


def test_the_list_is_narrowed_by_state_type_and_lifecycle(client, ada):
    small = factories.published()
    making.campaign("Bound", version=small, stage="known")
    making.launched(making.simple("Free"))
    address = reverse("campaigns")
    for asked, names in (
        ("state=running", ["Free"]), ("lifecycle=small", ["Bound"]), ("lifecycle=(none)", ["Free"]),
        ("kind=welcome", []), ("q=bou", ["Bound"]), ("stage=known", ["Bound"]),
    ):  # fmt: skip
        assert [row.name for row in client.get(f"{address}?{asked}").context["page"].rows] == names, asked


def test_a_new_campaign_is_bound_to_the_stage_that_was_chosen(client, ada):
    factories.published()
    answer = client.post(reverse("campaign_new"), {"name": "Welcome!", "kind": "welcome", "stage": "small/engaged"})
    made = Campaign.objects.get()
    assert answer.url == made.get_absolute_url()
    assert (made.lifecycle.slug, made.stage, made.outcome_stage, made.created_by) == (
        "small",
        "engaged",
        "lead",
        ada,
    )
    assert made.versions.get().entry == CampaignVersion.Entry.STAGE


def test_a_stage_that_is_not_there_is_refused_in_words(client, ada):
    factories.published()
    answer = client.post(reverse("campaign_new"), {"name": "X", "kind": "welcome", "stage": "small/nowhere"})
    assert answer.status_code == 400 and not Campaign.objects.exists()


def test_a_campaign_is_started_from_the_flow_that_is_proposed_for_a_stage(client, ada):
    factories.published()
    page = client.get(reverse("campaigns"))
    [(lifecycle, proposals)] = page.context["proposed"]
    first = proposals[0]
    assert first.name in text(page) and first.name in text(client.get(reverse("campaign_new")))
    answer = client.post(reverse("campaign_start"), {"lifecycle": lifecycle.slug, "stage": first.stage.slug})
    made = Campaign.objects.get()
    assert answer.url == made.get_absolute_url() and (made.name, made.stage) == (first.name, first.stage.slug)
    assert Step.objects.filter(kind="send", content__isnull=False).count() >= 1
    assert not client.get(reverse("campaigns")).context["proposed"]
    answer = client.post(reverse("campaign_start"), {"lifecycle": "small", "stage": "nowhere"}, follow=True)
    assert "Nothing is proposed" in text(answer)


# ---- the flow ----


def test_the_flow_reads_in_the_marketers_words(client, ada):
    draft = branched()
    page = text(client.get(draft.campaign.get_absolute_url()))
    for words in ("Send “Hello”", "If country is “DE”", "Wait 2 days", "Leave the campaign: elsewhere"):
        assert words in page
    assert "Whoever is put in by hand" in page


def test_every_kind_of_step_is_made_by_its_form(client, ada):
    factories.published()
    draft = making.campaign()
    content = making.content("Hello")
    asked = json.dumps(GERMAN)
    for kind, given, kept in (
        ("send", {"content": content.pk, "not_after_hours": 5}, {"content_id": content.pk, "settings": {"not_after_hours": 5}}),
        ("wait", {"how": "for", "days": 3, "time": "09:00"}, {"settings": {"days": 3, "time": "09:00"}}),
        ("wait", {"how": "date", "date": "2026-12-01", "days": 4}, {"settings": {"date": "2026-12-01"}}),
        ("wait_until", {"condition": asked, "days": 7}, {"condition": GERMAN, "settings": {"days": 7}}),
        ("branch", {"condition": asked, "name": "Germans"}, {"condition": GERMAN, "name": "Germans"}),
        ("move", {"stage": "small/lead"}, {"stage": "lead"}),
        ("goal", {"condition": asked}, {"condition": GERMAN}),
        ("exit", {"reason": "enough"}, {"settings": {"reason": "enough"}}),
    ):  # fmt: skip
        answer = client.post(url("campaign_step_new", draft, kind), given)
        assert answer.status_code == 302, (kind, text(answer))
        made = Step.objects.order_by("-pk").first()
        assert made.kind == kind and {name: getattr(made, name) for name in kept} == kept
        assert answer.url.endswith(f"#step-{made.key}")
    assert outline(draft) == [
        "send",
        "wait",
        "wait",
        ["wait_until", [], []],
        ["branch", [], []],
        "move",
        "goal",
        "exit",
    ]


def test_what_a_step_lacks_is_said_beside_its_field_and_nothing_is_made(client, ada):
    factories.published()
    draft = making.campaign()
    for kind, given, words in (
        ("wait", {"how": "for"}, "Say how long"),
        ("wait", {"how": "date"}, "Say until which day"),
        ("wait_until", {"condition": json.dumps(GERMAN)}, "Say how long to wait at most"),
        ("branch", {"condition": "{}"}, "Say who is meant"),
        ("branch", {"condition": json.dumps({"field": "person.contry", "op": "is", "value": "DE"})}, "did you mean"),
        ("move", {"stage": "small/checked"}, "Select a valid choice"),
    ):
        answer = client.post(url("campaign_step_new", draft, kind), given)
        assert answer.status_code == 400 and words in text(answer), (kind, words)
    assert not Step.objects.exists()


def test_a_step_is_added_where_the_plus_stands(client, ada):
    draft = branched()
    branch = draft.steps.get(kind="branch")
    client.post(url("campaign_step_new", draft, "wait") + "?position=1", {"how": "for", "hours": 2})
    client.post(
        url("campaign_step_new", draft, "goal") + f"?parent={branch.pk}&arm=yes&position=2",
        {"condition": json.dumps(GERMAN)},
    )
    assert outline(draft) == ["wait", "send", ["branch", ["wait", "goal"], ["exit"]], "send"]


def test_a_step_is_changed_and_the_panel_shows_what_it_was(client, ada):
    draft = branched()
    wait = draft.steps.get(kind="wait")
    page = client.get(url("campaign_step", draft, wait.pk))
    assert page.context["form"]["days"].value() == 2 and "flow-canvas" in text(page)
    client.post(url("campaign_step", draft, wait.pk), {"how": "for", "days": 5})
    wait.refresh_from_db()
    assert wait.settings == {"days": 5}


def test_htmx_gets_the_panel_alone(client, ada):
    draft = branched()
    wait = draft.steps.get(kind="wait")
    part = client.get(url("campaign_step", draft, wait.pk), headers={"HX-Request": "true", "HX-Target": "step-panel"})
    assert "flow-canvas" not in text(part) and "Keep the step" in text(part)
    assert "HX-Request" in part["Vary"]


def test_up_and_down_lead_through_the_whole_flow_and_back(client, ada):
    draft = branched()
    goodbye = draft.steps.filter(kind="send", parent=None).order_by("-position").first()
    seen = [outline(draft)]
    for _step in range(5):
        client.post(url("campaign_step_move", draft, goodbye.pk), {"to": "up"})
        seen.append(outline(draft))
    assert seen[1:] == [
        ["send", ["branch", ["wait"], ["exit", "send"]]],
        ["send", ["branch", ["wait"], ["send", "exit"]]],
        ["send", ["branch", ["wait", "send"], ["exit"]]],
        ["send", ["branch", ["send", "wait"], ["exit"]]],
        ["send", "send", ["branch", ["wait"], ["exit"]]],
    ]
    for before in reversed(seen[:-1]):
        client.post(url("campaign_step_move", draft, goodbye.pk), {"to": "down"})
        assert outline(draft) == before


def test_the_first_step_stays_when_it_is_moved_up_and_the_last_when_down(client, ada):
    draft = branched()
    before = outline(draft)
    first, last = flows.tree(draft)[0].step, flows.tree(draft)[-1].step
    client.post(url("campaign_step_move", draft, first.pk), {"to": "up"})
    client.post(url("campaign_step_move", draft, last.pk), {"to": "down"})
    assert outline(draft) == before


def test_a_step_is_dropped_into_an_arm_but_never_into_its_own(client, ada):
    draft = branched()
    first, branch = flows.tree(draft)[0].step, draft.steps.get(kind="branch")
    client.post(url("campaign_step_move", draft, first.pk), {"parent": branch.pk, "arm": "no", "position": 1})
    assert outline(draft) == [["branch", ["wait"], ["send", "exit"]], "send"]
    answer = client.post(
        url("campaign_step_move", draft, branch.pk), {"parent": branch.pk, "arm": "no", "position": 1}, follow=True
    )
    assert "cannot be put into itself" in text(answer)
    assert outline(draft) == [["branch", ["wait"], ["send", "exit"]], "send"]


def test_what_is_taken_out_is_put_back_with_all_in_its_arms_under_its_keys(client, ada):
    draft = branched()
    before, keys = outline(draft), set(draft.steps.values_list("key", flat=True))
    branch = draft.steps.get(kind="branch")
    answer = client.post(url("campaign_step_remove", draft, branch.pk), follow=True)
    assert outline(draft) == ["send", "send"] and "is taken out" in text(answer)
    undo = url("campaign_step_put_back", draft) + f"?mark={draft.pk}-{branch.pk}"
    assert undo in text(answer)
    client.post(undo)
    assert outline(draft) == before and set(draft.steps.values_list("key", flat=True)) == keys
    assert "nothing to put back" in text(client.post(undo, follow=True))


def test_a_check_stands_beside_the_step_that_it_speaks_of(client, ada):
    draft = making.campaign()
    plans.add_step(draft, "send")
    plans.add_step(draft, "wait", settings={"days": 1})
    page = client.get(draft.campaign.get_absolute_url())
    send, wait = page.context["nodes"]
    assert [check.text for check in send.checks] == ["Choose what to send."] and not wait.checks
    assert "1 thing stops the launch" in text(page)


def test_content_that_is_not_tagged_is_warned_of(client, ada):
    draft = making.campaign()
    content = making.content("Hello")
    content.style = ""
    content.save()
    plans.add_step(draft, "send", content=content)
    [send] = client.get(draft.campaign.get_absolute_url()).context["nodes"]
    assert ("warn", "It is not tagged as") in [(check.level, check.text[:19]) for check in send.checks]
    assert "not tagged" in text(client.get(url("campaign_launch", draft)))


def test_a_launched_flow_has_figures_and_no_tools(client, ada):
    version = done(making.launched(making.simple()))
    page = client.get(version.campaign.get_absolute_url())
    assert "Add a step here" not in text(page) and "data-step=" not in text(page)
    first = page.context["nodes"][0]
    figures = {each.name: each.number for each in first.figures}
    assert figures == {"entered": 3, "sent": 2, "unknown": 1, "opened": 1, "clicked": 1}
    step = making.steps(version)[0]
    wait = {each.name: each.number for each in page.context["nodes"][1].figures}
    assert wait == {"entered": 2, "waiting": 1}
    for each in first.figures:
        listed = client.get(each.url).context["total"].count
        assert listed == each.number, each.name
        assert f"step={step.key}" in each.url
    told = {each.name: each.number for each in [*page.context["came"], *page.context["went"]]}
    assert told == {"entered": 3, "holdout": 1, "finished": 0, "goal": 1, "exited": 1}
    for each in [*page.context["nodes"][1].figures, *page.context["came"], *page.context["went"]]:
        assert client.get(each.url).context["total"].count == each.number, each.name


def test_a_step_of_a_launched_version_cannot_be_changed(client, ada):
    version = making.launched(making.simple())
    wait = version.steps.get(kind="wait")
    client.post(url("campaign_step", version, wait.pk), {"how": "for", "days": 99})
    client.post(url("campaign_step_remove", version, wait.pk))
    wait.refresh_from_db()
    assert wait.settings == making.WEEK
    assert client.post(url("campaign_step_new", version, "exit"), {}).status_code == 404


# ---- settings ----


def given(draft: CampaignVersion, **values: Any) -> dict[str, Any]:
    """What the settings form sends when nothing was touched, but for `values`."""
    campaign = draft.campaign
    told = {
        "name": campaign.name, "kind": campaign.kind, "topic": campaign.topic_id, "sender": campaign.sender_id,
        "holdout": campaign.holdout, "outcome_days": campaign.outcome_days, "entry": draft.entry, "stage": "",
        "audience": "{}", "goal": "{}", "exit": "{}", "leave_with_stage": "on",
    }  # fmt: skip
    return {name: value for name, value in (told | values).items() if value is not None}


def test_the_settings_of_a_draft_are_kept(client, ada):
    factories.published()
    draft = making.campaign()
    segment = making.segment(factories.person())
    answer = client.post(
        url("campaign_settings", draft),
        given(
            draft, name="Renamed", entry="segment", segment=segment.pk, stage="small/known", outcome_stage="",
            audience=json.dumps(GERMAN), has_goal="on", goal=json.dumps(GERMAN), reentry="on", reentry_days=30,
            holdout=15, present="on",
        ),
    )  # fmt: skip
    assert answer.status_code == 302, text(answer)
    draft.refresh_from_db()
    campaign = Campaign.objects.get()
    assert (campaign.name, campaign.stage, campaign.holdout) == ("Renamed", "known", 15)
    assert (draft.entry, draft.segment, draft.audience, draft.goal) == ("segment", segment, GERMAN, GERMAN)
    assert (draft.reentry_days, draft.present, draft.exit) == (30, True, None)


def test_settings_that_do_not_fit_together_are_refused_beside_their_field(client, ada):
    draft = making.campaign()
    for values, words in (
        ({"entry": "stage"}, "Choose the stage whose entrance"),
        ({"entry": "broadcast"}, "Choose the segment"),
        ({"has_exit": "on"}, "Add at least one condition"),
        ({"holdout": 70}, "less than or equal to 50"),
    ):
        answer = client.post(url("campaign_settings", draft), given(draft, **values))
        assert answer.status_code == 400 and words in text(answer), words
    draft.refresh_from_db()
    assert draft.entry == "hand" and draft.exit is None


def test_since_the_launch_stage_and_holdout_stay_and_the_version_is_only_told(client, ada):
    version = making.launched(making.simple(goal=GERMAN))
    page = text(client.get(url("campaign_settings", version)))
    assert "which was launched and does not change" in page and "country is “DE”" in page
    client.post(url("campaign_settings", version), given(version, name="Later", holdout=30, has_goal=None))
    campaign = Campaign.objects.get()
    version.refresh_from_db()
    assert (campaign.name, campaign.holdout, version.goal) == ("Later", 0, GERMAN)


def test_a_viewer_sees_the_settings_and_cannot_keep_them(client):
    draft = making.campaign()
    client.force_login(User.objects.create_user("v@example.com", "x", role=User.Role.VIEWER))
    assert "Keep the settings" not in text(client.get(url("campaign_settings", draft)))
    assert client.post(url("campaign_settings", draft), given(draft)).status_code == 403


# ---- launch, pause, stop, versions ----


def test_what_stops_a_launch_is_listed_with_where_it_is_put_right(client, ada):
    draft = making.campaign()
    step = plans.add_step(draft, "send")
    page = client.get(url("campaign_launch", draft))
    assert [check["url"] for check in page.context["stops"]] == [f"{draft.campaign.get_absolute_url()}#step-{step.key}"]
    assert any("Nobody is held out" in check["text"] for check in page.context["warnings"])
    answer = client.post(url("campaign_launch", draft), {"confirmed": "0"})
    assert answer.status_code == 409 and Campaign.objects.get().state == "draft"
    assert "choose what to send" in text(answer)


def broadcast(number: int) -> CampaignVersion:
    segment = making.segment(*(factories.person(email=f"{n}@example.com") for n in range(number)), at=NOW)
    return making.simple(entry="broadcast", segment=segment)


def test_a_launch_says_how_many_enter_and_is_refused_when_that_has_changed_since(client, ada):
    draft = broadcast(3)
    page = client.get(url("campaign_launch", draft))
    assert page.context["entering"] == 3 and "Launch: 3 people enter" in text(page)
    SegmentMember.objects.create(segment=draft.segment, person=factories.person(), entered_at=NOW)
    answer = client.post(url("campaign_launch", draft), {"confirmed": "3"})
    assert answer.status_code == 409 and "4 people would enter at once by now, not 3" in text(answer)
    assert Campaign.objects.get().state == "draft"
    answer = client.post(url("campaign_launch", draft), {"confirmed": "4"}, follow=True)
    assert Campaign.objects.get().state == "running"
    assert f'<a href="{reverse("mailbox")}">See its mail arrive in the mailbox</a>' in text(answer)


def test_a_launch_that_nobody_enters_says_where_those_who_are_there_are_let_in(client, ada):
    draft = making.simple(version=factories.published(), stage="engaged")
    settings = f'href="{url("campaign_settings", draft)}">Let them enter too'
    assert settings in text(client.get(url("campaign_launch", draft)))
    plans.change(draft, present=True)
    assert settings not in text(client.get(url("campaign_launch", draft)))


def test_beyond_a_hundred_the_exact_number_is_typed(client, ada):
    draft = broadcast(plans.UNASKED + 1)
    page = text(client.get(url("campaign_launch", draft)))
    assert "Type 101 to confirm" in page and 'name="confirmed" value="101"' not in page
    for wrong, words in (("", "Type the number"), ("about 100", "whole number"), ("100", "101 people would enter")):
        answer = client.post(url("campaign_launch", draft), {"confirmed": wrong})
        assert answer.status_code == 409 and words in text(answer), wrong
    assert Campaign.objects.get().state == "draft"
    client.post(url("campaign_launch", draft), {"confirmed": "101"})
    assert Campaign.objects.get().state == "running"


def test_a_dry_run_tells_what_leaves_on_which_day_and_why_some_get_nothing(client, ada):
    draft = broadcast(4)
    plans.change_campaign(draft.campaign, holdout=0)
    agreed = list(draft.segment.segmentmember_set.values_list("person", flat=True))[:3]
    for pk in agreed:
        consent.give(Person.objects.get(pk=pk), topic=draft.campaign.topic, source="tests", at=NOW, now=NOW)
    page = client.get(url("campaign_dry_run", draft))
    found, table = page.context["forecast"], page.context["table"]
    assert (found.entering, found.sent, found.held_back) == (4, 6, {"no consent": 2})
    assert [line["cells"] for line in table["lines"]] == [[3, 0], [0, 3]] and table["totals"] == [3, 3]
    assert "Has not agreed" in text(page) and "2 messages" in text(page)
    part = client.get(url("campaign_dry_run", draft), headers={"HX-Request": "true", "HX-Target": "dry-run"})
    assert "<h1" not in text(part)
    assert not Enrollment.objects.exists() and not Message.objects.exists()


def test_people_are_put_in_by_hand_once_somebody_has_seen_who_that_is(client, ada):
    version = making.launched(making.simple())
    inside, known = factories.person(email="a@example.com"), factories.person(email="b@example.com")
    entry.enroll(version.campaign, [inside.pk], by=None, now=NOW)
    address = url("campaign_enroll", version)
    who = f"A@example.com\nb@example.com\n#{known.pk}"
    look = client.post(address, {"who": who})
    assert "1 person would enter" in text(look) and "1 is in it already" in text(look)
    assert Enrollment.objects.count() == 1
    client.post(address, {"who": who, "sure": "1"})
    assert set(Enrollment.objects.values_list("person", flat=True)) == {inside.pk, known.pk}
    answer = client.post(address, {"who": "stranger@example.com"})
    assert answer.status_code == 400 and "stranger@example.com" in text(answer)


def test_many_of_a_list_are_put_in_at_once_and_taken_back(client, ada):
    version = making.launched(making.simple())
    for number in range(3):
        factories.person(email=f"{number}@example.com")
    form = {"action": "enroll", "enroll-slug": version.campaign.slug, "all": "1"}
    assert "3 people" in text(client.post(reverse("people"), form))
    answer = client.post(reverse("people"), form | {"sure": "3"}, follow=True)
    assert "3 entered “Nurture”" in text(answer) and Enrollment.objects.filter(state="active").count() == 3
    client.post(re.search(r'action="(/undo/[^"]+)"', text(answer))[1].replace("&amp;", "&"))
    assert not Enrollment.objects.filter(state="active").exists()


def test_a_launch_tells_the_audience_and_how_many_are_there_but_stay_out(client, ada):
    people = factories.person(country="DE"), factories.person(country="DE", is_excluded=True), factories.person()
    draft = making.simple(entry="broadcast", segment=making.segment(*people), audience=GERMAN)
    page = text(client.get(url("campaign_launch", draft)))
    assert "Only those of whom country is “DE”." in page and "2 more are there but do not enter" in page
    assert "Launch: 1 person enters" in page
    plans.change(draft, audience={"field": "person.country", "op": "is", "value": "IS"}, by=ada, now=NOW)
    told = text(client.get(url("campaign_dry_run", draft)))
    assert "3 people are there, but none of them may enter" in told


def test_the_dry_run_of_an_entry_by_hand_promises_no_arrivals(client, ada):
    told = text(client.get(url("campaign_dry_run", making.simple())))
    assert "so there is nothing to foresee." in told and "arrive a day" not in told


def test_the_flow_of_a_running_campaign_keeps_itself_up_to_date_and_no_other_does(client, ada):
    version = making.launched(making.simple())
    assert "data-keep-up" in text(client.get(url("campaign", version)))
    plans.draft_of(version.campaign, by=ada, now=NOW)
    assert "data-keep-up" not in text(client.get(url("campaign", version))), "a draft is being edited"
    assert "data-keep-up" in text(client.get(url("campaign_version", version, 1)))
    plans.stop(version.campaign, by=ada, now=NOW)
    assert "data-keep-up" not in text(client.get(url("campaign_version", version, 1)))


def test_results_of_a_campaign_that_sent_nothing_promise_nothing_once_it_is_stopped(client, ada):
    draft = making.campaign()
    assert "Once the campaign is running" in text(client.get(url("campaign_results", draft)))
    Campaign.objects.update(state="stopped")
    page = text(client.get(url("campaign_results", draft)))
    assert "Once the campaign is running" not in page and "It was stopped" in page


def test_what_an_answer_depends_on_is_not_called_optional(client, ada):
    draft = making.simple(entry="broadcast")
    page = text(client.get(url("campaign_settings", draft)))
    for label in ("Segment", "Topic", "Sender", "Stage it serves"):
        assert re.search(rf">{label}</label>", page), label
    assert reverse("segment_new") in page, "there is none to choose"


def test_no_caller_launches_to_many_without_the_exact_number(ada):
    draft = broadcast(plans.UNASKED + 1)
    with pytest.raises(plans.Refused) as refused:
        plans.launch(draft, by=None, now=NOW)
    assert refused.value.count == 101
    plans.launch(draft, confirmed=101, by=None, now=NOW)


def test_a_campaign_is_paused_resumed_and_stopped_from_its_head(client, ada):
    version = making.launched(making.simple())
    address = version.campaign.get_absolute_url()
    client.post(url("campaign_pause", version), {"because": "the price list is wrong"})
    assert "the price list is wrong" in text(client.get(address))
    client.post(url("campaign_resume", version))
    assert Campaign.objects.get().state == "running"
    enrolled(version, "active")
    assert "1 person is on the way" in text(client.get(url("campaign_stop", version)))
    client.post(url("campaign_stop", version))
    assert Campaign.objects.get().state == "stopped" and Enrollment.objects.get().state == "stopped"
    assert "nothing to resume" in text(client.post(url("campaign_resume", version), follow=True))


def test_an_edit_makes_a_second_version_and_the_page_tells_who_is_on_which(client, ada):
    version = making.launched(making.simple())
    for _number in range(3):
        enrolled(version, "active")
    client.post(url("campaign_edit", version))
    draft = version.campaign.versions.get(number=2)
    assert client.get(version.campaign.get_absolute_url()).context["version"] == draft
    making.launched(draft)
    enrolled(draft, "active")
    page = text(client.get(url("campaign_versions", version)))
    assert "1 on v2, 3 on v1" in page
    client.post(url("campaign_edit", version))
    client.post(url("campaign_discard", version))
    assert not version.campaign.versions.filter(state="draft").exists()


def test_discarding_a_draft_that_is_all_there_is_leaves_nothing(client, ada):
    draft = making.simple()
    assert client.post(url("campaign_discard", draft)).url == reverse("campaigns")
    assert not Campaign.objects.exists()


# ---- people and results ----


def test_the_people_of_a_campaign_are_listed_with_where_they_are(client, ada):
    version = done(making.launched(making.simple()))
    page = client.get(url("campaign_people", version))
    assert page.context["total"].count == 4
    assert "Wait 7 days" in text(page) and "held out" in text(page)
    row = page.context["page"].rows[0]
    assert row.url == url("campaign_trace", version, row.person_id) and row.url in text(page)
    wait = making.steps(version)[1]
    here = client.get(url("campaign_people", version) + f"?step={wait.key}&did=waiting")
    assert [row.state for row in here.context["page"].rows] == ["active"]
    assert b"Wait 7 days" in client.get(url("campaign_people", version) + "?export=csv").getvalue()


def test_results_tell_rates_of_what_was_delivered_and_each_figure_opens_its_list(client, ada):
    version = done(making.launched(making.simple()))
    page = client.get(url("campaign_results", version))
    row = page.context["rows"][0]
    told = {each["name"]: (each["number"], each["share"]) for each in row["figures"]}
    assert told == {
        "entered": (3, None), "sent": (2, None), "opened": (1, 0.5), "clicked": (1, 0.5), "unsubscribed": (0, 0),
        "bounced": (0, 0),
    }  # fmt: skip
    for each in row["figures"]:
        assert client.get(each["url"]).context["total"].count == each["number"], each["name"]


def test_a_step_keeps_its_line_in_the_results_through_all_versions(client, ada):
    version = done(making.launched(making.simple()))
    second = plans.draft_of(version.campaign, by=None, now=NOW)
    done(making.launched(second))
    rows = client.get(url("campaign_results", version)).context["rows"]
    assert [row["title"] for row in rows] == ["Send “Nurture one”", "Send “Nurture two”"]
    assert rows[0]["figures"][1]["number"] == 4


def test_counts_know_every_name_that_a_list_can_ask_for(ada):
    version = done(making.launched(making.simple()))
    ids = list(version.steps.values_list("pk", flat=True))
    counted = counts.of_steps(ids)
    everybody = Enrollment.objects.filter(campaign=version.campaign)
    for name in counts.LABELS:
        for pk in ids:
            assert counts.those(everybody, name, [pk]).count() == counted[pk][name], name


# ---- rows as the other rooms write them ----


def enrolled(version: CampaignVersion, state: str, step: Step | None = None, **values: Any) -> Enrollment:
    return Enrollment.objects.create(
        campaign=version.campaign, version=version, person=factories.person(country="DE"), state=state, step=step,
        step_at=NOW if step else None, entered_at=NOW, ended_at=None if state in ("active", "holdout") else NOW, **values,
    )  # fmt: skip


def ran(enrollment: Enrollment, step: Step, outcome: str = "done") -> None:
    StepRun.objects.create(enrollment=enrollment, step=step, at=NOW, outcome=outcome, next=step.next)


def message(enrollment: Enrollment, step: Step, *states: str) -> Message:
    import uuid

    made = Message.objects.create(
        id=uuid.uuid4(), campaign=enrollment.campaign, enrollment=enrollment, step=step, person=enrollment.person,
        due_at=NOW, created_at=NOW,
    )  # fmt: skip
    for state in states:
        Message.objects.filter(pk=made.pk).update(state=state, sent_at=NOW if state == "sent" else None)
    return made


SENT = ("claimed", "sending", "sent")


def done(version: CampaignVersion) -> CampaignVersion:
    """Three went through the first step (two sent to, one perhaps), one waits, one reached the goal; one is held out."""
    send, wait, last = making.steps(version)
    waiting, reached, lost = enrolled(version, "active", wait), enrolled(version, "goal"), enrolled(version, "exited")
    enrolled(version, "holdout")
    for each in (waiting, reached, lost):
        ran(each, send)
    ran(reached, wait)
    first, _second = message(waiting, send, *SENT), message(reached, send, *SENT)
    message(lost, send, "claimed", "sending", "unknown")
    Response.objects.create(message=first, kind="clicked", actor="human", link=1, at=NOW)
    Response.objects.create(message=first, kind="clicked", actor="human", link=2, at=NOW)
    Response.objects.create(message=first, kind="opened", actor="human", at=NOW)
    Response.objects.create(message=_second, kind="clicked", actor="bot", link=1, at=NOW)
    return version
