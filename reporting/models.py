"""Tables that pages read instead of raw history. People left out of figures are in none of them.

Stages are named by their slug, which is the same across versions; the empty slug is outside the model, where a
first placement comes from and an exit leads to. A move between two editions of one stage is no move here.
"""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from lifecycle.models import Lifecycle, Membership, Version


def _stage(label: Any) -> models.SlugField:
    """A stage's slug; empty is outside the model. Looked for together with a lifecycle and a day, never alone."""
    return models.SlugField(label, max_length=64, blank=True, db_index=False)


class DailyFlow(models.Model):
    """One row is the moves of one local day from one stage to another, and how long the stays that ended had lasted.

    `stay_days` are whole days between the local dates of the two facts (negative ones stay in), ascending and
    distinct; `stay_counts` says how often each. Both are empty for first placements.
    """

    day = models.DateField()
    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, db_index=False)
    from_stage = _stage(_("from"))
    to_stage = _stage(_("to"))
    by_version = models.BooleanField(_("by another version of the lifecycle"), default=False, db_default=False)
    count = models.BigIntegerField()
    stay_days = ArrayField(models.IntegerField(), default=list)
    stay_counts = ArrayField(models.IntegerField(), default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lifecycle", "day", "version", "from_stage", "to_stage", "by_version"], name="daily_flow_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.from_stage or '·'} → {self.to_stage or '·'}: {self.count}"


class StageEntry(models.Model):
    """One row is one entry of one membership into a stage, or its exit out of the model, as figures count it.

    `day` is the local day of the move, `evidence_day` that of the fact. `since_day` and `stay_days` tell of the stay
    that this move ended: the day it began, and its length between the days of the two facts. `until_day` is the day
    on which the stay that began here ended. `is_first`: the membership had never been in this stage before.

    For first entries along the success path, and for the entry into the lifecycle: `reached[i]` is how many days later
    its ith stage or a later one was reached, `strict[i]` the same through every stage between, in order; both 0 for
    the stage itself and empty for what was not reached. `from_previous` and `from_first` are the days, between the
    facts, since the first entry into the stage before it and into the first. `recorded_late`: the move was written in a
    later month than it happened, and not by a replay. `by_version`: another version of the lifecycle brought them here,
    which is no entry into a cohort, and reaches nothing.
    """

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, db_index=False)
    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, db_index=False)
    seq = models.IntegerField()
    from_stage = _stage(_("from"))
    to_stage = _stage(_("to"))
    occurred_at = models.DateTimeField(_("when"))
    day = models.DateField(_("day"))
    evidence_day = models.DateField(_("day of the fact"))
    since_day = models.DateField(_("there since"), null=True)
    stay_days = models.IntegerField(_("days"), null=True)
    until_day = models.DateField(_("left"), null=True)
    is_first = models.BooleanField(_("for the first time"))
    by_version = models.BooleanField(_("by another version of the lifecycle"), default=False, db_default=False)
    reached = ArrayField(models.IntegerField(null=True), null=True)
    strict = ArrayField(models.IntegerField(null=True), null=True)
    from_previous = models.IntegerField(null=True)
    from_first = models.IntegerField(null=True)
    recorded_late = models.BooleanField(_("recorded in a later month"), default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "seq"], name="stage_entry_of_movement")]
        indexes = [
            models.Index(fields=["lifecycle", "to_stage", "day"], name="stage_entry_in"),  # who is in, who came
            models.Index(fields=["lifecycle", "from_stage", "day"], name="stage_entry_out"),  # who left
            models.Index(
                fields=["lifecycle", "day"], name="stage_entry_late", condition=Q(recorded_late=True)
            ),  # recorded_late.by_stage
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}#{self.seq} {self.from_stage or '·'} → {self.to_stage or '·'}"


# Whose entries are (`kit.registry.Holder.whose`).
ENTRIES_OF = (
    "SELECT e.id, m.subject_id FROM reporting_stageentry e JOIN lifecycle_membership m ON m.id = e.membership_id"
)


class DailyCohort(models.Model):
    """One row is the cohort of one day and stage, and how many days its members took to reach another.

    `days` are ascending and distinct, `counts` says how often each. The empty origin is the entry into the lifecycle.
    """

    class Kind(models.TextChoices):
        ENTERED = "entered", _("entered")  # the cohort itself: no target, no days
        REACHED = "reached", _("reached the target or a later stage")
        STRICT = "strict", _("reached the target through every stage between")
        VELOCITY = "velocity", _("reached the target on this day, so long after the origin")

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    day = models.DateField()
    origin = _stage(_("from"))
    target = _stage(_("to"))
    days = ArrayField(models.IntegerField())
    counts = ArrayField(models.IntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lifecycle", "kind", "day", "origin", "target"], name="daily_cohort_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.origin or '·'} → {self.target}"


class Fill(models.Model):
    """One row says how far the tables of one lifecycle are filled; a fill that broke off is done again.

    Movements that `snapshot` saw are in, which are all those of transactions before `through_xid`. `exclusions_seen`
    is how many changes of "left out of figures" had been written; `zone` is the zone whose days the tables count,
    `path` the success path along which they count; `place` the database whose transactions these are (a restored one
    is another).
    """

    lifecycle = models.OneToOneField(Lifecycle, on_delete=models.CASCADE, primary_key=True)
    through_xid = models.BigIntegerField(default=0)
    snapshot = models.TextField(default="1:1:")
    exclusions_seen = models.BigIntegerField(default=0)
    place = models.CharField(max_length=100, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    path = ArrayField(models.CharField(max_length=64), default=list)
    filled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="fill_forward", condition=Q(through_xid__gte=0))]

    def __str__(self) -> str:
        return f"{self.lifecycle_id}: {self.through_xid}"


class LedgerCheck(models.Model):
    """One row is one run of the ledger check over one lifecycle: how much was compared, and what was found wrong."""

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE)
    checked_at = models.DateTimeField(_("checked"))
    memberships = models.BigIntegerField(_("memberships"))
    movements = models.BigIntegerField(_("movements"))
    found = models.BigIntegerField(_("findings"))
    findings = models.JSONField(default=list)  # the first few, as integrity.Finding writes them

    def __str__(self) -> str:
        return f"{self.lifecycle_id} {self.checked_at}: {self.found}"


class ChartNote(models.Model):
    """One row is something that happened on a day and that reports say beside their figures, as “price rise”."""

    day = models.DateField(_("day"), db_index=True)
    text = models.CharField(_("what happened"), max_length=200)
    created_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.day}: {self.text}"
