"""A lifecycle, its numbered versions, their stages and the rules between them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Field


class Lifecycle(models.Model):
    """One row is one model of stages; what it holds is in its versions."""

    class Species(models.TextChoices):
        NET_NEW = "net_new", _("Net-new")
        CUSTOMER = "customer", _("Customer")
        PARTNER = "partner", _("Partner")

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    species = models.CharField(_("species"), max_length=10, choices=Species.choices)
    of = models.CharField(_("subjects"), max_length=10, choices=Field.Of.choices, default=Field.Of.PERSON)
    goal = models.TextField(_("goal"), blank=True)
    reject_reasons = models.JSONField(_("reasons for rejecting"), db_default=[], default=list)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One row is one numbered edition of a lifecycle; once it has left the draft it never changes."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHING = "publishing", _("Publishing")  # its history is being replayed, or members are being moved over
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")
        WITHDRAWN = "withdrawn", _("Taken back")  # its publication was cancelled; its passes count nowhere

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField(_("version"))
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.DRAFT)
    entry = models.JSONField(_("entry condition"), null=True)
    reentry = models.BooleanField(_("may enter again after a pass has ended"), default=False)
    cases = models.JSONField(_("test cases"), default=list)
    # The version whose members it takes over, and where each of its stages leads: a slug, or null for out of the model.
    before = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    moves = models.JSONField(_("migration plan"), null=True)
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL)
    created_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(_("published"), null=True)
    looked_until = models.DateTimeField(null=True)  # whom time alone had changed by then, the rules have seen
    stopped_at = models.DateTimeField(_("stopped"), null=True)
    stopped_because = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lifecycle", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["lifecycle"], condition=Q(state="published"), name="one_live_version"),
            models.UniqueConstraint(fields=["lifecycle"], condition=Q(state="publishing"), name="one_coming_version"),
        ]

    def __str__(self) -> str:
        return f"{self.lifecycle} v{self.number}"


class Stage(models.Model):
    """One row is one place in one version where a subject can be. The slug is the same across versions."""

    class Path(models.TextChoices):
        SUCCESS = "success", _("Success path")
        DETOUR = "detour", _("Detour")

    class Kind(models.TextChoices):
        INVENTORY = "inventory", _("Inventory")
        GATE = "gate", _("Gate")
        SLA = "sla", _("SLA")
        TERMINAL = "terminal", _("Terminal")

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="stages")
    slug = models.SlugField(max_length=64)
    name = models.CharField(_("name"), max_length=200)
    phase = models.CharField(_("phase"), max_length=100, blank=True)
    order = models.IntegerField(_("order"))
    path = models.CharField(_("path"), max_length=10, choices=Path.choices, default=Path.SUCCESS)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.INVENTORY)
    limit_hours = models.IntegerField(_("limit in working hours"), null=True)
    calendar = models.SlugField(  # of a working calendar; empty: that of the settings
        _("working calendar"), max_length=64, blank=True, default="", db_default="", db_index=False
    )
    card = models.JSONField(_("stage card"), default=dict)
    # Offered to sales: the slugs of the stages behind an answer (accept, reject, later), and what a missed one does.
    hand_off = models.JSONField(_("hand-off"), null=True)

    class Meta:
        ordering = ["version", "order"]
        constraints = [
            models.UniqueConstraint(fields=["version", "slug"], name="stage_once"),
            models.UniqueConstraint(fields=["version", "order"], name="stage_order_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Transition(models.Model):
    """One row is one rule that moves subjects: from a stage (or from any), to a stage, when its condition holds.

    With `delay` it moves them so long after the condition came to hold, if it still does. With `on_missed` it has no
    condition: it moves whoever is in its SLA stage when the limit is over. `guard` is what must hold of a subject that
    is moved this way by hand, unless somebody says why not.
    """

    class Unit(models.TextChoices):
        HOURS = "hours", _("hours")
        DAYS = "days", _("days")
        WORKING_HOURS = "working_hours", _("working hours")

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="transitions")
    from_stage = models.ForeignKey(Stage, null=True, on_delete=models.PROTECT, related_name="exits")
    to_stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="arrivals")
    name = models.CharField(_("name"), max_length=200, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    priority = models.IntegerField(_("priority"))
    condition = models.JSONField(_("condition"), null=True)
    by_hand = models.BooleanField(_("by hand only"), default=False)
    delay = models.IntegerField(_("delay"), null=True)
    delay_unit = models.CharField(_("unit of the delay"), max_length=13, choices=Unit.choices, blank=True)
    guard = models.JSONField(_("guard"), null=True)
    on_missed = models.BooleanField(_("when the limit is missed"), default=False)

    class Meta:
        ordering = ["version", "priority"]
        constraints = [models.UniqueConstraint(fields=["version", "priority"], name="transition_priority_once")]

    def __str__(self) -> str:
        return self.name or f"{self.from_stage or '*'} → {self.to_stage}"


class StoppedRule(models.Model):
    """One row is one rule of a live version that failed and stands still; without a transition, the entry into it."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="stopped_rules")
    transition = models.ForeignKey(Transition, null=True, on_delete=models.CASCADE, db_index=False)
    stopped_at = models.DateTimeField(_("stopped"))
    because = models.CharField(max_length=500)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "transition"], nulls_distinct=False, name="rule_stopped_once")
        ]

    def __str__(self) -> str:
        return str(self.transition or _("Entry into the lifecycle"))
