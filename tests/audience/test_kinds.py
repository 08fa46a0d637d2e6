"""The catalogue of kinds and the taxonomy of channels: described, spoken of by their names, never taken from under anybody."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from audience import live, segments
from audience.activity import activities, channels, kinds
from audience.conditions import compile, describe, tree
from audience.models import Activity, ActivityKind, Channel, Dirty, SegmentMember
from kit.models import AuditEntry, User
from kit.sql import rows
from tests import factories
from tests.asking import Api
from tests.factories import NOW, days_ago
from tests.scoring import making as scoring

pytestmark = pytest.mark.django_db
WEBINAR = {"label": "Webinar joined", "channel": "webinar", "direction": "inbound", "intent": 35}


@pytest.fixture
def ada(client):
    channels.ensure_defaults(NOW)
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def said(client, url, **data):
    return client.post(url, data, follow=True).content.decode()


def those(condition):
    return {pk for pk, *_more in rows(compile.members(tree.parse(condition), of="person", at=NOW))}


def test_what_a_file_made_is_not_described_and_gets_a_proposal(client, ada):
    someone = factories.person()
    activities.record(someone, kind="Webinar attended", at=days_ago(2), source="x", now=NOW)
    kind = ActivityKind.objects.get()
    assert "not described yet" in client.get(reverse("kinds")).content.decode()
    form = client.get(reverse("kind_edit", args=[kind.pk])).content.decode()
    assert "Nobody has described this kind yet" in form and 'value="35"' in form and 'value="webinar" selected' in form
    Dirty.objects.all().delete()
    told = WEBINAR | {"label": "Webinar", "is_engagement": "on", "is_response": "on"}
    assert "Saved." in said(client, reverse("kind_edit", args=[kind.pk]), **told)
    kind.refresh_from_db()
    assert (kind.slug, kind.label, kind.intent, kind.is_response) == ("webinar_attended", "Webinar", 35, True)
    assert set(Dirty.objects.values_list("subject_id", flat=True)) == {someone.pk}, "judged anew"
    assert client.get(reverse("kinds") + "?described=no").content.decode().count("webinar_attended") == 0
    assert AuditEntry.objects.get(action="kind.describe").after["intent"] == 35


@pytest.mark.parametrize(
    ("slug", "channel", "intent"),
    [("demo_requested", "website", 90), ("email_opened", "email", 2), ("sales_call", "phone", 40),
     ("pricing_page_visited", "website", 60), ("trade_fair_visited", "event", 30), ("xyzzy", "", 0)],
)  # fmt: skip
def test_a_proposal_goes_by_the_words_of_the_slug(slug, channel, intent):
    found = kinds.proposal(ActivityKind(slug=slug))
    assert (found.channel, found.intent) == (channel, intent)


def test_sentences_and_timelines_speak_of_the_label():
    kind = kinds.define(WEBINAR, slug="wbnr_7", by=None, now=NOW)
    asked = {"field": "activity.count", "where": {"kind": "wbnr_7"}, "op": "at_least", "value": 2}
    assert describe.sentence(tree.parse(asked)) == "at least 2 activities (Webinar joined)"
    ActivityKind.objects.filter(pk=kind.pk).update(label="wbnr_7")
    assert "(wbnr 7)" in describe.sentence(tree.parse(asked)), "without a label by the words of its slug"


def test_what_is_asked_for_or_happened_stays_and_says_who_asks(client, ada):
    kind = kinds.define(WEBINAR, slug="webinar_joined", by=None, now=NOW)
    remove = reverse("kind_remove", args=[kind.pk])
    asked = {"field": "activity.count", "where": {"kind": ["webinar_joined"]}, "op": "at_least", "value": 1}
    made = segments.create("Joined", of="person", condition={"all": [asked]}, by=None, now=NOW)
    assert "It is asked for by: Segment “Joined”" in said(client, remove)
    segments.delete(made, by=None, now=NOW)
    scoring.draft("model: m\nname: M\nrules: [{name: Joined, points: 5, did: {kind: webinar_joined}}]\n")
    assert "It is asked for by: Scoring model" in said(client, remove)
    other = kinds.define({"label": "Other"}, by=None, now=NOW)
    factories.activity(factories.person(), days_ago(1), kind="other")
    assert "1 activity is of it" in said(client, reverse("kind_remove", args=[other.pk]))
    gone = kinds.define({"label": "Gone"}, by=None, now=NOW)
    assert "“Gone” is removed" in said(client, reverse("kind_remove", args=[gone.pk]))
    assert not ActivityKind.objects.filter(pk=gone.pk).exists()


def test_conditions_ask_for_intent_responses_engagement_and_paid_channels(ada):
    ann, bob = factories.person(), factories.person()
    kinds.define(WEBINAR | {"is_engagement": True}, slug="webinar_joined", by=None, now=NOW)
    factories.activity(ann, days_ago(2), kind="webinar_joined", channel="paid_search")
    factories.activity(bob, days_ago(2), channel="email")
    assert those({"field": "activity.intent", "op": "at_least", "value": 35}) == {ann.pk}
    for key, value in (("engagement", "true"), ("response", "true"), ("paid", "true")):
        asked = {"field": "activity.count", "where": {key: value}, "op": "at_least", "value": 1}
        assert those(asked) == (set() if key == "response" else {ann.pk}), key
    asked = {"field": "activity.count", "where": {"channel": "E-Mail"}, "op": "at_least", "value": 1}
    assert those(asked) == {bob.pk}, "a condition finds every spelling of a channel"


def test_kinds_over_the_api(ada):
    api = Api(ada, "activities:read", "activities:write")
    made = api.post("/activity-kinds/", WEBINAR | {"slug": "Webinar joined!"}, status=201)
    assert (made["slug"], made["is_described"]) == ("webinar_joined", True)
    api.refused("post", "/activity-kinds/", WEBINAR, 409, "kind_refused")
    url = f"/activity-kinds/{made['id']}/"
    assert api.patch(url, {"intent": 40})["intent"] == 40
    api.refused("patch", url, {"slug": "x"}, 400, "unknown_field")
    api.refused("patch", url, {"intent": 101}, 400, "max_value")
    assert [each["slug"] for each in api.get("/activity-kinds/?is_described=true")["results"]] == ["webinar_joined"]
    api.ask("delete", url, None, 204)
    assert not ActivityKind.objects.exists()


# ---- channels ----


def test_the_usual_channels_are_there_once_and_their_names_can_be_changed(client, ada):
    number = Channel.objects.count()
    channels.ensure_defaults(NOW)
    assert Channel.objects.count() == number >= 20
    email = Channel.objects.get(slug="email")
    page = said(client, reverse("channel_edit", args=[email.pk]), label="E-mail letters", direction="outbound",
                aliases="Rundbrief\nnewsletter")  # fmt: skip
    assert "Saved." in page and channels.normal("rundbrief") == "email" == channels.normal("Newsletter")
    channels.ensure_defaults(NOW)
    email.refresh_from_db()
    assert email.label == "E-mail letters", "what a user has named stays"


def test_an_unknown_channel_is_kept_listed_and_can_be_added(client, ada):
    activities.record(factories.person(), kind="seen", at=days_ago(1), source="x", now=NOW, channel="Carrier pigeon")
    page = client.get(reverse("channels")).content.decode()
    assert "Unknown channels" in page and "Carrier pigeon" in page
    said(client, reverse("channel_new") + "?slug=Carrier+pigeon", label="Pigeon", direction="")
    assert Channel.objects.get(label="Pigeon").slug == "carrier_pigeon"
    activities.record(factories.person(), kind="seen", at=days_ago(1), source="x", now=NOW, channel="carrier-PIGEON")
    assert Activity.objects.latest("pk").channel == "carrier_pigeon"


def test_a_channel_that_is_borne_stays_and_spellings_mean_one(client, ada):
    factories.activity(factories.person(), days_ago(1), channel="webinar")
    webinar = Channel.objects.get(slug="webinar")
    assert "It stands in: activities" in said(client, reverse("channel_remove", args=[webinar.pk]))
    told = {"label": "Fairs", "direction": "", "aliases": "Newsletter"}
    assert "means “Email” already" in said(client, reverse("channel_new"), **told)
    api = Api(ada, "activities:read", "activities:write")
    made = api.post("/channels/", {"label": "Trade press", "aliases": ["Press"]}, status=201)
    assert made["aliases"] == ["press"]
    api.refused("post", "/channels/", {"label": "trade PRESS"}, 409, "channel_refused")
    api.ask("delete", f"/channels/{made['id']}/", None, 204)


@pytest.mark.parametrize("said", ["", "\ud800", "a" * 500, "Ünïcode Kanal", "💥", "  "])
def test_any_spelling_is_looked_up_without_an_error(said):
    channels.ensure_defaults(NOW)
    assert channels.normal(said.replace("\ud800", "")) == said.replace("\ud800", "")


def test_a_changed_catalogue_is_followed_by_segments(ada):
    someone = factories.person(first_seen_at=days_ago(9))
    kind = kinds.define(WEBINAR, slug="webinar_joined", by=None, now=NOW)
    factories.activity(someone, days_ago(2), kind="webinar_joined")
    asked = {"field": "activity.intent", "op": "at_least", "value": 90}
    made = segments.create("Hot", of="person", condition=asked, by=None, now=NOW)
    live.run_all(NOW)
    stays = SegmentMember.objects.filter(segment=made)
    assert not stays.exists()
    kinds.describe(kind, {"intent": 95}, by=None, now=NOW)
    live.run_all(timezone.now())
    assert stays.get().person == someone
