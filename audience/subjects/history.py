"""Values change here, and nowhere without their history: one statement updates a set of subjects and keeps what was.

`rows` is a relation with the subject's `id` and one column per name in `columns`; NULL means "nothing is said", so the
value stays, unless `exact` says that NULL and "" empty it. `custom` is an object of custom values by slug.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from audience.models import Account, Person
from kit import installation
from kit.sql import Sql, join, name, run, sql

CUSTOM = "custom"
ACCOUNT = "account_id"
STAYS = (
    "id", "created_at", "created_source", "first_seen_at", "updated_at", "erased_at", "merged_into", "is_excluded",
    "excluded_reason",
)  # fmt: skip
OBJECTS = (CUSTOM, "properties")  # values by key: what is said is laid over what was


def differs(columns: Sequence[str], *, fill: bool = False, exact: bool = False, subject: str = "s") -> Sql:
    """True where the given values (alias `g`) would change the subject (alias `s` unless said otherwise)."""
    if not columns:
        return Sql("false")
    new = join(", ", (new_value(column, fill=fill, exact=exact, subject=subject) for column in columns))
    old = join(", ", (sql("{}.{}", Sql(subject), name(column)) for column in columns))
    return sql("ROW({}) IS DISTINCT FROM ROW({})", new, old)


def insert(
    model: type[Person] | type[Account], rows: Sql, columns: Sequence[str], *, source: str, now: datetime
) -> int:
    """Write new subjects out of a relation with `id`, `first_seen_at` and `columns`; NULL is "(empty)". How many."""
    return run(
        sql(
            "INSERT INTO {} ({}) SELECT {} FROM ({}) g",
            name(model._meta.db_table),
            join(", ", map(name, ("id", "first_seen_at", "created_at", "created_source", "updated_at", *columns))),
            join(
                ", ",
                (
                    Sql("g.id"),
                    Sql("g.first_seen_at"),
                    sql("{}", now),
                    sql("{}", source),
                    sql("{}", now),
                    *(_or_empty(model, column) for column in columns),
                ),
            ),
            rows,
        )
    )


def written(model: type[Person] | type[Account], fields: Sequence[str], now: datetime) -> Sql:
    """The statement of those of whom a change of one of the fields was written down as of `now`."""
    return sql(
        """SELECT {} FROM audience_fieldchange WHERE occurred_at = {} AND recorded_at = {} AND field = ANY ({})
           AND {} IS NOT NULL""",
        name(f"{model._meta.model_name}_id"), now, now, list(fields), name(f"{model._meta.model_name}_id"),
    )  # fmt: skip


def update(
    model: type[Person] | type[Account],
    rows: Sql,
    columns: Sequence[str],
    *,
    source: str,
    at: datetime,
    now: datetime,
    fill: bool = False,
    exact: bool = False,
) -> int:
    """Write what differs, with a FieldChange for every value that was; the number of subjects changed.

    `at` is when the change happened, `now` when it is recorded. With `fill` only empty values are written.
    Subjects are locked first, so that two writers leave a history without gaps. Erased subjects are left alone.
    """
    if not columns:
        return 0
    pairs = join(
        ", ",
        (
            sql("s.{} AS {}, {} AS {}", name(c), name(f"old_{c}"), new, name(f"new_{c}"))
            for c in columns
            for new in [new_value(c, fill=fill, exact=exact)]
        ),
    )
    return run(
        sql(
            """
            WITH g AS MATERIALIZED ({}),
            changed AS MATERIALIZED (
                SELECT s.id, {} FROM g JOIN {} s ON s.id = g.id
                WHERE s.erased_at IS NULL AND {} FOR NO KEY UPDATE OF s
            ),
            noted AS (
                INSERT INTO audience_fieldchange ({}, field, old, source, occurred_at, recorded_at)
                SELECT changed.id, was.field, was.old, {}, {}, {} FROM changed CROSS JOIN LATERAL ({}) was
            )
            {}
            UPDATE {} s SET {}, updated_at = {} FROM changed WHERE s.id = changed.id
            """,
            rows,
            pairs,
            name(model._meta.db_table),
            differs(columns, fill=fill, exact=exact),
            name(f"{model._meta.model_name}_id"),
            source,
            at,
            now,
            join(" UNION ALL ", (_was(column) for column in columns)),
            _ending_roles(at, now) if model is Person and ACCOUNT in columns else Sql(""),
            name(model._meta.db_table),
            join(", ", (sql("{} = changed.{}", name(column), name(f"new_{column}")) for column in columns)),
            now,
        )
    )


def _ending_roles(at: datetime, now: datetime) -> Sql:
    """Whoever leaves an account has no role in it any more, from that local day on.

    Who has a role already where they go holds both accounts on purpose: only which of them is the first has changed.
    """
    day = at.astimezone(installation.zone()).date()
    return sql(
        """, left_roles AS (
            UPDATE audience_accountrole role SET ends_on = greatest({}::date, role.starts_on), end_recorded_at = {}
            FROM changed WHERE role.person_id = changed.id AND role.account_id = changed.old_account_id
              AND role.ends_on IS NULL AND changed.new_account_id IS DISTINCT FROM changed.old_account_id
              AND NOT EXISTS (SELECT FROM audience_accountrole there WHERE there.person_id = changed.id
                              AND there.account_id = changed.new_account_id AND there.ends_on IS NULL))""",
        day,
        now,
    )


def roles_return(people: Sql, ended: Sequence[datetime]) -> int:
    """Open the roles again that ended at these instants because somebody (`id`) left an account in which they are now.

    A role that they have been given again meanwhile is open already.
    """
    return run(
        sql(
            """UPDATE audience_accountrole role SET ends_on = NULL, end_recorded_at = NULL FROM audience_person p
               WHERE p.id = role.person_id AND p.account_id = role.account_id AND p.id IN ({})
                 AND role.end_recorded_at = ANY ({}::timestamptz[])
                 AND NOT EXISTS (SELECT FROM audience_accountrole again WHERE again.person_id = role.person_id
                                 AND again.account_id = role.account_id AND again.role = role.role
                                 AND again.ends_on IS NULL)""",
            people,
            list(ended),
        )
    )


def new_value(column: str, *, fill: bool = False, exact: bool = False, subject: str = "s") -> Sql:
    """What a column becomes, out of what is given (alias `g`) and what was (alias `s`)."""
    given, was = sql("g.{}", name(column)), sql("{}.{}", Sql(subject), name(column))
    if column in OBJECTS:
        # The right side of || wins.
        left, right = (given, was) if fill else (was, given)
        merged = sql("coalesce({} || {}, {})", left, right, was)
        return sql("jsonb_strip_nulls({})", merged) if exact else merged
    if exact:
        return given
    if fill:
        return sql("CASE WHEN coalesce({}::text, '') = '' THEN coalesce({}, {}) ELSE {} END", was, given, was, was)
    return sql("coalesce({}, {})", given, was)


def emptied(model: type[Person] | type[Account]) -> Sql:
    """The assignments that leave a subject with nothing but its number, its dates, and whether it counts."""
    return join(", ", (
        sql("{} = {}", name(str(each.column)),
            Sql("NULL" if each.null else "'{}'" if each.column == CUSTOM else "''"))
        for each in model._meta.concrete_fields if each.column not in STAYS
    ))  # fmt: skip


def _or_empty(model: type[Person] | type[Account], column: str) -> Sql:
    """What is given, or what stands for nothing in that column: NULL where it may, else an empty text or object."""
    given = sql("g.{}", name(column))
    if model._meta.get_field(column).null:
        return given
    return sql("coalesce({}, {})", given, Sql("'{}'::jsonb") if column in OBJECTS else Sql("''"))


def _was(column: str) -> Sql:
    """The names and old values of what changed; links to accounts and users are called by their plain name."""
    old, new = sql("changed.{}", name(f"old_{column}")), sql("changed.{}", name(f"new_{column}"))
    if column == CUSTOM:
        return sql(
            """SELECT 'custom.' || key AS field, {} ->> key AS old FROM (
                 SELECT jsonb_object_keys({}) AS key UNION SELECT jsonb_object_keys({})) named
               WHERE {} -> key IS DISTINCT FROM {} -> key""",
            old, old, new, old, new,
        )  # fmt: skip
    return sql(
        "SELECT {} AS field, {}::text AS old WHERE {} IS DISTINCT FROM {}", column.removesuffix("_id"), old, old, new
    )
