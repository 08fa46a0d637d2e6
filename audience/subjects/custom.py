"""Custom fields are defined, renamed, given choices and removed here; their values are written like any other's.

A field keeps its slug, by which conditions, files and programs call it, and its type: values are stored by it. It can
be removed only while nothing would be lost by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.conditions import uses
from audience.models import Account, Field, Person
from kit import audit, slugs
from kit.models import User
from kit.sql import Sql, name, rows, sql, value

Choices = Sequence[str]
MOST_CHOICES = 500
MODELS: Mapping[str, type[Person] | type[Account]] = {Field.Of.PERSON: Person, Field.Of.ACCOUNT: Account}


class Refused(ValueError):
    """What cannot be done to a custom field, in the user's words."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def define(label: str, *, of: str, type: str, choices: Choices = (), by: User | None, now: datetime) -> Field:
    """A new field of people or accounts. Raises Refused for a choice without choices, and for a label that is taken."""
    known = Field.objects.filter(of=of)
    _check(label, type, choices, known)
    slug = slugs.free(label, known, "field")
    made = Field.objects.create(of=of, slug=slug, label=label, type=type, choices=list(choices), created_at=now)
    audit.record("field.define", str(made), by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def change(field: Field, *, label: str, choices: Choices = (), by: User | None, now: datetime) -> None:
    """Another label, other choices. Whoever has a value that is no choice any more keeps it. Raises Refused."""
    _check(label, field.type, choices, Field.objects.filter(of=field.of).exclude(pk=field.pk))
    before = _told(field)
    labels = dict(field.labelled())  # those that a program gave, which the page does not change
    field.label, field.choices = label, [[each, labels[each]] if labels.get(each, each) != each else each
                                         for each in choices]  # fmt: skip
    field.save(update_fields=["label", "choices"])
    audit.record("field.change", label, by=by, now=now, before=before, after=_told(field))


@transaction.atomic
def remove(field: Field, *, by: User | None, now: datetime) -> None:
    """Take a field away that nobody has a value of, or ever had, and that no condition asks. Raises Refused."""
    if asked := users(field):
        told = ", ".join(str(each) for each in asked[:5])
        raise Refused(_("It is asked for by: %(users)s. Change that first.") % {"users": told})
    if number := filled(field):
        told = ngettext("%(n)s row has a value of it.", "%(n)s rows have a value of it.", number) % {"n": number}
        raise Refused(told + " " + _("Empty them first, such as by an import."))
    if _was_ever_filled(field):
        raise Refused(_("It had values once, and the history of what was known then needs it."))
    audit.record("field.remove", str(field), by=by, now=now, before=_told(field))
    field.delete()


def condition_name(field: Field) -> str:
    """What conditions, messages and files call it."""
    return f"{field.of}.custom.{field.slug}"


def users(field: Field) -> list[uses.Use]:
    """Every kept condition that asks for it."""
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
                 AND jsonb_each.value NOT IN ('null', '""') GROUP BY key""",
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


def _check(label: str, type: str, choices: Choices, others: QuerySet[Field]) -> None:
    if others.filter(label__iexact=label).exists():
        raise Refused(_("There is a field called “%(label)s” already.") % {"label": label}, "label")
    if type != Field.Type.CHOICE:
        if choices:
            raise Refused(_("Only a field of the type “Choice” has choices."), "choices")
        return
    if not choices:
        raise Refused(_("Say what can be chosen, one choice a line."), "choices")
    if len(choices) > MOST_CHOICES:
        raise Refused(_("At most %(most)s things can be chosen from.") % {"most": MOST_CHOICES}, "choices")
    if len(set(choices)) < len(choices):
        raise Refused(_("Each choice can stand there only once."), "choices")


def _told(field: Field) -> dict[str, object]:
    return {"of": field.of, "slug": field.slug, "type": field.type, "label": field.label, "choices": field.choices}
