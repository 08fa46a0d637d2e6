"""Rows as a CSV file that a spreadsheet may open without running anything."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

# A spreadsheet takes a cell that begins so for a formula; a plain number is none.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


def safe(value: Any) -> str:
    """A cell as text. Text that a spreadsheet would take for a formula gets a leading apostrophe; numbers stay."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds") if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) and not _PLAIN_NUMBER.fullmatch(text) else text


def lines(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file line by line: comma, quotes where needed, CR LF, as RFC 4180 has it."""
    writer = csv.writer(_Echo())
    yield writer.writerow([safe(each) for each in header])
    for row in rows:
        yield writer.writerow([safe(each) for each in row])


def csv_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A download called `name`.csv, sent while it is read; UTF-8 with a mark, so that spreadsheets show each letter."""

    def body() -> Iterator[bytes]:
        yield b"\xef\xbb\xbf"
        for line in lines(header, rows):
            yield line.encode("utf-8", "replace")

    response = StreamingHttpResponse(body(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, value: str) -> str:
        return value
