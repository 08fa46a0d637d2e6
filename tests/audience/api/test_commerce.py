"""Products, purchases, contracts and cases over the API: merged as files are, each once by its source and external id."""

from __future__ import annotations

from typing import Any

import pytest

from audience.models import Account, Case, Contract, ContractAmendment, Person, Product, Purchase
from kit.models import User
from tests.asking import Api, user
from tests.factories import NOW, account, days_ago, person, purchase

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api(user(User.Role.OPS, "ops@example.com"))


def outcomes(told: dict[str, Any]) -> list[Any]:
    return [(each["outcome"], each.get("code"), each.get("field")) for each in told["results"]]


def test_a_product_is_made_and_changed_by_its_id(api: Api) -> None:
    body = {
        "source": "erp",
        "external_id": "S-1",
        "name": "Sensor",
        "price": 19900,
        "currency": "EUR",
        "properties": {"w": 2},
    }
    made = api.post("/products/upsert/", body, 201)
    assert (made["outcome"], made["price"], made["properties"]) == ("created", 19900, {"w": "2"})
    assert api.post("/products/upsert/", body)["outcome"] == "unchanged"
    changed = api.post("/products/upsert/", body | {"price": 17900})
    assert (changed["outcome"], changed["id"], changed["price"]) == ("updated", made["id"], 17900)
    told = api.post(
        "/products/bulk/", {"source": "erp", "products": [{"external_id": "S-2", "name": "B"}, {"external_id": "S-3"}]}
    )
    assert outcomes(told) == [("created", None, None), ("refused", "required", "name")]
    assert [each["name"] for each in api.get("/products/?q=sens&source=erp")["results"]] == ["Sensor"]
    assert api.refused("post", "/products/upsert/", body | {"price": 1.5}, 400, "wrong_type")["field"] == "price"
    assert Product.objects.count() == 2


def test_purchases_bring_their_people_and_products_with_them(api: Api) -> None:
    row = {"external_id": "1", "person": {"email": "ann@example.com"}, "product": {"name": "Sensor"}, "quantity": 2.5,
           "amount": 39800, "occurred_at": "2025-06-02T11:30:00Z"}  # fmt: skip
    rows = [
        row, {"external_id": "2", "account": {"domain": "acme.example"}, "occurred_at": "2025-06-02T11:30:00Z"},
        {"external_id": "3", "occurred_at": "2025-06-02T11:30:00Z"}, {"external_id": "4", "person": {"email": "x"}, "occurred_at": "2025-06-01"},
        {"external_id": "5", "person": {"email": "ann@example.com"}}, {"external_id": "6", **{k: v for k, v in row.items() if k != "external_id"}, "person": {"external_id": "77"}},
    ]  # fmt: skip
    told = api.post("/purchases/bulk/", {"source": "shop", "purchases": rows})
    assert outcomes(told) == [
        ("created", None, None), ("created", None, None), ("refused", "required", "person.external_id"),
        ("refused", "bad_email", "person.email"), ("refused", "required", "occurred_at"), ("refused", "unknown_person", "person.external_id"),
    ]  # fmt: skip
    ann, acme = Person.objects.get(email="ann@example.com"), Account.objects.get(domain="acme.example")
    listed = api.get("/purchases/")["results"]
    assert [(each["person"], each["account"], each["amount"], each["quantity"]) for each in listed] == [
        (ann.pk, None, 39800, 2.5), (None, acme.pk, None, 1.0),
    ]  # fmt: skip
    assert listed[0]["currency"] == "EUR" and listed[0]["product"] == Product.objects.get().pk
    again = api.post("/purchases/upsert/", {"source": "shop", **row, "amount": 100})
    assert (again["outcome"], again["amount"]) == ("updated", 100)
    assert ann.first_seen_at.isoformat() == "2025-06-02T11:30:00+00:00"
    assert [each["id"] for each in api.get(f"/purchases/?account={acme.pk}")["results"]] == [listed[1]["id"]]
    told = api.refused(
        "post", "/purchases/bulk/", {"purchases": [row, {}], "all_or_nothing": True}, 400, "rows_refused"
    )
    assert [each["row"] for each in told["errors"]] == [1] and Purchase.objects.count() == 2


