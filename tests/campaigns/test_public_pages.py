"""What messages lead to: signed addresses act, anything else does nothing, and looking never acts."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audience import consent
from audience.models import Activity, ConsentRecord, Pause, Person, Suppression, Topic
from campaigns import plans, tracking
from campaigns.models import ContentVersion, Message, Response
from kit import installation
from tests.campaigns import making
from tests.factories import person

pytestmark = pytest.mark.django_db
LINKS = ["https://marlowcreek.example/guide", "https://marlowcreek.example/demo", "javascript:alert(1)"]
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept-Language": "en",
}


@pytest.fixture
def step():
    draft = making.campaign("Spring nurture")
    plans.add_step(draft, "send", content=making.content("Guide", links=LINKS))
    return making.steps(making.launched(draft))[0]


@pytest.fixture
def message(step):
    return making.sent(person(email="ada@example.com"), step, at=timezone.now() - timedelta(hours=1))


@pytest.fixture
def told(message):
    """The addresses of the message, as paths."""
    return tracking.Addresses(message.pk, "")


@pytest.fixture
def visitor():
    """Somebody without a cookie, whose forms are checked as in production."""
    return Client(enforce_csrf_checks=True, headers=BROWSER)


def nothing_was_written():
    return not (Response.objects.exists() or Activity.objects.exists() or ConsentRecord.objects.exists()
                or Pause.objects.exists() or Suppression.objects.exists())  # fmt: skip


# ---- links and the picture ----


def test_a_link_leads_where_the_message_says_and_the_click_is_noted(visitor, told, message):
    answer = visitor.get(told.click(1))
    assert answer.status_code == 302
    assert answer.url.startswith("https://marlowcreek.example/demo?utm_source=perennial")
    assert not answer.cookies and answer.headers["Referrer-Policy"] == "no-referrer"
    assert [(each.kind, each.link, each.actor) for each in Response.objects.all()] == [("clicked", 1, "human")]
    assert Activity.objects.get().person_id == message.person_id


def test_whatever_the_address_adds_the_target_stays(visitor, told):
    answer = visitor.get(told.click(0) + "?url=https://evil.example&to=//evil.example")
    assert answer.url.startswith("https://marlowcreek.example/guide?utm_source")


def test_one_changed_letter_leads_nowhere_and_counts_nothing(visitor, told):
    good = told.click(0)
    start = good.rindex("/") + 1
    for place in range(start, len(good)):
        spoilt = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        answer = visitor.get(spoilt)
        assert answer.status_code == 400 and "Location" not in answer.headers
    for spoilt in (good + "x", good[:-1], good + "/", good + "%00", "/c/%ff", "/c/" + "x" * 5000):
        answer = visitor.get(spoilt)
        assert answer.status_code in (400, 404) and "Location" not in answer.headers
    assert nothing_was_written()


def test_a_link_of_another_message_place_or_kind_leads_nowhere(visitor, told, message):
    unknown = tracking.Addresses(uuid4(), "")
    for path in (unknown.click(0), told.click(2), told.click(3), told.open.replace("/o/", "/c/").removesuffix(".gif")):
        assert visitor.get(path).status_code == 400
    assert nothing_was_written()


def test_an_old_link_has_expired_but_leaving_has_not(visitor, told, message):
    Message.objects.filter(pk=message.pk).update(created_at=timezone.now() - tracking.LASTS - timedelta(days=1))
    assert visitor.get(told.click(0)).status_code == 400
    assert nothing_was_written()
    assert visitor.post(told.unsubscribe).status_code == 200
    assert Response.objects.get().kind == "unsubscribed"


def test_looking_ahead_counts_as_nothing(visitor, told):
    assert visitor.head(told.click(0)).status_code == 302
    assert visitor.head(told.open).status_code == 200
    assert visitor.head(told.unsubscribe).status_code == 200
    assert visitor.head(told.preferences).status_code == 200
    assert nothing_was_written()


def test_links_and_picture_take_no_posts(visitor, told):
    for path in (told.click(0), told.open):
        assert visitor.post(path).status_code == 403 and Client().post(path).status_code == 405
    assert nothing_was_written()


def test_the_picture_tells_that_the_message_was_shown_and_by_whom(visitor, told):
    answer = visitor.get(told.open)
    assert answer.headers["Content-Type"] == "image/gif" and "no-store" in answer.headers["Cache-Control"]
    visitor.get(told.open, headers={"User-Agent": "Mozilla/5.0"})
    assert set(Response.objects.values_list("kind", "actor")) == {("opened", "human"), ("opened", "proxy")}
    assert visitor.get(told.open.replace("/o/", "/o/x")).status_code == 400


def test_links_of_somebody_erased_still_lead_on(visitor, told, message):
    Person.objects.filter(pk=message.person_id).update(erased_at=timezone.now(), email="")
    assert visitor.get(told.click(0)).status_code == 302
    assert visitor.get(told.preferences).status_code == 200
    assert visitor.post(told.unsubscribe).status_code == 200
    assert not Activity.objects.exists() and not ConsentRecord.objects.exists()


def test_whoever_objected_to_being_watched_is_led_on_unwatched(visitor, told, message):
    now = timezone.now()
    consent.withdraw(message.person, topic=None, channel=consent.TRACKING, source="page", at=now, now=now)
    assert visitor.get(told.click(0)).status_code == 302
    visitor.get(told.open)
    assert not Response.objects.exists()


# ---- leaving ----


def test_looking_at_the_page_leaves_nothing_and_the_button_does(visitor, told, message):
    page = visitor.get(told.unsubscribe)
    assert page.status_code == 200 and page.content.decode().count("<button") == 1 and not page.cookies
    assert b"<script" not in page.content
    assert nothing_was_written()
    visitor.post(told.unsubscribe)
    act = ConsentRecord.objects.get()
    assert (act.person_id, act.topic, act.given, act.basis) == (message.person_id, message.topic, False, "objection")
    assert "Spring nurture" in act.source and "button" in act.wording
    assert Activity.objects.get().kind.slug == "email_unsubscribed"
    assert consent.verdict(message.person, topic=message.topic, at=timezone.now()) == "withdrew"


def test_one_click_acts_at_once_without_cookies_and_once(visitor, told):
    for _ in range(3):
        answer = visitor.post(
            told.unsubscribe, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )
        assert answer.status_code == 200 and not answer.cookies
    assert ConsentRecord.objects.get().wording == "List-Unsubscribe=One-Click"
    assert Response.objects.count() == Activity.objects.count() == 1


def test_a_message_without_a_topic_is_left_altogether(visitor, told, message):
    Message.objects.filter(pk=message.pk).update(topic=None)
    visitor.post(told.unsubscribe)
    assert ConsentRecord.objects.get().topic is None


def test_a_garbled_token_gets_the_same_pages_and_writes_nothing(visitor, told):
    good = told.unsubscribe.rpartition("/")[2]
    for spoilt in ("x" * 48, good[:-1] + ("A" if good[-1] != "A" else "B"), "x", good + "=", "%00", "ä"):
        for ask in (visitor.get, visitor.post):
            true, false = ask(f"/u/{good}"), ask(f"/u/{spoilt}")
            assert true.status_code == false.status_code == 200
            plain = false.content.decode().replace(f"/u/{_quoted(spoilt)}", "/u/T")
            assert plain == true.content.decode().replace(f"/u/{good}", "/u/T")
    assert ConsentRecord.objects.count() == 1  # by the good one


def _quoted(token):
    return reverse("unsubscribe", args=[unquote(token)]).removeprefix("/u/")


def test_a_scanner_that_opens_every_link_unsubscribes_nobody_and_is_no_reader(visitor, told, message):
    for _ in range(2):
        for path in (told.click(0), told.click(1), told.open, told.unsubscribe, told.preferences):
            visitor.head(path)
            visitor.get(path)
    assert not ConsentRecord.objects.exists()
    assert consent.verdict(message.person, topic=message.topic, at=timezone.now()) == "no consent"
    assert {each.actor for each in Response.objects.filter(kind="clicked")} == {"bot"}
    standing = Activity.objects.filter(kind__slug="email_clicked", reversal_of=None, activity=None)
    assert {each.actor for each in standing} == {"bot"}


def test_a_test_message_changes_nobodys_wishes(visitor, message):
    test = Message.objects.create(
        id="00112233-4455-6677-8899-aabbccddeeff", purpose="test", person=message.person, topic=message.topic,
        content_version=ContentVersion.objects.get(), due_at=timezone.now(), created_at=timezone.now(),
    )  # fmt: skip
    told = tracking.Addresses(UUID(test.id), "")
    assert visitor.get(told.click(0)).url == LINKS[0]
    visitor.get(told.open)
    visitor.post(told.unsubscribe)
    assert b"test message" in visitor.get(told.preferences).content
    visitor.post(told.preferences, {"nothing": "1"})
    visitor.post(told.preferences, {"shown": "news"})
    assert nothing_was_written()


# ---- choosing ----


@pytest.fixture
def service():
    return Topic.objects.create(slug="service", label="Service", basis=Topic.Basis.INTEREST)


def test_topics_are_chosen_and_kept_as_acts_with_their_wording(visitor, told, message, service):
    page = visitor.get(told.preferences).content.decode()
    assert 'value="service" checked' in page and 'value="news" checked' not in page and "a…@example.com" in page
    assert nothing_was_written()
    answer = visitor.post(told.preferences, {"shown": ["news", "service"], "topic": ["news"], "may_track": "on"})
    assert answer.status_code == 302 and not answer.cookies
    assert set(ConsentRecord.objects.values_list("topic__slug", "given", "wording")) == {
        ("news", True, "News"), ("service", False, "Service"),
    }  # fmt: skip
    assert b"Saved" in visitor.get(answer.url).content
    visitor.post(told.preferences, {"shown": ["news", "service"], "topic": ["news"], "may_track": "on"})
    assert ConsentRecord.objects.count() == 2


def test_a_topic_that_the_page_did_not_show_is_not_withdrawn(visitor, told, service):
    visitor.post(told.preferences, {"shown": ["news"], "may_track": "on"})
    assert not ConsentRecord.objects.filter(topic=service).exists()


def test_leaving_the_topic_of_the_message_there_is_an_unsubscription_too(visitor, told, message):
    now = timezone.now() - timedelta(days=1)
    consent.give(message.person, topic=message.topic, source="form", at=now, now=now)
    visitor.post(told.preferences, {"shown": ["news"], "may_track": "on"})
    assert Response.objects.get().kind == "unsubscribed"


def test_nothing_at_all_is_a_button_and_can_be_changed_again(visitor, told, message, service):
    visitor.post(told.preferences, {"nothing": "1"})
    for topic in (message.topic, service):
        assert consent.verdict(message.person, topic=topic, at=timezone.now()) == "withdrew"
    visitor.post(told.preferences, {"shown": ["news", "service"], "topic": ["service"], "may_track": "on"})
    assert consent.verdict(message.person, topic=service, at=timezone.now()) is None


def test_a_pause_is_begun_and_ended(visitor, told, message, service):
    visitor.post(told.preferences, {"pause": "1"})
    assert consent.verdict(message.person, topic=service, at=timezone.now()) == "paused"
    assert b"until" in visitor.get(told.preferences).content
    visitor.post(told.preferences, {"go_on": "1"})
    assert consent.verdict(message.person, topic=service, at=timezone.now()) is None


def test_being_watched_can_be_refused_and_allowed(visitor, told, message):
    visitor.post(told.preferences, {"shown": ["news"]})
    assert not consent.may_track(message.person_id)
    visitor.post(told.preferences, {"shown": ["news"], "may_track": "on"})
    assert consent.may_track(message.person_id)


def test_a_garbled_token_chooses_nothing(visitor):
    for ask in (visitor.get, visitor.post):
        assert ask("/u/" + "x" * 48 + "/topics").status_code == 400
    assert nothing_was_written()


def test_pages_bear_the_senders_name_and_postal_address(visitor, told):
    installation.put("company", "Marlow <Creek>")
    installation.put("postal_address", "1 Mill Lane\nMarlow")
    for path in (told.unsubscribe, told.preferences, "/c/x"):
        page = visitor.get(path).content.decode()
        assert "Marlow &lt;Creek&gt;" in page and "1 Mill Lane" in page and "Perennial" not in page
