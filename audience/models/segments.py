"""Named conditions and lists, who is in them, and who changed since."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from audience.models.fields import Field
from audience.models.subjects import OneSubject, one_subject


class Segment(models.Model):
    """One row is one named condition or fixed list of people or of accounts."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(max_length=64, unique=True)
    of = models.CharField(max_length=10, choices=Field.Of.choices, default=Field.Of.PERSON)
    condition = models.JSONField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class SegmentMember(OneSubject):
    """One row is one stay of a subject in a segment."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, db_index=False)
    entered_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            one_subject("segment_member"),
            models.UniqueConstraint(
                fields=["segment", "subject_id"], condition=Q(left_at=None), name="in_segment_once"
            ),
        ]
        indexes = [models.Index(fields=["subject_id"], name="segments_of_subject")]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.subject_id}"


class Dirty(models.Model):
    """One row is one mark: this subject changed and waits to be judged again. Claimed by DELETE; marks may repeat.

    No key but its own: a unique one would have two writers of facts about one subject wait for each other.
    """

    subject_id = models.BigIntegerField()
    marked_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.subject_id)
