"""Pages of webhooks: which there are, one with how it does, what it was told, and a new secret."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from integrations import filters, forms
from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import delivering, events, keeping
from kit import audit, pages, rights, writing

LATEST = 20  # deliveries on the page of a webhook
State = WebhookDelivery.State


@method_decorator(rights.needs("administer"), name="dispatch")
class Webhooks(pages.ListPage):
    """Every webhook, with how it does."""

    queryset = Webhook.objects.all()
    columns = (
        pages.Column(
            "name", gettext_lazy("Webhook"), sort="name", template="integrations/_webhook_name.html", whole=True
        ),
        pages.Column("events", gettext_lazy("Told of"), value=lambda row: _told_of(row)),
        pages.Column("state", gettext_lazy("State"), template="integrations/_webhook_state.html"),
        pages.Column("waiting", gettext_lazy("Waiting"), align="end"),
        pages.Column("dead", gettext_lazy("Given up"), align="end"),
        pages.Column("answered_at", gettext_lazy("Last taken"), sort="answered_at", desc_first=True),
    )  # fmt: skip
    title = gettext_lazy("Webhooks")
    purpose = gettext_lazy("Other systems are told what happens here, seconds after it did.")
    counted = ngettext_lazy("%(shown)s webhook", "%(shown)s webhooks", "count")
    crumbs = ((gettext_lazy("Operations"), ""),)
    action = pages.Action(gettext_lazy("New webhook"), "webhook_new", right="administer")
    default_sort = "name"
    file_name = "webhooks"
    empty_title = gettext_lazy("Nobody is told anything yet")
    empty_text = gettext_lazy("A webhook is an address of another system that hears of hand-offs, moves and changes.")
    empty_icon = "webhook"

    def prepare(self, rows: list[Webhook]) -> list[Webhook]:
        counts = _counts(rows)
        for row in rows:
            row.waiting, row.dead = (counts[row.pk, state] for state in (State.WAITING, State.DEAD))  # type: ignore[attr-defined]
            row.state = _state(row)  # type: ignore[attr-defined]
        return rows


@method_decorator(rights.needs("administer"), name="dispatch")
class Deliveries(pages.ListPage):
    """What one webhook was told, the newest first."""

    queryset = WebhookDelivery.objects.all()
    filterset_class = filters.Deliveries
    columns = (
        pages.Column("event", gettext_lazy("Event"), value=lambda row: events.words(row.event),
                     template="integrations/_delivery_event.html", whole=True),
        pages.Column("at", gettext_lazy("Happened")),
        pages.Column("state", gettext_lazy("State"), value="get_state_display",
                     template="integrations/_delivery_state.html"),
        pages.Column("tries", gettext_lazy("Tries"), align="end"),
        pages.Column("status", gettext_lazy("Answer"), template="integrations/_delivery_answer.html",
                     export=lambda row: row.status or row.get_failure_display()),
        pages.Column("took", gettext_lazy("Took"), value=lambda row: _took(row.took_ms), align="end"),
        pages.Column("next_at", gettext_lazy("Next try"), value=lambda row: _next(row)),
    )  # fmt: skip
    title = gettext_lazy("Deliveries")
    purpose = gettext_lazy("What it was told, and whether it took it. What was delivered is kept for a month.")
    counted = ngettext_lazy("%(shown)s delivery", "%(shown)s deliveries", "count")
    default_sort = "-pk"
    file_name = "deliveries"
    empty_title = gettext_lazy("Nothing was told yet")
    empty_text = gettext_lazy("As soon as one of its events happens, it stands here.")
    empty_icon = "webhook"

    @property
    def hook(self) -> Webhook:
        return get_object_or_404(Webhook, pk=self.kwargs["pk"])

    def rows(self) -> QuerySet[WebhookDelivery]:
        return self.hook.deliveries.all()

    def prepare(self, rows: list[WebhookDelivery]) -> list[WebhookDelivery]:
        for row in rows:
            row.words = events.words(row.event)  # type: ignore[attr-defined]
        return rows

    def get_crumbs(self) -> Any:
        hook = self.hook
        return [*_area(), (hook.name, hook.get_absolute_url()), (self.get_title(), "")]


@never_cache
@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def new(request: HttpRequest) -> HttpResponse:
    """A new webhook. Its secret is on the page that answers, and nowhere else ever after."""
    form = forms.WebhookForm(request.POST or None)
    if form.is_valid():
        given = form.cleaned_data
        try:
            hook, secret = keeping.add(
                given["name"], given["url"], given["events"], by=audit.asker(request), now=timezone.now()
            )
        except keeping.Refused as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            return _secret(request, hook, secret)
    return _form(request, form, None)


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name, address or choice of events."""
    hook = get_object_or_404(Webhook, pk=pk)
    form = forms.WebhookForm(request.POST or None, hook=hook)
    if form.is_valid():
        given = form.cleaned_data
        try:
            keeping.change(
                hook, name=given["name"], url=given["url"], wanted=given["events"], by=audit.asker(request),
                now=timezone.now(),
            )  # fmt: skip
        except keeping.Refused as refused:
            form.add_error(refused.field or None, str(refused))
        else:
            messages.success(request, _("“%(name)s” is kept.") % {"name": given["name"]})
            return redirect("webhook", pk)
    return _form(request, form, hook)


