"""Who looks at our sites: kept apart while unknown, part of a history once known, and as it was known then."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audience import consent
from audience.activity import visitors
from audience.models import Activity, PageView, Person, Visitor
from audience.subjects import erasure
from campaigns import tracking
from kit import installation
from kit.models import AuditEntry
from tests.campaigns import making
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db
ORIGIN = "https://www.marlow.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture(autouse=True)
def site(request):
    """One domain is ours."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db" if _is_transactional(request) else "db")
        installation.put("site_domains", ["marlow.example"])


def _is_transactional(request):
    return bool(request.node.get_closest_marker("django_db").kwargs.get("transaction"))


def seen(path="/pricing", *, ago=0, **values):
    return {"key": str(uuid.uuid4()), "url": ORIGIN + path, "title": "Pricing", "referrer": "", "ago": ago} | values


def tell(browser, *views, client=None, headers=None, **more):
    """What comes of a browser saying what it has shown."""
    body = json.dumps({"visitor": str(browser), "views": list(views), **more})
    sent = {"Origin": ORIGIN, "User-Agent": FIREFOX} | (headers or {})
    return (client or Client(enforce_csrf_checks=True)).post("/t/v", body, content_type="text/plain", headers=sent)


def paths(of):
    found = Activity.objects.filter(person=of, kind__slug="page_viewed").order_by("occurred_at")
    return [each.properties["page"].removeprefix("www.marlow.example") for each in found]


def test_what_a_stranger_looks_at_is_kept_apart_and_is_nobody_s():
    answer = tell(uuid.uuid4(), seen(), seen("/docs"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == ORIGIN and "Origin" in answer["Vary"] and not answer.cookies
    assert PageView.objects.count() == 2 and not Activity.objects.exists() and not Person.objects.exists()


def test_once_known_it_is_in_the_history_when_it_happened_and_recorded_when_it_was_learned():
    browser, ada = uuid.uuid4(), person(email="ada@example.com")
    tell(
        browser,
        seen("/pricing?utm_source=fair&email=ada@example.com#top", ago=60_000, referrer="https://find.example/?q=x"),
    )
    before = timezone.now()
    visitors.become(browser, ada, now=before + timedelta(days=2))
    [told] = Activity.objects.filter(person=ada)
    assert told.kind.slug == "page_viewed" and (told.channel, told.direction, told.actor) == (
        "website",
        "inbound",
        "human",
    )
    assert told.properties == {"page": "www.marlow.example/pricing", "title": "Pricing", "referrer": "find.example",
                               "utm_source": "fair"}  # fmt: skip
    assert before - timedelta(seconds=90) < told.occurred_at < before - timedelta(seconds=50)
    assert told.recorded_at == before + timedelta(days=2), "as known then, nobody had looked at anything"
    assert not PageView.objects.exists()


def test_who_is_known_already_has_it_at_once():
    browser, ada = uuid.uuid4(), person()
    visitors.become(browser, ada, now=timezone.now())
    tell(browser, seen("/docs"))
    assert paths(ada) == ["/docs"] and not PageView.objects.exists()


def test_becoming_known_twice_and_telling_twice_does_nothing_twice():
    browser, ada, view = uuid.uuid4(), person(), seen()
    tell(browser, view, view)
    tell(browser, view)
    for _time in range(2):
        visitors.become(browser, ada, now=timezone.now())
    tell(browser, view)
    assert paths(ada) == ["/pricing"] and Visitor.objects.count() == 1


def test_of_two_people_at_one_browser_each_has_what_was_seen_in_their_time():
    browser, ada, bob = uuid.uuid4(), person(), person()
    tell(browser, seen("/before"))
    visitors.become(browser, ada, now=timezone.now())
    tell(browser, seen("/between"))
    visitors.become(browser, bob, now=timezone.now())
    tell(browser, seen("/after"), seen("/late", ago=3_600_000))
    assert (sorted(paths(ada)), paths(bob)) == (["/before", "/between", "/late"], ["/after"])
    visitors.become(browser, ada, now=timezone.now())
    assert Visitor.objects.count() == 3 and Visitor.objects.filter(ended_at=None).count() == 1


def test_one_person_at_many_browsers_has_all_of_it():
    ada, browsers = person(), [uuid.uuid4() for _n in range(3)]
    for number, browser in enumerate(browsers):
        tell(browser, seen(f"/{number}"))
        visitors.become(browser, ada, now=timezone.now())
    assert sorted(paths(ada)) == ["/0", "/1", "/2"]


def test_of_somebody_who_objects_to_being_counted_nothing_is_kept():
    browser, ada = uuid.uuid4(), person()
    consent.withdraw(ada, topic=None, channel=consent.TRACKING, source="page", at=NOW, now=NOW)
    tell(browser, seen())
    visitors.become(browser, ada, now=timezone.now())
    tell(browser, seen())
    assert paths(ada) == [] and not PageView.objects.exists()


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_who_says_not_to_be_followed_is_not(header):
    assert tell(uuid.uuid4(), seen(), headers={header: "1"}).status_code == 204
    assert not PageView.objects.exists() and not Visitor.objects.exists()


@pytest.mark.parametrize(
    "agent", ["Googlebot/2.1 (+http://www.google.com/bot.html)", "", "python-requests/2.32", "HeadlessChrome/120"]
)
def test_machines_are_kept_under_their_name(agent):
    browser, ada = uuid.uuid4(), person()
    tell(browser, seen(), headers={"User-Agent": agent})
    visitors.become(browser, ada, now=timezone.now())
    assert Activity.objects.get(person=ada).actor == "bot"


# ---- what no snippet of ours says ----


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "https://marlow.example.evil.example", "https://evilmarlow.example",
               "https://[", "file://marlow.example", "https://marlow.example@evil.example",
               "https://evil.example\\@marlow.example"],
)  # fmt: skip
def test_other_sites_are_not_heard(origin):
    answer = tell(uuid.uuid4(), seen(), headers={"Origin": origin})
    assert answer.status_code == 400 and "Access-Control-Allow-Origin" not in answer
    assert not Visitor.objects.exists()


