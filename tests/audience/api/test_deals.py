"""Deals over the API: opened, moved, won and lost by the verbs of pages, or merged as another system has them."""

from __future__ import annotations

from typing import Any

import pytest

from audience.models import Deal, DealRole, DealStageChange, Person
from kit.models import AuditEntry, User
from tests.asking import Api, user
from tests.factories import account, days_ago, deal, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api(user(User.Role.OPS, "ops@example.com"))


def opened(api: Api, **values: Any) -> dict[str, Any]:
    return dict(api.post("/deals/", {"name": "Twelve sensors"} | values, 201))


def test_a_deal_is_opened_moved_and_won_with_its_history(api: Api) -> None:
    ann, acme = person(email="ann@example.com"), account(domain="acme.example")
    one = opened(
        api, source="crm", external_id="D-1", account={"domain": "acme.example"}, amount=238800, stage="Offer",
        roles=[{"person": {"email": "ann@example.com"}, "role": "buyer"}, {"person": {"id": ann.pk}, "role": "buyer"}],
        owner="ops@example.com", expected_close_on="2025-08-31",
    )  # fmt: skip
    assert (one["account"], one["roles"], one["currency"]) == (acme.pk, [{"person": ann.pk, "role": "buyer"}], "EUR")
    assert api.get(f"/deals/{one['id']}/") == one
    assert api.post(f"/deals/{one['id']}/move/", {"stage": "Negotiation"})["stage"] == "Negotiation"
    won = api.post(f"/deals/{one['id']}/win/", {"reason": "Fast"})
    assert (won["status"], won["reason"]) == ("won", "Fast") and won["closed_at"]
    moves = DealStageChange.objects.order_by("pk").values_list("from_stage", "to_stage", "from_status", "to_status")
    assert list(moves) == [("Offer", "Negotiation", "open", "open"), ("Negotiation", "Negotiation", "open", "won")]
    steps = api.get(f"/deals/{one['id']}/history/")["steps"]
    assert [(each["to_stage"], each["to_status"], each["as_history"]) for each in steps] == [
        ("Negotiation", "open", False), ("Negotiation", "won", False),
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="deal.change").first().actor == "ops@example.com (sync)"  # type: ignore[union-attr]


def test_a_lost_deal_has_a_reason_and_one_that_is_open_again_has_none(api: Api) -> None:
    one = opened(api, account={"id": account().pk})
    assert api.refused("post", f"/deals/{one['id']}/lose/", {}, 400, "required")["field"] == "reason"
    assert api.post(f"/deals/{one['id']}/lose/", {"reason": "Price"})["status"] == "lost"
    again = api.patch(f"/deals/{one['id']}/", {"status": "open", "amount": None, "name": None})
    assert (again["status"], again["reason"], again["closed_at"], again["name"]) == ("open", "", None, "")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "required", "account"), ({"account": {"domain": "no.example"}}, "unknown_account", "account"),
        ({"roles": [{"person": {"email": "no@x.de"}}]}, "unknown_person", "roles.0.person"), ({"status": "maybe"}, "invalid_choice", "status"),
        ({"amount": "12"}, "required", "account"), ({"amount": 1.5}, "invalid", "amount"), ({"currency": "euro"}, "invalid", "currency"),
        ({"roles": [{"role": "x"}]}, "required", "roles.0.person"), ({"closed_at": "2025-01-01"}, "unknown_field", "closed_at"),
        ({"name": "x" * 301}, "max_length", "name"),
    ],
)  # fmt: skip
def test_what_no_deal_can_be_is_refused(api: Api, body: Any, code: str, field: str) -> None:
    assert api.refused("post", "/deals/", body, 400, code)["field"] == field
    assert not Deal.objects.exists()


def test_a_source_tells_a_deal_once(api: Api) -> None:
    whose = {"account": {"id": account().pk}, "source": "crm", "external_id": "1"}
    opened(api, **whose)
    assert api.refused("post", "/deals/", whose, 409, "already_there")["field"] == "external_id"


def test_of_two_who_change_it_the_later_is_told(api: Api) -> None:
    address = f"/deals/{opened(api, account={'id': account().pk})['id']}/"
    seen = api.raw("get", address)["ETag"]
    api.patch(address, {"amount": 5}, If_Match=seen)
    api.refused("post", f"{address}win/", {}, 412, "changed_meanwhile", If_Match=seen)
    assert api.get(address)["status"] == "open"
    early = {"status": "won", "occurred_at": "2001-01-01T00:00:00Z"}
    assert api.refused("patch", address, early, 400, "bad_value")["field"] == "closed_on"