@rights.needs("administer")
@require_GET
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """How it does and what it was told last. htmx asks for the part that changes while something is due."""
    hook, now = get_object_or_404(Webhook, pk=pk), timezone.now()
    counts = _counts([hook])
    latest = list(hook.deliveries.order_by("-pk")[:LATEST])
    for each in latest:
        each.words, each.took = events.words(each.event), _took(each.took_ms)  # type: ignore[attr-defined]
    context = {
        "hook": hook, "state": _state(hook), "place": keeping.place(hook.url), "latest": latest, "shown": LATEST,
        "told_of": [events.words(each) for each in hook.events],
        "counts": [(state, state.label, counts[hook.pk, state]) for state in State],
        "dead": counts[hook.pk, State.DEAD],
        "both_until": hook.former_until if hook.former_until and hook.former_until > now else None,
        "rests": hook.rest_until if hook.rest_until and hook.rest_until > now else None,
        "is_due": not hook.paused_at and hook.deliveries.filter(state=State.WAITING, next_at__lte=now).exists(),
        "crumbs": [*_area(), (hook.name, "")],
    }  # fmt: skip
    return pages.part(request, f"webhook-{pk}", "integrations/_webhook.html", "integrations/webhook.html", context)


@require_POST
@rights.needs("administer")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing for now, or send again what waited."""
    hook = get_object_or_404(Webhook, pk=pk)
    verb = keeping.resume if hook.paused_at else keeping.pause
    verb(hook, by=audit.asker(request), now=timezone.now())
    return redirect("webhook", pk)


@never_cache
@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """A new secret, beside which the present one goes on for a while."""
    hook = get_object_or_404(Webhook, pk=pk)
    form = forms.RotateForm(request.POST or None)
    if form.is_valid():
        secret = keeping.rotate(
            hook, both_for=form.cleaned_data["hours"], by=audit.asker(request), now=timezone.now()
        )  # fmt: skip
        return _secret(request, hook, secret)
    context = {
        "hook": hook,
        "form": form,
        "crumbs": [*_area(), (hook.name, hook.get_absolute_url()), (_("Secret"), "")],
    }
    return render(request, "integrations/webhook_rotate.html", context, status=400 if form.is_bound else 200)


@require_POST
@rights.needs("administer")
def try_out(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an event that tells of nothing but itself."""
    try:
        keeping.try_out(get_object_or_404(Webhook, pk=pk), by=audit.asker(request), now=timezone.now())
    except keeping.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.info(request, _("A test is on its way; what comes of it stands below."))
    return redirect("webhook", pk)


