"""The keys by which other systems ask and how often they may, the notes of what changed, and whom they are told to."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lifecycle.models.ledger import TransactionId


class ApiKey(models.Model):
    """One row is one key of the REST API: a digest of its secret, what it is for, and whose it is.

    It never may more than its user, and ends with that user's access, password or role: it is good while `generation`
    is the user's.
    """

    name = models.CharField(_("name"), max_length=60)
    prefix = models.CharField(_("begins with"), max_length=16, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), verbose_name=_("for"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, verbose_name=_("acts as"), on_delete=models.CASCADE)
    generation = models.IntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("expires"), null=True)
    last_used_at = models.DateTimeField(_("last used"), null=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True)

    def __str__(self) -> str:
        return self.name


class Allowance(models.Model):
    """One row is when one key may ask as often again as it may at all. The table is not logged (`limits`)."""

    key = models.OneToOneField(ApiKey, primary_key=True, on_delete=models.CASCADE)
    full_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.key_id} {self.full_at}"


class Change(models.Model):
    """One row is what one statement did to up to 200 rows of one kind. Triggers write it, nobody changes it.

    Read by transaction, because ids are drawn before their rows are committed; what is old is dropped.
    """

    id = models.BigAutoField(primary_key=True)
    xid = models.BigIntegerField(db_default=TransactionId())
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=20)
    action = models.CharField(max_length=10)
    ids = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = [models.Index(fields=["xid", "id"], name="change_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.action} {self.at}"


class Webhook(models.Model):
    """One row is one address of another system to which events are sent, and how far they were written down for it.

    `seen` is the snapshot of the database `here` up to which they were (`webhooks.noting`). Secrets are sealed; the
    former one signs too until `former_until`. Whoever sends to it holds it, so that one at a time does.
    """

    name = models.CharField(_("name"), max_length=60, unique=True)
    url = models.CharField(_("address"), max_length=1000)
    events = ArrayField(models.CharField(max_length=40), verbose_name=_("events"))
    secret = models.TextField()
    former_secret = models.TextField(blank=True, default="", db_default="")
    former_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("added"))
    paused_at = models.DateTimeField(_("paused"), null=True)
    paused_because = models.CharField(max_length=200, blank=True, default="", db_default="")
    here = models.CharField(max_length=100)
    seen = models.TextField()
    failures = models.IntegerField(default=0, db_default=0)  # in a row, of the address and not of one event
    rest_until = models.DateTimeField(null=True)  # until then it is left alone
    told_at = models.DateTimeField(null=True)  # that it fails; empty again once it answers
    answered_at = models.DateTimeField(_("last taken"), null=True)
    holder = models.UUIDField(null=True)
    held_until = models.DateTimeField(null=True)  # by the database's clock

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("webhook", args=[self.pk])


class WebhookDelivery(models.Model):
    """One row is one event that is to reach one webhook, and what became of each try.

    It names the row in which the event stands (`ref`); what is sent is written anew from it for each try, so that
    nothing of a person is kept here. `public_id` stays the same however often it is sent.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        DEAD = "dead", _("Given up")

    class Failure(models.TextChoices):
        STATUS = "status", _("It answered with an error")
        TIME = "time", _("No answer in time")
        NAME = "name", _("Nobody knows the name")
        INSIDE = "inside", _("It leads into a network of its own")
        TLS = "tls", _("Its certificate is not good")
        BROKEN = "broken", _("The connection failed")
        ADDRESS = "address", _("The address cannot be asked")
        UNREACHED = "unreached", _("The address could not be reached for days")
        PAUSED = "paused", _("The webhook was paused for too long")
        VANISHED = "vanished", _("What it tells of is not there any more")

    public_id = models.UUIDField(db_default=RandomUUID(), editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.CharField(_("event"), max_length=40)
    ref = models.BigIntegerField()
    at = models.DateTimeField(_("happened"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING, db_default=State.WAITING
    )
    tries = models.IntegerField(_("tries"), default=0, db_default=0)
    since = models.DateTimeField()  # it waits; another instant after it was given up and sent again
    next_at = models.DateTimeField(_("next try"))
    tried_at = models.DateTimeField(_("last try"), null=True)
    status = models.IntegerField(_("answer"), null=True)
    failure = models.CharField(max_length=10, choices=Failure.choices, blank=True, default="", db_default="")
    took_ms = models.IntegerField(null=True)
    log = models.JSONField(default=list, db_default=[])  # each try: at, status, failure, took_ms
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Which webhooks have something to send, and what of each is due, the longest first.
            models.Index(fields=["webhook", "next_at", "id"], condition=Q(state="waiting"), name="delivery_due"),
            models.Index(fields=["webhook", "-id"], name="deliveries_of_webhook"),
            models.Index(fields=["webhook", "-ended_at"], condition=Q(state="dead"), name="delivery_dead"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="delivery_ended"),  # by night
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.ref}"

    def get_absolute_url(self) -> str:
        return reverse("webhook_delivery", args=[self.pk])

    @property
    def message_id(self) -> str:
        """What `webhook-id` says."""
        return f"msg_{self.public_id.hex}"
