"""Through what messages leave, in whose name, and the built-in mailbox that they arrive in by default."""

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Sender(models.Model):
    """One row is one name and address in which messages are sent."""

    name = models.CharField(_("name"), max_length=200)
    address = models.EmailField(_("address"), max_length=254, unique=True)
    reply_to = models.EmailField(_("answers go to"), max_length=254, blank=True)
    is_default = models.BooleanField(_("used unless another is chosen"), default=False)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_sender")
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


class ChannelSetting(models.Model):
    """One row is one channel: which provider carries it, how that is reached, and whether it stands still.

    `settings` are the provider's own (host, port, …); `secret` is encrypted and never shown. `batch` is how many
    messages may be in the air on one connection, and so how many at most a crash leaves as “perhaps sent”.
    """

    channel = models.CharField(max_length=16, unique=True)
    provider = models.CharField(_("provider"), max_length=16)
    settings = models.JSONField(default=dict)
    secret = models.TextField(blank=True)
    batch = models.IntegerField(_("messages in the air"), default=25)
    paused_at = models.DateTimeField(null=True)
    paused_because = models.CharField(max_length=500, blank=True)
    retry_at = models.DateTimeField(null=True)  # when a channel that paused by itself is tried again

    class Meta:
        constraints = [models.CheckConstraint(name="channel_batch", condition=Q(batch__gte=1, batch__lte=500))]

    def __str__(self) -> str:
        return f"{self.channel}: {self.provider}"


class DomainPause(models.Model):
    """One row is one domain of readers whose server will not have our mail: nothing goes there until then."""

    channel = models.CharField(max_length=16)
    domain = models.CharField(_("domain"), max_length=253)
    because = models.CharField(_("in its words"), max_length=500)
    since = models.DateTimeField(_("since"))
    until = models.DateTimeField(_("until"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "domain"], name="domain_pause_once")]

    def __str__(self) -> str:
        return self.domain


class Letter(models.Model):
    """One row is one message as it arrived in the built-in mailbox: the whole of it, byte by byte.

    No foreign key: the mailbox stands for another machine, which knows of a message only what was sent to it.
    """

    message_id = models.UUIDField(unique=True)
    sender = models.CharField(_("from"), max_length=320)
    recipient = models.CharField(_("to"), max_length=320)
    subject = models.TextField(_("subject"))
    raw = models.BinaryField()
    received_at = models.DateTimeField(_("arrived"))

    class Meta:
        indexes = [models.Index(fields=["-received_at"], name="letter_newest")]

    def __str__(self) -> str:
        return self.subject

    def get_absolute_url(self) -> str:
        return reverse("letter", args=[self.pk])