@require_POST
@rights.needs("administer")
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Send all that was given up once more."""
    count = keeping.send_dead_again(get_object_or_404(Webhook, pk=pk), by=audit.asker(request), now=timezone.now())
    if count:
        told = ngettext("%(n)s event is sent again.", "%(n)s events are sent again.", count)
        messages.success(request, told % {"n": writing.number(count)})
    else:
        messages.info(request, _("Nothing is given up any more."))
    return redirect("webhook", pk)


@require_POST
@rights.needs("administer")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell it nothing any more."""
    hook = get_object_or_404(Webhook, pk=pk)
    name = hook.name
    keeping.remove(hook, by=audit.asker(request), now=timezone.now())
    messages.success(request, _("“%(name)s” is removed: it is told nothing any more.") % {"name": name})
    return redirect("webhooks")


@rights.needs("administer")
@require_GET
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery: what is sent, and what came of each try."""
    found = get_object_or_404(WebhookDelivery.objects.select_related("webhook"), pk=pk)
    body = events.bodies([found]).get(found.pk)
    failures = dict(WebhookDelivery.Failure.choices)
    tries = [
        {
            "at": parse_datetime(each["at"]), "status": each["status"], "why": failures.get(each["failure"], ""),
            "took": _took(each["took_ms"]), "is_taken": not each["failure"],
        }
        for each in found.log
    ]  # fmt: skip
    hook = found.webhook
    words = events.words(found.event)
    crumbs = [
        *_area(), (hook.name, hook.get_absolute_url()),
        (_("Deliveries"), reverse("webhook_deliveries", args=[hook.pk])), (words, ""),
    ]  # fmt: skip
    context = {
        "delivery": found, "hook": hook, "words": words, "tries": tries, "crumbs": crumbs,
        "body": json.dumps(json.loads(body), indent=2) if body else "", "most": delivering.MOST_TRIES,
    }  # fmt: skip
    return render(request, "integrations/webhook_delivery.html", context)


@require_POST
@rights.needs("administer")
def replay_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one delivery once more."""
    found = get_object_or_404(WebhookDelivery.objects.select_related("webhook"), pk=pk)
    try:
        keeping.send_again(found, by=audit.asker(request), now=timezone.now())
    except keeping.Refused as refused:
        messages.info(request, str(refused))
    else:
        messages.success(request, _("It is sent again, by the same id."))
    return redirect(found)


def _secret(request: HttpRequest, hook: Webhook, secret: str) -> HttpResponse:
    crumbs = [*_area(), (hook.name, hook.get_absolute_url()), (_("Secret"), "")]
    return render(request, "integrations/webhook_secret.html", {"hook": hook, "secret": secret, "crumbs": crumbs})


def _form(request: HttpRequest, form: forms.WebhookForm, hook: Webhook | None) -> HttpResponse:
    title = hook.name if hook else _("New webhook")
    context = {"form": form, "hook": hook, "title": title, "crumbs": [*_area(), (title, "")]}
    return render(request, "integrations/webhook_form.html", context, status=400 if form.errors else 200)


def _area() -> list[tuple[str, str]]:
    return [(_("Operations"), ""), (_("Webhooks"), reverse("webhooks"))]


def _counts(hooks: list[Webhook]) -> Counter[tuple[int, str]]:
    """How many deliveries there are, by webhook and state."""
    found = WebhookDelivery.objects.filter(webhook__in=hooks).values_list("webhook", "state").annotate(Count("pk"))
    return Counter({(hook, state): count for hook, state, count in found})


def _state(hook: Webhook) -> str:
    """ "paused", "failing" (it does not answer, or gave something up), or "live"."""
    if hook.paused_at:
        return "paused"
    return "failing" if hook.failures or hook.told_at else "live"


def _told_of(hook: Webhook) -> str:
    shown = [events.words(each) for each in hook.events]
    return ", ".join(shown) if len(shown) <= 3 else _("%(n)s events") % {"n": len(shown)}


def _next(delivery: WebhookDelivery) -> datetime | None:
    return delivery.next_at if delivery.state == State.WAITING else None


def _took(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return _("%(n)s ms") % {"n": milliseconds}
    return _("%(n)s s") % {"n": writing.number(milliseconds / 1000, 1)}
