"""ZIP archives of text files: one of them is chosen, and none that is dangerous is opened."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audience import importing
from audience.models import Import, Person
from kit import jobs
from kit.models import Job, User
from tests.audience.importing.bringing import NOW

pytestmark = pytest.mark.django_db

PEOPLE = "email;first name\nann@x.example;Ann\nbob@x.example;Bob\n"
ACCOUNTS = "Company name,Website\nAcme,acme.example\n"


def packed(files: dict[str, str | bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            part = zipfile.ZipInfo(name)
            part.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(part)
            archive.writestr(part, text)
    return made.getvalue()


def upload(content: bytes, kind: str = "", **more: Any) -> Import:
    return importing.upload(BytesIO(content), kind, source="x", by=None, now=NOW, name="all.zip", **more)


def test_its_files_are_offered_and_each_is_looked_at_for_itself(uploads: Path) -> None:
    content = packed(
        {"readme.md": "x", "__MACOSX/._a.csv": "x", "data/contacts.csv": PEOPLE, "data/companies.csv": ACCOUNTS}
    )
    imported = upload(content)
    assert imported.mapping["options"]["sheets"] == ["data/contacts.csv", "data/companies.csv"]
    assert (imported.kind, imported.header, imported.delimiter) == ("people", ["email", "first name"], ";")
    importing.choose_sheet(imported, "data/companies.csv")
    assert (imported.kind, imported.header, imported.delimiter) == ("accounts", ["Company name", "Website"], ",")
    importing.choose_sheet(imported, "data/contacts.csv")
    importing.begin(imported, mapping=None, by=None, now=NOW)
    jobs.run(imported.job_id or 0, NOW)
    assert Job.objects.get(pk=imported.job_id).state == Job.State.DONE
    assert set(Person.objects.values_list("first_name", flat=True)) == {"Ann", "Bob"}
    assert not list(uploads.iterdir())  # nothing of it is left


def test_what_was_written_out_may_be_lost_and_the_job_writes_it_again() -> None:
    imported = upload(packed({"contacts.csv": PEOPLE}), sheet="contacts.csv")
    importing.begin(imported, mapping=None, by=None, now=NOW)
    for part in importing.parts_of(Path(imported.path)):
        if part != Path(imported.path):
            part.unlink()
    jobs.run(imported.job_id or 0, NOW)
    assert Person.objects.count() == 2


def link(part: zipfile.ZipInfo) -> None:
    part.external_attr = (stat.S_IFLNK | 0o777) << 16


DANGERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a way out": (lambda: packed({"../../etc/cron.csv": PEOPLE}), "unsafe_archive"),
    "a way out by backslashes": (lambda: packed({"..\\..\\x.csv": PEOPLE}), "unsafe_archive"),
    "an absolute way": (lambda: packed({"/etc/x.csv": PEOPLE}), "unsafe_archive"),
    "a drive": (lambda: packed({"C:/x.csv": PEOPLE}), "unsafe_archive"),
    "a way out beside a good file": (lambda: packed({"a.csv": PEOPLE, "../b.txt": "x"}), "unsafe_archive"),
    "a link": (lambda: packed({"x.csv": "/etc/passwd"}, link), "unsafe_archive"),
    "a bomb": (lambda: packed({"x.csv": b"0" * (64 << 20)}), "too_large_inside"),
    "too many files": (lambda: packed({f"{n}.csv": "x" for n in range(5001)}), "too_large_inside"),
    "nothing to read": (lambda: packed({"x.png": "x"}), "not_csv"),
    "an archive within": (lambda: packed({"x.zip": packed({"a.csv": PEOPLE})}), "not_csv"),
    "an empty file": (lambda: packed({"x.csv": ""}), "empty"),
    "a header alone": (lambda: packed({"x.csv": "email\n"}), "empty"),
    "half of it": (lambda: packed({"x.csv": PEOPLE * 100})[:-40], "not_csv"),
}


@pytest.mark.parametrize("danger", DANGERS)
def test_what_is_dangerous_or_none_is_refused_in_words_and_leaves_nothing(danger: str, uploads: Path) -> None:
    make, code = DANGERS[danger]
    with pytest.raises(importing.Refused) as refused:
        upload(make())
    assert refused.value.code == code and refused.value.message
    assert not list(uploads.iterdir()) and not Import.objects.exists()


def test_a_table_of_contents_that_lies_is_found_out(settings: Any, uploads: Path) -> None:
    content = bytearray(packed({"x.csv": "email\n" + "a@x.example\n" * 20_000}))
    settings.IMPORT_MAX_BYTES = 100_000
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (1000).to_bytes(4, "little")  # the size that it says it has
    with pytest.raises(importing.Refused):
        upload(bytes(content))
    assert not list(uploads.iterdir())


def test_a_name_that_is_not_there_is_refused_and_the_former_file_stays() -> None:
    imported = upload(packed({"contacts.csv": PEOPLE}))
    with pytest.raises(importing.Refused) as refused:
        importing.choose_sheet(imported, "../../x")
    assert refused.value.code == "no_such_sheet"
    assert importing.guessed(imported).mapping == {"email": "email", "first name": "first_name"}


def test_the_page_offers_its_files(client: Client) -> None:
    client.force_login(User.objects.create_user("ops@example.com", "x", role=User.Role.OPS))
    content = packed({"contacts.csv": PEOPLE, "companies.csv": ACCOUNTS})
    file = BytesIO(content)
    file.name = "all.zip"
    page = client.post("/imports/new/", {"file": file, "kind": "", "source": "x"}, follow=True)
    assert "companies.csv" in page.content.decode()
    imported = Import.objects.get()
    page = client.post(f"/imports/{imported.pk}/map/", {"sheet": "companies.csv"}, follow=True)
    assert page.context["kind"].name == "accounts"
    page = client.post(f"/imports/{imported.pk}/map/", {"kind": "people"}, follow=True)
    assert page.context["kind"].name == "people"
