"""Rows as a CSV file, for those who may take it, that a spreadsheet may open without running anything."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from kit import audit, rights

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


def download(
    request: HttpRequest, name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, count: int, now: datetime
) -> StreamingHttpResponse:
    """The rows as `name`.csv for whoever may export. Every file that leaves goes through here.

    The trail says who took it, before its first byte leaves: which list, how it was filtered, how many rows it had.
    Raises PermissionDenied.
    """
    if not rights.may(request.user, "export"):
        raise PermissionDenied(_("Taking lists away as files is a right of its own. An administrator can give it."))
    filters = {name: values for name, values in request.GET.lists() if name not in ("export", "sort", "size")}
    after = {"page": request.path, "filters": filters, "rows": count}
    audit.record("export", f"{name}.csv", by=audit.asker(request), now=now, after=after)
    return csv_response(name, header, rows)


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
