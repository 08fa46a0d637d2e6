"""Pages of contracts: the list with what renews soon, one contract with its value over time, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.commerce import contracts, rates
from audience.models import Account, Contract, ContractAmendment, Person, Product
from audience.subjects import filters, names, sight
from audience.subjects.byhand import LARGEST
from audience.subjects.people import BY_HAND, BadValue
from audience.views import returning
from kit import audit, installation, money, pages, rights
from kit.forms import Day


def _money(row: Any) -> str:
    return money.written(row.value, row.currency)


def _state(row: Any) -> str:
    return str(contracts.STATES[contracts.state_of(row, timezone.localdate())])


def _owner(row: Any) -> Any:
    return (row.account or row.person).owner


COLUMNS = (
    pages.Column("name", _("Contract"), sort="name", template="audience/_contract_name.html", whole=True),
    pages.Column("state", _("State"), template="audience/_contract_state.html"),
    pages.Column("product", _("Product"), value="product.name"),
    pages.Column("value", _("A year"), sort="value", align="end", desc_first=True, value=_money),
    pages.Column("renews_on", _("Renews"), sort="renews_on", template="audience/_contract_renews.html"),
    pages.Column("notice_on", _("Notice by"), sort="notice_on"),
    pages.Column("owner", _("Owner"), value=_owner),
    pages.Column("starts_on", _("Starts"), sort="starts_on", desc_first=True),
    pages.Column("ends_on", _("Ended"), sort="ends_on", desc_first=True),
)
EXPORTED = (
    *returning.ROW,
    pages.Column("name", _("Name")),
    *returning.ACCOUNT,
    *returning.PERSON,
    *returning.PRODUCT,
    pages.Column("state", _("State"), value=_state),
    pages.Column("starts_on", _("Starts"), sort="starts_on"),
    pages.Column("renews_on", _("Renewal date"), sort="renews_on"),
    pages.Column("notice_on", _("Notice date"), sort="notice_on"),
    pages.Column("ends_on", _("End date"), sort="ends_on"),
    pages.Column("auto_renew", _("Renews by itself")),
    pages.Column("annual_value", _("Annual value"), value=lambda row: returning.major(row.annual_value, row.currency)),
    pages.Column("currency", _("Currency")),
    pages.Column("amendments", _("Amendments"), value="amendments_told"),
    pages.Column("value", _("A year today"), value=lambda row: returning.major(row.value, row.currency)),
    pages.Column("owner", _("Owner"), value=lambda row: getattr(_owner(row), "email", "")),
    returning.PROPERTIES,
)


class Contracts(returning.Returning):
    """Every agreement, with what renews soon."""

    queryset = Contract.objects.all()
    template_name = "audience/contracts.html"
    filterset_class = filters.Contracts
    columns: Sequence[pages.Column] = COLUMNS
    title = _("Contracts")
    purpose = _("Running agreements: what each is worth a year today, when it renews, and by when notice is given.")
    counted = ngettext_lazy("%(shown)s contract", "%(shown)s contracts", "count")
    default_sort = "renews_on"
    file_name = "contracts"
    empty_title = _("No contracts yet")
    empty_text = _("Contracts come with a file, from another system, or are added on the page of an account.")
    empty_icon = "file-text"

    returned = EXPORTED

    def rows(self) -> QuerySet[Contract]:
        known = Contract.objects.filter(Q(account__erased_at=None), Q(person__erased_at=None))
        linked = known.select_related("account__owner", "person__owner", "product")
        return contracts.worth(linked, timezone.localdate())

    def seen(self, rows: QuerySet[Contract]) -> QuerySet[Contract]:
        return sight.subjects(rows, self.request.user)

    def prepare(self, rows: list[Any]) -> list[Any]:
        return _amended(super().prepare(rows)) if self.leaves else _stated(rows)

    def context(self) -> dict[str, Any]:
        """What renews within each window, as the reader sees it: how many, and what they are worth a year."""
        today = timezone.localdate()
        there = self._seen()
        windows = [_window(there, today, days) for days in contracts.WINDOWS]
        return {"windows": windows, "converted": windows[-1]["amounts"].words()}


def _window(rows: QuerySet[Contract], today: date, days: int) -> dict[str, Any]:
    soon = rates.added(contracts.amounts(rows.filter(contracts.renewing(today, days)), today), rates.own())
    url = f"{reverse('contracts')}?renews={days}"
    return {"days": days, "count": soon.count, "sums": soon.sums, "amounts": soon, "url": url}


def _amended(rows: list[Any]) -> list[Any]:
    """The contracts with what they are worth from which day on: “2025-01-01: 1200.00; …”."""
    told: dict[int, list[str]] = {}
    currencies = {row.pk: row.currency for row in rows}
    for each in ContractAmendment.objects.filter(contract__in=currencies).order_by("valid_from"):
        amount = money.major(each.annual_value, currencies[each.contract_id])
        told.setdefault(each.contract_id, []).append(f"{each.valid_from.isoformat()}: {amount}")
    for row in rows:
        row.amendments_told = "; ".join(told.get(row.pk, ()))
    return rows


def _stated(rows: list[Any]) -> list[Any]:
    for row in rows:
        row.state = contracts.state_of(row, timezone.localdate())
        row.state_words = contracts.STATES[row.state]
    return rows


class ContractForm(forms.Form):
    """A contract: what it is about, when it runs, what it is worth."""

    name = forms.CharField(label=_("Name"), max_length=300)
    product = forms.ModelChoiceField(
        queryset=Product.objects.order_by("name", "pk"), label=_("Product"), required=False, empty_label=_("(none)")
    )
    starts_on = Day(label=_("Starts"))
    renews_on = Day(label=_("Renews"), required=False, help_text=_("When it was renewed, the next day on which it is."))
    notice_on = Day(label=_("Notice by"), required=False)
    ends_on = Day(label=_("Ended"), required=False, help_text=_("The first day on which it is not in force any more."))
    auto_renew = forms.BooleanField(label=_("Renews by itself"), required=False)
    annual_value = forms.DecimalField(
        label=_("Annual value at its start"), required=False, min_value=0, max_value=LARGEST, decimal_places=4
    )
    currency = forms.CharField(label=_("Currency"), max_length=3)

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if not re.fullmatch("[A-Z]{3}", code):
            raise forms.ValidationError(_now("A currency has three letters, such as EUR."))
        return code

    def values(self) -> dict[str, Any]:
        """As the verbs take them: money in minor units."""
        told = {name: self.cleaned_data[name] for name in contracts.FIELDS}
        if told["annual_value"] is not None:
            told["annual_value"] = money.minor(told["annual_value"], told["currency"])
        return told


class Amendment(forms.Form):
    """Another annual value, from a day on."""

    valid_from = Day(label=_("From"))
    annual_value = forms.DecimalField(label=_("A year"), min_value=0, max_value=LARGEST, decimal_places=4)


@require_GET
def contract(request: HttpRequest, pk: int) -> HttpResponse:
    """One contract: whose, since when, until when, and what it was worth when."""
    return _shown(request, _found(request, pk), Amendment())


@require_POST
@rights.needs("people")
def amend(request: HttpRequest, pk: int) -> HttpResponse:
    """Another value from a day on, or (`remove`) an amendment taken away."""
    found = _found(request, pk)
    given: dict[str, Any] = {"by": audit.asker(request), "now": timezone.now()}
    form = Amendment(request.POST)
    try:
        if request.POST.get("remove"):
            day = _day(request.POST["remove"])
            if day is not None:
                contracts.amend(found, valid_from=day, annual_value=None, **given)
                messages.success(request, _now("The amendment is taken away."))
            return redirect(found)
        if form.is_valid():
            value = money.minor(form.cleaned_data["annual_value"], found.currency)
            contracts.amend(found, valid_from=form.cleaned_data["valid_from"], annual_value=value, **given)
            messages.success(request, _now("Saved."))
            return redirect(found)
    except BadValue as bad:
        form.add_error(bad.field if bad.field in form.fields else None, bad.message)
    return _shown(request, found, form, status=400)


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def contract_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Other dates or another value of a contract."""
    found = _found(request, pk)
    shown = {name: getattr(found, name) for name in contracts.FIELDS}
    if found.annual_value is not None:
        shown["annual_value"] = money.major(found.annual_value, found.currency)
    shown["currency"] = found.currency or installation.get("currency")
    form = ContractForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            changed = contracts.change(found, form.values(), by=audit.asker(request), now=timezone.now())
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _now("Saved.") if changed else _now("Nothing was different."))
            return redirect(found)
    return _form(request, form, found, found.account or found.person, found.get_absolute_url())


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_contract(request: HttpRequest, pk: int) -> HttpResponse:
    """A new contract of an account."""
    return _new(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_contract(request: HttpRequest, pk: int) -> HttpResponse:
    """A new contract of a person."""
    return _new(request, sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None))


