"""A deal has several products, and is seen by conditions with the products, amount and pipeline that it then had."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audience.commerce import contracts, deals, pipelines
from audience.conditions import compile, tree
from audience.models import Contract, Deal, DealLine, Dirty, Pipeline, Product
from audience.subjects.people import BadValue
from kit.models import AuditEntry, User
from kit.sql import rows
from tests import asking
from tests.audience.importing.bringing import bring, counts, rejects, shared
from tests.factories import NOW, account, days_ago, deal, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return asking.by(asking.user())


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER)
    client.force_login(made)
    return made


def send(api, address, body=None, method="post"):
    return getattr(api, method)(f"/api/v1/{address}", body, content_type="application/json")


def product(name):
    return Product.objects.create(name=name, source="x", external_id=name, recorded_at=NOW)


def sold(deal=None):
    found = DealLine.objects.filter(removed_at=None, **({"deal": deal} if deal else {})).order_by("pk")
    return [(each.deal.external_id, each.product.name, each.quantity, each.amount) for each in found]


def who(asked, of="account", at=NOW, known=None):
    return {pk for (pk, *_) in rows(compile.members(tree.parse(asked, of=of), of=of, at=at, known=known))}


def having(name, op="at_least", value=1, field="deal.count", **where):
    return {"field": field, "where": {"product": name, **where}, "op": op, "value": value}


# ---- files ----

FILE = "id,name,company,product,product: quantity,product: amount,amount\n"
MANY = FILE + "1,One,Acme,Saw,2,10.50,30\n1,One,Acme,Axe,,,30\n2,Two,Acme,Saw,1,,5\n1,One,Acme,Saw,3,12,30\n"


def test_rows_of_one_deal_with_different_products_are_its_products():
    imported = bring(MANY, "deals")
    assert counts(imported) == {
        "rows": 4, "created": 2, "updated": 1, "repeated": 1, "accounts_created": 1, "products_created": 2,
    }  # fmt: skip
    assert sorted(sold(), key=str) == [
        ("1", "Axe", None, None), ("1", "Saw", Decimal(3), 1200), ("2", "Saw", Decimal(1), None),
    ]  # fmt: skip
    assert Deal.objects.get(external_id="1").amount == 3000
    assert counts(bring(MANY, "deals")) == {"rows": 4, "unchanged": 3, "repeated": 1}
    assert DealLine.objects.count() == 3


def test_a_file_that_names_products_of_a_deal_names_all_of_them():
    bring(MANY, "deals")
    later = NOW + timedelta(days=1)
    assert counts(bring("id,name\n1,Uno\n", "deals", now=later)) == {"rows": 1, "updated": 1}
    assert counts(bring("id,product\n1,\n", "deals", now=later)) == {"rows": 1, "unchanged": 1}
    assert len(sold()) == 3
    changed = bring("id,product\n1,Awl\n1,Axe\n", "deals", now=later)
    assert counts(changed) == {"rows": 2, "updated": 2, "products_created": 1}
    assert {name for key, name, *_ in sold() if key == "1"} == {"Axe", "Awl"}
    filled = bring("id,product\n1,Saw\n3,Saw\n", "deals", policy="fill", now=later)
    assert counts(filled) == {"rows": 2, "created": 1, "unchanged": 1}
    assert counts(bring("id,product\n3,Axe\n", "deals", policy="create", now=later)) == {"rows": 1, "skipped": 1}
    assert [name for key, name, *_ in sold() if key == "3"] == ["Saw"]


def test_lines_of_a_file_of_their_own_are_added_to_deals_that_are_in():
    bring("id,name,amount,currency\n1,One,5,EUR\n", "deals")
    text = "deal id,product,qty,total price\n1,Saw,2,10\n1,Axe,,7.50\n9,Axe,1,1\n1,,1,1\n"
    imported = bring(text, "deal_lines")
    assert counts(imported) == {"rows": 4, "created": 2, "rejected": 2, "products_created": 2}
    assert [(row, column) for row, column, _reason in rejects(imported)] == [(4, "deal id"), (5, "product")]
    assert sold() == [("1", "Saw", Decimal(2), 1000), ("1", "Axe", None, 750)]
    again = bring(text.replace("Saw,2,10", "Saw,4,10"), "deal_lines", now=NOW + timedelta(days=1))
    assert counts(again) == {"rows": 4, "updated": 1, "unchanged": 1, "rejected": 2}
    assert sold()[0] == ("1", "Saw", Decimal(4), 1000)
    other = bring("deal id,product,total price,currency\n1,Saw,10,USD\n", "deal_lines")
    assert counts(other) == {"rows": 1, "rejected": 1}


def test_line_items_of_salesforce_come_in_as_they_are():
    deals_of = shared("crm_exports_fivetran/salesforce/sf_opportunity_data.csv")
    file = shared("crm_exports_fivetran/salesforce/sf_opportunity_line_item_data.csv")
    bring(deals_of, "deals", source="sf")
    key = file.read_text().splitlines()[1].split(",")[11]
    Deal.objects.get_or_create(source="sf", external_id=key, defaults={"opened_at": NOW, "recorded_at": NOW})
    imported = bring(file, "", source="sf")
    assert imported.kind == "deal_lines" and counts(imported)["created"] >= 1
    assert ("plan a", Decimal(1), 0) in {told[1:] for told in sold()}


# ---- by hand and over the API ----


def test_products_are_put_into_a_deal_on_its_page_and_taken_out_again(client, ada):
    saw, axe = product("Saw <b>"), product("Axe")
    held = deal(account(name="Acme"), days_ago(5), name="Fleet", currency="EUR", amount=900)
    url, page = reverse("deal_products", args=[held.pk]), reverse("deal", args=[held.pk])
    assert client.post(url, {"product": saw.pk, "quantity": "2.5", "amount": "10.50"}).url == page
    client.post(url, {"product": axe.pk})
    told = client.get(page).content.decode()
    assert "Saw &lt;b&gt;" in told and "× 2.5" in told and "10.50" in told
    client.post(url, {"product": saw.pk, "quantity": "3"})
    assert [(each.product, each.quantity, each.amount) for each in deals.sold(held)] == [
        (saw, Decimal(3), None), (axe, None, None),
    ]  # fmt: skip
    client.post(url, {"remove": saw.pk})
    for nonsense in ({"product": "x"}, {"remove": "x" * 99}, {"product": axe.pk, "quantity": "9" * 40}, {}):
        assert client.post(url, nonsense).status_code == 302
    assert [each.product for each in deals.sold(held)] == [axe]
    held.refresh_from_db()
    assert held.amount == 900 and AuditEntry.objects.filter(action="deal.sell").count() == 4
    firm = client.get(held.account.get_absolute_url()).content.decode()
    assert "Axe" in firm and "Saw &lt;b&gt;" not in firm
    listed = client.get(reverse("deals"), {"product": "Axe"}).content.decode()
    assert "Fleet" in listed
    assert "Fleet" not in client.get(reverse("deals"), {"product": "Saw <b>"}).content.decode()


def test_a_new_deal_of_the_page_begins_with_a_product(client, ada):
    saw, firm = product("Saw"), account(name="Acme")
    data = {"name": "Fleet", "currency": "EUR", "status": "open", "product": saw.pk}
    assert client.post(reverse("account_deal", args=[firm.pk]), data).status_code == 302
    assert [each.product for each in deals.sold(Deal.objects.get())] == [saw]


def test_a_program_says_all_products_of_a_deal_or_one_more_as_its_system_has_it(api):
    saw, axe = product("Saw"), product("Axe")
    made = send(api, "deals/", {
        "name": "Fleet", "account": {"id": account(name="Acme").pk},
        "products": [{"product": saw.pk, "quantity": 2.5, "amount": 1050}, {"product": axe.pk}],
    }).json()  # fmt: skip
    assert made["products"] == [
        {"product": saw.pk, "name": "Saw", "quantity": 2.5, "amount": 1050},
        {"product": axe.pk, "name": "Axe", "quantity": None, "amount": None},
    ]
    key = f"deals/{made['id']}/"
    assert len(send(api, key, {"name": "Fleet 2"}, "patch").json()["products"]) == 2
    assert len(send(api, key, {"products": [{"product": axe.pk}]}, "patch").json()["products"]) == 1
    asking.problem(send(api, key, {"products": [{"product": axe.pk}] * 2}, "patch"), 400, "repeated")
    found = api.get("/api/v1/deals/", {"product": axe.pk}).json()["results"]
    assert [each["id"] for each in found] == [made["id"]]
    assert not api.get("/api/v1/deals/", {"product": saw.pk}).json()["results"]
    several = [
        {"external_id": "D-1", "account": {"name": "Acme"}, "product": {"name": name}, "product_quantity": 2}
        for name in ("Saw", "Axe")
    ]
    told = send(api, "deals/bulk/", {"source": "crm", "deals": several}).json()
    assert (told["created"], told["updated"], told["repeated"]) == (1, 1, 0)
    assert [each[1:3] for each in sold(Deal.objects.get(external_id="D-1"))] == [
        ("Saw", Decimal(2)),
        ("Axe", Decimal(2)),
    ]


# ---- conditions ----


def test_a_deal_is_found_by_each_of_its_products_and_counts_once():
    saw, axe = product("Saw"), product("Axe")
    firm, ann = account(name="Acme"), person()
    held = deal(firm, days_ago(5), amount=900, currency="EUR")
    held.dealrole_set.create(person=ann)
    deals.sell(held, [deals.Sold(saw), deals.Sold(axe)], by=None, now=days_ago(4))
    for name in ("Saw", "axe", ["Saw", "Axe"]):
        assert who(having(name)) == {firm.pk} and who(having(name), of="person") == {ann.pk}
    assert who(having(["Saw", "Axe"], "at_least", 2)) == set()
    assert who(having(["Saw", "Axe"], "at_least", 901, "deal.amount")) == set()
    assert who(having(["Saw", "Axe"], "at_least", 900, "deal.amount")) == {firm.pk}
    assert who(having("Awl")) == set()


def test_a_past_day_has_the_products_that_the_deal_then_had():
    saw, axe = product("Saw"), product("Axe")
    firm = account(name="Acme")
    held = deal(firm, days_ago(30))
    deals.sell(held, [deals.Sold(saw)], by=None, now=days_ago(20))
    deals.sell(held, [deals.Sold(axe)], by=None, now=days_ago(10))
    assert [who(having("Saw"), at=days_ago(day)) for day in (25, 15, 5)] == [{firm.pk}, {firm.pk}, set()]
    assert [who(having("Axe"), at=days_ago(day)) for day in (25, 15, 5)] == [set(), set(), {firm.pk}]
    # As it was known then, nothing was known of a product before it was told.
    then = [who(having("Saw"), at=days_ago(day), known=days_ago(day)) for day in (25, 15, 5)]
    assert then == [set(), {firm.pk}, set()]


def test_a_past_day_has_the_amount_and_the_pipeline_that_the_deal_then_had():
    firm = account(name="Acme")
    told = {"name": "Fleet", "amount": 1000, "currency": "EUR", "pipeline": "New"}
    held = deals.open(told, account=firm, source="x", by=None, now=days_ago(30))
    deals.change(held, {"amount": 5000}, at=days_ago(20), by=None, now=days_ago(20))
    deals.change(held, {"pipeline": "Old"}, at=days_ago(10), by=None, now=days_ago(10))
    large = {"field": "deal.amount", "op": "at_least", "value": 5000}
    assert [who(large, at=days_ago(day)) for day in (31, 25, 20, 15, 1)] == [set(), set(), set(), {firm.pk}, {firm.pk}]
    new = {"field": "deal.count", "where": {"pipeline": "New"}, "op": "at_least", "value": 1}
    assert [who(new, at=days_ago(day)) for day in (25, 15, 5)] == [{firm.pk}, {firm.pk}, set()]
    assert [who(large, at=NOW, known=days_ago(day)) for day in (25, 15)] == [set(), {firm.pk}]


def test_a_file_that_changes_an_amount_keeps_what_it_was_before():
    bring("id,company,amount,currency,created\n1,Acme,10,EUR,2025-01-01\n", "deals", now=days_ago(9))
    bring("id,amount,currency\n1,50,EUR\n", "deals", now=days_ago(2))
    firm = Deal.objects.get().account_id
    large = {"field": "deal.amount", "op": "at_least", "value": 5000}
    # The trigger has the clock of the database, which is later than the days of tests.
    assert who(large) == set() and who(large, at=NOW.replace(year=2100)) == {firm}


def test_a_pipeline_that_is_renamed_is_so_on_past_days_too():
    made = pipelines.define("Sales", [{"name": "Offer"}], by=None, now=days_ago(40))
    pipelines.define("Other", [{"name": "Offer"}], by=None, now=days_ago(40))
    firm = account(name="Acme")
    held = deals.open({"name": "x", "pipeline": "Sales"}, account=firm, source="x", by=None, now=days_ago(30))
    deals.change(held, {"pipeline": "Other"}, at=days_ago(20), by=None, now=days_ago(20))
    pipelines.change(Pipeline.objects.get(pk=made.pk), named="Vente", by=None, now=NOW)
    for name in ("Sales", "Vente"):
        asked = {"field": "deal.count", "where": {"pipeline": name}, "op": "at_least", "value": 1}
        assert [who(asked, at=days_ago(day)) for day in (25, 15)] == [{firm.pk}, set()]


def test_what_a_contract_was_for_and_since_when_is_kept():
    saw, axe = product("Saw"), product("Axe")
    firm = account(name="Acme")
    values = {"product": saw, "starts_on": days_ago(50).date()}
    held = contracts.make(values, subject=firm, source="x", by=None, now=days_ago(50))
    contracts.change(held, {"product": axe}, by=None, now=days_ago(20))
    contracts.change(held, {"starts_on": days_ago(40).date()}, by=None, now=days_ago(10))
    asked = {"field": "contract.count", "op": "at_least", "value": 1}
    for name, found in (("Saw", [{firm.pk}, set()]), ("Axe", [set(), {firm.pk}])):
        assert [who(asked | {"where": {"product": name}}, at=days_ago(day)) for day in (25, 15)] == found
    # Corrected late, a start counts as it is known now; as it was known then, it is what was told then.
    assert who(asked, at=days_ago(45)) == set()
    assert who(asked, at=days_ago(45), known=days_ago(15)) == {firm.pk}
    assert Contract.objects.get().changes.count() == 2


def test_who_has_a_deal_is_judged_again_when_its_products_change():
    firm, ann = account(name="Acme"), person()
    held = deal(firm, days_ago(5))
    held.dealrole_set.create(person=ann)
    for products in ([deals.Sold(product("Saw"))], []):
        Dirty.objects.all().delete()
        assert deals.sell(held, products, by=None, now=NOW)
        assert set(Dirty.objects.values_list("subject_id", flat=True)) == {firm.pk, ann.pk}
        assert not deals.sell(held, products, by=None, now=NOW)


def test_more_than_can_be_kept_is_refused():
    held, saw = deal(account(name="Acme"), days_ago(5)), product("Saw")
    with pytest.raises(BadValue):
        deals.sell(held, [deals.Sold(saw, Decimal(10**13))], by=None, now=NOW)
