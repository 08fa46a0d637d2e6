"""By which channel somebody came and on what, held against the lists that others keep; and that it is filled in."""

from __future__ import annotations

import gzip
import json

import pytest

from audience.activity import agents, arrivals, channels, origins
from audience.models import Activity
from kit.models import User
from tests import factories
from tests.asking import Api
from tests.audience.importing.bringing import bring, shared
from tests.factories import NOW

OURS = "https://www.marlowcreek.example/pricing"
MEDIUMS = {
    "search": {"organic_search"}, "social": {"organic_social"}, "email": {"email"}, "chatbot": {"ai_assistant"},
    "paid": {"display", "paid_search"},
}  # fmt: skip
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


def test_referrers_of_the_test_vectors_are_told_as_others_tell_them():
    vectors = json.loads(shared("bots_referrers/referer-tests.json").read_text())
    wrong = [
        each["uri"] for each in vectors if origins.channel(each["uri"], OURS) not in MEDIUMS.get(each["medium"], {""})
    ]
    assert len(vectors) >= 118 and len(wrong) <= 4, wrong


def test_crawlers_of_the_list_are_machines():
    listed = json.loads(gzip.decompress(shared("bots_referrers/crawler-user-agents.json.gz").read_bytes()))
    known = [agent for each in listed for agent in each.get("instances", ())]
    taken_for_humans = [agent for agent in known if agents.judge(agent).actor not in ("bot", "proxy")]
    assert len(known) > 2000 and len(taken_for_humans) <= 2, taken_for_humans


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        (CHROME, "desktop"),
        (IPHONE, "mobile"),
        (IPHONE + " [LinkedInApp]/9.29", "mobile"),
        ("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 Version/16.5 Mobile/15E148 Safari/604.1",
         "tablet"),
        ("Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/127.0.0.0 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (Linux; Android 13; CUBOT X18) AppleWebKit/537.36 Chrome/127 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/127 Safari/537.36", "laptop"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "desktop"),
        ("Mozilla/5.0 (Windows NT 10.0; KIOSK) AppleWebKit/537.36 Chrome/127 Safari/537.36", "kiosk"),
        ("Mozilla/5.0 (Linux; Android 9; AFTMM Build) AppleWebKit/537.36 Silk/120 Safari/537.36", ""),
    ],
)  # fmt: skip
def test_browsers_are_humans_on_a_platform(agent, platform):
    assert agents.judge(agent) == agents.Judged("human", platform)


@pytest.mark.parametrize(
    ("url", "referrer", "channel"),
    [
        ("https://a.example/?utm_source=google&utm_medium=cpc", None, "paid_search"),
        ("https://a.example/?utm_source=linkedin&utm_medium=paid_social", None, "paid_social"),
        ("https://a.example/?utm_source=linkedin&utm_medium=cpc", None, "paid_social"),
        ("https://a.example/?utm_source=june&utm_medium=E-Mail", "https://www.google.com/", "email"),
        ("https://a.example/?gclid=x", "https://www.google.com/", "paid_search"),
        ("https://a.example/?fbclid=x", "https://l.facebook.com/", "organic_social"),
        ("https://a.example/?utm_source=chatgpt.com", None, "ai_assistant"),
        ("https://a.example/?utm_medium=banner", None, "display"),
        ("https://a.example/", "https://www.google.co.uk/", "organic_search"),
        ("https://a.example/", "https://chatgpt.com/", "ai_assistant"),
        ("https://a.example/", "https://mail.google.com/mail/u/0/", "email"),
        ("https://a.example/", "https://news.example/article", "referral"),
        ("https://a.example/b", "https://www.a.example/", ""),
        ("https://a.example/", "", "direct"),
        ("https://a.example/", None, ""),
        ("https://[2001:db8", "https://[2001:db8", ""),
        ("javascript:alert(1)", "\ud800", ""),
        ("x" * 100_000, "https://" + "y" * 100_000, ""),
    ],
)
def test_tags_go_before_referrers_and_nonsense_tells_nothing(url, referrer, channel):
    found = origins.channel(referrer, url)
    assert found == channel or (channel == "" and found == "referral" and len(url) > 1000)


@pytest.mark.parametrize("told", [None, {}, {"referrer": 5}, {"user_agent": ["x"]}, {"url": None}, {"user_agent": " "}])
def test_properties_that_tell_nothing_fill_nothing(told):
    assert arrivals.told(told) == {}


@pytest.mark.django_db
def test_what_a_program_did_not_tell_is_filled_in_and_what_it_told_is_kept():
    channels.ensure_defaults(NOW)
    factories.person(email="ann@example.com")
    api = Api(User.objects.create_user("p@example.com", "x", role="marketer"), "activities:write")
    told = {"kind": "page_visited", "occurred_at": "2025-01-01T10:00:00Z", "person": {"email": "ann@example.com"}}
    came = {"referrer": "https://www.google.com/", "url": OURS, "user_agent": IPHONE}
    given = [
        told | {"external_id": "1", "properties": came},
        told | {"external_id": "2", "properties": came, "channel": "Web", "platform": "Smartphone", "actor": "proxy"},
        told | {"external_id": "3", "properties": {"user_agent": "curl/8.0"}, "channel": "Carrier pigeon"},
    ]
    assert api.post("/activities/batch/", {"activities": given})["new"] == 3
    assert api.post("/activities/", given[0] | {"external_id": "4"}, status=201)["channel"] == "organic_search"
    assert {each.external_id: (each.channel, each.platform, each.actor) for each in Activity.objects.all()} == {
        "1": ("organic_search", "mobile", "human"),
        "2": ("website", "mobile", "proxy"),
        "3": ("Carrier pigeon", "", "bot"),
        "4": ("organic_search", "mobile", "human"),
    }
    assert channels.unknown() == [("Carrier pigeon", 1)]


@pytest.mark.django_db
def test_a_file_is_put_in_order_the_same_way():
    channels.ensure_defaults(NOW)
    bring(
        "id,email,kind,when,channel,platform,referrer,user_agent\n"
        f'1,ann@example.com,Page visited,2025-01-01,,,https://www.linkedin.com/feed/,"{CHROME}"\n'
        f'2,ann@example.com,Page visited,2025-01-02,E-Mail,PC,https://www.google.com/,"{CHROME}"\n'
        "3,ann@example.com,Page visited,2025-01-03,Pigeon,Watch,,curl/8.0\n"
        "4,ann@example.com,Page visited,2025-01-04,,,,\n",
        "activities",
    )
    assert {each.external_id: (each.channel, each.platform, each.actor) for each in Activity.objects.all()} == {
        "1": ("organic_social", "desktop", "human"),
        "2": ("email", "desktop", "human"),
        "3": ("Pigeon", "Watch", "bot"),
        "4": ("", "", "human"),
    }
