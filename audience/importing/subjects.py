"""What people and accounts of a file have in common when they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from audience.importing import planning, references
from audience.importing.run import Run
from audience.models import Account, Person
from audience.subjects import history
from kit.sql import Sql, name, run, sql

# The rows `(after, last]` that are planned to be created or updated, as the relation that history takes; further
# columns may be asked for.
Rows = Callable[..., Sql]


def write(
    work: Run, model: type[Person] | type[Account], rows: Rows, columns: Sequence[str], after: int, last: int
) -> Counter[str]:
    """Write the rows `(after, last]`: new subjects, changes with history, names of other systems."""
    counts = planning.counted(work, after, last)
    if counts["created"]:
        seen = sql("coalesce({}, {}) AS first_seen_at", work.value("first_seen"), work.now)
        new = rows(work, after, last, "create", seen)
        history.insert(model, new, columns, source=work.source, now=work.now)
    if counts["updated"]:
        changed = rows(work, after, last, "update")
        history.update(model, changed, columns, source=work.source, at=work.now, now=work.now, fill=work.fill)
        if work.has("first_seen"):
            _see(work, model, after, last)
    if work.has("external_id") and (counts["created"] or counts["updated"]):
        _name(work, model, after, last)
    return counts


def _see(work: Run, model: type[Person] | type[Account], after: int, last: int) -> None:
    """Who was seen earlier than we knew, was; by parts of a second nobody was, for files have seconds."""
    run(
        sql(
            """
            UPDATE {} s SET first_seen_at = r.first_seen, updated_at = {}
            FROM {} p JOIN {} r ON r.row = p.row WHERE s.id = p.{} AND p.action = 'update'
            AND r.first_seen < date_trunc('second', s.first_seen_at) AND {}
            """,
            name(model._meta.db_table),
            work.now,
            work.table("plan"),
            work.table("rows"),
            name(model._meta.model_name or ""),
            planning.between(after, last),
        )
    )


def _name(work: Run, model: type[Person] | type[Account], after: int, last: int) -> None:
    of = model._meta.model_name or ""
    run(
        sql(
            """
            INSERT INTO audience_identity ({}, system, kind, external_id, created_at)
            SELECT p.{}, {}, {}, r.external_id, {} FROM {} p JOIN {} r ON r.row = p.row
            WHERE r.external_id IS NOT NULL AND p.action IN ('create', 'update') AND {} ON CONFLICT DO NOTHING
            """,
            name(f"{of}_id"),
            name(of),
            references.source(work),
            of,
            work.now,
            work.table("plan"),
            work.table("rows"),
            planning.between(after, last),
        )
    )
