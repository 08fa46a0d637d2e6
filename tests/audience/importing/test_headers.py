"""What columns are taken for: sensibly, or not at all, and never silently."""

from __future__ import annotations

import pytest

from audience import importing
from audience.importing import Refused, headers, reading, sniffing
from audience.models import Field, Import, Person
from audience.subjects import custom
from tests.audience.importing.bringing import DATA, NOW, bring, counts

pytestmark = pytest.mark.django_db


def guess(kind: str, header: str, *rows: str) -> dict[str, str]:
    cells = [row.split(",") for row in rows]
    return headers.guess(importing.kind_of(kind), header.split(","), cells).mapping


def test_names_are_known_however_systems_write_them() -> None:
    assert guess("people", "E-Mail,First Name,lastname,Job Title,property_jobtitle,Company,State") == {
        "E-Mail": "email",
        "First Name": "first_name",
        "lastname": "last_name",
        "Job Title": "title",
        "Company": "account_name",
        "State": "region",
    }
    assert guess("people", "mql_id,first_contact_date,landing_page_id,origin") == {
        "mql_id": "external_id",
        "first_contact_date": "first_seen",
        "origin": "source",
    }
    assert guess(
        "deals", "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value"
    ) == {
        "opportunity_id": "external_id",
        "sales_agent": "owner",
        "product": "product",
        "account": "account_name",
        "deal_stage": "stage",
        "engage_date": "created",
        "close_date": "closed",
        "close_value": "amount",
    }


def test_a_column_called_as_a_custom_field_is_that_field_by_its_label_or_its_slug() -> None:
    for label, of_type in (("Shoe size", "number"), ("Mobile phone", "text"), ("Title", "text"), ("Level", "choice")):
        custom.define(label, of="person", type=of_type, choices=["a"] if of_type == "choice" else [], by=None, now=NOW)
    custom.define("Plant", of="account", type="text", choices=[], by=None, now=NOW)
    custom.change(Field.objects.get(slug="level"), label="Job level", by=None, now=NOW)
    custom.change(Field.objects.get(slug="shoe_size"), label="Size of shoes", by=None, now=NOW)
    assert guess("people", "email,SHOE_SIZE,mobile-phone,job LEVEL,title,plant", "a@x.de,38.5,1,a,Chair,Ulm") == {
        "email": "email",
        "SHOE_SIZE": "custom.shoe_size",
        "mobile-phone": "custom.mobile_phone",
        "job LEVEL": "custom.level",
        "title": "title",
    }
    assert guess("people", "email,size of shoes,shoe size", "a@x.de,38.5,39") == {
        "email": "email", "size of shoes": "custom.shoe_size",
    }  # fmt: skip
    found = headers.guess(importing.kind_of("people"), ["email", "shoe size"], [["a@x.de", "big"], ["b@x.de", "small"]])
    assert found.mapping == {"email": "email"} and "Size of shoes" in found.notes[0]


def test_a_column_whose_values_are_something_else_is_not_taken_and_it_is_told() -> None:
    found = headers.guess(importing.kind_of("people"), ["email", "created"], [["9f86d081", "x"], ["60303ae2", "y"]])
    assert found.mapping == {}
    assert found.unknown == ["email", "created"]
    assert len(found.notes) == 2 and "email" in found.notes[0]


def test_whether_day_or_month_comes_first_is_seen_from_the_values() -> None:
    bring("email,first seen\na@x.de,13/02/2024\nb@x.de,01/03/2024\n")
    bring("email,first seen\nc@x.de,02/13/2024\nd@x.de,01/03/2024\n")
    seen = {each.email: each.first_seen_at.date().isoformat() for each in Person.objects.all()}
    assert seen == {"a@x.de": "2024-02-13", "b@x.de": "2024-03-01", "c@x.de": "2024-02-13", "d@x.de": "2024-01-03"}


@pytest.mark.parametrize(
    "mapping, code",
    [
        ({"nothing": "email"}, "unknown_column"),
        ({"mail": "e_mail"}, "unknown_field"),
        ({"mail": "email", "other": "email"}, "mapped_twice"),
        ({"other": "first_name"}, "missing_field"),
        ({"mail": "email", "other": "custom.Not a slug"}, "unknown_field"),
        ({"mail": "email", "other": "custom.size:colour"}, "unknown_type"),
        ({"mail": "email", "other": "properties.x"}, "unknown_field"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_and_nothing_is_kept(mapping: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        bring("mail,other\na@x.de,1\n", mapping=mapping)
    assert refusal.value.code == code
    assert not Import.objects.exists()


def test_a_new_custom_field_takes_the_type_of_its_values() -> None:
    imported = bring(
        "email,size,since,paying,plz,note\na@x.de,12,2024-01-02,yes,01234,hello\nb@x.de,7.5,2024-02-03,no,99999,\n",
        mapping={"email": "email"} | {name: f"custom.{name}" for name in ("size", "since", "paying", "plz", "note")},
    )
    assert counts(imported) == {"rows": 2, "created": 2}
    types = dict(Field.objects.values_list("slug", "type"))
    assert types == {"size": "number", "since": "date", "paying": "yes_no", "plz": "text", "note": "text"}
    assert Person.objects.get(email="a@x.de").custom == {
        "size": 12,
        "since": "2024-01-02",
        "paying": True,
        "plz": "01234",
        "note": "hello",
    }


def test_a_dry_run_makes_no_custom_field() -> None:
    bring("email,size\na@x.de,12\n", mapping={"email": "email", "size": "custom.size"}, dry_run=True)
    assert not Field.objects.exists()


FILES = sorted(path for path in DATA.rglob("*.csv*") if path.suffix in (".csv", ".gz")) if DATA.exists() else []


@pytest.mark.skipif(not FILES, reason=f"needs the real test data at {DATA}")
def test_every_csv_of_the_real_data_is_guessed_or_refused_in_words() -> None:
    kinds = [importing.kind_of(name) for name in ("people", "activities", "deals")]
    guessed = 0
    for path in FILES:
        if path.suffix == ".gz":
            continue
        try:
            layout = sniffing.look(path)
        except Refused as refusal:
            assert refusal.message, path
            continue
        sample = reading.sample(path, layout, 20)
        for kind in kinds:
            found = headers.guess(kind, layout.header, sample)
            assert set(found.mapping) | set(found.unknown) == set(layout.header), path
            guessed += bool(found.mapping)
    assert guessed > 200
