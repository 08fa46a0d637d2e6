"""One person in one campaign: why they got what they got, and putting them in by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from audience.conditions.tree import ConditionError
from audience.models import Person
from audience.names import of as named
from campaigns import entry, panels, tracing
from campaigns.models import Campaign, Enrollment
from kit import pages, rights
from kit.audit import asker


@require_GET
def trace(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Every step of somebody in a campaign, or why they are not in it: a page, or the part of a profile."""
    person, campaign = get_object_or_404(Person, pk=pk), get_object_or_404(Campaign, slug=slug)
    now = timezone.now()
    newest = Enrollment.objects.filter(campaign=campaign, person=person).order_by("-pass_number").first()
    context: dict[str, Any] = {
        "person": person,
        "campaign": campaign,
        "name": named(person),
        "enrolled": newest,
        "status": panels.ENROLLMENT_STATUS[Enrollment.State(newest.state)] if newest else "",
        "lines": tracing.trace(campaign, person.pk, now=now),
        "may_enroll": rights.may(request.user, "edit") and entry.could(campaign, person.pk, now=now),
    }
    return pages.part(request, f"trace-{campaign.slug}", "campaigns/_trace.html", "campaigns/trace.html", context)


@rights.needs("edit")
@require_POST
def enroll(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Put one person into a running campaign, if they may enter."""
    person, campaign = get_object_or_404(Person, pk=pk), get_object_or_404(Campaign, slug=slug)
    try:
        entered = entry.enroll(campaign, [person.pk], by=asker(request), now=timezone.now())
    except (entry.Refused, ConditionError) as refused:
        messages.error(request, str(refused))
        return redirect("campaign_trace", slug, pk)
    told = {"person": named(person), "campaign": campaign}
    if entered.holdout:
        messages.info(request, _("%(person)s is one of those whom “%(campaign)s” holds out, and gets nothing.") % told)
    elif entered.active:
        messages.success(request, _("%(person)s entered “%(campaign)s”.") % told)
    else:
        messages.warning(request, _("%(person)s may not enter “%(campaign)s”; here is why.") % told)
    return redirect("campaign_trace", slug, pk)
