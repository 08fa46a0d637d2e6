"""Custom fields are defined, renamed, given choices and removed here; their values are written like any other's.

A field keeps its slug, by which conditions, files and programs call it. It can be removed, or become of another type,
only while nothing would be lost by that; a field that nobody wants to see any more is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.conditions import uses
from audience.conditions.operators import fold
from audience.models import Account, Field, Person
from audience.subjects import searchable
from kit import audit, slugs
from kit.models import User
from kit.sql import Sql, name, rows, sql, value

Choices = Sequence[str]
MOST_CHOICES = 500
CHOSEN = (Field.Type.CHOICE, Field.Type.SEVERAL)
MODELS: Mapping[str, type[Person] | type[Account]] = {Field.Of.PERSON: Person, Field.Of.ACCOUNT: Account}


class Refused(ValueError):
    """What cannot be done to a custom field, in the user's words."""

    def __init__(self, message: str, field: str | None = None, users: Sequence[uses.Use] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.users = users


@transaction.atomic
def define(
    label: str, *, of: str, type: str, choices: Choices = (), by: User | None, now: datetime, **said: Any
) -> Field:
    """A new field of people or accounts; `said` is what `change` takes. Raises Refused for a choice without choices,
    and for a label that is taken.
    """  # fmt: skip
    known = Field.objects.filter(of=of)
    _check(label, type, choices, known)
    made = Field(of=of, slug=slugs.free(label, known, "field"), label=label, type=type, created_at=now)
    made.choices = list(choices)
    _place(made, said)
    made.save(force_insert=True)
    _settle(by, now)
    audit.record("field.define", str(made), by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def change(field: Field, *, by: User | None, now: datetime, **said: Any) -> None:
    """What is said of a field: its `label`, `choices` (the values that can be chosen, in order), `labels` of choices by
    value, `group`, `position`, `searchable`, `hidden`, `type`. What is not said stays.

    Whoever has a value that is no choice any more keeps it. A choice that is called otherwise is still the same value,
    in history and conditions too, and files that have its former name are understood. Raises Refused.
    """
    before = _told(field)
    type, was_searchable = said.get("type", field.type), field.searchable
    if type != field.type:
        _check_unused(field)
    choices = said.get("choices", [value for value, _label in field.labelled()] if type in CHOSEN else ())
    field.label = said.get("label", field.label)
    _check(field.label, type, choices, Field.objects.filter(of=field.of).exclude(pk=field.pk))
    field.choices = _renamed(field, choices, said.get("labels") or {}, now)
    _check_labels(field)
    _place(field, said)
    if type != field.type:
        field.type = type
        if was_searchable:  # its index is of values of the other type
            Field.objects.filter(pk=field.pk).update(searchable=False)
            _settle(by, now)
    after = _told(field)
    if after != before:
        field.save()
        _settle(by, now)
        audit.record("field.change", field.label, by=by, now=now, before=before, after=after)


@transaction.atomic
def remove(field: Field, *, by: User | None, now: datetime) -> None:
    """Take a field away that nobody has a value of, or ever had, and that nothing asks for. Raises Refused."""
    _check_unused(field)
    audit.record("field.remove", str(field), by=by, now=now, before=_told(field))
    field.delete()
    _settle(by, now)


def _check_unused(field: Field) -> None:
    if asked := users(field):
        told = ", ".join(str(each) for each in asked[:5])
        raise Refused(_("It is asked for by: %(users)s. Change that first.") % {"users": told}, users=asked)
    if number := filled(field):
        told = ngettext("%(n)s row has a value of it.", "%(n)s rows have a value of it.", number) % {"n": number}
        raise Refused(told + " " + _("Empty them first, such as by an import; or hide the field."))
    if _was_ever_filled(field):
        raise Refused(_("It had values once, and the history of what was known then needs it. It can be hidden."))


def condition_name(field: Field) -> str:
    """What conditions, messages and files call it."""
    return f"{field.of}.custom.{field.slug}"


def users(field: Field) -> list[uses.Use]:
    """Everything that asks for it: conditions of segments, scores, rules and campaigns, forms, contents, mappings."""
    return uses.of_field(condition_name(field))


def filled(field: Field) -> int:
    """How many people or accounts have a value of it."""
    return _filled([field])[field.pk]


def filled_of(fields: Sequence[Field]) -> dict[int, tuple[int, int]]:
    """By field: how many have a value of it, and how many there are. One scan for people, one for accounts."""
    counted = _filled(fields)
    there = {of: int(value(sql("SELECT count(*) FROM {} WHERE erased_at IS NULL", _table(of)))) for of in MODELS}
    return {field.pk: (counted[field.pk], there[field.of]) for field in fields}


def _filled(fields: Sequence[Field]) -> dict[int, int]:
    found = {field.pk: 0 for field in fields}
    for of in MODELS:
        by_slug = {field.slug: field.pk for field in fields if field.of == of}
        if not by_slug:
            continue
        counted = sql(
            """SELECT key, count(*) FROM {} subject, jsonb_each(subject.custom)
               WHERE subject.erased_at IS NULL AND subject.custom <> '{{}}' AND key = ANY({})
                 AND jsonb_each.value NOT IN ('null', '""', '[]') GROUP BY key""",
            _table(of),
            list(by_slug),
        )
        found |= {by_slug[slug]: number for slug, number in rows(counted)}
    return found


def _was_ever_filled(field: Field) -> bool:
    changed = sql(
        """SELECT EXISTS (SELECT FROM audience_fieldchange change JOIN {} subject ON subject.id = change.subject_id
                          WHERE change.field = {} AND coalesce(change.old, '') <> '')""",
        _table(field.of),
        f"custom.{field.slug}",
    )
    return bool(value(changed))


def _table(of: str) -> Sql:
    return name(MODELS[of]._meta.db_table)


def _place(field: Field, said: Mapping[str, Any]) -> None:
    for each in ("group", "position", "searchable", "hidden"):
        setattr(field, each, said.get(each, getattr(field, each)))
    field.group = field.group.strip()


def _settle(by: User | None, now: datetime) -> None:
    try:
        searchable.settle(by=by, now=now)
    except searchable.NotAllowed as refused:
        raise Refused(str(refused), "searchable") from refused


def _renamed(field: Field, choices: Choices, labels: Mapping[str, str], now: datetime) -> list[Any]:
    """The choices as they are kept: each with the name it has now, and those that it had before."""
    was, formerly = dict(field.labelled()), field.formerly()
    kept: list[Any] = []
    for each in choices:
        old = was.get(each, each)
        label = labels.get(each, "").strip() or old
        names = [[name, until.isoformat()] for name, until in formerly.get(each, ())]
        if each in was and label != old:
            names.append([old, now.isoformat()])
        if names:
            kept.append({"value": each, "label": label, "formerly": names})
        else:
            kept.append(each if label == each else [each, label])
    return kept


def _check_labels(field: Field) -> None:
    labels = [label.lower() for _value, label in field.labelled()]
    if len(set(labels)) < len(labels):
        raise Refused(_("Two choices are called the same. Give each a name of its own."), "choices")


def _check(label: str, type: str, choices: Choices, others: QuerySet[Field]) -> None:
    if others.filter(label__iexact=label).exists():
        raise Refused(_("There is a field called “%(label)s” already.") % {"label": label}, "label")
    if type not in CHOSEN:
        if choices:
            raise Refused(_("Only a field of the type “Choice” or “Several choices” has choices."), "choices")
        return
    if not choices:
        raise Refused(_("Say what can be chosen, one choice a line."), "choices")
    if type == Field.Type.SEVERAL and any(";" in each for each in choices):
        raise Refused(_("A choice may hold no semicolon: files part several choices by it."), "choices")
    if len(choices) > MOST_CHOICES:
        raise Refused(_("At most %(most)s things can be chosen from.") % {"most": MOST_CHOICES}, "choices")
    if len({fold(each) for each in choices}) < len(choices):
        raise Refused(_("Each choice can stand there only once."), "choices")


def _told(field: Field) -> dict[str, object]:
    return {"of": field.of, "slug": field.slug, "type": field.type, "label": field.label, "choices": field.choices,
            "group": field.group, "position": field.position, "searchable": field.searchable,
            "hidden": field.hidden}  # fmt: skip
