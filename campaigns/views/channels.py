"""Pages of how mail leaves: the channel's settings and state, the frequency cap, and which copy is the live one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from campaigns import channels, forms, sending
from campaigns.channels import Down
from campaigns.models import DomainPause, Message
from campaigns.sending import outcomes
from kit import audit, installation, instance, rights

EMAIL = "email"


@require_http_methods(["GET", "POST"])
def channel(request: HttpRequest) -> HttpResponse:
    """How email leaves, and how it stands; administrators change it."""
    setting = channels.setting_of(EMAIL)
    form = forms.ChannelSettings(request.POST or None, setting=setting)
    if request.method == "POST":
        _only(request, "administer")
        if form.is_valid():
            channels.change(
                setting,
                provider=form.cleaned_data["provider"],
                settings=form.settings(),
                batch=form.cleaned_data["batch"],
                password=form.new_password(),
                by=audit.asker(request),
                now=timezone.now(),
            )
            messages.success(request, _("That is how mail leaves from now on. Try it before you rely on it."))
            return redirect("channel")
    return _page(request, form, forms.FrequencyCap(initial=installation.get("frequency_cap") or {"days": 7}))


@require_POST
@rights.needs("administer")
def cap(request: HttpRequest) -> HttpResponse:
    """How much one person gets at most."""
    form = forms.FrequencyCap(request.POST)
    if not form.is_valid():
        return _page(request, forms.ChannelSettings(setting=channels.setting_of(EMAIL)), form)
    installation.change(
        {"frequency_cap": form.cap()}, by=audit.asker(request), now=timezone.now(), action="frequency_cap.change"
    )
    messages.success(request, _("The limit holds for every message that leaves from now on."))
    return redirect("channel")


def _page(request: HttpRequest, form: forms.ChannelSettings, cap_form: forms.FrequencyCap) -> HttpResponse:
    now = timezone.now()
    setting = form.setting
    kind = channels.kinds().get(setting.provider)
    context: dict[str, Any] = {
        "form": form,
        "cap_form": cap_form,
        "setting": setting,
        "provider": kind.label if kind else setting.provider,
        "open": sending.oldest_open(now),
        "queued": Message.objects.filter(state=Message.State.QUEUED).count(),
        "domains": DomainPause.objects.filter(channel=EMAIL, until__gt=now).order_by("domain"),
        "mismatch": instance.mismatch(),
        "may_change": rights.may(request.user, "administer"),
        "now": now,
    }
    context["age"] = context["open"].age(now)
    bound = form.is_bound or cap_form.is_bound
    return render(request, "campaigns/channel.html", context, status=400 if bound else 200)


def _only(request: HttpRequest, right: str) -> None:
    if not rights.may(request.user, right):
        raise PermissionDenied(_("Your role may look, but not change this. An administrator can change that."))


@require_POST
@rights.needs("operate")
def try_it(request: HttpRequest) -> HttpResponse:
    """Open a connection and say what was found; nothing is sent."""
    setting = channels.setting_of(EMAIL)
    try:
        with channels.of(setting) as provider:
            found = provider.tried()
    except Down as down:
        messages.error(request, _("It does not work: %(why)s") % {"why": down})
    else:
        messages.success(request, found or _("It works: the mailbox is always there."))
        if channels.recovered(setting):
            audit.record("channel.resume", EMAIL, by=audit.asker(request), now=timezone.now())
            messages.info(request, _("What waited leaves now."))
    return redirect("channel")


@require_POST
@rights.needs("operate")
def pause(request: HttpRequest) -> HttpResponse:
    """Have email stand still until somebody lets it go on."""
    by, now = audit.asker(request), timezone.now()
    setting = channels.setting_of(EMAIL)
    because = _("Paused by %(who)s") % {"who": by}
    with transaction.atomic():
        channels.resume(setting)  # a pause by hand takes the place of one that would end by itself
        channels.pause(setting, because, retry_at=None, now=now)
        audit.record("channel.pause", EMAIL, by=by, now=now)
    messages.info(request, _("Nothing leaves but what is in the air."))
    return redirect("channel")


@require_POST
@rights.needs("operate")
def resume(request: HttpRequest) -> HttpResponse:
    """Email goes on."""
    with transaction.atomic():
        if channels.resume(channels.setting_of(EMAIL)):
            audit.record("channel.resume", EMAIL, by=audit.asker(request), now=timezone.now())
    messages.success(request, _("Mail leaves again."))
    return redirect("channel")


@require_POST
@rights.needs("operate")
def let_domain(request: HttpRequest, pk: int) -> HttpResponse:
    """A domain that refused us gets mail again at once."""
    found = get_object_or_404(DomainPause, pk=pk)
    now = timezone.now()
    outcomes.let_domain(found, now=now)
    audit.record("channel.let_domain", found.domain, by=audit.asker(request), now=now)
    messages.success(request, _("Mail goes to %(domain)s again.") % {"domain": found.domain})
    return redirect("channel")


@require_http_methods(["GET", "POST"])
def this_copy(request: HttpRequest) -> HttpResponse:
    """Which copy of this installation is the live one; an administrator says that this one is."""
    if request.method == "POST":
        _only(request, "administer")
        if not request.POST.get("sure"):
            messages.error(request, _("Nothing was changed: say first that no other copy sends."))
            return redirect("instance")
        instance.confirm(by=audit.asker(request), now=timezone.now())
        messages.success(request, _("This copy is the live one: what waits leaves."))
        return redirect("channel")
    context = {"mismatch": instance.mismatch(), "queued": Message.objects.filter(state=Message.State.QUEUED).count()}
    return render(request, "campaigns/instance.html", context)
