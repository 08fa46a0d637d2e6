"""Launching a campaign, its dry run before, and what follows: pausing, resuming, stopping, a new draft."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from audience import consent, live
from audience.conditions.tree import ConditionError
from campaigns import channels, entry, flows, forecast, forms, plans, querysets, wording
from campaigns.models import Campaign, CampaignVersion
from campaigns.views import head
from kit import pages, reading, rights
from kit.audit import asker
from kit.sql import sql, value

FORECASTS = (14, 30, 90)  # days that a dry run looks ahead


def _launched(campaign: Campaign) -> str:
    """That it runs, and where its mail is to be seen while none leaves."""
    told = _("“%(campaign)s” is running.") % {"campaign": campaign}
    if channels.setting_of("email").provider == "mailbox":
        told = format_html('{} <a href="{}">{}</a>', told, reverse("mailbox"), _("See its mail arrive in the mailbox"))
    return told


@rights.needs("edit")
def launch(request: HttpRequest, slug: str) -> HttpResponse:
    """What stops a launch, what is to be thought over, who enters at once; then the launch, by the exact number."""
    campaign = head.find(slug)
    version = querysets.version_to_show(campaign)
    if version.state != CampaignVersion.State.DRAFT:
        return redirect(campaign)
    now = timezone.now()
    form = forms.Launch(request.POST or None)
    if form.is_valid():
        try:
            plans.launch(version, confirmed=form.cleaned_data["confirmed"], by=asker(request), now=now)
        except plans.Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _launched(campaign))
            return redirect(campaign)
    checks = plans.checklist(version, now=now)
    keys = set(version.steps.values_list("key", flat=True))
    stops = [_check(campaign, each, keys) for each in checks if each.level == "stop"]
    entering = 0 if stops else entry.count(version, at=now + live.INSTANT)
    context = {
        **head.context(campaign, "", now, version=version, crumb=_("Launch")),
        "stops": stops,
        "warnings": [_check(campaign, each, keys) for each in checks if each.level == "warn"],
        "form": form,
        "entry": wording.entry(version),
        "audience": wording.Words().condition(version.audience) if version.audience and not stops else "",
        "entering": entering,
        "staying_out": 0 if stops else max(_brought(version, now) - entering, 0),
        "unasked": plans.UNASKED,
    }
    return render(request, "campaigns/campaign_launch.html", context, status=409 if form.errors else 200)


def _brought(version: CampaignVersion, now: datetime) -> int:
    """How many people the entry brings at the launch, whether or not they may enter."""
    return int(value(sql("SELECT count(*) FROM ({}) arriving", entry.arrivals(version, at=now + live.INSTANT))))


@require_GET
def dry_run(request: HttpRequest, slug: str) -> HttpResponse:
    """What would happen within some days if it were launched now: how much is sent on which day, and what is not."""
    campaign = head.find(slug)
    version = querysets.version_to_show(campaign)
    now = timezone.now()
    days = next((each for each in FORECASTS if request.GET.get("days") == str(each)), FORECASTS[0])
    context: dict[str, Any] = {
        "campaign": campaign,
        "version": version,
        "days": days,
        "choices": [(each, each == days) for each in FORECASTS],
        "crumbs": [
            (_("Campaigns"), reverse("campaigns")), (campaign.name, campaign.get_absolute_url()), (_("Dry run"), ""),
        ],
    }  # fmt: skip
    try:
        found = forecast.dry_run(version, at=now, days=days)
    except reading.TooSlow:
        context["trouble"] = _("This takes too long to work out while you wait.")
    except ConditionError as error:
        context["trouble"] = error.message
    else:
        context |= {
            "forecast": found,
            "table": _table(version, found),
            "reasons": [(capfirst(consent.in_words(why)), number) for why, number in found.held_back.items()],
            "ended": list(found.ended.items()),
        }
    return pages.part(
        request, "dry-run", "campaigns/_campaign_dry_run.html", "campaigns/campaign_dry_run.html", context
    )


def _table(version: CampaignVersion, found: forecast.Forecast) -> dict[str, Any]:
    """Messages by day and step; only days and steps that have some."""
    by_day = found.by_day()
    sending = {pk for steps in by_day.values() for pk in steps}
    steps = [node.step for node in flows.walk(flows.tree(version)) if node.step.pk in sending]
    words = wording.Words(steps)
    lines: list[dict[str, Any]] = [
        {"day": day, "cells": [of.get(step.pk, 0) for step in steps], "total": sum(of.values())}
        for day, of in by_day.items()
    ]
    totals = [sum(of.get(step.pk, 0) for of in by_day.values()) for step in steps]
    return {
        "titles": [words.title(step) for step in steps],
        "lines": lines,
        "totals": totals,
        "most": max((line["total"] for line in lines), default=0),
    }


def _check(campaign: Campaign, check: plans.Check, keys: set[str]) -> dict[str, str]:
    """One line of the checklist with the address where it is put right."""
    if check.where == "settings":
        url = reverse("campaign_settings", args=[campaign.slug])
    elif check.where in keys:
        url = f"{campaign.get_absolute_url()}#step-{check.where}"
    else:
        url = check.where
    return {"text": check.text, "url": url}


@require_POST
@rights.needs("edit")
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything stands still until somebody resumes it."""
    campaign = head.find(slug)
    because = request.POST.get("because", "").replace("\x00", "").strip() or _("paused by %(user)s") % {
        "user": request.user
    }
    if plans.pause(campaign, because=because, by=asker(request), now=timezone.now()):
        messages.success(
            request, _("“%(campaign)s” stands still. Nobody enters, nothing is sent.") % {"campaign": campaign}
        )
    else:
        messages.error(request, _("It was not running, so there was nothing to pause."))
    return redirect(campaign)


