"""Pages of pipelines: their stages in order, and the stages that deals name and nobody has planned."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.commerce import pipelines
from audience.models import Deal, Pipeline, PipelineStage
from audience.subjects.people import BadValue
from kit import audit, rights

MORE = 3  # empty rows of the form, for further stages


class Stage(forms.Form):
    """One stage: where it stands, what it is called, how likely a deal in it is won, whether it takes no more deals."""

    id = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    place = forms.IntegerField(label=gettext_lazy("Place"), required=False, min_value=1, max_value=10_000)
    name = forms.CharField(label=gettext_lazy("Stage"), required=False, max_length=100)
    probability = forms.IntegerField(label=gettext_lazy("Probability"), required=False, min_value=0, max_value=100)
    kind = forms.ChoiceField(label=gettext_lazy("Deals in it are"), choices=PipelineStage.Kind.choices)
    retired = forms.BooleanField(label=gettext_lazy("Retired"), required=False)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name, each in self.fields.items():
            if name != "retired":
                each.widget.attrs["class"] = "input"


class Name(forms.Form):
    """What a pipeline is called, and whether it is used no more."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    retired = forms.BooleanField(
        label=gettext_lazy("Retired"),
        required=False,
        help_text=gettext_lazy("It is offered for no new deal; those that are in it stay, and reports count them."),
    )


Stages = forms.formset_factory(Stage, extra=MORE, max_num=pipelines.MOST + MORE, absolute_max=pipelines.MOST + MORE)


@require_GET
def everything(request: HttpRequest) -> HttpResponse:
    """Every pipeline with its stages, and what deals name besides."""
    there = list(Pipeline.objects.prefetch_related("stages"))
    open_ones = Deal.objects.filter(status=Deal.Status.OPEN).order_by().values("pipeline")
    counted = dict(open_ones.annotate(n=Count("pk")).values_list("pipeline", "n"))
    first = pipelines.first()
    for each in there:
        each.open = counted.get(each.name, 0) + (counted.get("", 0) if each == first else 0)  # type: ignore[attr-defined]
    names = {each.name for each in there}
    unplanned = pipelines.unplanned()
    for row in unplanned:  # the first row of a pipeline that is not there offers to plan it
        row["is_new"] = row["pipeline"] not in names
        names.add(row["pipeline"])
    context = {
        "pipelines": there,
        "first": first,
        "unplanned": unplanned,
        "may_edit": rights.may(request.user, "edit"),
    }
    return render(request, "audience/pipelines.html", context)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new pipeline: with the usual stages, or (`of`) with those that deals name in a pipeline that nobody planned."""
    told = request.GET.get("of", "").replace("\x00", "")[:100]
    name = Name(request.POST or None, initial={"name": told})
    usual = [dict(zip(("name", "probability", "kind"), each, strict=True)) for each in pipelines.FIRST_STAGES]
    stages = Stages(request.POST or None, initial=_placed(pipelines.named_in(told) or usual))
    if request.method == "POST" and name.is_valid() and stages.is_valid():
        given: dict[str, Any] = {"by": audit.asker(request), "now": timezone.now()}
        try:
            made = pipelines.define(name.cleaned_data["name"], _told(stages), **given)
        except BadValue as bad:
            name.add_error("name" if bad.field == "name" else None, bad.message)
        else:
            messages.success(request, _("The pipeline “%(name)s” is there.") % {"name": made})
            return redirect("pipelines")
    return _page(request, name, stages, None)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Other stages of a pipeline, other names, and what is retired."""
    found = get_object_or_404(Pipeline, pk=pk)
    shown = {"name": found.name, "retired": found.retired_at is not None}
    name = Name(request.POST or None, initial=shown)
    stages = Stages(request.POST or None, initial=_placed(pipelines.planned_of(found)))
    if request.method == "POST" and name.is_valid() and stages.is_valid():
        told: dict[str, Any] = {"named": name.cleaned_data["name"], "retired": name.cleaned_data["retired"]}
        given: dict[str, Any] = {"by": audit.asker(request), "now": timezone.now()}
        try:
            changed = pipelines.change(found, _told(stages), **told, **given)
        except BadValue as bad:
            name.add_error(bad.field if bad.field in name.fields else None, bad.message)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was different."))
            return redirect("pipelines")
    return _page(request, name, stages, found)


@require_POST
@rights.needs("edit")
def earlier(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a pipeline stand one place further up."""
    found = get_object_or_404(Pipeline, pk=pk)
    order = list(Pipeline.objects.values_list("pk", flat=True))
    place = order.index(found.pk)
    if place:
        order[place - 1 : place + 1] = reversed(order[place - 1 : place + 1])
    try:
        pipelines.put_in_order(order, by=audit.asker(request), now=timezone.now())
    except BadValue as bad:
        messages.error(request, bad.message)
    return redirect("pipelines")


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a pipeline away that no deal is in."""
    found = get_object_or_404(Pipeline, pk=pk)
    try:
        pipelines.remove(found, by=audit.asker(request), now=timezone.now())
    except BadValue as bad:
        messages.error(request, _("It stays. %(why)s") % {"why": bad.message})
        return redirect(found)
    messages.success(request, _("The pipeline “%(name)s” is removed.") % {"name": found.name})
    return redirect("pipelines")


@require_POST
@rights.needs("edit")
def add_stage(request: HttpRequest, pk: int) -> HttpResponse:
    """Plan a stage that deals name already, after the open ones that are planned."""
    found = get_object_or_404(Pipeline, pk=pk)
    name = " ".join(request.POST.get("stage", "").replace("\x00", "").split())
    named = Q(pipeline=found.name) | (Q(pipeline="") if found == pipelines.first() else Q(pk__in=[]))
    if not Deal.objects.filter(named, stage=name).exists():
        messages.error(request, _("No deal names that stage in this pipeline any more."))
        return redirect("pipelines")
    planned = pipelines.planned_of(found)
    at = sum(each["kind"] == PipelineStage.Kind.OPEN for each in planned)
    stage = pipelines.read(name, Deal.objects.filter(named, stage=name))
    try:
        pipelines.change(found, [*planned[:at], stage, *planned[at:]], by=audit.asker(request), now=timezone.now())
    except BadValue as bad:
        messages.error(request, bad.message)
    else:
        messages.success(request, _("“%(stage)s” is in the pipeline now.") % {"stage": name})
    return redirect("pipelines")


def _placed(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each | {"place": place} for place, each in enumerate(stages, 1)]


def _told(stages: Any) -> list[dict[str, Any]]:
    """The rows that have a name, by their places; of the same place as they stand. A row that was emptied is gone."""
    told = [each.cleaned_data for each in stages if each.cleaned_data.get("name", "").strip()]
    last = 10_001
    ordered = sorted(told, key=lambda each: each.get("place") or last)
    return [{key: value for key, value in each.items() if key != "place"} for each in ordered]


def _page(request: HttpRequest, name: Name, stages: Any, found: Pipeline | None) -> HttpResponse:
    context = {
        "name": name,
        "stages": stages,
        "pipeline": found,
        "title": found.name if found else _("New pipeline"),
        "heads": [each for name, each in Stage.base_fields.items() if name != "id"],
    }
    bad = request.method == "POST"
    return render(request, "audience/pipeline.html", context, status=400 if bad else 200)
