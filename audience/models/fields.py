"""Custom fields and the history of every value."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject


class Field(models.Model):
    """One row is the definition of one custom field; its slug never changes once used."""

    class Type(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        DATE = "date", _("Date")
        CHOICE = "choice", _("Choice")
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
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "slug"], name="field_once")]

    def __str__(self) -> str:
        return self.label

    def labelled(self) -> list[tuple[str, str]]:
        """The choices as pairs of value and label; a choice in the row is its value, or the pair of both."""
        return [_choice(each) for each in self.choices or ()]


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
