"""Rows out of a file, whatever its encoding and quoting, in batches that are ready for COPY; memory stays flat.

Blocks of text without a quote that have as many separators as their lines should are handed on as they stand: a line
then *is* a row, which COPY numbers and counts the cells of. All other blocks go through `csv.reader`, and so do those
that COPY refuses (`apart`). All three give the same rows.
"""

from __future__ import annotations

import csv
import heapq
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

from django.utils.translation import gettext_noop

from audience.importing.sniffing import LONGEST_CELL, Layout

BLOCK = 1 << 19  # characters read at once
BATCH_ROWS = 100_000
BATCH_CHARACTERS = 16 << 20
LONGEST_ROW = 4 << 20  # characters
BLANKS = " \t\r\n\u00a0\u3000\u200b\ufeff"  # what is cut off at both ends of a cell
SHOWN = 2000  # characters of a cell that are kept of a row that cannot be read

GUARDED = re.compile(r"(?:^|[,;\t|\n\r])'[=+\-@]")  # as exports write what a spreadsheet would take for a formula
GUARDS = ("'=", "'+", "'-", "'@", "'\t", "'\r")

UNEVEN = gettext_noop("The row has another number of cells than the header.")
NUL = gettext_noop("The row holds a NUL character, which no text may.")
DAMAGED = gettext_noop("The row holds bytes that are no text in the encoding of the file.")
TOO_LONG = gettext_noop("The row is too long, or a quote is opened in it and never closed.")
BAD_QUOTES = gettext_noop("A quote in the row is not closed before the separator, or not doubled.")


@dataclass(frozen=True)
class Bad:
    """A row that cannot be read, with its cells as far as they are known."""

    row: int
    reason: str
    cells: list[str]


@dataclass(frozen=True)
class Plain:
    """Whole lines of the file, each of them a row, from row number `first` on."""

    first: int
    rows: int
    texts: list[str]


@dataclass
class Batch:
    """Some rows of the file: plain ones, CSV lines that begin with the row's number, and those that cannot be read."""

    last: int  # the number of the last row read; the header is row 1
    plain: list[Plain] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    characters: int = 0

    @property
    def good(self) -> int:
        return len(self.lines) + sum(each.rows for each in self.plain)

    @property
    def rows(self) -> int:
        return self.good + len(self.bad)

    def is_full(self, rows: int) -> bool:
        return self.rows >= rows or self.characters >= BATCH_CHARACTERS

    def records(self, layout: Layout) -> Iterator[tuple[int, list[str]]]:
        """The rows that can be read, in order, as numbers and cells."""
        told = csv.reader(self.lines, delimiter=layout.delimiter)
        plain = (
            (number, line.split(layout.delimiter))
            for each in self.plain
            for number, line in enumerate("".join(each.texts).split("\n")[: each.rows], each.first)
        )
        counted = (each for each in plain if len(each[1]) == len(layout.header))
        yield from heapq.merge(((int(record[0]), record[1:]) for record in told), counted)


def batches(
    path: Path, layout: Layout, *, after: int = 1, pick: Sequence[int] | None = None, rows: int = BATCH_ROWS
) -> Iterator[Batch]:
    """The rows after row number `after`, in batches. Every record counts, blank ones too, as spreadsheets number them.

    Cells have no blanks at their ends. With `pick` only those columns are written, followed by one cell with all of the
    row as JSON.
    """
    errors = "surrogateescape" if layout.encoding.startswith("utf-8") else "replace"
    with path.open(encoding=layout.encoding, errors=errors, newline="") as file:
        yield from _Reading(file, layout, pick, rows).batches(after)


def sample(path: Path, layout: Layout, most: int) -> list[list[str]]:
    """The cells of the first rows that can be read."""
    batch = next(batches(path, layout, rows=most), Batch(1))
    return [cells for _row, cells in islice(batch.records(layout), most)]


def apart(plain: Plain, layout: Layout) -> Batch:
    """The same rows, read one by one: COPY has found a line among them that has not as many cells as the header."""
    file = io.StringIO("".join(plain.texts), newline="")
    whole = Batch(plain.first - 1)
    for batch in _Reading(file, layout, None, plain.rows, trusting=False).batches(plain.first - 1, plain.first - 1):
        whole.lines += batch.lines
        whole.bad += batch.bad
    return whole


