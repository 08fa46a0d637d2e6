"""What people agreed to, and who must not be written to."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject


class Topic(models.Model):
    """One row is one subject of mail that a person can choose.

    By `basis` either only those are written to who said yes to it, or everybody who has not said no. A retired topic
    is offered to nobody and used by nothing new.
    """

    class Basis(models.TextChoices):
        CONSENT = "consent", _("only to those who agreed")
        INTEREST = "interest", _("to everybody who has not objected")

    slug = models.SlugField(max_length=64, unique=True)
    label = models.CharField(_("name"), max_length=200)
    description = models.CharField(_("description"), max_length=500, blank=True, default="", db_default="")
    basis = models.CharField(
        _("goes"), max_length=8, choices=Basis.choices, default=Basis.CONSENT, db_default=Basis.CONSENT
    )
    is_default = models.BooleanField(_("used unless another is chosen"), default=False, db_default=False)
    retired_at = models.DateTimeField(_("retired"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_topic")
        ]

    def __str__(self) -> str:
        return self.label


class ConsentRecord(OneSubject):
    """One row is one act of giving or withdrawing consent. Append-only.

    For one topic, or for all (`topic` empty); the latest that speaks of a topic counts. `wording` is what the person
    was shown or said, `source` where that was. A row with `reversal_of` says that the row it names was a mistake.
    """

    class Basis(models.TextChoices):
        CONSENT = "consent", _("consent")
        CONFIRMED = "confirmed", _("consent, confirmed by mail")
        CUSTOMER = "customer", _("existing customer")
        INTEREST = "interest", _("legitimate interest")
        OBJECTION = "objection", _("objection")  # of withdrawals

    topic = models.ForeignKey(Topic, null=True, on_delete=models.PROTECT)
    channel = models.CharField(max_length=32)
    given = models.BooleanField()
    basis = models.CharField(_("lawful basis"), max_length=32, choices=Basis.choices)
    wording = models.TextField(_("wording"), null=True)
    source = models.CharField(_("where"), max_length=100)
    occurred_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reversal_of = models.ForeignKey("self", null=True, on_delete=models.DO_NOTHING, db_index=False)
    original_subject_id = models.BigIntegerField(null=True)
    # The suppressions that it lifted, each its topic, keyed hash and since when it stood: they return with a mistake.
    lifted = models.JSONField(null=True)

    class Meta:
        constraints = [one_subject("consent")]
        indexes = [
            # The latest word of one person or of a million, out of the index alone.
            models.Index(
                fields=["subject_id", "channel", "occurred_at", "id"],
                include=["topic", "given", "reversal_of"],
                name="consent_latest",
            ),
            models.Index(fields=["recorded_at"], name="consent_recorded"),  # taking back what was done at an instant
            models.Index(fields=["reversal_of"], name="consent_reversed", condition=Q(reversal_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.channel} {self.given}"


class Pause(OneSubject):
    """One row is one wish to be left in peace until an instant; of several the latest counts. Append-only."""

    channel = models.CharField(max_length=32)
    until = models.DateTimeField(_("until"))
    source = models.CharField(_("where"), max_length=100)
    created_at = models.DateTimeField(_("when"))
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [one_subject("pause")]
        indexes = [models.Index(fields=["subject_id", "channel", "id"], name="pause_of_subject")]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.channel} {self.until}"


class Suppression(models.Model):
    """One row is one address that must not be used, by keyed hash; it outlives erasure."""

    channel = models.CharField(max_length=32)
    topic = models.ForeignKey(Topic, null=True, on_delete=models.PROTECT)
    address_hash = models.BinaryField(max_length=32)
    reason = models.CharField(_("reason"), max_length=100)
    created_at = models.DateTimeField(_("since"))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "topic", "address_hash"], nulls_distinct=False, name="suppression_once"
            )
        ]
        indexes = [models.Index(fields=["-created_at"], name="suppression_newest")]  # the list

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"
