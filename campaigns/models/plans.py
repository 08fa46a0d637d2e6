"""A campaign, its numbered versions, and the steps of each."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audience.models import Segment, Topic
from campaigns.models.channels import Sender
from campaigns.models.content import Content, ContentVersion
from lifecycle.models import Lifecycle


class Campaign(models.Model):
    """One row is one programme of messages for one purpose, bound to a lifecycle and a stage where it has one.

    What it does is in its versions. `holdout` per cent of those who enter, by a stable hash, get nothing, so that the
    difference it makes can be told: the share of all who entered that comes to `outcome_stage` within `outcome_days`.
    """

    class Kind(models.TextChoices):
        WELCOME = "welcome", _("Welcome")
        ACQUISITION = "acquisition", _("Acquisition")
        NURTURE = "nurture", _("Nurture")
        REENGAGEMENT = "reengagement", _("Re-engagement")
        ENGAGEMENT = "engagement", _("Engagement")
        PROMOTION = "promotion", _("Promotion")
        ONBOARDING = "onboarding", _("Onboarding")
        LOYALTY = "loyalty", _("Loyalty")
        RENEWAL = "renewal", _("Renewal")
        UPSELL = "upsell", _("Upsell")
        CROSS_SELL = "cross_sell", _("Cross-sell")
        REFERRAL = "referral", _("Referral")
        PARTNER = "partner", _("Partner")
        NEWSLETTER = "newsletter", _("Newsletter")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        STOPPED = "stopped", _("Stopped")

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("type"), max_length=16, choices=Kind.choices, default=Kind.NURTURE)
    lifecycle = models.ForeignKey(Lifecycle, verbose_name=_("lifecycle"), null=True, on_delete=models.PROTECT)
    stage = models.SlugField(_("stage"), max_length=64, blank=True)  # the same in every version of the lifecycle
    topic = models.ForeignKey(Topic, verbose_name=_("topic"), null=True, on_delete=models.PROTECT)
    sender = models.ForeignKey(Sender, verbose_name=_("sender"), null=True, on_delete=models.PROTECT)
    holdout = models.IntegerField(_("held out, per cent"), default=0, db_default=0)
    outcome_stage = models.SlugField(max_length=64, blank=True)
    outcome_days = models.IntegerField(default=90, db_default=90)
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.DRAFT)
    paused_because = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("made"))
    launched_at = models.DateTimeField(_("launched"), null=True)
    running_since = models.DateTimeField(null=True)  # when somebody last launched or resumed it
    stopped_at = models.DateTimeField(_("stopped"), null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="campaign_holdout", condition=Q(holdout__gte=0, holdout__lte=50)),
            models.CheckConstraint(
                name="campaign_stage_of_lifecycle", condition=Q(stage="") | Q(lifecycle__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/campaigns/{self.slug}/"


class CampaignVersion(models.Model):
    """One row is one numbered edition of a campaign; once it has left the draft it never changes.

    Whoever has entered stays on the version they entered. `audience`: who may enter, of those whom the entry brings;
    `goal` and `exit`: who leaves at once, wherever in the flow. `present`: whoever is in the stage or segment at the
    launch enters too. `looked_until`: as of when those were last found whom time alone brings in or out.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        LIVE = "live", _("Live")
        RETIRED = "retired", _("Retired")

    class Entry(models.TextChoices):
        STAGE = "stage", _("when they enter the stage")
        SEGMENT = "segment", _("when they join a segment")
        BROADCAST = "broadcast", _("once, everybody in a segment")
        HAND = "hand", _("by hand")

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="versions")
    number = models.IntegerField(_("version"))
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.DRAFT)
    entry = models.CharField(_("they enter"), max_length=10, choices=Entry.choices, default=Entry.HAND)
    segment = models.ForeignKey(Segment, verbose_name=_("segment"), null=True, on_delete=models.PROTECT)
    present = models.BooleanField(_("those already there enter too"), default=False)
    reentry_days = models.IntegerField(_("may enter again after days"), null=True)  # empty: never
    leave_with_stage = models.BooleanField(_("whoever leaves the stage leaves the campaign"), default=True)
    audience = models.JSONField(_("only those of whom"), null=True)
    goal = models.JSONField(_("goal"), null=True)
    exit = models.JSONField(_("exit"), null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    launched_at = models.DateTimeField(_("launched"), null=True)
    looked_until = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=64, blank=True, db_default="", default="")  # that launched it

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="campaign_version_once"),
            models.UniqueConstraint(fields=["campaign"], condition=Q(state="draft"), name="one_campaign_draft"),
            models.UniqueConstraint(fields=["campaign"], condition=Q(state="live"), name="one_campaign_live"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} v{self.number}"


class Step(models.Model):
    """One row is one step of a version's flow.

    The flow is a tree: a step stands at a `position` among its brothers, at the top or in an arm of a branch
    (`parent`, `arm`). Launching lays the tree out: `next` is where a subject goes from here, `other` where it goes
    when a branch's condition does not hold or a wait was in vain; empty is the end. `key` is the same in every
    version that the step lives through.
    """

    class Kind(models.TextChoices):
        SEND = "send", _("Send an email")
        WAIT = "wait", _("Wait")
        WAIT_UNTIL = "wait_until", _("Wait until something holds")
        BRANCH = "branch", _("Branch")
        MOVE = "move", _("Move to a stage")
        GOAL = "goal", _("Goal")
        EXIT = "exit", _("Exit")

    class Arm(models.TextChoices):
        YES = "yes", _("yes")
        NO = "no", _("no")

    version = models.ForeignKey(CampaignVersion, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=12)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=200, blank=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="children")
    arm = models.CharField(max_length=3, choices=Arm.choices, blank=True)
    position = models.IntegerField()
    content = models.ForeignKey(Content, verbose_name=_("content"), null=True, on_delete=models.PROTECT)
    content_version = models.ForeignKey(ContentVersion, null=True, on_delete=models.PROTECT, related_name="+")
    condition = models.JSONField(_("condition"), null=True)
    lifecycle = models.ForeignKey(Lifecycle, null=True, on_delete=models.PROTECT, related_name="+")
    stage = models.SlugField(_("stage"), max_length=64, blank=True)
    settings = models.JSONField(default=dict)  # what else its kind needs: `flows.SETTINGS`
    next = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    other = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="step_key_once"),
            models.UniqueConstraint(
                fields=["version", "parent", "arm", "position"],
                name="step_position_once",
                nulls_distinct=False,
                deferrable=models.Deferrable.DEFERRED,  # steps change places in one transaction
            ),
            models.CheckConstraint(
                name="step_in_an_arm", condition=Q(parent=None, arm="") | Q(parent__isnull=False) & ~Q(arm="")
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.get_kind_display())
