"""Workbooks (.xlsx) as the text files that every import reads: looked at in their first rows, written out in the job.

A sheet becomes a CSV file beside the workbook, line for row, so that rows keep the numbers that they have there.
What could make it grow beyond all measure is refused by the archive's own table of contents, before a byte is expanded.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import iterparse

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from audience.importing.refusals import Refused
from audience.importing.sniffing import MOST_COLUMNS, Layout, distinct

HEAD = 600  # rows that are looked at before anything is read
MOST_ROWS = 1 << 20  # that a sheet can have
MOST_PARTS = 5000  # files within the archive
LARGEST = 4 << 30  # bytes, all parts expanded
LARGEST_PART = 32 << 20  # of a part that is neither a sheet nor its texts: it is read as a whole
DENSEST, DENSE_FROM = 200, 16 << 20  # how many times its size a part of so many bytes may become
GROWS = ("xl/worksheets/", "xl/sharedstrings")  # parts that are read piece by piece
TOLD = 20_000  # rows between two words of how far it is
# How a part may begin: without a document type there are no entities, neither of entities nor from outside.
PROLOG = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>)?\s*(<!--.*?-->\s*)*<[A-Za-z]", re.DOTALL)
LOCKED_WORDS = gettext_noop("The workbook is locked by a password. Take the password off and save it again.")
LOCKED = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True)
class Sheet:
    """What a sheet is before it is read: its layout as a text file, the row that names its columns, all sheets."""

    name: str
    layout: Layout
    header_row: int
    names: list[str]


def is_one(path: Path) -> bool:
    """Whether a file is an archive, as workbooks are. Raises Refused for a workbook that is locked by a password."""
    with path.open("rb") as file:
        mark = file.read(8)
        if mark == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" and _holds(file, LOCKED):
            raise Refused("encrypted", _(LOCKED_WORDS))
    return mark.startswith(b"PK\x03\x04")


def look(path: Path, sheet: str, into: Path) -> Sheet:
    """A sheet of the workbook, the first that is shown and says something unless one is named; its first rows are kept.

    Raises Refused (`not_csv`, `empty`, `too_many_columns`, `too_large_inside`, `encrypted`, `no_such_sheet`).
    """
    with _opened(path) as book:
        names = [each.title for each in book.worksheets]
        if sheet and sheet not in names:
            raise Refused("no_such_sheet", _("The workbook has no sheet “%(sheet)s”.") % {"sheet": sheet[:100]})
        shown = [each for each in book.worksheets if each.sheet_state == "visible"] or book.worksheets
        for each in [book[sheet]] if sheet else shown:
            head = list(_rows(each, HEAD))
            said = next((number for number, row in enumerate(head) if any(row)), None)
            if said is not None:
                break
        else:
            raise Refused("empty", _("The sheet is empty.") if sheet else _("The workbook is empty."))
    if len(head) < HEAD and not any(head[said + 1 :]):
        raise Refused("empty", _("The sheet has a header and no rows."))
    width = max(_width(row) for row in head)
    if width > MOST_COLUMNS:
        reason = _("The sheet has %(columns)s columns; at most %(limit)s are taken. Leave out what you do not need.")
        raise Refused("too_many_columns", reason % {"columns": width, "limit": MOST_COLUMNS})
    header, notes = distinct([*head[said], *[""] * (width - len(head[said]))][:width])
    _write(into, header, said + 1, enumerate(head[said + 1 :], said + 2))
    return Sheet(each.title, Layout("utf-8", ",", header, tuple(notes)), said + 1, names)


def convert(path: Path, sheet: str, header: list[str], header_row: int, tell: Callable[[int], None]) -> None:
    """Write the sheet out as CSV, whole or not at all; `tell` hears of rows done. Raises Refused."""
    with _opened(path) as book:

        def counted() -> Iterator[tuple[int, list[str]]]:
            for number, row in enumerate(_rows(book[sheet]), 1):
                if number % TOLD == 0:
                    tell(number)
                if number > header_row:
                    yield number, row

        _write(rows_of(path), tuple(header), header_row, counted())


def head_of(path: Path) -> Path:
    """Where the first rows of the sheet are kept."""
    return path.with_suffix(".head.csv")


def rows_of(path: Path) -> Path:
    """Where all rows of the sheet are, once it is written out."""
    return path.with_suffix(".rows.csv")


class _Texts:
    """The texts that sheets refer to by number, on disk, and read no further than anybody has asked for."""

    def __init__(self, source: Any) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with us)
        self._ends = array("Q", [0])
        self._read = self._texts(source)

    def __getitem__(self, number: int) -> str:
        text = None
        while len(self._ends) <= number + 1:
            text = next(self._read)  # StopIteration: there is no such text
            self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "replace")))
        if text is not None:
            return text  # as in most files: told when it is first asked for
        self._file.flush()
        first, last = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), last - first, first).decode()

    @staticmethod
    def _texts(source: Any) -> Iterator[str]:
        whole = None
        for event, node in iterparse(source, events=("start", "end")):
            whole = node if whole is None else whole
            if event == "end" and node.tag == f"{{{SHEET_MAIN_NS}}}si":
                yield str(Text.from_tree(node).content)
                whole.clear()


class _Sheet(ReadOnlyWorksheet):
    """Openpyxl's, which would otherwise read all of a sheet that does not say how large it is."""

    def _get_size(self) -> None:
        pass


