"""Rows out of files: the quick way and the parser agree, and nothing that is wrong with a row stops the rest."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience.importing import Refused, reading, sniffing
from audience.models import Person
from tests.audience.importing.bringing import DATA, bring, counts, rejects

CELLS = st.text(alphabet=st.sampled_from("ab,;\"\n\r'é \\"), max_size=6)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **more: int) -> tuple[list[list[str]], list[tuple[int, str]]]:
    layout = sniffing.look(path)
    rows, bad = [], []
    for batch in reading.batches(path, layout, **more):
        rows += [[str(number), *cells] for number, cells in batch.records(layout)]
        bad += [(each.row, each.reason) for each in batch.bad]
    return rows, bad


def plain(cell: str) -> str:
    """Without blanks at its ends, nor the apostrophe that keeps it from being a formula."""
    trimmed = cell.strip(reading.BLANKS)
    return re.sub(r"^'(?=[=+\-@\t\r])", "", trimmed).strip(reading.BLANKS) if trimmed.startswith("'") else trimmed


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=30),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_csv_writer_wrote_is_read_back_cell_by_cell(tmp_path: Path, rows: list[list[str]], quoting: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows([["one", "two", "three"], *rows])
    found, bad = read(write(tmp_path / "file.csv", text.getvalue()))
    trimmed = [[plain(cell) for cell in row] for row in rows]
    assert [row[1:] for row in found] == [row for row in trimmed if any(row)]
    assert [int(row[0]) for row in found] == [number for number, row in enumerate(trimmed, 2) if any(row)]
    assert not bad


def test_plain_blocks_and_quoted_blocks_number_their_rows_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 64)
    lines = [f'{n},"quoted\n{n}"' if n % 7 == 0 else f"{n},plain {n}" for n in range(2, 200)]
    found, bad = read(write(tmp_path / "file.csv", "number,text\n" + "\n".join(lines)), rows=10)
    assert [row[0] for row in found] == [row[1] for row in found]
    assert len(found) == 198 and not bad


@pytest.mark.django_db(transaction=True)
def test_lines_whose_cells_make_up_for_each_other_are_told_apart_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is handed on for the number of its separators; which line has one too many only COPY sees."""
    monkeypatch.setattr(reading, "BLOCK", 200)
    lines = [f"p{n}@example.com,First,Last" for n in range(2, 120)]
    lines[40], lines[42], lines[60], lines[80] = "p42@example.com,a,b,c", "p44@example.com,a", ",,", ""
    imported = bring("email,first name,last name\n" + "\n".join(lines) + "\n")
    assert rejects(imported) == [(42, "", reading.UNEVEN), (44, "", reading.UNEVEN)]
    assert counts(imported) == {"rows": 116, "created": 114, "rejected": 2}
    assert not Person.objects.filter(email__in=["p42@example.com", "p44@example.com", "p62@example.com"]).exists()
    assert set(Person.objects.values_list("email", "first_name", "last_name")) == {
        (line.split(",")[0], "First", "Last") for line in lines if line.endswith("First,Last")
    }


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.text(alphabet="ab, '", max_size=8), min_size=1, max_size=40), end=st.sampled_from(["\n", "\r\n"])
)
def test_plain_blocks_say_what_a_parser_says(tmp_path: Path, lines: list[str], end: str) -> None:
    path = write(tmp_path / "file.csv", end.join(["one,two", *lines]))
    layout = sniffing.Layout("utf-8", ",", ("one", "two"))
    parsed, quick = [], []
    for found, block in ((parsed, 1 << 20), (quick, 8)):  # the block of the header goes through the parser
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "BLOCK", block)
            for batch in reading.batches(path, layout, rows=7):
                plain = [reading.apart(each, layout) for each in batch.plain]
                found += [row for each in (*plain, reading.Batch(0, [], batch.lines)) for row in each.records(layout)]
                found += [(bad.row, bad.cells) for each in (*plain, batch) for bad in each.bad]
    assert sorted(parsed) == sorted(quick)


def test_cells_lose_the_blanks_at_their_ends(tmp_path: Path) -> None:
    text = "a,b\n1,2\n x ,y\nz,\tw\nv\u00a0,u\n"
    assert [row[1:] for row in read(write(tmp_path / "file.csv", text))[0]] == [
        ["1", "2"], ["x", "y"], ["z", "w"], ["v", "u"],
    ]  # fmt: skip


