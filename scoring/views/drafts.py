"""Pages of versions: a new model, the rules of a draft one by one, what it would change, publishing and retiring."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience.subjects import sight
from kit import pages, progress, rights
from kit.audit import asker
from kit.models import Job
from scoring import documents, editing, explaining, filters, forms, previewing, querysets, rules, versions
from scoring.models import Crossing, Rule, ScoringModel, ScoringVersion

RULE_FORMS = {Rule.Kind.BEHAVIOUR: forms.BehaviourRule, Rule.Kind.FIT: forms.FitRule}


def _version(slug: str, number: int) -> ScoringVersion:
    found = ScoringVersion.objects.select_related("model", "job", "created_by")
    return get_object_or_404(found, model__slug=slug, number=number)


def _rule(slug: str, number: int, pk: int) -> Rule:
    found = Rule.objects.select_related("version__model")
    return get_object_or_404(found, version__model__slug=slug, version__number=number, pk=pk)


def _page(version: ScoringVersion, anchor: str = "") -> HttpResponse:
    return redirect(reverse("scoring_version", args=[version.model.slug, version.number]) + anchor)


def _crumbs(version: ScoringVersion, *more: str) -> list[tuple[Any, str]]:
    model = version.model
    path = [(_("Scoring"), reverse("scoring_models")), (str(model), reverse("scoring_model", args=[model.slug]))]
    if not more:
        return [*path, (str(version), "")]
    here = reverse("scoring_version", args=[model.slug, version.number])
    return [*path, (str(version), here), *((each, "") for each in more)]


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new model from nothing, or from a file."""
    form = forms.NewModel(request.POST or None)
    if form.is_valid():
        version = editing.start(form.cleaned_data, by=asker(request), now=timezone.now())
        messages.success(
            request, _("“%(model)s” is a draft. Give it rules, then publish it.") % {"model": version.model}
        )
        return _page(version)
    return _new(request, form, forms.FromFile())


def _new(request: HttpRequest, form: forms.NewModel, file: forms.FromFile) -> HttpResponse:
    refused = form.is_bound or file.is_bound
    return render(request, "scoring/new.html", {"form": form, "file": file}, status=400 if refused else 200)


@rights.needs("edit")
def from_file(request: HttpRequest) -> HttpResponse:
    """A draft from a YAML file."""
    if request.method != "POST":
        return redirect("scoring_new")
    file = forms.FromFile(request.POST, request.FILES)
    if file.is_valid():
        try:
            version = versions.draft(file.cleaned_data["document"], by=asker(request), now=timezone.now())
        except versions.Refused as refused:
            file.add_error("file", str(refused))
        else:
            messages.success(
                request, _("%(version)s is a draft: look it over, then publish it.") % {"version": version}
            )
            return _page(version)
    return _new(request, forms.NewModel(), file)


@require_POST
@rights.needs("edit")
def draft(request: HttpRequest, slug: str) -> HttpResponse:
    """A draft of a model to work on."""
    model = get_object_or_404(ScoringModel, slug=slug)
    return _page(versions.draft_of(model, by=asker(request), now=timezone.now()))


@require_GET
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version: its rules in words, its thresholds, and of a draft what it would change."""
    found = _version(slug, number)
    now = timezone.now()
    is_draft = found.state == ScoringVersion.State.DRAFT
    job = found.job
    is_preview = job is not None and job.kind == previewing.KIND
    result = job.result if job and is_preview and job.state == Job.State.DONE and is_draft else None
    spans = _compared(result) if result else []
    context = {
        "version": found,
        "model": found.model,
        "crumbs": _crumbs(found),
        "rules": _in_words(found),
        "groups": sorted(found.caps.items()),
        "problems": versions.problems(found) if is_draft else [],
        "may_edit": is_draft and rights.may(request.user, "edit"),
        "form": forms.Thresholds(version=found) if is_draft else None,
        "job": job if job and job.state != Job.State.DONE and (is_draft or not is_preview) else None,
        "progress": progress.of(job, now) if job else None,
        "preview": result,
        "spans": spans,
        "largest": max((max(each.count, each.drafted or 0) for each in spans), default=0),
    }
    return render(request, "scoring/version.html", context)


def _in_words(found: ScoringVersion) -> list[dict[str, Any]]:
    """Each rule with what it asks in words; one that cannot be read any more says why."""
    told: list[dict[str, Any]] = []
    for each in found.rules.order_by("order"):
        cap = None if each.cap is None else documents.plain(each.cap)
        told.append(
            {
                "rule": each,
                "asks": rules.told(each, found.model.of),
                "points": explaining.plain_points(each.points),
                "cap": cap,
            }
        )
    return told


def _compared(result: dict[str, Any]) -> list[previewing.Span]:
    counts, drafted = ({int(points): n for points, n in result[key].items()} for key in ("counts", "drafted"))
    return previewing.spans(counts, drafted)


@require_GET
def document(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A version as its YAML file."""
    found = _version(slug, number)
    response = HttpResponse(documents.dump(found), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}_v{number}.yaml"'
    return response


# ---- rules ----


@rights.needs("edit")
def rule_new(request: HttpRequest, slug: str, number: int, kind: str) -> HttpResponse:
    """A rule more."""
    found = _version(slug, number)
    if kind not in RULE_FORMS:
        raise Http404
    form = RULE_FORMS[Rule.Kind(kind)](request.POST or None, version=found)
    if form.is_valid():
        try:
            editing.add(found, form.cleaned_rule, by=asker(request), now=timezone.now())
        except versions.Refused as refused:
            messages.error(request, str(refused))
        return _page(found, "#rules")
    return _rule_page(request, found, form, kind, None)


