"""Files of costs, cases, consents, addresses not to be used, and roles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from audience import consent
from audience.models import (
    AccountRole,
    Case,
    ConsentRecord,
    Cost,
    Deal,
    DealRole,
    Import,
    Person,
    Suppression,
    Topic,
)
from tests.audience.importing.bringing import NOW, bring, counts, rejects
from tests.audience.importing.test_rollback import roll_back

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def verdict(email: str) -> str | None:
    return consent.verdict(Person.objects.get(email=email), topic=Topic.objects.get(slug="news"), at=LATER)


@pytest.fixture(autouse=True)
def topics() -> None:
    consent.ensure_defaults(NOW)


COSTS = (
    "date,channel,campaign name,spend,currency\n"
    '2025-05-01,paid_search,Spring,"1.200,50 €",EUR\n'
    '2025-05-02,paid_search,Spring,"80,5",EUR\n'
    ",paid_search,Spring,5,EUR\n"
    "2025-05-03,,,5,EUR\n"
)


def test_costs_of_a_day_or_a_period_come_in_once() -> None:
    imported = bring(COSTS, "costs")
    assert counts(imported) == {"rows": 4, "created": 2, "rejected": 2}
    assert list(Cost.objects.order_by("starts_on").values_list("amount", "starts_on", "ends_on")) == [
        (120_050, date(2025, 5, 1), date(2025, 5, 2)),
        (8_050, date(2025, 5, 2), date(2025, 5, 3)),
    ]
    assert counts(bring(COSTS, "costs", now=LATER)) == {"rows": 4, "unchanged": 2, "rejected": 2}
    period = "cost id,from,to,channel,amount\n1,2025-04-01,2025-04-30,events,100\n2,2025-04-02,2025-04-01,events,1\n"
    period += "3,2025-04-05,2025-04-05,events,-20\n"  # a credit
    assert counts(bring(period, "costs")) == {"rows": 3, "created": 2, "rejected": 1}
    assert Cost.objects.get(external_id="3").amount == -2_000
    assert Cost.objects.get(external_id="1").ends_on == date(2025, 5, 1)
    changed = bring(period.replace("100", "120"), "costs", now=LATER)
    assert counts(changed) == {"rows": 3, "updated": 1, "unchanged": 1, "rejected": 1}
    roll_back(changed)
    assert Cost.objects.get(external_id="1").amount == 10_000
    roll_back(imported)
    assert Cost.objects.count() == 2


CASES = (
    "ticket id,subject,priority,email,create date,closed date\n"
    "1,Display dark,high,ann@x.example,2025-05-01,\n"
    "2,Login,low,bob@x.example,2025-05-02,2025-05-03\n"
    "3,Login,low,bob@x.example,2025-05-02,2025-05-01\n"
    "4,,low,bob@x.example,2025-05-02,\n"
)


def test_cases_are_opened_closed_and_taken_back() -> None:
    first = bring(CASES, "cases")
    assert counts(first) == {"rows": 4, "created": 2, "rejected": 2, "people_created": 2}
    closed = bring(
        "ticket id,subject,email,create date,closed date\n1,Display dark,ann@x.example,2025-05-01,2025-05-09\n", "cases"
    )
    assert counts(closed) == {"rows": 1, "updated": 1}
    assert Case.objects.get(external_id="1").closed_at == datetime(2025, 5, 9, tzinfo=UTC)
    roll_back(closed)
    assert Case.objects.get(external_id="1").closed_at is None
    roll_back(first)
    assert not Case.objects.exists()
    assert not Person.objects.filter(erased_at=None).exists()


CONSENTS = (
    "email,status,topic,date,source,consent text,legal basis\n"
    "yes@x.example,subscribed,news,2025-01-01 10:00,webinar form,Yes please,\n"
    "no@x.example,Unsubscribed,,2025-02-01,old tool,,\n"
    "no@x.example,Unsubscribed,,2025-02-01,old tool,,\n"
    "who@x.example,maybe,,2025-02-01,old tool,,\n"
    "who@x.example,yes,no such topic,2025-02-01,old tool,,\n"
    "who@x.example,yes,,,old tool,,\n"
    "who@x.example,yes,,2025-02-01,old tool,,because\n"
)


def test_who_agreed_may_be_written_to_and_who_left_gets_no_mail() -> None:
    imported = bring(CONSENTS, "consents")
    assert counts(imported) == {
        "rows": 7, "created": 2, "repeated": 1, "rejected": 4, "people_created": 2,
    }  # fmt: skip
    assert [column for _row, column, _reason in rejects(imported)] == ["status", "topic", "date", "legal basis"]
    assert verdict("yes@x.example") is None
    assert verdict("no@x.example") == "withdrew"
    given = ConsentRecord.objects.get(given=True)
    assert (given.wording, given.source, given.basis) == ("Yes please", "webinar form", "consent")
    assert given.topic == Topic.objects.get(slug="news")
    assert counts(bring(CONSENTS, "consents", now=LATER))["unchanged"] == 2


def test_consents_that_were_rolled_back_do_not_count() -> None:
    bring("email\nno@x.example\nyes@x.example\n")
    imported = bring(CONSENTS, "consents")
    roll_back(imported)
    assert verdict("yes@x.example") == "no consent"
    assert verdict("no@x.example") == "no consent"
    assert not Suppression.objects.exists()


def test_an_export_that_says_who_opted_out_withdraws_for_those_alone() -> None:
    text = "Email,HasOptedOutOfEmail,CreatedDate\na@x.example,true,2025-01-01\nb@x.example,false,2025-01-01\n"
    assert counts(bring(text, "consents")) == {"rows": 2, "created": 1, "skipped": 1, "people_created": 1}
    assert verdict("a@x.example") == "withdrew"


SUPPRESSED = (
    "email,domain,reason\nGone@x.example,,hard bounce\n,competitor.example,competitor\nnot an address,,x\n,,x\n"
)


def test_addresses_and_domains_that_must_not_be_used() -> None:
    bring("email\ngone@x.example\nspy@competitor.example\nfine@x.example\n")
    consents = "".join(
        f"{email},yes,2025-01-01\n" for email in ("gone@x.example", "spy@competitor.example", "fine@x.example")
    )
    bring("email,consent,date\n" + consents, "consents")
    imported = bring(SUPPRESSED, "suppressions")
    assert counts(imported) == {"rows": 4, "created": 2, "rejected": 2}
    assert verdict("gone@x.example") == "suppressed: hard bounce"
    assert verdict("spy@competitor.example") == "suppressed: competitor"
    assert verdict("fine@x.example") is None
    assert [each.reason for each in consent.find("any@competitor.example")] == ["competitor"]
    assert counts(bring(SUPPRESSED, "suppressions", now=LATER)) == {"rows": 4, "unchanged": 2, "rejected": 2}
    roll_back(imported)
    assert verdict("gone@x.example") is None
    assert verdict("spy@competitor.example") is None


def test_roles_in_deals_and_accounts() -> None:
    bring("deal id,name,amount\n7,Big,100\n", "deals", {"deal id": "external_id", "name": "name"})
    text = "deal id,email,role\n7,ann@x.example,Buyer\n7,ann@x.example,Buyer\n8,ann@x.example,Buyer\n7,,Buyer\n"
    imported = bring(text, "deal_roles")
    assert counts(imported) == {"rows": 4, "created": 1, "repeated": 1, "rejected": 2, "people_created": 1}
    assert list(DealRole.objects.values_list("deal__name", "person__email", "role")) == [
        ("Big", "ann@x.example", "Buyer")
    ]
    accounts = "email,company,role\nann@x.example,Acme,Champion\nann@x.example,Acme,Buyer\n"
    beside = bring(accounts, "account_roles")
    assert counts(beside) == {"rows": 2, "created": 2, "accounts_created": 1}
    assert counts(bring(accounts, "account_roles", policy=Import.Policy.UPDATE)) == {"rows": 2, "unchanged": 2}
    roll_back(beside)
    roll_back(imported)
    assert not AccountRole.objects.exists() and not DealRole.objects.exists()


def test_a_file_says_with_which_account_each_deal_is() -> None:
    bring("id,name\n5,Acme\n6,Bolt\n", "accounts")
    bring("deal id,name,company id\n7,Big,5\n8,Small,\n", "deals")
    text = "deal_id,company_id,type_id\n7,6,5\n8,5,5\n8,6,5\n9,5,5\n"
    tried = bring(text, "deal_accounts", dry_run=True)
    imported = bring(text, "deal_accounts")
    assert counts(tried) == counts(imported) == {"rows": 4, "updated": 2, "repeated": 1, "rejected": 1}
    assert dict(Deal.objects.values_list("name", "account__name")) == {"Big": "Bolt", "Small": "Bolt"}
    assert counts(bring(text, "deal_accounts")) == {"rows": 4, "unchanged": 2, "repeated": 1, "rejected": 1}
    roll_back(imported)
    assert dict(Deal.objects.values_list("name", "account__name")) == {"Big": "Acme", "Small": None}
    only = bring(text, "deal_accounts", policy=Import.Policy.FILL)
    assert dict(Deal.objects.values_list("name", "account__name")) == {"Big": "Acme", "Small": "Bolt"}
    assert counts(only)["updated"] == 1