def test_contracts_have_days_values_and_amendments(api: Api) -> None:
    body = {"source": "erp", "external_id": "C-1", "name": "Care", "account": {"name": "Acme"}, "starts_on": "2025-01-01",
            "renews_on": "2026-01-01", "auto_renew": True, "annual_value": 1200000}  # fmt: skip
    made = api.post("/contracts/upsert/", body, 201)
    assert (made["starts_on"], made["auto_renew"], made["annual_value"], made["amendments"]) == (
        "2025-01-01",
        True,
        1200000,
        [],
    )
    assert api.post("/contracts/upsert/", body)["outcome"] == "unchanged"
    ContractAmendment.objects.create(contract_id=made["id"], valid_from="2025-07-01", annual_value=5, recorded_at=NOW)
    assert api.get(f"/contracts/{made['id']}/")["amendments"] == [{"valid_from": "2025-07-01", "annual_value": 5}]
    bad = [body | {"ends_on": "2024-01-01"}, body | {"starts_on": "1.1.2025"}, body | {"auto_renew": "yes"}]
    told = api.post(
        "/contracts/bulk/",
        {
            "contracts": [
                {k: v for k, v in each.items() if k != "source"} | {"external_id": f"x{n}"}
                for n, each in enumerate(bad)
            ]
        },
    )
    assert outcomes(told) == [
        ("refused", "bad_value", "ends_on"),
        ("refused", "wrong_type", "starts_on"),
        ("refused", "wrong_type", "auto_renew"),
    ]
    assert [each["id"] for each in api.get("/contracts/?renews_before=2026-02-01")["results"]] == [made["id"]]
    assert Contract.objects.count() == 1


def test_cases_are_read(api: Api) -> None:
    ann = person()
    given: dict[str, Any] = {"person": ann, "opened_at": days_ago(3), "recorded_at": NOW, "source": "helpdesk"}
    dark = Case.objects.create(title="Dark", external_id="1", **given)
    done = Case.objects.create(title="Done", external_id="2", closed_at=days_ago(1), **given)
    assert [each["id"] for each in api.get("/cases/?is_open=true")["results"]] == [dark.pk]
    assert [each["id"] for each in api.get(f"/cases/?person={ann.pk}&ordering=-opened_at")["results"]] == [
        done.pk,
        dark.pk,
    ]
    api.refused("get", "/cases/?is_open=perhaps", None, 400, "no_truth")
    api.refused("post", "/cases/", {}, 400, "required")


def test_a_salespersons_key_reads_their_own_alone_and_merges_nothing() -> None:
    mine, other = (user(User.Role.SALES, email) for email in ("mine@example.com", "other@example.com"))
    own, foreign = purchase(person(owner=mine), days_ago(1)), purchase(person(owner=other), days_ago(1))
    contract = Contract.objects.create(
        account=account(owner=other), starts_on=NOW.date(), recorded_at=NOW, source="x", external_id="1"
    )
    api = Api(mine)
    assert [each["id"] for each in api.get("/purchases/")["results"]] == [own.pk]
    api.refused("get", f"/purchases/{foreign.pk}/", None, 404, "not_found")
    api.refused("get", f"/contracts/{contract.pk}/", None, 404, "not_found")
    for noun in ("products", "purchases", "contracts"):
        api.refused("post", f"/{noun}/upsert/", {}, 403, "role_may_not")
        api.refused("post", f"/{noun}/bulk/", {}, 403, "role_may_not")


def test_lists_cost_the_same_for_one_row_and_many(api: Api, django_assert_num_queries: Any) -> None:
    for each in range(3):
        purchase(person(), days_ago(each))
        Contract.objects.create(
            account=account(), starts_on=NOW.date(), recorded_at=NOW, source="x", external_id=str(each)
        )
    api.get("/purchases/")
    with django_assert_num_queries(3):  # the key, its allowance, the page
        assert len(api.get("/purchases/")["results"]) == 3
    with django_assert_num_queries(4):  # and the amendments
        assert len(api.get("/contracts/")["results"]) == 3


def test_a_case_that_is_closed_stays_as_it_was_closed(api: Api) -> None:
    dark = Case.objects.create(
        title="Dark", external_id="1", source="erp", person=person(), opened_at=days_ago(9), recorded_at=NOW
    )
    first = api.post(f"/cases/{dark.pk}/close/", {})["closed_at"]
    assert first and api.post(f"/cases/{dark.pk}/close/", {})["closed_at"] == first
    told = api.post(f"/cases/{dark.pk}/close/", {"closed_at": days_ago(1).isoformat()})["closed_at"]
    assert told != first
