"""Accounts come into being and change here; one account is the same statement as a million."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience import addresses, history
from audience.models import Account, Identity
from audience.people import BadValue, custom_values
from kit import audit
from kit.models import User
from kit.sql import Sql, join, name, sql
from kit.sql import value as value_of

TEXTS = ("name", "domain", "industry", "currency", "ownership", "country", "region", "city")
NUMBERS = ("employees", "annual_revenue")
LINKS = ("parent_id", "owner_id")
COLUMNS = (*TEXTS, *NUMBERS, *LINKS, history.CUSTOM)


@transaction.atomic
def create(values: Mapping[str, Any], *, source: str, by: User | None, now: datetime) -> Account:
    """A new account. `values` by column name, `external_id` among them. Raises BadValue for what cannot be."""
    given = _checked(values)
    external = given.pop("external_id", None)
    seen = given.pop("first_seen_at", None) or now
    if not (given.get("name") or given.get("domain") or external):
        raise BadValue("name", _("An account needs a name, a domain or an external id to be known by."))
    columns = [column for column in COLUMNS if column in given]
    account_id = int(value_of(Sql("SELECT nextval('audience_subject_seq')")))
    history.insert(Account, _one(account_id, given, columns, seen), columns, source=source, now=now)
    if external:
        Identity.objects.create(
            account_id=account_id, system=source, kind="account", external_id=external, created_at=now
        )
    account = Account.objects.get(pk=account_id)
    audit.record("account.create", str(account), by=by, now=now, after={"account": account_id, "source": source})
    return account


@transaction.atomic
def change(account: Account, values: Mapping[str, Any], *, source: str, by: User | None, now: datetime) -> bool:
    """Write new values with their history; None and "" empty a value. True when anything was different.

    Raises BadValue for what cannot be, and for a parent that belongs to the account itself.
    """
    given = _checked(values)
    if given.get("parent_id"):
        _refuse_circle(account, given["parent_id"])
    columns = [column for column in COLUMNS if column in given]
    rows = _one(account.pk, given, columns, now)
    changed = history.update(Account, rows, columns, source=source, at=now, now=now, exact=True)
    if changed:
        account.refresh_from_db()
        after = {"account": account.pk, "columns": columns}
        audit.record("account.change", str(account), by=by, now=now, after=after)
    return bool(changed)


def _refuse_circle(account: Account, parent_id: int) -> None:
    """Nobody belongs to themselves, however many steps away."""
    above = sql(
        """WITH RECURSIVE above AS (
             SELECT id, parent_id FROM audience_account WHERE id = {}
             UNION SELECT a.id, a.parent_id FROM audience_account a JOIN above ON a.id = above.parent_id)
           SELECT EXISTS (SELECT FROM above WHERE id = {})""",
        parent_id,
        account.pk,
    )
    if value_of(above):
        raise BadValue("parent", _("An account cannot belong to itself, nor to one that belongs to it."))


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key == history.CUSTOM:
            given[key] = custom_values("account", value or {})
        elif key in TEXTS:
            given[key] = _text(key, value)
        elif key in ("parent", "owner"):
            given[f"{key}_id"] = value.pk if value is not None else None
        elif key in (*NUMBERS, *LINKS, "external_id", "first_seen_at"):
            given[key] = value
        else:
            raise BadValue(key, _("Accounts have no field called “%(field)s”.") % {"field": key})
    if given.get("domain"):
        given["domain"] = addresses.ascii_domain(given["domain"]).lower()
    return given


def _text(field: str, value: Any) -> str:
    text = str(value or "").strip()
    if "\x00" in text:
        raise BadValue(field, _("A text may not hold a NUL character."))
    longest = getattr(Account._meta.get_field(field), "max_length", None) or 0
    if len(text) > longest:
        raise BadValue(field, _("This is longer than %(most)s characters.") % {"most": longest})
    return text


def _one(account_id: int, given: Mapping[str, Any], columns: Sequence[str], seen: datetime) -> Sql:
    pieces = [sql("{}::bigint AS id, {}::timestamptz AS first_seen_at", account_id, seen)]
    for column in columns:
        value, kind = given[column], "text" if column in TEXTS else "bigint"
        if column == history.CUSTOM:
            value, kind = json.dumps(value), "jsonb"
        pieces.append(sql("{}::{} AS {}", value, Sql(kind), name(column)))
    return sql("SELECT {}", join(", ", pieces))
