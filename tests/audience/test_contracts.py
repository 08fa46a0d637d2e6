"""Contracts by hand: made, changed, amended, listed by what renews soon; holdings and what peers have."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audience.belonging import holdings
from audience.commerce import contracts
from audience.models import Contract, Product
from audience.subjects.people import BadValue
from kit.models import AuditEntry, User
from tests.factories import NOW, account, days_ago, person, purchase

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def product(name, family=""):
    return Product.objects.create(name=name, family=family, source="x", external_id=name, recorded_at=NOW)


def made(subject=None, **values):
    values = {"name": "Support", "starts_on": date(2025, 1, 1), "annual_value": 1000_00, "currency": "EUR"} | values
    return contracts.make(values, subject=subject or account(name="Acme"), source="x", by=None, now=NOW)


def amend(contract, day, value):
    return contracts.amend(contract, valid_from=day, annual_value=value, by=None, now=NOW)


def test_a_contract_is_worth_what_its_last_amendment_says():
    contract = made()
    amend(contract, date(2025, 3, 1), 1500_00)
    amend(contract, date(2025, 9, 1), 900_00)
    worth = {day: contracts.worth(Contract.objects.all(), day).get().value
             for day in (date(2025, 2, 28), date(2025, 3, 1), date(2025, 12, 1))}  # fmt: skip
    assert list(worth.values()) == [1000_00, 1500_00, 900_00]
    assert contracts.values_over_time(contract) == [
        (date(2025, 9, 1), 900_00, -600_00), (date(2025, 3, 1), 1500_00, 500_00), (date(2025, 1, 1), 1000_00, None),
    ]  # fmt: skip
    amend(contract, date(2025, 9, 1), None)
    assert contract.amendments.count() == 1
    for day in (date(2025, 1, 1), date(2024, 1, 1)):
        with pytest.raises(BadValue):
            amend(contract, day, 5)
    for values in ({"starts_on": date(2025, 3, 1)}, {"currency": "USD"}):
        with pytest.raises(BadValue):
            contracts.change(contract, values, by=None, now=NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"ends_on": date(2024, 12, 31)}, {"renews_on": date(2025, 1, 1)}, {"currency": ""}, {"annual_value": -1},
        {"renews_on": date(2026, 1, 1), "notice_on": date(2026, 1, 2)}, {"name": "x" * 301}, {"name": "x\x00"},
        {"annual_value": 2**63},
    ],
)  # fmt: skip
def test_contracts_that_cannot_be_are_refused(values):
    with pytest.raises(BadValue):
        made(**values)
    assert not Contract.objects.exists()


def test_what_renews_soon_is_told_by_window_with_owner_and_value(client, ada):
    today = timezone.localdate()
    firm = account(name="Acme", owner=ada)
    for days, currency in ((10, "EUR"), (45, "EUR"), (45, "USD"), (89, "EUR"), (91, "EUR")):
        made(firm, name=f"In {days}", renews_on=today + timedelta(days=days), starts_on=today - timedelta(days=300),
             currency=currency)  # fmt: skip
    made(firm, name="Left", renews_on=today + timedelta(days=5), ends_on=today + timedelta(days=5),
         starts_on=today - timedelta(days=300))  # fmt: skip
    page = client.get(reverse("contracts"))
    told = {each["days"]: (each["count"], each["sums"]) for each in page.context["windows"]}
    assert told == {
        30: (1, {"EUR": 1000_00}), 60: (3, {"EUR": 2000_00, "USD": 1000_00}), 90: (4, {"EUR": 3000_00, "USD": 1000_00}),
    }  # fmt: skip
    for each in page.context["windows"]:  # a number is a door
        assert client.get(each["url"]).context["total"].count == each["count"]
    assert "Ada" in page.content.decode()

    def found(**asked):
        return {row.name for row in client.get(reverse("contracts"), asked).context["page"].rows}

    assert len(found(owner="me")) == 5 and not found(owner="(empty)")  # “In 45” twice
    assert found(renews="30") == {"In 10"} and found(q="left") == {"Left"} and not found(auto_renew="yes")
    for name in ("q", "state", "renews", "owner", "product", "within", "auto_renew", "sort"):
        for nonsense in ("\x00", "'", "9" * 40, "-1"):
            assert client.get(reverse("contracts"), {name: nonsense}).status_code == 200, (name, nonsense)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "running"), ({"starts_on": TODAY + timedelta(days=1)}, "to_come"), ({"ends_on": TODAY}, "ended"),
        ({"ends_on": TODAY + timedelta(days=1)}, "running"), ({"renews_on": TODAY - timedelta(days=1)}, "overdue"),
        ({"renews_on": TODAY}, "running"),
        ({"renews_on": TODAY - timedelta(days=1), "ends_on": TODAY + timedelta(days=1)}, "running"),
    ],
)  # fmt: skip
def test_the_state_of_one_contract_and_of_a_list_agree(values, state):
    contract = made(**values)
    assert contracts.state_of(contract, TODAY) == state
    listed = [each for each in contracts.STATES if Contract.objects.filter(contracts.in_state(each, TODAY)).exists()]
    assert listed == [state]


def test_a_contract_is_made_amended_and_changed_on_pages(client, ada):
    firm = account(name="Acme <i>")
    url = reverse("account_contract", args=[firm.pk])
    form = {"name": "Support", "starts_on": "2025-01-01", "annual_value": "1000", "currency": "eur", "auto_renew": "on"}
    assert client.post(url, form | {"currency": "EURO"}).status_code == 400
    answer = client.post(url, form)
    contract = Contract.objects.get()
    assert answer.url == contract.get_absolute_url()
    assert (contract.annual_value, contract.currency, contract.auto_renew) == (1000_00, "EUR", True)
    assert (
        client.post(
            reverse("contract_amend", args=[contract.pk]), {"valid_from": "2025-02-01", "annual_value": "12.5"}
        ).status_code
        == 302
    )
    page = client.get(answer.url).content.decode()
    assert "Acme &lt;i&gt;" in page and "12.50" in page
    bad = client.post(reverse("contract_amend", args=[contract.pk]), {"valid_from": "2024-02-01", "annual_value": "1"})
    assert bad.status_code == 400
    for nonsense in ("x", "", "9999-99-99"):
        client.post(reverse("contract_amend", args=[contract.pk]), {"remove": nonsense})
    client.post(reverse("contract_amend", args=[contract.pk]), {"remove": "2025-02-01"})
    assert not contract.amendments.exists()
    edit = reverse("contract_edit", args=[contract.pk])
    assert client.post(edit, form | {"renews_on": "2024-01-01"}).status_code == 400
    assert client.post(edit, form | {"renews_on": "2026-01-01", "auto_renew": ""}).status_code == 302
    contract.refresh_from_db()
    assert (contract.renews_on, contract.auto_renew) == (date(2026, 1, 1), False)
    assert b"Support" in client.get(firm.get_absolute_url()).content
    told = AuditEntry.objects.filter(action__startswith="contract.").values_list("action", flat=True)
    assert sorted(told) == ["contract.amend", "contract.amend", "contract.change", "contract.make"]


# ---- holdings ----


def test_holdings_tell_what_an_account_has_by_family_and_what_its_peers_have(client, ada):
    sensor, monitor, bolt = product("S-1", "Sensors"), product("M-1", "Monitoring"), product("Bolt")
    firm = account(name="Acme", industry="Rail", employees=100)
    ann = person(account=firm)
    purchase(ann, days_ago(20), product=sensor, amount=500, currency="EUR")
    purchase(ann, days_ago(10), product=sensor, amount=250, currency="USD")
    purchase(ann, days_ago(10), product=bolt, amount=None)
    peers = [account(industry="Rail", employees=50 + n) for n in range(5)]
    for peer in peers[:3]:
        made(peer, product=monitor)
    purchase(person(account=peers[3]), days_ago(3), product=sensor)
    made(peers[4], product=monitor, ends_on=TODAY - timedelta(days=1))  # over
    account(industry="Rail", employees=5000)  # of another size
    made(account(industry="Rail", employees=60, is_excluded=True), product=monitor)  # left out of figures
    found = holdings.of(firm, TODAY)
    assert (found.peers.count, found.peers.enough, found.peers.size) == (5, True, "50–249")
    told = {each.name: (each.held, each.products, each.spent, each.peers) for each in found.families}
    assert told == {
        "Sensors": (True, ["S-1"], {"EUR": 500, "USD": 250}, 1), "": (True, ["Bolt"], {}, 0),
        "Monitoring": (False, [], {}, 3),
    }  # fmt: skip
    sensors = found.held[0]
    assert (sensors.since, sensors.last) == (days_ago(20), days_ago(10))
    page = client.get(firm.get_absolute_url()).content.decode()
    assert "3 of 5" in page and "not here" in page
    assert [each.name for each in holdings.of(ann, TODAY).families] == ["", "Sensors"] and holdings.of(
        ann, TODAY
    ).peers is None


def test_too_few_peers_say_nothing_and_an_unknown_industry_or_size_is_a_bucket_of_its_own(client, ada):
    monitor = product("M-1", "Monitoring")
    firm = account(name="Acme", industry="Rail", employees=100)
    made(firm, product=monitor)
    for n in range(4):
        made(account(industry="Rail", employees=100 + n), product=monitor)
    found = holdings.of(firm, TODAY)
    assert not found.peers.enough and found.families[0].peers == 0
    assert "Not enough data" in client.get(firm.get_absolute_url()).content.decode()
    unknown = account(name="Unknown")
    for _n in range(5):
        made(account(), product=monitor)
    told = holdings.of(unknown, TODAY)
    assert (told.peers.count, told.peers.industry, told.peers.band) == (5, "", None)
    assert [(each.name, each.held, each.peers) for each in told.families] == [("Monitoring", False, 5)]
    assert told.open and not told.held
