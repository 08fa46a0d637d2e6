"""Files that were brought in, the rows of them that were refused, and traces of what they wrote."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Import(models.Model):
    """One row is one file to bring in: how to read it, what was asked, what came of it."""

    class Policy(models.TextChoices):
        UPSERT = "upsert", _("Create new, update existing")
        CREATE = "create", _("Create new only")
        UPDATE = "update", _("Update existing only")
        FILL = "fill", _("Create new, fill only empty values of existing")

    kind = models.CharField(_("what the rows are"), max_length=32)
    file_name = models.CharField(_("file"), max_length=255)
    path = models.CharField(max_length=500)
    size = models.BigIntegerField(default=0)
    encoding = models.CharField(_("encoding"), max_length=32, blank=True)
    delimiter = models.CharField(_("separator"), max_length=4, blank=True)
    header = models.JSONField(default=list)
    mapping = models.JSONField(_("mapping"), default=dict)
    source = models.CharField(_("source system"), max_length=64)
    policy = models.CharField(_("policy"), max_length=10, choices=Policy.choices, default=Policy.UPSERT)
    dry_run = models.BooleanField(_("dry run"), default=False)
    counts = models.JSONField(default=dict)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL)
    created_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("when"))
    finished_at = models.DateTimeField(_("finished"), null=True)
    traced = models.BooleanField(default=False, db_default=False)  # what it writes is noted, so it can be rolled back
    rollback = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    rolled_back_at = models.DateTimeField(_("rolled back"), null=True)
    returned = models.JSONField(default=dict, db_default={})  # counts of what rolling back did

    def __str__(self) -> str:
        return self.file_name


class Reject(models.Model):
    """One row is one refused row of a file, with its number (the header is row 1) and the reason."""

    imported = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejects")
    row = models.BigIntegerField(_("row"))
    column = models.CharField(_("column"), max_length=300, blank=True)
    reason = models.CharField(_("reason"), max_length=500)
    raw = models.JSONField(default=list)

    class Meta:
        indexes = [models.Index(fields=["imported", "row"], name="reject_of_import")]

    def __str__(self) -> str:
        return f"{self.row}: {self.reason}"


class ImportTrace(models.Model):
    """One row is up to 200 rows of one table that an import wrote; a trigger on the table notes them.

    The import `made` them, or else changed them: then `was` has for each, by column, the value before and after.
    `marks` are hashes of what it made, for tables whose rows may change without a history.
    """

    imported = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="traces")
    table = models.CharField(max_length=63)
    made = models.BooleanField()
    ids = ArrayField(models.BigIntegerField())
    marks = ArrayField(models.BigIntegerField(), null=True)
    was = ArrayField(models.JSONField(), null=True)

    def __str__(self) -> str:
        return f"{self.imported_id} {self.table}"
