"""COPY in and out: how rows enter and leave PostgreSQL in bulk."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection

from kit.sql import Sql, join, name, sql

BLOCK = 1 << 20  # bytes handed over at once: a thread that reads ahead is asked to wait for each


def load(table: Sql, columns: Sequence[str], lines: Iterable[str], *, delimiter: str = ",") -> int:
    """COPY CSV lines (each with its line end) into a table; an unquoted empty cell is NULL. The number of rows.

    The lines must be well formed and as wide as `columns`: PostgreSQL refuses the whole COPY for one that is not.
    """
    statement = sql(
        "COPY {} ({}) FROM STDIN (FORMAT csv, DELIMITER {})",
        table,
        join(", ", (name(column) for column in columns)),
        delimiter,
    )
    with connection.cursor() as cursor:
        text = cursor.cursor.mogrify(statement.text, statement.params).decode()
        cursor.copy_expert(text, _Readable(lines), BLOCK)
        return cursor.rowcount


def load_rows(table: Sql, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY rows of Python values; None is NULL, everything else is its text. The number of rows."""
    return load(table, columns, _lines(rows))


def _lines(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for row in rows:
        # Quoted text keeps "" apart from NULL, which stays unquoted.
        writer.writerow([_Bare() if value is None else str(value) for value in row])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


class _Bare(float):
    """Written without quotes, as nothing at all: NULL."""

    def __repr__(self) -> str:
        return ""

    __str__ = __repr__


class _Readable:
    """Lines as the file that COPY reads from."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._rest = b""

    def read(self, size: int = BLOCK) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while length < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line.encode())
            length += len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
