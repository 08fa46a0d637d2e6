"""What people agreed to, and who must not be written to."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject


class Topic(models.Model):
    """One row is one subject of mail that a person can choose."""

    slug = models.SlugField(max_length=64, unique=True)
    label = models.CharField(_("label"), max_length=200)

    def __str__(self) -> str:
        return self.label


class ConsentRecord(OneSubject):
    """One row is one act of giving or withdrawing consent. Append-only."""

    topic = models.ForeignKey(Topic, null=True, on_delete=models.PROTECT)
    channel = models.CharField(max_length=32)
    given = models.BooleanField()
    basis = models.CharField(max_length=32)
    wording = models.TextField(null=True)
    source = models.CharField(max_length=100)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [one_subject("consent")]
        indexes = [models.Index(fields=["subject_id", "channel", "occurred_at"], name="consent_of_subject")]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.channel} {self.given}"


class Suppression(models.Model):
    """One row is one address that must not be used, by keyed hash; it outlives erasure."""

    channel = models.CharField(max_length=32)
    topic = models.ForeignKey(Topic, null=True, on_delete=models.PROTECT)
    address_hash = models.BinaryField(max_length=32)
    reason = models.CharField(_("reason"), max_length=100)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "topic", "address_hash"], nulls_distinct=False, name="suppression_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.reason}"
