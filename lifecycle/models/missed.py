"""Limits that were missed where nobody is handed over."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from lifecycle.models.ledger import Membership, TransactionId
from lifecycle.models.plan import Stage


class MissedLimit(models.Model):
    """One row is one stay whose limit was over before it ended, in a stage that is not handed to sales; told once."""

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, db_index=False)
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, db_index=False)
    entered_at = models.DateTimeField(_("in this stage since"))
    due_at = models.DateTimeField(_("due"))
    found_at = models.DateTimeField(_("found"))
    wants_telling = models.BooleanField(db_default=True, default=True)
    xid = models.BigIntegerField(db_default=TransactionId(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "entered_at"], name="missed_limit_once")]
        indexes = [
            models.Index(fields=["id"], condition=Q(wants_telling=True), name="missed_limit_to_tell"),
            BrinIndex(fields=["xid"], name="missed_limit_news"),  # what happened since, for webhooks
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.stage_id}"
