"""The settings of a campaign: who enters and who leaves, in whose name it speaks, whom it is measured against."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.conditions.tree import ConditionError
from campaigns import forms, plans, querysets, wording
from campaigns.models import Campaign, CampaignVersion
from campaigns.views import head
from kit import rights
from kit.audit import asker


def settings(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Who enters and who leaves, in whose name it speaks, and whom it is measured against."""
    if request.method == "POST":
        return _keep_settings(request, slug)
    campaign = head.find(slug)
    shown = querysets.version_to_show(campaign)
    return _settings_page(request, campaign, shown, _settings_form(campaign, shown, None))


@rights.needs("edit")
def _keep_settings(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = head.find(slug)
    shown = querysets.version_to_show(campaign)
    form = _settings_form(campaign, shown, request.POST)
    if form.is_valid():
        by, now = asker(request), timezone.now()
        try:
            with transaction.atomic():
                plans.change_campaign(campaign, by=by, now=now, **form.of_campaign)
                if form.version:
                    plans.change(form.version, by=by, now=now, **form.of_version)
        except (plans.Refused, ConditionError) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The settings are kept."))
            return redirect("campaign_settings", campaign.slug)
    campaign.refresh_from_db()
    return _settings_page(request, campaign, shown, form)


def _settings_form(campaign: Campaign, shown: CampaignVersion, data: Any) -> forms.Settings:
    draft = shown if shown.state == CampaignVersion.State.DRAFT else None
    return forms.Settings(data, campaign=campaign, version=draft, fixed=campaign.launched_at is not None)


def _settings_page(
    request: HttpRequest, campaign: Campaign, version: CampaignVersion, form: forms.Settings
) -> HttpResponse:
    context = {
        **head.context(campaign, "settings", timezone.now(), version=version),
        "form": form,
        "may_edit": rights.may(request.user, "edit"),
        "entry": wording.entry(version),
        "rules": _rules(version),
    }
    return render(request, "campaigns/campaign_settings.html", context, status=400 if form.is_bound else 200)


def _rules(version: CampaignVersion) -> list[tuple[str, str]]:
    """What a version that does not change says about who enters and leaves, in words."""
    words = wording.Words()
    told = [(_("They enter"), wording.entry(version))]
    if version.present:
        told.append((_("Those already there"), _("entered at the launch")))
    if version.audience:
        told.append((_("Only those of whom"), words.condition(version.audience)))
    if version.reentry_days is None:
        again = _("never")
    else:
        again = ngettext("after %(days)s day", "after %(days)s days", version.reentry_days)
        again %= {"days": version.reentry_days}
    told.append((_("They may enter again"), again))
    if version.goal:
        told.append((_("Goal"), words.condition(version.goal)))
    if version.exit:
        told.append((_("Exit"), words.condition(version.exit)))
    if version.entry == CampaignVersion.Entry.STAGE:
        told.append((_("Whoever leaves the stage"), _("leaves") if version.leave_with_stage else _("stays in it")))
    return told
