"""Where the history says that subjects stand whom the rules have left at the start, or outside."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Person
from audience.models.subjects import OneSubject, one_subject
from lifecycle.models.bulk import BulkMove
from lifecycle.models.plan import Stage, Version


class PlacementRound(models.Model):
    """One row is one look at a live version's subjects for where they should start; the newest counts."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="placement_rounds")
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("asked for"))

    def __str__(self) -> str:
        return _("Starting points of %(version)s") % {"version": self.version}


class Proposal(OneSubject):
    """One row is one subject of a round, and the stage that its evidence proposes; no stage where there is too little.

    `bulk` is the move by which it was accepted.
    """

    class Evidence(models.TextChoices):
        DEAL_WON = "deal_won", _("a deal was won")
        CONTRACT = "contract", _("a contract is in force")
        PURCHASE = "purchase", _("something was bought")
        DEAL_OPEN = "deal_open", _("a deal is open")
        RULE = "rule", _("a rule holds now")
        RULE_PAST = "rule_past", _("a rule held within a year")
        LITTLE = "little", _("not enough data")

    round = models.ForeignKey(PlacementRound, on_delete=models.CASCADE, related_name="proposals", db_index=False)
    stage = models.ForeignKey(Stage, null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    evidence = models.CharField(_("because"), max_length=10, choices=Evidence.choices)
    evidence_at = models.DateTimeField(_("since"), null=True)
    bulk = models.ForeignKey(BulkMove, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)

    class Meta:
        constraints = [
            one_subject("proposal"),
            models.UniqueConstraint(fields=["round", "subject_id"], name="proposal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} → {self.stage_id}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is."""
        return self.person or self.account
