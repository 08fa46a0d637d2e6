"""What happened to one message, in words and in order: written down, held back or sent, answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience import consent
from audience.models import Activity
from campaigns.models import Message, MessageAttempt, Response

State = Message.State

PHASES: dict[str, Any] = {
    "render": gettext_lazy("while it was written"),
    "connect": gettext_lazy("before its turn"),
    "hello": gettext_lazy("while greeting"),
    "mail": gettext_lazy("at the sender's address"),
    "recipient": gettext_lazy("at the reader's address"),
    "data": gettext_lazy("before the end of the message"),
    "dot": gettext_lazy("after the end of the message"),
}
ICONS = {
    State.SENT: "circle-check", State.FAILED: "circle-x", State.UNKNOWN: "triangle-alert", State.QUEUED: "rotate-cw",
}  # fmt: skip
ANSWERS = {
    Response.Kind.DELIVERED: "inbox", Response.Kind.OPENED: "mail-open", Response.Kind.CLICKED: "mouse-pointer-click",
    Response.Kind.BOUNCED: "undo-2", Response.Kind.COMPLAINED: "flag", Response.Kind.UNSUBSCRIBED: "bell-off",
    Response.Kind.REPLIED: "reply",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One thing that happened: when, what, and what was said."""

    at: datetime | None
    title: str
    detail: str = ""
    icon: str = "circle-dot"


def what(message: Message) -> str:
    """What a message is called: its content, or the notice that it tells."""
    if message.notice:
        return message.notice.title
    if message.content_version:
        return str(message.content_version.content)
    return str(message.get_purpose_display())


def why(message: Message) -> str:
    """Why a message is in its state, in the reader's language."""
    return consent.in_words(message.reason) if message.state == State.SUPPRESSED else message.reason


def of(message: Message) -> list[Event]:
    """Everything that happened to a message, the first first, and last how it stands if that is for good."""
    events = [*_attempts(message), *_answers(message)]
    events.sort(key=lambda event: event.at or message.created_at)
    return [_beginning(message), *events, *_end(message)]


def _beginning(message: Message) -> Event:
    if message.campaign:
        why = message.enrollment.why if message.enrollment else ""
        return Event(message.created_at, _("Written down by the campaign"), why, "list-plus")
    if message.purpose == Message.Purpose.TEST:
        return Event(message.created_at, _("Asked for as a test"), "", "flask-conical")
    return Event(message.created_at, _("Written down for a notice"), "", "bell")


def _attempts(message: Message) -> Iterator[Event]:
    for each in message.attempts.order_by("pk"):
        yield Event(each.at, _title(each), _said(each), ICONS.get(State(each.state), "circle-dot"))


def _title(attempt: MessageAttempt) -> str:
    nth = {"n": attempt.attempt, "where": PHASES.get(attempt.phase, "")}
    if attempt.phase == "evidence":
        return _("Something was heard of attempt %(n)s") % nth
    if attempt.phase == "sweep":
        if attempt.state == State.UNKNOWN:
            return _("Attempt %(n)s: its worker was lost on the way") % nth
        return _("Its worker was lost before it left")
    if attempt.phase == "render":
        return _("It could not be written")
    if attempt.state == State.SENT:
        return _("Attempt %(n)s: taken by the other side") % nth
    if attempt.state == State.UNKNOWN:
        return _("Attempt %(n)s: no answer %(where)s") % nth
    if attempt.state == State.FAILED:
        return _("Attempt %(n)s: refused for good %(where)s") % nth
    return _("Attempt %(n)s: not taken %(where)s") % nth


def _said(attempt: MessageAttempt) -> str:
    return " ".join(str(each) for each in (attempt.code, attempt.enhanced, attempt.reply) if each)


def _answers(message: Message) -> Iterator[Event]:
    for each in message.responses.order_by("pk"):
        title = str(each.get_kind_display()).capitalize()
        if each.actor != Activity.Actor.HUMAN:
            title = _("%(what)s by a machine, not its reader: %(which)s") % {
                "what": title, "which": each.get_actor_display(),
            }  # fmt: skip
        yield Event(each.at, title, link(message, each), ANSWERS[Response.Kind(each.kind)])


def link(message: Message, answer: Response) -> str:
    """Where the link of an answer leads; "" for one without."""
    links = message.leads_to
    if answer.link is None or not 0 <= answer.link < len(links):
        return ""
    return str(links[answer.link])


def _end(message: Message) -> Iterator[Event]:
    """How it stands, where no attempt tells it."""
    if message.state in Message.HELD_BACK:
        yield Event(None, str(message.get_state_display()).capitalize(), why(message), "circle-slash")
    elif message.state in Message.OPEN:
        yield Event(message.due_at, str(message.get_state_display()).capitalize(), message.reason, "clock")
