"""Pages of the kit: the first one, jobs, settings, the styleguide."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from kit import audit, filters, forms, installation, jobs, pages, panels, progress, rights, samples, writing
from kit.models import Job
from kit.views import calendars


def _took(job: Job) -> str:
    return writing.span(progress.of(job, timezone.now()).took)


class Jobs(pages.ListPage):
    """All long work, the newest first."""

    queryset = Job.objects.select_related("created_by")
    filterset_class = filters.Jobs
    columns = (
        pages.Column("title", gettext_lazy("Job"), value="__str__", template="kit/_job_name.html"),
        pages.Column(
            "state", gettext_lazy("State"), sort="state", value="get_state_display", template="kit/_job_cell.html"
        ),
        pages.Column(
            "rows_done",
            gettext_lazy("Worked through"),
            sort="rows_done",
            value=progress.done,
            export=lambda row: row.rows_done,
            align="end",
            desc_first=True,
        ),
        pages.Column("created_by", gettext_lazy("Asked by")),
        pages.Column("created_at", gettext_lazy("Asked for"), sort="created_at", desc_first=True),
        pages.Column("took", gettext_lazy("Took"), value=_took, align="end"),
    )
    title = gettext_lazy("Jobs")
    purpose = gettext_lazy("Long work, such as imports and replays: how far it is, how it ended, and why if it failed.")
    counted = ngettext_lazy("%(shown)s job", "%(shown)s jobs", "count")
    crumbs = ((gettext_lazy("Operations"), ""),)
    default_sort = "-created_at"
    file_name = "jobs"
    empty_title = gettext_lazy("No work yet")
    empty_text = gettext_lazy("Whatever takes longer than a moment appears here with its progress.")
    empty_icon = "list-checks"
    template_name = "kit/jobs.html"

    def context(self) -> dict[str, Any]:
        now = timezone.now()
        return {"panels": panels.draw("jobs", None, self.request, now)}

    def prepare(self, rows: list[Job]) -> list[Job]:
        now = timezone.now()
        for row in rows:
            row.progress = progress.of(row, now)  # type: ignore[attr-defined]
        return rows


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The first page: what cannot wait, what is still to be done to begin, and what each app has to say today."""
    now = timezone.now()
    places = {"urgent": "urgent", "steps": "start", "panels": "home"}
    context = {name: panels.draw(place, None, request, now) for name, place in places.items()}
    return render(request, "kit/home.html", context)


@require_GET
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """One job; htmx asks for its progress every second while it is open.

    A page that shows what the job makes says `renews`, and is loaded anew when the job has ended: once, by the part
    that asks no more. Asking on would begin the loading again each second, and a page that takes longer never came.
    """
    found = get_object_or_404(Job.objects.select_related("created_by"), pk=pk)
    found.progress = progress.of(found, timezone.now())  # type: ignore[attr-defined]
    renews = "renews" in request.GET
    context = {"job": found, "row": found, "progress": found.progress, "renews": renews}  # type: ignore[attr-defined]
    if pages.wants_part(request, f"job-cell-{pk}"):
        return render(request, "kit/_job_cell.html", context)
    answer = pages.part(request, f"job-{pk}", "kit/_job.html", "kit/job.html", context)
    if renews and not found.progress.is_open:  # type: ignore[attr-defined]
        answer["HX-Trigger-After-Swap"] = "renew"
    return answer


@require_POST
@rights.needs("operate")
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a job to stop."""
    get_object_or_404(Job, pk=pk)
    if jobs.cancel(pk, by=audit.asker(request), now=timezone.now()):
        messages.info(request, _("The job will stop after the part that it is working on."))
    else:
        messages.warning(request, _("The job had already ended, so there was nothing to cancel."))
    return redirect(pages.next_of(request, reverse("job", args=[pk])))


@require_POST
@rights.needs("operate")
def job_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a failed or cancelled job again, from where it stopped."""
    get_object_or_404(Job, pk=pk)
    if jobs.retry(pk, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("The job waits for its turn and goes on from where it stopped."))
    else:
        messages.warning(request, _("Only a failed or cancelled job can be tried again."))
    return redirect(pages.next_of(request, reverse("job", args=[pk])))


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def settings_page(request: HttpRequest) -> HttpResponse:
    """What is set for the whole installation; for administrators."""
    now = timezone.now()
    present = {name: installation.get(name) for name in forms.Installation.base_fields}
    if "fill" in request.POST:
        typed, filling = calendars.with_public_holidays(request, named=False)
        form = forms.Installation(typed, initial=present)
        form.errors.clear()  # what is missing is said when it is to be kept
        return _settings(request, form, now, filling=filling)
    form = forms.Installation(request.POST or None, initial=present)
    if form.is_valid():
        sure = form.needs_sure()
        if request.POST.get("sure", "") == sure:
            if installation.change(form.cleaned_data, by=audit.asker(request), now=now):
                messages.success(request, _("The settings are kept."))
            return redirect("settings")
        return _settings(request, form, now, sure)
    return _settings(request, form, now)


def _settings(
    request: HttpRequest,
    form: forms.Installation,
    now: datetime,
    sure: str = "",
    filling: forms.PublicHolidays | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "sure": sure,
        "filling": filling or calendars.public_holidays(),
        "elsewhere": panels.draw("settings", None, request, now),
    }
    return render(request, "kit/settings.html", context, status=400 if form.errors else 200)


@require_GET
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in each of its states."""
    return render(request, "kit/styleguide.html", samples.context(timezone.now()))
