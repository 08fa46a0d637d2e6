"""How many are where in a campaign, and did what there: beside each step, of the whole, and whom a figure stands for.

One thing counted is one pass of one person (an enrollment). A figure and the list behind it are the same question:
`of_steps` asks it of all steps at once, `those` of the rows of a list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from audience.models import Activity
from campaigns import responses
from campaigns.models import Enrollment, Message, Response, StepRun
from kit.sql import rows, sql

MESSAGES: dict[str, tuple[str, ...]] = {
    "queued": Message.OPEN,
    "sent": (Message.State.SENT,),
    "held_back": Message.HELD_BACK,
    "failed": (Message.State.FAILED,),
    "unknown": (Message.State.UNKNOWN,),
}
# What a human did; a bounce and an unsubscription count whoever sent them, as mailboxes do so for their owners.
ANSWERS: dict[str, tuple[str, bool]] = {
    "opened": (Response.Kind.OPENED, True),
    "clicked": (Response.Kind.CLICKED, True),
    "unsubscribed": (Response.Kind.UNSUBSCRIBED, False),
    "bounced": (Response.Kind.BOUNCED, False),
    "complained": (Response.Kind.COMPLAINED, False),
}
RUNS = ("yes", "no", "reached", "moved")  # outcomes of steps

LABELS: dict[str, Any] = {
    "entered": _("came here"),
    "waiting": _("waiting now"),
    "yes": _("took the yes arm"),
    "no": _("took the no arm"),
    "reached": _("reached it"),
    "moved": _("moved"),
    "queued": _("about to be sent"),
    "sent": _("sent"),
    "held_back": _("held back"),
    "failed": _("failed"),
    "unknown": _("perhaps sent"),
    "opened": _("opened"),
    "clicked": _("clicked"),
    "unsubscribed": _("unsubscribed"),
    "bounced": _("bounced"),
    "complained": _("complained"),
}
CALLED: dict[str, Any] = {
    "entered": _("Entered"),
    "sent": _("Sent"),
    "delivered": _("Delivered"),
    "opened": _("Opened"),
    "clicked": _("Clicked"),
    "unsubscribed": _("Unsubscribed"),
    "bounced": _("Bounced"),
}
FORMULAS: dict[str, Any] = {
    "entered": _("Passes that came to this step, whether they went on from it or are still there."),
    "sent": _("Messages that the receiving server took."),
    "delivered": _("Sent, and not bounced since."),
    "opened": _("Delivered messages that a human opened, as far as their mail program tells; bots are left out."),
    "clicked": _(
        "Delivered messages with a link that a human followed; scanners are left out. The share is of delivered."
    ),
    "unsubscribed": _("Messages whose reader unsubscribed by them. The share is of delivered."),
    "bounced": _("Messages that came back. The share is of sent."),
}


@dataclass
class Counts:
    """The figures of one step, by the names of LABELS; what was never counted is 0."""

    figures: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __getitem__(self, name: str) -> int:
        return self.figures.get(name, 0)

    def __add__(self, other: Counts) -> Counts:
        total = Counts()
        for each in (self, other):
            for name, number in each.figures.items():
                total.figures[name] += number
        return total

    @property
    def delivered(self) -> int:
        return self["sent"] - self["bounced"]


def of_steps(step_ids: Collection[int]) -> dict[int, Counts]:
    """The figures of steps, in four statements whatever their number."""
    found: dict[int, Counts] = {pk: Counts() for pk in step_ids}
    ids = list(step_ids)
    if not ids:
        return found
    for step, outcome, number in rows(
        sql("SELECT step_id, outcome, count(*) FROM campaigns_steprun WHERE step_id = ANY({}) GROUP BY 1, 2", ids)
    ):
        found[step].figures["entered"] += number
        if outcome in RUNS:
            found[step].figures[outcome] += number
    for step, is_active, number in rows(
        sql(
            "SELECT step_id, state = 'active', count(*) FROM campaigns_enrollment here WHERE step_id = ANY({}) "
            "AND version_id IN (SELECT version_id FROM campaigns_step WHERE id = ANY({})) "
            "AND NOT EXISTS (SELECT FROM campaigns_steprun run WHERE run.enrollment_id = here.id "
            "AND run.step_id = here.step_id AND run.visit = here.visit) GROUP BY 1, 2",
            ids,
            ids,
        )
    ):
        found[step].figures["entered"] += number
        if is_active:
            found[step].figures["waiting"] += number
    for step, state, number in rows(
        sql("SELECT step_id, state, count(*) FROM campaigns_message WHERE step_id = ANY({}) GROUP BY 1, 2", ids)
    ):
        for name, states in MESSAGES.items():
            if state in states:
                found[step].figures[name] += number
    for step, kind, number, of_humans in rows(
        sql(
            "SELECT message.step_id, response.kind, count(DISTINCT message.id), "
            "count(DISTINCT message.id) FILTER (WHERE response.actor = {}) "
            "FROM campaigns_message message JOIN campaigns_response response ON response.message_id = message.id "
            "WHERE message.step_id = ANY({}) AND response.id NOT IN ({}) GROUP BY 1, 2",
            Activity.Actor.HUMAN,
            ids,
            responses.taken_back(),
        )
    ):
        for name, (wanted, humans) in ANSWERS.items():
            if kind == wanted:
                found[step].figures[name] += of_humans if humans else number
    return found


def those(enrollments: QuerySet[Enrollment], did: str, steps: Iterable[int]) -> QuerySet[Enrollment]:
    """The passes that a figure counts: those that came to one of the steps, wait at it, were sent something by it …

    `did` is a name of LABELS.
    """
    steps = list(steps)
    own_runs = StepRun.objects.filter(enrollment=OuterRef("pk"), step__in=steps)
    own_messages = Message.objects.filter(enrollment=OuterRef("pk"), step__in=steps)
    if did == "entered":
        return enrollments.filter(Q(step__in=steps) | Exists(own_runs))
    if did == "waiting":
        done = StepRun.objects.filter(enrollment=OuterRef("pk"), step=OuterRef("step"), visit=OuterRef("visit"))
        return enrollments.filter(~Exists(done), step__in=steps, state=Enrollment.State.ACTIVE)
    if did in RUNS:
        return enrollments.filter(Exists(own_runs.filter(outcome=did)))
    if did in MESSAGES:
        return enrollments.filter(Exists(own_messages.filter(state__in=MESSAGES[did])))
    kind, humans = ANSWERS[did]
    back = responses.taken_back()
    answers = Response.objects.filter(message=OuterRef("pk"), kind=kind)
    answers = answers.exclude(pk__in=RawSQL(back.text, back.params))  # noqa: S611 - a statement of our own
    if humans:
        answers = answers.filter(actor=Activity.Actor.HUMAN)
    return enrollments.filter(Exists(own_messages.filter(Exists(answers))))


def of_version(version_id: int, campaign_id: int) -> dict[str, int]:
    """How many passes of a version are in each state; under "entered" all but the held out."""
    found = dict(
        rows(
            sql(
                "SELECT state, count(*) FROM campaigns_enrollment "
                "WHERE campaign_id = {} AND version_id = {} GROUP BY 1",
                campaign_id,
                version_id,
            )
        )
    )
    held_out = found.get(Enrollment.State.HOLDOUT, 0)
    return found | {"entered": sum(found.values()) - held_out}


@dataclass(frozen=True)
class Whole:
    """The figures of one campaign, of all its versions."""

    entered: int = 0
    active: int = 0
    holdout: int = 0
    goal: int = 0
    finished: int = 0
    sent: int = 0
    clicked: int = 0
    last_sent: datetime | None = None


def of_campaigns(campaign_ids: Collection[int]) -> dict[int, Whole]:
    """The figures of campaigns, in three statements whatever their number. `entered` leaves out who was held out."""
    told: dict[int, dict[str, Any]] = {pk: {} for pk in campaign_ids}
    ids = list(campaign_ids)
    if not ids:
        return {}
    for campaign, state, number in rows(
        sql(
            "SELECT campaign_id, state, count(*) FROM campaigns_enrollment WHERE campaign_id = ANY({}) GROUP BY 1, 2",
            ids,
        )
    ):
        if state != Enrollment.State.HOLDOUT:
            told[campaign]["entered"] = told[campaign].get("entered", 0) + number
        if state in ("active", "holdout", "goal", "finished"):
            told[campaign][state] = number
    for campaign, sent, last_sent in rows(
        sql(
            "SELECT version.campaign_id, count(message.id), max(message.sent_at) "
            "FROM campaigns_campaignversion version "
            "JOIN campaigns_step step ON step.version_id = version.id AND step.kind = 'send' "
            "JOIN campaigns_message message ON message.step_id = step.id AND message.state = 'sent' "
            "WHERE version.campaign_id = ANY({}) GROUP BY 1",
            ids,
        )
    ):
        told[campaign] |= {"sent": sent, "last_sent": last_sent}
    for campaign, clicked in rows(
        sql(
            "SELECT version.campaign_id, count(DISTINCT message.enrollment_id) FROM campaigns_campaignversion version "
            "JOIN campaigns_step step ON step.version_id = version.id AND step.kind = 'send' "
            "JOIN campaigns_message message ON message.step_id = step.id "
            "JOIN campaigns_response response ON response.message_id = message.id AND response.kind = 'clicked' "
            "AND response.actor = {} AND response.id NOT IN ({}) WHERE version.campaign_id = ANY({}) GROUP BY 1",
            Activity.Actor.HUMAN,
            responses.taken_back(),
            ids,
        )
    ):
        told[campaign]["clicked"] = clicked
    return {pk: Whole(**figures) for pk, figures in told.items()}
