"""The customers' book against customers counted by hand: page, filters, order, file, figures, API, and who sees whom."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience import live
from audience.models import Case, Contract
from integrations import keys
from kit import installation
from kit.models import Team, User
from kit.pages import Position
from reporting import book
from tests import factories
from tests.reporting.commerce import amended, contract, firm
from tests.reporting.test_pages import exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

RENEWAL = """
lifecycle: renewal
name: Renewal
species: customer
of: account
entry: {field: account.country, op: is, value: DE}
stages:
  - {slug: coming, name: Coming up}
  - {slug: at_risk, name: At risk, path: detour}
transitions:
  - {from: coming, to: at_risk, when: {field: account.city, op: is, value: Bonn}}
"""


@pytest.fixture
def today(settings):
    installation.put("zone", "UTC")
    installation.put("currency", "EUR")
    settings.TIME_ZONE = "UTC"
    return timezone.localdate()


def customers(today):
    """Seven customers and some who are none; values in euros a year, days from today."""

    def on(days):
        return today + timedelta(days=days)

    ada, bob = (
        User.objects.create_user(f"{name.lower()}@example.com", "x", name=name, role="sales", team=team)
        for name, team in (("Ada", Team.objects.create(name="North")), ("Bob", Team.objects.create(name="South")))
    )
    firms = {
        "Soon": firm("Soon", owner=ada, country="DE"), "Later": firm("Later", owner=ada),
        "Passed": firm("Passed", owner=bob), "Leaves": firm("Leaves", owner=bob),
        "Alone": firm("Alone", country="DE", city="Bonn"), "Endless": firm("Endless"), "By one": firm("By one"),
    }  # fmt: skip
    contract(firms["Soon"], on(-300), 1000, renews_on=on(20), notice_on=on(5))
    contract(firms["Soon"], on(-100), 500, renews_on=on(265), auto_renew=True)
    amended(contract(firms["Later"], on(-200), 700, renews_on=on(80), notice_on=on(14)), on(-10), 900)
    contract(firms["Passed"], on(-400), 300, renews_on=on(-12))
    contract(firms["Leaves"], on(-400), 200, on(45), renews_on=on(45))
    # Renewed by itself a while ago: what was told of it is over, its next term is not.
    contract(firms["Alone"], on(-800), 100, renews_on=on(50) - timedelta(days=730), auto_renew=True)
    contract(firms["Endless"], on(-10), None)
    contract(factories.person(account=firms["By one"], first_name="Zoe"), on(-10), 50, renews_on=on(355))
    contract(firm("Gone"), on(-400), 5000, today)
    contract(firm("To come"), on(1), 5000, renews_on=on(20))
    contract(firm("A test", is_excluded=True), on(-10), 5000, renews_on=on(20))
    now = timezone.now()
    told = {"source": "tests", "recorded_at": now}
    for number, (whose, days, closed) in enumerate((("Soon", 8, None), ("Soon", 1, None), ("Later", 6, None),
                                                    ("Alone", 30, now))):  # fmt: skip
        Case.objects.create(account=firms[whose], title=f"Case {number}", external_id=str(number), closed_at=closed,
                            opened_at=now - timedelta(days=days), **told)  # fmt: skip
    return firms, ada, bob


def listed(response):
    """The names in the list of the page, in their order."""
    found = re.findall(r'<a class="table__main break" href="[^"]+">([^<]+)</a>', response.content.decode())
    return [html.unescape(each) for each in found]


ALL = ["Passed", "Soon", "Leaves", "Alone", "Later", "By one", "Endless"]


def test_the_book_has_who_has_a_contract_in_force_and_whose_term_ends_first_comes_first(visitor, today):  # noqa: F811
    customers(today)
    told = page(visitor, "report_book")
    words = text(told)
    assert listed(told) == ALL
    assert (
        "passed 12 days ago" in words and "20 days left" in words and "1,500.00 EUR" in words and "900.00 EUR" in words
    )
    assert listed(page(visitor, "report_book", sort="-due_on")) == [*ALL[-2::-1], "Endless"]
    by_value = ["Soon", "Later", "Passed", "Leaves", "Alone", "By one", "Endless"]
    assert listed(page(visitor, "report_book", sort="-value")) == by_value
    assert listed(page(visitor, "report_book", sort="value")) == by_value[::-1]
    assert listed(page(visitor, "report_book", sort="notice_on"))[:2] == ["Soon", "Later"]
    assert listed(page(visitor, "report_book", sort="name"))[:2] == ["Alone", "By one"]


@pytest.mark.parametrize(("asked", "names"), [
    ({"due": "30"}, {"Soon"}), ({"due": "60"}, {"Soon", "Leaves", "Alone"}),
    ({"due": "90"}, {"Soon", "Leaves", "Alone", "Later"}), ({"signal": "passed"}, {"Passed"}),
    ({"signal": "ending"}, {"Leaves"}), ({"signal": "notice"}, {"Soon"}), ({"signal": "case"}, {"Soon"}),
    ({"owner": "(empty)"}, {"Alone", "Endless", "By one"}), ({"q": "soo"}, {"Soon"}),
    ({"stage": "renewal:coming"}, {"Soon"}), ({"stage": "renewal:at_risk"}, {"Alone"}),
])  # fmt: skip
def test_it_is_narrowed(visitor, today, asked, names):  # noqa: F811
    customers(today)
    version = factories.published(RENEWAL, timezone.now())
    live.run_all(timezone.now() + timedelta(minutes=1))
    assert version.membership_set.count() == 2
    assert set(listed(page(visitor, "report_book", **asked))) == names
    team = str(Team.objects.get(name="South").pk)
    assert set(listed(page(visitor, "report_book", team=team))) == {"Passed", "Leaves"}
    words = text(page(visitor, "report_book", **asked))
    assert "left out" not in words


def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor, today):  # noqa: F811
    customers(today)
    content = page(visitor, "report_book").content.decode()
    tiles = re.findall(r'<a class="stat__value" href="([^"]+)" data-metric="book.figure">(\d+)</a>', content)
    assert [int(count) for _url, count in tiles] == [7, 1, 3, 4, 1, 1, 1, 1]
    owned = re.findall(r'<a class="table__figure" href="([^"]+)" data-metric="book.owned">(\d+)</a>', content)
    assert len(owned) == 3 * 6
    rows = re.findall(r'href="([^"]+)" data-metric="book.(?:contracts|cases)" data-count="(\d+)"', content)
    assert len(rows) == 7 + 2
    for url, count in [*tiles, *owned, *rows]:
        behind = visitor.get(html.unescape(url)).content.decode()
        found = re.search(r'data-metric="list.total">\s*(\d+)', behind)
        assert found and found[1] == count, url
        assert "left out" not in text(visitor.get(html.unescape(url)))


def test_the_sums_are_those_counted_by_hand(today):
    _firms, ada, bob = customers(today)
    now = timezone.now()
    sums = book.sums(User.objects.create_user("m@example.com", "x", role="admin"), now)
    assert (sums.all.customers, sums.all.value) == (7, 100 * (1500 + 900 + 300 + 200 + 100 + 50))
    assert {days: (each.customers, each.value // 100) for days, each in sums.within.items()} == {
        30: (1, 1000), 60: (3, 1000 + 200 + 100), 90: (4, 1000 + 200 + 100 + 900),
    }  # fmt: skip
    assert {name.value: each.value // 100 for name, each in sums.signals.items()} == {
        "passed": 300, "ending": 200, "notice": 1500, "case": 1500,
    }  # fmt: skip
    assert [(each.name, each.all.customers, each.all.value // 100) for each in sums.owners] == [
        ("Ada", 2, 2400), ("Bob", 2, 500), ("", 3, 150),
    ]  # fmt: skip
    own = book.sums(ada, now)
    assert (own.all.customers, [each.name for each in own.owners]) == (2, ["Ada"])


def test_an_amount_in_another_currency_is_told_apart_until_there_is_a_rate(visitor, today):  # noqa: F811
    contract(firm("Abroad"), today - timedelta(days=10), 400, currency="USD", renews_on=today + timedelta(days=9))
    words = text(page(visitor, "report_book"))
    assert "1 contract is in a currency without an exchange rate" in words and "0.00 EUR" in words


def test_salespeople_see_their_own(client, today):
    _firms, ada, _bob = customers(today)
    client.force_login(ada)
    told = page(client, "report_book")
    assert listed(told) == ["Soon", "Later"] and "2 of 7" in text(told)
    assert "Passed" not in listed(page(client, "report_book", signal="passed"))


def test_pages_go_on_where_they_ended_both_ways(today):
    customers(today)
    now = timezone.now()
    found = book.customers(now)
    for sort in ("due_on", "-due_on", "value", "-value", "notice_on", "-notice_on", "name"):
        whole = [row.pk for row in book.page(found, sort=sort, size=50, now=now).rows]
        assert whole == [row.pk for row in book.ordered(found, sort, now)]
        seen, after = [], None
        while True:
            part = book.page(found, sort=sort, size=2, after=after, now=now)
            seen += [row.pk for row in part.rows]
            assert isinstance(part.before, Position) is (after is not None)
            if part.before and len(seen) == 4:
                back = book.page(found, sort=sort, size=2, before=part.before, now=now)
                assert [row.pk for row in back.rows] == whole[:2]
            if part.after is None:
                break
            after = Position.read(part.after.signed(sort), sort)
        assert seen == whole, sort


def test_the_page_goes_on_behind_its_fifty_rows(visitor, today):  # noqa: F811
    for number in range(53):
        contract(firm(f"Firm {number:02}"), today - timedelta(days=9), 10, renews_on=today + timedelta(days=9 + number))
    told = page(visitor, "report_book")
    onward = re.findall(r'href="([^"]+after=[^"]+)"', told.content.decode())[0]
    assert listed(told)[0] == "Firm 00" and len(listed(told)) == 50
    assert listed(visitor.get(html.unescape(onward))) == ["Firm 50", "Firm 51", "Firm 52"]


def test_the_file_has_the_list_in_its_order(visitor, today):  # noqa: F811
    customers(today)
    heads, *rows = exported(page(visitor, "report_book", export="csv"))
    assert heads[:5] == ["Id", "Customer", "Owner", "Contracts in force", "A year"]
    assert [row[1] for row in rows] == ALL
    assert rows[1][2:9] == ["ada@example.com", "2", "1500.00", "EUR", str(today + timedelta(days=20)), "20", "false"]
    assert rows[1][-1] == "Notice date near; Case open for a week"


def test_the_number_of_statements_does_not_grow_with_the_customers(visitor, today, django_assert_num_queries):  # noqa: F811
    customers(today)
    factories.published(RENEWAL, timezone.now())
    live.run_all(timezone.now() + timedelta(minutes=1))
    page(visitor, "report_book")
    with django_assert_num_queries(28):
        page(visitor, "report_book")
    for number in range(30):
        contract(firm(f"Another {number}"), today - timedelta(days=9), 10, renews_on=today + timedelta(days=number))
    with django_assert_num_queries(28):
        page(visitor, "report_book")


def test_the_api_lists_the_same(client, today):
    firms, ada, _bob = customers(today)
    factories.published(RENEWAL, timezone.now())
    live.run_all(timezone.now() + timedelta(minutes=1))

    def asked(user, **more):
        _key, secret = keys.make("Test", keys.all_scopes(), user=user, by=None, now=timezone.now())
        answer = client.get("/api/v1/reports/book/", more, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]

    whole = User.objects.create_user("m@example.com", "x", role="admin")
    rows = {row["name"]: row for row in asked(whole)}
    assert set(rows) == set(ALL)
    soon = rows["Soon"]
    assert soon | {"stages": []} == soon | {
        "account": firms["Soon"].pk, "owner": "ada@example.com", "contracts": 2, "annual_value": 150000,
        "currency": "EUR", "untold": 0, "term_ends_on": str(today + timedelta(days=20)), "days_left": 20,
        "renews_by_itself": False, "notice_on": str(today + timedelta(days=5)), "renewal_passed_on": None,
        "ends_on": None, "open_cases": 2, "scores": [], "signals": ["notice", "case"], "stages": [],
    }  # fmt: skip
    assert [(each["lifecycle"], each["stage"], each["is_detour"]) for each in rows["Alone"]["stages"]] == [
        ("renewal", "at_risk", True)
    ]
    for more, names in (
        ({"owner": "ADA@example.com"}, {"Soon", "Later"}), ({"team": "South"}, {"Passed", "Leaves"}),
        ({"due_within": "30"}, {"Soon"}), ({"signal": "passed"}, {"Passed"}), ({"lifecycle": "renewal"}, {"Soon", "Alone"}),
        ({"stage": "renewal:at_risk"}, {"Alone"}), ({"account": firms["Later"].pk}, {"Later"}),
    ):  # fmt: skip
        assert {row["name"] for row in asked(whole, **more)} == names, more
    assert {row["name"] for row in asked(ada)} == {"Soon", "Later"}


def test_contracts_and_cases_of_a_customer_are_those_of_its_people_too(visitor, today):  # noqa: F811
    firms, _ada, _bob = customers(today)
    whose = firms["By one"].pk
    for name, asked in (("contracts", {"state": "in_force"}), ("cases", {})):
        assert visitor.get(reverse(name), {"customer": whose, **asked}).status_code == 200
    found = visitor.get(reverse("contracts"), {"customer": whose, "state": "in_force"}).content.decode()
    assert "1 contract" in found and Contract.objects.count() == 11
