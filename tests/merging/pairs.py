"""Two of whom there is something in every table, and what stands in all tables, to be compared."""

from __future__ import annotations

import json
from typing import Any

from kit.sql import Sql, rows, sql

# What a merge and its undoing write for themselves, passing work, and what is filled out of the rest.
OF_ITSELF = {
    "audience_merge", "audience_mergedrows", "audience_duplicate", "audience_dirty", "integrations_change",
    "kit_auditentry", "kit_job", "kit_hint", "kit_periodic", "django_session",
}  # fmt: skip


def content() -> dict[str, dict[str, dict[str, Any]]]:
    """Every row of every table of ours, by table and key, as the database writes it."""
    tables = rows(
        Sql(
            """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'id'
               WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname NOT LIKE 'django%%' ORDER BY 1"""
        )
    )
    return {
        table: {
            key: json.loads(row) for key, row in rows(sql("SELECT id::text, to_jsonb(t)::text FROM {} t", Sql(table)))
        }
        for (table,) in tables
        if table not in OF_ITSELF
    }


def differences(before: Any, after: Any) -> dict[str, tuple[list[Any], list[Any], list[Any]]]:
    """By table: the keys that are gone, the new rows, and the rows that are different as (before, after)."""
    found = {}
    for table in before:
        old, new = before[table], after[table]
        gone = [old[key] for key in old.keys() - new.keys()]
        made = [new[key] for key in new.keys() - old.keys()]
        other = [(old[key], new[key]) for key in old.keys() & new.keys() if old[key] != new[key]]
        if gone or made or other:
            found[table] = (gone, made, other)
    return found
