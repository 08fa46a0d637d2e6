"""What happened is recorded here, once per source and id: one statement for one row and for a million.

`rows` is a relation with one row for each activity, and any of these columns; what is missing is empty:

    person_id, account_id   whose it is; an account is found out from the person when it is not said (as it then was)
    kind                    a slug of the catalogue; one that is not there yet is made
    occurred_at, external_id
    channel, platform, direction, actor, value, properties
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from audience.activity import arrivals, channels
from audience.models import Account, Activity, Person
from audience.subjects.people import BY_HAND, BadValue
from kit import audit
from kit.models import User
from kit.sql import Sql, join, name, sql
from kit.sql import rows as fetched

COLUMNS = {
    "person_id": "bigint", "account_id": "bigint", "kind": "text", "occurred_at": "timestamptz", "external_id": "text",
    "channel": "text", "platform": "text", "direction": "text", "actor": "text", "value": "numeric",
    "properties": "jsonb",
}  # fmt: skip
NEEDED = ("kind", "occurred_at", "external_id")
LONGEST_KIND = 64


@transaction.atomic
def record_many(rows: Sql, columns: Sequence[str], *, source: str, now: datetime) -> int:
    """Write the activities of a relation that `source` has not told before; how many are new.

    `columns` names those of COLUMNS that the relation has. Of rows with one id the first written counts; told again it
    changes nothing. Subjects that are erased get none. Whoever did something before being first seen was seen then.
    The account of a person's activity is the one that the person belonged to when it happened.
    """
    missing = [each for each in NEEDED if each not in columns]
    unknown = [each for each in columns if each not in COLUMNS]
    if missing or unknown:
        raise TypeError(f"activities need {missing} and know nothing of {unknown}")
    given = join(
        ", ",
        (
            sql("g.{}::{} AS {}", name(each), Sql(of), name(each))
            if each in columns
            else sql("NULL::{} AS {}", Sql(of), name(each))
            for each, of in COLUMNS.items()
        ),
    )
    return len(
        fetched(
            sql(
                """
                WITH given AS MATERIALIZED (SELECT {} FROM ({}) g),
                made AS (
                    -- A kind that another transaction is just making is not seen yet, but comes back from here.
                    INSERT INTO audience_activitykind (slug, label, channel, direction, is_response)
                    SELECT DISTINCT given.kind, given.kind, '', '', false FROM given
                    WHERE NOT EXISTS (SELECT FROM audience_activitykind k WHERE k.slug = given.kind)
                    ORDER BY 1 ON CONFLICT (slug) DO UPDATE SET slug = excluded.slug
                    RETURNING id, slug, channel, direction),
                kinds AS (
                    SELECT id, slug, channel, direction FROM made
                    UNION ALL
                    SELECT k.id, k.slug, k.channel, k.direction FROM audience_activitykind k
                    WHERE k.slug IN (SELECT given.kind FROM given) AND k.slug NOT IN (SELECT made.slug FROM made)),
                meant AS MATERIALIZED ({}),
                told AS (
                    INSERT INTO audience_activity (
                        person_id, account_id, kind_id, channel, platform, direction, actor, value, properties,
                        occurred_at, recorded_at, source, external_id)
                    SELECT p.id, a.id, k.id, coalesce(meant.channel, k.channel),
                           coalesce({}, ''), coalesce(nullif(given.direction, ''), k.direction),
                           coalesce(given.actor, 'human'), round(given.value, 4),
                           coalesce(given.properties, '{{}}'::jsonb), given.occurred_at, {}, {}, given.external_id
                    FROM given JOIN kinds k ON k.slug = given.kind LEFT JOIN meant ON meant.value = given.channel
                    LEFT JOIN audience_person p ON p.id = given.person_id AND p.erased_at IS NULL
                    LEFT JOIN LATERAL (
                        SELECT true AS later, c.old FROM audience_fieldchange c
                        WHERE c.subject_id = p.id AND c.field = 'account' AND c.occurred_at > given.occurred_at
                          AND c.original_subject_id IS NULL
                        ORDER BY c.occurred_at, c.id LIMIT 1) moved ON given.account_id IS NULL
                    LEFT JOIN audience_account a ON a.erased_at IS NULL AND a.id = CASE
                        WHEN given.account_id IS NOT NULL THEN given.account_id
                        WHEN moved.later IS NULL THEN p.account_id
                        WHEN moved.old ~ '^[0-9]{{1,18}}$' THEN moved.old::bigint END
                    WHERE p.id IS NOT NULL OR (given.person_id IS NULL AND a.id IS NOT NULL)
                    ORDER BY given.external_id
                    ON CONFLICT (source, external_id) DO NOTHING
                    RETURNING id, person_id, account_id, occurred_at),
                person_seen AS (
                    UPDATE audience_person s SET first_seen_at = first.at, updated_at = {} FROM (
                        SELECT person_id, min(occurred_at) AS at FROM told GROUP BY 1) first
                    WHERE s.id = first.person_id AND first.at < s.first_seen_at),
                account_seen AS (
                    UPDATE audience_account s SET first_seen_at = first.at, updated_at = {} FROM (
                        SELECT account_id, min(occurred_at) AS at FROM told GROUP BY 1) first
                    WHERE s.id = first.account_id AND first.at < s.first_seen_at)
                SELECT id FROM told
                """,
                given,
                rows,
                channels.meaning(Sql("SELECT * FROM given"), "channel"),
                channels.platforms(Sql("given.platform")),
                now,
                source,
                now,
                now,
            )
        )
    )


def record(
    subject: Person | Account,
    *,
    kind: str,
    at: datetime,
    source: str,
    now: datetime,
    external_id: str | None = None,
    properties: Mapping[str, Any] | None = None,
    value: Decimal | None = None,
    **values: str,
) -> bool:
    """Record one activity; `values` are channel, platform, direction, actor. False when `source` had told it already.

    Without an external id it gets one of its own. Raises BadValue for what cannot be.
    """
    slug = slug_of(kind)
    if values.get("direction") not in (None, "", *Activity.Direction.values):
        raise BadValue("direction", _("An activity is inbound or outbound."))
    if at > now:
        raise BadValue("occurred_at", _("It has not happened yet. What is still to come is a task."))
    values = arrivals.told(properties) | {column: said for column, said in values.items() if said}
    of = "person_id" if isinstance(subject, Person) else "account_id"
    given: dict[str, Any] = {
        of: subject.pk,
        "kind": slug,
        "occurred_at": at,
        "external_id": external_id or uuid.uuid4().hex,
        "properties": json.dumps(dict(properties or {})),
        "value": value,
        **{column: _short(column, said) for column, said in values.items()},
    }
    row = join(", ", (sql("{}::{} AS {}", each, Sql(COLUMNS[column]), name(column)) for column, each in given.items()))
    return bool(record_many(sql("SELECT {}", row), list(given), source=source, now=now))


@transaction.atomic
def record_by_hand(subject: Person | Account, *, by: User | None, now: datetime, external_id: str, **told: Any) -> bool:
    """What a user says has happened: a call, a meeting. Sent twice with one `external_id` it is recorded once."""
    new = record(subject, source=BY_HAND, now=now, external_id=external_id, **told)
    if new:
        after = {"subject": subject.pk, "kind": slug_of(told["kind"])}
        audit.record("activity.record", str(subject), by=by, now=now, after=after)
    return new


@transaction.atomic
def take_back(activity: Activity, *, by: User | None, now: datetime, reason: str = "") -> bool:
    """It did not happen, or not as told: a row of its own reverses it. False when it was taken back already."""
    if not reverse(
        sql("SELECT {}::bigint AS id", activity.pk), now=now, properties={"reason": reason} if reason else {}
    ):
        return False
    whom = [activity.person_id, activity.account_id]
    after = {"activity": activity.pk}
    audit.record("activity.take_back", str(activity.pk), by=by, now=now, after=after, about=whom)
    return True


def reverse(told: Sql, *, now: datetime, properties: Mapping[str, Any] | None = None) -> int:
    """These activities (a statement that yields their `id`) did not happen, or not as told; how many stood until now.

    Like `take_back` for a set, without a trail. A reversal bears the date of what it reverses and is recorded now: as
    known now the activity never counted, as known before it did. `properties` says why, and for which decision.
    """
    return len(
        fetched(
            sql(
                """
                INSERT INTO audience_activity (
                    person_id, account_id, kind_id, channel, platform, direction, actor, value, properties,
                    occurred_at, recorded_at, source, external_id, reversal_of_id)
                SELECT x.person_id, x.account_id, x.kind_id, x.channel, x.platform, x.direction, x.actor, x.value,
                       {}::jsonb, x.occurred_at, {}, x.source,
                       concat_ws(':', x.id, 'taken-back', nullif(before.number, 0)), x.id
                FROM audience_activity x CROSS JOIN LATERAL (
                    SELECT count(*) AS number FROM audience_activity r WHERE r.reversal_of_id = x.id) before
                WHERE x.id IN (SELECT id FROM ({}) told) AND x.reversal_of_id IS NULL AND NOT {}
                ORDER BY x.id ON CONFLICT (source, external_id) DO NOTHING RETURNING id
                """,
                json.dumps(dict(properties or {})),
                now,
                told,
                is_reversed("x"),
            )
        )
    )


def restore(reversals: Sql, *, now: datetime) -> int:
    """These reversals (a statement that yields their `id`) were the mistake: what they reversed counts again.

    Each is reversed itself, by a row with its own date, so that every clock tells it as it was known. How many.
    """
    return len(
        fetched(
            sql(
                """
                INSERT INTO audience_activity (
                    person_id, account_id, kind_id, channel, platform, direction, actor, value, occurred_at,
                    recorded_at, source, external_id, reversal_of_id)
                SELECT r.person_id, r.account_id, r.kind_id, r.channel, r.platform, r.direction, r.actor, r.value,
                       r.occurred_at, {}, r.source, r.id || ':restored', r.id
                FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id
                WHERE r.id IN (SELECT id FROM ({}) told) AND x.reversal_of_id IS NULL
                ORDER BY r.id ON CONFLICT (source, external_id) DO NOTHING RETURNING id
                """,
                now,
                reversals,
            )
        )
    )


def is_reversed(alias: str) -> Sql:
    """Whether the activity of this alias is taken back now, as SQL: by a row that nothing has reversed in turn."""
    return Sql(
        f"EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = {alias}.id AND NOT EXISTS "
        "(SELECT FROM audience_activity u WHERE u.reversal_of_id = r.id))"
    )


# The same as a set: the ids of all activities that are taken back now.
REVERSED = Sql(
    "SELECT r.reversal_of_id FROM audience_activity r WHERE r.reversal_of_id IS NOT NULL AND NOT EXISTS "
    "(SELECT FROM audience_activity u WHERE u.reversal_of_id = r.id)"
)


def slug_of(kind: str) -> str:
    """A kind as the catalogue knows it. Raises BadValue for what has neither a letter nor a digit."""
    slug = slugify(kind.replace("_", " "), allow_unicode=True).replace("-", "_")[:LONGEST_KIND].strip("_")
    if not slug:
        raise BadValue("kind", _("Say what happened in a word or two."))
    return slug


def _short(column: str, said: str) -> str:
    longest = getattr(Activity._meta.get_field(column), "max_length", None) or 0
    if len(said) > longest or "\x00" in said:
        raise BadValue(column, _("This is longer than %(most)s characters.") % {"most": longest})
    return said
