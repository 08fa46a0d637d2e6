"""People come into being, change and are found here; one person is the same statement as a million."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.lookups import Exact
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audience.belonging import domains
from audience.models import Field, Identity, Import, Person
from audience.models.subjects import Folded
from audience.subjects import history, titles
from kit import addresses, audit, turns
from kit.models import User
from kit.sql import Sql, join, name, sql
from kit.sql import value as value_of

TEXTS = (
    "email", "first_name", "last_name", "phone", "title", "title_group", "seniority", "language", "zone", "source",
    "country", "region", "city",
)  # fmt: skip
LINKS = ("account_id", "owner_id")
COLUMNS = (*TEXTS, *LINKS, history.CUSTOM)
FORMERLY = "merge"  # the system by which former addresses of those who were merged are known
BY_HAND = "by hand"  # the source of what a user writes on a page


CREATED, UPDATED, UNCHANGED, SKIPPED = "created", "updated", "unchanged", "skipped"  # what became of an upsert
TAKEN = "email_taken"


class BadValue(ValueError):
    """A value that cannot be; the message says why, `field` says which, `code` says it to programs."""

    def __init__(self, field: str, message: str, code: str = "bad_value") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.code = code


@transaction.atomic
def create(values: Mapping[str, Any], *, source: str, by: User | None, now: datetime) -> Person:
    """A new person. `values` by column name, `external_id` among them; `custom` is an object by slug.

    Raises BadValue for what cannot be, and for an email that somebody has already.
    """
    given = _checked(values)
    email = given.get("email")
    if email and find(email=email):
        raise BadValue("email", _("Somebody with this email is there already."), TAKEN)
    external = given.pop("external_id", None)
    seen = given.pop("first_seen_at", None) or now
    if email and "account_id" not in given and domains.puts() and (account := domains.account_of(email)):
        given["account_id"] = account.pk
    columns = [column for column in COLUMNS if column in given]
    person_id = _next_id()
    with _one_email():
        history.insert(Person, _one(person_id, given, columns, first_seen_at=seen), columns, source=source, now=now)
    if external:
        Identity.objects.create(person_id=person_id, system=source, kind="person", external_id=external, created_at=now)
    person = Person.objects.get(pk=person_id)
    audit.record("person.create", str(person), by=by, now=now, after={"person": person_id, "source": source})
    return person


@transaction.atomic
def change(
    person: Person, values: Mapping[str, Any], *, source: str, by: User | None, now: datetime, fill: bool = False
) -> bool:
    """Write new values with their history; None and "" empty a value. True when anything was different.

    With `fill` only what is empty is written. Raises BadValue for what cannot be, and for an email that somebody else
    has.
    """
    given = _checked(values)
    email = given.get("email")
    if email and (known := find(email=email)) and known.pk != person.pk:
        raise BadValue("email", _("Somebody else has this email. Merge the two, or choose another."), TAKEN)
    columns = [column for column in COLUMNS if column in given]
    rows = _one(person.pk, given, columns)
    with _one_email():
        changed = history.update(Person, rows, columns, source=source, at=now, now=now, fill=fill, exact=not fill)
    if changed:
        person.refresh_from_db()
        audit.record("person.change", str(person), by=by, now=now, after={"person": person.pk, "columns": columns})
    return bool(changed)


@transaction.atomic
def upsert(
    values: Mapping[str, Any], *, source: str, by: User | None, now: datetime, policy: str = Import.Policy.UPSERT
) -> tuple[Person | None, str]:
    """The person with this external id of `source`, else with this email, changed; or a new one; and what became of it.

    CREATED, UPDATED, UNCHANGED, or SKIPPED by the policy, which is one of imports. Of many callers at once with one
    key, one creates and the others change. Raises BadValue.
    """
    if "email" in values:
        values = {**values, "email": _present(values["email"])}
    given = _checked(values)
    external, email = given.get("external_id"), given.get("email")
    if not external and not email:
        raise BadValue("email", _("A person needs an email or an external id to be known by."), "required")
    turns.take("people", keys(source, external, email))
    person = find(source=source, external_id=external, email=email)
    if person is None:
        if policy == Import.Policy.UPDATE:
            return None, SKIPPED
        return create(values, source=source, by=by, now=now), CREATED
    if policy == Import.Policy.CREATE:
        return person, SKIPPED
    named = (
        external
        and Identity.objects.get_or_create(
            system=source, kind="person", external_id=external, defaults={"person": person, "created_at": now}
        )[1]
    )
    fill = policy == Import.Policy.FILL
    left = {"external_id", "first_seen_at"} | ({"email"} if fill and person.email else set())
    rest = {key: value for key, value in values.items() if key not in left}
    changed = change(person, rest, source=source, by=by, now=now, fill=fill)
    if named:
        after = {"person": person.pk, "system": source, "external_id": external}
        audit.record("person.name", str(person), by=by, now=now, after=after)
    return person, UPDATED if changed or named else UNCHANGED


def keys(source: str, external_id: str | None, email: str | None) -> list[str]:
    """What a person of these names is held by while somebody finds out whether there is one."""
    return [*([email] if email else []), *([f"{source}/{external_id}"] if external_id else [])]


def find(*, source: str = "", external_id: str | None = None, email: str | None = None) -> Person | None:
    """The person of an external id of `source`, else of an email; None when nobody is."""
    if external_id:
        known = Identity.objects.filter(system=source, kind="person", external_id=external_id, person__isnull=False)
        if identity := known.select_related("person").first():
            return identity.person
    return Person.objects.filter(has_email(email)).first() or _formerly(email) if email else None


def has_email(email: str) -> Q:
    """Whose address it is, as addresses are kept; asked as the index has them, and the first half as its condition."""
    return ~Q(email="") & Q(Exact(Folded("email"), email))


def _formerly(email: str) -> Person | None:
    """Who had this address before two people were made one."""
    known = Identity.objects.filter(system=FORMERLY, kind="email", external_id=email.lower(), person__isnull=False)
    found = known.select_related("person").first()
    return found.person if found else None


def _present(email: Any) -> Any:
    """A former address as the one of today: who is called by it keeps theirs."""
    told = addresses.email(email) if isinstance(email, str) and email else None
    there = told and not Person.objects.filter(has_email(told)).exists() and _formerly(told)
    return (there.email if there else "") or email


def by_address(email: Sql) -> Sql:
    """Joins to a row the person with its address: now as `own`, formerly as `f`; either of them as `e`."""
    return sql(
        """LEFT JOIN audience_person own ON lower(own.email COLLATE "C") = {} AND own.email <> ''
           LEFT JOIN audience_identity f ON f.system = {} AND f.kind = 'email' AND f.external_id = {}
           LEFT JOIN audience_person e ON e.id = coalesce(own.id, f.person_id)""",
        email, FORMERLY, email,
    )  # fmt: skip


@contextmanager
def _one_email() -> Iterator[None]:
    """Of two who write the same email at the same moment, the later is told, as if the other had long been there."""
    try:
        yield
    except IntegrityError as clash:
        if "person_by_email" not in str(clash):
            raise
        raise BadValue("email", _("Somebody else has this email. Merge the two, or choose another."), TAKEN) from clash


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept. Raises BadValue."""
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key == history.CUSTOM:
            given[key] = custom_values("person", value or {})
        elif key in TEXTS:
            given[key] = _text(key, value)
        elif key == "external_id":
            given[key] = external_id(value)
        elif key in ("account", "owner"):
            given[f"{key}_id"] = value.pk if value is not None else None
        elif key in (*LINKS, "first_seen_at"):
            given[key] = value
        else:
            raise BadValue(key, _("People have no field called “%(field)s”.") % {"field": key}, "unknown_field")
    if given.get("email"):
        told = addresses.email(given["email"])
        if told is None:
            raise BadValue(
                "email", _("“%(email)s” is no email address.") % {"email": given["email"][:100]}, "bad_email"
            )
        given["email"] = told
    if "title" in given:
        given.setdefault("title_group", None)
        given.setdefault("seniority", None)
    return given


