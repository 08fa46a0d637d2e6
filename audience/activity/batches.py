"""Many activities of one request, as programs tell them: each read strictly, its person found, the good ones written.

A row is an object: `external_id`, `kind`, `occurred_at`, and whose it is, `person` or `account` by a name, or an
`anonymous_id`; of `channel`, `platform`, `direction`, `actor`, `value`, `properties` what there is to say. All of it is
set-based: one statement finds all of whom the rows speak, one writes (`activities.record_many`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience import importing
from audience.activity import activities, arrivals, visitors
from audience.activity.activities import COLUMNS
from audience.importing import atonce
from audience.models import Activity, Import, WaitingActivity
from audience.subjects import people, sight
from audience.subjects.people import BadValue
from kit import addresses, audit, installation, instants
from kit.models import User
from kit.sql import Sql, join, name, sql
from kit.sql import rows as fetched

MOST = 1000
LARGEST = 10**16  # a value, either way
KNOWN = {
    "external_id", "kind", "occurred_at", "person", "account", "anonymous_id", "channel", "platform", "direction",
    "actor", "value", "properties",
}  # fmt: skip
NAMED = ("person", "account")
OF_PERSON = {"id", "external_id", "system", "email"}
OF_ACCOUNT = {"id", "external_id", "system", "domain"}
LENGTHS = {
    "external_id": 200,
    "anonymous_id": 200,
    "channel": 32,
    "platform": 32,
}  # characters, as the columns have them
LONGEST_ID = 300  # characters of a person's or an account's name elsewhere
CHOICES = {"direction": frozenset(Activity.Direction.values), "actor": frozenset(Activity.Actor.values)}


@dataclass(frozen=True)
class Refusal:
    """Why one row (the first is 0) was not taken."""

    row: int
    code: str
    field: str
    reason: str


@dataclass(frozen=True)
class Told:
    """How many activities are new, how many `source` had told before, and which rows were refused.

    `waiting`: of how many nobody knows yet whose they are.
    """

    new: int
    known: int
    refused: list[Refusal]
    waiting: int = 0


class NotAll(Exception):
    """Some rows were refused, and it was to be all or nothing."""

    def __init__(self, refused: list[Refusal]) -> None:
        super().__init__(_("%(number)s rows were refused, so nothing was kept.") % {"number": len(refused)})
        self.refused = refused


class Bad(ValueError):
    """What is wrong with a row: `field` is the path to it."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field


@transaction.atomic
def record(
    rows: Sequence[Any],
    *,
    source: str,
    system: str,
    create_missing: bool = False,
    all_or_nothing: bool = False,
    by: User,
    now: datetime,
) -> Told:
    """Record the rows that can be; `system` is whose the external ids of people and accounts are, unless a row says.

    Whom `by` does not see is not known to them. With `create_missing` a person with an email or an external id whom
    nobody knows is made. Told again, an activity changes nothing. What names only an `anonymous_id` of `system` waits
    for somebody of whom a row names both. Raises NotAll.
    """
    good, refused = _read(rows, system, now)
    _find(good, by)
    if create_missing:
        _make(good, by=by, now=now)
    for number, row in list(good.items()):
        which = next((each for each in NAMED if row[f"by_{each}"] and row[f"{each}_id"] is None), None)
        if which:
            refused.append(Refusal(number, f"unknown_{which}", which, _nobody(which)))
            del good[number]
    if all_or_nothing and refused:
        raise NotAll(sorted(refused, key=lambda each: each.row))
    strangers = {number: row for number, row in good.items() if not (row["by_person"] or row["by_account"])}
    named = {number: row for number, row in good.items() if number not in strangers}
    new = 0
    if named:
        columns = list(COLUMNS)
        told = json.dumps(
            [{each: row[each] for each in columns if row.get(each) is not None} for row in named.values()]
        )
        shape = join(", ", (sql("{} {}", name(each), Sql(of)) for each, of in COLUMNS.items()))
        new = activities.record_many(
            sql("SELECT * FROM json_to_recordset({}::json) AS told ({})", told, shape), columns, source=source, now=now
        )
    if strangers:
        waits = [row | {"occurred_at": datetime.fromisoformat(row["occurred_at"])} for row in strangers.values()]
        new += visitors.wait(waits, source=source, now=now)
    if known := {row["browser"]: row["person_id"] for row in named.values() if row["browser"]}:
        visitors.become_many(known, now=now)
    if new:
        after = {"source": source, "new": new, "known": len(good) - new, "refused": len(refused)}
        audit.record("activity.batch", source, by=by, now=now, after=after)
    ids = [row["external_id"] for row in strangers.values()]
    waiting = WaitingActivity.objects.filter(source=source, external_id__in=ids).count() if ids else 0
    return Told(new, len(good) - new, sorted(refused, key=lambda each: each.row), waiting)


