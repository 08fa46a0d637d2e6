"""What is known of one subject, field by field: the value now, its source and date, and the values before it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from audience.models import Account, Field, FieldChange, Person
from kit import money, pages
from kit.models import User
from kit.past import Past

PERSON = (
    "email", "phone", "first_name", "last_name", "title", "title_group", "seniority", "account", "country", "region",
    "city", "language", "zone", "source", "owner",
)  # fmt: skip
ACCOUNT = (
    "name", "domain", "industry", "employees", "annual_revenue", "ownership", "parent", "country", "region", "city",
    "owner",
)  # fmt: skip
CUSTOM = "custom."
LINKS: dict[str, type[Model]] = {"account": Account, "parent": Account, "owner": User}
LABELS = {"annual_revenue": gettext_lazy("Annual revenue")}  # where the column's own name speaks of units
ORDER = ("group", "position", "label", "pk")  # of custom fields, wherever people see them
LONGEST = 50  # earlier values of one field that a page shows; the ledger keeps them all


@dataclass(frozen=True)
class Value:
    """One value of a field, as people read it ("" is “(empty)”), who said so, and from when until when it held."""

    text: str
    source: str
    since: datetime
    until: datetime | None = None
    link: Account | None = None


@dataclass
class Line:
    """One field of a subject: its value now, and the earlier ones, the newest first; `more` were left out.

    A custom field stands in its `group`; a `hidden` one is shown to whoever asks for it.
    """

    name: str
    label: str
    now: Value
    before: list[Value] = field(default_factory=list)
    more: int = 0
    group: str = ""
    hidden: bool = False


def fields_of(subject: Person | Account, then: Past | None = None) -> list[Line]:
    """Every field of a person or an account, also the empty ones, in the order in which a profile shows them.

    A value came with the change that ended the one before it; the first one came with the subject. `then`: as of a past
    day, by the rule of conditions: the old value of the first change that does not count yet, else the present one.
    """
    changes = _changes(subject)
    of = Field.Of.PERSON if isinstance(subject, Person) else Field.Of.ACCOUNT
    custom = {CUSTOM + each.slug: each for each in Field.objects.filter(of=of).order_by(*ORDER)}
    linked = _linked(subject, changes)
    currency = subject.currency if isinstance(subject, Account) else ""
    lines = []
    for name in (*(PERSON if isinstance(subject, Person) else ACCOUNT), *custom):
        label = custom[name].label if name in custom else label_of(subject, name)
        writer = _Writer(name, custom.get(name), currency, linked)
        line = _line(_current(subject, name), changes[name], subject, writer, label, then)
        if name in custom:
            line.group, line.hidden = custom[name].group, custom[name].hidden
        lines.append(line)
    return lines


def label_of(subject: Person | Account, name: str) -> str:
    """What a standard field is called."""
    return str(LABELS.get(name) or capfirst(subject._meta.get_field(name).verbose_name))  # type: ignore[union-attr]


@dataclass(frozen=True)
class _Writer:
    """How the values of one field are written for people."""

    name: str
    custom: Field | None
    currency: str
    linked: dict[tuple[str, int], Any]

    @property
    def type(self) -> str:
        return self.custom.type if self.custom else ""

    def value(self, raw: Any, source: str, since: datetime, until: datetime | None) -> Value:
        """`raw` is a current value, or the text of an old one."""
        if raw in (None, "", [], "[]"):
            return Value("", source, since, until)
        if self.name in LINKS:
            link = self.linked.get((self.name, _number(raw) or 0))
            return Value(str(link or f"#{raw}"), source, since, until, link if isinstance(link, Account) else None)
        return Value(str(self._text(raw)), source, since, until)

    def _text(self, raw: Any) -> Any:
        number = _number(raw)
        if (self.name == "annual_revenue" or self.type == Field.Type.MONEY) and number is not None:
            return money.written(number, self.currency)
        if self.name == "employees" and number is not None:
            return pages.written(number)
        if self.custom and self.custom.chosen:
            return self.custom.label_of(listed(raw))
        if self.type == Field.Type.DATE:
            return _day(str(raw))
        if self.type == Field.Type.YES_NO and str(raw).lower() in ("true", "false"):
            return pages.written(str(raw).lower() == "true")
        return json.dumps(raw, ensure_ascii=False) if isinstance(raw, dict | list) else raw


def listed(raw: Any) -> Any:
    """Several choices as a list, also out of the text by which history keeps them; anything else as it is."""
    if not isinstance(raw, str) or not raw.startswith("["):
        return raw
    try:
        told = json.loads(raw)
    except ValueError:
        return raw
    return told if isinstance(told, list) else raw


def _line(
    raw: Any, changes: list[FieldChange], subject: Person | Account, writer: _Writer, label: str, then: Past | None
) -> Line:
    """`changes` are the newest first. A value holds until the next change; it was brought by the one before."""
    if then is not None:
        counted = [change for change in changes if _counts(change, then)]
        to_come = [change for change in changes if not _counts(change, then)]
        raw, changes = (to_come[-1].old if to_come else raw), counted
    until: datetime | None = None
    values = []
    for change in changes:
        values.append(writer.value(raw, change.source, change.occurred_at, until))
        raw, until = change.old, change.occurred_at
    values.append(writer.value(raw, subject.created_source, subject.created_at, until))
    return Line(writer.name, label, values[0], values[1 : LONGEST + 1], max(len(values) - 1 - LONGEST, 0))


def _counts(change: FieldChange, then: Past) -> bool:
    """Whether a change had happened, and was known."""
    return change.occurred_at < then.at and (then.known is None or change.recorded_at < then.known)


def _changes(subject: Person | Account) -> dict[str, list[FieldChange]]:
    found: dict[str, list[FieldChange]] = defaultdict(list)
    own = FieldChange.objects.filter(subject_id=subject.pk, original_subject_id=None)
    for change in own.order_by("-occurred_at", "-pk"):
        found[change.field].append(change)
    return found


def _linked(subject: Person | Account, changes: dict[str, list[FieldChange]]) -> dict[tuple[str, int], Any]:
    """The rows that link fields name or named, by field and id; one query for each kind of row that is needed."""
    wanted: dict[type[Model], set[int]] = defaultdict(set)
    found: dict[tuple[str, int], Any] = {}
    for name, model in LINKS.items():
        wanted[model] |= _ids(change.old for change in changes.get(name, []))
        if getattr(subject, f"{name}_id", None):
            found[name, getattr(subject, f"{name}_id")] = getattr(subject, name)
    for model, ids in wanted.items():
        rows = model._default_manager.in_bulk(ids) if ids else {}
        found |= {(name, pk): row for name, of in LINKS.items() if of is model for pk, row in rows.items()}
    return found


def _current(subject: Person | Account, name: str) -> Any:
    if name.startswith(CUSTOM):
        return subject.custom.get(name.removeprefix(CUSTOM))
    return getattr(subject, f"{name}_id" if name in LINKS else name)


def _ids(texts: Iterable[str | None]) -> set[int]:
    return {number for text in texts if text and (number := _number(text)) is not None}


def _number(raw: Any) -> int | None:
    """A whole number that fits an id or an amount; None for anything else."""
    text = str(raw)
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 19 else None


def _day(text: str) -> Any:
    try:
        return pages.written(date.fromisoformat(text[:10]))
    except ValueError:
        return text
