"""Pages of costs: what channels and campaigns cost, written down per period and told per month."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.activity import channels
from audience.commerce import costs
from audience.models import Cost
from audience.subjects.filters import DayFilter, OneOf
from audience.subjects.people import BadValue
from audience.views import returning
from kit import audit, installation, money, pages, rights, writing
from kit.forms import Day

EMPTY = "(empty)"
DAY = timedelta(days=1)


class CostForm(forms.Form):
    """What was spent on what, from which day to which."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), required=False)
    campaign = forms.CharField(label=gettext_lazy("Campaign"), max_length=200, required=False)
    starts_on = Day(label=gettext_lazy("From"))
    last_on = Day(label=gettext_lazy("To"), help_text=gettext_lazy("The last day that it was spent for."))
    amount = forms.DecimalField(label=gettext_lazy("Amount"), max_digits=15, decimal_places=4)
    currency = forms.CharField(label=gettext_lazy("Currency"), max_length=3)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        known = channels.labels()
        present = (given.get("initial") or {}).get("channel", "")
        others = [(present, present)] if present and present not in known else []
        self.fields["channel"].choices = [("", _("(none)")), *known.items(), *others]  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        """As the verbs take them: the day after the last, money in minor units."""
        told = {name: self.cleaned_data[name] for name in ("channel", "campaign", "starts_on", "currency")}
        told["currency"] = told["currency"].strip().upper()
        return told | {
            "ends_on": self.cleaned_data["last_on"] + DAY,
            "amount": money.minor(self.cleaned_data["amount"], told["currency"]),
        }


class Filters(django_filters.FilterSet):
    """What the list of costs can be narrowed by."""

    channel = OneOf(lambda: [(EMPTY, _("(none)")), *_channels_of_costs()], label=gettext_lazy("Channel"))
    campaign = django_filters.CharFilter("campaign", lookup_expr="icontains", label=gettext_lazy("Campaign"))
    month = django_filters.CharFilter(method="in_month", label=gettext_lazy("Month"))
    since = DayFilter(method="unread", label=gettext_lazy("Of days from"))
    until = DayFilter(method="unread", label=gettext_lazy("Of days to, that day included"))
    means = django_filters.CharFilter(
        method="unread", label=gettext_lazy("Channel, whatever its spelling"), max_length=channels.LONGEST
    )
    currency = OneOf(
        lambda: [
            (each, each) for each in Cost.objects.order_by("currency").values_list("currency", flat=True).distinct()
        ],
        label=gettext_lazy("Currency"),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.filters["month"].extra["widget"] = forms.TextInput(attrs={"type": "month", "placeholder": "2025-03"})
        self.filters["month"].extra["validators"] = [_is_month]

    def filter_queryset(self, queryset: QuerySet[Cost]) -> QuerySet[Cost]:
        told = self.form.cleaned_data
        if told.get("channel"):
            queryset = queryset.filter(channel="" if told["channel"] == EMPTY else told["channel"])
        if told.get("campaign"):
            queryset = queryset.filter(campaign__icontains=told["campaign"])
        if told.get("currency"):
            queryset = queryset.filter(currency=told["currency"])
        if span := costs.month_of(told.get("month") or ""):
            queryset = queryset.filter(costs.touching(*span))
        if told.get("since"):
            queryset = queryset.filter(ends_on__gt=told["since"])
        if told.get("until"):
            queryset = queryset.filter(starts_on__lte=told["until"])
        if means := told.get("means"):
            queryset = queryset.filter(channel__in=[""] if means == EMPTY else costs.spellings(means))
        return queryset

    def unread(self, rows: QuerySet[Cost], name: str, value: Any) -> QuerySet[Cost]:
        """All are read together, in `filter_queryset`."""
        return rows

    def in_month(self, rows: QuerySet[Cost], name: str, value: str) -> QuerySet[Cost]:
        return rows


def _is_month(text: str) -> None:
    if costs.month_of(text) is None:
        raise forms.ValidationError(_("A month is written as 2025-03."))


def _channels_of_costs() -> list[tuple[str, str]]:
    known = channels.labels()
    used = Cost.objects.exclude(channel="").order_by("channel").values_list("channel", flat=True).distinct()
    return sorted(((each, known.get(each, each)) for each in used), key=lambda each: each[1].casefold())


class Costs(returning.Returning):
    """Every cost that was written down."""

    returned = (
        *returning.ROW,
        pages.Column("channel", gettext_lazy("Channel"), sort="channel"),
        pages.Column("campaign", gettext_lazy("Campaign"), sort="campaign"),
        pages.Column("starts_on", gettext_lazy("First day"), sort="starts_on"),
        pages.Column("last_on", gettext_lazy("Last day"), value=lambda row: row.ends_on - DAY),
        pages.Column("amount", gettext_lazy("Amount"), value=lambda row: money.major(row.amount, row.currency)),
        pages.Column("currency", gettext_lazy("Currency")),
    )
    about = ()

    queryset = Cost.objects.all()
    filterset_class = Filters
    columns = (
        pages.Column("channel", gettext_lazy("Channel"), sort="channel", value="channel_name",
                     template="audience/_cost_name.html", whole=True),
        pages.Column("campaign", gettext_lazy("Campaign"), sort="campaign"),
        pages.Column("starts_on", gettext_lazy("From"), sort="starts_on", desc_first=True),
        pages.Column("last_on", gettext_lazy("To"), sort="ends_on", value=lambda row: row.ends_on - DAY),
        pages.Column("amount", gettext_lazy("Amount"), sort="amount", align="end", desc_first=True,
                     template="audience/_cost_amount.html", export=lambda row: money.major(row.amount, row.currency)),
        pages.Column("currency", gettext_lazy("Currency"), sort="currency"),
        pages.Column("source", gettext_lazy("Source"), sort="source"),
    )  # fmt: skip
    title = gettext_lazy("Costs")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "What channels and campaigns cost, from which day to which. Spread over days it is told per month."
    )
    counted = ngettext_lazy("%(shown)s cost", "%(shown)s costs", "count")
    action = pages.Action(gettext_lazy("New cost"), "cost_new", right="edit")
    also = (pages.Action(gettext_lazy("Per month"), "costs_monthly", "calendar-days"),)
    default_sort = "-starts_on"
    file_name = "costs"
    empty_title = gettext_lazy("No costs yet")
    empty_text = gettext_lazy("Write down what a channel cost in a month, and each month tells its share.")
    empty_icon = "coins"

    def shown(self, rows: list[Cost]) -> list[Cost]:
        known, twice = channels.labels(), costs.overlaps([row.pk for row in rows])
        for row in rows:
            row.channel_name = known.get(row.channel, row.channel)  # type: ignore[attr-defined]
            row.overlaps = row.pk in twice  # type: ignore[attr-defined]
        return rows


