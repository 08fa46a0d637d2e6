"""What happened, in one order: every source, every place to go on from, what is left out by a filter."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience.activity import timeline
from audience.activity.timeline import Cursor, Wanted
from audience.models import Activity, ActivityKind, Case, DealRole
from kit.models import User
from tests.factories import NOW, account, activity, days_ago, deal, person, purchase

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client):
    client.force_login(User.objects.create_user("ada@example.com", "secret", zone="UTC"))
    return client


def titles(subject, wanted=None, **given):
    return [item.title for item in timeline.page(subject, wanted or Wanted(), **given).items]


def case(subject, opened, closed=None, **values):
    return Case.objects.create(
        person=subject, title="Broken", opened_at=opened, closed_at=closed, source="t", external_id=str(opened),
        recorded_at=NOW, **values,
    )  # fmt: skip


def test_activities_deals_purchases_and_cases_stand_in_one_order_the_newest_first():
    ada = person()
    activity(ada, days_ago(9), kind="page_visited")
    deal(ada, days_ago(8), days_ago(2), name="Big")
    purchase(ada, days_ago(5))
    case(ada, days_ago(4), days_ago(3))
    assert titles(ada) == [
        "Deal “Big” won",
        "Service case closed: Broken",
        "Service case opened: Broken",
        "Bought (empty)",
        "Deal “Big” opened",
        "Page visited",
    ]


def test_what_is_another_persons_is_not_told():
    ada, bob = person(), person()
    activity(bob, days_ago(9))
    deal(bob, days_ago(8))
    purchase(bob, days_ago(7))
    case(bob, days_ago(6))
    assert titles(ada) == []


def test_an_item_tells_channel_platform_direction_value_source_and_properties():
    ada = person()
    activity(
        ada, days_ago(1), kind="webinar_attended", channel="webinar", platform="mobile", source="zoom", value="2.50",
        properties={"topic": "Onboarding", "empty": "", "tags": ["a", "b"], "live": True},
    )  # fmt: skip
    (item,) = timeline.page(ada, Wanted()).items
    assert item.facts == ["Webinar", "Mobile", "inbound", "value 2.5"]
    assert sorted(item.details) == [("Live", "yes"), ("Tags", "a, b"), ("Topic", "Onboarding")]
    assert (item.source, item.at, item.title, item.person) == ("zoom", days_ago(1), "Webinar attended", None)


def test_the_channel_of_the_kind_stands_in_for_a_missing_one():
    ada = person()
    ActivityKind.objects.create(slug="mail_open", label="Opened a mail", channel="email")
    activity(ada, days_ago(1), kind="mail_open")
    assert timeline.page(ada, Wanted(channel="email")).items[0].facts[0] == "Email"
    assert timeline.choices(ada).channels == ["email"]


def test_what_was_taken_back_is_marked_and_its_reversal_is_not_told_apart():
    ada = person()
    wrong = activity(ada, days_ago(3))
    activity(ada, days_ago(1), reversal_of=wrong)
    (item,) = timeline.page(ada, Wanted()).items
    assert item.badges == (("taken back", "warn"),)


def test_a_scanners_click_is_marked():
    ada = person()
    activity(ada, days_ago(3), actor=Activity.Actor.BOT)
    assert timeline.page(ada, Wanted()).items[0].badges == (("bot", ""),)


def test_an_account_tells_its_own_and_its_peoples_but_not_what_they_did_for_another_account():
    acme, other = account(), account()
    mia = person(first_name="Mia", account=acme)
    activity(acme, days_ago(1), kind="own")
    activity(mia, days_ago(2), kind="unbound")
    activity(mia, days_ago(3), kind="for_acme", account=acme)
    activity(mia, days_ago(4), kind="for_other", account=other)
    purchase(mia, days_ago(5))
    case(mia, days_ago(6))
    deal(acme, days_ago(7), name="D")
    shown = timeline.page(acme, Wanted()).items
    assert [item.title for item in shown] == [
        "Own",
        "Unbound",
        "For acme",
        "Bought (empty)",
        "Service case opened: Broken",
        "Deal “D” opened",
    ]
    assert [item.person for item in shown] == [None, mia, mia, mia, mia, None]
    assert titles(other) == ["For other"]
    assert [slug for slug, _name in timeline.choices(acme).kinds][:3] == ["for_acme", "own", "unbound"]


def test_a_deal_is_told_once_to_a_person_with_two_roles_on_it():
    ada = person()
    made = deal(ada, days_ago(8))
    DealRole.objects.create(deal=made, person=ada, role="champion")
    assert len(titles(ada)) == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted("page_visited"), ["Page visited"]),
        (Wanted("~deals"), ["Deal “Big” won", "Deal “Big” opened"]),
        (Wanted("~purchases"), ["Bought (empty)"]),
        (Wanted("~cases"), ["Service case opened: Broken"]),
        (Wanted(channel="web"), ["Page visited"]),
        (Wanted("call", "web"), []),
        (Wanted("~deals", "web"), []),
        (Wanted("nothing"), []),
    ],
)
def test_a_filter_leaves_only_what_is_wanted(wanted, found):
    ada = person()
    activity(ada, days_ago(9), kind="page_visited", channel="web")
    activity(ada, days_ago(9), kind="call", channel="phone")
    deal(ada, days_ago(8), days_ago(2), name="Big")
    purchase(ada, days_ago(5))
    case(ada, days_ago(4))
    assert titles(ada, wanted) == found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.integers(0, 3), max_size=12), size=st.integers(1, 5))
def test_going_on_page_by_page_tells_everything_once_in_the_same_order(days, size):
    acme = account()
    ada = person(account=acme)
    for number, day in enumerate(days):  # many at one instant, in every source
        at = days_ago(day)
        (activity, purchase, deal)[number % 3](ada, at)
    for subject in (ada, acme):
        whole = timeline.page(subject, Wanted(), size=100)
        pages, before = [], None
        while True:
            page = timeline.page(subject, Wanted(), before, size)
            pages += page.items
            before = page.older
            assert len(page.items) <= size
            if before is None:
                break
        assert pages == whole.items
        assert [item.at for item in pages] == sorted((item.at for item in pages), reverse=True)


def test_a_place_survives_the_address_to_the_microsecond():
    place = Cursor(NOW + timedelta(microseconds=1), 3, 42)
    assert Cursor.read(str(place)) == place
    assert Cursor.read(str(Cursor(NOW - timedelta(days=365 * 80), 0, 1))).pk == 1
    for text in ("", "x", "1.2", "1.9.3", "1.2.3.4", "9" * 40 + ".1.1", "999999999999999999.1.1", "1.1.1\x00"):
        assert Cursor.read(text) is None


# ---- in the browser ----


def test_older_items_come_by_a_link_that_works_with_and_without_scripts(browser):
    ada = person(first_name="Ada")
    for number in range(60):
        activity(ada, days_ago(number), kind=f"kind_{number}")
    first = browser.get(reverse("person", args=[ada.pk]))
    older = first.context["timeline_older"]
    assert older in first.content.decode().replace("&amp;", "&")
    whole = browser.get(older).content.decode()
    assert "<html" in whole
    assert 'title">Kind 25<' in whole
    assert 'title">Kind 24<' not in whole
    part = browser.get(older, headers={"HX-Request": "true", "HX-Target": "timeline-older"}).content.decode()
    assert "<html" not in part
    assert part.count('class="timeline__item"') == 25
    assert 'id="timeline-older"' in part
    last = browser.get(browser.get(older).context["timeline_older"])
    assert last.context["timeline_older"] == ""
    assert "Kind 59" in last.content.decode()


def test_a_filter_gives_the_part_or_the_page_and_remembers_itself(browser):
    ada = person(first_name="Ada")
    for number in range(30):
        activity(ada, days_ago(number), kind="call", channel="phone")
    activity(ada, days_ago(1), kind="page_visited", channel="web")
    url = reverse("person_timeline", args=[ada.pk])
    part = browser.get(url, {"kind": "call"}, headers={"HX-Request": "true", "HX-Target": "timeline"})
    content = part.content.decode()
    assert '<option value="call" selected>Call</option>' in content
    assert content.count('class="timeline__item"') == 25
    assert "kind=call" in part.context["timeline_older"]
    page = browser.get(url, {"channel": "web"}).content.decode()
    assert page.count('class="timeline__item"') == 1
    assert '<option value="web" selected>' in page


@pytest.mark.parametrize("query", ["?before=x", "?kind=%00", "?kind=nothing", "?channel=%00", "?before=9.9.9&kind=~x"])
def test_what_makes_no_sense_is_left_out_and_never_an_error(browser, query):
    ada = person(first_name="Ada")
    activity(ada, days_ago(1))
    response = browser.get(reverse("person_timeline", args=[ada.pk]) + query)
    assert response.status_code == 200
    assert "Page visited" in response.content.decode()


def test_a_timeline_of_nothing_says_what_will_come(browser):
    content = browser.get(reverse("person", args=[person().pk])).content.decode()
    assert "Nothing has happened yet" in content


def test_a_page_takes_two_queries_wherever_it_begins(django_assert_num_queries):
    someone = person()
    for number in range(60):
        activity(someone, days_ago(number))
    cursor = None
    for size in (25, 25, 10):
        with django_assert_num_queries(2):  # which come next; what they are
            page = timeline.page(someone, timeline.Wanted(), cursor)
        assert len(page.items) == size
        cursor = page.older
    assert cursor is None


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(kind="page_visited"), Wanted(channel="web")])
def test_a_page_walks_along_somebodys_own_index_and_unfiltered_no_further_than_it_needs(wanted):
    someone, other = person(), person()
    kind = activity(someone, days_ago(1), kind="page_visited").kind
    Activity.objects.bulk_create(
        Activity(
            person=other if number % 20 else someone, kind=kind, channel="web", source="t", external_id=f"long {number}",
            occurred_at=days_ago(2) - timedelta(minutes=number), recorded_at=NOW,
        )
        for number in range(2000)
    )  # fmt: skip
    with connection.cursor() as cursor:  # so small a table is read whole, and sorted, unless it is forbidden
        cursor.execute("ANALYZE audience_activity; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    for before in (None, Cursor(days_ago(2) - timedelta(minutes=500), 0, 1)):
        with CaptureQueriesContext(connection) as asked:
            timeline.page(someone, wanted, before)
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, TIMING off, COSTS off) " + asked[0]["sql"])
            plan = "\n".join(line for (line,) in cursor)
        read = re.search(r"using activity_of_person on audience_activity \(actual rows=(\d+)", plan)
        assert read and (wanted.is_narrowed or int(read[1]) < 2 * timeline.SIZE), plan
