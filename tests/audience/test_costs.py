"""Costs: written down per period, corrected, warned of when told twice, and spread over months to the last cent."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

from audience.activity import channels
from audience.commerce import costs
from audience.models import Cost
from kit.models import AuditEntry, User
from tests.asking import Api
from tests.audience.importing.bringing import bring, counts
from tests.factories import NOW

pytestmark = pytest.mark.django_db
SPRING = {"channel": "paid_search", "starts_on": date(2025, 3, 1), "ends_on": date(2025, 6, 1), "amount": 92_01,
          "currency": "EUR"}  # fmt: skip


@pytest.fixture
def ada(client):
    channels.ensure_defaults(NOW)
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def add(**more):
    return costs.add(SPRING | more, by=None, now=NOW)


def test_a_cost_is_written_down_corrected_and_removed(client, ada):
    told = {"channel": "paid_search", "campaign": "", "starts_on": "2025-03-01", "last_on": "2025-03-31",
            "amount": "1200.50", "currency": "eur"}  # fmt: skip
    page = client.post(reverse("cost_new"), told, follow=True).content.decode()
    found = Cost.objects.get()
    assert "It is written down." in page and "Paid search" in page
    assert (found.amount, found.currency, found.ends_on) == (120050, "EUR", date(2025, 4, 1))
    page = client.post(reverse("cost_edit", args=[found.pk]), told | {"amount": "1100"}, follow=True).content.decode()
    assert "Corrected." in page
    entry = AuditEntry.objects.get(action="cost.correct")
    assert (entry.before["amount"], entry.after["amount"]) == (120050, 110000)
    client.post(reverse("cost_remove", args=[found.pk]))
    assert not Cost.objects.exists() and AuditEntry.objects.filter(action="cost.remove").count() == 1


def test_a_channel_of_a_file_is_the_one_that_its_spelling_means_however_often_it_is_brought(client, ada):
    text = (
        "cost id,channel,date,amount\n1,Paid social,2025-03-01,1\n2,cpc,2025-03-02,2\n3,E-Mail,2025-03-03,3\n"
        "4,Bought list,2025-03-04,4\n5,paid_social,2025-03-05,5\n"
    )
    bring(text, "costs")
    assert list(Cost.objects.order_by("external_id").values_list("channel", flat=True)) == [
        "paid_social", "paid_search", "email", "Bought list", "paid_social",
    ]  # fmt: skip
    page = client.get(reverse("costs_monthly") + "?year=2025").content.decode()
    assert page.count("Paid social") == 1 and ">6.00</a>" in page
    assert counts(bring(text, "costs")) == {"rows": 5, "unchanged": 5}
    assert counts(bring(text.replace("Paid social", "social ads"), "costs")) == {"rows": 5, "unchanged": 5}


def test_months_add_up_to_what_was_written_down_and_open_their_rows(client, ada):
    add()
    months = costs.monthly(date(2025, 1, 1), date(2026, 1, 1))
    # 31, 30 and 31 of 92 days of 92.01
    assert [(each.month.month, each.amount) for each in months] == [(3, 3100), (4, 3001), (5, 3100)]
    add(amount=1, starts_on=date(2024, 12, 31), ends_on=date(2025, 1, 2))
    assert sum(each.amount for each in costs.monthly(date(2024, 1, 1), date(2026, 1, 1))) == 92_02
    page = client.get(reverse("costs_monthly") + "?year=2025").content.decode()
    assert ">31.00</a>" in page and "month=2025-03" in page
    rows = client.get(reverse("costs") + "?channel=paid_search&currency=EUR&month=2025-03").content.decode()
    assert "92.01" in rows and "0.01" not in rows


def test_overlapping_costs_of_one_channel_are_warned_of_and_others_are_not(client, ada):
    first = add()
    add(channel="display")
    add(campaign="Spring fair")
    add(starts_on=date(2025, 6, 1), ends_on=date(2025, 7, 1))
    assert not costs.overlaps([each.pk for each in Cost.objects.all()])
    second = add(starts_on=date(2025, 5, 31), ends_on=date(2025, 6, 1))
    assert list(costs.overlapping(second)) == [first] and costs.overlaps([first.pk, second.pk]) == {first.pk, second.pk}
    assert "Perhaps it was told twice" in client.get(reverse("cost_edit", args=[second.pk])).content.decode()
    assert client.get(reverse("costs")).content.decode().count(">overlaps<") == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"channel": ""}, "Say of which channel or which campaign."),
        ({"last_on": "2025-02-01"}, "It ends after it begins."),
        ({"currency": "XXY"}, "No currency is called so."),
        ({"amount": "1e40"}, "digits"),
        ({"starts_on": "0001-01-01"}, "Choose a year"),
        ({"channel": "nonsense"}, "nonsense"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(client, ada, given, words):
    told = {"channel": "paid_search", "starts_on": "2025-03-01", "last_on": "2025-03-31", "amount": "1",
            "currency": "EUR"}  # fmt: skip
    answer = client.post(reverse("cost_new"), told | given)
    assert answer.status_code == 400 and words in answer.content.decode() and not Cost.objects.exists()


@pytest.mark.parametrize("asked", ["?year=x", "?year=0", "?year=99999", "?year=%00", "?month=2025-13", "?month=%00"])
def test_an_address_that_makes_no_sense_is_no_error(client, ada, asked):
    assert client.get(reverse("costs_monthly") + asked).status_code == 200
    assert client.get(reverse("costs") + asked).status_code == 200


def test_over_the_api(ada):
    api = Api(ada, "deals:read", "deals:write")
    told = {name: str(value) if isinstance(value, date) else value for name, value in SPRING.items()}
    made = api.post("/costs/", told | {"channel": "Google Ads", "external_id": "K-1", "source": "ledger"}, status=201)
    api.refused("post", "/costs/", told | {"external_id": "K-1", "source": "ledger"}, 409, "already_there")
    api.refused("post", "/costs/", told | {"ends_on": "2025-03-01"}, 400, "bad_order")
    url = f"/costs/{made['id']}/"
    assert api.patch(url, {"amount": 9000})["amount"] == 9000
    months = api.get("/costs/per-month/?year=2025")["results"]
    assert [each["amount"] for each in months] == [3033, 2934, 3033]
    assert api.get("/costs/?since=2025-06-01")["results"] == []
    api.refused("get", "/costs/per-month/?year=twelve", None, 400, "invalid")
    api.ask("delete", url, None, 204)
    assert not Cost.objects.exists()
