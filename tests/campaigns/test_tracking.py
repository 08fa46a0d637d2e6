"""Signed addresses: nothing but what was signed is read, and who followed one is told as far as it can be."""

from __future__ import annotations

import base64
import string
import uuid
from datetime import timedelta
from uuid import UUID

import pytest

from campaigns import tracking
from campaigns.models import Campaign, ContentVersion, Message
from campaigns.tracking import Actor, Kind
from tests.factories import NOW

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
BROWSER = {"User-Agent": CHROME, "Accept-Language": "de"}
EARLIER = NOW - timedelta(minutes=5)


def test_what_was_signed_is_read_back():
    for kind in Kind:
        for link in (0, 1, 499, 65_535):
            assert tracking.read(kind, tracking.token(kind, ID, link)) == (ID, link)


def test_no_letter_can_be_changed():
    token = tracking.token(Kind.CLICK, ID, 3)
    letters = string.ascii_letters + string.digits + "-_"
    for place, was in enumerate(token):
        for letter in letters:
            if letter != was:
                assert tracking.read(Kind.CLICK, token[:place] + letter + token[place + 1 :]) is None


@pytest.mark.parametrize("spoilt", ["", "x", "{}x", "{}=", " {}", "{}\n", "{}\x00", "é{}", "/" * 48, "A" * 48])
def test_what_was_not_signed_is_not_read(spoilt):
    assert tracking.read(Kind.CLICK, spoilt.format(tracking.token(Kind.CLICK, ID))) is None


def test_an_address_signed_for_one_purpose_or_link_or_message_or_installation_is_worth_nothing_for_another(settings):
    token = tracking.token(Kind.OPEN, ID)
    assert tracking.read(Kind.READER, token) is None
    raw = base64.urlsafe_b64decode(tracking.token(Kind.CLICK, ID, 1))
    for told in (ID.bytes + b"\x00\x02", uuid.uuid4().bytes + b"\x00\x01"):
        assert tracking.read(Kind.CLICK, base64.urlsafe_b64encode(told + raw[18:]).decode()) is None
    settings.LASTING_KEY = "of another installation"
    assert tracking.read(Kind.OPEN, token) is None


def test_links_work_on_when_the_secret_key_changes_and_the_lasting_one_stays(settings):
    token = tracking.token(Kind.CLICK, ID)
    settings.SECRET_KEY = "a new one"
    assert tracking.read(Kind.CLICK, token) == (ID, 0)


@pytest.mark.django_db
def test_addresses_are_absolute_and_begin_with_what_the_settings_say(settings):
    settings.PUBLIC_ADDRESS = "https://mail.example"
    told = tracking.addresses(ID)
    for address in (told.click(0), told.open, told.unsubscribe, told.preferences):
        assert address.startswith("https://mail.example/") and address.isascii() and len(address) < 100
    assert told.click(0) != told.click(1)
    with pytest.raises(ValueError):
        told.click(-1)


# ---- where links lead ----


def message(links, own=None, age=timedelta(0)):
    version = ContentVersion(links=links)
    return Message(id=ID, content_version=version, campaign=Campaign(slug="spring"), links=own, created_at=NOW - age)


def test_a_link_leads_where_the_message_says_with_the_tags_of_its_campaign():
    assert tracking.target(message(["https://a.example/x?y=1"]), 0, now=NOW) == (
        "https://a.example/x?y=1&utm_source=perennial&utm_medium=email&utm_campaign=spring"
    )
    assert tracking.target(message(["https://a.example"], own=["https://b.example"]), 0, now=NOW).startswith(
        "https://b.example?"
    )


@pytest.mark.parametrize(
    ("links", "link"),
    [
        (["https://a.example"], 1), ([], 0), ([""], 0), (["javascript:alert(1)"], 0), (["//evil.example"], 0),
        (["/inside"], 0), (["data:text/html,x"], 0), (["https:///path"], 0),
    ],
)  # fmt: skip
def test_a_link_that_leads_nowhere_is_none(links, link):
    assert tracking.target(message(links), link, now=NOW) is None


def test_links_lead_on_for_years_and_then_no_more():
    links = ["https://a.example"]
    assert tracking.target(message(links, age=tracking.LASTS - timedelta(days=1)), 0, now=NOW)
    assert tracking.target(message(links, age=tracking.LASTS + timedelta(days=1)), 0, now=NOW) is None


# ---- who it was ----


@pytest.mark.parametrize(
    ("headers", "clicked", "opened"),
    [
        (BROWSER, Actor.HUMAN, Actor.HUMAN),
        ({"User-Agent": CHROME}, Actor.BOT, Actor.HUMAN),
        ({"User-Agent": "Mozilla/5.0"}, Actor.BOT, Actor.PROXY),
        ({"User-Agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"},
         Actor.BOT, Actor.PROXY),
        ({"User-Agent": "YahooMailProxy; https://help.yahoo.com/"}, Actor.BOT, Actor.PROXY),
        (BROWSER | {"User-Agent": CHROME + " BarracudaSentinel"}, Actor.BOT, Actor.BOT),
        (BROWSER | {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; AppleWebKit)"}, Actor.BOT, Actor.BOT),
        (BROWSER | {"User-Agent": CHROME.replace("Chrome", "HeadlessChrome")}, Actor.BOT, Actor.BOT),
        ({"User-Agent": "python-requests/2.32"}, Actor.BOT, Actor.BOT),
        (BROWSER | {"Sec-Purpose": "prefetch;prerender"}, Actor.BOT, Actor.BOT),
        (BROWSER | {"Purpose": "Preview"}, Actor.BOT, Actor.BOT),
        ({"User-Agent": "Lynx/2.9"}, Actor.UNKNOWN, Actor.UNKNOWN),
        ({}, Actor.UNKNOWN, Actor.UNKNOWN),
        ({"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
          " Version/18.0 Mobile/15E148 Safari/604.1", "Accept-Language": "en-GB"}, Actor.HUMAN, Actor.HUMAN),
        ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0"},
         Actor.BOT, Actor.HUMAN),
    ],
)  # fmt: skip
def test_who_it_was_is_told_by_what_came_with_the_request(headers, clicked, opened):
    assert tracking.who_clicked(headers, sent_at=EARLIER, at=NOW) == clicked
    assert tracking.who_opened(headers, sent_at=EARLIER, at=NOW) == opened


def test_nobody_follows_a_link_in_the_second_in_which_it_was_sent():
    assert tracking.who_clicked(BROWSER, sent_at=NOW - timedelta(seconds=1), at=NOW) == Actor.BOT
    assert tracking.who_opened(BROWSER, sent_at=NOW - timedelta(seconds=1), at=NOW) == Actor.BOT
    assert tracking.who_clicked(BROWSER, sent_at=NOW - timedelta(seconds=3), at=NOW) == Actor.HUMAN
    assert tracking.who_clicked(BROWSER, sent_at=None, at=NOW) == Actor.HUMAN
