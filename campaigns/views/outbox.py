"""Pages of what leaves: the outbox, one message and all that happened to it; whether anything is lost."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience.subjects import names
from campaigns import filters, invariant, querysets, sending, story, wording
from campaigns.models import Letter, Message
from campaigns.views import head
from kit import pages, panels, rights
from kit.audit import asker

State = Message.State
# Words of kit.look for the states of a message.
STATUS = {
    State.QUEUED: "queued", State.CLAIMED: "running", State.SENDING: "running", State.SENT: "done",
    State.FAILED: "failed", State.SUPPRESSED: "cancelled", State.SKIPPED: "cancelled", State.EXPIRED: "cancelled",
    State.CANCELLED: "cancelled", State.UNKNOWN: "attention",
}  # fmt: skip


class Outbox(pages.ListPage):
    """Every message: to whom, of which campaign, what became of it."""

    queryset = Message.objects.all()
    filterset_class = filters.Messages
    template_name = "campaigns/outbox.html"
    columns = (
        pages.Column(
            "what", gettext_lazy("Message"), template="campaigns/_message_name.html", whole=True,
            export=lambda row: row.what,
        ),
        pages.Column(
            "reader", gettext_lazy("To"), template="campaigns/_message_reader.html", export=lambda row: row.reader
        ),
        pages.Column(
            "state", gettext_lazy("State"), template="campaigns/_message_state.html",
            export=lambda row: f"{row.state_word}: {row.why}" if row.why else row.state_word,
        ),
        pages.Column("attempt", gettext_lazy("Attempts"), align="end"),
        pages.Column("when", gettext_lazy("Sent or due"), value=lambda row: row.sent_at or row.due_at),
        pages.Column("created_at", gettext_lazy("Written down"), sort="created_at", desc_first=True),
    )  # fmt: skip
    title = gettext_lazy("Outbox")
    purpose = gettext_lazy("Every message, what became of it, and why it did not leave if it did not.")
    counted = ngettext_lazy("%(shown)s message", "%(shown)s messages", "count")
    crumbs = ((gettext_lazy("Operations"), ""),)
    default_sort = "-created_at"
    file_name = "outbox"
    empty_title = gettext_lazy("Nothing has been sent yet")
    empty_text = gettext_lazy("As soon as a running campaign has something to say to somebody, it appears here.")
    empty_icon = "send"

    def rows(self) -> QuerySet[Message]:
        return Message.objects.select_related(
            "campaign", "person", "account", "to_user", "notice", "content_version__content"
        )

    def seen(self, rows: QuerySet[Message]) -> QuerySet[Message]:
        return querysets.messages_seen(rows, self.request.user)

    def prepare(self, rows: list[Any]) -> list[Any]:
        for row in rows:
            _describe(row)
        return rows

    def context(self) -> dict[str, Any]:
        return {"panels": panels.draw("outbox", None, self.request, timezone.now())}


def _describe(row: Any) -> None:
    """What pages say of a message."""
    row.what, row.why = story.what(row), story.why(row)
    row.status, row.state_word = STATUS[State(row.state)], capfirst(row.get_state_display())
    subject = row.person or row.account
    if subject and not row.to_user:
        row.reader, row.reader_url = names.of(subject), subject.get_absolute_url()
    else:
        row.reader, row.reader_url = str(row.to_user) if row.to_user else "", ""


@require_GET
def message(request: HttpRequest, message_id: uuid.UUID) -> HttpResponse:
    """One message: to whom, by which step, and everything that happened to it."""
    whole = Message.objects.select_related(
        "campaign__sender", "person", "account", "to_user", "notice", "content_version__content", "sender", "topic",
        "enrollment", "step__version", "step__content", "step__lifecycle",
    )  # fmt: skip
    found = get_object_or_404(querysets.messages_seen(whole, request.user), pk=message_id)
    _describe(found)
    step = found.step
    context = {
        "message": found,
        "happened": story.of(found),
        "letter": querysets.letters_seen(Letter.objects.filter(message_id=found.pk), request.user).only("pk").first(),
        "sender": found.sender or (found.campaign.sender if found.campaign else None),
        "step_title": wording.Words([step]).title(step) if step else "",
        "crumbs": [(_("Operations"), ""), (_("Outbox"), reverse("outbox")), (story.what(found), "")],
    }
    return render(request, "campaigns/message.html", context)


@require_POST
@rights.needs("operate")
def resend(request: HttpRequest, message_id: uuid.UUID) -> HttpResponse:
    """Send a message that was perhaps sent once more."""
    found = get_object_or_404(querysets.messages_seen(Message.objects.all(), request.user), pk=message_id)
    try:
        again = sending.resend(found, by=asker(request), now=timezone.now())
    except sending.Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    if again:
        messages.success(request, _("It waits to be sent once more, and passes all that may stand against it again."))
    else:
        messages.warning(
            request, _("Only a message that was perhaps sent can be sent again; this one is not (any more).")
        )
    return redirect(found)


@require_GET
def integrity(request: HttpRequest, slug: str) -> HttpResponse:
    """Whether anything of a campaign is lost: who came to each step, and what became of each of them."""
    campaign = head.find(slug)
    figures = invariant.figures(campaign)
    rows = list(figures)
    words = wording.Words([row.step for row in rows])
    versions: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        told = {"row": row, "title": words.title(row.step), "outcomes": _outcomes(row)}
        versions.setdefault(row.step.version.number, []).append(told)
    context = head.context(campaign, "integrity", timezone.now(), crumb=_("Is anything lost?")) | {
        "versions": versions.items(),
        "labels": [label for _name, label in COLUMNS],
        "figures": figures,
        "any": bool(rows),
    }
    return render(request, "campaigns/integrity.html", context)


COLUMNS: tuple[tuple[str, Any], ...] = (
    ("pending", gettext_lazy("Pending")), ("passed", gettext_lazy("Taken")), ("sent", gettext_lazy("Sent")),
    ("failed", gettext_lazy("Failed")), ("suppressed", gettext_lazy("Not wanted")),
    ("skipped", gettext_lazy("Passed over")), ("expired", gettext_lazy("Too late")),
    ("cancelled", gettext_lazy("Cancelled")), ("unknown", gettext_lazy("Perhaps sent")),
    ("quarantined", gettext_lazy("Set aside")),
)  # fmt: skip


def _outcomes(row: invariant.Row) -> list[dict[str, Any]]:
    """The figures of a step in the order of the columns; those of messages lead to them."""
    address = f"{reverse('outbox')}?campaign={row.step.version.campaign.slug}&version={row.step.version.number}"
    address += f"&step={row.step.key}"
    return [
        {
            "label": label,
            "number": getattr(row, name),
            "url": f"{address}&state={name}" if name in invariant.OUTCOMES and row.step.kind == "send" else "",
        }
        for name, label in COLUMNS
    ]
