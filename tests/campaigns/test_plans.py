"""Drafting a campaign, its steps and their places, what forbids a launch, and what a launch lays down."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from audience import live as engine
from audience.conditions import uses
from campaigns import flows, plans, senders
from campaigns.models import Campaign, CampaignVersion, Enrollment, Sender, Step
from kit.models import AuditEntry
from kit.sql import Sql, rows
from tests.campaigns import making
from tests.factories import NOW, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
LATER = NOW + timedelta(days=1)


def names(nodes):
    """A flow as nested names: a branch with its arms."""
    return [(node.step.name, names(node.yes), names(node.no)) if node.parts else node.step.name for node in nodes]


def parted():
    """a · b? (c · d | e) · f"""
    draft = making.campaign()
    a = plans.add_step(draft, "send", name="a", content=making.content())
    b = plans.add_step(draft, "branch", name="b", condition=GERMAN)
    c = plans.add_step(draft, "wait", name="c", parent=b, arm="yes", settings=making.WEEK)
    d = plans.add_step(draft, "wait", name="d", parent=b, arm="yes", settings=making.WEEK)
    e = plans.add_step(draft, "exit", name="e", parent=b, arm="no")
    f = plans.add_step(draft, "send", name="f", content=making.content("Bye"))
    return draft, a, b, c, d, e, f


def test_a_campaign_for_a_stage_begins_with_those_who_enter_it_and_is_for_the_next_one():
    version = published()
    made = plans.create("Warm up", kind="nurture", lifecycle=version.lifecycle, stage="engaged", by=None, now=NOW)
    draft = plans.draft_of(made, by=None, now=NOW)
    assert (draft.entry, made.outcome_stage, made.slug) == ("stage", "lead", "warm_up")  # a gate holds nobody
    assert AuditEntry.objects.filter(action="campaign.create").count() == 1


def test_a_stage_that_is_not_there_is_refused():
    with pytest.raises(plans.Refused):
        plans.create("X", kind="nurture", lifecycle=published().lifecycle, stage="nowhere", by=None, now=NOW)


def test_steps_come_where_they_are_put_and_their_brothers_make_room():
    draft, *_rest = parted()
    plans.add_step(draft, "wait", name="first", position=1)
    assert names(flows.tree(draft)) == ["first", "a", ("b", ["c", "d"], ["e"]), "f"]


def test_a_step_moves_among_its_brothers_into_an_arm_and_out_again():
    draft, a, b, c, d, _e, f = parted()
    plans.move_step(f, parent=None, arm="", position=1)
    assert names(flows.tree(draft)) == ["f", "a", ("b", ["c", "d"], ["e"])]
    plans.move_step(a, parent=b, arm="yes", position=2)
    assert names(flows.tree(draft)) == ["f", ("b", ["c", "a", "d"], ["e"])]
    plans.move_step(c, parent=None, arm="", position=99)
    plans.move_step(d, parent=b, arm="yes", position=1)
    assert names(flows.tree(draft)) == ["f", ("b", ["d", "a"], ["e"]), "c"]


def test_a_branch_is_not_put_into_itself():
    draft, _a, b, *_rest = parted()
    inner = plans.add_step(draft, "branch", name="inner", parent=b, arm="yes", condition=GERMAN)
    for parent in (b, inner):
        with pytest.raises(plans.Refused):
            plans.move_step(b, parent=parent, arm="no", position=1)


def test_a_removed_branch_takes_what_is_in_its_arms_and_the_rest_closes_up():
    draft, _a, b, *_rest = parted()
    plans.remove_step(b)
    assert names(flows.tree(draft)) == ["a", "f"]
    assert [each.position for each in making.steps(draft)] == [1, 2]


def test_laid_out_the_arms_lead_on_to_what_stands_behind_their_branch():
    draft, a, b, c, d, e, f = parted()
    flows.lay_out(draft)
    lead = {step.name: (step.next and step.next.name, step.other and step.other.name) for step in Step.objects.all()}
    assert lead == {
        "a": ("b", None), "b": ("c", "e"), "c": ("d", None), "d": ("f", None), "e": (None, None), "f": (None, None),
    }  # fmt: skip
    plans.remove_step(e)
    flows.lay_out(draft)
    assert Step.objects.get(pk=b.pk).other == f


def test_what_is_missing_forbids_the_launch_and_is_told_with_its_step():
    draft = making.campaign()
    step = plans.add_step(draft, "send", name="Hello")
    wait = plans.add_step(draft, "wait")
    told = {(each.level, each.where) for each in plans.checklist(draft, now=NOW)}
    assert ("stop", step.key) in told and ("stop", wait.key) in told
    with pytest.raises(plans.Refused, match="Hello.*choose what to send"):
        plans.launch(draft, by=None, now=NOW)


def test_a_launch_pins_the_newest_words_and_nothing_of_it_changes_afterwards():
    draft = making.simple()
    making.launched(draft)
    step = making.steps(draft)[0]
    assert (draft.state, draft.campaign.state, step.content_version.number) == ("live", "running", 1)
    for verb in (lambda: plans.remove_step(step), lambda: plans.change(draft, entry="hand")):
        with pytest.raises(plans.Refused):
            verb()
    with pytest.raises(IntegrityError), transaction.atomic():
        Step.objects.filter(pk=step.pk).update(name="other")


def test_an_edit_makes_a_second_version_with_the_same_keys_and_its_launch_retires_the_first():
    first = making.launched(making.simple())
    second = plans.draft_of(first.campaign, by=None, now=LATER)
    assert [each.key for each in making.steps(second)] == [each.key for each in making.steps(first)]
    assert plans.draft_of(first.campaign, by=None, now=LATER) == second
    making.launched(second, LATER)
    assert [each.state for each in CampaignVersion.objects.order_by("number")] == ["retired", "live"]


def test_who_is_compared_with_whom_is_fixed_by_the_launch():
    draft = making.simple()
    plans.change_campaign(draft.campaign, holdout=10)
    making.launched(draft)
    with pytest.raises(plans.Refused):
        plans.change_campaign(draft.campaign, holdout=20)
    plans.change_campaign(draft.campaign, name="Another", holdout=10)
    assert Campaign.objects.get().name == "Another"


def test_an_empty_condition_is_refused_because_it_means_everybody():
    with pytest.raises(plans.Refused):
        making.campaign(audience={})


def test_pausing_resuming_and_stopping_tell_who_won():
    campaign = making.launched(making.simple()).campaign
    someone = person(email="a@b.example")
    Enrollment.objects.create(campaign=campaign, version=campaign.versions.get(), person=someone, entered_at=NOW)
    assert plans.pause(campaign, because="too loud", by=None, now=NOW) and not plans.pause(campaign, by=None, now=NOW)
    assert Campaign.objects.get().paused_because == "too loud"
    assert plans.resume(campaign, by=None, now=NOW) and not plans.resume(campaign, by=None, now=NOW)
    assert plans.stop(campaign, by=None, now=NOW) and not plans.stop(campaign, by=None, now=NOW)
    assert Enrollment.objects.get().state == "stopped"


def test_a_campaigns_conditions_are_known_to_whoever_would_take_their_fields_away():
    draft = making.campaign(goal={"field": "person.country", "op": "is", "value": "FR"})
    assert [use.name for use in uses.of_field("person.country")] == [str(draft)]


def test_content_for_another_stage_and_a_link_that_leads_nowhere_are_thought_over_before_the_launch():
    draft = making.campaign(version=published(), stage="engaged")
    said = making.content(html='<a href="https://example.com/guide">Read</a>', links=["https://example.com/guide"])
    said.lifecycle, said.stage = draft.campaign.lifecycle, "known"
    said.save()
    step = plans.add_step(draft, "send", content=said)
    told = [each.text for each in plans.checklist(draft, now=NOW) if each.where == step.key and each.level == "warn"]
    assert any("example.com" in each for each in told) and any("another stage" in each for each in told)


def test_a_stopped_campaign_runs_no_more_though_a_draft_of_it_is_left():
    campaign = making.launched(making.simple()).campaign
    draft = plans.draft_of(campaign, by=None, now=NOW)  # as somebody saw it who is slower than who stops it
    plans.stop(campaign, by=None, now=NOW)
    with pytest.raises(plans.Refused, match="for ever"):
        plans.launch(draft, by=None, now=LATER)
    assert Campaign.objects.get().state == "stopped"


def test_a_launch_that_ends_a_pause_has_everybody_looked_at_again():
    """What happened in the pause, such as a goal that was reached, is seen of those on the older version too."""
    campaign = making.launched(making.simple()).campaign
    someone = person()
    plans.pause(campaign, by=None, now=NOW)
    draft = plans.draft_of(campaign, by=None, now=NOW)
    engine.run_all(NOW)
    assert not waiting()
    plans.launch(CampaignVersion.objects.get(pk=draft.pk), by=None, now=LATER)
    assert waiting() == {someone.pk}


def waiting() -> set[int]:
    """Who waits to be judged again."""
    return {row[0] for row in rows(Sql("SELECT subject_id FROM audience_dirty"))}


# ---- two who change one flow at the same time ----


def test_a_step_that_somebody_else_took_out_is_neither_changed_nor_moved_nor_made_again():
    draft = making.campaign()
    step = plans.add_step(draft, "wait", settings={"days": 1})
    seen = Step.objects.get(pk=step.pk)
    plans.remove_step(step)
    for verb in (
        lambda: plans.change_step(seen, settings={"days": 2}),
        lambda: plans.move_step(seen, parent=None, arm="", position=1),
        lambda: plans.remove_step(seen),
    ):
        with pytest.raises(plans.Refused, match="taken this step out"):
            verb()
    assert not draft.steps.exists()


def test_two_branches_that_are_put_into_one_another_at_the_same_time_stay_reachable():
    draft = making.campaign()
    condition = {"field": "person.country", "op": "is", "value": "FR"}
    one, two = (plans.add_step(draft, "branch", condition=condition) for _ in "ab")
    as_it_stood = Step.objects.get(pk=two.pk)
    plans.move_step(two, parent=one, arm="yes", position=1)
    with pytest.raises(plans.Refused, match="into itself"):
        plans.move_step(one, parent=as_it_stood, arm="yes", position=1)
    plans.remove_step(two)
    with pytest.raises(plans.Refused, match="branch around that place"):
        plans.add_step(draft, "exit", parent=as_it_stood, arm="yes")


def test_arms_within_arms_have_an_end_before_the_page_that_draws_them_does():
    draft = making.campaign()
    condition = {"field": "person.country", "op": "is", "value": "FR"}
    parent, arm = None, ""
    for _ in range(plans.DEEPEST + 1):
        parent, arm = plans.add_step(draft, "branch", parent=parent, arm=arm, condition=condition), "yes"
    with pytest.raises(plans.Refused, match="parted at most"):
        plans.add_step(draft, "exit", parent=parent, arm="yes")
    top = plans.add_step(draft, "branch", condition=condition)
    with pytest.raises(plans.Refused, match="parted at most"):
        plans.move_step(making.steps(draft)[0], parent=top, arm="no", position=1)


def test_a_draft_that_somebody_else_threw_away_is_not_thrown_away_twice():
    draft = making.campaign()
    plans.discard(CampaignVersion.objects.get(pk=draft.pk), by=None, now=NOW)
    with pytest.raises(plans.Refused, match="meanwhile"):
        plans.discard(draft, by=None, now=NOW)


def at_the_same_time(*verbs):
    """Run them in threads of their own; what went wrong beyond what is refused in words."""
    wrong, ready = [], threading.Barrier(len(verbs))

    def run(verb):
        ready.wait()
        try:
            verb()
        except (plans.Refused, senders.Refused):
            pass
        except Exception as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[verb]) for verb in verbs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return wrong


@pytest.mark.django_db(transaction=True)
def test_whoever_launches_sets_and_edits_at_the_same_time_waits_and_is_told():
    draft = making.simple()
    step = making.steps(draft)[1]

    def settings():
        with transaction.atomic():
            plans.change_campaign(Campaign.objects.get(pk=draft.campaign_id), name="Another", by=None, now=NOW)
            plans.change(CampaignVersion.objects.get(pk=draft.pk), reentry_days=3, by=None, now=NOW)

    def launch():
        plans.launch(CampaignVersion.objects.get(pk=draft.pk), by=None, now=NOW)

    def edit():
        plans.change_step(Step.objects.get(pk=step.pk), settings={"days": 2})

    assert at_the_same_time(*[launch, settings, edit] * 3) == []
    assert CampaignVersion.objects.get().state == "live"


@pytest.mark.django_db(transaction=True)
def test_a_button_that_is_pressed_twice_makes_two_campaigns_and_one_sender():
    making.topic()
    making.sender()
    create = partial(plans.create, "Same", kind="nurture", by=None, now=NOW)
    add = partial(senders.create, "A", "a@b.example", is_default=True, by=None, now=NOW)
    assert at_the_same_time(*[create, add] * 4) == []
    assert Campaign.objects.count() == 4 and Sender.objects.filter(address="a@b.example").count() == 1
