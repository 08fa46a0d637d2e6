"""Pages of exchange rates: what other currencies were worth on which day, told and corrected by hand."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience.commerce import rates
from audience.models import ExchangeRate
from audience.subjects.filters import DayFilter, OneOf
from audience.subjects.people import BadValue
from kit import audit, installation, pages, rights
from kit.forms import Day


class RateForm(forms.Form):
    """What one unit of a currency was worth on a day."""

    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3)
    day = Day(label=gettext_lazy("Day"))
    rate = forms.DecimalField(label=gettext_lazy("Rate"), max_digits=24, decimal_places=rates.DIGITS)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["rate"].help_text = _("What 1 of it is worth in %(own)s, such as 0.92.") % {"own": rates.own()}


class Filters(django_filters.FilterSet):
    """What the list of rates can be narrowed by."""

    currency = OneOf(lambda: [(each, each) for each in _currencies()], label=gettext_lazy("Currency"))
    since = DayFilter("day", lookup_expr="gte", label=gettext_lazy("From"))
    until = DayFilter("day", lookup_expr="lte", label=gettext_lazy("To, that day included"))
    known = DayFilter(method="unread", label=gettext_lazy("As known before"))

    class Meta:
        model = ExchangeRate
        fields: list[str] = []

    def unread(self, rows: QuerySet[ExchangeRate], name: str, value: Any) -> QuerySet[ExchangeRate]:
        return rows

    def filter_queryset(self, queryset: QuerySet[ExchangeRate]) -> QuerySet[ExchangeRate]:
        known = self.form.cleaned_data.get("known")
        then = installation.midnight(known, installation.zone()) if known else None
        return super().filter_queryset(rates.current(then))


def _currencies() -> list[str]:
    return list(rates.current().order_by("currency").values_list("currency", flat=True).distinct())


class Rates(pages.ListPage):
    """Every rate that counts."""

    queryset = ExchangeRate.objects.all()
    filterset_class = Filters
    columns = (
        pages.Column("currency", gettext_lazy("Currency"), sort="currency", template="audience/_rate_name.html",
                     whole=True),
        pages.Column("day", gettext_lazy("Day"), sort="day", desc_first=True),
        pages.Column("rate", gettext_lazy("Rate"), sort="rate", align="end", value=lambda row: rates.written(row.rate),
                     export=lambda row: f"{row.rate.normalize():f}"),
        pages.Column("into", gettext_lazy("In")),
        pages.Column("source", gettext_lazy("Source"), sort="source"),
        pages.Column("recorded_at", gettext_lazy("Recorded"), sort="recorded_at", desc_first=True),
    )  # fmt: skip
    title = gettext_lazy("Exchange rates")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "What one unit of another currency was worth in yours. An amount is converted at the latest rate on or before "
        "its own day; without one it is not added."
    )
    counted = ngettext_lazy("%(shown)s rate", "%(shown)s rates", "count")
    action = pages.Action(gettext_lazy("New rate"), "exchange_rate_new", right="edit")
    also = (pages.Action(gettext_lazy("Import"), "import_new", "upload", right="edit"),)
    default_sort = "-day"
    file_name = "exchange-rates"
    empty_title = gettext_lazy("No exchange rates yet")
    empty_text = gettext_lazy("Write one down, or bring a file with currency, day and rate.")
    empty_icon = "arrow-left-right"

    def rows(self) -> QuerySet[ExchangeRate]:
        return rates.current()


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A rate of a day; told again it is corrected."""
    form = RateForm(request.POST or None, initial={"day": timezone.localdate()})
    return _saved(request, form) or _page(request, form, title=_("New rate"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct the rate of a day; what it was stays written down."""
    found = get_object_or_404(rates.current(), pk=pk)
    form = RateForm(request.POST or None, initial={"currency": found.currency, "day": found.day, "rate": found.rate})
    for name in ("currency", "day"):
        form.fields[name].disabled = True
    return _saved(request, form) or _page(request, form, title=str(found), rate=found)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the rate of a day back: the one of the last day before it holds."""
    found = get_object_or_404(rates.current(), pk=pk)
    rates.tell(found.currency, found.day, None, by=audit.asker(request), now=timezone.now())
    messages.success(request, _("It is taken back; the rate of the last day before it holds, if there is one."))
    return redirect("exchange_rates")


def _saved(request: HttpRequest, form: RateForm) -> HttpResponse | None:
    if request.method != "POST" or not form.is_valid():
        return None
    told = form.cleaned_data
    try:
        changed = rates.tell(
            told["currency"], told["day"], told["rate"], by=audit.asker(request), now=timezone.now()
        )  # fmt: skip
    except BadValue as bad:
        form.add_error(bad.field, bad.message)
        return None
    messages.success(request, _("It is written down.") if changed else _("Nothing was different."))
    return redirect("exchange_rates")


def _page(request: HttpRequest, form: RateForm, **shown: Any) -> HttpResponse:
    return render(request, "audience/rate.html", {"form": form} | shown, status=400 if form.errors else 200)
