"""Conditions about others: the people of an account, the account of a person; asked, said, and kept alive."""

from __future__ import annotations

from typing import Any

import pytest

from audience import live, segments
from audience.conditions import compile, describe, explain, tree
from audience.conditions.tree import ConditionError
from audience.models import ConsentRecord, Contract, ContractAmendment, Segment, Topic
from audience.segments import editing
from audience.subjects import people
from kit.sql import rows
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db

DIRECTOR = {"field": "person.title", "op": "contains", "value": "director"}
TWO_DIRECTORS = {"field": "account.people", "who": DIRECTOR, "op": "at_least", "value": 2}
OF_MEDICINE = {
    "field": "person.in_account", "who": {"field": "account.industry", "op": "is", "value": "Medicine"},
    "op": "is", "value": True,
}  # fmt: skip


def held(condition: Any, of: str) -> set[int]:
    node = tree.parse(condition, of=of)
    return {pk for (pk,) in rows(compile.members(node, of=of, at=NOW + live.INSTANT))}


def members(segment: Segment) -> set[int]:
    found = segment.segmentmember_set.filter(left_at=None).values_list("subject_id", flat=True)
    return set(found)


def made(condition: Any, of: str) -> Segment:
    segment = segments.create("Those", of=of, condition=condition, by=None, now=NOW)
    live.run_all(NOW)
    return segment


def test_an_account_is_found_by_its_people_and_a_person_by_their_account() -> None:
    firm, other = factories.account(industry="Medicine"), factories.account(industry="Trade")
    one, two = (factories.person(account=firm, title="Director of Sales") for _n in range(2))
    clerk = factories.person(account=other, title="Director")
    assert held(TWO_DIRECTORS, "account") == {firm.pk}
    assert held({**TWO_DIRECTORS, "value": 1}, "account") == {firm.pk, other.pk}
    assert held(OF_MEDICINE, "person") == {one.pk, two.pk}
    assert held({**OF_MEDICINE, "value": False}, "person") >= {clerk.pk}


def test_they_read_back_and_explain_with_what_is_asked_of_the_others() -> None:
    node = tree.parse(TWO_DIRECTORS, of="account")
    assert describe.sentence(node) == "at least 2 people (job title contains “director”)"
    assert describe.sentence(tree.parse(OF_MEDICINE)) == "belongs to an account (account's industry is “Medicine”): yes"
    firm = factories.account()
    factories.person(account=firm, title="Director")
    told = explain.explain(node, firm.pk, of="account", at=NOW + live.INSTANT)
    assert told and (told.held, told.found) == (False, "1")


