"""What a content may say about its reader: plain dictionaries, for many people by one statement.

A value that is empty is left out, so that `default` and the policy for missing values see that it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from audience.models import Field
from kit import installation
from kit.sql import dicts, sql

Text = Any  # a string, or a translation to come


@dataclass(frozen=True)
class Offer:
    """One value that a content may use: how it is written, and what it is."""

    name: str
    label: Text

    @property
    def written(self) -> str:
        """As it is typed."""
        return f"{{{{ {self.name} }}}}"


PERSON = {
    "first_name": _("first name"),
    "last_name": _("last name"),
    "name": _("whole name"),
    "email": _("email"),
    "title": _("job title"),
    "language": _("language"),
    "country": _("country"),
    "city": _("city"),
}
ACCOUNT = {
    "name": _("name of the account"),
    "domain": _("domain"),
    "industry": _("industry"),
    "country": _("country of the account"),
    "city": _("city of the account"),
}
GENERAL = {
    "company": _("our company"),
    "postal_address": _("our postal address"),
    "today": _("the day of sending"),
    "unsubscribe_url": _("where to unsubscribe"),
    "preferences_url": _("where to choose topics"),
}


INVENTED = {
    "first_name": "Ada", "last_name": "Lovelace", "name": "Ada Lovelace", "email": "ada@example.com",
    "title": "Head of Operations", "language": "en", "country": "DE", "city": "Berlin", "custom": {},
}  # fmt: skip
INVENTED_ACCOUNT = {
    "name": "Example Works", "domain": "example.com", "industry": "Manufacturing", "country": "DE", "city": "Berlin",
    "custom": {},
}  # fmt: skip


def contexts(person_ids: Sequence[int], *, now: datetime) -> dict[int, dict[str, Any]]:
    """By person, what a content may say to them at `now`. Who is not there, or was erased, is left out."""
    general = _general(now)
    found = dicts(
        sql(
            """
            SELECT p.id, p.first_name, p.last_name, p.email, p.title, p.language, p.country, p.city, p.custom,
                   a.name AS account_name, a.domain, a.industry, a.country AS account_country,
                   a.city AS account_city, a.custom AS account_custom
            FROM audience_person p LEFT JOIN audience_account a ON a.id = p.account_id AND a.erased_at IS NULL
            WHERE p.id = ANY ({}) AND p.erased_at IS NULL
            """,
            list(person_ids),
        )
    )
    custom = _custom_as_read(found)
    return {row["id"]: {**general, "person": _person(row, custom), "account": _account(row, custom)} for row in found}


def invented(*, now: datetime) -> dict[str, Any]:
    """What a content may say to somebody invented, of whom everything is known, for an installation without people."""
    return {**_general(now), "person": dict(INVENTED), "account": dict(INVENTED_ACCOUNT)}


def nobody(*, now: datetime) -> dict[str, Any]:
    """What a content may say to somebody of whom nothing is known."""
    return {**_general(now), "person": {"custom": {}}, "account": {"custom": {}}}


def _general(now: datetime) -> dict[str, Any]:
    return {
        "company": installation.get("company") or "",
        "postal_address": installation.get("postal_address") or "",
        "today": now.astimezone(installation.zone()).date().isoformat(),
    }


def offers() -> list[tuple[Text, list[Offer]]]:
    """Everything that a content may use, in groups, custom fields included."""
    custom: dict[str, list[Offer]] = {"person": [], "account": []}
    for field in Field.objects.order_by("label"):
        custom[field.of].append(Offer(f"{field.of}.custom.{field.slug}", field.label))
    return [
        (_("Person"), [*(Offer(f"person.{key}", label) for key, label in PERSON.items()), *custom["person"]]),
        (_("Account"), [*(Offer(f"account.{key}", label) for key, label in ACCOUNT.items()), *custom["account"]]),
        (_("Always"), [Offer(key, label) for key, label in GENERAL.items()]),
    ]


def known() -> set[str]:
    """The names of everything that a content may use."""
    return {each.name for _group, some in offers() for each in some}


Written = Callable[[str, Any], dict[str, Any]]


def _custom_as_read(found: Sequence[Mapping[str, Any]]) -> Written:
    """How custom values are written: choices by what they are called now."""
    some = any(_loaded(row[which]) for row in found for which in ("custom", "account_custom"))
    chosen = Field.objects.filter(type__in=[Field.Type.CHOICE, Field.Type.SEVERAL]) if some else ()
    known = {(field.of, field.slug): field for field in chosen}

    def written(of: str, values: Any) -> dict[str, Any]:
        told = _given(_loaded(values))
        return {slug: known[of, slug].label_of(value) if (of, slug) in known else value for slug, value in told.items()}

    return written


def _person(row: dict[str, Any], custom: Written) -> dict[str, Any]:
    told = {key: row[key] for key in PERSON if key in row}
    told["name"] = " ".join(filter(None, (row["first_name"], row["last_name"])))
    return _given(told) | {"custom": custom("person", row["custom"])}


def _account(row: dict[str, Any], custom: Written) -> dict[str, Any]:
    told = {
        "name": row["account_name"],
        "domain": row["domain"],
        "industry": row["industry"],
        "country": row["account_country"],
        "city": row["account_city"],
    }
    return _given(told) | {"custom": custom("account", row["account_custom"])}


def _loaded(value: Any) -> dict[str, Any]:
    """A JSON column as a raw statement yields it."""
    return json.loads(value) if isinstance(value, str) else value or {}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}
