"""Moves of many members at once: what was asked, of whom, and what came of each."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lifecycle.models.ledger import Membership
from lifecycle.models.plan import Stage, Version


class BulkMove(models.Model):
    """One row is one move of many members to one stage, asked for at once with one reason."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT)
    to_stage = models.ForeignKey(Stage, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("why"), max_length=500)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("asked for"))
    overrides = models.BooleanField(_("also against a guard"), default=False, db_default=False)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    undo_job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        where = self.to_stage or _("out of the lifecycle")
        return _("Bulk move to “%(stage)s”") % {"stage": where}

    def get_absolute_url(self) -> str:
        return reverse("bulk_move", args=[self.pk])


class BulkMember(models.Model):
    """One row is one member of a bulk move: as it was read when the move was asked for, and what came of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("waiting")
        MOVED = "moved", _("moved")
        SAME = "same", _("was there already")
        SKIPPED = "skipped", _("skipped: moved by somebody else first")
        ENDED = "ended", _("skipped: its pass had ended")
        GUARDED = "guarded", _("skipped: the guard does not hold")
        UNDONE = "undone", _("taken back")
        KEPT = "kept", _("not taken back")

    bulk = models.ForeignKey(BulkMove, on_delete=models.CASCADE, related_name="members", db_index=False)
    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.IntegerField()
    outcome = models.CharField(_("what came of it"), max_length=8, choices=Outcome.choices, default=Outcome.WAITING)
    why = models.CharField(_("why not"), max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bulk", "membership"], name="bulk_member_once")]

    def __str__(self) -> str:
        return f"{self.bulk_id}: {self.membership_id}"
