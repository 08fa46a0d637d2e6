"""How complete the data was, day by day."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Completeness(models.Model):
    """One row is of how many a field was known as a local day began, of those to whom it applies.

    What was known *then* is written once; what is known *now* of the same day is written anew each night.
    """

    class Clock(models.TextChoices):
        THEN = "then", _("As known then")
        NOW = "now", _("As known now")

    day = models.DateField(_("day"))
    field = models.CharField(_("field"), max_length=100)
    clock = models.CharField(max_length=4, choices=Clock.choices)
    known = models.BigIntegerField(_("known"))
    applicable = models.BigIntegerField(_("applicable"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["field", "clock", "day"], name="completeness_once")]

    def __str__(self) -> str:
        return f"{self.field} {self.day} {self.known}/{self.applicable}"