def test_pages_of_other_domains_are_not_kept():
    tell(
        uuid.uuid4(),
        seen(url="https://evil.example/"),
        seen(url="javascript:alert(1)"),
        seen(url="https://["),
        seen(url=""),
    )
    assert not PageView.objects.exists() and not Visitor.objects.exists()


GOOD = {"visitor": "6f1c2a34-5b6d-4e7f-8a90-b1c2d3e4f506", "views": []}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"[]", b"null", b"1", b'"x"', b"[" * 10_000, b'{"a":' * 3000, b"\xff\xfe", b'{"visitor": "x", "views": []}',
        b'{"visitor": "\\u0000", "views": []}', json.dumps(GOOD | {"views": {}}).encode(),
        json.dumps(GOOD | {"person": 1}).encode(), json.dumps(GOOD | {"visitor": None}).encode(),
        json.dumps(GOOD | {"visitor": [1]}).encode(), json.dumps(GOOD | {"views": [1]}).encode(),
        json.dumps(GOOD | {"views": [seen(ago="1")]}).encode(), json.dumps(GOOD | {"views": [seen(ago=True)]}).encode(),
        json.dumps(GOOD | {"views": [seen(title=[])]}).encode(), json.dumps(GOOD | {"views": [seen(key="x")]}).encode(),
        json.dumps(GOOD | {"views": [seen(extra=1)]}).encode(), json.dumps(GOOD | {"views": [seen()] * 21}).encode(),
        json.dumps(GOOD | {"views": [seen(title="a\x00b")]}).encode(), b'{"visitor": "x", "views": [{"ago": 1e999}]}',
        b'{"visitor": "x", "views": [{"ago": NaN}]}',
    ],
)  # fmt: skip
def test_what_no_snippet_of_ours_says_is_refused(body):
    answer = Client().post("/t/v", body, content_type="text/plain", headers={"Origin": ORIGIN, "User-Agent": FIREFOX})
    assert answer.status_code == 400 and not PageView.objects.exists() and not Visitor.objects.exists()


def test_too_much_at_once_and_too_often_is_refused():
    browser = uuid.uuid4()
    assert tell(browser, seen(title="x" * 20_000)).status_code == 413
    statuses = [tell(browser).status_code for _n in range(122)]
    assert statuses.count(429) >= 1 and set(statuses) <= {204, 429}


def test_long_words_are_cut_and_odd_times_are_brought_within_a_day():
    browser, now = uuid.uuid4(), timezone.now()
    tell(browser, seen("/" + "p" * 3000, title="t" * 3000, ago=-5000), seen("/old", ago=10**15))
    new, old = PageView.objects.order_by("-occurred_at")
    assert (len(new.page), len(new.title)) == (500, 200)
    assert now - timedelta(seconds=1) <= new.occurred_at <= timezone.now()
    assert timedelta(hours=23) < now - old.occurred_at < timedelta(hours=25)


def test_it_is_told_by_post_alone():
    assert Client().get("/t/v", headers={"Origin": ORIGIN}).status_code == 405


# ---- the links of letters ----


def followed(client, message, **headers):
    told = {"User-Agent": FIREFOX, "Accept-Language": "en"} | headers
    return client.get(tracking.Addresses(message.pk, "").click(0), headers=told).url


def letter(someone, link="https://www.marlow.example/news?id=7"):
    step = making.steps(making.launched(making.simple(f"Nurture {someone.pk}")))[0]
    return making.sent(someone, step, at=timezone.now() - timedelta(hours=1), links=[link])


