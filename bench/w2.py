"""W2: the same file again, unchanged and with a tenth changed, against a guarded UPDATE out of staging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from bench import measuring, people, w1
from kit.sql import Sql, value

TEXTS = people.COLUMNS[:-1]


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Two figures. `moved` is how many row versions an unchanged file left behind in the table: none may."""
    path, other = people.write(number), people.write(number, changed=0.1)
    w1.empty()
    w1.bring(path)
    there = places()
    unchanged = measuring.compare(lambda: w1.bring(path), lambda: update(path), before=nothing, repeats=repeats)
    yield {
        "case": "unchanged", "people": number, "activities": 0, **unchanged, "rows": number,
        "peak_rss_mb": measuring.peak_rss_mb(), "moved": int(places() != there),
    }  # fmt: skip

    def restore() -> None:
        update(path)

    changed = measuring.compare(lambda: w1.bring(other), lambda: update(other), before=restore, repeats=repeats)
    yield {
        "case": "10 % changed", "people": number, "activities": 0, **changed, "rows": number,
        "peak_rss_mb": measuring.peak_rss_mb(),
    }  # fmt: skip


def nothing() -> None:
    """Both ways leave the table as they found it."""


def places() -> Any:
    """A fingerprint of where every row stands in the table."""
    return value(Sql("SELECT sum(hashtextextended(id::text || ctid::text, 0)::numeric) FROM audience_person"))


def update(path: Path) -> None:
    """The file by one COPY into an unlogged table, and one UPDATE that touches only what differs."""
    staged = ", ".join(f"{column} text" for column in people.COLUMNS)
    old = ", ".join(f"p.{column}" for column in TEXTS)
    new = ", ".join(f"coalesce(s.{column}, p.{column})" for column in TEXTS)
    written = ", ".join(f"{column} = coalesce(s.{column}, p.{column})" for column in TEXTS)
    with connection.cursor() as cursor, path.open() as file:
        cursor.execute("DROP TABLE IF EXISTS work.bench")
        cursor.execute(f"CREATE UNLOGGED TABLE work.bench ({staged})")
        cursor.copy_expert("COPY work.bench FROM STDIN (FORMAT csv, HEADER)", file)
        cursor.execute("ANALYZE work.bench")
        cursor.execute(
            f"""UPDATE audience_person p SET {written} FROM work.bench s
                WHERE lower(p.email COLLATE "C") = s.email AND p.email <> '' AND ({old}) IS DISTINCT FROM ({new})"""
        )
        cursor.execute("DROP TABLE work.bench")
