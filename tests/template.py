"""The database that the tests' own are copied from: migrated once, for all processes and for the runs to come.

It stays on the server, beside the database whose tests it is for. What it was made from stands in its comment, so that a
new migration makes it anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.creation import TEST_DATABASE_PREFIX


def made() -> str:
    """Its name. Of several processes one makes it, and the others wait."""
    name = f"{TEST_DATABASE_PREFIX}{connection.settings_dict['NAME']}_template"
    wanted = _fingerprint()
    with connection.creation._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])  # until this connection ends
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() != (wanted,):
            _make(cursor, name, wanted)
    return name


def _fingerprint() -> str:
    """Of all that migrating reads: our migrations, and those of Django by its version."""
    told = hashlib.sha256(django.__version__.encode())
    for app in sorted(apps.get_app_configs(), key=lambda each: each.label):
        for path in sorted((Path(app.path) / "migrations").glob("*.py")):
            told.update(f"{app.label}/{path.name}\0".encode() + path.read_bytes())
    return told.hexdigest()


def _make(cursor: Any, name: str, made_from: str) -> None:
    quoted, settings = connection.ops.quote_name(name), connection.settings_dict
    cursor.execute(f"DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")
    cursor.execute(f"CREATE DATABASE {quoted}")
    cursor.execute(f"ALTER DATABASE {quoted} SET synchronous_commit = off")
    usual = settings["NAME"]
    connection.close()
    settings["NAME"] = name
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        connection.close()
        settings["NAME"] = usual
    cursor.execute(f"COMMENT ON DATABASE {quoted} IS %s", [made_from])
