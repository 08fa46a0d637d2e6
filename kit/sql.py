"""Pieces of SQL that carry their bound values with them, so that composed statements stay safe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with `%s` placeholders and the values bound to them, in order."""

    text: str
    params: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text)


def sql(template: str, *parts: Sql | str | int | Any) -> Sql:
    """Compose a statement: each `{}` takes the next part. An `Sql` is spliced in, anything else is bound as a value.

    Braces and percent signs of the template's own are written doubled (`{{`, `%%`).
    """
    pieces: list[str] = []
    params: list[Any] = []
    for part in parts:
        if isinstance(part, Sql):
            pieces.append(part.text)
            params.extend(part.params)
        else:
            pieces.append("%s")
            params.append(part)
    return Sql(template.format(*pieces), tuple(params))


def name(identifier: str) -> Sql:
    """A quoted identifier, safe whatever it holds."""
    return Sql('"' + identifier.replace('"', '""').replace("%", "%%") + '"')


def join(separator: str, parts: Iterable[Sql]) -> Sql:
    """The pieces with a separator between them."""
    parts = list(parts)
    return Sql(separator.join(p.text for p in parts), tuple(v for p in parts for v in p.params))


def run(statement: Sql) -> int:
    """Execute; the number of rows touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return cursor.rowcount


def rows(statement: Sql) -> list[tuple[Any, ...]]:
    """Execute and fetch all rows as tuples."""
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return cursor.fetchall()


def dicts(statement: Sql) -> list[dict[str, Any]]:
    """Execute and fetch all rows as dictionaries by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def value(statement: Sql) -> Any:
    """Execute and fetch the first column of the first row; None when there is none."""
    found = rows(statement)
    return found[0][0] if found else None
