"""Pages of the built-in mailbox: what has arrived, and one letter as its reader sees it."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from campaigns import filters, querysets
from campaigns.models import Letter, Message
from kit import pages

SHOWN = ("html", "text", "source")
HEAD = {"From": gettext_lazy("From"), "To": gettext_lazy("To"), "Reply-To": gettext_lazy("Answers go to")}
# A letter may show pictures and have styles. It runs nothing, sends nothing, and its links open elsewhere.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src 'self' data: https: http:",
        "font-src https: data:",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-popups allow-popups-to-escape-sandbox",
    )
)


class Mailbox(pages.ListPage):
    """What has arrived in the built-in mailbox."""

    queryset = Letter.objects.defer("raw")
    filterset_class = filters.Letters
    columns = (
        pages.Column("subject", gettext_lazy("Subject"), link=True, whole=True),
        pages.Column("recipient", gettext_lazy("To")),
        pages.Column("sender", gettext_lazy("From")),
        pages.Column("received_at", gettext_lazy("Arrived"), sort="received_at", desc_first=True),
    )
    title = gettext_lazy("Mailbox")
    purpose = gettext_lazy("What arrived in the built-in mailbox, where mail goes until a mail server is named.")
    counted = ngettext_lazy("%(shown)s letter", "%(shown)s letters", "count")
    crumbs = ((gettext_lazy("Operations"), ""),)
    also = (pages.Action(gettext_lazy("How mail leaves"), "channel", icon="settings"),)
    default_sort = "-received_at"
    file_name = "mailbox"
    empty_title = gettext_lazy("No letter has arrived yet")
    empty_text = gettext_lazy(
        "Launch a campaign, or send a test of some content to yourself: it arrives here within seconds, and looks as it"
        " would in a mail program. Nothing leaves this machine."
    )
    empty_icon = "inbox"

    def seen(self, rows: QuerySet[Letter]) -> QuerySet[Letter]:
        return querysets.letters_seen(rows, self.request.user)

    def unseen_words(self, total: pages.Total, *, narrowed: bool) -> str:
        """An administrator does not read the secret links of others either, so how many there are says nothing."""
        told = super().unseen_words(total, narrowed=narrowed)
        return _("Mail to other users, and to people whom you do not see, is not shown.") if told else ""


@require_GET
def letter(request: HttpRequest, pk: int) -> HttpResponse:
    """One letter: as its reader sees it, its plain text, its source."""
    found = get_object_or_404(querysets.letters_seen(Letter.objects.all(), request.user), pk=pk)
    told = _parsed(found)
    show = request.GET.get("show", "")
    show = show if show in SHOWN else "html" if _part(told, "html") is not None else "text"
    labels = {"html": _("As it looks"), "text": _("Plain text"), "source": _("Source")}
    context = {
        "letter": found,
        "show": show,
        "head": [(label, told[name]) for name, label in HEAD.items() if told[name]],
        "text": _content(told, "plain") if show == "text" else "",
        "source": bytes(found.raw).decode("utf-8", "replace") if show == "source" else "",
        "message": Message.objects.select_related("person").filter(pk=found.message_id).first(),
        "tabs": [{"label": labels[each], "url": f"?show={each}", "current": each == show} for each in SHOWN],
        "crumbs": [(_("Operations"), ""), (_("Mailbox"), reverse("mailbox")), (found.subject, "")],
    }
    return render(request, "campaigns/letter.html", context)


@require_GET
@xframe_options_sameorigin
def letter_body(request: HttpRequest, pk: int) -> HttpResponse:
    """The letter's HTML alone, for the frame that shows it; its links open in a window of their own."""
    told = _parsed(get_object_or_404(querysets.letters_seen(Letter.objects.all(), request.user), pk=pk))
    html = _content(told, "html")
    if not html:
        raise Http404
    response = HttpResponse(f'<base target="_blank">{html}')
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


def _parsed(letter: Letter) -> EmailMessage:
    return message_from_bytes(bytes(letter.raw), policy=policy.default)


def _part(told: EmailMessage, kind: str) -> Any:
    return told.get_body((kind,))


def _content(told: EmailMessage, kind: str) -> str:
    part = _part(told, kind)
    return str(part.get_content()) if part is not None else ""
