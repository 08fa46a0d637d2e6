"""What is sent, each attempt to send it, and what its reader answered."""

import hashlib
import uuid

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models import Activity, Topic
from audience.models.subjects import OneSubject
from campaigns.models.channels import Sender
from campaigns.models.content import ContentVersion
from campaigns.models.journeys import Enrollment
from campaigns.models.plans import Campaign, Step
from kit.sql import Sql, sql


def message_id(enrollment: int, step: int, visit: int = 1, channel: str = "email") -> uuid.UUID:
    """The id of the one message of an enrollment at a step, on its nth visit there, by a channel."""
    return uuid.UUID(bytes=hashlib.sha256(f"{enrollment}:{step}:{visit}:{channel}".encode()).digest()[:16])


def message_id_sql(enrollment: Sql, step: Sql, visit: Sql, channel: Sql) -> Sql:
    """The same id as an expression of four expressions, for statements that write messages."""
    name = sql("concat_ws(':', {}, {}, {}, {})", enrollment, step, visit, channel)
    return sql("encode(substr(sha256(convert_to({}, 'UTF8')), 1, 16), 'hex')::uuid", name)


def leads_to(own: list[str] | None, version: ContentVersion | None) -> list[str]:
    """Where a message's links lead, in their order: its own addresses where it has some, else those of its content."""
    if own is not None:
        return list(own)
    return list(version.links) if version else []


class Message(OneSubject):
    """One row is one message to one reader. Its id is made from (enrollment, step, visit, channel), so there is one.

    The database refuses any change of state but those of the protocol. `policy` says what becomes of it when nobody
    knows whether it left: at most once (it rests), or at least once (it is sent again). A test or a notice has no
    enrollment and goes to `to_user`; a test is written as for the `person`, a notice without a user goes to them.
    """

    class Purpose(models.TextChoices):
        CAMPAIGN = "campaign", _("campaign")
        TEST = "test", _("test")
        NOTICE = "notice", _("notice")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        CLAIMED = "claimed", _("being written")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SUPPRESSED = "suppressed", _("held back: not wanted")
        SKIPPED = "skipped", _("passed over")
        EXPIRED = "expired", _("too late")
        CANCELLED = "cancelled", _("cancelled")
        UNKNOWN = "unknown", _("perhaps sent")

    OPEN = (State.QUEUED, State.CLAIMED, State.SENDING)  # not come to an end
    HELD_BACK = (State.SUPPRESSED, State.SKIPPED, State.EXPIRED, State.CANCELLED)  # ended without an attempt to send

    class Policy(models.TextChoices):
        AT_MOST_ONCE = "at_most_once", _("at most once")
        AT_LEAST_ONCE = "at_least_once", _("at least once")

    id = models.UUIDField(primary_key=True)
    purpose = models.CharField(max_length=8, choices=Purpose.choices, default=Purpose.CAMPAIGN)
    campaign = models.ForeignKey(Campaign, null=True, on_delete=models.PROTECT, db_index=False)
    enrollment = models.ForeignKey(Enrollment, null=True, on_delete=models.PROTECT, db_index=False)
    step = models.ForeignKey(Step, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    visit = models.IntegerField(default=1, db_default=1)
    channel = models.CharField(_("channel"), max_length=16, default="email", db_default="email")
    topic = models.ForeignKey(Topic, null=True, on_delete=models.PROTECT, db_index=False)
    sender = models.ForeignKey(Sender, null=True, on_delete=models.PROTECT, db_index=False)
    content_version = models.ForeignKey(ContentVersion, null=True, on_delete=models.PROTECT, db_index=False)
    to_user = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+")
    notice = models.ForeignKey("kit.Notice", null=True, on_delete=models.SET_NULL, db_index=False, related_name="+")
    links = models.JSONField(null=True)  # where its links lead, when that differs from reader to reader
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    policy = models.CharField(max_length=13, choices=Policy.choices, default=Policy.AT_MOST_ONCE)
    attempt = models.IntegerField(_("attempts"), default=0, db_default=0)
    strikes = models.IntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(_("due"))
    not_after = models.DateTimeField(_("not after"), null=True)
    owner = models.CharField(max_length=64, blank=True, db_default="", default="")
    lease_until = models.DateTimeField(null=True)
    reason = models.CharField(_("why"), max_length=300, blank=True, db_default="", default="")
    created_at = models.DateTimeField(_("written down"))
    sent_at = models.DateTimeField(_("sent"), null=True)
    # That asked for this one; where it came by a campaign, its enrollment knows.
    request_id = models.CharField(max_length=64, blank=True, db_default="", default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "step", "visit", "channel"], name="message_once"),
            models.CheckConstraint(
                name="message_of_one_subject",
                condition=~Q(purpose="campaign")
                | Q(enrollment__isnull=False)
                & (Q(person__isnull=False, account=None) | Q(person=None, account__isnull=False)),
            ),
        ]
        indexes = [
            # The claim asks each running campaign in turn, so that what waits in a paused one is not even read.
            models.Index(fields=["campaign", "due_at", "id"], condition=Q(state="queued"), name="message_due"),
            models.Index(  # the sweeper
                fields=["lease_until"], condition=Q(state__in=["claimed", "sending"]), name="message_held"
            ),
            models.Index(fields=["id"], condition=Q(state="unknown"), name="message_unknown"),  # whom evidence may free
            models.Index(fields=["-created_at"], condition=Q(state="failed"), name="message_failed"),  # dead letters
            models.Index(fields=["step", "state"], name="messages_of_step"),  # the counts beside each step
            models.Index(fields=["subject_id", "created_at"], name="messages_of_subject"),  # profile, caps
            models.Index(fields=["-created_at"], name="message_newest"),  # the outbox
        ]

    def __str__(self) -> str:
        return str(self.id)

    def get_absolute_url(self) -> str:
        return reverse("message", args=[self.pk])

    @property
    def leads_to(self) -> list[str]:
        """Where its links lead, in their order."""
        return leads_to(self.links, self.content_version)


