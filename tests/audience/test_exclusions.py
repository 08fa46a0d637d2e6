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
    assert account.is_excluded and account.excluded_reason == exclusions.OWN_DOMAIN


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
