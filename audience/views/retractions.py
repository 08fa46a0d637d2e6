"""Pages of activities: the whole list, taking a choice of them back, and what became of it."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.activity import channels, kinds, retractions
from audience.models import Activity, ActivityKind, Retraction, Segment
from audience.subjects import names, querysets, sight
from audience.subjects.filters import EMPTY, AnyOneOf, LeftOut, OneOf
from audience.views import returning
from kit import audit, pages, panels, rights, writing
from kit.forms import Instant


class When(forms.DateTimeInput):
    """An instant as browsers choose one."""

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})


class InstantFilter(django_filters.Filter):
    """By an instant in the reader's zone."""

    field_class = Instant

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"widget": When()})


class Text(django_filters.CharFilter):
    """By a text, of which the database is asked as it is."""

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, max_length=retractions.LONGEST)


class ChannelFilter(OneOf):
    """By a channel of the taxonomy, or an unknown one that somebody names in the address."""

    field_class = AnyOneOf


class Number(django_filters.NumberFilter):
    """By an id."""

    field_class = forms.IntegerField

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, min_value=1, max_value=2**63 - 1)


def _kinds() -> list[tuple[str, str]]:
    return sorted(((kind.slug, kinds.name(kind)) for kind in ActivityKind.objects.all()), key=lambda each: each[1])


def _segments() -> list[tuple[str, str]]:
    return list(Segment.objects.order_by("name").values_list("slug", "name"))


class Filters(django_filters.FilterSet):
    """What activities are chosen by: for the list, and for taking them back."""

    kind = OneOf(_kinds, label=gettext_lazy("Kind"))
    channel = ChannelFilter(lambda: [*channels.labels().items(), (EMPTY, _("(empty)"))], label=gettext_lazy("Channel"))
    direction = django_filters.ChoiceFilter(
        choices=[*Activity.Direction.choices, (EMPTY, gettext_lazy("(empty)"))], label=gettext_lazy("Direction"),
        empty_label=gettext_lazy("Any"),
    )  # fmt: skip
    actor = django_filters.ChoiceFilter(
        choices=Activity.Actor.choices, label=gettext_lazy("By whom"), empty_label=gettext_lazy("Any")
    )
    platform = ChannelFilter(
        lambda: [*channels.PLATFORMS.items(), (EMPTY, _("(empty)"))], label=gettext_lazy("Platform")
    )
    source = Text(gettext_lazy("Source"))
    user_agent = Text(gettext_lazy("User agent contains"))
    ip = Text(gettext_lazy("IP address begins with"))
    since = InstantFilter(label=gettext_lazy("Happened since"))
    until = InstantFilter(label=gettext_lazy("Happened before"))
    segment = OneOf(_segments, label=gettext_lazy("Of the segment"))
    left_out = LeftOut()
    person = Number(gettext_lazy("Person number"))
    account = Number(gettext_lazy("Account number"))

    def filter_queryset(self, queryset: QuerySet[Activity]) -> QuerySet[Activity]:
        return retractions.narrowed(queryset, self.form.cleaned_data)


