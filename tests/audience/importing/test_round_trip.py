"""What leaves as a list comes in again and changes nothing; refused rows come in corrected."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audience import importing
from audience.models import Account, Field, FieldChange, Import, Person
from audience.subjects import custom
from kit import jobs
from kit.models import User
from tests.audience.importing.bringing import NOW, bring, counts

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)
NASTY = ["=1+1", "+49 170 1234567", "-x", "@handle", "O'Neil", "a,b", 'say "so"', "多言語", "'quoted", "x\ny"]


@pytest.fixture
def page(client: Client) -> Client:
    client.force_login(User.objects.create_user("admin@example.com", "x", role=User.Role.ADMIN))
    return client


def exported(page: Client, url: str, kind: str) -> bytes:
    answer = page.get(f"{url}?export={kind}")
    assert answer.status_code == 200
    return b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]


def again(content: bytes, kind: str, name: str) -> Import:
    """As whoever uploads it: by what is guessed, as upsert."""
    imported = importing.start(BytesIO(content), kind, mapping=None, source="crm", by=None, now=LATER, name=name)
    jobs.run(imported.job_id or 0, LATER)
    imported.refresh_from_db()
    return imported


@pytest.mark.parametrize("file", ["csv", "xlsx"])
def test_people_leave_and_come_in_unchanged(page: Client, file: str) -> None:
    for slug, of_type in (
        ("budget", "money"),
        ("shoe", "number"),
        ("likes", "text"),
        ("vip", "yes_no"),
        ("born", "date"),
    ):
        custom.define(slug, of="person", type=of_type, choices=[], by=None, now=NOW)
    lines = "".join(
        f'{number},p{number}@x.example,"{text.replace(chr(34), chr(34) * 2)}",Neil,"{text.replace(chr(34), chr(34) * 2)}",Acme,12.50,38.5,yes,2000-02-29\n'
        for number, text in enumerate(NASTY)
    )
    mapping = {
        "id": "external_id", "email": "email", "first": "first_name", "last": "last_name", "likes": "custom.likes",
        "company": "account_name", "budget": "custom.budget", "shoe": "custom.shoe", "vip": "custom.vip", "born": "custom.born",
    }  # fmt: skip
    bring("id,email,first,last,likes,company,budget,shoe,vip,born\n" + lines, mapping=mapping)
    Person.objects.update(first_seen_at=NOW + timedelta(microseconds=123456))
    before = list(Person.objects.order_by("pk").values())
    content = exported(page, "/people/", file)
    assert counts(again(content, "people", f"people.{file}")) == {"rows": len(NASTY), "unchanged": len(NASTY)}
    assert list(Person.objects.order_by("pk").values()) == before
    assert not FieldChange.objects.filter(recorded_at=LATER).exists()


@pytest.mark.parametrize("file", ["csv", "xlsx"])
def test_accounts_leave_and_come_in_unchanged(page: Client, file: str) -> None:
    lines = "".join(f'{n},"{text.replace(chr(34), chr(34) * 2)}",a{n}.example,Steel,{n},1234.5{n},EUR,{"Parent" if n else ""}\n'
                    for n, text in enumerate(NASTY[:-1]))  # fmt: skip
    told = bring("id,name,domain,industry,employees,revenue,currency,parent\n99,Parent,,,,,,\n" + lines, "accounts")
    assert counts(told)["created"] == len(NASTY)
    before = list(Account.objects.order_by("pk").values())
    answer = counts(again(exported(page, "/accounts/", file), "accounts", f"accounts.{file}"))
    assert answer == {"rows": len(NASTY), "unchanged": len(NASTY)}
    assert list(Account.objects.order_by("pk").values()) == before


KEPT = {
    "person": {"level": "vp", "likes": ["tea", "mate"], "budget": 123456, "shoe": 38.5, "vip": True, "born": "2000-02-29"},
    "account": {"level": "vp", "likes": ["mate"], "budget": 1234, "shoe": 7, "vip": False, "born": "1999-01-31"},
}  # fmt: skip


@pytest.mark.parametrize("file", ["csv", "xlsx"])
@pytest.mark.parametrize("of", ["person", "account"])
def test_custom_values_leave_and_come_in_where_they_were_lost(page: Client, of: str, file: str) -> None:
    for label, of_type, choices in (
        ("Level", "choice", ["lead", "vp"]),
        ("Likes", "several", ["tea", "mate"]),
        ("Budget", "money", []),
        ("Shoe", "number", []),
        ("VIP", "yes_no", []),
        ("Born", "date", []),
    ):
        custom.define(label, of=of, type=of_type, choices=choices, by=None, now=NOW)
    level = Field.objects.get(slug="level")
    custom.change(level, label="Job level", labels={"vp": "Vice President"}, by=None, now=NOW)
    if of == "person":
        bring("id,email\n1,ann@x.example\n")
    else:
        bring("id,name,currency\n1,Sato,JPY\n", "accounts")
    model, kind = (Person, "people") if of == "person" else (Account, "accounts")
    model.objects.update(custom=KEPT[of])
    content = exported(page, f"/{kind}/", file)
    model.objects.update(custom={})
    page.post("/imports/new/", {"file": SimpleUploadedFile(f"{kind}.{file}", content), "kind": "", "source": "crm"})
    imported = Import.objects.latest("pk")
    form = page.get(reverse("import_map", args=[imported.pk])).context["form"]
    told = {name: field.initial for name, field in form.fields.items() if field.initial}
    page.post(reverse("import_map", args=[imported.pk]), told | {"policy": "upsert", "import": "1"})
    imported.refresh_from_db()
    jobs.run(imported.job_id or 0, LATER)
    assert model.objects.get().custom == KEPT[of]


def test_refused_rows_come_in_once_they_are_corrected_as_their_file_was_read(page: Client) -> None:
    text = "Nr,Adresse,Wert\n1,ann@x.example,=5\n2,bob,=7\n3,eve,-1\n"
    mapping = {"Nr": "external_id", "Adresse": "email", "Wert": "custom.wert:text"}
    first = bring(text, mapping=mapping, source="shop", policy="fill")
    assert counts(first)["rejected"] == 2
    refused = exported(page, f"/imports/{first.pk}/rejects/", "csv").decode("utf-8-sig")
    assert "'=7" in refused
    corrected = SimpleUploadedFile(
        "rejected.csv", refused.replace(",bob,", ",bob@x.example,").replace(",eve,", ",eve@x.example,").encode()
    )
    page.post("/imports/new/", {"file": corrected, "kind": "", "source": "file"})
    again = Import.objects.latest("pk")
    assert (again.kind, again.source, again.policy) == ("people", "shop", "fill")
    importing.begin(again, mapping=None, policy=again.policy, by=None, now=LATER)
    jobs.run(again.job_id or 0, LATER)
    again.refresh_from_db()
    assert counts(again) == {"rows": 2, "created": 2}
    assert dict(Person.objects.values_list("email", "custom__wert")) == {
        "ann@x.example": "=5", "bob@x.example": "=7", "eve@x.example": "-1",
    }  # fmt: skip


def test_an_apostrophe_of_a_name_stays(tmp_path: Path) -> None:
    bring("email,last name\na@x.example,'t Hooft\nb@x.example,O'Neil\nc@x.example,'=x\n")
    assert set(Person.objects.values_list("last_name", flat=True)) == {"'t Hooft", "O'Neil", "=x"}
