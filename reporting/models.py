"""Tables that pages read instead of raw history. People left out of figures are in none of them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from audience.models.subjects import OneSubject, one_subject
from lifecycle.models import Lifecycle, Membership, Stage, Version


class DailyFlow(models.Model):
    """One row is the moves of one local day from one stage to another, and how long the stays that ended had lasted.

    `stay_days` are whole days between the local dates of the two facts (negative ones stay in), ascending and
    distinct; `stay_counts` says how often each. Both are empty for first placements.
    """

    day = models.DateField()
    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, db_index=False)
    from_stage = models.ForeignKey(Stage, null=True, on_delete=models.CASCADE, db_index=False, related_name="+")
    to_stage = models.ForeignKey(Stage, null=True, on_delete=models.CASCADE, db_index=False, related_name="+")
    count = models.BigIntegerField()
    stay_days = ArrayField(models.IntegerField(), default=list)
    stay_counts = ArrayField(models.IntegerField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lifecycle", "day", "version", "from_stage", "to_stage"],
                nulls_distinct=False,
                name="daily_flow_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.from_stage_id} → {self.to_stage_id}: {self.count}"


class StageEntry(OneSubject):
    """One row is the first entry of one membership into one stage (by slug, across versions)."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE)
    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    stage = models.SlugField(max_length=64)
    seq = models.IntegerField()
    occurred_at = models.DateTimeField()
    evidence_at = models.DateTimeField()

    class Meta:
        constraints = [
            one_subject("stage_entry"),
            models.UniqueConstraint(fields=["membership", "stage"], name="stage_entry_once"),
        ]
        indexes = [models.Index(fields=["lifecycle", "stage", "occurred_at"], name="stage_entry_by_time")]

    def __str__(self) -> str:
        return f"{self.membership_id} {self.stage}"


class Fill(models.Model):
    """One row says how far the tables of one lifecycle are filled; a fill that broke off is done again."""

    lifecycle = models.OneToOneField(Lifecycle, on_delete=models.CASCADE, primary_key=True)
    through_xid = models.BigIntegerField(default=0)
    exclusions_seen = models.BigIntegerField(default=0)
    zone = models.CharField(max_length=64, blank=True)
    filled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="fill_forward", condition=Q(through_xid__gte=0))]

    def __str__(self) -> str:
        return f"{self.lifecycle_id}: {self.through_xid}"
