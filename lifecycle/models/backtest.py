"""What trying a version on the past has shown: what was asked, the figures, who came to the stage that was judged."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Person
from audience.models.subjects import OneSubject, one_subject
from lifecycle.models.plan import Stage, Transition, Version


class Backtest(models.Model):
    """One row is one trial of a version's rules on the days `[begins_on, ends_on)`, beside the live version's or none.

    `stage` is judged by an outcome within `horizon` days: by coming to `outcome_stage`, or else by `outcome`, a
    condition. With `swept`, a rule, the number at `place` in its condition is tried at each of `points`. `document` is
    the version as it was tried. `result` is empty until the work is done.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="backtests")
    against = models.ForeignKey(
        Version, null=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("beside"), db_index=False
    )
    begins_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))
    stage = models.SlugField(_("stage that is judged"), max_length=64, db_index=False)
    outcome_stage = models.SlugField(_("by coming to"), max_length=64, blank=True, db_index=False)
    outcome = models.JSONField(_("by a condition"), null=True)
    horizon = models.IntegerField(_("within so many days"))
    swept = models.ForeignKey(
        Transition, null=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("rule"), db_index=False
    )
    place = models.JSONField(default=list)
    points = models.JSONField(default=list)
    document = models.TextField()
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("asked for"))
    result = models.JSONField(null=True)

    def __str__(self) -> str:
        return _("Backtest %(number)s of %(version)s") % {"number": self.pk, "version": self.version}

    def get_absolute_url(self) -> str:
        return reverse("backtest", args=[self.pk])

    def stage_named(self, slug: str) -> Stage | None:
        """A stage of the version that is tried, or else of the one beside it."""
        found = Stage.objects.filter(version__in=[self.version_id, self.against_id], slug=slug)
        return found.order_by("-version__number").first()


class Reached(OneSubject):
    """One row is one subject that a backtest saw come to the stage it judges: when by the version, when by the other.

    `outcome_at` is when the outcome was first reached, as far as is known.
    """

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="reached", db_index=False)
    tried_at = models.DateTimeField(_("by this version"), null=True)
    live_at = models.DateTimeField(_("by the live version"), null=True)
    outcome_at = models.DateTimeField(_("outcome reached"), null=True)

    class Meta:
        constraints = [
            one_subject("reached"),
            models.UniqueConstraint(fields=["backtest", "subject_id"], name="reached_once"),
        ]

    def __str__(self) -> str:
        return f"{self.backtest_id}: {self.subject_id}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is."""
        return self.person or self.account

    @property
    def first_at(self) -> datetime | None:
        """The earlier of the two dates."""
        return min((each for each in (self.tried_at, self.live_at) if each), default=None)
