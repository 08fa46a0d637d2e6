"""What was answered about a stage after its version had been published."""

from django.db import models

from lifecycle.models.plan import Stage


class CardAmendment(models.Model):
    """One row is the card of a published stage as somebody amended it; the newest of a stage counts."""

    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="amendments")
    card = models.JSONField()
    by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.stage} {self.at:%Y-%m-%d}"
