"""Splits: the value at the end of the window, the unknown apart, erased subjects still counted."""

import pytest

from audience.models import Field, FieldChange, Person
from reporting import splits
from tests import factories
from tests.reporting.ledger import NOW, asked, lifecycle, on, walk

pytestmark = pytest.mark.django_db


def entered(answer):
    return {bucket.label: bucket.body.entered for bucket in answer.buckets}


def change(person, day, **new):
    for field, value in new.items():
        FieldChange.objects.create(
            person=person, field=field, old=getattr(person, field), source="tests", occurred_at=on(day), recorded_at=NOW
        )
        Person.objects.filter(pk=person.pk).update(**{field: value})


def test_last_months_split_stays_when_a_value_changes_today():
    sales = lifecycle()
    someone = walk(sales, ("lead", 3), country="DE").person
    change(someone, 40, country="FR")
    country = splits.find("country", "person")
    assert entered(asked(sales, 1, 32, split=country)) == {"DE": 1}
    assert entered(asked(sales, 1, 60, split=country)) == {"FR": 1}


def test_people_are_split_by_their_accounts_industry():
    sales = lifecycle()
    shop = factories.account(industry="Retail")
    walk(sales, ("lead", 1), account=shop)
    walk(sales, ("lead", 2), account=factories.account())
    walk(sales, ("lead", 3))
    assert entered(asked(sales, 1, 32, split=splits.find("account.industry", "person"))) == {"Retail": 1, "(empty)": 2}


def test_a_custom_field_splits_too():
    Field.objects.create(of="person", slug="landing", label="Landing page", created_at=NOW)
    sales = lifecycle()
    walk(sales, ("lead", 1), custom={"landing": "a"})
    walk(sales, ("lead", 2))
    assert entered(asked(sales, 1, 32, split=splits.find("landing", "person"))) == {"a": 1, "(empty)": 1}


def test_whoever_was_erased_is_still_counted():
    sales = lifecycle()
    someone = walk(sales, ("lead", 1), country="DE").person
    Person.objects.filter(pk=someone.pk).update(erased_at=NOW, country="")
    assert entered(asked(sales, 1, 32, split=splits.find("country", "person"))) == {"(empty)": 1}


def test_an_unknown_field_is_refused_with_the_names_there_are():
    with pytest.raises(splits.UnknownSplit, match=r"no field “shoe size”.*person\.country"):
        splits.find("shoe size", "person")


def test_nobody_is_split_by_what_names_one_person():
    assert "person.email" not in {split.name for split in splits.offered("person")}
