"""Pages of scheduled imports: where files come from by themselves, when next, and what came of each look."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import importing
from audience.importing import forms, schedules
from audience.models import ImportSchedule, ImportTurn, SavedMapping
from kit import audit, pages, rights

TURNS_SHOWN = 50


def _from(row: ImportSchedule) -> str:
    return (
        row.url.partition("?")[0]
        if row.place == ImportSchedule.Place.URL
        else f"{row.folder or '.'}/{row.pattern or '*'}"
    )


LAST = ImportTurn.objects.filter(schedule=OuterRef("pk")).order_by("-began_at", "-pk")


class Schedules(pages.ListPage):
    """Every schedule, with its next look and what came of the last one."""

    queryset = ImportSchedule.objects.select_related("saved", "owner").annotate(
        last_at=Subquery(LAST.values("began_at")[:1]), outcome=Subquery(LAST.values("outcome")[:1])
    )
    columns = (
        pages.Column(
            "name", gettext_lazy("Schedule"), sort="name", template="audience/_schedule_name.html", whole=True
        ),
        pages.Column("place", gettext_lazy("From"), value=_from),
        pages.Column("saved", gettext_lazy("Mapping"), sort="saved__name"),
        pages.Column("every", gettext_lazy("How often"), value="get_every_display"),
        pages.Column("next_at", gettext_lazy("Next"), sort="next_at", template="audience/_schedule_next.html"),
        pages.Column("last_at", gettext_lazy("Last"), template="audience/_schedule_last.html"),
        pages.Column("owner", gettext_lazy("Owner")),
    )
    title = gettext_lazy("Schedules")
    crumbs = ((gettext_lazy("Data"), ""), (gettext_lazy("Imports"), "imports"))
    purpose = gettext_lazy("Files that are brought in by themselves, from a folder or an address.")
    counted = ngettext_lazy("%(shown)s schedule", "%(shown)s schedules", "count")
    action = pages.Action(gettext_lazy("New schedule"), "import_schedule_new", right="edit")
    also = (pages.Action(gettext_lazy("Mappings"), "import_mappings", "waypoints"),)
    default_sort = "name"
    file_name = "import-schedules"
    empty_title = gettext_lazy("Nothing comes by itself yet")
    empty_text = gettext_lazy(
        "Bring a file in by hand, keep its mapping under a name, then say where the next ones come from."
    )
    empty_icon = "calendar-clock"


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new schedule."""
    form = forms.Schedule(request.POST or None, initial={"place": ImportSchedule.Place.FOLDER})
    if request.method == "POST" and form.is_valid():
        try:
            made = schedules.create(**form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except importing.Refused as refusal:
            form.add_error(_field(refusal), refusal.message)
        else:
            return redirect("import_schedule", made.pk)
    return _form(request, form, None)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another place or time."""
    schedule = get_object_or_404(ImportSchedule, pk=pk)
    told = ("name", "place", "folder", "pattern", "url", "sign", "user", "every", "next_at")
    initial = {"mapping": schedule.saved_id, **{name: getattr(schedule, name) for name in told}}
    form = forms.Schedule(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            schedules.change(schedule, **form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except importing.Refused as refusal:
            form.add_error(_field(refusal), refusal.message)
            schedule.refresh_from_db()
        else:
            messages.success(request, _("“%(name)s” is kept.") % {"name": schedule.name})
            return redirect("import_schedule", pk)
    return _form(request, form, schedule)


@require_GET
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """When it looks next, and what came of each look. htmx asks for the part that changes while one is under way."""
    schedule = get_object_or_404(ImportSchedule.objects.select_related("saved", "owner"), pk=pk)
    turns = list(
        schedule.turns.select_related("asked_by", "job")
        .prefetch_related("files__imported")
        .order_by("-began_at", "-pk")[:TURNS_SHOWN]
    )
    is_open = any(turn.outcome == ImportTurn.Outcome.OPEN for turn in turns)
    context = {"schedule": schedule, "from": _from(schedule), "turns": turns, "is_open": is_open, "shown": TURNS_SHOWN}
    return pages.part(request, f"schedule-{pk}", "audience/_schedule.html", "audience/schedule.html", context)


@require_POST
@rights.needs("edit")
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Look now."""
    schedule = get_object_or_404(ImportSchedule, pk=pk)
    try:
        schedules.start(schedule, by=audit.asker(request), now=timezone.now())
    except importing.Refused as refusal:
        messages.warning(request, refusal.message)
    return redirect("import_schedule", pk)


@require_POST
@rights.needs("edit")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """No look by the clock, or looks again."""
    schedule = get_object_or_404(ImportSchedule, pk=pk)
    verb = schedules.resume if schedule.paused_at else schedules.pause
    verb(schedule, by=audit.asker(request), now=timezone.now())
    return redirect("import_schedule", pk)


@require_POST
@rights.needs("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Look no more."""
    schedule = get_object_or_404(ImportSchedule, pk=pk)
    try:
        schedules.delete(schedule, by=audit.asker(request), now=timezone.now())
    except importing.Refused as refusal:
        messages.error(request, _("It stays. %(why)s") % {"why": refusal.message})
        return redirect("import_schedule", pk)
    messages.success(request, _("“%(name)s” is deleted. What it brought in stays.") % {"name": schedule.name})
    return redirect("import_schedules")


def _field(refusal: importing.Refused) -> str | None:
    fields = {
        "bad_name": "name", "name_taken": "name", "bad_folder": "folder", "no_folder": "folder", "no_folders": "folder",
        "bad_address": "url", "no_secret": "secret", "bad_secret": "secret",
    }  # fmt: skip
    return fields.get(refusal.code)


def _form(request: HttpRequest, form: forms.Schedule, schedule: ImportSchedule | None) -> HttpResponse:
    context = {
        "form": form, "schedule": schedule, "root": schedules.folders(), "has_mappings": SavedMapping.objects.exists(),
    }  # fmt: skip
    return render(request, "audience/schedule_form.html", context, status=400 if form.errors else 200)
