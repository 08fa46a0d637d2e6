"""People of the own domains are left out of figures, with a history of why."""

from __future__ import annotations

import pytest

from audience.models import FieldChange, Person
from audience.subjects import exclusions
from kit import installation
from tests import factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db


def excluded() -> set[int]:
    return set(Person.objects.filter(is_excluded=True).values_list("pk", flat=True))


def test_people_and_accounts_of_the_own_domains_and_below_are_left_out() -> None:
    installation.put("own_domains", ["Acme.example", "@münchen.example"])
    own = [
        factories.person(email=each) for each in ("a@acme.example", "b@MAIL.acme.example", "c@xn--mnchen-3ya.example")
    ]
    for other in ("a@notacme.example", "a@acme.example.org", ""):
        factories.person(email=other)
    account = factories.account(domain="acme.example")
    assert exclusions.refresh(NOW) == 4
    assert excluded() == {each.pk for each in own}
    account.refresh_from_db()
    assert account.is_excluded and account.excluded_reason == "own domain"


def test_the_change_is_kept_in_the_history_and_made_once() -> None:
    person = factories.person(email="a@acme.example")
    installation.put("own_domains", ["acme.example"])
    assert exclusions.refresh(NOW) == 1
    assert exclusions.refresh(NOW) == 0
    kept = FieldChange.objects.filter(person=person).order_by("field")
    assert [(each.field, each.old, each.occurred_at) for each in kept] == [
        ("excluded_reason", "", NOW),
        ("is_excluded", "false", NOW),
    ]


def test_a_domain_that_is_no_longer_own_brings_its_people_back() -> None:
    person = factories.person(email="a@acme.example")
    by_hand = factories.person(email="b@acme.example", is_excluded=True, excluded_reason="test")
    installation.put("own_domains", ["acme.example"])
    exclusions.refresh(days_ago(1))
    installation.put("own_domains", ["other.example"])
    assert exclusions.refresh(NOW) == 1
    assert excluded() == {by_hand.pk}, "who was left out by hand stays out"
    person.refresh_from_db()
    assert person.excluded_reason == ""
    assert FieldChange.objects.filter(person=person, field="is_excluded").count() == 2


def test_without_own_domains_nobody_is_left_out() -> None:
    factories.person(email="a@acme.example")
    factories.person(email="")
    assert exclusions.refresh(NOW) == 0
    assert excluded() == set()


def test_many_people_take_as_many_statements_as_one(django_assert_max_num_queries: object) -> None:
    installation.put("own_domains", ["acme.example"])
    for number in range(30):
        factories.person(email=f"p{number}@acme.example")
    with django_assert_max_num_queries(5):  # type: ignore[operator]
        assert exclusions.refresh(NOW) == 30


def test_each_is_flagged_with_the_list_that_names_them_and_the_first_of_several_counts() -> None:
    lists = {
        "own": ["acme.example"],
        "test": ["Tina@gmail.com", "qa.example"],
        "competitor": ["rival.example", "acme.example"],
    }
    said = {
        "a@acme.example": "own domain", "tina@gmail.com": "test list", "x@qa.example": "test list",
        "b@mail.rival.example": "competitor list", "tom@gmail.com": "", "notina@gmail.com": "",
    }  # fmt: skip
    made = {email: factories.person(email=email) for email in said}
    friend = factories.person(email="c@rival.example", is_excluded=True, excluded_reason="a friend")
    rival = factories.account(domain="www.rival.example")
    assert exclusions.name_lists(lists, by=None, now=NOW) == 5
    for email, reason in said.items():
        made[email].refresh_from_db()
        assert (made[email].excluded_reason, made[email].is_excluded) == (reason, bool(reason)), email
    rival.refresh_from_db()
    friend.refresh_from_db()
    assert (rival.excluded_reason, friend.excluded_reason) == ("competitor list", "a friend")
    assert exclusions.counts(Person) == {"own": 1, "test": 2, "competitor": 1, "other": 1}
    assert exclusions.refresh(NOW) == 0


def test_whoever_goes_from_one_list_to_another_stays_out_and_only_the_reason_changes() -> None:
    person = factories.person(email="a@acme.example")
    exclusions.name_lists({"own": ["acme.example"]}, by=None, now=days_ago(2))
    assert exclusions.name_lists({"own": [], "competitor": ["acme.example"]}, by=None, now=days_ago(1)) == 1
    person.refresh_from_db()
    assert (person.is_excluded, person.excluded_reason) == (True, "competitor list")
    kept = (
        FieldChange.objects.filter(person=person).order_by("occurred_at", "field").values_list("field", "old", "source")
    )
    assert list(kept) == [
        ("excluded_reason", "", "own domains"), ("is_excluded", "false", "own domains"),
        ("excluded_reason", "own domain", "competitor list"),
    ]  # fmt: skip
    assert exclusions.name_lists({"competitor": []}, by=None, now=NOW) == 1
    assert excluded() == set()
