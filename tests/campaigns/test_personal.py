"""What a content may say about its readers."""

import json

import pytest
from django.db import connection

from audience.models import Field
from campaigns import personal
from kit import installation
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db


def test_a_context_is_made_of_plain_values_and_leaves_out_what_is_empty():
    installation.put("company", "Marlow Creek")
    installation.put("zone", "Asia/Shanghai")
    acme = account(name="Acme", industry="Food", custom={"tier": "gold"})
    ada = person(
        first_name="Ada", last_name="Lovelace", email="ada@example.com", account=acme, custom={"sites": 3, "x": ""}
    )
    told = personal.contexts([ada.pk], now=NOW)[ada.pk]
    assert told["person"] == {"first_name": "Ada", "last_name": "Lovelace", "name": "Ada Lovelace",
                              "email": "ada@example.com", "custom": {"sites": 3}}  # fmt: skip
    assert told["account"] == {"name": "Acme", "industry": "Food", "custom": {"tier": "gold"}}
    assert (told["company"], told["postal_address"], told["today"]) == ("Marlow Creek", "", "2025-06-15")
    json.dumps(told)


def test_people_without_account_or_erased_or_unknown():
    bob, gone = person(first_name="Bob"), person(erased_at=NOW)
    told = personal.contexts([bob.pk, gone.pk, 10**12], now=NOW)
    assert set(told) == {bob.pk} and told[bob.pk]["account"] == {"custom": {}}


def test_many_people_take_as_many_statements_as_one(django_assert_num_queries):
    some = [person(first_name=str(n)).pk for n in range(30)]
    with connection.cursor():
        personal.contexts(some[:1], now=NOW)
    with django_assert_num_queries(4):
        personal.contexts(some, now=NOW)


def test_everything_on_offer_is_in_a_context_or_put_last():
    Field.objects.create(of="person", slug="sites", label="Sites", created_at=NOW)
    Field.objects.create(of="account", slug="tier", label="Tier", created_at=NOW)
    acme = account(name="A", domain="a.example", industry="i", country="DE", city="c", custom={"tier": "gold"})
    ada = person(first_name="a", last_name="b", email="a@b.example", title="t", language="de", country="DE", city="c",
                 account=acme, custom={"sites": 3})  # fmt: skip
    told = personal.contexts([ada.pk], now=NOW)[ada.pk]
    for name in personal.known() - {"unsubscribe_url", "preferences_url"}:
        value = told
        for step in name.split("."):
            value = value[step]