class _Reader(ExcelReader):
    """Openpyxl's, whose table of texts would otherwise be held in memory."""

    def read_worksheets(self) -> None:
        for sheet, part in self.parser.find_sheets():
            if part.target in self.valid_files and "chartsheet" not in part.Type:
                found = _Sheet(self.wb, sheet.name, part.target, self.shared_strings)
                found.sheet_state = sheet.state
                self.wb._sheets.append(found)

    def read_strings(self) -> None:
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            self.shared_strings = _Texts(self.archive.open(part.PartName[1:]))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The workbook, to be read row by row."""
    with path.open("rb") as file:
        with _in_words():
            with zipfile.ZipFile(file) as archive:
                _refuse_growing(archive.infolist())
                for part in archive.namelist():
                    if part.lower().endswith((".xml", ".rels")) and not PROLOG.match(archive.open(part).read(4096)):
                        raise ValueError(part)
            reader = _Reader(file, read_only=True, data_only=True, keep_links=False)
            reader.read()
        try:
            yield reader.wb
        finally:
            reader.wb.close()


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever is wrong with the file (XML with entities, parts that are missing, numbers that are none) is told so."""
    try:
        yield
    except (Refused, OSError, MemoryError):
        raise
    except Exception as error:
        told = _("This is no Excel workbook (.xlsx) that can be read, but another archive, or damaged.")
        raise Refused("not_csv", told) from error


def _refuse_growing(parts: list[zipfile.ZipInfo]) -> None:
    if any(part.flag_bits & 1 for part in parts):
        raise Refused("encrypted", _(LOCKED_WORDS))
    names = {part.filename.lower() for part in parts}
    if "xl/workbook.bin" in names:
        raise Refused("not_csv", _("This is a binary workbook (.xlsb). Save it as .xlsx, or the sheet as CSV."))
    if "[content_types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise Refused("not_csv", _("This is a ZIP archive and no Excel workbook (.xlsx). Unpack it first."))
    grows = [part for part in parts if part.filename.lower().startswith(GROWS)]
    dense = (part.file_size > DENSE_FROM and part.file_size > DENSEST * max(part.compress_size, 1) for part in parts)
    whole = (part.file_size > LARGEST_PART for part in parts if part not in grows and not _is_media(part))
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST or any(dense) or any(whole):
        raise Refused(
            "too_large_inside",
            _("The workbook would become far larger when it is unpacked. Save the sheet that you need as CSV."),
        )


def _is_media(part: zipfile.ZipInfo) -> bool:
    """A picture or the like, which nobody opens."""
    return part.filename.lower().startswith(("xl/media/", "xl/embeddings/", "docprops/thumbnail"))


def _rows(sheet: Any, most: int = MOST_ROWS) -> Iterator[list[str]]:
    """The rows of a sheet as texts, from its first on, empty ones too, without cells at their ends that say nothing."""
    found = sheet.iter_rows(values_only=True)
    for _number in range(most):
        with _in_words():
            row = next(found, None)
        if row is None:
            return
        cells = [_text(value) for value in row[: MOST_COLUMNS + 1]]
        yield cells[: _width(cells)]
    if most == MOST_ROWS:
        with _in_words():
            if next(found, None) is not None:
                raise Refused("not_csv", _("The sheet has more rows than a sheet can have; the file is damaged."))


def _width(cells: list[str]) -> int:
    """How many cells there are up to the last that says something."""
    return next((place for place in range(len(cells), 0, -1) if cells[place - 1]), 0)


def _text(value: Any) -> str:
    """A cell as a text file has it: formulas as what they came to, days and times as ISO 8601, numbers plain."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.15g}" if "e" not in f"{value:.15g}" else f"{value:f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        full = value + timedelta(milliseconds=500)  # sheets count days in floats, which miss the second by a hair
        return full.date().isoformat() if full.time() < time(0, 0, 1) else full.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds() / 3600:.15g}"
    return str(value).strip()


def _write(path: Path, header: tuple[str, ...], header_row: int, rows: Iterator[tuple[int, list[str]]]) -> None:
    """The rows as CSV under their numbers: the header in line 1, blank lines down to its own row, then line for row."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", errors="replace", newline="") as file:
        os.fchmod(file.fileno(), 0o600)
        writer = csv.writer(file)
        writer.writerow(header)
        file.write("\r\n" * (header_row - 1))
        for _number, row in rows:
            if row:
                writer.writerow([*row, *[""] * (len(header) - len(row))])
            else:
                file.write("\r\n")
    part.replace(path)


def _holds(file: Any, wanted: bytes) -> bool:
    tail = b""
    while block := file.read(1 << 20):
        if wanted in tail + block:
            return True
        tail = block[-len(wanted) :]
    return False
