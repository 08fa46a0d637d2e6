"""W2: the same file again, unchanged and with a tenth changed, against a guarded UPDATE out of staging.

The reference writes the old values into the history as well, for that is the same result; it neither validates nor
finds rows that repeat, and it takes the file for what it says.
"""

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
    named = ", ".join(f"coalesce(s.{column}, p.{column}) AS new_{column}" for column in TEXTS)
    written = ", ".join(f"{column} = o.new_{column}" for column in TEXTS)
    with connection.cursor() as cursor, path.open() as file:
        cursor.execute("DROP TABLE IF EXISTS work.bench")
        cursor.execute(f"CREATE UNLOGGED TABLE work.bench ({staged})")
        cursor.copy_expert("COPY work.bench FROM STDIN (FORMAT csv, HEADER)", file)
        cursor.execute("ANALYZE work.bench")
        changes = " UNION ALL ".join(
            f"SELECT '{column}', o.{column} WHERE o.{column} <> o.new_{column}" for column in TEXTS
        )
        cursor.execute(
            f"""WITH o AS MATERIALIZED (
                    SELECT p.id, {old}, {named} FROM audience_person p JOIN work.bench s
                    ON lower(p.email COLLATE "C") = s.email AND p.email <> ''
                    WHERE ({old}) IS DISTINCT FROM ({new}) FOR NO KEY UPDATE OF p
                ), h AS (
                    INSERT INTO audience_fieldchange (person_id, field, old, source, occurred_at, recorded_at)
                    SELECT o.id, was.*, 'bench', now(), now() FROM o CROSS JOIN LATERAL ({changes}) was
                )
                UPDATE audience_person p SET {written} FROM o WHERE o.id = p.id"""
        )
        cursor.execute("DROP TABLE work.bench")