class MessageAttempt(models.Model):
    """One row is one thing learnt about one attempt to send a message. Append-only.

    `phase` is how far the protocol had come (connect, hello, mail, recipient, data, dot, outcome, sweep, evidence);
    code, enhanced code and reply are the other side's words.
    """

    message = models.ForeignKey(Message, on_delete=models.PROTECT, db_index=False, related_name="attempts")
    attempt = models.IntegerField()
    phase = models.CharField(max_length=12)
    state = models.CharField(_("state after it"), max_length=10, choices=Message.State.choices)
    code = models.IntegerField(null=True)
    enhanced = models.CharField(max_length=12, blank=True, db_default="", default="")
    reply = models.CharField(max_length=500, blank=True, db_default="", default="")
    began_at = models.DateTimeField(null=True)
    at = models.DateTimeField(_("when"))

    class Meta:
        indexes = [models.Index(fields=["message", "attempt"], name="attempts_of_message")]

    def __str__(self) -> str:
        return f"{self.message_id}#{self.attempt} {self.state}"


class Response(models.Model):
    """One row is one kind of answer to one message by one kind of actor, when it first came.

    Each is an activity of its reader too, which scores, stages and segments count.
    """

    class Kind(models.TextChoices):
        DELIVERED = "delivered", _("delivered")
        OPENED = "opened", _("opened")
        CLICKED = "clicked", _("clicked")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        REPLIED = "replied", _("replied")

    message = models.ForeignKey(Message, on_delete=models.PROTECT, db_index=False, related_name="responses")
    kind = models.CharField(_("what"), max_length=12, choices=Kind.choices)
    actor = models.CharField(_("by"), max_length=10, choices=Activity.Actor.choices)
    link = models.IntegerField(null=True)  # its place in the message's links
    at = models.DateTimeField(_("when"))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["message", "kind", "link", "actor"], nulls_distinct=False, name="response_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.kind}"
