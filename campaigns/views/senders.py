"""Pages of senders: in whose name messages are sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_POST

from campaigns import forms, senders
from campaigns.models import Sender
from kit import pages, rights
from kit.audit import asker


class Senders(pages.ListPage):
    """Every name and address in which messages are sent."""

    queryset = Sender.objects.all()
    columns = (
        pages.Column("name", gettext_lazy("Sender"), sort="name", template="campaigns/_sender_name.html", whole=True),
        pages.Column("address", gettext_lazy("Address"), sort="address"),
        pages.Column("reply_to", gettext_lazy("Answers go to"), value=lambda row: row.reply_to or row.address),
        pages.Column("campaigns", gettext_lazy("Campaigns"), sort="campaigns", align="end", desc_first=True),
    )
    title = gettext_lazy("Senders")
    crumbs = ((gettext_lazy("Operations"), ""),)
    purpose = gettext_lazy("In whose name messages are sent, and where answers go.")
    counted = ngettext_lazy("%(shown)s sender", "%(shown)s senders", "count")
    action = pages.Action(gettext_lazy("New sender"), "sender_new", right="edit")
    default_sort = "name"
    file_name = "senders"
    empty_title = gettext_lazy("No sender yet")
    empty_text = gettext_lazy("A campaign is sent in somebody's name. The first sender is the one used by default.")
    empty_icon = "at-sign"

    def rows(self) -> QuerySet[Sender]:
        running = Q(campaign__isnull=False) & ~Q(campaign__state="stopped")
        return Sender.objects.filter(retired_at=None).annotate(campaigns=Count("campaign", filter=running))


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new sender."""
    form = forms.SenderForm(request.POST or None, initial={"is_default": not Sender.objects.exists()})
    if form.is_valid():
        try:
            senders.create(**form.cleaned_data, by=asker(request), now=timezone.now())
        except senders.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("The sender is there."))
            return redirect("senders")
    return _form(request, form, _("New sender"))


@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A sender's name, address, place for answers."""
    sender = get_object_or_404(Sender, pk=pk, retired_at=None)
    shown = {name: getattr(sender, name) for name in ("name", "address", "reply_to", "is_default")}
    form = forms.SenderForm(request.POST or None, initial=shown)
    if form.is_valid():
        try:
            senders.change(sender, **form.cleaned_data, by=asker(request), now=timezone.now())
        except senders.Refused as refused:
            form.add_error(refused.field, str(refused))
        else:
            messages.success(request, _("Kept. What is sent from now on goes out like this."))
            return redirect("senders")
    return _form(request, form, str(sender.name), sender)


@require_POST
@rights.needs("edit")
def retire(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer a sender no more."""
    sender = get_object_or_404(Sender, pk=pk, retired_at=None)
    try:
        senders.retire(sender, by=asker(request), now=timezone.now())
    except senders.Refused as refused:
        messages.error(request, str(refused))
        return redirect("sender_edit", pk)
    messages.success(request, _("It is offered no more."))
    return redirect("senders")


def _form(request: HttpRequest, form: Any, title: str, sender: Sender | None = None) -> HttpResponse:
    context = {
        "form": form,
        "sender": sender,
        "title": title,
        "crumbs": [(_("Operations"), ""), (_("Senders"), reverse("senders")), (title, "")],
    }
    return render(request, "campaigns/sender_form.html", context, status=400 if form.is_bound else 200)
