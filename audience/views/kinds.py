"""Pages of the catalogue of kinds: what happens here, and what each thing counts for."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience.activity import channels, kinds
from audience.models import Activity, ActivityKind
from audience.subjects.people import BadValue
from kit import audit, pages, rights


class KindForm(forms.Form):
    """What a kind is called, by which way it comes, and what it counts for."""

    label = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, help_text=gettext_lazy("Sentences and timelines speak of it so.")
    )
    channel = forms.ChoiceField(
        label=gettext_lazy("Channel"),
        required=False,
        help_text=gettext_lazy("Of those that are told without one."),
    )
    direction = forms.ChoiceField(
        label=gettext_lazy("Direction"),
        required=False,
        choices=[("", gettext_lazy("(empty)")), *Activity.Direction.choices],
    )
    is_engagement = forms.BooleanField(
        label=gettext_lazy("Counts as engagement"),
        required=False,
        help_text=gettext_lazy("A human gave it time or attention: a visit, a talk, using the product."),
    )
    is_response = forms.BooleanField(
        label=gettext_lazy("Counts as a response"),
        required=False,
        help_text=gettext_lazy("Somebody answered what we did: a click, a reply, a form, a registration."),
    )
    intent = forms.IntegerField(
        label=gettext_lazy("Intent"),
        min_value=0,
        max_value=kinds.MOST_INTENT,
        initial=0,
        help_text=gettext_lazy(
            "How much one says of the wish to buy: 0 nothing, 10 a click, 60 a look at prices, 100 asking for an offer."
        ),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        known = channels.labels()
        present = (given.get("initial") or {}).get("channel", "")
        others = [(present, present)] if present and present not in known else []
        self.fields["channel"].choices = [("", _("(empty)")), *known.items(), *others]  # type: ignore[attr-defined]


class Filters(django_filters.FilterSet):
    """What the catalogue can be narrowed by."""

    q = django_filters.CharFilter(method="search", label=gettext_lazy("Search"))
    described = django_filters.ChoiceFilter(
        method="of_state", label=gettext_lazy("Described"), empty_label=gettext_lazy("All"),
        choices=[("yes", gettext_lazy("Described")), ("no", gettext_lazy("Not described yet"))],
    )  # fmt: skip

    def search(self, rows: QuerySet[ActivityKind], name: str, value: str) -> QuerySet[ActivityKind]:
        return rows.filter(Q(label__icontains=value) | Q(slug__icontains=value)) if "\x00" not in value else rows.none()

    def of_state(self, rows: QuerySet[ActivityKind], name: str, value: str) -> QuerySet[ActivityKind]:
        return rows.filter(described_at__isnull=value == "no")


class Kinds(pages.ListPage):
    """Every kind of the catalogue, with how often it happened."""

    queryset = ActivityKind.objects.all()
    filterset_class = Filters
    columns = (
        pages.Column("label", gettext_lazy("Kind"), sort="label", value=kinds.name,
                     template="audience/_kind_name.html", whole=True),
        pages.Column("channel", gettext_lazy("Channel"), value="channel_name", sort="channel"),
        pages.Column("direction", gettext_lazy("Direction"), value="direction_name", sort="direction"),
        pages.Column("is_engagement", gettext_lazy("Engagement"), sort="is_engagement"),
        pages.Column("is_response", gettext_lazy("Response"), sort="is_response"),
        pages.Column("intent", gettext_lazy("Intent"), sort="intent", align="end", desc_first=True),
        pages.Column("number", gettext_lazy("Happened"), align="end"),
    )  # fmt: skip
    title = gettext_lazy("Kinds of activities")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "What people do, and what each of it counts for. Files and programs make kinds; describe them here."
    )
    counted = ngettext_lazy("%(shown)s kind", "%(shown)s kinds", "count")
    action = pages.Action(gettext_lazy("New kind"), "kind_new", right="edit")
    also = (pages.Action(gettext_lazy("Channels"), "channels", "waypoints"),)
    default_sort = "label"
    file_name = "kinds-of-activities"
    empty_title = gettext_lazy("No kinds yet")
    empty_text = gettext_lazy(
        "An import of activities makes one of each word that says what was done; or add one here."
    )
    empty_icon = "shapes"

    def prepare(self, rows: list[ActivityKind]) -> list[ActivityKind]:
        counted, called = kinds.counts([row.pk for row in rows]), channels.labels()
        ways = dict(Activity.Direction.choices)
        for row in rows:
            row.number = counted[row.pk]  # type: ignore[attr-defined]
            row.channel_name = called.get(row.channel, row.channel)  # type: ignore[attr-defined]
            row.direction_name = str(ways.get(row.direction, ""))  # type: ignore[attr-defined]
        return rows


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new kind."""
    form = KindForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = kinds.define(form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except (kinds.Refused, BadValue) as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, _("“%(kind)s” is in the catalogue.") % {"kind": made})
            return redirect("kinds")
    return _page(request, form, title=_("New kind"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What a kind is; of one that nobody has described, what is proposed."""
    found = get_object_or_404(ActivityKind, pk=pk)
    shown = {name: getattr(found, name) for name in kinds.FIELDS} | {"label": kinds.name(found)}
    proposal = None
    if found.described_at is None:
        proposal = kinds.proposal(found)
        shown |= {name: value for name, value in vars(proposal).items() if value and not shown[name]}
    form = KindForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            changed = kinds.describe(found, form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except kinds.Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was different."))
            return redirect("kinds")
    told = {
        "kind": found,
        "proposal": proposal,
        "users": kinds.users(found),
        "number": kinds.counts([found.pk])[found.pk],
    }
    return _page(request, form, title=kinds.name(found), **told)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a kind away, if nothing is of it and nobody asks for it."""
    found = get_object_or_404(ActivityKind, pk=pk)
    try:
        kinds.remove(found, by=audit.asker(request), now=timezone.now())
    except kinds.Refused as refused:
        messages.error(request, _("It stays. %(why)s") % {"why": refused})
        return redirect("kind_edit", pk)
    messages.success(request, _("“%(kind)s” is removed.") % {"kind": found})
    return redirect("kinds")


def _page(request: HttpRequest, form: forms.Form, **shown: Any) -> HttpResponse:
    return render(request, "audience/kind.html", {"form": form} | shown, status=400 if form.errors else 200)
