"""Named conditions and lists, who is in them, and who changed since."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models.fields import Field
from audience.models.subjects import OneSubject, one_subject


class Segment(models.Model):
    """One row is one named condition or fixed list of people or of accounts.

    `looked_until`: as of when its members were last compared with whom time alone changes. `held_back_at`: since when
    nobody leaves it, because so many would at once that somebody should look first; `confirmed_at` when somebody last
    had. `job` brings all of it up to date.
    """

    class Kind(models.TextChoices):
        DYNAMIC = "dynamic", _("by condition")
        STATIC = "static", _("fixed list")

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(max_length=64, unique=True)
    of = models.CharField(_("of"), max_length=10, choices=Field.Of.choices, default=Field.Of.PERSON)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.DYNAMIC)
    condition = models.JSONField(null=True)
    looked_until = models.DateTimeField(null=True)
    held_back_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("made"))
    updated_at = models.DateTimeField(_("changed"))

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("segment", args=[self.slug])


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
        indexes = [
            models.Index(fields=["subject_id"], name="segments_of_subject"),
            models.Index(fields=["segment", "entered_at"], name="entered_segment"),  # history, who is touched by a day
            models.Index(fields=["segment", "left_at"], name="left_segment", condition=~Q(left_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} {self.subject_id}"


class Dirty(models.Model):
    """One row is one mark: this subject changed and waits to be judged again. Claimed by DELETE; marks may repeat.

    No key but its own: a unique one would have two writers of facts about one subject wait for each other. `passed_on`
    marks somebody whose account, or one of whose people, changed: that does not reach a third.
    """

    subject_id = models.BigIntegerField()
    marked_at = models.DateTimeField(db_default=Now())
    passed_on = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return str(self.subject_id)
