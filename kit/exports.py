"""Rows as a file, CSV or a workbook, for those who may take it, that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from kit import audit, rights
from kit.holding import Part

MOST_ROWS = (1 << 20) - 1  # that a sheet holds beside its header
LONGEST_CELL = 32_767  # characters
EXACT = 10**15  # a sheet keeps 15 digits of a number

# A spreadsheet takes a cell that begins so for a formula; a plain number is none.
NO_XML = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
)  # what no XML, and so no workbook, can hold
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


def safe(value: Any) -> str:
    """A cell as text. Text that a spreadsheet would take for a formula gets a leading apostrophe; numbers stay."""
    text = plain(value)
    return f"'{text}" if text.startswith(_DANGEROUS) and not _PLAIN_NUMBER.fullmatch(text) else text


def plain(value: Any) -> str:
    """A cell as text: instants of the installation's zone, days and times as ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(sep=" ", timespec="seconds") if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def lines(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The file line by line: comma, quotes where needed, CR LF, as RFC 4180 has it."""
    writer = csv.writer(_Echo())
    yield writer.writerow([safe(each) for each in header])
    for row in rows:
        yield writer.writerow([safe(each) for each in row])


def wanted(request: HttpRequest) -> bool:
    """Whether the address asks for the file of a page instead of the page."""
    return request.GET.get("export") in ("csv", "xlsx")


def download(
    request: HttpRequest, name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]], *, count: int, now: datetime
) -> HttpResponseBase:
    """The rows as `name`.csv, or as a workbook where the address asks for “export=xlsx”, for whoever may export.

    Every file that leaves goes through here. The trail says who took it, before its first byte leaves: which list, how
    it was filtered, how many rows it had. More than a sheet holds are CSV. Raises PermissionDenied.
    """
    kind = "xlsx" if request.GET.get("export") == "xlsx" and count <= MOST_ROWS else "csv"
    _permit(request, f"{name}.{kind}", count, now)
    return workbook(name, header, rows) if kind == "xlsx" else csv_response(name, header, rows)


def whole(
    request: HttpRequest, name: str, parts: Sequence[Part], *, as_csv: bool, now: datetime, about: Collection[int] = ()
) -> HttpResponse:
    """Several tables as one file: `name`.json, or `name`.zip with a CSV of each; of these. Raises PermissionDenied."""
    file = f"{name}.{'zip' if as_csv else 'json'}"
    _permit(request, file, sum(len(part.rows) for part in parts), now, about)
    body, kind = (_zip(parts), "application/zip") if as_csv else (_json(parts), "application/json")
    return HttpResponse(body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{file}"'})


def _permit(request: HttpRequest, file: str, count: int, now: datetime, about: Collection[int] = ()) -> None:
    """Refuse who may not, and write down who takes what."""
    if not rights.may(request.user, "export"):
        raise PermissionDenied(_("Taking lists away as files is a right of its own. An administrator can give it."))
    filters = {name: values for name, values in request.GET.lists() if name not in ("export", "sort", "size")}
    after = {"page": request.path, "filters": filters, "rows": count}
    audit.record("export", file, by=audit.asker(request), now=now, after=after, about=about)


def _json(parts: Sequence[Part]) -> str:
    told = {part.label: [dict(zip(part.columns, row, strict=True)) for row in part.rows] for part in parts}
    return json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)


def _zip(parts: Sequence[Part]) -> bytes:
    """A CSV file of each; what is an object of its own stands in its cell as JSON."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            cells = ([_cell(each) for each in row] for row in part.rows)
            text = "\ufeff" + "".join(lines(part.columns, cells))
            archive.writestr(f"{part.label.replace(' ', '-')}.csv", text.encode("utf-8", "replace"))
    return packed.getvalue()


def _cell(held: Any) -> Any:
    return json.dumps(held, cls=DjangoJSONEncoder, ensure_ascii=False) if isinstance(held, dict | list) else held


def workbook(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> FileResponse:
    """A download called `name`.xlsx, written row by row into a file of its own before it leaves.

    Texts are texts, whatever they begin with, so that no formula comes out of one and each comes in again unchanged.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet(name[:31])

    def cell(value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, int | float | Decimal) and -EXACT < value < EXACT):
            return value
        text = NO_XML.sub("", plain(value))[:LONGEST_CELL]
        made = WriteOnlyCell(sheet, text) if text else None
        if made is not None:
            made.data_type = "s"  # written where it stands, and never a formula
        return made

    for row in itertools.chain([header], rows):
        sheet.append([cell(each) for each in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the answer closes it)
    book.save(file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx")


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
