"""Deals by hand: opened, moved on, won, lost with a reason, opened again; seen by conditions as they then were."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.commerce import deals
from audience.conditions import compile, tree
from audience.models import Deal, DealStageChange
from audience.subjects.people import BadValue
from kit.models import AuditEntry, User
from kit.sql import rows
from tests.factories import NOW, account, days_ago, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def opened(**values):
    firm = account(name="Acme")
    values = {"name": "Fleet", "amount": 100_000, "currency": "EUR", "stage": "Offer"} | values
    return deals.open(values, account=firm, source="by hand", by=None, now=days_ago(10))


def steps(deal):
    found = DealStageChange.objects.filter(deal=deal).order_by("occurred_at", "pk")
    return [(each.from_status, each.to_status, each.from_stage, each.to_stage) for each in found]


def won(at):
    asked = {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1}
    return len(rows(compile.members(tree.parse(asked, of="account"), of="account", at=at)))


def test_a_deal_is_moved_on_won_and_opened_again_with_a_row_for_each_change():
    deal = opened()
    assert deals.change(deal, {"stage": "Talks", "amount": 90_000}, at=days_ago(8), by=None, now=days_ago(8))
    assert deals.change(deal, {"status": "won", "reason": "Best service"}, at=days_ago(6), by=None, now=days_ago(5))
    assert (deal.closed_at, deal.reason) == (days_ago(6), "Best service")
    assert deals.change(deal, {"status": "open"}, at=days_ago(2), by=None, now=days_ago(2))
    assert (deal.closed_at, deal.reason) == (None, "")
    assert not deals.change(deal, {"status": "open"}, at=NOW, by=None, now=NOW)
    assert steps(deal) == [
        ("open", "open", "Offer", "Talks"), ("open", "won", "Talks", "Talks"), ("won", "open", "Talks", "Talks"),
    ]  # fmt: skip
    assert [won(days_ago(day)) for day in (7, 4, 1)] == [0, 1, 0]
    assert AuditEntry.objects.filter(action="deal.change").count() == 3


@pytest.mark.parametrize(
    ("values", "at", "field"),
    [
        ({"status": "lost"}, days_ago(1), "reason"),
        ({"status": "gone"}, days_ago(1), "status"),
        ({"status": "won"}, NOW + timedelta(days=1), "closed_on"),
        ({"status": "won"}, days_ago(20), "closed_on"),
        ({"name": "x" * 301}, days_ago(1), "name"),
        ({"colour": "red"}, days_ago(1), "colour"),
    ],
)
def test_what_cannot_be_is_told_by_its_field_and_changes_nothing(values, at, field):
    deal = opened()
    with pytest.raises(BadValue) as bad:
        deals.change(deal, values, at=at, by=None, now=NOW)
    assert bad.value.field == field
    deal.refresh_from_db()
    assert (deal.status, steps(deal)) == ("open", [])
    with pytest.raises(BadValue):
        deals.open({"name": "Nobody's"}, account=None, source="t", by=None, now=NOW)


# ---- pages ----


def form(client, url):
    shown = client.get(url).context["form"]
    return {b.html_name: "" if b.value() is None else b.field.prepare_value(b.value()) for b in shown}


def test_a_deal_is_opened_from_a_persons_page_with_their_role_and_account(client, ada):
    acme = account(name="Acme")
    zoe = person(first_name="Zoë", account=acme)
    url = reverse("person_deal", args=[zoe.pk])
    told = {
        "name": "<b>Fleet</b>",
        "amount": "1234.50",
        "currency": "eur",
        "status": "open",
        "role": "buyer",
        "stage": "Offer",
    }
    assert client.post(url, told).url == zoe.get_absolute_url()
    made = Deal.objects.get()
    assert (made.amount, made.currency, made.account, made.source) == (123450, "EUR", acme, "by hand")
    for page in (zoe, acme):
        content = client.get(page.get_absolute_url()).content.decode()
        assert "&lt;b&gt;Fleet&lt;/b&gt;" in content and reverse("deal", args=[made.pk]) in content
    assert client.post(url, {"name": "", "amount": "much", "currency": "€"}).status_code == 400


def test_a_deal_is_lost_on_its_page_on_an_earlier_day_with_a_reason(client, ada):
    deal = opened()
    url = reverse("deal_edit", args=[deal.pk])
    data = form(client, url)
    assert "Say why it was lost" in client.post(url, data | {"status": "lost"}).content.decode()
    day = timezone.localdate() - timedelta(days=2)
    answer = client.post(url, data | {"status": "lost", "reason": "Too dear", "closed_on": day.isoformat()})
    assert answer.status_code == 302
    deal.refresh_from_db()
    assert (deal.status, timezone.localdate(deal.closed_at), deal.reason) == ("lost", day, "Too dear")
    assert client.get(url).context["form"]["closed_on"].value() == day
    assert client.post(url, form(client, url) | {"name": "Fleet 2"}).status_code == 302
    assert len(steps(deal)) == 1, "another name is no step"


def test_of_two_who_change_a_deal_the_second_is_told_what_the_first_did(client, ada):
    deal = opened()
    url = reverse("deal_edit", args=[deal.pk])
    mine, theirs = form(client, url), form(client, url)
    client.post(url, theirs | {"stage": "Talks"})
    answer = client.post(url, mine | {"stage": "Pilot"})
    assert answer.status_code == 400 and "stage “Talks”" in answer.content.decode()
    again = dict(answer.context["form"].data.items())
    assert again["stage"] == "Pilot"
    assert client.post(url, again).status_code == 302
    deal.refresh_from_db()
    assert deal.stage == "Pilot" and len(steps(deal)) == 2
