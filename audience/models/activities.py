"""What subjects did, or what was done to them."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ActivityKind(models.Model):
    """One row is one kind of activity of the catalogue."""

    slug = models.SlugField(max_length=64, unique=True)
    label = models.CharField(_("label"), max_length=200)
    channel = models.CharField(_("channel"), max_length=32, blank=True)
    direction = models.CharField(_("direction"), max_length=10, blank=True)
    is_response = models.BooleanField(_("counts as a response"), default=False)

    def __str__(self) -> str:
        return self.label


class Activity(models.Model):
    """One row is one thing that a person or an account (as it then was) did or had done to it. Append-only."""

    class Direction(models.TextChoices):
        INBOUND = "inbound", _("inbound")
        OUTBOUND = "outbound", _("outbound")

    class Actor(models.TextChoices):
        HUMAN = "human", _("human")
        BOT = "bot", _("bot")
        PROXY = "proxy", _("privacy proxy")
        UNKNOWN = "unknown", _("unknown")

    person = models.ForeignKey("audience.Person", null=True, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey("audience.Account", null=True, on_delete=models.PROTECT, db_index=False)
    kind = models.ForeignKey(ActivityKind, on_delete=models.PROTECT, db_index=False)
    channel = models.CharField(_("channel"), max_length=32, db_default="", default="", blank=True)
    platform = models.CharField(_("platform"), max_length=32, db_default="", default="", blank=True)
    direction = models.CharField(max_length=10, choices=Direction.choices, db_default="", default="", blank=True)
    actor = models.CharField(max_length=10, choices=Actor.choices, db_default="human", default="human")
    value = models.DecimalField(_("value"), max_digits=20, decimal_places=4, null=True)
    properties = models.JSONField(default=dict, db_default={})
    occurred_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    source = models.CharField(_("source"), max_length=64)
    external_id = models.CharField(max_length=200)
    reversal_of = models.ForeignKey("self", null=True, on_delete=models.DO_NOTHING, db_index=False)
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.CheckConstraint(
                name="activity_of_somebody", condition=Q(person__isnull=False) | Q(account__isnull=False)
            ),
            models.UniqueConstraint(fields=["source", "external_id"], name="activity_once"),
        ]
        indexes = [
            models.Index(fields=["person", "occurred_at"], name="activity_of_person"),  # timeline, conditions
            models.Index(
                fields=["account", "occurred_at"], name="activity_of_account", condition=Q(account__isnull=False)
            ),
            BrinIndex(fields=["recorded_at"], name="activity_recorded"),  # what is new
            # Whom a day or a window's end touches, whatever the order in which a file brought them.
            models.Index(fields=["occurred_at"], name="activity_by_time"),
            models.Index(fields=["reversal_of"], name="activity_reversed", condition=Q(reversal_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind_id} {self.occurred_at}"