@require_GET
def monthly(request: HttpRequest) -> HttpResponse:
    """What each channel cost in each month of a year; a figure opens the costs behind it."""
    today = timezone.localdate()
    said = request.GET.get("year", "")
    good = said.isascii() and said.isdigit() and writing.FIRST_YEAR <= int(said[:9]) < writing.LAST_YEAR
    year = int(said) if good and len(said) == 4 else today.year
    months = [date(year, month, 1) for month in range(1, 13)]
    known = channels.labels()
    table: dict[tuple[str, str], dict[date, int]] = defaultdict(dict)
    for each in costs.monthly(months[0], date(year + 1, 1, 1)):
        table[each.currency, each.channel][each.month] = each.amount
    lines = [
        {
            "channel": known.get(channel, channel) or _("(none)"),
            "currency": currency,
            "cells": [_cell(channel, currency, month, amounts.get(month)) for month in months],
            "total": sum(amounts.values()),
        }
        for (currency, channel), amounts in sorted(table.items())
    ]
    shown = {"lines": lines, "months": months, "year": year, "before": year - 1, "after": year + 1}
    return render(request, "audience/costs_monthly.html", shown)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new cost."""
    form = CostForm(request.POST or None, initial={"currency": installation.get("currency")})
    if request.method == "POST" and form.is_valid():
        try:
            made = costs.add(form.values(), by=audit.asker(request), now=timezone.now())
        except BadValue as bad:
            _add_error(form, bad)
        else:
            return _saved(request, made, _("It is written down."))
    return _page(request, form, title=_("New cost"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Correct a cost; the trail keeps what it was."""
    found = get_object_or_404(Cost, pk=pk)
    shown = {name: getattr(found, name) for name in ("channel", "campaign", "starts_on", "currency")}
    shown |= {"last_on": found.ends_on - DAY, "amount": money.major(found.amount, found.currency)}
    form = CostForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            changed = costs.correct(found, form.values(), by=audit.asker(request), now=timezone.now())
        except BadValue as bad:
            _add_error(form, bad)
        else:
            return _saved(request, found, _("Corrected.") if changed else _("Nothing was different."))
    overlapping = list(costs.overlapping(found)[:10])
    return _page(request, form, title=_("Correct a cost"), cost=found, overlapping=overlapping)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """It was never spent."""
    costs.remove(get_object_or_404(Cost, pk=pk), by=audit.asker(request), now=timezone.now())
    messages.success(request, _("It is removed; the audit trail keeps what it was."))
    return redirect("costs")


def _saved(request: HttpRequest, cost: Cost, said: str) -> HttpResponse:
    messages.success(request, said)
    if number := costs.overlapping(cost).count():
        told = ngettext(
            "%(n)s other cost of this channel and campaign is for some of the same days. Perhaps it was told twice.",
            "%(n)s other costs of this channel and campaign are for some of the same days. Perhaps it was told twice.",
            number,
        )
        messages.warning(request, told % {"n": number})
    return redirect("costs")


def _cell(channel: str, currency: str, month: date, amount: int | None) -> dict[str, Any]:
    asked = {"channel": channel or EMPTY, "currency": currency, "month": f"{month:%Y-%m}"}
    return {"month": month, "amount": amount, "url": f"{reverse('costs')}?{urlencode(asked)}"}


def _add_error(form: CostForm, bad: BadValue) -> None:
    field = {"ends_on": "last_on"}.get(bad.field, bad.field)
    form.add_error(field if field in form.fields else None, bad.message)


def _page(request: HttpRequest, form: forms.Form, **shown: Any) -> HttpResponse:
    return render(request, "audience/cost.html", {"form": form} | shown, status=400 if form.errors else 200)
