"""Pages of imports: the list, a new file, what its columns become, what became of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import django_filters
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience import importing
from audience.importing import forms, rollback, said, saved
from audience.models import Import, Reject, SavedMapping
from audience.subjects import sight
from kit import audit, exports, pages, progress, rights
from kit import forms as kit_forms
from kit.models import Job
from kit.registry import registry

REJECTS_SHOWN = 50
WORDS = {
    "rows": gettext_lazy("Rows read"),
    "created": gettext_lazy("Created"),
    "updated": gettext_lazy("Updated"),
    "unchanged": gettext_lazy("Unchanged"),
    "skipped": gettext_lazy("Skipped, as asked"),
    "repeated": gettext_lazy("Repeated in the file"),
    "rejected": gettext_lazy("Rejected"),
    "people_created": gettext_lazy("People created beside"),
    "accounts_created": gettext_lazy("Accounts created beside"),
    "products_created": gettext_lazy("Products created beside"),
    "kinds_created": gettext_lazy("Kinds of activity created"),
    "parents_unknown": gettext_lazy("Parents that nobody knows"),
    "parents_circular": gettext_lazy("Parents that would belong to their own child, left out"),
}
# After a dry run: nothing was written, so nothing was created either.
WOULD = {
    "created": gettext_lazy("Would be created"),
    "updated": gettext_lazy("Would be updated"),
    "skipped": gettext_lazy("Would be skipped, as asked"),
    "rejected": gettext_lazy("Would be rejected"),
    "people_created": gettext_lazy("People who would be created beside"),
    "accounts_created": gettext_lazy("Accounts that would be created beside"),
    "products_created": gettext_lazy("Products that would be created beside"),
    "kinds_created": gettext_lazy("Kinds of activity that would be created"),
}


def _kind(row: Import) -> Any:
    return importing.kind_of(row.kind).label if row.kind else None


def _count(name: str) -> Any:
    return lambda row: row.counts.get(name)


def _written(name: str) -> Any:
    return lambda row: None if row.dry_run else row.counts.get(name)


class Filters(django_filters.FilterSet):
    """Imports by file, kind and source."""

    q = django_filters.CharFilter(field_name="file_name", lookup_expr="icontains", label=gettext_lazy("Search"))
    kind = django_filters.AllValuesFilter(label=gettext_lazy("Rows are"), empty_label=gettext_lazy("Any"))
    source = django_filters.AllValuesFilter(label=gettext_lazy("Source"), empty_label=gettext_lazy("Any"))

    class Meta:
        model = Import
        fields: ClassVar[list[str]] = []


class Imports(pages.ListPage):
    """All files that were brought in, the newest first."""

    queryset = Import.objects.select_related("job", "created_by")
    filterset_class = Filters
    columns = (
        pages.Column("file_name", gettext_lazy("File"), sort="file_name", template="audience/_import_name.html"),
        pages.Column("kind", gettext_lazy("Rows are"), sort="kind", value=_kind),
        pages.Column("source", gettext_lazy("Source"), sort="source"),
        pages.Column("state", gettext_lazy("State"), template="audience/_import_state.html", value="job.state"),
        pages.Column("rows", gettext_lazy("Rows"), value=_count("rows"), align="end"),
        pages.Column("created", gettext_lazy("Created"), value=_written("created"), align="end"),
        pages.Column("updated", gettext_lazy("Updated"), value=_written("updated"), align="end"),
        pages.Column("rejected", gettext_lazy("Rejected"), value=_count("rejected"), align="end"),
        pages.Column("created_by", gettext_lazy("By")),
        pages.Column("created_at", gettext_lazy("When"), sort="created_at", desc_first=True),
    )
    title = gettext_lazy("Imports")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "Files that brought people, accounts, activities and commerce in, and what became of their rows."
    )
    counted = ngettext_lazy("%(shown)s import", "%(shown)s imports", "count")
    default_sort = "-created_at"
    file_name = "imports"
    action = pages.Action(gettext_lazy("Import a file"), "import_new", "upload", right="edit")
    also = (pages.Action(gettext_lazy("Mappings"), "import_mappings", "waypoints"),)
    empty_title = gettext_lazy("Nothing was brought in yet")
    empty_text = gettext_lazy("Start with the people that you know: any CSV file with an email or an id will do.")
    empty_icon = "upload"


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """Choose a file and say what its rows are."""
    form = forms.Upload(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            imported = importing.upload(
                file,
                form.cleaned_data["kind"],
                source=form.cleaned_data["source"],
                by=audit.asker(request),
                now=timezone.now(),
                name=file.name,
            )
        except importing.Refused as refusal:
            form.add_error("file", refusal.message)
        else:
            if not imported.kind and (fit := saved.fitting("", imported.header)):
                importing.choose_kind(imported, fit[0].kind)
            return redirect("import_map", imported.pk)
    return render(request, "audience/import_new.html", {"form": form})


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what each column becomes; try it without writing, or do it."""
    imported = get_object_or_404(Import, pk=pk)
    if imported.finished_at and not imported.dry_run:
        return redirect("import", pk)
    if request.method == "POST" and "sheet" in request.POST:
        try:
            importing.choose_sheet(imported, request.POST["sheet"])
        except importing.Refused as refusal:
            messages.warning(request, refusal.message)
        return redirect("import_map", pk)
    if request.method == "POST" and "kind" in request.POST:
        try:
            importing.choose_kind(imported, request.POST["kind"])
        except importing.Refused as refusal:
            messages.warning(request, refusal.message)
        return redirect("import_map", pk)
    kinds = [(name, each.label) for name, each in registry.import_kinds.items()]
    if not imported.kind:
        return render(request, "audience/import_map.html", {"imported": imported, "kind": None, "kinds": kinds})
    try:
        guess = importing.guessed(imported)
    except importing.Refused as refusal:
        messages.warning(request, refusal.message)
        return redirect("imports")
    kind = importing.kind_of(imported.kind)
    fitting = saved.fitting(imported.kind, imported.header)
    begun, used = _begun(imported, fitting, request.GET.get("saved"))
    told = said.told(kind, begun["columns"] or guess.mapping, said.of(imported, guess.columns))
    form = forms.Mapping(kind, guess, begun, used.policy if used else imported.policy, told, request.POST or None)
    if request.method == "POST" and form.is_valid():
        by, now = audit.asker(request), timezone.now()
        try:
            with transaction.atomic():
                importing.begin(
                    imported,
                    mapping=form.told(),
                    policy=form.cleaned_data["policy"],
                    dry_run="import" not in request.POST,
                    options=form.options(),
                    by=by,
                    now=now,
                )
                if name := form.cleaned_data["keep_as"]:
                    saved.of_import(imported, name, by=by, now=now)
        except importing.Refused as refusal:
            imported.refresh_from_db()
            form.add_error("keep_as" if refusal.code in ("name_taken", "bad_name") else None, refusal.message)
        else:
            return redirect("import", pk)
    notes = [*imported.mapping["options"].get("notes", []), *guess.notes]
    if note := kind.note(_fields_of(begun["columns"] or guess.mapping)):
        notes.append(note)
    context = {
        "imported": imported, "kind": kind, "form": form, "guess": guess, "notes": notes, "used": used,
        "fitting": fitting, "kinds": kinds, "zones": kit_forms.ZONES if form.has_zones else (),
        "new_names": said.new_names(imported),
    }  # fmt: skip
    return render(request, "audience/import_map.html", context)


