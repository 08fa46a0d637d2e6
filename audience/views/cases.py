"""Pages of service cases: the list, one case, opened and changed by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from audience.commerce import cases
from audience.models import Account, Case, Person
from audience.subjects import names, querysets, sight
from audience.subjects.filters import OfCustomer, Since, Until, ValueFilter
from audience.subjects.people import BY_HAND, BadValue
from audience.views import returning
from kit import audit, pages, rights
from kit.forms import Instant

LOCAL = "%Y-%m-%dT%H:%M"


class When(forms.DateTimeInput):
    """An instant as browsers choose one."""

    def __init__(self) -> None:
        super().__init__(format=LOCAL, attrs={"type": "datetime-local"})


class CaseForm(forms.Form):
    """What a case is about, how bad it is, since when it is open, and whether it is closed."""

    title = forms.CharField(label=gettext_lazy("What it is about"), max_length=300)
    severity = forms.CharField(
        label=gettext_lazy("Severity"),
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"list": "in-use-severity"}),
    )
    opened_at = Instant(label=gettext_lazy("Opened"), widget=When())
    status = forms.ChoiceField(
        label=gettext_lazy("Status"), choices=[("open", gettext_lazy("open")), ("closed", gettext_lazy("closed"))]
    )
    closed_at = Instant(
        label=gettext_lazy("Closed"),
        widget=When(),
        required=False,
        help_text=gettext_lazy("Now, unless you name a time."),
    )
    seen = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    @property
    def in_use(self) -> list[str]:
        """What severities are called: the usual, and those of other cases."""
        return list(dict.fromkeys((*cases.SEVERITIES, *querysets.values_in_use(Case, "severity"))))

    def values(self, now: datetime, held: Case | None = None) -> dict[str, Any]:
        """As the verbs take them. A minute that was not changed keeps its seconds."""
        told = self.cleaned_data
        opened, closed = told["opened_at"], told["closed_at"] or now
        if held and _same_minute(opened, held.opened_at):
            opened = held.opened_at
        if held and held.closed_at and _same_minute(closed, held.closed_at):
            closed = held.closed_at
        return {
            "title": " ".join(told["title"].split()),
            "severity": told["severity"].strip(),
            "opened_at": opened,
            "closed_at": closed if told["status"] == "closed" else None,
        }


class Filters(django_filters.FilterSet):
    """What the list of cases can be narrowed by."""

    q = django_filters.CharFilter("title", lookup_expr="icontains", label=gettext_lazy("Search"))
    status = django_filters.ChoiceFilter(
        method="of_status", label=gettext_lazy("Status"), empty_label=gettext_lazy("All"),
        choices=[("open", gettext_lazy("open")), ("closed", gettext_lazy("closed"))],
    )  # fmt: skip
    severity = ValueFilter("severity", Case, "severity", label=gettext_lazy("Severity"))
    customer = OfCustomer()
    opened_from = Since("opened_at", label=gettext_lazy("Opened from"))
    opened_to = Until("opened_at", label=gettext_lazy("Opened to, that day included"))

    def of_status(self, rows: QuerySet[Case], name: str, value: str) -> QuerySet[Case]:
        return rows.filter(closed_at__isnull=value == "open")


def _whose(case: Case) -> Any:
    return case.person or case.account


EXPORTED = (
    *returning.ROW,
    pages.Column("title", gettext_lazy("Title")),
    pages.Column("severity", gettext_lazy("Severity")),
    *returning.PERSON,
    *returning.ACCOUNT,
    pages.Column("status", gettext_lazy("Status"), value=lambda row: _("closed") if row.closed_at else _("open")),
    pages.Column("opened_at", gettext_lazy("Opened"), sort="opened_at",
                 value=lambda row: returning.exact(row.opened_at)),
    pages.Column("closed_at", gettext_lazy("Closed"), value=lambda row: returning.exact(row.closed_at)),
    returning.PROPERTIES,
)  # fmt: skip


class Cases(returning.Returning):
    """Every service matter."""

    queryset = Case.objects.select_related("person", "account")
    filterset_class = Filters
    columns = (
        pages.Column("title", gettext_lazy("Case"), sort="title", template="audience/_case_name.html", whole=True),
        pages.Column("whose", gettext_lazy("Of"), template="audience/_whose.html",
                     export=lambda row: names.of(_whose(row))),
        pages.Column("status", gettext_lazy("Status"), template="audience/_case_status.html",
                     export=lambda row: _("closed") if row.closed_at else _("open")),
        pages.Column("severity", gettext_lazy("Severity"), sort="severity"),
        pages.Column("opened_at", gettext_lazy("Opened"), sort="opened_at", desc_first=True),
        pages.Column("closed_at", gettext_lazy("Closed")),
        pages.Column("source", gettext_lazy("Source"), sort="source"),
    )  # fmt: skip
    title = gettext_lazy("Service cases")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "What customers asked help for, and whether it is settled. A new one is opened on a profile."
    )
    counted = ngettext_lazy("%(shown)s case", "%(shown)s cases", "count")
    default_sort = "-opened_at"
    file_name = "cases"
    empty_title = gettext_lazy("No service cases yet")
    empty_text = gettext_lazy(
        "Open one on the profile of a person or an account, or have your help desk tell them over the API."
    )
    empty_icon = "life-buoy"

    returned = EXPORTED

    def rows(self) -> QuerySet[Case]:
        return returning.of_somebody(self.queryset.all()) if self.leaves else self.queryset.all()

    def seen(self, rows: QuerySet[Case]) -> QuerySet[Case]:
        return sight.subjects(rows, self.request.user)


@require_GET
def case(request: HttpRequest, pk: int) -> HttpResponse:
    """One case: whose, since when, how long it took."""
    found = _seen(request, pk)
    whose = _whose(found)
    until = found.closed_at or timezone.now()
    shown = {"case": found, "whose": whose, "name": names.of(whose), "took": until - found.opened_at}
    return render(request, "audience/case.html", shown)


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_case(request: HttpRequest, pk: int) -> HttpResponse:
    """A new case of a person."""
    return _new(request, sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None))


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_case(request: HttpRequest, pk: int) -> HttpResponse:
    """A new case of an account."""
    return _new(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def case_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a case, close it, or open it again."""
    found = _seen(request, pk)
    shown = {name: getattr(found, name) for name in ("title", "severity")} | {"seen": _version(found)}
    shown |= {"opened_at": timezone.localtime(found.opened_at), "status": "closed" if found.closed_at else "open"}
    if found.closed_at:
        shown["closed_at"] = timezone.localtime(found.closed_at)
    form = CaseForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        try:
            with transaction.atomic():
                held = Case.objects.select_for_update(no_key=True).get(pk=pk)
                if form.cleaned_data["seen"] and form.cleaned_data["seen"] != _version(held):
                    form.data = form.data.dict() | {"seen": _version(held)}  # type: ignore[attr-defined]
                    raise BadValue("", _("Meanwhile somebody else changed it. Save again to put yours in place."))
                changed = cases.change(held, form.values(now, held), by=audit.asker(request), now=now)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was different."))
            return redirect("case", pk)
    return _page(request, form, _whose(found), title=found.title, case=found)


def _new(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    now = timezone.now()
    form = CaseForm(request.POST or None, initial={"opened_at": timezone.localtime(now), "status": "open"})
    if request.method == "POST" and form.is_valid():
        try:
            made = cases.open(subject, form.values(now), source=BY_HAND, by=audit.asker(request), now=now)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _("The case “%(case)s” stands on the profile.") % {"case": made})
            return redirect(subject)
    return _page(request, form, subject, title=_("New case"))


def _seen(request: HttpRequest, pk: int) -> Case:
    found: Case = sight.get(Case.objects.select_related("person", "account"), request.user, pk=pk)
    return found


def _same_minute(one: datetime, other: datetime) -> bool:
    return one.replace(second=0, microsecond=0) == other.replace(second=0, microsecond=0)


def _version(case: Case) -> str:
    return f"{case.title}|{case.severity}|{case.opened_at.isoformat()}|{case.closed_at}"[:500]


def _page(request: HttpRequest, form: forms.Form, whose: Any, **shown: Any) -> HttpResponse:
    context = {"form": form, "whose": whose, "name": names.of(whose)} | shown
    return render(request, "audience/case_edit.html", context, status=400 if form.errors else 200)
