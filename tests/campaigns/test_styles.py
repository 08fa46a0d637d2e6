"""The policy of styles: another style than the stage's needs a reason, and what was allowed is listed with its results."""

from html import unescape

import pytest

from campaigns import plans, styles
from campaigns.models import Content
from kit.models import User
from lifecycle.editions import cards, checking, versions
from lifecycle.models import Stage
from tests.campaigns import making
from tests.factories import NOW, SMALL, published

pytestmark = pytest.mark.django_db


def bound(said: str):
    """A draft for a stage of education that sends one content of a style."""
    version = published(SMALL.replace("name: Known}", "name: Known, card: {style: education}}"))
    made = making.campaign(version=version, stage="known")
    offer = making.content("Offer")
    Content.objects.filter(pk=offer.pk).update(style=said)
    offer.refresh_from_db()
    return made, plans.add_step(made, "send", content=offer)


def levels(draft):
    return [each.level for each in plans.checklist(draft, now=NOW) if "stage" in each.text and "Education" in each.text]


@pytest.mark.parametrize(("style", "told"), [("education", []), ("", []), ("engagement", ["stop"])])
def test_only_content_of_the_other_style_stops_the_launch(style, told):
    draft, _step = bound(style)
    assert levels(draft) == told


def test_a_reason_lets_it_go_and_stands_in_the_list_with_what_came_of_it(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    draft, step = bound("engagement")
    with pytest.raises(plans.Refused, match="Choose other content, or give the reason"):
        plans.launch(draft, by=None, now=NOW)
    url = f"/campaigns/{draft.campaign.slug}/steps/{step.pk}/"
    sent = {"name": "Offer", "content": step.content_id, "other_style": "They asked for it"}
    assert client.post(url, sent).status_code == 302
    assert levels(draft) == ["warn"]
    assert styles.overrides() == []
    plans.launch(draft, by=None, now=NOW)
    [line] = styles.overrides()
    assert (line.stage, line.wanted, line.reason, line.figures["sent"]) == (
        "Known",
        "Education",
        "They asked for it",
        0,
    )
    page = unescape(client.get("/campaign-styles/").content.decode())
    assert "They asked for it" in page and "Engagement" in page


def test_an_amended_card_holds_at_once():
    draft, _step = bound("engagement")
    stage = draft.campaign.lifecycle.versions.get().stages.get(slug="known")
    cards.amend(stage, {"style": "engagement"}, by=None, now=NOW)
    assert levels(draft) == []


def test_a_new_version_that_speaks_to_a_stage_otherwise_names_the_campaigns_that_do_not(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    launched, _step = bound("education")
    plans.launch(launched, by=None, now=NOW)
    assert not [each for each in checking.findings(launched.campaign.lifecycle.versions.get()) if each.code == "style"]
    lifecycle = launched.campaign.lifecycle
    draft = versions.again(lifecycle.versions.get(), by=None, now=NOW)
    known = draft.stages.get(slug="known")
    Stage.objects.filter(pk=known.pk).update(card=known.card | {"style": "engagement"})
    [told] = [each for each in checking.findings(draft) if each.code == "style"]
    assert (told.stage, told.severity) == ("known", checking.Severity.WARNING)
    assert (
        told.words
        == f"“Known” is for Engagement, and the campaign {launched.campaign.name} sends Education in it: “Offer”."
    )
    page = unescape(client.get(f"/lifecycles/{lifecycle.slug}/v{draft.number}/").content.decode())
    assert told.words in page
