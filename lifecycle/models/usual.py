"""How long stays usually last, as it was measured."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from lifecycle.models.plan import Lifecycle


class UsualStay(models.Model):
    """One row is how many local days nine of ten finished stays in a stage had lasted; it holds from its day on, until
    the next one of the stage."""

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, db_index=False)
    stage = models.SlugField(_("stage"), max_length=64, db_index=False)
    day = models.DateField(_("from"))
    days = models.IntegerField(_("days"))
    stays = models.BigIntegerField(_("finished stays"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["lifecycle", "stage", "day"], name="usual_stay_once")]

    def __str__(self) -> str:
        return f"{self.stage}: {self.days}"