def test_deals_of_another_system_are_merged_with_people_and_accounts(api: Api) -> None:
    rows = [
        {"external_id": "1", "name": "Won", "account": {"domain": "acme.example", "name": "Acme"}, "person": {"email": "ann@example.com"},
         "role": "buyer", "amount": 1999, "status": "won", "opened_at": "2025-01-01T10:00:00Z", "closed_at": "2025-02-01T10:00:00Z"},
        {"external_id": "2", "status": "lost"}, {"name": "No id"}, {"external_id": "3", "account": {"vat": 1}},
        {"external_id": "4", "amount": 1.5}, {"external_id": "5", "opened_at": "soon"},
    ]  # fmt: skip
    told = api.post("/deals/bulk/", {"source": "crm", "deals": rows})
    assert [(each["outcome"], each.get("code"), each.get("field")) for each in told["results"]] == [
        ("created", None, None), ("refused", "bad_value", "closed_at"), ("refused", "required", "external_id"),
        ("refused", "unknown_field", "account.vat"), ("refused", "wrong_type", "amount"), ("refused", "bad_instant", "opened_at"),
    ]  # fmt: skip
    kept = Deal.objects.get()
    assert (kept.pk, kept.amount, kept.status, kept.account.name) == (told["results"][0]["id"], 1999, "won", "Acme")  # type: ignore[union-attr]
    assert DealRole.objects.get().person == Person.objects.get(email="ann@example.com")
    same = api.post("/deals/upsert/", {"source": "crm", **rows[0]})
    assert (same["outcome"], same["id"]) == ("unchanged", kept.pk)
    changed = api.post("/deals/upsert/", {"source": "crm", "external_id": "1", "amount": 2500})
    assert (changed["outcome"], changed["amount"], changed["status"]) == ("updated", 2500, "won")
    assert (
        api.post("/deals/upsert/", {"source": "shop", "external_id": "1", "name": "Other"}, 201)["outcome"] == "created"
    )
    assert (
        api.refused("post", "/deals/upsert/", {"source": "crm", "external_id": "9", "status": "won"}, 400, "bad_value")[
            "field"
        ]
        == "closed_at"
    )


def test_lists_are_narrowed_and_cost_one_query_beside_those_of_the_key(
    api: Api, django_assert_num_queries: Any
) -> None:
    ann, acme = person(), account()
    one, two = deal(ann, days_ago(5)), deal(acme, days_ago(9), days_ago(2), stage="Offer")

    def found(query: str) -> list[int]:
        return [each["id"] for each in api.pages(f"/deals/?{query}")]

    assert found("") == [one.pk, two.pk] and found("ordering=opened_at") == [two.pk, one.pk]
    assert found(f"person={ann.pk}") == [one.pk] == found("status=open") and found(
        f"account={acme.pk}&stage=Offer"
    ) == [two.pk]
    assert found("owner=nobody") == [one.pk, two.pk] and found(f"closed_since={days_ago(3).isoformat()}") == [two.pk]
    with django_assert_num_queries(3):  # the key, its allowance, the page
        assert len(api.get("/deals/")["results"]) == 2


def test_a_salespersons_key_works_on_their_own_deals_alone() -> None:
    mine, other = (user(User.Role.SALES, email) for email in ("mine@example.com", "other@example.com"))
    own, foreign = deal(person(owner=mine), days_ago(3)), deal(person(owner=other), days_ago(3))
    api = Api(mine)
    assert [each["id"] for each in api.get("/deals/")["results"]] == [own.pk]
    assert api.post(f"/deals/{own.pk}/win/", {})["status"] == "won"
    for action in ("", "win/", "move/", "lose/"):
        method = "post" if action else "get"
        api.refused(
            method, f"/deals/{foreign.pk}/{action}", {"stage": "x"} if action == "move/" else {}, 404, "not_found"
        )
    api.refused("post", "/deals/", {"account": {"id": account(owner=other).pk}}, 400, "unknown_account")
    api.refused("post", "/deals/bulk/", {"deals": []}, 403, "role_may_not")
    Api(mine, "people:write").refused("get", "/deals/", None, 403, "scope_missing")
