"""How far each partner is: the one statement from which the list of partners, and a partner's own page, are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from audience.activity import activities
from audience.models import Account
from kit import installation
from kit.sql import Sql, dicts, sql
from lifecycle.models import Lifecycle, Membership
from lifecycle.partners import certificates, kinds

SOON = 60  # days before a certificate ends in which it is to be renewed


@dataclass(frozen=True)
class Standing:
    """What is known of one partner. `first_deal_days` are whole local days from approval to the first deal."""

    account_id: int
    applied_on: date | None
    approved_on: date | None
    certified_until: date | None
    is_certified: bool
    to_do: int
    done: int
    late: int
    registered: int
    first_deal_days: int | None
    last_touch_on: date | None

    @property
    def steps(self) -> int:
        return self.to_do + self.done


def members() -> QuerySet[Membership]:
    """The newest pass of every account in each lifecycle of partners."""
    newer = Membership.objects.filter(
        lifecycle=OuterRef("lifecycle"), account=OuterRef("account"), pass_number__gt=OuterRef("pass_number")
    )
    found = Membership.objects.filter(
        ~Exists(newer), lifecycle__species=Lifecycle.Species.PARTNER, account__erased_at=None
    )
    return found.select_related("lifecycle", "stage", "account__owner")


def of(accounts: Sequence[int], *, now: datetime) -> dict[int, Standing]:
    """How far these accounts are, in one statement."""
    found = dicts(_statement(list(accounts), now))
    return {row["account_id"]: Standing(**row) for row in found}


def one(account: Account, *, now: datetime) -> Standing:
    """How far one partner is."""
    return of([account.pk], now=now)[account.pk]


def certified(account: Account, *, now: datetime) -> list[dict[str, Any]]:
    """The certificates of a partner, the newest first: what, when passed, until when, and by whom."""
    found = sql(
        """SELECT told.id, told.properties ->> 'certificate' AS name, {} AS passed_on, {} AS until,
                  coalesce(nullif(btrim(person.first_name || ' ' || person.last_name), ''), person.email) AS who
           FROM ({}) told LEFT JOIN audience_person person
                ON person.id::text = told.properties ->> 'person' AND person.erased_at IS NULL
           ORDER BY told.occurred_at DESC, told.id DESC""",
        certificates.day("told"),
        certificates.until("told"),
        kinds.told(kinds.CERTIFIED, sql("{}::bigint", account.pk)),
    )
    today = now.astimezone(installation.zone()).date()
    return [each | {"is_over": bool(each["until"] and each["until"] <= today)} for each in dicts(found)]


def _statement(accounts: list[int], now: datetime) -> Sql:
    zone = str(installation.zone())
    today = now.astimezone(installation.zone()).date()
    whose = sql("SELECT unnest({}::bigint[])", accounts)

    def firsts(kind: str) -> Sql:
        return sql(
            """SELECT told.account_id, min((told.occurred_at AT TIME ZONE {})::date) AS day, count(*) AS n
               FROM ({}) told GROUP BY 1""",
            zone,
            kinds.told(kind, whose),
        )

    return sql(
        """
        SELECT account.id AS account_id, applied.day AS applied_on, approved.day AS approved_on,
               certified.until AS certified_until,
               certified.account_id IS NOT NULL AND (certified.endless OR certified.until > {}::date) AS is_certified,
               coalesce(list.to_do, 0)::int AS to_do, coalesce(list.done, 0)::int AS done,
               coalesce(list.late, 0)::int AS late,
               coalesce(registered.n, 0)::int AS registered,
               (registered.day - approved.day) AS first_deal_days, touched.day AS last_touch_on
        FROM unnest({}::bigint[]) account (id)
        LEFT JOIN ({}) applied ON applied.account_id = account.id
        LEFT JOIN ({}) approved ON approved.account_id = account.id
        LEFT JOIN ({}) registered ON registered.account_id = account.id
        LEFT JOIN (
            SELECT told.account_id, bool_or(told.until IS NULL) AS endless,
                   CASE WHEN NOT bool_or(told.until IS NULL) THEN max(told.until) END AS until
            FROM (SELECT passed.account_id, {} AS until FROM ({}) passed) told GROUP BY 1
        ) certified ON certified.account_id = account.id
        LEFT JOIN (
            SELECT account_id, count(*) FILTER (WHERE done_at IS NULL) AS to_do,
                   count(*) FILTER (WHERE done_at IS NOT NULL) AS done,
                   count(*) FILTER (WHERE done_at IS NULL AND due_on < {}::date) AS late
            FROM lifecycle_checklistitem WHERE account_id = ANY ({}::bigint[]) GROUP BY 1
        ) list ON list.account_id = account.id
        LEFT JOIN LATERAL (
            SELECT (x.occurred_at AT TIME ZONE {})::date AS day FROM audience_activity x
            WHERE x.account_id = account.id AND x.actor = 'human' AND x.reversal_of_id IS NULL
              AND NOT {} AND x.occurred_at < {} ORDER BY x.occurred_at DESC LIMIT 1
        ) touched ON true
        """,
        today,
        accounts,
        firsts(kinds.APPLIED),
        firsts(kinds.APPROVED),
        firsts(kinds.REGISTERED),
        certificates.until("passed"),
        kinds.told(kinds.CERTIFIED, whose),
        today,
        accounts,
        zone,
        activities.is_reversed("x"),
        now,
    )
