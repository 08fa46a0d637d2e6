"""Who looks after people and accounts: one statement gives a set of them to a user, with the history of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audience.models import Account, Person
from audience.subjects import history
from audience.subjects.people import BY_HAND
from kit import audit
from kit.models import User
from kit.sql import Sql, name, sql

COLUMNS = ("owner_id",)


@transaction.atomic
def give(
    model: type[Person] | type[Account],
    subjects: Sql,
    owner: User | None,
    *,
    by: User | None,
    now: datetime,
    source: str = BY_HAND,
) -> int:
    """Give all subjects of a statement that yields `subject_id` to a user, or to nobody; how many changed hands."""
    rows = sql("SELECT subject_id AS id, {}::bigint AS owner_id FROM ({}) asked", owner.pk if owner else None, subjects)
    changed = history.update(model, rows, COLUMNS, source=source, at=now, now=now, exact=True)
    if changed:
        after = {"owner": owner.pk if owner else None, "changed": changed}
        whom = history.written(model, ["owner"], now)
        audit.record("owner.give", model.__name__.lower(), by=by, now=now, after=after, about=whom)
    return changed


@transaction.atomic
def give_back(
    model: type[Person] | type[Account],
    owner: User | None,
    instants: Sequence[datetime],
    *,
    by: User | None,
    now: datetime,
) -> int:
    """Give back what was given to `owner` by hand at these instants, as far as it has not changed hands since."""
    subject = name(f"{model._meta.model_name}_id")
    rows = sql(
        """SELECT c.{} AS id, (SELECT u.id FROM kit_user u WHERE u.id::text = c.old) AS owner_id
           FROM audience_fieldchange c JOIN {} s ON s.id = c.{}
           WHERE c.field = 'owner' AND c.original_subject_id IS NULL AND c.source = {}
             AND c.occurred_at = ANY ({}::timestamptz[])
             AND s.owner_id IS NOT DISTINCT FROM {}::bigint""",
        subject,
        name(model._meta.db_table),
        subject,
        BY_HAND,
        list(instants),
        owner.pk if owner else None,
    )
    changed = history.update(model, rows, COLUMNS, source=BY_HAND, at=now, now=now, exact=True)
    if changed:
        whom = history.written(model, ["owner"], now)
        audit.record("owner.give_back", model.__name__.lower(), by=by, now=now, after={"changed": changed}, about=whom)
    return changed


def then(of: str, subject: Sql, at: Sql, known: datetime | None = None) -> Sql:
    """Who owned a subject at an instant, as SQL: of a person whoever had them, else whoever had their account; NULL for
    nobody. With `known` as was known then."""
    own = _then("person" if of == "person" else "account", "owner", subject, at, known)
    if of == "account":
        return own
    return sql(
        "COALESCE({}, {})", own, _then("account", "owner", _then("person", "account", subject, at, known), at, known)
    )


def _then(of: str, link: str, subject: Sql, at: Sql, known: datetime | None) -> Sql:
    """The id of what a subject was linked to at an instant: what its next change calls the old one, else today's."""
    unknown = sql(" OR c.recorded_at >= {}", known) if known else Sql("")
    return sql(
        """(SELECT CASE WHEN later.is_one THEN NULLIF(later.old, '')::bigint ELSE s.{} END
            FROM {} s LEFT JOIN LATERAL (
                SELECT c.old, true AS is_one FROM audience_fieldchange c
                WHERE c.subject_id = s.id AND c.field = {} AND c.original_subject_id IS NULL AND (c.occurred_at > {}{})
                ORDER BY c.occurred_at, c.id LIMIT 1) later ON true
            WHERE s.id = {})""",
        name(f"{link}_id"),
        name(f"audience_{of}"),
        link,
        at,
        unknown,
        subject,
    )
