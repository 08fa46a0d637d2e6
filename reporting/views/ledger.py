"""The page of the ledger check."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from kit import progress, rights
from kit.audit import asker
from reporting import addresses, integrity, plans, windows
from reporting import funnel as funnels
from reporting.figures import identity as figures
from reporting.models import Fill
from reporting.views import asking


@require_GET
def ledger(request: HttpRequest) -> HttpResponse:
    """The last check of each lifecycle's ledger, the job that is at it, and the identity of a time span."""
    now = timezone.now()
    asked = {plan.lifecycle.pk: addresses.read(_window(request), plan, funnels.today(now), now) for plan in _plans()}
    checks = integrity.newest()
    for check in checks.values():
        check.findings = integrity.seen(check.findings, request.user)
    fills = {fill.lifecycle_id: fill for fill in Fill.objects.all()}
    job = integrity.last_job()
    context = {
        "lifecycles": [
            {
                "lifecycle": one.question.plan.lifecycle,
                "check": checks.get(pk),
                "fill": fills.get(pk),
                "identity": figures.identity(one.question),
            }
            for pk, one in asked.items()
        ],
        "ask": _ask(next(iter(asked.values()))) if asked else None,
        "notes": next(iter(asked.values())).notes if asked else (),
        "job": job,
        "progress": progress.of(job, now) if job else None,
    }
    return render(request, "reporting/ledger.html", context)


def _plans() -> list[plans.Plan]:
    return [plan for each in plans.readable() if (plan := plans.read(each))]


def _window(request: HttpRequest) -> dict[str, str]:
    """The time span of the address; the last 30 days unless it says otherwise."""
    asked = {name: request.GET.get(name, "") for name in ("window", "was", "from", "to")}
    return asked if any(asked.values()) else {"window": windows.Preset.LAST_30.value}


def _ask(asked: addresses.Asked) -> dict[str, Any]:
    told = asking.form("ledger", asked.preset, asked.question.window, [], [], "")
    return told["ask"]


@require_POST
@rights.needs("operate")
def check_ledger(request: HttpRequest) -> HttpResponse:
    """Check all ledgers in the background; one check at a time."""
    _job, is_new = integrity.ask(by=asker(request), now=timezone.now())
    if is_new:
        messages.success(request, _("The check has begun; this page shows how far it is."))
    else:
        messages.info(request, _("A check is under way already."))
    return redirect(reverse("ledger"))
