"""Custom fields and the history of every value."""

from datetime import date, datetime
from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject

LONGEST_TEXT = 2000  # characters of a custom text
LARGEST = 10**16  # what a custom number may reach, either way


class Field(models.Model):
    """One row is the definition of one custom field; its slug never changes once used."""

    class Type(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        DATE = "date", _("Date")
        CHOICE = "choice", _("Choice")
        SEVERAL = "several", _("Several choices")
        YES_NO = "yes_no", _("Yes or no")
        MONEY = "money", _("Money")

    class Of(models.TextChoices):
        PERSON = "person", _("Person")
        ACCOUNT = "account", _("Account")

    of = models.CharField(max_length=10, choices=Of.choices)
    slug = models.SlugField(max_length=64)
    label = models.CharField(_("label"), max_length=200)
    type = models.CharField(_("type"), max_length=10, choices=Type.choices, default=Type.TEXT)
    choices = models.JSONField(_("choices"), default=list, blank=True)
    group = models.CharField(_("group"), max_length=100, blank=True, default="", db_default="")
    position = models.IntegerField(_("place"), default=0, db_default=0)
    searchable = models.BooleanField(_("searchable"), default=False, db_default=False)
    hidden = models.BooleanField(_("hidden"), default=False, db_default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "slug"], name="field_once")]

    def __str__(self) -> str:
        return self.label

    def labelled(self) -> list[tuple[str, str]]:
        """The choices as pairs of value and label; a choice in the row is its value, or the pair of both."""
        return [_choice(each) for each in self.choices or ()]

    @property
    def chosen(self) -> bool:
        """Whether its values are among choices, one or several."""
        return self.type in (self.Type.CHOICE, self.Type.SEVERAL)

    def formerly(self) -> dict[str, list[tuple[str, datetime]]]:
        """By value: what the choice was called before, each name with the instant at which it ended."""
        told = {each["value"]: each.get("formerly", ()) for each in self.choices or () if isinstance(each, dict)}
        return {
            value: [(name, datetime.fromisoformat(until)) for name, until in names] for value, names in told.items()
        }

    def words(self) -> dict[str, str]:
        """By what people call a choice, now or formerly, or by what it is kept as: its value. The latter wins."""
        before = {name: value for value, names in self.formerly().items() for name, _until in names}
        now = {label: value for value, label in self.labelled()}
        return before | now | {value: value for value, _label in self.labelled()}

    def in_order(self, value: Any) -> Any:
        """Several choices once each and in the order of the choices, so that the same ones are one value."""
        if self.type != self.Type.SEVERAL or not isinstance(value, list):
            return value
        return [each for each, _label in self.labelled() if each in value] or None

    def label_of(self, value: Any) -> str:
        """A value as people read it: the choice by its name of today, several of them after one another."""
        labels = dict(self.labelled())
        if isinstance(value, list | tuple):
            return ", ".join(labels.get(str(each), str(each)) for each in value)
        return labels.get(str(value), str(value))

    def takes(self, value: Any) -> bool:
        """Whether this is a value of the field as it is stored: money in minor units, a day as ISO 8601."""
        if self.type in (self.Type.TEXT, self.Type.CHOICE):
            known = dict(self.labelled()) if self.type == self.Type.CHOICE else {}
            return isinstance(value, str) and len(value) <= LONGEST_TEXT and (not known or value in known)
        if self.type == self.Type.SEVERAL:
            many = {value for value, _label in self.labelled()}
            return isinstance(value, list) and all(isinstance(each, str) and each in many for each in value)
        if self.type == self.Type.YES_NO:
            return isinstance(value, bool)
        if self.type == self.Type.DATE:
            return isinstance(value, str) and _is_day(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        number = whole or (isinstance(value, float) and self.type == self.Type.NUMBER)
        return number and abs(value) <= LARGEST

    def taken(self) -> str:
        """What the field takes, in words."""
        known = ", ".join(value for value, _label in self.labelled()[:20])
        if self.type == self.Type.CHOICE and known:
            return _now("one of: %(choices)s") % {"choices": known}
        if self.type == self.Type.SEVERAL:
            return _now("a list of some of: %(choices)s") % {"choices": known}
        words = {
            self.Type.NUMBER: _now("a number"),
            self.Type.DATE: _now("a day such as 2025-03-31"),
            self.Type.YES_NO: _now("true or false"),
            self.Type.MONEY: _now("a whole number of minor units, such as cents"),
        }
        return words.get(self.Type(self.type), _now("a text of at most %(most)s characters") % {"most": LONGEST_TEXT})


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _choice(choice: object) -> tuple[str, str]:
    if isinstance(choice, list | tuple) and len(choice) == 2:
        return str(choice[0]), str(choice[1])
    if isinstance(choice, dict) and "value" in choice:
        return str(choice["value"]), str(choice.get("label", choice["value"]))
    return str(choice), str(choice)


class FieldChange(OneSubject):
    """One row is one changed value: the value before it. Append-only.

    Value at t = `old` of the first change after t, else the current one. NULL and "" both mean "(empty)".
    """

    field = models.CharField(max_length=80)
    old = models.TextField(null=True)
    source = models.CharField(max_length=100)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [one_subject("field_change")]
        indexes = [
            models.Index(fields=["subject_id", "field", "occurred_at", "id"], name="field_change_of_subject"),
            # What has changed since an instant: almost nothing, when the instant is now; who is touched by a day.
            BrinIndex(fields=["occurred_at"], name="field_change_by_time", pages_per_range=32),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.field}"
