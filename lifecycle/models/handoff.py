"""Hand-offs to sales: who was offered to whom, what became of it and happened to it, and the rules of routing."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from lifecycle.models.ledger import Membership, TransactionId
from lifecycle.models.plan import Lifecycle, Stage


class Handoff(models.Model):
    """One row is one offer of one member to one receiver, from the arrival in a stage that is handed to sales.

    `seq` is that of the movement by which the member arrived, so that rows with the same membership and `seq` are one
    hand-off that was passed on. While it is offered the member stands in `stage`, and at most one row of it is open.
    Without a user it waits in the queue of its team, and without either in nobody's.
    """

    class State(models.TextChoices):
        OFFERED = "offered", _("Waiting")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")
        NOT_NOW = "not_now", _("Not now")
        EXPIRED = "expired", _("Expired")
        PASSED_ON = "passed_on", _("Passed on")
        WITHDRAWN = "withdrawn", _("Ended otherwise")  # undone, merged, erased

    class Via(models.TextChoices):
        DEAL_OWNER = "deal_owner", _("Whoever has an open deal with them")
        ACCOUNT_OWNER = "account_owner", _("Whoever owns their account")
        PERSON_OWNER = "person_owner", _("Whoever owns them")
        USER = "user", _("One colleague")
        TEAM = "team", _("A team, in turns")
        RETURNED = "returned", _("Whoever had them before")
        HAND = "hand", _("Passed on by a colleague")
        NOBODY = "nobody", _("No rule found anybody")

    class Route(models.TextChoices):
        PAGE = "page", _("on the page")
        LINK = "link", _("by the link in the mail")
        API = "api", _("through the API")
        MOVE = "move", _("by a move")
        TIME = "time", _("by itself")

    membership = models.ForeignKey(Membership, on_delete=models.PROTECT, db_index=False)
    seq = models.IntegerField()
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, db_index=False)
    user = models.ForeignKey(
        "kit.User", verbose_name=_("offered to"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    team = models.ForeignKey("kit.Team", verbose_name=_("team"), null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OFFERED)
    offered_at = models.DateTimeField(_("handed over"))
    due_at = models.DateTimeField(_("due"), null=True)
    routed_at = models.DateTimeField(null=True)  # until then nobody has been looked for
    via = models.CharField(max_length=14, choices=Via.choices, blank=True, db_default="", default="")
    rule_words = models.CharField(max_length=500, blank=True, db_default="", default="")
    stands_for = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    reason = models.CharField(_("reason"), max_length=500, blank=True, db_default="", default="")
    words = models.CharField(_("in their own words"), max_length=500, blank=True, db_default="", default="")
    until = models.DateField(_("not before"), null=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    answered_by = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    actor = models.CharField(_("by"), max_length=200, blank=True, db_default="", default="")
    route = models.CharField(max_length=4, choices=Route.choices, blank=True, db_default="", default="")
    soon_at = models.DateTimeField(null=True)  # told that it is due soon
    missed_at = models.DateTimeField(_("missed"), null=True)
    returned_at = models.DateTimeField(null=True)  # a "not now" whose day has come, whatever came of it

    class Meta:
        constraints = [
            # One open offer of each arrival: what makes of two who pass it on at once one the first.
            models.UniqueConstraint(
                fields=["membership", "seq"], condition=Q(state="offered"), name="handoff_open_once"
            )
        ]
        indexes = [
            models.Index(fields=["membership", "seq"], name="handoffs_of_membership"),
            # The queue: what waits, the most urgent first. The clock asks it for what is due.
            models.Index(fields=["due_at", "id"], condition=Q(state="offered"), name="handoff_waiting"),
            # Whose turn it is in a team; the queue of one user.
            models.Index(fields=["user", "-routed_at", "-id"], name="handoffs_of_user"),
            models.Index(fields=["until"], condition=Q(state="not_now", returned_at=None), name="handoff_to_return"),
            models.Index(fields=["id"], condition=Q(state="offered", routed_at=None), name="handoff_to_route"),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}#{self.seq}"

    def get_absolute_url(self) -> str:
        return reverse("handoff", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OFFERED


class HandoffEvent(models.Model):
    """One row is one thing that happened to a hand-off, whom it is told to (by a notice, at `told_at`), and when.

    Whoever tells other systems (a webhook) reads these rows in the order of `xid`.
    """

    class Kind(models.TextChoices):
        OFFERED = "offered", _("Handed over")
        HANDED = "handed", _("Found its receiver")
        DUE_SOON = "due_soon", _("Due soon")
        MISSED = "missed", _("Missed")
        PASSED_ON = "passed_on", _("Passed on")
        RETURNED = "returned", _("Came back")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")
        NOT_NOW = "not_now", _("Not now")
        EXPIRED = "expired", _("Expired")
        WITHDRAWN = "withdrawn", _("Ended otherwise")

    handoff = models.ForeignKey(Handoff, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    at = models.DateTimeField()
    to = models.ForeignKey("kit.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    wants_telling = models.BooleanField(db_default=False, default=False)
    told_at = models.DateTimeField(null=True)
    xid = models.BigIntegerField(db_default=TransactionId(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(wants_telling=True), name="handoff_to_tell"),
            models.Index(fields=["told_at"], condition=Q(told_at__isnull=False), name="handoff_told"),  # a mail's list
            BrinIndex(fields=["xid"], name="handoff_news"),  # what happened since, for webhooks
        ]

    def __str__(self) -> str:
        return f"{self.handoff_id} {self.kind}"


class RoutingRule(models.Model):
    """One row is one rule by which the hand-offs of a lifecycle find a receiver; the first that finds one wins."""

    KINDS = tuple(
        (each.value, each.label)
        for each in (
            Handoff.Via.DEAL_OWNER,
            Handoff.Via.ACCOUNT_OWNER,
            Handoff.Via.PERSON_OWNER,
            Handoff.Via.TEAM,
            Handoff.Via.USER,
        )
    )

    lifecycle = models.ForeignKey(Lifecycle, on_delete=models.CASCADE, related_name="routing", db_index=False)
    position = models.IntegerField()
    kind = models.CharField(_("goes to"), max_length=14, choices=KINDS)
    condition = models.JSONField(_("for whom"), default=dict)
    user = models.ForeignKey("kit.User", null=True, on_delete=models.CASCADE, related_name="+", db_index=False)
    team = models.ForeignKey("kit.Team", null=True, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        ordering = ["lifecycle", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["lifecycle", "position"], name="routing_position_once", deferrable=models.Deferrable.DEFERRED
            )
        ]

    def __str__(self) -> str:
        if self.kind == Handoff.Via.USER:
            return str(self.user)
        if self.kind == Handoff.Via.TEAM:
            return str(_("%(team)s, in turns")) % {"team": self.team}
        return str(self.get_kind_display())
