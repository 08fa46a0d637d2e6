"""Words that users put on people and accounts to find them again."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject


class Tag(models.Model):
    """One row is one word; its slug never changes, because conditions and the history know it by that."""

    slug = models.CharField(max_length=64, unique=True)
    name = models.CharField(_("tag"), max_length=50)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Tagged(OneSubject):
    """One row is one tag that one subject has now; what was is in the field changes “tag.<slug>”."""

    tag = models.ForeignKey(Tag, on_delete=models.PROTECT)
    source = models.CharField(max_length=100)
    tagged_at = models.DateTimeField()

    class Meta:
        constraints = [
            one_subject("tagged"),
            models.UniqueConstraint(fields=["subject_id", "tag"], name="tagged_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.tag_id}"