def test_reading_goes_on_behind_a_row(tmp_path: Path) -> None:
    path = write(tmp_path / "file.csv", "n\n" + "\n".join(str(n) for n in range(2, 50)))
    assert [row[0] for row in read(path, after=30)[0]] == [str(n) for n in range(31, 50)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp1252", "gb18030"])
def test_an_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    name = "北京大学的学生们" if encoding == "gb18030" else "Zoë Müller"
    text = "name,city\n" + f"{name},x\n" * 50
    found, bad = read(write(tmp_path / "file.csv", text.encode(encoding)))
    assert found[0][1] == name and len(found) == 50 and not bad


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found_out(tmp_path: Path, delimiter: str, end: str) -> None:
    text = end.join(delimiter.join(row) for row in (["a", "b"], ["1", "2"], ["3", "4"]))
    assert [row[1:] for row in read(write(tmp_path / "file.csv", text))[0]] == [["1", "2"], ["3", "4"]]


def test_a_bad_row_is_told_with_its_number_and_the_others_are_read(tmp_path: Path) -> None:
    text = 'a,b\n1,2\n1\n1,2,3\n1,2,\n\nx\x00,y\n"a" b,c\n5,6\n"never closed,7\n8,9\n'
    found, bad = read(write(tmp_path / "file.csv", text))
    assert [row[0] for row in found] == ["2", "5", "9"]
    assert bad == [
        (3, reading.UNEVEN),
        (4, reading.UNEVEN),
        (7, reading.NUL),
        (8, reading.BAD_QUOTES),
        (10, reading.TOO_LONG),
    ]


def test_damaged_bytes_refuse_their_row_alone(tmp_path: Path) -> None:
    content = b"name\n" + "Zoë\n".encode() * 40 + b"\xff\xfe broken\n" + "Ünal\n".encode()
    found, bad = read(write(tmp_path / "file.csv", content))
    assert len(found) == 41
    assert bad == [(42, reading.DAMAGED)]


def test_a_cell_of_a_megabyte_and_a_line_without_end_are_refused(tmp_path: Path) -> None:
    text = "a,b\n1,2\n" + "x" * (5 << 20) + ',y\n3,"' + "z" * (2 << 20) + '"\n5,6\n'
    found, bad = read(write(tmp_path / "file.csv", text))
    assert [row[1:] for row in found] == [["1", "2"], ["5", "6"]]
    assert [reason for _row, reason in bad] == [reading.TOO_LONG, reading.TOO_LONG]


def test_cells_are_found_again_by_the_numbers_of_their_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "file.csv", "a,b\n" + "\n".join(f"{n},x" for n in range(2, 100)))
    found = list(reading.cells_of(path, sniffing.look(path), [2, 50, 99]))
    assert found == [(2, ["2", "x"]), (50, ["50", "x"]), (99, ["99", "x"])]


@pytest.mark.parametrize(
    "content, code",
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"%PDF-1.7 ...", "not_csv"),
        (b"PK\x03\x04....", "not_csv"),
        (b"\x1f\x8b\x08....", "not_csv"),
        (bytes(range(256)) * 4, "not_csv"),
        (b"<!DOCTYPE html><html></html>", "not_csv"),
        (b'{"a": 1}', "not_csv"),
        (b"\xfe\xff\x00\x00\x00a\x00\x00\x00b", "not_csv"),
        (",".join(f"c{n}" for n in range(10_000)).encode() + b"\n", "too_many_columns"),
        (b",,,\n1,2,3\n", "not_csv"),
    ],
)
def test_what_is_no_csv_file_is_refused_with_its_reason(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        sniffing.look(write(tmp_path / "file.csv", content))
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")


def test_every_column_gets_a_name_of_its_own_and_it_is_told(tmp_path: Path) -> None:
    layout = sniffing.look(write(tmp_path / "file.csv", "email,name,,name,name,\na,b,c,d,e,f\n"))
    assert layout.header == ("email", "name", "column 3", "name (2)", "name (3)", "column 6")
    assert len(layout.notes) == 3


def test_quotes_escaped_by_backslashes_are_understood(tmp_path: Path) -> None:
    found, bad = read(write(tmp_path / "file.csv", 'a,b\n"say \\"hi\\"",2\n"x, \\"y\\"",3\n'))
    assert [row[1:] for row in found] == [['say "hi"', "2"], ['x, "y"', "3"]] and not bad


def nasty() -> list[Path]:
    folders = ("csv-spectrum/csvs", "csv-test-data/csv", "papaparse")
    return sorted(path for folder in folders for path in (DATA / "nasty_input" / folder).glob("*.csv"))


@pytest.mark.skipif(not nasty(), reason=f"needs the real test data at {DATA}")
def test_every_file_of_the_torture_sets_is_read_or_refused_in_words() -> None:
    for path in nasty():
        try:
            rows, bad = read(path)
        except Refused as refusal:
            assert refusal.message, path
        else:
            assert rows or bad or path.stat().st_size < 30, path