@rights.needs("edit")
def rule(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    """One rule of a draft, to be changed."""
    found = _rule(slug, number, pk)
    given: dict[str, Any] = {"version": found.version, "initial": forms.initial_of(found)}
    if found.kind == Rule.Kind.BEHAVIOUR:
        given["kept"] = found.where
    form = RULE_FORMS[Rule.Kind(found.kind)](request.POST or None, **given)
    if form.is_valid():
        try:
            editing.change(found, form.cleaned_rule, by=asker(request), now=timezone.now())
        except versions.Refused as refused:
            messages.error(request, str(refused))
        return _page(found.version, "#rules")
    return _rule_page(request, found.version, form, found.kind, found)


def _rule_page(request: HttpRequest, found: ScoringVersion, form: Any, kind: str, rule: Rule | None) -> HttpResponse:
    title = str(rule) if rule else _("New behaviour rule") if kind == Rule.Kind.BEHAVIOUR else _("New fit rule")
    context = {
        "version": found, "model": found.model, "form": form, "kind": kind, "rule": rule, "title": title,
        "kept": getattr(form, "kept", None), "crumbs": _crumbs(found, title),
    }  # fmt: skip
    return render(request, "scoring/rule.html", context, status=400 if form.is_bound else 200)


@require_POST
@rights.needs("edit")
def rule_move(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    """A rule one place up or down."""
    found = _rule(slug, number, pk)
    try:
        places = -1 if request.POST.get("to") == "up" else 1
        editing.move(found, places, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        messages.error(request, str(refused))
    return _page(found.version, "#rules")


@require_POST
@rights.needs("edit")
def rule_remove(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    """A rule less."""
    found = _rule(slug, number, pk)
    try:
        editing.remove(found, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("“%(rule)s” is gone from the draft.") % {"rule": found})
    return _page(found.version, "#rules")


@rights.needs("edit")
def thresholds(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Limit, grades, levels and caps of a draft."""
    found = _version(slug, number)
    form = forms.Thresholds(request.POST or None, version=found)
    if form.is_valid():
        try:
            editing.set_thresholds(found, form.cleaned_data, by=asker(request), now=timezone.now())
            messages.success(request, _("The thresholds are kept."))
        except versions.Refused as refused:
            messages.error(request, str(refused))
        return _page(found, "#thresholds")
    context = {"version": found, "model": found.model, "form": form, "crumbs": _crumbs(found, _("Thresholds"))}
    return render(request, "scoring/thresholds.html", context, status=400 if form.is_bound else 200)


# ---- a draft's fate ----


@require_POST
@rights.needs("edit")
def preview(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Find out what publishing would change."""
    found = _version(slug, number)
    try:
        previewing.ask(found, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        messages.error(request, str(refused))
    return _page(found, "#preview")


@require_POST
@rights.needs("edit")
def publish(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Publish a draft; everybody is scored by a job."""
    found = _version(slug, number)
    try:
        versions.publish(found, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        for problem in refused.problems:
            messages.error(request, problem)
    return _page(found)


@require_POST
@rights.needs("edit")
def retire(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Take a version out of force."""
    found = _version(slug, number)
    try:
        versions.retire(found, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        messages.error(request, str(refused))
        return _page(found)
    messages.success(request, _("%(version)s is retired.") % {"version": found})
    return redirect("scoring_model", slug)


@require_POST
@rights.needs("edit")
def discard(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Throw a draft away."""
    found = _version(slug, number)
    try:
        versions.discard(found, by=asker(request), now=timezone.now())
    except versions.Refused as refused:
        messages.error(request, str(refused))
        return _page(found)
    messages.success(request, _("The draft is gone."))
    if ScoringModel.objects.filter(slug=slug).exists():
        return redirect("scoring_model", slug)
    return redirect("scoring_models")


class Crossings(pages.ListPage):
    """Who would come to the limit by a draft, or leave it, as it was previewed last."""

    queryset = Crossing.objects.all()
    filterset_class = filters.Crossings
    columns = (
        pages.Column("subject", gettext_lazy("Who"), template="scoring/_subject_cell.html", value="subject"),
        pages.Column("was", gettext_lazy("Score now"), sort="was", align="end", desc_first=True),
        pages.Column("shown", gettext_lazy("Score by the draft"), sort="shown", align="end", desc_first=True),
        pages.Column("enters", gettext_lazy("Would reach the limit")),
    )
    counted = ngettext_lazy("%(shown)s subject", "%(shown)s subjects", "count")
    purpose = gettext_lazy(
        "Those on one side of the limit now and on the other by the draft, as it was previewed last."
    )
    default_sort = "-shown"
    file_name = "crossings"
    empty_title = gettext_lazy("Nobody here")
    empty_text = gettext_lazy("The draft takes nobody over its limit, or has not been previewed.")
    empty_icon = "gauge"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.version = _version(kwargs["slug"], kwargs["number"])
        return super().dispatch(request, *args, **kwargs)

    def rows(self) -> QuerySet[Crossing]:
        return querysets.crossings(self.version)

    def seen(self, rows: QuerySet[Crossing]) -> QuerySet[Crossing]:
        return sight.subjects(rows, self.request.user)

    def get_title(self) -> str:
        return _("Who crosses the limit by %(version)s") % {"version": self.version}

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return _crumbs(self.version, _("Who crosses the limit"))
