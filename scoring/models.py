"""Scoring models, their numbered versions and rules; the scores as they stand, and the ledger of their changes."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Field, Person
from audience.models.subjects import OneSubject, one_subject


class ScoringModel(models.Model):
    """One row is one named score of people or of accounts; what it counts is in its versions.

    `looked_until` is the instant as of which everybody's stored score was last true, but for the marks that wait, and
    `scored_by` the version that they were scored by; both empty until the first full run is through. `fault` says why
    its scores stand still, and is empty while they do not.
    """

    class Species(models.TextChoices):
        NET_NEW = "net_new", _("Net-new")
        CUSTOMER = "customer", _("Customer")
        PARTNER = "partner", _("Partner")

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    species = models.CharField(_("species"), max_length=10, choices=Species.choices, blank=True)
    of = models.CharField(_("subjects"), max_length=10, choices=Field.Of.choices, default=Field.Of.PERSON)
    goal = models.TextField(_("goal"), blank=True)
    created_at = models.DateTimeField()
    looked_until = models.DateTimeField(null=True)
    scored_by = models.ForeignKey("ScoringVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    fault = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.name


class ScoringVersion(models.Model):
    """One row is one numbered edition of a scoring model; once it has left the draft it never changes.

    In force at an instant is the newest published version whose `effective_from` is not later; empty means since ever.
    `limit` is in points, and reached by a score that is not below it. `caps` has the most points of each group,
    `grades` the least fit points of A, B and C (else D), `levels` the least behaviour points of 1, 2 and 3 (else 4).
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHING = "publishing", _("Publishing")  # in force, and everybody is being scored by it
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")

    model = models.ForeignKey(ScoringModel, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField(_("version"))
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.DRAFT)
    limit = models.IntegerField(_("limit in points"), null=True, blank=True)
    caps = models.JSONField(_("most points of a group"), default=dict, blank=True)
    grades = models.JSONField(_("fit points of each grade"), default=dict, blank=True)
    levels = models.JSONField(_("behaviour points of each level"), default=dict, blank=True)
    effective_from = models.DateTimeField(_("in force from"), null=True, blank=True)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL)
    created_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(_("published"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="scoring_version_once"),
            models.UniqueConstraint(fields=["model"], condition=Q(state="publishing"), name="one_publishing_version"),
        ]

    def __str__(self) -> str:
        return f"{self.model} v{self.number}"


class Rule(models.Model):
    """One row is one reason for points: a kind of activity (behaviour), or a condition that holds (fit).

    `where` narrows the activities as that of a condition does. `cap` is the most points (of a rule that takes points
    away: the fewest) that the rule can come to; `group` shares a cap among rules.
    """

    class Kind(models.TextChoices):
        BEHAVIOUR = "behaviour", _("Behaviour")
        FIT = "fit", _("Fit")

    version = models.ForeignKey(ScoringVersion, on_delete=models.PROTECT, related_name="rules")
    order = models.IntegerField(_("order"))
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    points = models.DecimalField(_("points"), max_digits=10, decimal_places=6)
    where = models.JSONField(_("which activities"), default=dict, blank=True)
    half_life_days = models.IntegerField(_("half-life in days"), null=True, blank=True)
    expires_days = models.IntegerField(_("expires after days"), null=True, blank=True)
    once = models.BooleanField(_("counts once"), default=False)
    condition = models.JSONField(_("condition"), null=True, blank=True)
    cap = models.DecimalField(_("most points"), max_digits=10, decimal_places=6, null=True, blank=True)
    group = models.CharField(_("group"), max_length=64, blank=True)

    class Meta:
        ordering = ["version", "order"]
        constraints = [models.UniqueConstraint(fields=["version", "order"], name="rule_order_once")]

    def __str__(self) -> str:
        return self.name


class Score(OneSubject):
    """One row is the score of one subject by one model as it stands: micro-points, the points shown, the grade."""

    model = models.ForeignKey(ScoringModel, on_delete=models.PROTECT, db_index=False)
    total = models.BigIntegerField()
    behaviour = models.BigIntegerField()
    fit = models.BigIntegerField()
    shown = models.IntegerField(_("score"))
    grade = models.CharField(_("grade"), max_length=1, blank=True)

    class Meta:
        constraints = [
            one_subject("score"),
            models.UniqueConstraint(fields=["model", "subject_id"], name="score_once"),
        ]
        indexes = [models.Index(fields=["subject_id"], name="scores_of_subject")]  # the profile

    def __str__(self) -> str:
        return f"{self.subject_id}: {self.shown}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is the score of."""
        return self.person or self.account


class ScoreChange(OneSubject):
    """One row is one change of the points shown or of the grade. Append-only.

    `occurred_at` is the instant the score was computed as of, `recorded_at` when that was.
    """

    model = models.ForeignKey(ScoringModel, on_delete=models.PROTECT, db_index=False)
    version = models.ForeignKey(ScoringVersion, on_delete=models.PROTECT, db_index=False)
    old_shown = models.IntegerField()
    shown = models.IntegerField(_("score"))
    old_grade = models.CharField(max_length=1, blank=True)
    grade = models.CharField(_("grade"), max_length=1, blank=True)
    occurred_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [one_subject("score_change")]
        indexes = [
            models.Index(fields=["model", "subject_id", "occurred_at"], name="score_as_known_then"),
            models.Index(fields=["model", "occurred_at"], name="score_change_by_time"),  # what moved; is it current
            BrinIndex(fields=["recorded_at"], name="score_change_new"),  # readers of news
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}: {self.old_shown} → {self.shown}"


class Crossing(OneSubject):
    """One row is one subject that a draft, as it was previewed last, would bring to the limit or take below it.

    `was` is the score by the version in force, `shown` by the draft; `enters` tells which of the two it is.
    """

    version = models.ForeignKey(ScoringVersion, on_delete=models.CASCADE, db_index=False)
    was = models.IntegerField(_("score now"))
    shown = models.IntegerField(_("score by the draft"))
    enters = models.BooleanField()

    class Meta:
        constraints = [
            one_subject("crossing"),
            models.UniqueConstraint(fields=["version", "subject_id"], name="crossing_once"),
        ]

    def __str__(self) -> str:
        return f"{self.subject_id}: {self.was} → {self.shown}"

    @property
    def subject(self) -> Person | Account | None:
        """Whoever this is."""
        return self.person or self.account
