"""How the database is emptied after a test that commits: where rows are, and nothing else.

Django truncates every table and makes its permissions anew, which on a server that writes to its disk takes longer than
most of the tests. No row is spared: like a TRUNCATE it waits for whoever still writes. The room of the rows is given back
as well: a table full of dead rows that a test has counted is planned as an empty one by all tests behind it.
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase

# What migrating made, and is as it was: no test changes it.
KEPT = ["django_migrations", "django_content_type", "auth_permission"]
TABLES = """
SELECT oid::regclass::text, pg_relation_size(oid) > 0 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s) ORDER BY oid
"""
DEADLOCK = "40P01"
MEANT = "SET perennial.emptying = on"  # what lets a TRUNCATE reach ledgers
truncated = TransactionTestCase._fixture_teardown

# What tests leave when they are taken back is dead rows. A server that looks at such a table while it is full of them notes
# that it has pages and no rows, and plans each join with it as one with a single row, in all tests behind it.
BY_ITSELF = """
DO $$ DECLARE each regclass; BEGIN
    FOR each IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s {} (autovacuum_enabled{})', each);
    END LOOP;
END $$
"""
UNCOUNTED, COUNTED = BY_ITSELF.format("SET", " = off"), BY_ITSELF.format("RESET", "")
CLEARED = """
SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
AND (pg_relation_size(oid) > %s OR (relpages > 0 AND reltuples = 0))
"""
LITTLE = 64 << 10  # bytes of dead rows that are read through sooner than they are cleared away


def clear_away() -> None:
    """Give back the room of dead rows where there is much of it, or a wrong count; not in a transaction, waiting for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(CLEARED, [LITTLE])
        if found := [table for (table,) in cursor.fetchall()]:
            cursor.execute("VACUUM (SKIP_LOCKED) " + ", ".join(found))


def emptied(case: Any) -> None:
    """In place of `TransactionTestCase._fixture_teardown`, where the tests may do this: superusers may."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            cursor.execute(MEANT)
            truncated(case)
            cursor.execute("RESET perennial.emptying")
            return
        if used := _deleted(cursor):
            cursor.execute("VACUUM " + ", ".join(used))


def _deleted(cursor: Any, rivals: int = 5) -> list[str]:
    """Delete all rows; the tables that had any. A request that goes on behind its page may hold what this waits for, and
    the other way round: of two who do, one is ended, and if it is this one it begins again."""
    try:
        with transaction.atomic():
            # Neither triggers nor references look at the rows that go: all of them go.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(TABLES, [KEPT])
            cursor.execute("LOCK TABLE " + ", ".join(table for table, _used in cursor.fetchall()))
            cursor.execute(TABLES, [KEPT])
            used = [table for table, is_used in cursor.fetchall() if is_used]
            if used:
                cursor.execute("; ".join(f"DELETE FROM {table}" for table in used))
            return used
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != DEADLOCK or not rivals:
            raise
        return _deleted(cursor, rivals - 1)
