"""What a file is before a single row is read: its encoding, its separator, its columns; or why it is no CSV file."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.importing.refusals import Refused

SAMPLE = 1 << 18  # bytes looked at for separator and columns
BLOCK = 1 << 20
DELIMITERS = ",;\t|"
MOST_COLUMNS = 1000
LONGEST_CELL = 1 << 20  # characters
NOISE = 10  # a text in UTF-8 may have one damaged character in so many and still be taken for UTF-8

MARKS = (  # the longer ones first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CANDIDATES = ["cp1252", "latin_1", "gb18030", "big5", "shift_jis", "euc_kr", "cp1251", "cp1250", "iso8859_15", "cp1253"]
FOREIGN = (
    (b"%PDF", gettext_lazy("a PDF document")),
    (b"PK\x05\x06", gettext_lazy("an empty ZIP archive")),
    (b"\xd0\xcf\x11\xe0", gettext_lazy("an old Office document; save it as .xlsx, or the sheet as CSV")),
    (b"\x1f\x8b", gettext_lazy("compressed by gzip; unpack it first")),
    (b"7z\xbc\xaf", gettext_lazy("a 7-Zip archive; unpack it first")),
    (b"Rar!", gettext_lazy("a RAR archive; unpack it first")),
    (b"\x89PNG", gettext_lazy("a picture")),
    (b"\xff\xd8\xff", gettext_lazy("a picture")),
    (b"GIF8", gettext_lazy("a picture")),
    (b"SQLite format 3", gettext_lazy("a database")),
    (b"\x7fELF", gettext_lazy("a program")),
    (b"MZ\x90", gettext_lazy("a program")),
)


@dataclass(frozen=True)
class Layout:
    """How a file is read. `header` names each column once; `notes` tell in words what was not as it should be."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]
    notes: tuple[str, ...] = ()
    escape: str = ""  # a backslash, where quotes within quotes are escaped by it instead of doubled


def look(path: Path) -> Layout:
    """The file's layout. Raises Refused (`not_csv`, `empty`, `too_many_columns`) with the reason in words."""
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    _refuse_foreign(head)
    encoding, notes = _encoding(path, head)
    text = _beginning(path, encoding)
    if not text.strip():
        raise Refused("empty", _("The file is empty."))
    _refuse_garbled(text)
    delimiter, escape = _delimiter(text, ""), ""
    if '\\"' in text and _records(text, delimiter, "", 100, strict=True)[1]:
        escaped = _delimiter(text, "\\")
        if not _records(text, escaped, "\\", 100, strict=True)[1]:
            delimiter, escape = escaped, "\\"
    raw = _first_record(text, delimiter, escape)
    if len(raw) > MOST_COLUMNS:
        reason = _(
            "The file has %(columns)s columns; at most %(limit)s are taken. Leave out those that you do not need."
        )
        raise Refused("too_many_columns", reason % {"columns": len(raw), "limit": MOST_COLUMNS})
    header, more = distinct(raw)
    return Layout(encoding, delimiter, header, (*notes, *more), escape)


def _refuse_foreign(head: bytes) -> None:
    if not head:
        raise Refused("empty", _("The file is empty."))
    for mark, what in FOREIGN:
        if head.startswith(mark):
            raise Refused("not_csv", _("This is no CSV file but %(what)s.") % {"what": what})
    marked = any(head.startswith(mark) for mark, _encoding in MARKS)
    if not marked:
        odd = sum(head.count(bytes([code])) for code in (*range(9), *range(14, 27), *range(28, 32)))
        if odd > len(head) / 50 and not _bare_utf16(head):
            raise Refused("not_csv", _("This is no CSV file: it holds binary data."))
        start = head.lstrip()[:200].lower()
        if start.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise Refused("not_csv", _("This is no CSV file but a web page or an XML document."))
        if re.match(rb"\[?\s*\{\s*[\"}]|\[\s*[\"\[]", start):
            raise Refused("not_csv", _("This is no CSV file but JSON."))


def _bare_utf16(head: bytes) -> str:
    """UTF-16 without its mark shows as a NUL in every other byte; the name of the encoding, or nothing."""
    even, odd = head[0:2000:2].count(0), head[1:2000:2].count(0)
    half = len(head[:2000]) // 2
    if odd > half * 0.7 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.7 and odd < half * 0.1:
        return "utf-16-be"
    return ""