@require_POST
@rights.needs("edit")
def resume(request: HttpRequest, slug: str) -> HttpResponse:
    """It goes on from where everybody stood."""
    campaign = head.find(slug)
    if plans.resume(campaign, by=asker(request), now=timezone.now()):
        messages.success(request, _("“%(campaign)s” goes on.") % {"campaign": campaign})
    else:
        messages.error(request, _("It was not paused, so there was nothing to resume."))
    return redirect(campaign)


@rights.needs("edit")
def stop(request: HttpRequest, slug: str) -> HttpResponse:
    """For ever, once somebody has seen how many are on the way."""
    campaign = head.find(slug)
    if request.method == "POST":
        if plans.stop(campaign, by=asker(request), now=timezone.now()):
            messages.success(request, _("“%(campaign)s” is stopped.") % {"campaign": campaign})
        else:
            messages.error(request, _("It was neither running nor paused."))
        return redirect(campaign)
    if campaign.state not in (Campaign.State.RUNNING, Campaign.State.PAUSED):
        return redirect(campaign)
    context = head.context(campaign, "", timezone.now(), crumb=_("Stop"))
    return render(request, "campaigns/campaign_stop.html", context)


@require_POST
@rights.needs("edit")
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """A draft to work on; whoever is on the way stays on their version."""
    campaign = head.find(slug)
    if campaign.state == Campaign.State.STOPPED:
        messages.error(request, _("It is stopped for ever; make a new campaign."))
        return redirect(campaign)
    plans.draft_of(campaign, by=asker(request), now=timezone.now())
    return redirect(campaign)


@require_POST
@rights.needs("edit")
def discard(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft goes, and a campaign that has never been anything else with it."""
    campaign = head.find(slug)
    draft = campaign.versions.filter(state=CampaignVersion.State.DRAFT).first()
    if draft is None:
        messages.error(request, _("There is no draft."))
        return redirect(campaign)
    try:
        plans.discard(draft, by=asker(request), now=timezone.now())
    except plans.Refused as refused:
        messages.error(request, str(refused))
        return redirect("campaigns")
    messages.success(request, _("The draft is gone."))
    if not Campaign.objects.filter(pk=campaign.pk).exists():
        return redirect("campaigns")
    return redirect(campaign)
