"""A flow for each stage: which type is proposed where, and a draft that could be launched as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience import consent
from audience.conditions import tree
from audience.models import Topic
from campaigns import forecast, plans, starters
from campaigns.models import Campaign, CampaignVersion, ContentVersion, Step
from lifecycle.editions import documents
from lifecycle.models import Lifecycle, Version
from tests import factories
from tests.campaigns import making
from tests.factories import NOW

pytestmark = pytest.mark.django_db
DEMO = Path(__file__).resolve().parents[2] / "demo" / "documents"


def live(document: str) -> Lifecycle:
    return factories.published(document).lifecycle


def kinds(lifecycle: Lifecycle) -> dict[str, str]:
    return {each.stage.slug: each.kind for each in starters.proposals(lifecycle)}


@pytest.mark.parametrize(
    ("playbook", "proposed"),
    [
        (
            "net_new_b2b",
            {
                "known": "welcome", "engaged": "nurture", "mql": "engagement", "sal": "engagement", "sql": "promotion",
                "recycled": "reengagement",
            },
        ),
        (
            "net_new_b2c",
            {"discover": "welcome", "explore": "nurture", "engage": "promotion", "dormant": "reengagement"},
        ),
        (
            "customer_terms",
            {
                "onboarding": "onboarding", "adoption": "loyalty", "renewal": "renewal", "renewed": "referral",
                "at_risk": "reengagement",
            },
        ),
        (
            "partner_programme",
            dict.fromkeys(("recruit", "applied", "onboarding", "enabled", "growing"), "partner"),
        ),
    ],
)  # fmt: skip
def test_each_stage_of_the_playbooks_is_proposed_its_type(playbook: str, proposed: dict[str, str]) -> None:
    assert kinds(live((documents.PLAYBOOKS / f"{playbook}.yaml").read_text())) == proposed


def test_gates_and_ends_off_the_path_get_nothing() -> None:
    assert kinds(live(factories.SMALL)) == {
        "known": "welcome", "engaged": "nurture", "lead": "promotion", "resting": "reengagement",
    }  # fmt: skip


def test_stages_without_a_campaign_come_first_and_others_say_what_they_have() -> None:
    lifecycle = live(factories.SMALL)
    making.campaign("Ours", version=lifecycle.versions.get(), stage="known")
    found = starters.proposals(lifecycle)
    assert [each.stage.slug for each in found] == ["engaged", "lead", "resting", "known"]
    assert [str(each) for each in found[-1].has] == ["Ours"] and not found[0].has
    Campaign.objects.update(state="stopped")
    assert starters.proposals(lifecycle)[0].stage.slug == "known"


def test_a_lifecycle_that_is_not_live_has_no_proposals() -> None:
    assert starters.proposals(factories.draft().lifecycle) == []
    assert starters.proposal(Lifecycle.objects.get(), "known") is None


@pytest.mark.parametrize("path", sorted(starters.FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_file_is_a_type_and_asks_what_can_be_asked(path: Path) -> None:
    says = starters.told(path.stem)
    assert says["kind"] == path.stem in Campaign.Kind.values
    assert "{stage}" in says["name"] and says["why"]

    def walk(steps: list[dict[str, dict]]) -> None:
        for entry in steps:
            [(kind, of)] = entry.items()
            assert kind in Step.Kind.values
            if "when" in of:
                tree.parse(of["when"], of="person")
            if kind == "wait_until":
                assert of["when"]["field"] == "message.clicked", "what somebody did before the mail is no answer to it"
            if kind == "send":
                assert {"name", "style", "subject", "preheader", "text", "button"} == set(of)
            for arm in ("yes", "no"):
                walk(of.get(arm, []))

    walk(says["steps"])


def test_every_type_that_is_proposed_has_its_file() -> None:
    proposed = {
        "welcome", "nurture", "engagement", "promotion", "reengagement", "onboarding", "loyalty", "renewal", "referral",
        "partner",
    }  # fmt: skip
    assert {path.stem for path in starters.FOLDER.glob("*.yaml")} == proposed


def started(version: Version, stage: str) -> CampaignVersion:
    making.topic(), making.sender()
    proposal = starters.proposal(version.lifecycle, stage)
    assert proposal is not None
    campaign = starters.start(proposal, by=None, now=NOW)
    return campaign.versions.get()


def test_a_started_flow_is_a_draft_that_could_be_launched() -> None:
    draft = started(factories.published((documents.PLAYBOOKS / "net_new_b2b.yaml").read_text()), "engaged")
    campaign = draft.campaign
    assert (campaign.name, campaign.kind, campaign.stage) == ("Nurture: Engaged", "nurture", "engaged")
    assert (campaign.holdout, campaign.outcome_stage, draft.entry) == (10, "mql", "stage")
    top = making.steps(draft)
    assert [step.kind for step in top] == ["send", "wait_until", "wait", "send"]
    assert top[1].settings == {"days": 7} and top[2].settings == {"days": 7, "time": "09:00"}
    arms = [(step.arm, step.kind) for step in draft.steps.filter(parent=top[1]).order_by("arm", "position")]
    assert arms == [("no", "send"), ("yes", "wait"), ("yes", "send")]
    assert [each.level for each in plans.checklist(draft, now=NOW) if each.level == "stop"] == []
    plans.launch(draft, by=None, now=NOW)


def test_what_it_sends_is_content_of_its_own_tagged_and_written_to_people() -> None:
    factories.person(email="ada@x.example", first_name="Ada")
    draft = started(factories.published(), "known")
    step = making.steps(draft)[0]
    assert step.content is not None
    assert (step.content.name, step.content.style, step.content.stage) == ("Known: Welcome", "education", "known")
    version = ContentVersion.objects.get(content=step.content)
    assert version.subject.startswith("Good to have you here") and "Where to begin" in version.html
    assert "https://www.example.com/" in version.links
    assert Campaign.objects.get().versions.get().steps.filter(kind="send").count() == 3


def test_where_accounts_move_people_are_entered_by_hand() -> None:
    version = factories.published((documents.PLAYBOOKS / "partner_programme.yaml").read_text())
    draft = started(version, "onboarding")
    assert draft.entry == "hand" and draft.campaign.stage == "onboarding"


def test_the_most_that_somebody_gets_is_counted_along_the_longest_way() -> None:
    [welcome] = [each for each in starters.proposals(live(factories.SMALL)) if each.kind == "welcome"]
    assert welcome.sends == 2


def test_whoever_was_on_the_website_before_the_first_mail_is_not_taken_to_have_answered_it() -> None:
    version = factories.published()
    someone = factories.person(email="ada@x.example")
    factories.activity(someone, factories.days_ago(1), direction="inbound")
    draft = started(version, "engaged")
    consent.give(someone, topic=Topic.objects.get(), source="test", at=factories.days_ago(2), now=factories.days_ago(2))
    plans.change(draft, by=None, now=NOW, entry="broadcast", segment=making.segment(someone))
    plans.change_campaign(draft.campaign, by=None, now=NOW, holdout=0)
    asked = making.steps(draft)[1]
    [stop] = [each for each in forecast.dry_run(draft, at=NOW, days=10).stops if each.step == asked]
    assert stop.outcomes == {"yes": 0, "no": 1}
