"""What came of a campaign, per step and by version."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns import counts, invariant, querysets, wording
from campaigns.models import Campaign, CampaignVersion, Enrollment, Step
from campaigns.views import head
from kit import panels, writing

# The columns of the results of a send: the figure, and of what its share is.
RESULTS = (
    ("entered", ""), ("sent", ""), ("opened", "delivered"), ("clicked", "delivered"), ("unsubscribed", "delivered"),
    ("bounced", "sent"),
)  # fmt: skip


@require_GET
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Per step what was sent and what came back, and what other rooms know of the campaign."""
    campaign, now = head.find(slug), timezone.now()
    steps = list(
        Step.objects.filter(version__campaign=campaign, kind=Step.Kind.SEND)
        .exclude(version__state=CampaignVersion.State.DRAFT)
        .select_related("content", "version")
        .order_by("-version__number", "position")
    )
    whole = counts.of_campaigns([campaign.pk])[campaign.pk]
    context = {
        **head.context(campaign, "results", now),
        "whole": whole,
        "rows": _by_key(campaign, steps),
        "formulas": counts.FORMULAS,
        "counted_so": [(counts.CALLED[name], formula) for name, formula in counts.FORMULAS.items()],
        "adds_up": invariant.figures(campaign),
        "panels": panels.draw("campaign_results", campaign, request, now),
    }
    return render(request, "campaigns/campaign_results.html", context)


def _by_key(campaign: Campaign, steps: list[Step]) -> list[dict[str, Any]]:
    """The figures of sends, of a step's editions in all versions together; named as in the newest."""
    counted = counts.of_steps([step.pk for step in steps])
    words = wording.Words(steps)
    titles: dict[str, str] = {}
    together: dict[str, counts.Counts] = {}
    for step in steps:
        titles.setdefault(step.key, words.title(step))
        together[step.key] = together.get(step.key, counts.Counts()) + counted[step.pk]
    return [
        {"key": key, "title": titles[key], "figures": [_result(campaign, key, own, *each) for each in RESULTS]}
        for key, own in together.items()
    ]


def _result(campaign: Campaign, key: str, own: counts.Counts, name: str, of: str) -> dict[str, Any]:
    whole = own.delivered if of == "delivered" else own["sent"]
    return {
        "name": name,
        "label": counts.CALLED[name],
        "number": own[name],
        "share": own[name] / whole if of and whole else None,
        "url": head.people_url(campaign, step=key, did=name),
    }


@require_GET
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every edition with how many are on it."""
    campaign = head.find(slug)
    on = dict(
        Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.ACTIVE)
        .values_list("version").annotate(number=Count("pk")).order_by()
    )  # fmt: skip
    entered = dict(
        Enrollment.objects.filter(campaign=campaign).exclude(state=Enrollment.State.HOLDOUT)
        .values_list("version").annotate(number=Count("pk")).order_by()
    )  # fmt: skip
    context = head.context(campaign, "versions", timezone.now())
    editions = (
        campaign.versions.select_related("created_by", "segment").annotate(size=Count("steps")).order_by("-number")
    )
    context["editions"] = [
        {
            "version": each,
            "entry": wording.entry(querysets.with_campaign(each, campaign)),
            "active": on.get(each.pk, 0),
            "entered": entered.get(each.pk, 0),
        }
        for each in editions
    ]
    context["spread"] = ", ".join(
        _("%(number)s on v%(version)s") % {"number": writing.number(each["active"]), "version": each["version"].number}
        for each in context["editions"] if each["active"]
    )  # fmt: skip
    return render(request, "campaigns/campaign_versions.html", context)
