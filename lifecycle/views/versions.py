"""Pages of one version beside another: where members go when it is published, what is different, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from kit import rights
from kit.audit import asker
from lifecycle.editions import differing, migrating, versions
from lifecycle.ledger import stages
from lifecycle.models import Stage, Version

LEAVE = "-"  # in place of a stage: out of the lifecycle


def of_address(slug: str, number: int) -> Version:
    """The version that an address names. Raises Http404."""
    found = Version.objects.select_related("lifecycle", "job", "created_by", "before")
    return get_object_or_404(found, lifecycle__slug=slug, number=number)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def plan(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Where the members of the live version go when this one takes over, or takes back; decided, counted, begun."""
    version = of_address(slug, number)
    live_one = stages.live_version(version.lifecycle)
    if live_one is None or version.state not in (Version.State.DRAFT, Version.State.RETIRED):
        messages.info(request, _("There is nobody to move over to %(version)s.") % {"version": version})
        return redirect("lifecycle_version", slug, number)
    if request.method == "GET":
        return _page(request, version, live_one)
    choices, reason = _choices(request, live_one), request.POST.get("reason", "").strip()[:500]
    now, by = timezone.now(), asker(request)
    begins = "publish" in request.POST
    try:
        if version.state == Version.State.RETIRED:
            versions.roll_back(version, by=by, now=now, choices=choices, reason=reason)
        else:
            migrating.decide(version, choices, reason=reason, by=by, now=now)
            if begins:
                versions.publish(version, by=by, now=now)
    except migrating.PlanRefused as refused:
        messages.error(request, str(refused))
        return redirect("lifecycle_plan", slug, number)
    except versions.PublishRefused as refused:
        messages.error(request, _("It is not published: %(why)s") % {"why": "; ".join(refused.problems)})
        return redirect("lifecycle_plan", slug, number)
    if version.state == Version.State.DRAFT and not begins:
        messages.success(request, _("Kept. Nobody has moved yet."))
        return redirect("lifecycle_plan", slug, number)
    return redirect("lifecycle_version", slug, number)


@require_GET
def difference(request: HttpRequest, slug: str, number: int, other: int) -> HttpResponse:
    """What is different from one version to another, in words."""
    before, after = of_address(slug, number), of_address(slug, other)
    context = {
        "lifecycle": after.lifecycle,
        "before": before,
        "after": after,
        "changes": differing.between(before, after),
    }
    return render(request, "lifecycle/version_difference.html", context)


@require_POST
@rights.needs("edit")
def withdraw(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Take back a publication that was cancelled or has failed."""
    version = of_address(slug, number)
    try:
        job = versions.withdraw(version, by=asker(request), now=timezone.now())
    except versions.PublishRefused as refused:
        messages.error(request, str(refused))
    else:
        told = _("Whoever was placed leaves again; a new draft follows.") if job else _("It is a draft again.")
        messages.success(request, told)
    return redirect("lifecycle_version", slug, number)


def _page(request: HttpRequest, version: Version, live_one: Version) -> HttpResponse:
    back = version.state == Version.State.RETIRED
    chosen = migrating.back_plan(version, live_one) if back else migrating.plan(version, live_one)
    rows = migrating.preview(chosen)
    held = {row.stage for row in rows if row.how != migrating.BACK}
    context: dict[str, Any] = {
        "version": version,
        "lifecycle": version.lifecycle,
        "live": live_one,
        "back": back,
        "reason": chosen.reason,
        "leave": LEAVE,
        "rows": rows,
        "choices": [
            {"stage": stage, "to": chosen.stages.get(stage.slug, ""), "leaves": _leaves(chosen, stage)}
            for stage in live_one.stages.exclude(kind__in=[Stage.Kind.GATE, Stage.Kind.TERMINAL]).order_by("order")
            if stage.slug in held or not back
        ],
        "targets": version.stages.exclude(kind=Stage.Kind.GATE).order_by("order"),
        "total": sum(row.members for row in rows),
        "left_out": sum(row.left_out for row in rows),
        "counts": {how: sum(row.members for row in rows if row.how == how) for how in {row.how for row in rows}},
        "refusals": migrating.refusals(chosen),
    }
    return render(request, "lifecycle/version_plan.html", context)


def _leaves(chosen: migrating.Plan, stage: Stage) -> bool:
    return stage.slug in chosen.stages and chosen.stages[stage.slug] is None


def _choices(request: HttpRequest, live_one: Version) -> dict[str, str | None]:
    """What the form says of each stage; a stage about which it says nothing is left as it is."""
    told = {stage.slug: request.POST.get(f"to-{stage.slug}", "") for stage in live_one.stages.all()}
    return {slug: None if to == LEAVE else to for slug, to in told.items() if to}
