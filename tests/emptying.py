"""How the database is emptied after a test that commits: where rows are, and nothing else.

Django truncates every table and makes its permissions anew, which on a server that writes to its disk takes longer than
most of the tests. No row is spared: like a TRUNCATE it waits for whoever still writes. The room of the rows is given back
as well: a table full of dead rows that a test has counted is planned as an empty one by all tests behind it.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.test import TransactionTestCase

# What migrating made, and is as it was: no test changes it.
KEPT = ["django_migrations", "django_content_type", "auth_permission"]
TABLES = """
SELECT oid::regclass::text, pg_relation_size(oid) > 0 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s) ORDER BY oid
"""
truncated = TransactionTestCase._fixture_teardown


def emptied(case: Any) -> None:
    """In place of `TransactionTestCase._fixture_teardown`, where the tests may do this: superusers may."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            truncated(case)
            return
        with transaction.atomic():
            # Neither triggers nor references look at the rows that go: all of them go.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(TABLES, [KEPT])
            cursor.execute("LOCK TABLE " + ", ".join(table for table, _used in cursor.fetchall()))
            cursor.execute(TABLES, [KEPT])
            if used := [table for table, is_used in cursor.fetchall() if is_used]:
                cursor.execute("; ".join(f"DELETE FROM {table}" for table in used))
        if used:
            cursor.execute("VACUUM " + ", ".join(used))
