"""How the database is emptied after a test that commits: where rows are, and nothing else.

Django truncates every table and makes its permissions anew, which on a server that writes to its disk takes longer than
most of the tests. No row is spared: like a TRUNCATE it waits for whoever still writes.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test import TransactionTestCase

# What migrating made, and is as it was: no test changes it.
KEPT = ["django_migrations", "django_content_type", "auth_permission"]
# Neither triggers nor references look at the rows that go (`replica`): all of them go.
EMPTIED = """
DO $$
DECLARE
    tables text;
    used regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) INTO tables FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s);
    EXECUTE 'LOCK TABLE ' || tables || ' IN ACCESS EXCLUSIVE MODE';
    FOR used IN
        SELECT oid FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%s) AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE 'DELETE FROM ' || used;
    END LOOP;
END $$
"""
truncated = TransactionTestCase._fixture_teardown


def emptied(case: Any) -> None:
    """In place of `TransactionTestCase._fixture_teardown`, where the tests may do this: superusers may."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            truncated(case)
            return
        cursor.execute(EMPTIED, [KEPT, KEPT])
