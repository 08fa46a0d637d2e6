"""Who is in which lifecycle, and the append-only ledger of every move."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Person
from audience.models.subjects import OneSubject, one_subject
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version


class TransactionId(models.Func):
    """The writing transaction's id: readers of news read below the oldest one still running."""

    template = "pg_current_xact_id()::text::bigint"
    output_field = models.BigIntegerField()


class Membership(OneSubject):
    """One row is one subject's nth time through one lifecycle: the hot state that the ledger explains."""

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.PROTECT, db_index=False)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, db_index=False)
    pass_number = models.IntegerField(_("pass"), default=1, db_default=1)
    stage = models.ForeignKey(Stage, null=True, on_delete=models.PROTECT, db_index=False)
    seq = models.IntegerField(default=0, db_default=0)
    entered_at = models.DateTimeField(_("in this stage since"))
    due_at = models.DateTimeField(_("due"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        constraints = [
            one_subject("membership"),
            models.UniqueConstraint(fields=["lifecycle", "subject_id", "pass_number"], name="membership_once"),
            models.UniqueConstraint(
                fields=["lifecycle", "subject_id"], condition=Q(ended_at=None), name="one_open_membership"
            ),
        ]
        indexes = [
            models.Index(fields=["subject_id"], name="memberships_of_subject"),
            # The board: the cards of a column, the newest or the oldest first. Filters of lists by stage use it too.
            models.Index(fields=["stage", "entered_at", "id"], condition=Q(ended_at=None), name="membership_on_board"),
            # Where somebody was whose pass is over.
            models.Index(fields=["lifecycle", "ended_at"], condition=Q(ended_at__isnull=False), name="membership_over"),
            # The clock and the replay: whose limit is over between two instants.
            models.Index(fields=["due_at"], condition=Q(ended_at=None, due_at__isnull=False), name="membership_due"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} in {self.stage_id}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is the membership of."""
        return self.person or self.account


class Movement(models.Model):
    """One row is one move of one membership. Append-only.

    `occurred_at` never decreases within a membership; the fact's own date is `evidence_at`; `recorded_at` is when
    the row was written. `from_stage` is empty for the first placement, `to_stage` for an exit out of the model. A
    migration whose two stages have one slug is a change of the edition alone: the stay goes on, and neither conditions
    nor figures see it.
    """

    class Kind(models.TextChoices):
        PLACEMENT = "placement", _("first placement")
        RULE = "rule", _("by a rule")
        HAND = "hand", _("by hand")
        API = "api", _("through the API")
        IMPORT = "import", _("by an import")
        REPLAY = "replay", _("replayed from history")
        CAMPAIGN = "campaign", _("by a campaign")
        UNDO = "undo", _("undone")
        VOID = "void", _("voided")
        MIGRATION = "migration", _("by a new version")
        MERGE = "merge", _("by a merge")
        ERASURE = "erasure", _("by an erasure")

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, db_index=False)
    seq = models.IntegerField()
    version = models.ForeignKey(Version, on_delete=models.PROTECT, db_index=False)
    from_stage = models.ForeignKey(Stage, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    to_stage = models.ForeignKey(Stage, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    occurred_at = models.DateTimeField(_("when"))
    evidence_at = models.DateTimeField(_("date of the fact"))
    recorded_at = models.DateTimeField(_("recorded"))
    kind = models.CharField(_("how"), max_length=10, choices=Kind.choices)
    transition = models.ForeignKey(Transition, null=True, on_delete=models.PROTECT, db_index=False)
    reason = models.CharField(_("why"), max_length=500, blank=True)
    actor = models.CharField(_("by"), max_length=200, blank=True)
    overrides = models.BooleanField(_("against a guard"), default=False, db_default=False)
    xid = models.BigIntegerField(db_default=TransactionId(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["membership", "seq"], name="movement_once"),
            models.CheckConstraint(
                name="movement_moves", condition=Q(from_stage__isnull=False) | Q(to_stage__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["version", "occurred_at"], name="movement_by_day"),  # the roll-up and its check
            BrinIndex(fields=["xid"], name="movement_new"),  # what was written since
            models.Index(fields=["membership"], condition=Q(kind="undo"), name="movement_undo"),  # each pass of rules
            models.Index(  # the list of moves over a guard: few among all
                fields=["version", "occurred_at", "id"], condition=Q(overrides=True), name="movement_over_guard"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}#{self.seq}"


class Waiting(models.Model):
    """One row is one membership for which the condition of a rule with a delay holds, and when the delay is over."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, db_index=False)
    transition = models.ForeignKey(Transition, on_delete=models.CASCADE, db_index=False)
    since = models.DateTimeField(_("holds since"))
    wakes_at = models.DateTimeField(_("delay is over"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "transition"], name="waiting_once")]
        # The clock and the replay: whose delay is over between two instants.
        indexes = [models.Index(fields=["transition", "wakes_at"], name="waiting_wakes")]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.transition_id}"