def _fields_of(columns: Mapping[str, str | Sequence[str]]) -> set[str]:
    """All that the columns of a mapping become."""
    return {field for fields in columns.values() for field in ([fields] if isinstance(fields, str) else fields)}


def _begun(
    imported: Import, fitting: list[SavedMapping], chosen: str | None
) -> tuple[dict[str, Any], SavedMapping | None]:
    """What the form begins with: how it was tried, else a mapping that is kept and fits; and which one that is."""
    if imported.mapping["columns"] and chosen is None:
        return imported.mapping, None
    used = next((each for each in fitting if chosen in (None, str(each.pk))), None)
    if used is None:
        return {"columns": {}, "options": {}}, None
    columns, options = saved.fitted(used, imported.header)
    return {"columns": columns, "options": options}, used


@require_GET
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an import is, and what became of its rows. htmx asks for the part that changes while it runs."""
    imported = get_object_or_404(Import.objects.select_related("job", "created_by", "rollback"), pk=pk)
    if imported.job is None:
        return redirect("import_map", pk)
    now = timezone.now()
    job = imported.job if imported.rollback is None else imported.rollback
    rejects = list(_rejects(request, imported).order_by("row", "pk")[:REJECTS_SHOWN])
    for reject in rejects:
        reject.reason = _(reject.reason)
        reject.cell = _refused_cell(imported, reject)  # type: ignore[attr-defined]
    kind = importing.kind_of(imported.kind)
    words = {**WORDS, **kind.words, **(WOULD if imported.dry_run else {})}
    context = {
        "imported": imported,
        "kind": kind,
        "job": job,
        "progress": progress.of(job, now),
        "lines": rollback.lines_of(imported),
        "can_roll_back": rollback.refusal(imported) is None,
        "counts": [(name, words.get(name, name), number) for name, number in importing.counts_of(imported).items()],
        "rejects": rejects,
        "shown": REJECTS_SHOWN,
        "mapping": _became(imported),
        "new_names": said.new_names(imported) if imported.dry_run else (),
    }
    return pages.part(request, f"import-{pk}", "audience/_import.html", "audience/import_page.html", context)


@require_POST
@rights.needs("edit")
def go(request: HttpRequest, pk: int) -> HttpResponse:
    """After a dry run: bring the rows in, mapped as they were tried."""
    imported = get_object_or_404(Import, pk=pk)
    try:
        importing.begin(
            imported,
            mapping=imported.mapping["columns"],
            policy=imported.policy,
            options=imported.mapping["options"],
            by=audit.asker(request),
            now=timezone.now(),
        )
    except importing.Refused as refusal:
        messages.warning(request, refusal.message)
    return redirect("import", pk)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def roll_back(request: HttpRequest, pk: int) -> HttpResponse:
    """What taking a whole import back would do; and have it done."""
    imported = get_object_or_404(Import.objects.select_related("job", "rollback"), pk=pk)
    now = timezone.now()
    try:
        if request.method == "GET":
            return _what_would_go(request, imported, now)
        if "foresee" in request.POST:
            rollback.foresee(imported, by=audit.asker(request), now=now)
            return redirect("import_roll_back", pk)
        rollback.begin(imported, by=audit.asker(request), now=now)
    except importing.Refused as refusal:
        messages.warning(request, refusal.message)
    return redirect("import", pk)


def _what_would_go(request: HttpRequest, imported: Import, now: datetime) -> HttpResponse:
    """What rolling back would do: at once, or as a job has worked it out. htmx asks while that is at it."""
    if refused := rollback.refusal(imported):
        raise refused
    job = None if rollback.is_quick(imported) else rollback.foreseen(imported)
    lines = (
        rollback.preview(imported, now=now)
        if rollback.is_quick(imported)
        else rollback.lines_foreseen(job)
        if job
        else []
    )
    context = {
        "imported": imported, "lines": lines, "job": job, "progress": progress.of(job, now) if job else None,
        "is_known": rollback.is_quick(imported) or (job is not None and job.state == Job.State.DONE),
    }  # fmt: skip
    return pages.part(
        request, f"roll-back-{imported.pk}", "audience/_would_go.html", "audience/import_roll_back.html", context
    )


@require_GET
def rejects(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The rejected rows as a file: the columns as they were, with number, column and reason before them."""
    imported = get_object_or_404(Import, pk=pk)
    if not sight.everything(request.user):
        raise Http404
    count = imported.rejects.count()
    header, lines = importing.rejected(imported)
    return exports.download(request, f"rejected-{pk}", header, lines, count=count, now=timezone.now())


def _rejects(request: HttpRequest, imported: Import) -> QuerySet[Reject]:
    """The rows that were refused: of people who may belong to nobody, so for those who see everybody."""
    return imported.rejects.all() if sight.everything(request.user) else imported.rejects.none()


def _refused_cell(imported: Import, reject: Reject) -> str:
    """What stands in the column for which the row was refused; "" when it was for the whole of it."""
    cells = dict(zip(imported.header, reject.raw, strict=False))
    return str(cells.get(reject.column) or "")


def _became(imported: Import) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Each column of the file, in its order, with the labels of what it became, and its values that became others;
    fixed values after them.
    """
    words = imported.mapping["options"].get("values", {})
    told, known = imported.mapping["columns"], importing.kind_of(imported.kind).by_name

    def label(field: str) -> str:
        return str(known[field].label) if field in known else field.partition(":")[0]

    order = [*imported.header, *(name for name in told if name not in imported.header)]
    left_out = _("left out")
    return [
        (name, ", ".join(map(label, told[name])) if name in told else left_out, list(words.get(name, {}).items()))
        for name in order
    ]