# ---- reading ----


def _read(rows: Sequence[Any], system: str, now: datetime) -> tuple[dict[int, dict[str, Any]], list[Refusal]]:
    """The rows that can be taken, by their number, and why the others cannot."""
    good: dict[int, dict[str, Any]] = {}
    refused: list[Refusal] = []
    reading = _Reading(system, installation.zone(), now)
    for number, row in enumerate(rows):
        try:
            good[number] = reading.row(row)
        except Bad as bad:
            refused.append(Refusal(number, bad.code, bad.field[:100], str(bad)))
    return good, refused


class _Reading:
    def __init__(self, system: str, zone: ZoneInfo, now: datetime) -> None:
        self.system = system
        self.zone = zone
        self.now = now
        self.slugs: dict[str, str] = {}

    def row(self, row: Any) -> dict[str, Any]:
        if not isinstance(row, Mapping):
            raise Bad("wrong_type", "", _("A row is an object."))
        if not KNOWN.issuperset(row):
            unknown = next(each for each in row if each not in KNOWN)
            raise Bad("unknown_field", unknown, _("There is no such field."))
        read: dict[str, Any] = {
            "external_id": _text(row, "external_id", LENGTHS["external_id"]) or _missing("external_id"),
            "kind": self.kind(row),
            "occurred_at": self.instant(row),
            "value": _number(row),
            "properties": _properties(row),
        }
        for each in ("channel", "platform"):
            read[each] = _text(row, each, LENGTHS[each])
        for each, known in CHOICES.items():
            read[each] = _text(row, each, 20)
            if read[each] and read[each] not in known:
                choices = {"choices": ", ".join(sorted(known))}
                raise Bad("invalid_choice", each, _("It can be: %(choices)s.") % choices)
        for each, found in arrivals.told(read["properties"]).items():
            read[each] = read[each] or found
        return read | self.whose(row)

    def kind(self, row: Mapping[str, Any]) -> str:
        said = _text(row, "kind", 200) or _missing("kind")
        slug = self.slugs.get(said)
        if slug is None:
            try:
                slug = self.slugs[said] = activities.slug_of(said)
            except BadValue as bad:
                raise Bad(bad.code, "kind", bad.message) from bad
        return slug

    def instant(self, row: Mapping[str, Any]) -> str:
        said = _text(row, "occurred_at", 40) or _missing("occurred_at")
        try:
            at = instants.read(said, self.zone)
        except instants.NoInstant as wrong:
            raise Bad(wrong.code, "occurred_at", str(wrong)) from wrong
        if at > self.now:
            raise Bad("in_the_future", "occurred_at", _("It has not happened yet. What is still to come is a task."))
        return at.isoformat()

    def whose(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The names of a person or an account, each None where it is not said; ids are found later."""
        person, account = row.get("person"), row.get("account")
        stranger = _text(row, "anonymous_id", LENGTHS["anonymous_id"])
        if person is None and account is None and stranger is None:
            raise Bad("required", "person", _("Say whose it is: a person or an account."))
        if stranger is not None and person is None and account is not None:
            raise Bad("required", "person", _("Say which person of the account it is, or leave the account out."))
        named: dict[str, Any] = {"person_id": None, "account_id": None}
        named["browser"] = visitors.elsewhere(self.system, stranger) if stranger else None
        named |= {"by_person": person is not None, "by_account": account is not None}
        if person is not None:
            named |= self.named("person", person, OF_PERSON)
            if email := named.get("person_email"):
                named["person_email"] = addresses.email(email)
                if named["person_email"] is None:
                    said = _("“%(email)s” is no email address.") % {"email": email[:100]}
                    raise Bad("bad_email", "person.email", said)
        if account is not None:
            named |= self.named("account", account, OF_ACCOUNT)
            if domain := named.get("account_domain"):
                named["account_domain"] = addresses.domain(domain) or _no_domain(domain)
        return named

    def named(self, which: str, given: Any, known: set[str]) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise Bad("wrong_type", which, _("It is an object, such as {“id”: 4711}."))
        if not known.issuperset(given):
            unknown = next(each for each in given if each not in known)
            raise Bad("unknown_field", f"{which}.{unknown}", _("There is no such field."))
        number = given.get("id")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            raise Bad("wrong_type", f"{which}.id", _("It takes %(what)s.") % {"what": _("a whole number")})
        found = {f"{which}_number": number, f"{which}_system": _text(given, "system", 64, which) or self.system}
        for each in known - {"id", "system"}:
            found[f"{which}_{each}"] = _text(given, each, LONGEST_ID, which)
        if number is None and not any(found[f"{which}_{each}"] for each in known - {"id", "system"}):
            raise Bad("required", which, _("Say who is meant."))
        return found


def _text(row: Mapping[str, Any], field: str, longest: int, within: str = "") -> str | None:
    value = row.get(field)
    if value is None:
        return None
    path = f"{within}.{field}" if within else field
    if not isinstance(value, str):
        raise Bad("wrong_type", path, _("It takes %(what)s.") % {"what": _("a text")})
    value = value.strip()
    if len(value) > longest:
        raise Bad("too_long", path, _("This is longer than %(most)s characters.") % {"most": longest})
    return value or None


def _number(row: Mapping[str, Any]) -> float | None:
    value = row.get("value")
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Bad("wrong_type", "value", _("It takes %(what)s.") % {"what": _("a number")})
    if not math.isfinite(value) or abs(value) >= LARGEST:
        raise Bad("number_out_of_range", "value", _("A value has 16 digits before the point at most."))
    return value


def _properties(row: Mapping[str, Any]) -> dict[str, Any] | None:
    value = row.get("properties")
    if value is not None and not isinstance(value, dict):
        raise Bad("wrong_type", "properties", _("It takes %(what)s.") % {"what": _("an object")})
    return value


def _missing(field: str) -> str:
    raise Bad("required", field, _("It has to be said."))


def _no_domain(domain: str) -> str:
    raise Bad("bad_domain", "account.domain", _("“%(domain)s” is no domain.") % {"domain": domain[:100]})


def _nobody(which: str) -> str:
    return _("Nobody is known by this.") if which == "person" else _("No account is known by this.")


# ---- finding ----

ASKED = {
    "n": "int", "person_number": "bigint", "person_system": "text", "person_external_id": "text",
    "person_email": "text", "account_number": "bigint", "account_system": "text", "account_external_id": "text",
    "account_domain": "text",
}  # fmt: skip
FOUND = """
    SELECT asked.n, p.id, a.id FROM json_to_recordset({}::json) AS asked ({})
    LEFT JOIN audience_identity i ON i.system = asked.person_system AND i.kind = 'person'
        AND i.external_id = asked.person_external_id
    {}
    LEFT JOIN audience_person p ON p.id = coalesce(asked.person_number, i.person_id, e.id) AND p.erased_at IS NULL
        AND {}
    LEFT JOIN audience_identity j ON j.system = asked.account_system AND j.kind = 'account'
        AND j.external_id = asked.account_external_id
    LEFT JOIN LATERAL (
        SELECT coalesce(min(d.id), (
            SELECT f.account_id FROM audience_identity f
            WHERE f.system = {} AND f.kind = 'domain' AND f.external_id = asked.account_domain)) AS id
        FROM audience_account d
        WHERE lower(d.domain COLLATE "C") = asked.account_domain AND d.domain <> '' AND d.erased_at IS NULL) d
        ON asked.account_domain IS NOT NULL
    LEFT JOIN audience_account a ON a.id = coalesce(asked.account_number, j.account_id, d.id) AND a.erased_at IS NULL
        AND {}
"""


def _find(good: Mapping[int, dict[str, Any]], by: User) -> None:
    """Write into the rows whose they are, as far as they are known to whoever asks."""
    if not good:
        return
    asked = [{"n": n} | {each: row[each] for each in ASKED if row.get(each) is not None} for n, row in good.items()]
    shape = join(", ", (sql("{} {}", name(each), Sql(of)) for each, of in ASKED.items()))
    seen = [sight.clause(by, Sql(each)) for each in ("p.id", "a.id")]
    for number, person, account in fetched(
        sql(
            FOUND,
            json.dumps(asked),
            shape,
            people.by_address(Sql("asked.person_email")),
            seen[0],
            people.FORMERLY,
            seen[1],
        )
    ):
        good[number]["person_id"], good[number]["account_id"] = person, account


def _make(good: Mapping[int, dict[str, Any]], *, by: User, now: datetime) -> None:
    """Make the people whom nobody knows, by the merge of imports, and write into the rows who they are.

    Who is there already, only not for the eyes of `by`, is neither made nor found. Whoever sees only their own looks
    after whom they make.
    """
    missing = {
        number: row
        for number, row in good.items()
        if row["by_person"] and row["person_id"] is None and row.get("person_number") is None
    }
    own = {} if sight.everything(by) else {"owner": by.email}
    new: dict[str, dict[tuple[Any, Any], dict[str, Any]]] = {}
    for row in missing.values():
        key = (row["person_external_id"], row["person_email"])
        person = new.setdefault(row["person_system"], {}).setdefault(key, {"first_seen": row["occurred_at"], **own})
        person |= {each: value for each, value in zip(("external_id", "email"), key, strict=True) if value}
        person["first_seen"] = min(person["first_seen"], row["occurred_at"])
    for system, unknown in new.items():
        kind, rows = importing.kind_of("people"), list(unknown.values())
        atonce.merge(kind, rows, source=system, policy=Import.Policy.CREATE, by=by, now=now)
    if missing:
        _find(missing, by)
