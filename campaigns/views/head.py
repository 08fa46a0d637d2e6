"""What all pages of one campaign have in common: finding it, its head with what can be done now, its tabs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns import plans, wording
from campaigns.models import Campaign, CampaignVersion

# Words of kit.look for the states of a campaign.
STATUS = {
    Campaign.State.DRAFT: "draft",
    Campaign.State.RUNNING: "live",
    Campaign.State.PAUSED: "attention",
    Campaign.State.STOPPED: "retired",
}


def find(slug: str) -> Campaign:
    """The campaign, with what its pages name of it. 404 when there is none."""
    found = Campaign.objects.select_related("lifecycle", "topic", "sender", "created_by")
    return get_object_or_404(found, slug=slug)


def context(
    campaign: Campaign, tab: str, now: datetime, *, version: CampaignVersion | None = None, crumb: str = ""
) -> dict[str, Any]:
    """The variables of the head and the tabs; `tab` is the one that is open."""
    versions = list(campaign.versions.order_by("-number"))
    by_state = {each.state: each for each in versions}
    draft = by_state.get(CampaignVersion.State.DRAFT)
    live = by_state.get(CampaignVersion.State.LIVE)
    return {
        "campaign": campaign,
        "version": version,
        "versions": versions,
        "draft": draft,
        "live": live,
        "status": STATUS[Campaign.State(campaign.state)],
        "stage_name": wording.stage_name(campaign),
        "tabs": _tabs(campaign, tab, len(versions)),
        "on_the_way": plans.on_the_way(campaign),
        "title": campaign.name,
        "crumbs": _crumbs(campaign, crumb),
    }


def people_url(campaign: Campaign, **asked: Any) -> str:
    """The list of those who go through a campaign, narrowed."""
    return f"{reverse('campaign_people', args=[campaign.slug])}?{urlencode(asked)}"


def _tabs(campaign: Campaign, tab: str, versions: int) -> list[dict[str, Any]]:
    pages: list[tuple[str, Any, str, int | None]] = [
        ("flow", _("Flow"), "campaign", None),
        ("settings", _("Settings"), "campaign_settings", None),
        ("people", _("People"), "campaign_people", None),
        ("results", _("Results"), "campaign_results", None),
        ("versions", _("Versions"), "campaign_versions", versions),
    ]
    return [
        {"label": label, "url": reverse(name, args=[campaign.slug]), "current": slug == tab, "count": count}
        for slug, label, name, count in pages
    ]


def _crumbs(campaign: Campaign, crumb: str) -> list[tuple[Any, str]]:
    path: list[tuple[Any, str]] = [(_("Campaigns"), reverse("campaigns"))]
    if crumb:
        return [*path, (campaign.name, campaign.get_absolute_url()), (crumb, "")]
    return [*path, (campaign.name, "")]
