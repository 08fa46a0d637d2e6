"""The page of the ledger check."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from kit import progress, rights
from kit.audit import asker
from reporting import integrity, plans
from reporting.models import Fill


@require_GET
def ledger(request: HttpRequest) -> HttpResponse:
    """The last check of each lifecycle's ledger, and the job that is at it."""
    now = timezone.now()
    checks = integrity.newest()
    for check in checks.values():
        check.findings = integrity.seen(check.findings, request.user)
    fills = {fill.lifecycle_id: fill for fill in Fill.objects.all()}
    job = integrity.last_job()
    context = {
        "lifecycles": [
            {"lifecycle": each, "check": checks.get(each.pk), "fill": fills.get(each.pk)} for each in plans.readable()
        ],
        "job": job,
        "progress": progress.of(job, now) if job else None,
    }
    return render(request, "reporting/ledger.html", context)


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
