"""The page of the ledger check."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from kit import jobs, progress, rights
from kit.models import Job, User
from reporting import integrity, plans
from reporting.models import Fill, LedgerCheck


@require_GET
def ledger(request: HttpRequest) -> HttpResponse:
    """The last check of each lifecycle's ledger, and the job that is at it."""
    now = timezone.now()
    newest = LedgerCheck.objects.order_by("lifecycle", "-checked_at").distinct("lifecycle")
    checks = {check.lifecycle_id: check for check in newest}
    fills = {fill.lifecycle_id: fill for fill in Fill.objects.all()}
    job = Job.objects.filter(kind=integrity.JOB).order_by("-created_at").first()
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
    if Job.objects.filter(kind=integrity.JOB, state__in=jobs.OPEN).exists():
        messages.info(request, _("A check is under way already."))
    else:
        by = request.user if isinstance(request.user, User) else None
        jobs.enqueue(integrity.JOB, {}, by=by, now=timezone.now(), title=_("Ledger check"))
        messages.success(request, _("The check has begun; this page shows how far it is."))
    return redirect(reverse("ledger"))
