"""Files that were brought in, how they are read, when more of them come; refused rows; traces of what was written."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
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


class SavedMapping(models.Model):
    """One row is one way to read files: what their columns and values become, and how dates and numbers are written.

    `mapping` is that of an import: `columns` and `options`. It is proposed for files with nearly the same `header`.
    """

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("what the rows are"), max_length=32)
    header = models.JSONField(default=list)
    mapping = models.JSONField(_("mapping"), default=dict)
    source = models.CharField(_("source system"), max_length=64)
    policy = models.CharField(_("policy"), max_length=10, choices=Import.Policy.choices, default=Import.Policy.UPSERT)
    created_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("since"))
    updated_at = models.DateTimeField(_("changed"))
    used_at = models.DateTimeField(_("last used"), null=True)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="saved_mapping_once")]

    def __str__(self) -> str:
        return self.name


class ImportSchedule(models.Model):
    """One row is one place where files come to be brought in by themselves: a folder, or an address of the web."""

    class Place(models.TextChoices):
        FOLDER = "folder", _("a folder of this installation")
        URL = "url", _("an address of the web")

    class Sign(models.TextChoices):
        NONE = "", _("nothing")
        BASIC = "basic", _("user and password")
        BEARER = "bearer", _("a token")

    class Every(models.TextChoices):
        ONCE = "once", _("once")
        HOUR = "hour", _("every hour")
        DAY = "day", _("every day")
        WEEK = "week", _("every week")

    name = models.CharField(_("name"), max_length=100)
    saved = models.ForeignKey(
        SavedMapping, verbose_name=_("mapping"), on_delete=models.PROTECT, related_name="schedules"
    )
    place = models.CharField(_("from"), max_length=10, choices=Place.choices)
    folder = models.CharField(_("folder"), max_length=300, blank=True)
    pattern = models.CharField(_("files called"), max_length=100, blank=True)
    url = models.CharField(_("address"), max_length=1000, blank=True)
    sign = models.CharField(_("signs in by"), max_length=10, choices=Sign.choices, blank=True)
    user = models.CharField(_("user"), max_length=200, blank=True)
    secret = models.TextField(_("password or token"), blank=True)  # sealed
    every = models.CharField(_("how often"), max_length=10, choices=Every.choices)
    next_at = models.DateTimeField(_("next"), null=True)  # NULL: not any more
    paused_at = models.DateTimeField(_("paused"), null=True)
    owner = models.ForeignKey(
        "kit.User", verbose_name=_("owner"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(_("since"))

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="import_schedule_once")]
        indexes = [
            # Read every minute by the clock.
            models.Index(fields=["next_at"], name="import_schedule_due", condition=models.Q(paused_at__isnull=True))
        ]

    def __str__(self) -> str:
        return self.name


class ImportTurn(models.Model):
    """One row is one look at a schedule's place, and what came of it."""

    class Outcome(models.TextChoices):
        OPEN = "open", _("under way")
        NOTHING = "nothing", _("nothing new")
        DONE = "done", _("brought in")
        FAILED = "failed", _("failed")

    schedule = models.ForeignKey(ImportSchedule, on_delete=models.CASCADE, related_name="turns")
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+")
    began_at = models.DateTimeField(_("when"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    outcome = models.CharField(_("what came of it"), max_length=10, choices=Outcome.choices, default=Outcome.OPEN)
    reason = models.CharField(_("reason"), max_length=1000, blank=True)

    class Meta:
        constraints = [
            # A second one while one is under way is refused by this.
            models.UniqueConstraint(
                fields=["schedule"], condition=models.Q(outcome="open"), name="one_turn_of_schedule"
            )
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.began_at}"


class TakenFile(models.Model):
    """One row is one file that a schedule found, known by name, size and SHA-256: it is taken once."""

    schedule = models.ForeignKey(ImportSchedule, on_delete=models.CASCADE, related_name="files")
    turn = models.ForeignKey(ImportTurn, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(_("file"), max_length=255)
    size = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    imported = models.ForeignKey(Import, null=True, on_delete=models.SET_NULL, related_name="taken")
    reason = models.CharField(_("reason"), max_length=500, blank=True)  # why it was refused

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schedule", "name", "size", "digest"], name="taken_once")]

    def __str__(self) -> str:
        return self.name