def _encoding(path: Path, head: bytes) -> tuple[str, list[str]]:
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, []
    if bare := _bare_utf16(head):
        return bare, []
    wrong = _first_invalid(path)
    if wrong is None:
        return "utf-8", []
    with path.open("rb") as file:
        file.seek(max(wrong - SAMPLE // 2, 0))
        around = file.read(SAMPLE)
    if _mostly_utf8(around):
        return "utf-8", [_("Some characters are damaged (no valid UTF-8); the rows with them are refused.")]
    best = charset_normalizer.from_bytes(around, cp_isolation=CANDIDATES).best()
    encoding = best.encoding if best else "cp1252"
    if encoding in ("latin_1", "cp1250", "iso8859_15"):
        encoding = "cp1252"  # they differ in quotes and dashes alone, which Windows writes
    note = _("The file is not in UTF-8; it is read as %(encoding)s. Look at a few names with accents before you go on.")
    return encoding, [note % {"encoding": encoding}]


def _first_invalid(path: Path) -> int | None:
    """The offset of the first byte that is no UTF-8; None when the whole file is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return max(read + error.start, 0)
            read += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return max(read - 4, 0)
    return None


def _mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    return sum(char > "\x7f" for char in text) - damaged > damaged * NOISE


def _beginning(path: Path, encoding: str) -> str:
    with path.open(
        encoding=encoding, errors="surrogateescape" if encoding.startswith("utf-8") else "replace", newline=""
    ) as file:
        return file.read(SAMPLE)


def _refuse_garbled(text: str) -> None:
    """Text in another encoding than its mark says has NULs, or letters that are shifted by one byte."""
    beginning = text[:2000]
    if sum(char == "\x00" or not ord(char) & 0xFF for char in beginning) > len(beginning) / 4:
        raise Refused("not_csv", _("The file is not in the encoding that its first bytes announce. Save it as UTF-8."))


def _delimiter(text: str, escape: str) -> str:
    """The separator by which most of the first rows have equally many cells, and as many as the header."""
    return max(DELIMITERS, key=lambda each: _evenness(text, each, escape))


def _evenness(text: str, delimiter: str, escape: str) -> tuple[float, int]:
    widths = [len(record) for record in _records(text, delimiter, escape, 100)[0]]
    if not widths or widths[0] < 2:
        return (0.0, 0)
    usual, often = Counter(widths).most_common(1)[0]
    return ((often / len(widths)) if usual == widths[0] else 0.1, widths[0])


def _records(
    text: str, delimiter: str, escape: str, most: int, *, strict: bool = False
) -> tuple[list[list[str]], bool]:
    """The first records, blank ones left out, and whether one of them is malformed (the last may merely be cut off)."""
    csv.field_size_limit(LONGEST_CELL)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, escapechar=escape or None, strict=strict)
    found: list[list[str]] = []
    try:
        for record in reader:
            if record:
                found.append(record)
            if len(found) == most:
                break
    except csv.Error as error:
        return found, "unexpected end" not in str(error)
    return found, False


def _first_record(text: str, delimiter: str, escape: str) -> list[str]:
    records = _records(text, delimiter, escape, 1)[0]
    if not records or not any(cell.strip() for cell in records[0]):
        raise Refused("not_csv", _("The first row must name the columns, and it is empty."))
    return records[0]


def distinct(cells: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Every column gets a name of its own; what had to be changed is told."""
    names: list[str] = []
    notes: list[str] = []
    for number, cell in enumerate(cells, start=1):
        told = " ".join(cell.replace("\x00", "").split())[:300]
        name = told or _("column %(number)s") % {"number": number}
        if not told and number < len(cells):
            notes.append(_("Column %(number)s has no name.") % {"number": number})
        if name in names:
            notes.append(_("The column “%(name)s” is there more than once.") % {"name": name})
            again = 2
            while f"{name} ({again})" in names:
                again += 1
            name = f"{name} ({again})"
        names.append(name.encode("utf-8", "replace").decode())
    return tuple(names), notes
