"""What subjects did, or what was done to them; the kinds and channels of it, and what was taken back."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models.subjects import OneSubject, one_subject


class ActivityKind(models.Model):
    """One row is one kind of activity of the catalogue; `described_at` is when a human said what it means.

    `intent` is how much one of it says of the wish to buy: 0 nothing, 100 as much as asking for an offer.
    """

    slug = models.SlugField(max_length=64, unique=True)
    label = models.CharField(_("label"), max_length=200)
    channel = models.CharField(_("channel"), max_length=32, blank=True)
    direction = models.CharField(_("direction"), max_length=10, blank=True)
    is_response = models.BooleanField(_("counts as a response"), default=False)
    is_engagement = models.BooleanField(_("counts as engagement"), default=False, db_default=False)
    intent = models.SmallIntegerField(_("intent"), default=0, db_default=0)
    described_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "kinds of activities"
        constraints = [
            models.CheckConstraint(name="intent_in_percent", condition=Q(intent__gte=0) & Q(intent__lte=100))
        ]

    def __str__(self) -> str:
        return self.label


class Activity(models.Model):
    """One row is one thing that a person or an account (as it then was) did or had done to it. Append-only."""

    class Direction(models.TextChoices):
        INBOUND = "inbound", _("inbound")
        OUTBOUND = "outbound", _("outbound")

    class Actor(models.TextChoices):
        HUMAN = "human", _("human")
        BOT = "bot", _("bot")
        PROXY = "proxy", _("privacy proxy")
        UNKNOWN = "unknown", _("unknown")

    person = models.ForeignKey("audience.Person", null=True, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey("audience.Account", null=True, on_delete=models.PROTECT, db_index=False)
    kind = models.ForeignKey(ActivityKind, on_delete=models.PROTECT, db_index=False)
    channel = models.CharField(_("channel"), max_length=32, db_default="", default="", blank=True)
    platform = models.CharField(_("platform"), max_length=32, db_default="", default="", blank=True)
    direction = models.CharField(max_length=10, choices=Direction.choices, db_default="", default="", blank=True)
    actor = models.CharField(max_length=10, choices=Actor.choices, db_default="human", default="human")
    value = models.DecimalField(_("value"), max_digits=20, decimal_places=4, null=True)
    properties = models.JSONField(default=dict, db_default={})
    occurred_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    source = models.CharField(_("source"), max_length=64)
    external_id = models.CharField(max_length=200)
    reversal_of = models.ForeignKey("self", null=True, on_delete=models.DO_NOTHING, db_index=False)
    original_subject_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "activities"
        constraints = [
            models.CheckConstraint(
                name="activity_of_somebody", condition=Q(person__isnull=False) | Q(account__isnull=False)
            ),
            models.UniqueConstraint(fields=["source", "external_id"], name="activity_once"),
        ]
        indexes = [
            models.Index(fields=["person", "occurred_at"], name="activity_of_person"),  # timeline, conditions
            models.Index(
                fields=["account", "occurred_at"], name="activity_of_account", condition=Q(account__isnull=False)
            ),
            # The first channel of everybody, in one walk: best customers.
            models.Index(
                fields=["person", "occurred_at", "id"],
                include=["channel"],
                name="activity_first_channel",
                condition=Q(person__isnull=False, direction="inbound", reversal_of__isnull=True) & ~Q(channel=""),
            ),
            BrinIndex(fields=["recorded_at"], name="activity_recorded"),  # what is new
            # Whom a day or a window's end touches, whatever the order in which a file brought them.
            models.Index(fields=["occurred_at"], name="activity_by_time"),
            models.Index(fields=["reversal_of"], name="activity_reversed", condition=Q(reversal_of__isnull=False)),
            models.Index(
                fields=["channel"], name="activity_by_channel", condition=~Q(channel="") & Q(reversal_of__isnull=True)
            ),  # channels.unknown
        ]

    def __str__(self) -> str:
        return f"{self.kind_id} {self.occurred_at}"


class ToldActivity(models.Model):
    """What a source tells of an activity before it is known whose it is."""

    source = models.CharField(_("source"), max_length=64)
    external_id = models.CharField(max_length=200)
    kind = models.CharField(_("kind"), max_length=64)
    channel = models.CharField(_("channel"), max_length=32, null=True)
    platform = models.CharField(_("platform"), max_length=32, null=True)
    direction = models.CharField(max_length=10, null=True)
    actor = models.CharField(max_length=10, null=True)
    value = models.DecimalField(_("value"), max_digits=20, decimal_places=4, null=True)
    properties = models.JSONField(default=dict)
    occurred_at = models.DateTimeField(_("when"))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} {self.occurred_at}"


class UnnamedActivity(ToldActivity):
    """One row is one activity of a file that names nobody: another file says who took part (`ActivityParty`).

    It stays when somebody has been named, because others may be.
    """

    class Meta:
        verbose_name_plural = "activities that name nobody"
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="unnamed_activity_once")]


class ActivityParty(OneSubject):
    """One row is one person or account of whom a file says that they took part in an activity of another file.

    `activity` is the one that came of it, once both files were in.
    """

    source = models.CharField(_("source"), max_length=64)
    external_id = models.CharField(_("external id of the activity"), max_length=200)
    activity = models.ForeignKey(
        Activity, null=True, on_delete=models.DO_NOTHING, related_name="+", db_index=False, editable=False
    )
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name_plural = "people of activities"
        constraints = [
            one_subject("activity_party"),
            models.UniqueConstraint(fields=["source", "external_id", "subject_id"], name="activity_party_once"),
        ]
        indexes = [
            models.Index(fields=["subject_id"], name="activity_party_of_subject"),  # merging, erasing
            models.Index(
                fields=["activity"], name="activity_party_came_of", condition=Q(activity__isnull=False)
            ),  # rolling back
        ]

    def __str__(self) -> str:
        return f"{self.subject_id} {self.external_id}"


class Channel(models.Model):
    """One row is one channel of the taxonomy: by which way somebody came to us, or we to them.

    `aliases` are other spellings of it, each in small letters, digits and underscores.
    """

    slug = models.SlugField(max_length=32, unique=True)
    label = models.CharField(_("name"), max_length=100)
    direction = models.CharField(_("direction"), max_length=10, choices=Activity.Direction.choices, blank=True)
    is_paid = models.BooleanField(_("paid"), default=False)
    is_human = models.BooleanField(_("from human to human"), default=False)
    is_offline = models.BooleanField(_("offline"), default=False)
    aliases = ArrayField(models.CharField(max_length=32), default=list, blank=True)

    def __str__(self) -> str:
        return self.label


class Retraction(models.Model):
    """One row is one decision that some activities did not happen as told: a scanner's, a test's, a mistake.

    `asked` says which: filters by name, or their ids. `instants` are those at which its rows were written, `restored`
    those at which they were taken back themselves; everything that followed at once has the same.
    """

    class Reason(models.TextChoices):
        SCANNER = "scanner", _("They were a scanner’s or a bot’s")
        TEST = "test", _("They were tests of ours")
        TWICE = "twice", _("They were told twice")
        WRONG = "wrong", _("They did not happen so")

    reason = models.CharField(_("why"), max_length=10, choices=Reason.choices)
    note = models.CharField(_("note"), max_length=500, blank=True)
    asked = models.JSONField(encoder=DjangoJSONEncoder)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("when"))
    job = models.ForeignKey("kit.Job", null=True, on_delete=models.SET_NULL, related_name="+")
    activities = models.PositiveIntegerField(_("activities"), default=0)
    subjects = models.PositiveIntegerField(_("people and accounts"), default=0)
    instants = ArrayField(models.DateTimeField(), default=list)
    finished_at = models.DateTimeField(null=True)
    undo_asked_at = models.DateTimeField(null=True)
    restored = ArrayField(models.DateTimeField(), default=list)
    undone_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.get_reason_display()} #{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("retraction", args=[self.pk])