def test_who_follows_the_link_of_a_letter_to_our_site_is_known_there(client):
    browser, ada = uuid.uuid4(), person(email="ada@example.com")
    tell(browser, seen("/before"))
    url = followed(client, letter(ada))
    asked = parse_qs(urlsplit(url).query)
    assert asked["id"] == ["7"]
    tell(browser, seen("/news"), known=asked["perennial"][0])
    assert sorted(paths(ada)) == ["/before", "/news"]
    assert "perennial" not in json.dumps(Activity.objects.filter(kind__slug="page_viewed").latest("pk").properties)


def test_elsewhere_and_for_machines_a_link_says_nothing_of_who_follows_it(client):
    ada = person(email="ada@example.com")
    assert "perennial=" not in followed(client, letter(ada, "https://other.example/"))
    for address in ("https://other.example\\@marlow.example/", "https://marlow.example@other.example/", "https://["):
        assert visitors.carrying(address, ada.pk, now=timezone.now()) == address
    assert "perennial=" not in followed(
        client, letter(person(email="b@example.com")), **{"User-Agent": "Googlebot/2.1"}
    )


def test_the_word_of_a_letter_is_worth_nothing_after_an_hour_forged_erased_or_told_by_a_machine():
    ada, browser, now = person(email="ada@example.com"), uuid.uuid4(), timezone.now()
    old = parse_qs(urlsplit(visitors.carrying(ORIGIN, ada.pk, now=now - timedelta(hours=2))).query)["perennial"][0]
    good = parse_qs(urlsplit(visitors.carrying(ORIGIN, ada.pk, now=now)).query)["perennial"][0]
    for token in (old, good[:-1] + "~", "x", "", "\u2603", str(ada.pk), [good], None):
        assert tell(browser, seen(), known=token).status_code == 204
    tell(browser, seen(), known=good, headers={"User-Agent": "Googlebot/2.1"})
    assert not Visitor.objects.exclude(person=None).exists()
    erasure.erase(ada, by=None, now=now)
    tell(browser, seen(), known=good)
    assert not Visitor.objects.exclude(person=None).exists()


# ---- keeping house ----


def test_strangers_are_forgotten_after_the_days_that_are_set_and_the_known_are_not():
    stranger, known, ada = uuid.uuid4(), uuid.uuid4(), person()
    tell(stranger, seen())
    tell(known, seen())
    visitors.become(known, ada, now=timezone.now())
    installation.put("page_views_kept_days", 7)
    visitors.forget(timezone.now() + timedelta(days=6))
    assert PageView.objects.count() == 1
    visitors.forget(timezone.now() + timedelta(days=8))
    assert not PageView.objects.exists() and Visitor.objects.get().person == ada and paths(ada) == ["/pricing"]


def test_erased_the_browser_is_a_stranger_s_again():
    browser, ada = uuid.uuid4(), person()
    visitors.become(browser, ada, now=timezone.now())
    tell(browser, seen())
    erasure.erase(ada, by=None, now=timezone.now())
    assert not Visitor.objects.exists() and Activity.objects.get(person=ada).properties == {}
    tell(browser, seen())
    assert Visitor.objects.get().person is None and PageView.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_become_known_in_one_browser_at_the_same_moment_are_two_visitors():
    browser, people = uuid.uuid4(), [person() for _n in range(4)]
    tell(browser, seen())

    def become(each):
        try:
            visitors.become(browser, each, now=timezone.now())
        finally:
            connection.close()

    threads = [threading.Thread(target=become, args=(each,)) for each in people]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Visitor.objects.filter(ended_at=None).count() == 1 and Visitor.objects.count() == 4
    assert Activity.objects.count() == 1


# ---- the page ----


def test_domains_are_named_on_a_page_with_the_snippet_and_the_trail_knows(admin_client):
    installation.put("site_domains", [])
    page = admin_client.get("/web-sites/").content.decode()
    assert "/static/js/site.js" in page and "Name a domain first" in page
    answer = admin_client.post("/web-sites/", {"domains": "Marlow.example\nmünchen.example", "days": 14})
    assert answer.status_code == 302
    assert installation.get("site_domains") == ["marlow.example", "xn--mnchen-3ya.example"]
    assert AuditEntry.objects.get(action="site.change").after["page_views_kept_days"] == 14
    for bad in ({"domains": "no domain", "days": 14}, {"domains": "", "days": 0}, {"domains": "", "days": "9" * 5000}):
        assert admin_client.post("/web-sites/", bad).status_code == 400


def test_the_snippet_is_small_and_of_one_file():
    from django.conf import settings

    text = (settings.BASE_DIR / "static/js/site.js").read_bytes()
    assert len(text) < 3000 and b"import" not in text