def _text(field: str, value: Any) -> str:
    text = str(value or "").strip()
    if "\x00" in text:
        raise BadValue(field, _("A text may not hold a NUL character."), "bad_unicode")
    longest = getattr(Person._meta.get_field(field), "max_length", None) or 0
    if len(text) > longest:
        raise BadValue(field, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    return text


def external_id(value: Any) -> str | None:
    """The id under which another system knows a subject; None when it says none. Raises BadValue."""
    text = str(value or "").strip()
    longest = Identity._meta.get_field("external_id").max_length or 0
    if len(text) > longest:
        raise BadValue("external_id", _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    return text or None


def custom_values(of: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Custom values by slug, for fields that are defined, each of its field's type; None and "" empty one.

    Raises BadValue.
    """
    known = {each.slug: each for each in Field.objects.filter(of=of, slug__in=values)} if values else {}
    for slug, value in values.items():
        field, said = f"custom.{slug}", {"field": slug}
        if slug not in known:
            raise BadValue(field, _("There is no custom field called “%(field)s”.") % said, "unknown_field")
        if value not in (None, "") and not known[slug].takes(value):
            told = _("“%(field)s” takes %(what)s.") % (said | {"what": known[slug].taken()})
            raise BadValue(field, told, "wrong_type")
    return {slug: known[slug].in_order(value) if value != "" else None for slug, value in values.items()}


def _one(subject_id: int, given: Mapping[str, Any], columns: Sequence[str], **more: Any) -> Sql:
    """The relation of one row. A title's group and seniority follow the title unless they are said."""
    pieces = [sql("{}::bigint AS id", subject_id)]
    pieces += [sql("{}::timestamptz AS {}", value, name(key)) for key, value in more.items()]
    follows = [column for column in titles.BOTH if column in columns and given[column] is None]
    rules = titles.in_force() if follows else ()
    for column in columns:
        value = given[column]
        if column == history.CUSTOM:
            pieces.append(sql("{}::jsonb AS custom", json.dumps(value)))
        elif column in LINKS:
            pieces.append(sql("{}::bigint AS {}", value, name(column)))
        elif column in follows:
            derived = titles.derived(column, sql("{}::text", given["title"]), rules)
            pieces.append(sql("{} AS {}", derived, name(column)))
        else:
            pieces.append(sql("{}::text AS {}", value, name(column)))
    return sql("SELECT {}", join(", ", pieces))


def _next_id() -> int:
    return int(value_of(Sql("SELECT nextval('audience_subject_seq')")))


def first_step(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """What the home page shows while nobody is known yet: nothing more than its words."""
    return None if Person.objects.exists() else {}
