"""What trying a version on the past has shown: what was asked, the figures, who came to the stage that was judged, and
whom people or files have moved meanwhile."""

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

    `ledger_at` is when the subject truly came to it, as the ledger knew when the backtest was asked for.
    `outcome_at` is when the outcome was first reached, as far as is known. `cost` is the subject's share of what its
    channel cost in the month that brought it, in minor units of the result's currency; empty where none is known.
    """

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="reached", db_index=False)
    tried_at = models.DateTimeField(_("by this version"), null=True)
    live_at = models.DateTimeField(_("by the live version"), null=True)
    ledger_at = models.DateTimeField(_("as recorded"), null=True)
    outcome_at = models.DateTimeField(_("outcome reached"), null=True)
    cost = models.BigIntegerField(_("share of costs (minor units)"), null=True)

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
        """The earliest of the three dates."""
        return min((each for each in (self.tried_at, self.live_at, self.ledger_at) if each), default=None)


class Moved(OneSubject):
    """One row is one subject whom a hand, a file or an answer of sales moved in the time span of a backtest.

    Told is the last such move, with both its clocks, out of how many; and in which stages the subject stood when the
    time span ended: as recorded, by the version's rules alone, by the live version's. Stages by their slugs; empty is
    in none.
    """

    class Cause(models.TextChoices):
        HAND = "hand", _("by hand or a program")
        FILE = "file", _("by a file")
        HANDOFF = "handoff", _("by an answer of sales")

    backtest = models.ForeignKey(Backtest, on_delete=models.CASCADE, related_name="moved", db_index=False)
    cause = models.CharField(_("how"), max_length=10, choices=Cause.choices)
    moves = models.IntegerField(_("moves in all"))
    moved_at = models.DateTimeField(_("moved"))
    recorded_at = models.DateTimeField(_("written down"))
    from_stage = models.SlugField(max_length=64, blank=True, db_index=False)
    to_stage = models.SlugField(max_length=64, blank=True, db_index=False)
    stood = models.SlugField(_("as recorded"), max_length=64, blank=True, db_index=False)
    tried_stood = models.SlugField(_("by this version"), max_length=64, blank=True, db_index=False)
    live_stood = models.SlugField(_("by the live version"), max_length=64, blank=True, db_index=False)

    class Meta:
        constraints = [
            one_subject("moved"),
            models.UniqueConstraint(fields=["backtest", "subject_id"], name="moved_once"),
        ]

    def __str__(self) -> str:
        return f"{self.backtest_id}: {self.subject_id}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is."""
        return self.person or self.account
