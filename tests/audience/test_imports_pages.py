"""A file from its upload to its rejects, as a user sees it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from audience.models import Activity, Field, Import, Person
from kit import jobs
from kit.models import User

pytestmark = pytest.mark.django_db

PEOPLE = "E-Mail,First Name,Shoe Size\nann@x.de,Ann,38\nnobody,Bob,41\n<script>alert(1)</script>,Eve,=1+1\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS = tmp_path


@pytest.fixture
def user(client: Client) -> User:
    user = User.objects.create_user("ops@example.com", "secret", role=User.Role.OPS)
    client.force_login(user)
    return user


def upload(client: Client, content: str | bytes = PEOPLE, kind: str = "people", name: str = "people.csv") -> Any:
    content = content if isinstance(content, bytes) else content.encode()
    file = SimpleUploadedFile(name, content)
    return client.post("/imports/new/", {"kind": kind, "file": file, "source": "fair"}, follow=True)


def mapped(**more: str) -> dict[str, str]:
    told = {"column_0": "email", "column_1": "first_name", "column_2": "custom.shoe_size:text", "policy": "upsert"}
    return told | more


def work_off() -> Import:
    imported = Import.objects.get()
    jobs.run(imported.job_id or 0, timezone.now())
    imported.refresh_from_db()
    return imported


def test_only_who_is_signed_in_imports(client: Client) -> None:
    for path in ("/imports/", "/imports/new/", "/imports/1/", "/imports/1/map/", "/imports/1/rejects/"):
        assert client.get(path).url.startswith("/sign-in/")  # type: ignore[attr-defined]


def test_an_upload_shows_its_columns_with_values_and_what_they_seem_to_be(client: Client, user: User) -> None:
    page = upload(client)
    assert page.redirect_chain[-1][0] == f"/imports/{Import.objects.get().pk}/map/"
    form = page.context["form"]
    assert [(column.name, bound.value()) for column, bound, _asked in form.columns] == [
        ("E-Mail", ""), ("First Name", "first_name"), ("Shoe Size", ""),
    ]  # fmt: skip
    assert "“E-Mail” sounds like" in page.content.decode()  # two of the three values are no emails
    assert "<script>alert" not in page.content.decode()


def test_a_dry_run_tells_what_would_be_and_then_the_rows_come_in(client: Client, user: User) -> None:
    upload(client)
    imported = Import.objects.get()
    client.post(f"/imports/{imported.pk}/map/", mapped(dry_run="1"))
    page = client.get(f"/imports/{imported.pk}/")
    assert "hx-trigger" in page.content.decode()
    work_off()
    page = client.get(f"/imports/{imported.pk}/")
    assert {name: number for name, _label, number in page.context["counts"]}["created"] == 1
    assert "Would be created" in page.content.decode() and ">Created<" not in page.content.decode()
    listed = client.get("/imports/?export=csv")
    header, line = b"".join(listed).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    told = dict(zip(header.split(","), line.split(","), strict=False))
    assert (told["Created"], told["Rejected"]) == ("", "2"), "nothing was written"
    assert "dry run" in page.content.decode() and "<script>alert" not in page.content.decode()
    assert not Person.objects.exists() and not Field.objects.exists()
    client.post(f"/imports/{imported.pk}/go/")
    work_off()
    assert Person.objects.get().custom == {"shoe_size": "38"}
    assert Import.objects.get().created_by == user
    page = client.get(f"/imports/{imported.pk}/")
    assert "dry run" not in page.content.decode() and 'href="/people/"' in page.content.decode().split("<main", 1)[1]
    assert client.get(f"/imports/{imported.pk}/map/").status_code == 302
    assert "brought in already" in client.post(f"/imports/{imported.pk}/go/", follow=True).content.decode()


def test_rejected_rows_are_a_file_with_their_reasons_that_no_spreadsheet_runs(client: Client, user: User) -> None:
    upload(client)
    imported = Import.objects.get()
    client.post(f"/imports/{imported.pk}/map/", mapped(**{"import": "1"}))
    work_off()
    assert "“nobody”</span> is no email address" in client.get(f"/imports/{imported.pk}/").content.decode()
    lines = b"".join(client.get(f"/imports/{imported.pk}/rejects/")).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    assert lines[0] == "row,column,reason,E-Mail,First Name,Shoe Size"
    assert lines[1] == "3,E-Mail,is no email address,nobody,Bob,41"
    assert lines[2].endswith("Eve,'=1+1")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "empty"),
        (b"a,b\n", "no rows"),
        (b"%PDF-1.4", "PDF"),
        (b"PK\x03\x04", "Excel"),
    ],
)
def test_what_cannot_be_brought_in_is_told_at_once(client: Client, user: User, content: bytes, reason: str) -> None:
    page = upload(client, content, name="people.csv")
    assert reason in page.content.decode()
    assert not Import.objects.exists()


def test_a_mapping_that_cannot_be_keeps_what_was_chosen(client: Client, user: User) -> None:
    upload(client)
    imported = Import.objects.get()
    page = client.post(f"/imports/{imported.pk}/map/", mapped(column_0="", column_2="last_name"))
    assert "One of these fields must be mapped" in page.content.decode()
    assert page.context["form"]["column_2"].value() == "last_name"
    page = client.post(f"/imports/{imported.pk}/map/", mapped(column_1="no such field"))
    assert page.status_code == 200 and page.context["form"].errors


def test_fixed_values_and_properties_are_told_in_the_form(client: Client, user: User) -> None:
    upload(client, "mail,on,page\na@x.de,2024-01-01,pricing\n", "activities")
    imported = Import.objects.get()
    told = {
        "column_0": "person_email", "column_1": "occurred", "column_2": "properties.page", "policy": "upsert",
        "fixed_field_0": "kind", "fixed_value_0": "Page visited", "create_people": "on", "import": "1",
    }  # fmt: skip
    client.post(f"/imports/{imported.pk}/map/", told)
    work_off()
    activity = Activity.objects.get()
    assert (activity.kind.slug, activity.properties) == ("page_visited", {"page": "pricing"})


def test_the_list_names_every_import_and_its_counts_in_a_few_questions(
    client: Client, user: User, django_assert_max_num_queries: Any
) -> None:
    for _number in range(3):
        upload(client)
    with django_assert_max_num_queries(10):
        page = client.get("/imports/")
    assert page.content.decode().count("people.csv") >= 3
    assert client.get("/imports/?kind=nothing&sort=foo&q=%00").status_code == 200


def test_a_thousand_columns_are_mapped_in_one_form(client: Client, user: User) -> None:
    header = ["email", *(f"c{number}" for number in range(999))]
    upload(client, ",".join(header) + "\n" + "a@x.de," + ",".join("1" for _ in range(999)))
    imported = Import.objects.get()
    told = {f"column_{number}": "" for number in range(1000)} | {"column_0": "email", "policy": "upsert", "import": "1"}
    assert client.post(f"/imports/{imported.pk}/map/", told).status_code == 302
    work_off()
    assert Person.objects.get().email == "a@x.de"


def test_a_gzipped_file_is_unpacked_and_a_damaged_one_refused_in_words(client: Client, user: User) -> None:
    packed = gzip.compress(PEOPLE.encode())
    page = upload(client, packed, kind="", name="people.csv.gz")
    assert (page.context["imported"].kind, page.context["form"].fields["column_1"].initial) == ("people", "first_name")
    for damaged in (packed[: len(packed) // 2], packed[:20] + b"\xff" * 9 + packed[29:]):
        page = upload(client, damaged, name="people.csv.gz")
        assert "The file is compressed by gzip and damaged." in page.text
    assert Import.objects.count() == 1


def test_a_gzipped_file_that_grows_beyond_the_limit_is_refused(client: Client, user: User, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1 << 20
    page = upload(client, gzip.compress(b"email\n" + b"a" * (3 << 20)), name="people.csv.gz")
    assert "The file is larger than 1 MB" in page.text and not Import.objects.exists()


def test_a_file_of_which_too_little_is_known_asks_what_its_rows_are_and_then_goes_on(
    client: Client, user: User
) -> None:
    page = upload(client, "id,browser,location\n7,Firefox,x\n", kind="", name="print.csv")
    imported = Import.objects.get()
    assert "The columns do not tell what a row of this file is: id, browser, location." in page.text
    assert "form" not in page.context and "Import now" not in page.text
    client.post(f"/imports/{imported.pk}/map/", {"dry_run": "1", "policy": "upsert", "column_0": "external_id"})
    imported.refresh_from_db()
    assert imported.job is None, "nothing is tried before somebody has said it"
    assert client.get("/imports/").status_code == 200
    page = client.post(f"/imports/{imported.pk}/map/", {"kind": "people"}, follow=True)
    assert page.context["form"].fields["column_0"].initial == "external_id"


def test_a_file_that_asks_is_answered_by_a_mapping_kept_for_files_like_it(client: Client, user: User) -> None:
    upload(client, "id,browser,location\n7,Firefox,x\n", kind="people")
    first = Import.objects.get()
    told = {"column_0": "external_id", "policy": "upsert", "keep_as": "Prints", "dry_run": "1"}
    client.post(f"/imports/{first.pk}/map/", told)
    page = upload(client, "id,browser,location\n8,Opera,y\n", kind="", name="print.csv")
    assert (page.context["imported"].kind, page.context["used"].name) == ("people", "Prints")
