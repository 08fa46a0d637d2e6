"""Pages on which a deal is opened and changed by hand."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from audience import deals, names, querysets, sight
from audience.byhand import LARGEST
from audience.models import Account, Deal, Person
from audience.people import BY_HAND, BadValue
from kit import audit, installation, money, pages, rights, users
from kit.forms import Day


class DealForm(forms.Form):
    """A deal: what it is about, how far it is, and how it ended."""

    name = forms.CharField(label=_("Name"), max_length=300)
    amount = forms.DecimalField(
        label=_("Amount"), required=False, min_value=-LARGEST, max_value=LARGEST, decimal_places=4
    )
    currency = forms.CharField(label=_("Currency"), max_length=3)
    pipeline = forms.CharField(label=_("Pipeline"), max_length=100, required=False)
    stage = forms.CharField(label=_("Pipeline stage"), max_length=100, required=False)
    expected_close_on = Day(label=_("Expected close"), required=False)
    owner = forms.ModelChoiceField(
        queryset=users.to_choose(), label=_("Owner"), required=False, empty_label=_("(nobody)")
    )
    status = forms.ChoiceField(label=_("Status"), choices=Deal.Status.choices)
    closed_on = Day(label=_("Won or lost on"), required=False, help_text=_("Today, unless you name an earlier day."))
    reason = forms.CharField(label=_("Won or lost because"), max_length=300, required=False)
    role = forms.CharField(label=_("Their role in it"), max_length=100, required=False)
    seen = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    def __init__(self, deal: Deal | None, data: Any = None, *, with_role: bool = False, **given: Any) -> None:
        super().__init__(data, **given)
        present = deal.owner_id if deal else None
        self.fields["owner"].queryset = users.to_choose(present)  # type: ignore[attr-defined]
        if not with_role:
            del self.fields["role"]
        for name in ("pipeline", "stage"):
            self.fields[name].widget.attrs["list"] = f"in-use-{name}"

    @property
    def in_use(self) -> list[tuple[str, list[str]]]:
        """What other deals have there."""
        return [(f"in-use-{name}", querysets.values_in_use(Deal, name)) for name in ("pipeline", "stage")]

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if not re.fullmatch("[A-Z]{3}", code):
            raise forms.ValidationError(_now("A currency has three letters, such as EUR."))
        return code

    def values(self) -> dict[str, Any]:
        """As the verbs take them: money in minor units."""
        told = {name: self.cleaned_data[name] for name in deals.FIELDS}
        if told["amount"] is not None:
            told["amount"] = money.minor(told["amount"], told["currency"])
        return told


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_deal(request: HttpRequest, pk: int) -> HttpResponse:
    """A new deal in which a person has a role, of their account if they have one."""
    person = sight.get(Person.objects.select_related("account"), request.user, pk=pk, erased_at=None)
    return _new(request, person)


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_deal(request: HttpRequest, pk: int) -> HttpResponse:
    """A new deal with an account."""
    return _new(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def deal(request: HttpRequest, pk: int) -> HttpResponse:
    """One deal: another stage or amount; won, lost, or open again."""
    found = sight.get(Deal.objects.select_related("account"), request.user, pk=pk)
    whose = _whose(found, request.user)
    shown = {name: getattr(found, name) for name in deals.FIELDS} | {"owner": found.owner_id, "seen": _version(found)}
    shown["currency"] = found.currency or installation.get("currency")
    if found.amount is not None:
        shown["amount"] = money.major(found.amount, found.currency)
    if found.closed_at:
        shown["closed_on"] = timezone.localdate(found.closed_at)
    form = DealForm(found, request.POST or None, initial=shown)
    back = pages.next_of(request, request.GET.get("from", "")) if request.method == "POST" else ""
    back = back or (whose.get_absolute_url() if whose else "/")
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        try:
            with transaction.atomic():
                held = Deal.objects.select_for_update(no_key=True).get(pk=pk)
                if form.cleaned_data["seen"] != _version(held):
                    form.data = form.data.dict() | {"seen": _version(held)}  # type: ignore[attr-defined]
                    raise BadValue("status", _meanwhile(held))
                at = _instant(form.cleaned_data["closed_on"], now, found)
                changed = deals.change(held, form.values(), at=at, by=audit.asker(request), now=now)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _now("Saved.") if changed else _now("Nothing was different."))
            return redirect(back)
    return _page(request, form, found, whose, back)


def _new(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    of_person = isinstance(subject, Person)
    initial = {"currency": installation.get("currency"), "owner": request.user.pk, "status": Deal.Status.OPEN}
    form = DealForm(None, request.POST or None, with_role=of_person, initial=initial)
    if request.method == "POST" and form.is_valid():
        account = subject.account if isinstance(subject, Person) else subject
        roles = [(subject, form.cleaned_data["role"])] if isinstance(subject, Person) else []
        given: dict[str, Any] = {"source": BY_HAND, "by": audit.asker(request), "now": timezone.now()}
        try:
            made = deals.open(form.values(), account=account, roles=roles, **given)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _now("The deal “%(deal)s” is open.") % {"deal": made})
            return redirect(subject)
    return _page(request, form, None, subject, subject.get_absolute_url())


def _instant(day: date | None, now: datetime, deal: Deal) -> datetime:
    """When it was won or lost: the day that was named, at its end but not after now; else now."""
    if day is None or day == timezone.localdate(now) or (deal.closed_at and day == timezone.localdate(deal.closed_at)):
        return now
    return datetime.combine(day, datetime.max.time(), timezone.get_current_timezone())


def _whose(deal: Deal, user: Any) -> Person | Account | None:
    """Whose deal it is, as far as the user sees them: the account, else the first person with a role in it."""
    if deal.account and sight.is_seen(user, deal.account):
        return deal.account
    people = Person.objects.filter(dealrole__deal=deal, erased_at=None)
    return sight.people(people, user).order_by("pk").first()


def _version(deal: Deal) -> str:
    return f"{deal.status}|{deal.stage}|{deal.amount}|{deal.currency}"[:500]


def _meanwhile(deal: Deal) -> str:
    told = {
        "status": deal.get_status_display(),
        "stage": deal.stage,
        "amount": money.written(deal.amount, deal.currency),
    }
    return (
        _now("Meanwhile changed: %(status)s, stage “%(stage)s”, %(amount)s. Save again to put yours in place.") % told
    )


def _page(request: HttpRequest, form: Any, found: Deal | None, whose: Any, back: str) -> HttpResponse:
    context = {
        "form": form,
        "deal": found,
        "title": str(found) if found else _now("New deal"),
        "whose": names.of(whose) if whose else "",
        "back_url": back,
    }
    return render(request, "audience/deal.html", context, status=400 if form.is_bound else 200)