class _TooLong(Exception):
    """The record at hand goes on for longer than any row may."""


class _Overlong(str):
    """Stands for a line that was skipped because it is longer than any row may be."""


class _Reading:
    """One walk through a file. As an iterator it feeds `csv.reader` with lines."""

    def __init__(
        self, file: TextIO, layout: Layout, pick: Sequence[int] | None, rows: int, *, trusting: bool = True
    ) -> None:
        csv.field_size_limit(LONGEST_CELL)
        self._blocks = _blocks(file)
        self._delimiter = layout.delimiter
        self._escape = layout.escape
        self._width = len(layout.header)
        self._pick = pick
        self._rows = rows
        self._trusting = trusting and pick is None and self._width > 1
        self._lines: list[str] = []  # of the block now going through csv.reader
        self._next = 0
        self._seen: list[str] = []  # lines of the record now going through it
        self._length = 0
        self._out = io.StringIO()
        self._writer = csv.writer(self._out, delimiter=self._delimiter)  # ends lines by CR LF, and so quotes both

    def batches(self, after: int, row: int = 0) -> Iterator[Batch]:
        """The rows after number `after`; so many rows stand before what is read."""
        batch = Batch(after)
        for made in self._records(row == 0):
            if isinstance(made, str):
                first, row = row + 1, row + made.count("\n")
                self._take_plain(made, first, max(first, after + 1), row, batch)
            else:
                row += 1
                if row > after:
                    self._take(made, row, batch)
            batch.last = max(row, after)
            if batch.is_full(self._rows):
                yield batch
                batch = Batch(row)
        if batch.rows:
            yield batch

    def _records(self, header: bool) -> Iterator[str | tuple[list[str], str]]:
        """Blocks of plain lines, each a row; or one record at a time with what is wrong with it ("" for nothing)."""
        reader = csv.reader(self, delimiter=self._delimiter, escapechar=self._escape or None, strict=True)
        for block in self._blocks:
            if isinstance(block, _Overlong):
                yield [], TOO_LONG
                continue
            plain = "" if header or not self._trusting else self._plain(block)
            if plain:
                yield plain
                continue
            self._open(block)
            while self._next < len(self._lines):
                yield self._record(reader)
                header = False

    def _plain(self, block: str) -> str:
        """The block as lines that end alike, if a line is a row in it; nothing when it takes a parser to tell."""
        if '"' in block or "\x00" in block or (self._escape and self._escape in block):
            return ""
        if "\r" in block:
            block = block.replace("\r\n", "\n") if "\n" in block else block.replace("\r", "\n")
            if "\r" in block:
                return ""
        if not block.isascii() and _damaged(block):
            return ""
        if "'" in block and GUARDED.search(block):
            return ""
        if not block.endswith("\n"):
            block += "\n"
        # COPY finds a line that has a cell too many where another has one too few.
        cells, separators = block.replace("\n", self._delimiter), self._width - 1
        if block.count(self._delimiter) != separators * block.count("\n") or self._has_loose_blanks(cells):
            return ""
        return "" if self._delimiter * (self._width + 1) in self._delimiter + cells else block

    def _has_loose_blanks(self, cells: str) -> bool:
        """Whether a cell may begin or end with a blank: then the cells are taken apart and trimmed one by one."""
        return cells[0] in BLANKS.replace(self._delimiter, "") or any(
            blank in cells and (self._delimiter + blank in cells or blank + self._delimiter in cells)
            for blank in BLANKS
            if blank != self._delimiter
        )

    def _open(self, block: str) -> None:
        self._lines, self._next = list(io.StringIO(block, newline="")), 0

    def __iter__(self) -> _Reading:
        return self

    def __next__(self) -> str:
        while self._next >= len(self._lines):
            block = next(self._blocks)  # a quoted cell goes on in the next block; StopIteration ends the file
            if isinstance(block, _Overlong):
                raise _TooLong
            self._open(block)
        line = self._lines[self._next]
        self._next += 1
        self._length += len(line)
        if self._length > LONGEST_ROW:
            raise _TooLong
        self._seen.append(line)
        return line

    def _record(self, reader: Iterator[list[str]]) -> tuple[list[str], str]:
        self._seen, self._length = [], 0
        try:
            return next(reader), ""
        except _TooLong:
            return self._raw(), TOO_LONG
        except StopIteration:
            return [], ""
        except csv.Error as error:
            told = str(error)
            return self._raw(), TOO_LONG if "limit" in told or "unexpected end" in told else BAD_QUOTES

    def _raw(self) -> list[str]:
        return ["".join(self._seen)[:SHOWN].rstrip("\r\n")]

    def _take_plain(self, block: str, first: int, wanted: int, last: int, batch: Batch) -> None:
        """The lines of a block from row number `wanted` on, behind those that came just before them."""
        if wanted > last:
            return
        text = block.split("\n", wanted - first)[-1]
        before = batch.plain[-1] if batch.plain else None
        if before and before.first + before.rows == wanted:
            batch.plain[-1] = Plain(before.first, before.rows + last - wanted + 1, [*before.texts, text])
        else:
            batch.plain.append(Plain(wanted, last - wanted + 1, [text]))
        batch.characters += len(text)

    def _take(self, made: tuple[list[str], str], row: int, batch: Batch) -> None:
        cells, reason = made
        cells = [_unguarded(cell.strip(BLANKS)) for cell in cells]
        if not reason and not any(cells):
            return  # a blank row
        if len(cells) > self._width and not any(cells[self._width :]):
            del cells[self._width :]
        if not reason and len(cells) != self._width:
            reason = UNEVEN
        if not reason:
            whole = "".join(cells)
            reason = NUL if "\x00" in whole else DAMAGED if not whole.isascii() and _damaged(whole) else ""
        if reason:
            batch.bad.append(Bad(row, reason, [_showable(cell) for cell in cells]))
            batch.characters += sum(map(len, batch.bad[-1].cells))
            return
        picked = (
            cells if self._pick is None else [*(cells[i] for i in self._pick), json.dumps(cells, ensure_ascii=False)]
        )
        self._writer.writerow([row, *picked])
        batch.lines.append(self._out.getvalue()[:-2] + "\n")
        batch.characters += len(batch.lines[-1])
        self._out.seek(0)
        self._out.truncate()


