"""Which of several copies of an installation is the live one: a restored dump or a cloned machine sends nothing.

The database remembers to whom it belongs: the id of its installation (`INSTALLATION_ID` from the environment, else made
once in the data folder and bound to the machine), and in which server and database it lies. A dump restored elsewhere,
or a copy that somebody starts on another machine, differs in one of them. Work that leaves the house holds until an
administrator has said that this copy is the live one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from kit import audit
from kit.models import Setting, User
from kit.sql import Sql, rows, run, sql, value

KEY = "instance"
MACHINE = Path("/etc/machine-id")

# Dumps carry neither the server's identifier nor the number of a database in it; a stand-by that takes over has both.
PLACE = Sql(
    "(SELECT system_identifier FROM pg_control_system())::text || '/' || "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
# Besides server and database: the timeline, which is another after a stand-by took over or a backup was rolled forward,
# because what was seen before it may not have happened there. Snapshots and transactions mean nothing elsewhere.
HERE = Sql(f"({PLACE.text} || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8))")


@dataclass(frozen=True)
class Mismatch:
    """What differs between the installation that the database belongs to and this one."""

    host: bool
    place: bool

    def __str__(self) -> str:
        if self.host and self.place:
            return _("The database was restored or copied, and it is another machine that runs it.")
        if self.host:
            return _("Another machine, or another data folder, runs on this database than before.")
        return _("The database was restored or moved: it lies in another place than before.")


def host() -> str:
    """The id of the installation that this process belongs to."""
    if settings.INSTALLATION_ID:
        return settings.INSTALLATION_ID
    machine = MACHINE.read_text() if MACHINE.exists() else ""
    return hashlib.sha256(f"{settings.INSTALLATION_SECRET}:{machine}".encode()).hexdigest()[:32]


def mismatch() -> Mismatch | None:
    """What differs, or None when this is the live copy. A database that belongs to nobody yet becomes ours."""
    asked = sql("SELECT value ->> 'host', value ->> 'place', {} FROM kit_setting WHERE key = {}", PLACE, KEY)
    found = rows(asked)
    if not found:
        run(sql("INSERT INTO kit_setting (key, value) VALUES ({}, {}) ON CONFLICT DO NOTHING", KEY, _ours()))
        found = rows(asked)
    [(its_host, its_place, place)] = found
    differs = Mismatch(host=its_host != host(), place=its_place != place)
    return differs if differs.host or differs.place else None


def is_live() -> bool:
    """Whether this copy may do what leaves the house."""
    return mismatch() is None


def fence() -> Sql:
    """The same as a boolean expression, for the WHERE of whatever must not happen in a copy."""
    return sql("EXISTS (SELECT FROM kit_setting WHERE key = {} AND value = {})", KEY, _ours())


def confirm(*, by: User | None, now: datetime) -> None:
    """Somebody says that this copy is the live one: from now on it sends, and any other holds."""
    with transaction.atomic():
        before = Setting.objects.filter(key=KEY).values_list("value", flat=True).first()
        ours = {"host": host(), "place": value(sql("SELECT {}", PLACE))}
        Setting.objects.update_or_create(key=KEY, defaults={"value": ours})
        audit.record("instance.confirm", "instance", by=by, now=now, before=before, after=ours)


def _ours() -> Sql:
    """What the database remembers when it is ours."""
    return sql("jsonb_build_object('host', {}::text, 'place', {})", host(), PLACE)
