"""Pages of the named working calendars, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from kit import audit, calendars, forms, installation, pages, rights
from kit.models import WorkingCalendar

WITHIN = ((_("Operations"), ""), (_("Settings"), "/operations/settings/"))


@method_decorator(rights.needs("administer"), name="dispatch")
class Calendars(pages.ListPage):
    """The named calendars, each with who counts by it."""

    queryset = WorkingCalendar.objects.all()
    columns = (
        pages.Column("name", _("Calendar"), sort="name", link=True),
        pages.Column("slug", _("Short name"), sort="slug"),
        pages.Column("words", _("Working hours"), value=calendars.words),
        pages.Column("uses", _("Stages that count by it"), value=lambda row: len(row.uses), align="end"),
    )
    title = _("Working calendars")
    purpose = _("By which SLA stages count that name one, of a region, say. All others count by the settings.")
    counted = ngettext_lazy("%(shown)s calendar", "%(shown)s calendars", "count")
    crumbs = WITHIN
    action = pages.Action(_("New calendar"), "working_calendar_new")
    default_sort = "name"
    file_name = "working-calendars"
    empty_title = _("No calendar yet")
    empty_text = _("Make one for a region with hours, holidays or a time zone of its own; then name it at its stages.")
    empty_icon = "calendar-clock"

    def prepare(self, rows: list[WorkingCalendar]) -> list[WorkingCalendar]:
        found = calendars.uses([row.slug for row in rows])
        for row in rows:
            row.uses = found[row.slug]  # type: ignore[attr-defined]
        return rows


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def calendar_new(request: HttpRequest) -> HttpResponse:
    """A new calendar, proposed as the settings have it."""
    if "fill" in request.POST:
        return _filled(request, None, [])
    form = forms.Calendar(request.POST or None, of=None, initial=_as_the_settings(), in_use=False)
    if form.is_valid():
        try:
            made = calendars.define(form.told, by=audit.asker(request), now=timezone.now())
            messages.success(request, _now("The calendar “%(name)s” is there. Name it at SLA stages.") % {"name": made})
            return redirect("working_calendars")
        except calendars.Refused as refused:
            form.refuse(refused)
    return _page(request, form, None, [])


@require_http_methods(["GET", "POST"])
@rights.needs("administer")
def calendar(request: HttpRequest, slug: str) -> HttpResponse:
    """One calendar: what it says, and who counts by it."""
    found = get_object_or_404(WorkingCalendar, slug=slug)
    using = calendars.uses([slug])[slug]
    if "fill" in request.POST:
        return _filled(request, found, using)
    form = forms.Calendar(request.POST or None, of=found, initial={}, in_use=bool(using))
    if form.is_valid():
        try:
            if calendars.change(found, form.told, by=audit.asker(request), now=timezone.now()):
                messages.success(request, _now("The calendar is kept. Open limits are set anew within a minute."))
            return redirect("working_calendars")
        except calendars.Refused as refused:
            form.refuse(refused)
    return _page(request, form, found, using)


@require_POST
@rights.needs("administer")
def calendar_remove(request: HttpRequest, slug: str) -> HttpResponse:
    """Remove a calendar by which nothing counts."""
    found = get_object_or_404(WorkingCalendar, slug=slug)
    try:
        calendars.remove(found, by=audit.asker(request), now=timezone.now())
    except calendars.Refused as refused:
        messages.error(request, str(refused))
        return redirect(found)
    messages.success(request, _now("The calendar “%(name)s” is removed.") % {"name": found})
    return redirect("working_calendars")


def setting(_subject: None, _request: HttpRequest, _now_: datetime) -> dict[str, Any]:
    """Of the settings page: how many calendars there are beside the one of the settings."""
    count = WorkingCalendar.objects.count()
    says = _now("Every SLA stage counts by the working calendar above.")
    if count:
        words = ngettext(
            "%(count)s calendar can be named by SLA stages.", "%(count)s calendars can be named by SLA stages.", count
        )
        says = words % {"count": count}
    return {"says": says, "label": _now("Working calendars"), "url": reverse("working_calendars")}


def _as_the_settings() -> dict[str, Any]:
    get = installation.get
    shown = {"zone": get("zone")}
    for number in get("working_days"):
        shown[f"opens_{number}"] = get("working_from")
        shown[f"closes_{number}"] = "00:00" if get("working_until") == "24:00" else get("working_until")
    return shown


def _filled(request: HttpRequest, found: WorkingCalendar | None, using: list[calendars.Use]) -> HttpResponse:
    """The page as it was typed, with the public holidays that were asked for; nothing is kept yet."""
    typed, filling = with_public_holidays(request, named=True)
    form = forms.Calendar(typed, of=found, initial={}, in_use=bool(using))
    form.errors.clear()  # what is missing is said when it is to be kept
    return _page(request, form, found, using, filling)


def with_public_holidays(request: HttpRequest, *, named: bool) -> tuple[QueryDict, forms.PublicHolidays]:
    """What was typed, with the holidays asked for beside those that were, each with its name or the day alone."""
    typed, filling = request.POST.copy(), forms.PublicHolidays(request.POST, this_year=_this_year())
    if filling.is_valid():
        typed["holidays"] = filling.beside(typed.get("holidays", ""), named=named)
    return typed, filling


def public_holidays() -> forms.PublicHolidays:
    """The form that asks for them, of this year and the next."""
    return forms.PublicHolidays(this_year=_this_year())


def _this_year() -> int:
    return timezone.now().astimezone(installation.zone()).year


def _page(
    request: HttpRequest,
    form: forms.Calendar,
    found: WorkingCalendar | None,
    using: list[calendars.Use],
    filling: forms.PublicHolidays | None = None,
) -> HttpResponse:
    title = str(found) if found else _now("New calendar")
    context = {
        "form": form,
        "filling": filling or public_holidays(),
        "calendar": found,
        "uses": using,
        "title": title,
        "crumbs": [*WITHIN, (_now("Working calendars"), reverse("working_calendars")), (title, "")],
    }
    return render(request, "kit/calendar.html", context, status=400 if form.errors else 200)
