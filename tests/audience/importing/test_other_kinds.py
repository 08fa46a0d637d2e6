"""Files of accounts, activities, deals, products, purchases and contracts."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.db.models import Count, Sum

from audience.models import (
    Account,
    Activity,
    ActivityKind,
    Contract,
    ContractAmendment,
    Deal,
    DealRole,
    DealStageChange,
    FieldChange,
    Person,
    Product,
    Purchase,
)  # fmt: skip
from audience.subjects import querysets
from tests.audience.importing.bringing import NOW, bring, counts, rejects, shared

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_accounts_are_known_by_id_domain_or_name_and_keep_their_history() -> None:
    text = 'id,name,website,employees,revenue,parent company\n1,Acme,acme.com,10,"1,000.50",\n,Beta,beta.example,,,Acme\n,Gamma,,5,,Nobody\n'
    assert counts(bring(text, "accounts")) == {"rows": 3, "created": 3, "parents_unknown": 1}
    acme = Account.objects.get(name="Acme")
    assert (acme.domain, acme.employees, acme.annual_revenue) == ("acme.com", 10, 100_050)
    assert Account.objects.get(name="Beta").parent == acme
    assert counts(bring(text, "accounts", now=LATER)) == {"rows": 3, "unchanged": 3, "parents_unknown": 1}
    more = "id,name,website,employees\n1,Acme Inc,acme.com,12\n,,beta.example,7\n,GAMMA,,5\n"
    assert counts(bring(more, "accounts", now=LATER)) == {"rows": 3, "updated": 3}
    assert set(FieldChange.objects.filter(account=acme).values_list("field", "old")) == {
        ("name", "Acme"),
        ("employees", "10"),
    }


def test_two_accounts_of_one_source_are_two_whatever_their_domain() -> None:
    bring("id,name,website\n1,Acme North,acme.com\n", "accounts")
    assert counts(bring("id,name,website\n2,Acme South,acme.com\n", "accounts")) == {"rows": 1, "created": 1}


def test_an_activity_tells_who_acted_and_when_its_source_wrote_it_down() -> None:
    text = (
        "email,event,date,actor,logged at\n"
        "a@x.de,Email clicked,2024-01-02,Robot,2024-01-22 08:00\n"
        "a@x.de,Email clicked,2024-01-03,,\n"
        "a@x.de,Email clicked,2024-01-04,ghost,\n"
        "a@x.de,Email clicked,2024-01-05,human,2031-01-01\n"
    )
    imported = bring(text, "activities")
    assert counts(imported) == {"rows": 4, "created": 2, "rejected": 2, "people_created": 1, "kinds_created": 1}
    assert list(Activity.objects.order_by("occurred_at").values_list("actor", "recorded_at")) == [
        ("bot", at(2024, 1, 22, 8)),
        ("human", NOW),
    ]
    assert [(row, column) for row, column, _reason in rejects(imported)] == [(4, "actor"), (5, "logged at")]
    assert counts(bring(text, "activities", now=LATER))["unchanged"] == 2


ACTIVITIES = (
    "email,event,date,device,medium,points,note\n"
    "a@x.de,Form Submitted,2024-01-02,mobile,email,3,x\n"
    "a@x.de,Form Submitted,2024-01-02,mobile,email,3,x\n"
    "b@x.de,Webinar,2024-01-03 10:00,,web,,\n"
    ",Webinar,2024-01-03,,,,\n"
    "c@x.de,!!,2024-01-03,,,,\n"
    "c@x.de,Web,2024-13-03,,,,\n"
    "c@x.de,,2024-12-03,,,,\n"
)
ACTIVITY_MAPPING = {
    "email": "person_email", "event": "kind", "date": "occurred", "device": "platform", "medium": "channel",
    "points": "value", "note": "properties.note",
}  # fmt: skip


def test_activities_make_their_kinds_and_people_and_are_in_once() -> None:
    imported = bring(ACTIVITIES, "activities", ACTIVITY_MAPPING)
    assert counts(imported) == {"rows": 7, "created": 3, "rejected": 4, "kinds_created": 2, "people_created": 2}
    assert [(row, column) for row, column, _reason in rejects(imported)] == [
        (5, "email"),
        (6, "event"),
        (7, "date"),
        (8, "event"),
    ]
    assert set(ActivityKind.objects.values_list("slug", "label")) == {
        ("form_submitted", "Form Submitted"), ("webinar", "Webinar"),
    }  # fmt: skip
    done = Activity.objects.filter(person__email="a@x.de")
    assert [(each.channel, each.platform, each.value, each.properties, each.occurred_at) for each in done] == [
        ("email", "mobile", 3, {"note": "x"}, at(2024, 1, 2))
    ] * 2
    assert Person.objects.get(email="b@x.de").first_seen_at == at(2024, 1, 3, 10)
    again = bring(ACTIVITIES, "activities", ACTIVITY_MAPPING, now=LATER)
    assert counts(again) == {"rows": 7, "unchanged": 3, "rejected": 4}
    assert Activity.objects.count() == 3


def test_an_earlier_activity_shows_that_somebody_was_there_earlier() -> None:
    bring("email,first seen\na@x.de,2024-06-01\n")
    bring("email,event,date\na@x.de,visit,2024-01-01\na@x.de,visit,2024-09-01\n", "activities")
    assert Person.objects.get().first_seen_at == at(2024, 1, 1)


def test_whom_nobody_knows_and_who_has_no_email_is_refused() -> None:
    bring("id\n1\n")
    imported = bring("person id,event,date,id\n1,visit,2024-01-01,7\n2,visit,2024-01-01,8\n", "activities")
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1, "kinds_created": 1}
    assert rejects(imported)[0][:2] == (3, "person id")
    assert imported.rejects.get().raw == ["2", "visit", "2024-01-01", "8"]


def test_people_are_not_made_where_the_option_says_so() -> None:
    text = "email,event,date\nz@x.de,visit,2024-01-01\n"
    imported = bring(text, "activities", options={"create_people": False})
    assert counts(imported) == {"rows": 1, "rejected": 1}
    assert not Person.objects.exists()


def test_deals_are_won_lost_or_open_by_their_words_and_remember_their_stages() -> None:
    text = (
        "opportunity_id,email,company,product,deal_stage,engage_date,close_date,close_value\n"
        "1,a@x.de,Acme,Basic,Prospecting,2024-01-01,2024-09-01,100\n"
        "2,a@x.de,Acme,Basic,Closed Won,2024-01-01,2024-03-01,99.5\n"
        "3,b@x.de,Beta,Pro,Lost,2024-01-01,2024-03-01,\n"
        "4,b@x.de,Beta,Pro,Won,2024-01-01,,\n"
    )
    imported = bring(text, "deals")
    assert counts(imported) == {
        "rows": 4, "created": 3, "rejected": 1, "accounts_created": 2, "people_created": 2, "products_created": 2,
    }  # fmt: skip
    assert rejects(imported) == [(5, "close_date", "The deal is won or lost, and the row does not say when.")]
    assert [
        *Deal.objects.order_by("external_id").values_list("status", "amount", "closed_at", "expected_close_on")
    ] == [
        ("open", 10_000, None, date(2024, 9, 1)),
        ("won", 9_950, at(2024, 3, 1), None),
        ("lost", None, at(2024, 3, 1), None),
    ]
    assert DealRole.objects.count() == 3 and Deal.objects.get(external_id="1").currency == "EUR"
    assert counts(bring(text, "deals", now=LATER)) == {"rows": 4, "unchanged": 3, "rejected": 1}
    won = text.splitlines()[0] + "\n1,a@x.de,Acme,Basic,Won,2024-01-01,2024-08-01,120\n"
    assert counts(bring(won, "deals", now=LATER)) == {"rows": 1, "updated": 1}
    change = DealStageChange.objects.get()
    assert (change.from_stage, change.to_stage, change.from_status, change.to_status) == (
        "Prospecting",
        "Won",
        "open",
        "won",
    )
    assert (change.occurred_at, change.recorded_at) == (at(2024, 8, 1), LATER)
    assert Deal.objects.get(external_id="1").amount == 12_000
    reopened = text.splitlines()[0] + "\n1,a@x.de,Acme,Basic,Prospecting,2024-01-01,,\n"
    bring(reopened, "deals", now=LATER)
    assert Deal.objects.get(external_id="1").closed_at is None


def test_filling_blanks_of_a_deal_leaves_its_status_alone() -> None:
    bring("deal id,stage,name\n1,Open,\n", "deals")
    again = bring("deal id,stage,close date,name\n1,Won,2024-01-01,Big\n", "deals", policy="fill")
    assert counts(again) == {"rows": 1, "updated": 1}
    deal = Deal.objects.get()
    assert (deal.name, deal.stage, deal.status, deal.closed_at) == ("Big", "Open", "open", None)


def test_a_deal_that_was_won_before_its_first_contact_stays_what_it_is() -> None:
    bring("mql_id,first_contact_date\nm1,2024-02-10\n")
    mapping = {"mql_id": "person_external_id", "won_date": "closed", "=won": "status"}
    bring("mql_id,won_date\nm1,2024-02-08\n", "deals", mapping)
    assert Person.objects.get().first_seen_at == at(2024, 2, 10)
    assert Deal.objects.get().closed_at == Deal.objects.get().opened_at == at(2024, 2, 8)


def test_products_purchases_and_contracts() -> None:
    products = "sku,name,series,sales price\nB1,Basic,Line,550\nP1,Pro,Line,4821\n"
    assert counts(bring(products, "products")) == {"rows": 2, "created": 2}
    assert counts(bring(products.replace("550", "560"), "products", now=LATER)) == {
        "rows": 2,
        "updated": 1,
        "unchanged": 1,
    }
    assert Product.objects.get(name="Basic").price == 56_000
    purchases = (
        "email,product,date,total,qty,currency\na@x.de,basic,2024-01-01,12.5,2,USD\na@x.de,Other,2024-01-02,500,,JPY\n"
    )
    expected = {"rows": 2, "created": 2, "people_created": 1, "products_created": 1}
    assert counts(bring(purchases, "purchases")) == expected
    assert [*Purchase.objects.order_by("occurred_at").values_list("product__name", "amount", "currency", "quantity")] == [
        ("Basic", 1250, "USD", 2), ("Other", 500, "JPY", 1),
    ]  # fmt: skip
    assert counts(bring(purchases, "purchases", now=LATER)) == {"rows": 2, "unchanged": 2}
    contracts = (
        "contract id,account,product,start,renewal date,ARR,auto renew,end date\n"
        "1,Acme,Pro,2024-01-01,2025-01-01,1200,yes,\n"
        "2,Acme,Pro,2024-01-01,,,no,2023-01-01\n"
    )
    imported = bring(contracts, "contracts")
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1, "accounts_created": 1}
    assert rejects(imported) == [(3, "end date", "is before the day on which the contract starts")]
    contract = Contract.objects.get()
    assert (contract.account.name, contract.annual_value, contract.auto_renew) == ("Acme", 120_000, True)  # type: ignore[union-attr]
    assert contract.renews_on == date(2025, 1, 1) and contract.starts_on == date(2024, 1, 1)
    changed = bring(contracts.replace("1200", "1300"), "contracts", now=LATER)
    assert counts(changed) == {"rows": 2, "updated": 1, "rejected": 1}


CONTRACTS = "contract id,account,start,ARR,currency\nC-1,Acme,2024-01-01,1200,EUR\nC-2,Beta,2024-03-01,600,USD\n"


def test_amendments_change_what_a_contract_is_worth_from_a_day_on() -> None:
    bring(CONTRACTS, "contracts")
    file = (
        "contract id,valid from,ARR,currency\n"
        "C-1,2024-07-01,1500,\nC-1,2025-01-01,1400,EUR\nC-1,2025-01-01,1300,EUR\n"
        "C-2,2024-07-01,700,\nC-2,2024-07-01,700,USD\nC-9,2024-07-01,1,\nC-1,2024-01-01,1,\nC-1,2024-08-01,-1,\n"
    )
    imported = bring(file, "contract_amendments")
    assert counts(imported) == {"rows": 8, "created": 3, "repeated": 1, "rejected": 4}
    assert [(row, column) for row, column, _reason in rejects(imported)] == [
        (5, "currency"), (7, "contract id"), (8, "valid from"), (9, "ARR"),
    ]  # fmt: skip
    told = ContractAmendment.objects.order_by("contract__external_id", "valid_from")
    assert [*told.values_list("contract__external_id", "valid_from", "annual_value")] == [
        ("C-1", date(2024, 7, 1), 150_000), ("C-1", date(2025, 1, 1), 130_000), ("C-2", date(2024, 7, 1), 70_000),
    ]  # fmt: skip
    again = bring(file.replace(",1500,", ",1600,"), "contract_amendments", now=LATER)
    assert counts(again) == {"rows": 8, "updated": 1, "unchanged": 2, "repeated": 1, "rejected": 4}
    acme = Account.objects.get(name="Acme")
    worth = [
        querysets.contracts_of(acme, day).get().value for day in (date(2024, 6, 30), date(2024, 7, 1), date(2026, 1, 1))
    ]  # type: ignore[attr-defined]
    assert worth == [120_000, 160_000, 130_000]


def test_a_purchase_may_say_what_it_cost() -> None:
    purchases = "id,email,date,total,cost,currency\n1,a@x.de,2024-01-01,12.50,7.25,EUR\n2,a@x.de,2024-01-02,5,,EUR\n"
    assert counts(bring(purchases, "purchases"))["created"] == 2
    assert [*Purchase.objects.order_by("external_id").values_list("amount", "cost")] == [(1250, 725), (500, None)]


def test_the_olist_leads_and_deals_come_in_whole() -> None:
    leads = shared("olist/olist_marketing_qualified_leads_dataset.csv.gz")
    mapping = {
        "mql_id": "external_id",
        "first_contact_date": "first_seen",
        "origin": "source",
        "landing_page_id": "custom.landing_page",
    }
    assert counts(bring(leads, "people", mapping, source="olist")) == {"rows": 8000, "created": 8000}
    by_origin = dict(Person.objects.values_list("source").annotate(n=Count("id")))
    assert (by_origin["organic_search"], by_origin["unknown"], by_origin[""]) == (2296, 1099, 60)
    deals = shared("olist/olist_closed_deals_dataset.csv")
    mapping = {"mql_id": "person_external_id", "seller_id": "external_id", "won_date": "closed", "=won": "status"}
    assert counts(bring(deals, "deals", mapping, source="olist")) == {"rows": 842, "created": 842}
    assert DealRole.objects.values("person").distinct().count() == 842


def test_the_maven_pipeline_equals_a_count_by_hand(tmp_path: Path) -> None:
    zipfile.ZipFile(shared("crm_maven/CRM+Sales+Opportunities.zip")).extractall(tmp_path)
    folder = tmp_path / "CRM+Sales+Opportunities"
    assert counts(bring(folder / "accounts.csv", "accounts"))["created"] == 85
    assert counts(bring(folder / "products.csv", "products"))["created"] == 7
    imported = bring(folder / "sales_pipeline.csv", "deals")
    assert counts(imported) == {"rows": 8800, "created": 8800, "products_created": 1}  # "GTXPro" is not "GTX Pro"
    figures = {
        row["status"]: (row["n"], row["s"])
        for row in Deal.objects.values("status").annotate(n=Count("id"), s=Sum("amount"))
    }
    assert figures["won"] == (4238, 1_000_553_400)
    assert figures["lost"][0] == 2473 and figures["open"][0] == 2089
    assert Deal.objects.filter(account=None).count() == 1425
