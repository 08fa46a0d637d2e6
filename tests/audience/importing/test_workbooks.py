"""Workbooks are read as the text files are: same guesses, same rows, same rejects, and what is dangerous is refused."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook

from audience import importing
from audience.models import Import, Person
from kit import jobs
from kit.models import AuditEntry, User
from kit.sql import Sql, rows, value
from tests.audience.importing.bringing import NOW, bring, counts, rejects

pytestmark = pytest.mark.django_db


def book(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    made = Workbook()
    made.remove(made.active)
    for title, lines in sheets:
        sheet = made.create_sheet(title)
        for line in lines:
            sheet.append(line)
    out = BytesIO()
    made.save(out)
    return out.getvalue()


PEOPLE = [
    ["Email", "First name", "Created at", "Shoe", "VIP"],
    [
        "ann@x.de",
        "Ann",
        datetime(2025, 3, 1, 10, 30),  # noqa: DTZ001 (sheets know no zones)
        38.5,
        True,
    ],
    [],
    ["bob@x.de", None, date(2025, 3, 2), 41, False],
    ["nobody", "Eve", None, None, None],
    ["cy@x.de", "Cy", None, None, None, None, "beside"],
]
MAP = {"Email": "email", "First name": "first_name", "Created at": "first_seen", "Shoe": "custom.shoe:number",
       "VIP": "custom.vip:yes_no"}  # fmt: skip


def upload(content: bytes, name: str = "people.xlsx", **more: Any) -> Import:
    return importing.upload(BytesIO(content), "people", source="fair", by=None, now=NOW, name=name, **more)


def test_values_come_in_as_what_they_are_and_rows_keep_the_numbers_of_the_sheet() -> None:
    imported = bring(book(("People", [row[:5] for row in PEOPLE])), mapping=MAP)
    assert counts(imported) == {"rows": 4, "created": 3, "rejected": 1}
    assert [(row, column) for row, column, _reason in rejects(imported)] == [(5, "Email")]
    ann, bob = Person.objects.get(email="ann@x.de"), Person.objects.get(email="bob@x.de")
    assert ann.custom == {"shoe": 38.5, "vip": True} and bob.custom == {"shoe": 41, "vip": False}
    assert ann.first_seen_at.isoformat() == "2025-03-01T10:30:00+00:00"
    assert not list(Path(imported.path).parent.glob(f"{Path(imported.path).stem}*"))


def test_columns_without_a_name_and_ragged_rows_are_kept() -> None:
    imported = upload(book(("People", PEOPLE)))
    assert imported.header == ["Email", "First name", "Created at", "Shoe", "VIP", "column 6", "column 7"]


def test_the_header_may_stand_below_blank_rows() -> None:
    imported = bring(book(("S", [[], [], ["Email"], ["ann@x.de"], ["wrong"]])))
    assert counts(imported) == {"rows": 2, "created": 1, "rejected": 1}
    assert rejects(imported)[0][0] == 5


def test_of_several_sheets_the_first_that_says_something_is_read_and_another_can_be_chosen() -> None:
    content = book(("Empty", []), ("First", [["Email"], ["ann@x.de"]]), ("Second", [["Mail"], ["bob@x.de"]]))
    imported = upload(content)
    assert (imported.mapping["options"]["sheet"], imported.header) == ("First", ["Email"])
    importing.choose_sheet(imported, "Second")
    imported.refresh_from_db()
    assert imported.header == ["Mail"]
    assert counts(bring(content, sheet="Second")) == {"rows": 1, "created": 1}
    with pytest.raises(importing.Refused) as refused:
        upload(content, sheet="Third")
    assert refused.value.code == "no_such_sheet"


def test_formulas_are_what_they_came_to_and_merged_cells_count_once() -> None:
    made = Workbook()
    sheet = made.active
    for line in (["Email", "City"], ["ann@x.de", "Bonn"], ["bob@x.de", None]):
        sheet.append(line)
    sheet.merge_cells("B2:B3")
    sheet["A4"] = '=LOWER("C@X.DE")'
    out = BytesIO()
    made.save(out)
    with zipfile.ZipFile(out) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    page = "xl/worksheets/sheet1.xml"
    parts[page] = (
        parts[page].replace(b'<c r="A4"><f>', b'<c r="A4" t="str"><f>').replace(b"<v /></c>", b"<v>c@x.de</v></c>")
    )
    parts[page] = parts[page].replace(b"</f><v></v>", b"</f><v>c@x.de</v>")
    imported = bring(packed(parts))
    assert counts(imported)["created"] == 3
    assert dict(Person.objects.values_list("email", "city")) == {"ann@x.de": "Bonn", "bob@x.de": "", "c@x.de": ""}


def packed(parts: dict[str, bytes | str]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


PAGE = "xl/worksheets/sheet1.xml"
SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def changed(part: str, content: bytes) -> bytes:
    """A workbook whose texts stand in a table of their own, as spreadsheets write them, with one part changed."""
    with zipfile.ZipFile(BytesIO(book(("S", [["Email"], ["ann@x.de"]])))) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{n - 1}</v></c></row>' for n in (1, 2))
    parts[PAGE] = f"<worksheet {SPACE}><sheetData>{cells}</sheetData></worksheet>".encode()
    if b"sharedStrings" not in parts["[Content_Types].xml"]:
        kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        told = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
        parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", told)
    return packed(parts | {part: content})


def test_texts_in_a_table_of_their_own_are_found_with_their_runs() -> None:
    texts = f"<sst {SPACE}><si><t>First name</t></si><si><r><t>Zo</t></r><r><t>ë</t></r></si></sst>".encode()
    imported = upload(changed("xl/sharedStrings.xml", texts))
    assert (imported.header, importing.guessed(imported).columns[0].examples) == (["First name"], ["Zoë"])


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst><si><t>&a;</t></si></sst>'
DANGERS = {
    "zeros that unpack to more": lambda: (changed("xl/worksheets/sheet1.xml", b" " * (40 << 20)), "too_large_inside"),
    "texts that unpack to more": lambda: (changed("xl/sharedStrings.xml", b" " * (40 << 20)), "too_large_inside"),
    "styles beyond measure": lambda: (changed("xl/styles.xml", b" " * (40 << 20)), "too_large_inside"),
    "entities of entities": lambda: (changed("xl/sharedStrings.xml", BOMB), "not_csv"),
    "an entity from outside": lambda: (changed("xl/sharedStrings.xml", OUTSIDE), "not_csv"),
    "entities in the sheet": lambda: (changed("xl/worksheets/sheet1.xml", BOMB), "not_csv"),
    "no XML": lambda: (changed("xl/workbook.xml", b"\x00\x01"), "not_csv"),
    "another archive": lambda: (packed({"../../etc/passwd": "x"}), "unsafe_archive"),
    "a binary workbook": lambda: (packed({"xl/workbook.bin": "x", "[Content_Types].xml": ""}), "not_csv"),
    "half a file": lambda: (book(("S", [["Email"], ["ann@x.de"]]))[:900], "not_csv"),
    "a locked workbook": lambda: (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    "an old workbook": lambda: (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "not_csv"),
    "nothing in it": lambda: (book(("S", [])), "empty"),
    "a header alone": lambda: (book(("S", [["Email"]])), "empty"),
    "too many columns": lambda: (book(("S", [[f"c{n}" for n in range(1001)], ["x"]])), "too_many_columns"),
    "rows beyond a sheet": lambda: (changed("xl/worksheets/sheet1.xml", FAR), "not_csv"),
}  # fmt: skip
FAR = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="1"><c r="A1" t="inlineStr"><is><t>Email</t></is></c></row>'
    b'<row r="99999999999"><c r="A99999999999" t="inlineStr"><is><t>a@x.de</t></is></c></row></sheetData></worksheet>'
)


@pytest.mark.parametrize("danger", DANGERS)
def test_what_is_dangerous_or_none_is_refused_in_words(danger: str, uploads: Path) -> None:
    content, code = DANGERS[danger]()
    try:
        imported = upload(content)
    except importing.Refused as refused:
        assert (refused.code, bool(refused.message)) == (code, True)
    else:  # what is only seen when all of it is read fails the job in the same words
        assert danger == "rows beyond a sheet"
        with pytest.raises(importing.Refused):
            importing.workbooks.convert(Path(imported.path), "S", imported.header, 1, lambda number: None)
        importing.discard(imported)
    assert not list(uploads.iterdir())


def test_a_workbook_by_any_other_name_is_one_and_a_text_called_so_is_none() -> None:
    content = book(("S", [["Email"], ["ann@x.de"]]))
    assert upload(content, "people.csv").header == ["Email"]
    assert upload(b"Email\nann@x.de\n", "people.xlsx").mapping["options"].get("sheet") is None


def test_nothing_of_a_file_is_left_in_the_working_schema() -> None:
    tables = Sql("SELECT tablename FROM pg_tables WHERE schemaname = 'work'")
    before = set(rows(tables))
    bring(book(("S", [["Email"], ["ann@x.de"]])))
    assert set(rows(tables)) == before
    assert value(Sql("SELECT count(*) FROM audience_person")) == 1


def test_a_list_goes_out_as_a_workbook_and_comes_in_unchanged(client: Client) -> None:
    client.force_login(User.objects.create_user("ops@example.com", "secret", role=User.Role.OPS))
    odd = ["=1+1", "+49 30 1", "-", "@home", "'quoted", "0049", "1e5", "2025-03-01", "a\tb", "zwölf 张伟 🙂"]
    lines = [f"p{n}@x.de,{text},DE\n" for n, text in enumerate(odd)]
    bring("Email,Last name,Country\n" + "".join(lines), source="fair")
    assert set(Person.objects.values_list("last_name", flat=True)) == set(odd)
    answer = client.get("/people/?export=xlsx&country=DE")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="people.xlsx"'
    assert AuditEntry.objects.get(action="export").target == "people.xlsx"
    again = importing.start(
        BytesIO(content), "people", mapping=None, source="fair", by=None, now=NOW, name="people.xlsx"
    )
    jobs.run(again.job_id or 0, NOW)
    again.refresh_from_db()
    assert {name: n for name, n in counts(again).items() if name != "rows"} == {"unchanged": len(odd)}


def test_a_user_uploads_a_workbook_and_chooses_its_sheet(client: Client) -> None:
    client.force_login(User.objects.create_user("ops@example.com", "secret", role=User.Role.OPS))
    content = book(("Notes", [["Text"], ["Hello"]]), ("People", [["Email"], ["ann@x.de"]]))
    file = SimpleUploadedFile("people.xlsx", content)
    page = client.post("/imports/new/", {"kind": "people", "file": file, "source": "fair"}, follow=True)
    assert "sheet “Notes”" in page.content.decode() and "<option>People</option>" in page.content.decode()
    page = client.post(page.request["PATH_INFO"], {"sheet": "People"}, follow=True)
    assert "sheet “People”" in page.content.decode() and page.context["form"]["column_0"].value() == "email"
    client.post(page.request["PATH_INFO"], {"column_0": "email", "policy": "upsert", "dry_run": "1"})
    jobs.run(Import.objects.get().job_id or 0, NOW)
    assert Import.objects.get().counts["created"] == 1 and not Person.objects.exists()
    client.post(f"/imports/{Import.objects.get().pk}/go/")
    jobs.run(Import.objects.get().job_id or 0, NOW)
    assert Person.objects.get().email == "ann@x.de"
