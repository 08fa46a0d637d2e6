"""Who may be one and the same, who was made one, and what that moved."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audience.models.fields import Field


class PhoneNumber(models.Model):
    """One row is one telephone number as somebody wrote it in a country, and the number that it means (E.164).

    Worked out once for each way of writing, so that looking for equal ones is one statement; "" means none.
    """

    written = models.CharField(max_length=50)
    country = models.CharField(max_length=100, blank=True)
    number = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["written", "country"], name="phone_number_once")]
        indexes = [models.Index(fields=["number"], condition=~Q(number=""), name="phone_by_number")]

    def __str__(self) -> str:
        return self.number


class Duplicate(models.Model):
    """One row is one pair of people, or of accounts, that may be one and the same: why, and what was decided.

    `one_id` is the lower number. `why` has for each rule that found the pair its name and its evidence; `confidence`
    is out of 100. A pair that is said to be two stays, so that it is never shown again.
    """

    class State(models.TextChoices):
        OPEN = "open", _("to be looked at")
        TWO = "two", _("not the same")

    of = models.CharField(max_length=10, choices=Field.Of.choices)
    one_id = models.BigIntegerField()
    other_id = models.BigIntegerField()
    why = models.JSONField(default=list)
    confidence = models.IntegerField(_("confidence"))
    state = models.CharField(max_length=4, choices=State.choices, default=State.OPEN)
    found_at = models.DateTimeField(_("found"))
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["one_id", "other_id"], name="duplicate_once"),
            models.CheckConstraint(name="duplicate_in_order", condition=Q(one_id__lt=F("other_id"))),
        ]
        indexes = [
            models.Index(fields=["other_id"], name="duplicate_of_other"),
            models.Index(  # the queue
                fields=["of", "-confidence", "id"], condition=Q(state="open"), name="duplicate_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.one_id} {self.other_id}"


class Merge(models.Model):
    """One row is one subject made one with another: who stays, who went into them, when, by whom; whether undone.

    `was` is the row of the one who went, as it stood; `values` has for each field of the one who stays that the merge
    changed, the value before and after. No foreign keys: either may be merged once more.
    """

    of = models.CharField(max_length=10, choices=Field.Of.choices)
    survivor_id = models.BigIntegerField()
    merged_id = models.BigIntegerField()
    was = models.JSONField(default=dict)
    values = models.JSONField(default=dict)
    moved = models.JSONField(default=dict)  # how many rows, by what they are
    merged_at = models.DateTimeField(_("merged"))
    merged_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+")
    undone_at = models.DateTimeField(_("parted again"), null=True)
    undone_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merged_id"], condition=Q(undone_at=None), name="merged_once"),
            models.CheckConstraint(name="merge_of_two", condition=~Q(survivor_id=F("merged_id"))),
        ]
        indexes = [
            models.Index(fields=["survivor_id"], name="merge_of_survivor"),
            models.Index(fields=["-merged_at"], name="merge_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.merged_id} → {self.survivor_id}"


class MergedRows(models.Model):
    """One row is up to a thousand rows of one table that a merge moved, changed or set aside.

    Moved: `column` named the one who went and names the one who stays. Changed: `was` has the former values of some
    columns. Set aside: the rows are gone and stand in `was`, whole, because the one who stays has the same.
    """

    class Became(models.TextChoices):
        MOVED = "moved"
        CHANGED = "changed"
        ASIDE = "aside"

    merge = models.ForeignKey(Merge, on_delete=models.PROTECT, related_name="rows")
    table = models.CharField(max_length=63)
    became = models.CharField(max_length=7, choices=Became.choices)
    column = models.CharField(max_length=63, blank=True)
    ids = ArrayField(models.TextField())
    was = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.merge_id} {self.table}"
