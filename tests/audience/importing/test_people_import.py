"""Files of people: who is who, what changes, what is kept of what was, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audience.models import Account, AccountRole, Field, FieldChange, Identity, Import, Person
from kit import installation
from kit.models import AuditEntry
from tests.audience.importing.bringing import NOW, bring, counts, rejects

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


def test_people_are_created_with_what_the_file_says() -> None:
    imported = bring(
        "id,Email,First Name,Last Name,Job Title,Country,Lead Source,first contact date\n"
        "7, Ann@Example.COM ,Ann,Lee,VP of Marketing,DE,webinar,2024-02-01\n"
    )
    assert counts(imported) == {"rows": 1, "created": 1}
    ann = Person.objects.get()
    assert (ann.email, ann.first_name, ann.last_name, ann.country, ann.source) == (
        "ann@example.com", "Ann", "Lee", "DE", "webinar",
    )  # fmt: skip
    assert (ann.title_group, ann.seniority) == ("marketing", "vp")
    assert (ann.created_at, ann.updated_at, ann.created_source) == (NOW, NOW, "crm")
    assert ann.first_seen_at == datetime(2024, 2, 1, tzinfo=UTC)
    assert Identity.objects.values_list("system", "kind", "external_id", "person").get() == (
        "crm",
        "person",
        "7",
        ann.pk,
    )
    assert not FieldChange.objects.exists()
    assert AuditEntry.objects.get(action="import.run").after["created"] == 1


def test_a_date_is_the_start_of_the_day_where_the_installation_is() -> None:
    installation.put("zone", "America/Sao_Paulo")
    bring("email,first seen\na@x.de,2024-02-01\nb@x.de,2018-11-04\n")
    seen = dict(Person.objects.values_list("email", "first_seen_at"))
    assert seen["a@x.de"] == datetime(2024, 2, 1, 3, tzinfo=UTC)
    assert seen["b@x.de"] == datetime(2018, 11, 4, 3, tzinfo=UTC)  # that day began at one o'clock


def test_a_time_that_never_was_is_refused() -> None:
    installation.put("zone", "Europe/Berlin")
    imported = bring("email,first seen\na@x.de,2024-03-31 02:30\nb@x.de,2024-03-31 03:30\n")
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1}
    assert rejects(imported) == [(2, "first seen", "is a time that does not exist: the clocks went forward over it")]


def test_the_same_file_again_changes_nothing_and_leaves_no_dead_row() -> None:
    text = "id,email,first name,size\n" + "".join(f"{n},p{n}@x.de,P{n},{n}\n" for n in range(50))
    mapping = {"id": "external_id", "email": "email", "first name": "first_name", "size": "custom.size"}
    bring(text, mapping=mapping)
    places = list(Person.objects.order_by("id").extra(select={"ctid": "ctid::text", "xmin": "xmin::text"}).values_list("id", "ctid", "xmin"))  # fmt: skip
    again = bring(text, mapping=mapping, now=LATER)
    assert counts(again) == {"rows": 50, "unchanged": 50}
    after = list(Person.objects.order_by("id").extra(select={"ctid": "ctid::text", "xmin": "xmin::text"}).values_list("id", "ctid", "xmin"))  # fmt: skip
    assert after == places
    assert not FieldChange.objects.exists()


def test_what_changes_is_kept_as_it_was_with_its_source_and_date() -> None:
    mapping = {"email": "email", "title": "title", "company": "account_name", "tier": "custom.tier"}
    bring("email,title,company,tier\na@x.de,Sales Manager,Acme,gold\nb@x.de,CEO,Beta,gold\n", mapping=mapping)
    acme = Account.objects.get(name="Acme")
    again = bring(
        "email,title,company,tier\na@x.de,Marketing Director,Beta,silver\nb@x.de,,,\n",
        mapping=mapping, source="erp", now=LATER,
    )  # fmt: skip
    assert counts(again) == {"rows": 2, "updated": 1, "unchanged": 1}
    person = Person.objects.get(email="a@x.de")
    changes = set(FieldChange.objects.filter(person=person).values_list("field", "old", "source", "occurred_at"))
    assert changes == {
        ("title", "Sales Manager", "erp", LATER),
        ("title_group", "sales", "erp", LATER),
        ("seniority", "manager", "erp", LATER),
        ("account", str(acme.pk), "erp", LATER),
        ("custom.tier", "gold", "erp", LATER),
    }
    assert (person.title_group, person.seniority, person.account.name) == ("marketing", "director", "Beta")  # type: ignore[union-attr]
    assert person.custom == {"tier": "silver"} and person.updated_at == LATER
    assert Person.objects.get(email="b@x.de").updated_at == NOW


@pytest.mark.parametrize(
    "policy, expected, ann, bob",
    [
        ("upsert", {"rows": 2, "created": 1, "updated": 1}, ("New", "555"), True),
        ("create", {"rows": 2, "created": 1, "skipped": 1}, ("Old", ""), True),
        ("update", {"rows": 2, "updated": 1, "skipped": 1}, ("New", "555"), False),
        ("fill", {"rows": 2, "created": 1, "updated": 1}, ("Old", "555"), True),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_policy_says_what_may_happen_and_a_dry_run_counts_the_same(
    policy: str, expected: dict[str, int], ann: tuple[str, str], bob: bool, dry_run: bool
) -> None:
    bring("email,first name\nann@x.de,Old\n")
    text = "email,first name,phone\nann@x.de,New,555\nbob@x.de,Bob,\n"
    assert counts(bring(text, policy=policy, dry_run=dry_run, now=LATER)) == expected
    if dry_run:
        ann, bob = ("Old", ""), False
    person = Person.objects.get(email="ann@x.de")
    assert (person.first_name, person.phone) == ann
    assert Person.objects.filter(email="bob@x.de").exists() is bob


def test_a_dry_run_writes_nothing_but_its_counts_and_rejects() -> None:
    text = "email,company\na@x.de,Acme\nnot an email,Beta\n"
    imported = bring(text, dry_run=True)
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1}
    assert not Person.objects.exists() and not Account.objects.exists() and not Identity.objects.exists()
    assert rejects(imported) == [(3, "email", "is no email address")]


def test_the_last_row_about_somebody_counts_and_the_earlier_are_told() -> None:
    imported = bring("email,first name\nA@x.de,First\nb@x.de,B\na@X.de,Last\n")
    assert counts(imported) == {"rows": 3, "created": 2, "repeated": 1}
    assert Person.objects.get(email="a@x.de").first_name == "Last"


def test_an_external_id_comes_before_an_email() -> None:
    bring("id,email\n1,old@x.de\n")
    imported = bring("id,email\n1,new@x.de\n", now=LATER)
    assert counts(imported) == {"rows": 1, "updated": 1}
    person = Person.objects.get()
    assert person.email == "new@x.de"
    assert FieldChange.objects.values_list("field", "old").get() == ("email", "old@x.de")


def test_an_external_id_joins_the_person_of_its_email() -> None:
    bring("email\na@x.de\n", source="shop")
    assert counts(bring("id,email\n9,a@x.de\n", now=LATER)) == {"rows": 1, "updated": 1}
    assert Identity.objects.get(system="crm", external_id="9").person == Person.objects.get()


def test_an_email_of_somebody_else_is_refused_not_taken() -> None:
    bring("id,email\n1,a@x.de\n2,b@x.de\n")
    imported = bring("id,email\n1,b@x.de\n2,b@x.de\n", now=LATER)
    assert counts(imported) == {"rows": 2, "unchanged": 1, "rejected": 1}
    [(row, column, reason)] = rejects(imported)
    assert (row, column) == (2, "email") and "somebody else" in reason
    assert imported.rejects.get().raw == ["1", "b@x.de"]
    assert Person.objects.filter(email="a@x.de").exists()


def test_people_without_email_live_by_their_external_id() -> None:
    imported = bring("mql_id,origin\nm1,social\nm2,\n")
    assert counts(imported) == {"rows": 2, "created": 2}
    assert sorted(Person.objects.values_list("source", flat=True)) == ["", "social"]


def test_rows_are_refused_one_by_one_with_number_column_and_reason() -> None:
    imported = bring(
        "email,first name,first seen\n"
        "good@x.de,A,2024-01-01\n"
        "a..b@c.d,B,2024-01-01\n"
        "c@x.de,C,2024-02-30\n"
        ",D,2024-01-01\n"
        f"e@x.de,{'x' * 201},2024-01-01\n"
        "f@x.de\n"
        "jörg@x.de,G,\n"
    )
    assert counts(imported) == {"rows": 7, "created": 1, "rejected": 6}
    assert rejects(imported) == [
        (3, "email", "is no email address"),
        (4, "first seen", "is no date or time"),
        (5, "email", "The row has neither an email nor an external id."),
        (6, "first name", "is too long"),
        (7, "", "The row has another number of cells than the header."),
        (8, "email", "is no email address"),
    ]
    assert imported.rejects.get(row=3).raw == ["a..b@c.d", "B", "2024-01-01"]


def test_a_domain_in_another_script_is_kept_as_the_network_knows_it() -> None:
    bring("email\njeff@Bücher.de\n")
    assert Person.objects.get().email == "jeff@xn--bcher-kva.de"


def test_accounts_are_found_by_domain_or_name_or_made_once() -> None:
    acme = Account.objects.create(name="Acme", domain="acme.com", first_seen_at=NOW, created_at=NOW)
    imported = bring(
        "email,company,website,role\n"
        "a@x.de,Acme Corp,https://www.acme.com/,buyer\n"
        "b@x.de,ACME,,\n"
        "c@x.de,New One,new.example,user\n"
        "d@x.de,new one,,\n"
        "e@x.de,Solo,,\n"
        "f@x.de,solo,,\n"
    )
    assert counts(imported) == {"rows": 6, "created": 6, "accounts_created": 2}
    of = {person.email[0]: person.account for person in Person.objects.select_related("account")}
    assert of["a"] == of["b"] == acme
    assert of["c"] == of["d"] and of["c"].domain == "new.example"  # type: ignore[union-attr]
    assert of["e"] == of["f"] and of["e"].first_seen_at == NOW  # type: ignore[union-attr]
    assert set(AccountRole.objects.values_list("person__email", "role")) == {("a@x.de", "buyer"), ("c@x.de", "user")}


def test_a_person_seen_earlier_than_we_knew_was() -> None:
    bring("email,first seen\na@x.de,2024-02-01\n")
    assert counts(bring("email,first seen\na@x.de,2023-02-01\n", now=LATER)) == {"rows": 1, "updated": 1}
    assert counts(bring("email,first seen\na@x.de,2025-02-01\n", now=LATER)) == {"rows": 1, "unchanged": 1}
    assert Person.objects.get().first_seen_at == datetime(2023, 2, 1, tzinfo=UTC)


def test_a_fixed_value_and_one_column_for_two_fields() -> None:
    bring("mail\na@x.de\n", mapping={"mail": ["email", "external_id"], "=fair": "source"})
    person = Person.objects.get()
    assert (person.source, person.email) == ("fair", "a@x.de")
    assert Identity.objects.get().external_id == "a@x.de"


def test_an_erased_person_is_not_written_again() -> None:
    bring("id,email\n1,a@x.de\n")
    Person.objects.update(erased_at=NOW, email="")
    assert counts(bring("id,email\n1,\n", now=LATER)) == {"rows": 1, "skipped": 1}
    assert Person.objects.get().email == ""


def test_people_of_the_own_domain_are_left_out_of_figures() -> None:
    installation.put("own_domains", ["own.example"])
    bring("email\na@own.example\nb@x.de\n")
    assert dict(Person.objects.values_list("email", "is_excluded")) == {"a@own.example": True, "b@x.de": False}


def test_a_wide_file_is_staged_by_its_mapped_columns_and_rejects_keep_the_whole_row() -> None:
    header = ["email", *(f"c{n}" for n in range(600))]
    rows = [[f"p{n}@x.de", *(f"some longer value {n}" for _ in range(600))] for n in range(20)]
    rows.append(["no email", *("v" for _ in range(600))])
    text = "\n".join(",".join(row) for row in [header, *rows])
    imported = bring(text, mapping={"email": "email", "c599": "first_name"})
    assert counts(imported) == {"rows": 21, "created": 20, "rejected": 1}
    assert Person.objects.get(email="p3@x.de").first_name == "some longer value 3"
    assert len(imported.rejects.get().raw) == 601


def test_many_custom_fields_fit() -> None:
    header = ["email", *(f"c{n}" for n in range(120))]
    text = ",".join(header) + "\na@x.de," + ",".join(str(n) for n in range(120))
    bring(text, mapping={"email": "email"} | {f"c{n}": f"custom.c{n}" for n in range(120)})
    assert Field.objects.count() == 120
    assert Person.objects.get().custom["c77"] == 77


def test_hostile_text_stays_text() -> None:
    hostile = "'; DROP TABLE audience_person; -- %s {} \\. $$"
    bring(f"email,first name\na@x.de,{hostile}\n", source="';--")
    assert Person.objects.get().first_name == hostile


TWICE = {
    "id": "external_id", "email": "email", "title": "title", "phone": "phone", "company": "account_name",
    "website": "account_domain", "role": "account_role", "size": "custom.size:number", "shoe": "custom.shoe:number",
}  # fmt: skip


def test_what_a_later_row_about_somebody_leaves_blank_is_as_an_earlier_one_has_it() -> None:
    text = (
        "id,email,title,phone,company,website,role,size,shoe\n"
        "1,ann@x.de,Cook,,Acme,,buyer,7,38\n"
        "1,,Chair,,,,,8,\n"
        "2,bob@x.de,,,Acme,,user,,\n"
        "2,,,0123,,birch.example,,,\n"
        "3,,,456,,,,,\n"
        "3,eve@x.de,,,,,,,\n"
        ",eve@x.de,Poet,,,,,,44\n"
    )
    imported = bring(text, mapping=TWICE)
    assert counts(imported) == {"rows": 7, "created": 3, "repeated": 4, "accounts_created": 2}
    ann, bob, eve = Person.objects.order_by("email")
    assert (ann.email, ann.title, ann.title_group, ann.account.name) == ("ann@x.de", "Chair", "management", "Acme")
    assert ann.custom == {"size": 8, "shoe": 38}
    assert (bob.email, bob.phone, bob.account.domain) == ("bob@x.de", "0123", "birch.example")
    assert (eve.email, eve.title, eve.phone, eve.custom) == ("eve@x.de", "Poet", "456", {"shoe": 44})
    assert set(Identity.objects.exclude(person=None).values_list("external_id", "person")) == {
        ("1", ann.pk), ("2", bob.pk), ("3", eve.pk),
    }  # fmt: skip
    assert list(AccountRole.objects.values_list("person", "role")) == [(ann.pk, "buyer")], "of one row, or none"
    again = bring(text, mapping=TWICE, now=LATER)
    assert counts(again) == {"rows": 7, "unchanged": 3, "repeated": 4} and Person.objects.count() == 3


def test_what_a_later_row_about_an_account_leaves_blank_is_as_an_earlier_one_has_it() -> None:
    text = (
        "id,name,domain,industry,employees,parent\n9,Group,,,,\n1,Acme,acme.example,Steel,20,Group\n"
        "1,,,,30,\n,Birch,birch.example,Wood,,\n,,birch.example,,5,\n"
    )
    assert counts(bring(text, "accounts")) == {"rows": 5, "created": 3, "repeated": 2}
    told = Account.objects.order_by("name").values_list("name", "domain", "industry", "employees", "parent__name")
    assert list(told) == [
        ("Acme", "acme.example", "Steel", 30, "Group"),
        ("Birch", "birch.example", "Wood", 5, None),
        ("Group", "", "", None, None),
    ]


def test_no_table_of_an_import_is_left_behind() -> None:
    bring("email\na@x.de\n")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'work'")
        assert cursor.fetchone() == (0,)
    assert Import.objects.get().finished_at
