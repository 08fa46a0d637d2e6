"""Accounts come into being and change here; one account is the same statement as a million."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.lookups import Exact
from django.utils.translation import gettext as _

from audience.belonging import families
from audience.models import Account, Identity, Import
from audience.models.subjects import Folded
from audience.subjects import history
from audience.subjects.people import (
    CREATED,
    FORMERLY,
    SKIPPED,
    UNCHANGED,
    UPDATED,
    BadValue,
    custom_values,
    external_id,
)
from kit import addresses, audit, turns
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
        raise BadValue("name", _("An account needs a name, a domain or an external id to be known by."), "required")
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
def change(
    account: Account, values: Mapping[str, Any], *, source: str, by: User | None, now: datetime, fill: bool = False
) -> bool:
    """Write new values with their history; None and "" empty a value. True when anything was different.

    With `fill` only what is empty is written. Raises BadValue for what cannot be, and for a parent that belongs to the
    account itself.
    """
    given = _checked(values)
    if given.get("parent_id"):
        families.hold()
        if families.is_circle(account.pk, given["parent_id"]):
            raise BadValue("parent", _("An account cannot belong to itself, nor to one that belongs to it."))
    columns = [column for column in COLUMNS if column in given]
    rows = _one(account.pk, given, columns, now)
    changed = history.update(Account, rows, columns, source=source, at=now, now=now, fill=fill, exact=not fill)
    if changed:
        account.refresh_from_db()
        after = {"account": account.pk, "columns": columns}
        audit.record("account.change", str(account), by=by, now=now, after=after)
    return bool(changed)


@transaction.atomic
def upsert(
    values: Mapping[str, Any], *, source: str, by: User | None, now: datetime, policy: str = Import.Policy.UPSERT
) -> tuple[Account | None, str]:
    """The account with this external id of `source`, else of this domain or name, changed; or a new one; what became.

    As `people.upsert`. Raises BadValue.
    """
    given = _checked(values)
    known_by = {key: given.get(key) or None for key in ("external_id", "domain", "name")}
    turns.take("accounts", keys(source, **known_by))
    account = find(source=source, **known_by)
    if account is None:
        if policy == Import.Policy.UPDATE:
            return None, SKIPPED
        return create(values, source=source, by=by, now=now), CREATED
    if policy == Import.Policy.CREATE:
        return account, SKIPPED
    named = (
        given.get("external_id")
        and Identity.objects.get_or_create(
            system=source,
            kind="account",
            external_id=given["external_id"],
            defaults={"account": account, "created_at": now},
        )[1]
    )
    left = {"external_id", "first_seen_at"} | ({"domain"} if _formerly(given.get("domain") or "") == account else set())
    rest = {key: value for key, value in values.items() if key not in left}
    changed = change(account, rest, source=source, by=by, now=now, fill=policy == Import.Policy.FILL)
    if named:
        after = {"account": account.pk, "system": source, "external_id": given["external_id"]}
        audit.record("account.name", str(account), by=by, now=now, after=after)
    return account, UPDATED if changed or named else UNCHANGED


def find(
    *, source: str = "", external_id: str | None = None, domain: str | None = None, name: str | None = None
) -> Account | None:
    """The account of an external id of `source`, else of a domain, else of a name, as files are matched.

    An account that this source knows by another id is another account, and so is one of another domain.
    """
    known = Account.objects.filter(erased_at=None).order_by("pk")
    if external_id:
        named = Identity.objects.filter(system=source, kind="account", external_id=external_id)
        if found := known.filter(pk__in=named.values("account")).first():
            return found
        known = known.filter(~Exists(Identity.objects.filter(account=OuterRef("pk"), system=source, kind="account")))
    if domain and (found := known.filter(has_domain(domain.lower())).first() or _formerly(domain)):
        return found
    if name:
        same = known.annotate(key=Folded("name")).filter(key=Folded(Value(name)))
        return (same.filter(domain="") if domain else same).first()
    return None


def has_domain(domain: str) -> Q:
    """Whose domain it is, as domains are kept; asked as the index has them, and the first half as its condition."""
    return ~Q(domain="") & Q(Exact(Folded("domain"), domain))


def _formerly(domain: str) -> Account | None:
    """Which had this domain before two accounts were made one."""
    known = Identity.objects.filter(system=FORMERLY, kind="domain", external_id=domain.lower(), account__isnull=False)
    found = known.select_related("account").first()
    return found.account if found else None


def keys(source: str, external_id: str | None, domain: str | None, name: str | None) -> list[str]:
    """What an account of these names is held by while somebody finds out whether there is one."""
    told = [f"{source}/{external_id}" if external_id else None, domain, name.lower() if name else None]
    return [each for each in told if each]


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key == history.CUSTOM:
            given[key] = custom_values("account", value or {})
        elif key in TEXTS:
            given[key] = _text(key, value)
        elif key == "external_id":
            given[key] = external_id(value)
        elif key in ("parent", "owner"):
            given[f"{key}_id"] = value.pk if value is not None else None
        elif key in (*NUMBERS, *LINKS, "first_seen_at"):
            given[key] = value
        else:
            raise BadValue(key, _("Accounts have no field called “%(field)s”.") % {"field": key}, "unknown_field")
    if given.get("domain"):
        given["domain"] = addresses.domain(given["domain"])
        if given["domain"] is None:
            raise BadValue("domain", _("“%(domain)s” is no domain.") % {"domain": values["domain"][:100]}, "bad_domain")
    return given


def _text(field: str, value: Any) -> str:
    text = str(value or "").strip()
    if "\x00" in text:
        raise BadValue(field, _("A text may not hold a NUL character."), "bad_unicode")
    longest = getattr(Account._meta.get_field(field), "max_length", None) or 0
    if len(text) > longest:
        raise BadValue(field, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    return text


def _one(account_id: int, given: Mapping[str, Any], columns: Sequence[str], seen: datetime) -> Sql:
    pieces = [sql("{}::bigint AS id, {}::timestamptz AS first_seen_at", account_id, seen)]
    for column in columns:
        value, kind = given[column], "text" if column in TEXTS else "bigint"
        if column == history.CUSTOM:
            value, kind = json.dumps(value), "jsonb"
        pieces.append(sql("{}::{} AS {}", value, Sql(kind), name(column)))
    return sql("SELECT {}", join(", ", pieces))
