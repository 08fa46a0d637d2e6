"""W3: a file of activities through the product's import, new and told again, against hand-written ways into the same table.

The file names people by email and kinds by their words, in the order of time; each row has an id of its source. *Ready
rows* is COPY of rows whose people, kinds and defaults were looked up beforehand, without a look at what is there: what
the table itself costs. *Staging* takes the same file by COPY as text, joins people and kinds, and leaves what is there
alone; like ours it can take the file twice. Neither checks a cell, lists what it refuses, or can go on after a crash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from audience import importing
from bench import history, measuring
from kit import jobs
from kit.sql import Sql, rows
from kit.sql import run as execute

COLUMNS = "person_id, kind_id, channel, direction, actor, properties, occurred_at, recorded_at, source, external_id"
TOLD = """SELECT a.external_id AS "event id", p.email, k.slug AS event, a.channel,
                 to_char(a.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS timestamp
          FROM audience_activity a JOIN audience_person p ON p.id = a.person_id
          JOIN audience_activitykind k ON k.id = a.kind_id ORDER BY a.id"""
READY = """SELECT a.person_id, a.kind_id, a.channel, a.direction, a.actor, a.properties,
                  date_trunc('second', a.occurred_at), a.recorded_at, a.source, a.external_id
           FROM audience_activity a ORDER BY a.id"""
# Nobody did anything before they were first seen: the first file would note that, and later turns would not.
SEEN = """UPDATE audience_person p SET first_seen_at = first.at
          FROM (SELECT person_id, min(occurred_at) AS at FROM audience_activity GROUP BY 1) first
          WHERE first.person_id = p.id AND first.at < p.first_seen_at"""
SAME = """SELECT count(*), count(DISTINCT external_id),
                 sum(hashtextextended(concat_ws(' ', person_id, kind_id, channel, direction, actor, properties,
                                                date_trunc('second', occurred_at),
                                                source, external_id), 0)::numeric)
          FROM audience_activity"""


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Three figures. After every turn of each the table holds the same rows."""
    history.fill(number, activities)
    history.spoil()
    execute(Sql(SEEN))
    with tempfile.TemporaryDirectory() as folder:
        told, ready = Path(folder) / "told.csv", Path(folder) / "ready.csv"
        _write(told, TOLD)
        _write(ready, READY)
        found = set(rows(Sql(SAME)))

        def compare(case: str, hand: Callable[[], None], before: Callable[[], None]) -> dict[str, Any]:
            figure = measuring.compare(
                lambda: bring(told), hand, before=before, after=lambda: found.update(rows(Sql(SAME))), repeats=repeats
            )
            assert len(found) == 1, (case, found)
            size = {"people": number, "activities": activities}
            return {"case": case, **size, **figure, "rows": activities, "peak_rss_mb": measuring.peak_rss_mb()}

        yield compare("new, against ready rows", lambda: copy(ready), empty)
        yield compare("new, against staging", lambda: stage(told), empty)
        yield compare("told again, against staging", lambda: stage(told), measuring.nothing)


def bring(path: Path) -> None:
    """Through the product."""
    now = timezone.now()
    imported = importing.start(path, "activities", mapping=None, source="bench", by=None, now=now)
    jobs.run(imported.job_id or 0, now)
    imported.refresh_from_db()
    assert imported.finished_at and not imported.counts["rejected"], (
        imported.counts,
        imported.job and imported.job.error,
    )


def copy(path: Path) -> None:
    """What the table costs, with its keys, checks and triggers."""
    with connection.cursor() as cursor, path.open() as file:
        cursor.copy_expert(f"COPY audience_activity ({COLUMNS}) FROM STDIN (FORMAT csv, HEADER)", file)


def stage(path: Path) -> None:
    """The file as somebody brings it in who knows it and the tables, in one transaction."""
    with transaction.atomic(), connection.cursor() as cursor, path.open() as file:
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(
            "CREATE UNLOGGED TABLE work.bench (external_id text, email text, kind text, channel text, occurred_at timestamptz)"
        )
        cursor.copy_expert("COPY work.bench FROM STDIN (FORMAT csv, HEADER)", file)
        cursor.execute("ANALYZE work.bench")
        cursor.execute(
            f"""INSERT INTO audience_activity ({COLUMNS})
                SELECT p.id, k.id, coalesce(s.channel, k.channel), k.direction, 'human', '{{}}', s.occurred_at, now(), 'bench',
                       s.external_id
                FROM work.bench s JOIN audience_person p ON lower(p.email COLLATE "C") = s.email AND p.email <> ''
                JOIN audience_activitykind k ON k.slug = s.kind
                ON CONFLICT (source, external_id) DO NOTHING"""
        )
        cursor.execute("DROP TABLE work.bench")


def empty() -> None:
    execute(Sql("TRUNCATE audience_activity, audience_dirty, audience_import, kit_job CASCADE"))


def _write(path: Path, query: str) -> None:
    with connection.cursor() as cursor, path.open("w") as file:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)", file)