def _new(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    initial = {"currency": installation.get("currency"), "starts_on": timezone.localdate()}
    form = ContractForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given: dict[str, Any] = {"source": BY_HAND, "by": audit.asker(request), "now": timezone.now()}
        try:
            made = contracts.make(form.values(), subject=subject, **given)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _now("The contract “%(contract)s” is there.") % {"contract": made})
            return redirect(made)
    return _form(request, form, None, subject, subject.get_absolute_url())


def _found(request: HttpRequest, pk: int) -> Contract:
    linked = Contract.objects.select_related("account__owner", "person__owner", "person__account", "product")
    return sight.get(linked, request.user, pk=pk)


def _shown(request: HttpRequest, found: Contract, form: Amendment, status: int = 200) -> HttpResponse:
    today = timezone.localdate()
    subject = found.account or found.person
    worth = contracts.worth(Contract.objects.filter(pk=found.pk), today).values_list("value", flat=True).get()
    context = {
        "contract": _stated([found])[0],
        "title": str(found),
        "subject": subject,
        "is_erased": subject.erased_at is not None if subject else False,
        "steps": contracts.values_over_time(found),
        "worth": worth,
        "days": (found.renews_on - today).days if found.renews_on else None,
        "form": form,
        "owner": _owner(found),
    }
    return render(request, "audience/contract_page.html", context, status=status)


def _form(request: HttpRequest, form: Any, found: Contract | None, subject: Any, back: str) -> HttpResponse:
    context = {
        "form": form,
        "title": str(found) if found else _now("New contract"),
        "whose": names.of(subject),
        "back_url": back,
        "contract": found,
    }
    return render(request, "audience/contract.html", context, status=400 if form.is_bound else 200)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
