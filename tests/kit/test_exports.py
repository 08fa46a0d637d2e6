"""A spreadsheet that opens our files runs nothing, and reads every letter."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from kit import exports


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://evil.example")', '\'=HYPERLINK("http://evil.example")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("-", "'-"),
        ("+", "'+"),
        ("-12.50", "-12.50"),
        ("+4915112345678", "+4915112345678"),
        ("-1,5", "-1,5"),
        ("-1e5", "-1e5"),
        ("-١", "'-١"),
        ("-1\n=2", "'-1\n=2"),
        (-3, "-3"),
        (Decimal("-0.10"), "-0.10"),
        (None, ""),
        (True, "true"),
        (date(2025, 3, 1), "2025-03-01"),
        (datetime(2025, 3, 1, 12, 30, tzinfo=UTC), "2025-03-01 12:30:00+00:00"),
        ("plain, with comma", "plain, with comma"),
        ("O’Brien", "O’Brien"),
    ],
)
def test_only_what_a_spreadsheet_would_run_is_changed(value: Any, cell: str) -> None:
    assert exports.safe(value) == cell


def test_a_file_is_made_line_by_line_with_quotes_where_needed() -> None:
    made = list(exports.lines(["name", "note"], [["Ann", 'said "yes", twice'], ["=x", "two\nlines"]]))
    assert made == ["name,note\r\n", 'Ann,"said ""yes"", twice"\r\n', '\'=x,"two\nlines"\r\n']


def test_a_download_begins_with_the_mark_that_tells_spreadsheets_its_letters() -> None:
    response = exports.csv_response("people", ["name"], [["张伟"]])
    assert b"".join(response.streaming_content).decode("utf-8-sig") == "name\r\n张伟\r\n"  # type: ignore[arg-type]
    assert response["Content-Disposition"] == 'attachment; filename="people.csv"'


def test_a_workbook_is_read_again_whatever_letters_a_name_has() -> None:
    odd = "Ann\x00\x0b\ufffe\uffff\ud800 Lind 😀"
    made = b"".join(exports.workbook("people", ["name"], [[odd]]).streaming_content)  # type: ignore[arg-type]
    sheet = load_workbook(BytesIO(made)).active
    assert [row[0].value for row in sheet.iter_rows()] == ["name", "Ann Lind 😀"]  # type: ignore[union-attr]