def _blocks(file: TextIO) -> Iterator[str]:
    """The file in blocks of whole lines, however lines end; a line beyond all measure is skipped and marked."""
    tail, skipping = "", False
    while block := file.read(BLOCK):
        text = tail + block
        # A CR at the very end may be the first half of a CR LF, and then the line does not end here.
        cut = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1
        if skipping:
            begins = _line_end(text)
            if not begins:
                tail = text[-1:]
                continue
            yield _Overlong()
            text, skipping = text[begins:], False
            cut = max(cut - begins, 0)
        if not cut and len(text) > LONGEST_ROW:
            tail, skipping = text[-1:], True
            continue
        if cut:
            yield text[:cut]
        tail = text[cut:]
    if skipping:
        yield _Overlong()
    elif tail:
        yield tail


def _line_end(text: str) -> int:
    """Where the second line of the text begins; 0 when the text is all one line."""
    ends = [at for at in (text.find("\n"), text.find("\r", 0, len(text) - 1)) if at >= 0]
    if not ends:
        return 0
    first = min(ends)
    return first + (2 if text[first : first + 2] == "\r\n" else 1)


def _unguarded(cell: str) -> str:
    """The cell without the apostrophe by which our own exports, and spreadsheets, keep it from being a formula."""
    return cell[1:].strip(BLANKS) if cell.startswith(GUARDS) else cell


def _damaged(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _showable(cell: str) -> str:
    """The cell as JSON in PostgreSQL can hold it."""
    return cell[:SHOWN].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def cells_of(path: Path, layout: Layout, numbers: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
    """The cells of some rows, given by their numbers in ascending order."""
    wanted = iter(numbers)
    number = next(wanted, None)
    for batch in batches(path, layout):
        if number is None or number > batch.last:
            continue
        for row, cells in batch.records(layout):
            if row == number:
                yield number, cells
                number = next(wanted, None)