class Why(forms.Form):
    """Why they are taken back."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Why"), choices=Retraction.Reason.choices, widget=forms.RadioSelect,
        initial=Retraction.Reason.SCANNER,
    )  # fmt: skip
    note = forms.CharField(label=gettext_lazy("Note"), max_length=500, required=False)
    sure = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31)


EXPORTED = (
    *returning.ROW,
    pages.Column("occurred_at", gettext_lazy("When"), sort="occurred_at",
                 value=lambda row: returning.exact(row.occurred_at)),
    pages.Column("recorded_at", gettext_lazy("Recorded at"), value=lambda row: returning.exact(row.recorded_at)),
    pages.Column("kind", gettext_lazy("Kind"), value="kind.slug"),
    *returning.PERSON,
    *returning.ACCOUNT,
    pages.Column("channel", gettext_lazy("Channel")),
    pages.Column("platform", gettext_lazy("Platform")),
    pages.Column("direction", gettext_lazy("Direction")),
    pages.Column("actor", gettext_lazy("Actor")),
    pages.Column("value", gettext_lazy("Value"), value=lambda row: row.value and f"{row.value.normalize():f}"),
    returning.PROPERTIES,
)  # fmt: skip


class Activities(returning.Returning):
    """Everything that happened with anybody, but what was taken back."""

    queryset = Activity.objects.select_related("kind", "person", "account")
    filterset_class = Filters
    columns = (
        pages.Column("occurred_at", gettext_lazy("When"), sort="occurred_at", desc_first=True),
        pages.Column("kind", gettext_lazy("What"), value=lambda row: kinds.name(row.kind), whole=True),
        pages.Column("whose", gettext_lazy("Of"), template="audience/_whose.html",
                     export=lambda row: names.of(row.person or row.account)),
        pages.Column("channel", gettext_lazy("Channel"), value="channel_name"),
        pages.Column("platform", gettext_lazy("Platform")),
        pages.Column("direction", gettext_lazy("Direction"), value="get_direction_display"),
        pages.Column("actor", gettext_lazy("By"), value="get_actor_display"),
        pages.Column("agent", gettext_lazy("User agent"), value="agent"),
        pages.Column("source", gettext_lazy("Source")),
    )  # fmt: skip
    title = gettext_lazy("Activities")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "Every touch of everybody, the newest first. Narrow it to what a scanner did, and take that back."
    )
    counted = ngettext_lazy("%(shown)s activity", "%(shown)s activities", "count")
    also = (
        pages.Action(gettext_lazy("Channel mix"), "channel_mix", "chart-pie"),
        pages.Action(gettext_lazy("Taken back"), "retractions", "undo-2", right="edit"),
    )
    default_sort = "-occurred_at"
    file_name = "activities"
    empty_title = gettext_lazy("Nothing has happened yet")
    empty_text = gettext_lazy("Visits, mails, calls and purchases come here, by import or as they happen.")
    empty_icon = "activity"

    returned = EXPORTED

    def rows(self) -> QuerySet[Activity]:
        standing = querysets.standing(self.queryset.all())
        return returning.of_somebody(standing) if self.leaves else standing

    def seen(self, rows: QuerySet[Activity]) -> QuerySet[Activity]:
        if sight.everything(self.request.user):
            return rows
        return sight.subjects(rows.annotate(whose=Coalesce("person_id", "account_id")), self.request.user, "whose")

    def shown(self, rows: list[Activity]) -> list[Activity]:
        known = channels.labels()
        for row in rows:
            row.channel_name = known.get(row.channel, row.channel)  # type: ignore[attr-defined]
            told = row.properties.get("user_agent") if isinstance(row.properties, dict) else ""
            row.agent = told[:80] if isinstance(told, str) else ""  # type: ignore[attr-defined]
        return rows

    def tools(self) -> list[dict[str, Any]]:
        asked = self.request.GET.copy()
        for name in ("sort", "size", "after", "before", "export"):
            asked.pop(name, None)
        if not rights.may(self.request.user, "edit") or not any(asked.values()):
            return []
        url = f"{reverse('activities_take_back')}?{asked.urlencode()}"
        return [{"label": _("Take these back …"), "icon": "undo-2", "url": url}]


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def take_back(request: HttpRequest) -> HttpResponse:
    """How many of whom would be taken back, and the button. What is meant stands in the address, as in the list."""
    asked, wrong = _asked(request)
    form = Why(request.POST or None)
    try:
        if wrong:
            raise retractions.Refused(wrong)
        preview = retractions.preview(asked)
        if request.method == "POST" and form.is_valid():
            made = retractions.begin(asked, **form.cleaned_data, by=audit.asker(request), now=timezone.now())
            if made.job:
                messages.info(request, _("They are being taken back; this page tells how far it is."))
            else:
                messages.success(request, _told(made))
            return redirect("retraction", made.pk)
    except retractions.Refused as refused:
        messages.error(request, str(refused))
        if refused.code != "changed_meanwhile":
            return redirect("activities")
    shown = {
        "form": form,
        "preview": preview,
        "words": _in_words(retractions.clean(asked)),
        "back_url": f"{reverse('activities')}?{request.GET.urlencode()}"
        if "id" not in request.GET
        else reverse("activities"),
    }
    return render(request, "audience/activities_take_back.html", shown, status=400 if form.errors else 200)


class Retractions(pages.ListPage):
    """Every decision that activities did not happen as told."""

    queryset = Retraction.objects.select_related("by", "job")
    columns = (
        pages.Column("created_at", gettext_lazy("When"), sort="created_at", desc_first=True),
        pages.Column("reason", gettext_lazy("Why"), value="get_reason_display", link=True, whole=True),
        pages.Column("activities", gettext_lazy("Activities"), sort="activities", align="end", desc_first=True),
        pages.Column("subjects", gettext_lazy("People and accounts"), sort="subjects", align="end", desc_first=True),
        pages.Column("by", gettext_lazy("By")),
        pages.Column("undone_at", gettext_lazy("Undone")),
    )  # fmt: skip
    title = gettext_lazy("Taken back")
    crumbs = ((gettext_lazy("Data"), ""), (gettext_lazy("Activities"), "/activities/"))
    purpose = gettext_lazy(
        "Activities that turned out to be a scanner’s, a test’s or a mistake, and what changed by that."
    )
    counted = ngettext_lazy("%(shown)s decision", "%(shown)s decisions", "count")
    default_sort = "-created_at"
    file_name = "taken-back"
    empty_title = gettext_lazy("Nothing was taken back yet")
    empty_text = gettext_lazy("Narrow the list of activities to what did not happen so, and take it back there.")
    empty_icon = "undo-2"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return rights.needs("edit")(super().dispatch)(request, *args, **kwargs)


@rights.needs("edit")
@require_GET
def retraction(request: HttpRequest, pk: int) -> HttpResponse:
    """What was taken back, and what changed by it."""
    found = get_object_or_404(Retraction.objects.select_related("by", "job"), pk=pk)
    shown = {
        "retraction": found,
        "words": _in_words(found.asked),
        "panels": panels.draw("retraction", found, request, timezone.now()),
        "under_way": retractions.is_under_way(found),
    }
    return render(request, "audience/retraction.html", shown)


@require_POST
@rights.needs("edit")
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """What was taken back counts again."""
    found = get_object_or_404(Retraction.objects.select_related("job"), pk=pk)
    if retractions.undo(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("They count again, as they did."))
    else:
        messages.info(request, _("That was asked for already, or taking back is not finished yet."))
    return redirect("retraction", pk)


def _asked(request: HttpRequest) -> tuple[dict[str, Any], str]:
    """What the address means, and what of it was not understood: nothing more may be taken back than was meant."""
    if "id" in request.GET:
        told = [each for each in request.GET.getlist("id") if each.isascii() and each.isdigit() and len(each) < 19]
        return {"ids": sorted({int(each) for each in told})[: retractions.MOST_IDS]}, ""
    filterset = Filters(data=request.GET, queryset=Activity.objects.none(), request=request)
    unknown = [name for name in request.GET if name not in filterset.form.fields]
    if unknown or not filterset.form.is_valid():
        return {}, _("A filter of this view was not understood, so that more would be meant than said.")
    return dict(filterset.form.cleaned_data), ""


LABELS: dict[str, Any] = {"ids": gettext_lazy("Chosen one by one")} | {
    name: each.label for name, each in Filters.base_filters.items()
}


def _in_words(asked: dict[str, Any]) -> list[tuple[str, str]]:
    told = dict(asked)
    if "kind" in told:
        kind = ActivityKind.objects.filter(slug=told["kind"]).first()
        told["kind"] = kinds.name(kind) if kind else told["kind"]
    if "channel" in told:
        told["channel"] = channels.labels().get(told["channel"], told["channel"])
    if "actor" in told:
        told["actor"] = dict(Activity.Actor.choices).get(told["actor"], told["actor"])
    if "ids" in told:
        told["ids"] = writing.number(len(told["ids"]))
    return [(str(LABELS.get(name, name)), str(said)) for name, said in told.items()]


def _told(made: Retraction) -> str:
    said = ngettext("%(n)s activity was taken back.", "%(n)s activities were taken back.", made.activities)
    return said % {"n": writing.number(made.activities)}