@pytest.mark.parametrize(
    ("condition", "of", "said"),
    [
        (
            {**TWO_DIRECTORS, "who": {"field": "account.people", "op": "at_least", "value": 1}}, "account",
            "who › field: “account.people” cannot be asked of people; it belongs to accounts",
        ),
        (
            {**OF_MEDICINE, "who": {**TWO_DIRECTORS}}, "person",
            "who › who: a condition about others cannot ask for others of theirs",
        ),
        (
            {**DIRECTOR, "who": DIRECTOR}, "person",
            "who: “person.title” takes no condition about others; leave “who” out",
        ),
        (
            {**TWO_DIRECTORS, "who": {"field": "person.titel", "op": "empty"}}, "account",
            "who › field: there is no field “person.titel”; did you mean “person.title”?",
        ),
        (
            {"field": "activity.change", "op": "at_least", "value": 1}, "person",
            "days: “activity.change” needs a number of days",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_its_place(condition: Any, of: str, said: str) -> None:
    with pytest.raises(ConditionError) as refused:
        tree.parse(condition, of=of)
    assert refused.value.message == said


def test_an_account_enters_and_leaves_a_segment_by_what_its_people_become() -> None:
    firm, other = factories.account(), factories.account()
    one = factories.person(account=firm, title="Director")
    two = factories.person(account=firm, title="Clerk")
    segment = made(TWO_DIRECTORS, "account")
    assert members(segment) == set()
    people.change(two, {"title": "Director"}, source="tests", by=None, now=NOW)
    live.run_all(NOW)
    assert members(segment) == {firm.pk}
    people.change(one, {"account": other}, source="tests", by=None, now=NOW)
    live.run_all(NOW)
    assert members(segment) == set(), "who moves on is missed in the account that is left"


def test_people_enter_a_segment_by_what_becomes_of_their_account() -> None:
    firm = factories.account()
    ada = factories.person(account=firm)
    at_risk = {"field": "person.in_account", "op": "is", "value": True,
               "who": {"field": "contract.renews", "op": "within_next_days", "value": 60}}  # fmt: skip
    segment = made(at_risk, "person")
    assert members(segment) == set()
    Contract.objects.create(
        account=firm, starts_on=days_ago(300).date(), renews_on=days_ago(-40).date(), recorded_at=NOW, source="t",
        external_id="1",
    )  # fmt: skip
    live.run_all(NOW)
    assert members(segment) == {ada.pk}
    live.run_all(NOW)
    assert live.waiting()[0] == 0, "marks that were passed on go no further"


def test_time_alone_brings_people_in_through_their_account() -> None:
    firm = factories.account()
    ada = factories.person(account=firm)
    Contract.objects.create(
        account=firm, starts_on=days_ago(300).date(), renews_on=days_ago(-61).date(), recorded_at=NOW, source="t",
        external_id="1",
    )  # fmt: skip
    soon = {"field": "person.in_account", "op": "is", "value": True,
            "who": {"field": "contract.renews", "op": "within_next_days", "value": 60}}  # fmt: skip
    segment = made(soon, "person")
    assert members(segment) == set()
    tomorrow = days_ago(-1)
    live.clock(tomorrow)
    live.run_all(tomorrow)
    assert members(segment) == {ada.pk}


def test_segments_may_not_ask_for_one_another_through_their_accounts() -> None:
    inner = made(DIRECTOR, "person")
    outer = segments.create(
        "Firms", of="account",
        condition={"field": "account.people", "op": "at_least", "value": 1,
                   "who": {"field": f"segment.{inner.slug}", "op": "is", "value": True}},
        by=None, now=NOW,
    )  # fmt: skip
    circle = {"field": "person.in_account", "op": "is", "value": True,
              "who": {"field": f"segment.{outer.slug}", "op": "is", "value": True}}  # fmt: skip
    with pytest.raises(editing.Refused):
        segments.change(inner, label="Directors", condition=circle, by=None, now=NOW)


def test_a_contract_counts_from_its_first_midnight_to_its_last_with_the_value_of_its_day() -> None:
    ada = factories.person()
    contract = Contract.objects.create(
        person=ada, starts_on=days_ago(100).date(), renews_on=days_ago(-30).date(), annual_value=500_00,
        currency="EUR", recorded_at=NOW, source="t", external_id="1",
    )  # fmt: skip
    ContractAmendment.objects.create(
        contract=contract, valid_from=days_ago(10).date(), annual_value=900_00, recorded_at=NOW
    )
    worth = {"field": "contract.annual_value", "op": "at_least", "value": 600_00}
    assert held(worth, "person") == {ada.pk}
    node = tree.parse(worth)
    then = {pk for (pk,) in rows(compile.members(node, of="person", at=days_ago(20)))}
    assert then == set()
    contract.ends_on = days_ago(1).date()
    contract.save()
    assert held({"field": "contract.count", "op": "at_least", "value": 1}, "person") == set()
    assert held({"field": "contract.ended", "op": "days_ago_at_most", "value": 2}, "person") == {ada.pk}


def test_consent_is_yes_no_or_unknown() -> None:
    news = Topic.objects.create(slug="news", label="News")
    yes, no, never = (factories.person() for _n in range(3))
    for who, given in ((yes, True), (no, False)):
        ConsentRecord.objects.create(
            person=who, topic=news, channel="email", given=given, basis="consent", source="t",
            occurred_at=days_ago(1), recorded_at=NOW,
        )  # fmt: skip
    assert held({"field": "consent.news", "op": "is", "value": True}, "person") == {yes.pk}
    assert held({"field": "consent.news", "op": "is", "value": False}, "person") == {no.pk}
    assert held({"field": "consent.news", "op": "empty"}, "person") == {never.pk}


def test_change_is_this_window_less_the_one_before() -> None:
    more, less = factories.person(), factories.person()
    for who, days in ((more, (1, 2, 8)), (less, (1, 8, 9))):
        for day in days:
            factories.activity(who, days_ago(day))
    assert held({"field": "activity.change", "days": 7, "op": "at_least", "value": 1}, "person") == {more.pk}
    assert held({"field": "activity.change", "days": 7, "op": "at_most", "value": -1}, "person") == {less.pk}
