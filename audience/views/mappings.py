"""Pages of mappings that are kept: how files of a sort are read, to be changed or thrown away."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience import importing
from audience.importing import forms, saved
from audience.models import SavedMapping
from kit import audit, pages, rights
from kit import forms as kit_forms


def _kind(row: SavedMapping) -> Any:
    return importing.kind_of(row.kind).label


def _columns(row: SavedMapping) -> int:
    return len(row.mapping.get("columns", {}))


class Mappings(pages.ListPage):
    """Every mapping that is kept, by name."""

    queryset = SavedMapping.objects.annotate(used_by=Count("schedules"))
    columns = (
        pages.Column("name", gettext_lazy("Mapping"), sort="name", template="audience/_mapping_name.html", whole=True),
        pages.Column("kind", gettext_lazy("Rows are"), sort="kind", value=_kind),
        pages.Column("source", gettext_lazy("Source"), sort="source"),
        pages.Column("columns", gettext_lazy("Columns"), value=_columns, align="end"),
        pages.Column("used_by", gettext_lazy("Schedules"), align="end"),
        pages.Column("used_at", gettext_lazy("Last used"), sort="used_at", desc_first=True),
    )
    title = gettext_lazy("Mappings")
    crumbs = ((gettext_lazy("Data"), ""), (gettext_lazy("Imports"), "imports"))
    purpose = gettext_lazy("How files are read that come again: proposed for files with nearly the same columns.")
    counted = ngettext_lazy("%(shown)s mapping", "%(shown)s mappings", "count")
    default_sort = "name"
    file_name = "mappings"
    empty_title = gettext_lazy("No mapping is kept yet")
    empty_text = gettext_lazy("Give the mapping of a file a name while you bring it in.")
    empty_icon = "waypoints"


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name, other columns or values for a mapping."""
    kept = get_object_or_404(SavedMapping, pk=pk)
    form = forms.KeptMapping(kept, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            saved.change(
                kept,
                name=form.cleaned_data["name"],
                columns=form.told(),
                options=form.options(),
                source=form.cleaned_data["source"],
                policy=form.cleaned_data["policy"],
                by=audit.asker(request),
                now=timezone.now(),
            )
        except importing.Refused as refusal:
            form.add_error("name" if refusal.code in ("name_taken", "bad_name") else None, refusal.message)
            kept.refresh_from_db()
        else:
            messages.success(request, _("The next file is read by “%(name)s” as it is now.") % {"name": kept})
            return redirect("import_mappings")
    context = {
        "kept": kept,
        "form": form,
        "kind": importing.kind_of(kept.kind),
        "schedules": kept.schedules.order_by("name"),
        "zones": kit_forms.ZONES if form.has_zones else (),
    }
    return render(request, "audience/mapping.html", context, status=400 if form.errors else 200)


@require_POST
@rights.needs("edit")
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a mapping away, if no schedule needs it."""
    kept = get_object_or_404(SavedMapping, pk=pk)
    try:
        saved.delete(kept, by=audit.asker(request), now=timezone.now())
    except importing.Refused as refusal:
        messages.error(request, _("It stays. %(why)s") % {"why": refusal.message})
        return redirect("import_mapping", pk)
    messages.success(request, _("“%(name)s” is kept no more.") % {"name": kept.name})
    return redirect("import_mappings")
