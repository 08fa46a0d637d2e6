"""People one at a time: created, changed with history, found by the key that a system has for them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audience.models import Account, Field, FieldChange, Identity, Person
from audience.subjects import accounts, people
from kit.models import AuditEntry, User

NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


@pytest.mark.django_db
def test_a_person_is_created_with_what_the_title_says() -> None:
    user = User.objects.create_user("ops@example.com", "x")
    person = people.create(
        {"email": " Ann@Bücher.DE ", "title": "Senior Sales Manager", "external_id": "7"},
        source="crm",
        by=user,
        now=NOW,
    )
    assert (person.email, person.title_group, person.seniority) == ("ann@xn--bcher-kva.de", "sales", "manager")
    assert (person.first_seen_at, person.created_source) == (NOW, "crm")
    assert Identity.objects.get(system="crm", external_id="7").person == person
    assert AuditEntry.objects.get().actor == "ops@example.com"


@pytest.mark.django_db
def test_a_change_keeps_what_was_and_the_same_again_is_none() -> None:
    Field.objects.create(of="person", slug="tier", label="Tier", created_at=NOW)
    acme = accounts.create({"name": "Acme"}, source="crm", by=None, now=NOW)
    person = people.create(
        {"email": "a@x.de", "title": "CEO", "custom": {"tier": "gold"}}, source="crm", by=None, now=NOW
    )
    new = {"title": "Buyer", "country": "DE", "account": acme, "custom": {"tier": None}}
    assert people.change(person, new, source="hand", by=None, now=LATER)
    assert (person.title, person.account, person.custom, person.updated_at) == ("Buyer", acme, {}, LATER)
    kept = dict(FieldChange.objects.filter(source="hand").values_list("field", "old"))
    assert kept == {
        "title": "CEO", "title_group": "management", "seniority": "c_level", "country": "", "account": None, "custom.tier": "gold",
    }  # fmt: skip
    assert not people.change(person, new, source="hand", by=None, now=LATER)
    assert people.change(person, {"country": ""}, source="hand", by=None, now=LATER)
    assert FieldChange.objects.filter(field="country", old="DE").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values, field",
    [
        ({"email": "a..b@c.d"}, "email"),
        ({"email": "taken@x.de"}, "email"),
        ({"first_name": "x" * 201}, "first_name"),
        ({"first_name": "a\x00b"}, "first_name"),
        ({"is_staff": True}, "is_staff"),
        ({"custom": {"unknown": 1}}, "custom.unknown"),
    ],
)
def test_what_no_person_can_have_is_refused_by_field(values: dict[str, object], field: str) -> None:
    people.create({"email": "taken@x.de"}, source="crm", by=None, now=NOW)
    with pytest.raises(people.BadValue) as refusal:
        people.create(values, source="crm", by=None, now=NOW)
    assert refusal.value.field == field and str(refusal.value)
    assert Person.objects.count() == 1


@pytest.mark.django_db
def test_an_upsert_finds_by_external_id_then_by_email_and_joins_the_two() -> None:
    person, became = people.upsert({"email": "a@x.de"}, source="shop", by=None, now=NOW)
    assert became == "created"
    told = {"email": "A@x.de", "external_id": "7", "city": "Bonn"}
    same, became = people.upsert(told, source="crm", by=None, now=LATER)
    assert (same.pk, became) == (person.pk, "updated")
    assert people.upsert(told, source="crm", by=None, now=LATER) == (person, "unchanged")
    again, became = people.upsert({"external_id": "7", "email": "b@x.de"}, source="crm", by=None, now=LATER)
    assert (again.pk, became, again.email, again.city) == (person.pk, "updated", "b@x.de", "Bonn")
    with pytest.raises(people.BadValue):
        people.upsert({"first_name": "Nobody"}, source="crm", by=None, now=NOW)


@pytest.mark.django_db
def test_an_upsert_keeps_to_the_policies_of_imports() -> None:
    new = {"email": "a@x.de", "city": "Bonn", "country": "DE"}
    assert people.upsert(new, source="crm", by=None, now=NOW, policy="update") == (None, "skipped")
    person, _became = people.upsert({"email": "a@x.de", "city": "Ulm"}, source="crm", by=None, now=NOW)
    assert people.upsert(new, source="crm", by=None, now=LATER, policy="create") == (person, "skipped")
    filled, became = people.upsert(new, source="crm", by=None, now=LATER, policy="fill")
    assert (filled.city, filled.country, became) == ("Ulm", "DE", "updated")


@pytest.mark.django_db
def test_an_account_is_found_by_external_id_then_domain_then_name() -> None:
    def told(**values: str) -> tuple[int | None, str]:
        account, became = accounts.upsert(values, source="crm", by=None, now=NOW)
        return account and account.pk, became

    acme, became = told(name="Acme", domain="acme.de")
    assert became == "created"
    assert told(name="Acme AG", domain="ACME.de") == (acme, "updated")
    assert told(external_id="7", domain="acme.de") == (acme, "updated")
    assert told(external_id="7", name="Acme AG", domain="acme.de") == (acme, "unchanged")
    other, became = told(external_id="8", name="Acme AG")
    assert other != acme and became == "created"
    assert told(name="acme ag") == (acme, "updated")
    with pytest.raises(people.BadValue):
        told(domain="no domain")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("type_name", "good", "bad"),
    [
        ("number", 1.5, "1.5"), ("number", 7, True), ("money", 100, 1.5), ("date", "2025-03-31", "31.3.2025"),
        ("yes_no", False, "no"), ("text", "x", 7), ("choice", "a", "c"),
    ],
)  # fmt: skip
def test_a_custom_value_is_of_its_fields_type(type_name: str, good: object, bad: object) -> None:
    Field.objects.create(of="person", slug="f", label="F", type=type_name, choices=["a", "b"], created_at=NOW)
    person = people.create({"email": "a@x.de", "custom": {"f": good}}, source="crm", by=None, now=NOW)
    assert person.custom == {"f": good}
    with pytest.raises(people.BadValue) as refusal:
        people.change(person, {"custom": {"f": bad}}, source="crm", by=None, now=LATER)
    assert (refusal.value.field, refusal.value.code) == ("custom.f", "wrong_type")


@pytest.mark.django_db(transaction=True)
def test_many_callers_with_one_email_make_one_person() -> None:
    made: list[str] = []
    wrong: list[BaseException] = []

    def call(number: int) -> None:
        try:
            values = {"email": "a@x.de", "external_id": str(number % 2), "first_name": f"Caller {number}"}
            made.append(people.upsert(values, source="crm", by=None, now=NOW)[1])
        except BaseException as error:
            wrong.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert made.count("created") == 1 and len(made) == 16
    assert Person.objects.count() == 1 and Identity.objects.count() == 2


@pytest.mark.django_db
def test_accounts_are_created_and_changed_with_their_history() -> None:
    account = accounts.create({"name": "Acme", "domain": "Bücher.de", "employees": 5}, source="crm", by=None, now=NOW)
    parent = accounts.create({"name": "Mother"}, source="crm", by=None, now=NOW)
    assert account.domain == "xn--bcher-kva.de"
    assert accounts.change(account, {"employees": None, "parent": parent}, source="hand", by=None, now=LATER)
    assert set(FieldChange.objects.values_list("field", "old")) == {("employees", "5"), ("parent", None)}
    assert Account.objects.get(pk=account.pk).employees is None
    with pytest.raises(people.BadValue):
        accounts.create({"industry": "none"}, source="crm", by=None, now=NOW)
