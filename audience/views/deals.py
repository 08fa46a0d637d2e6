"""Pages of deals: the list, the board of a pipeline, one deal with its history, and how it is changed by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.belonging import roles
from audience.commerce import deals, pipelines
from audience.models import Account, Deal, DealLine, DealRole, DealStageChange, Person, Pipeline, PipelineStage, Product
from audience.subjects import filters, names, querysets, sight
from audience.subjects.byhand import CHOOSER, LARGEST, AccountField, PersonField, written_person
from audience.subjects.people import BY_HAND, BadValue
from audience.views import returning
from audience.views.people import day
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
    product = forms.ModelChoiceField(
        queryset=Product.objects.order_by("name", "pk"), label=_("Product"), required=False, empty_label=_("(none)")
    )
    expected_close_on = Day(label=_("Expected close"), required=False)
    owner = forms.ModelChoiceField(
        queryset=users.to_choose(), label=_("Owner"), required=False, empty_label=_("(nobody)")
    )
    status = forms.ChoiceField(label=_("Status"), choices=Deal.Status.choices)
    closed_on = Day(label=_("Won or lost on"), required=False, help_text=_("Today, unless you name an earlier day."))
    reason = forms.CharField(label=_("Won or lost because"), max_length=300, required=False)
    role = forms.CharField(label=_("Their role in it"), max_length=100, required=False)
    seen = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    def __init__(
        self, user: Any, deal: Deal | None, data: Any = None, *, with_role: bool = False, **given: Any
    ) -> None:
        super().__init__(data, **given)
        hint = _("The account that sells with us. Type a name or domain, and choose.")
        if deal is None or deal.partner is None or sight.is_seen(user, deal.partner):  # else it stays as it is
            self.fields["partner"] = AccountField(user, label=_("Partner"), help_text=hint)
            self.fields["partner"].widget.attrs |= CHOOSER
        present = deal.owner_id if deal else None
        self.fields["owner"].queryset = users.to_choose(present)  # type: ignore[attr-defined]
        if not with_role:
            del self.fields["role"]
        if deal:
            del self.fields["product"]  # its products stand on its page
        for name in ("pipeline", "stage"):
            self.fields[name].widget.attrs["list"] = f"in-use-{name}"

    @property
    def in_use(self) -> list[tuple[str, list[str]]]:
        """What is planned, and what other deals have there."""
        planned = {
            "pipeline": Pipeline.objects.values_list("name", "retired_at"),
            "stage": PipelineStage.objects.order_by("pipeline__position", "position").values_list("name", "retired_at"),
        }
        offered = []
        for name, there in planned.items():
            retired = {each for each, retired_at in there if retired_at}
            names = dict.fromkeys([*(each for each, _retired in there), *querysets.values_in_use(Deal, name)])
            offered.append((f"in-use-{name}", [each for each in names if each not in retired]))
        return offered

    def clean_currency(self) -> str:
        """Codes are kept in capitals."""
        code = self.cleaned_data["currency"].strip().upper()
        if not re.fullmatch("[A-Z]{3}", code):
            raise forms.ValidationError(_now("A currency has three letters, such as EUR."))
        return code

    def values(self) -> dict[str, Any]:
        """As the verbs take them: money in minor units."""
        told = {name: self.cleaned_data[name] for name in deals.FIELDS if name in self.fields}
        if told["amount"] is not None:
            told["amount"] = money.minor(told["amount"], told["currency"])
        return told

    def sold(self) -> list[deals.Sold]:
        """The product that a new deal begins with, if any."""
        product = self.cleaned_data.get("product")
        return [deals.Sold(product)] if product else []


COLUMNS = (
    pages.Column("name", _("Deal"), sort="name", template="audience/_deal_name.html", whole=True),
    pages.Column("status", _("Status"), template="audience/_deal_status.html", sort="status"),
    pages.Column("pipeline", _("Pipeline"), sort="pipeline"),
    pages.Column("stage", _("Pipeline stage"), sort="stage"),
    pages.Column(
        "amount", _("Amount"), sort="amount", align="end", desc_first=True,
        value=lambda row: money.written(row.amount, row.currency),
    ),
    pages.Column("owner", _("Owner")),
    pages.Column("opened_at", _("Opened"), sort="opened_at", desc_first=True, value=lambda row: day(row.opened_at)),
    pages.Column("expected_close_on", _("Expected close"), sort="expected_close_on"),
    pages.Column(
        "closed_at", _("Closed"), sort="closed_at", desc_first=True,
        value=lambda row: row.closed_at and day(row.closed_at),
    ),
)  # fmt: skip
EXPORTED = (
    *returning.ROW,
    pages.Column("name", _("Name")),
    *returning.ACCOUNT,
    pages.Column("contacts", _("Contact roles"), value="contacts"),
    *returning.LINE,
    *returning.PARTNER,
    pages.Column("status", _("Status")),
    pages.Column("pipeline", _("Pipeline")),
    pages.Column("stage", _("Pipeline stage")),
    pages.Column("amount", _("Amount"), value=lambda row: returning.major(row.amount, row.currency)),
    pages.Column("currency", _("Currency")),
    pages.Column("reason", _("Won or lost because")),
    pages.Column("owner", _("Owner"), value="owner.email"),
    pages.Column("opened_at", _("Created"), sort="opened_at", value=lambda row: returning.exact(row.opened_at)),
    pages.Column("expected_close_on", _("Expected close")),
    pages.Column("closed_at", _("Closed"), value=lambda row: returning.exact(row.closed_at)),
    returning.PROPERTIES,
)  # fmt: skip


CARDS = 20  # deals that a column of the board draws
PEOPLE = 200  # of the account that a form offers


class Deals(returning.Returning):
    """Every possible sale."""

    queryset = Deal.objects.all()
    filterset_class = filters.Deals
    columns: Sequence[pages.Column] = COLUMNS
    title = _("Deals")
    purpose = _("Possible sales: open, won and lost. A deal's stage is of its pipeline, never of a lifecycle.")
    also = (
        pages.Action(_("Board"), "deal_board", "columns-3"),
        pages.Action(_("History"), "deal_stages", "history"),
        pages.Action(_("Pipelines"), "pipelines", "route"),
    )
    counted = ngettext_lazy("%(shown)s deal", "%(shown)s deals", "count")
    default_sort = "-opened_at"
    file_name = "deals"
    empty_title = _("No deals yet")
    empty_text = _("Deals come with a file, from another system, or are opened on the page of a person or an account.")
    empty_icon = "handshake"

    returned = EXPORTED
    about = ("account", "partner")

    def prepare(self, rows: list[Any]) -> list[Any]:
        return _by_line(_with_contacts(super().prepare(rows), self.request.user)) if self.leaves else rows

    def rows(self) -> QuerySet[Deal]:
        return Deal.objects.select_related("account", "owner", "partner")

    def seen(self, rows: QuerySet[Deal]) -> QuerySet[Deal]:
        return sight.deals(rows, self.request.user)


class Steps(returning.Returning):
    """Every step of a deal from one stage into another: its file comes in again as the deals' history."""

    queryset = DealStageChange.objects.all()
    filterset_class = filters.DealSteps
    columns: Sequence[pages.Column] = (
        pages.Column("deal", _("Deal"), template="audience/_step_deal.html", whole=True),
        pages.Column("from_stage", _("Stage before")),
        pages.Column("to_stage", _("Pipeline stage"), sort="to_stage"),
        pages.Column("to_status", _("Status"), value=lambda row: Deal.Status(row.to_status).label),
        pages.Column("occurred_at", _("Entered"), sort="occurred_at", desc_first=True),
        pages.Column("recorded_at", _("Recorded"), sort="recorded_at", desc_first=True),
    )
    title = _("History of deals")
    purpose = _("Which pipeline stage a deal entered, and when. What a file tells of the past is known since then.")
    counted = ngettext_lazy("%(shown)s step", "%(shown)s steps", "count")
    also = (pages.Action(_("Import"), "import_new", "upload", right="edit"),)
    default_sort = "-occurred_at"
    file_name = "deal-stages"
    empty_title = _("No deal has changed its stage yet")
    empty_text = _("A step is written down when a deal moves; steps of before come with a file.")
    empty_icon = "history"

    returned = (
        pages.Column("deal_external_id", _("External id of the deal"), value="deal.external_id"),
        pages.Column("source", _("Source system"), value="deal.source"),
        pages.Column("from_stage", _("Stage before")),
        pages.Column("to_stage", _("Pipeline stage")),
        pages.Column("to_status", _("Status")),
        pages.Column("occurred_at", _("Entered"), value=lambda row: returning.exact(row.occurred_at)),
    )
    about = ()

    def get_crumbs(self) -> Sequence[tuple[Any, str]]:
        return [(_("Deals"), reverse("deals")), (self.get_title(), "")]

    def for_file(self, rows: QuerySet[Any], sort: str) -> QuerySet[Any]:
        return rows.order_by("deal__source", "deal__external_id", "occurred_at", "pk")

    def rows(self) -> QuerySet[DealStageChange]:
        return DealStageChange.objects.select_related("deal")

    def seen(self, rows: QuerySet[DealStageChange]) -> QuerySet[DealStageChange]:
        return sight.deals(rows, self.request.user, "deal_id")


def _with_contacts(rows: list[Any], user: Any) -> list[Any]:
    """The deals with those who take part, as far as the reader sees them: “ann@acme.example: champion; …”."""
    taking = DealRole.objects.filter(deal__in=[row.pk for row in rows], person__erased_at=None)
    taking = sight.people(taking.select_related("person"), user, "person_id")
    parts = list(taking)
    names = returning.first_names({each.person_id for each in parts if not each.person.email})
    told: dict[int, list[str]] = {}
    for each in parts:
        called = each.person.email or "|".join(names.get(each.person_id, ()))
        if called:
            told.setdefault(each.deal_id, []).append(f"{called}: {each.role}" if each.role else called)
    for row in rows:
        row.contacts = "; ".join(sorted(told.get(row.pk, ())))
    return rows


def _by_line(rows: list[Any]) -> list[Any]:
    """Each deal as often as it has products, with one of them as `line`; once without where it has none."""
    lines: dict[int, list[DealLine | None]] = {}
    there = DealLine.objects.filter(deal__in=[row.pk for row in rows], removed_at=None).select_related("product")
    for each in there.order_by("pk"):
        lines.setdefault(each.deal_id, []).append(each)
    found = []
    for row in rows:
        for line in lines.get(row.pk) or [None]:
            one = copy(row)
            one.line = line
            found.append(one)
    return found


class Period(forms.Form):
    """Of which pipeline, whose deals, and closed when."""

    pipeline = forms.ModelChoiceField(
        queryset=Pipeline.objects.all(), label=_("Pipeline"), empty_label=None, required=False
    )
    owner = forms.ModelChoiceField(
        queryset=users.to_choose(), label=_("Owner"), required=False, empty_label=_("Anybody")
    )
    closed_from = Day(label=_("Closed from"), required=False)
    closed_to = Day(label=_("Closed to"), required=False)


@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """What is open in a pipeline, stage by stage, and how often deals are won."""
    now = timezone.now()
    form = Period(request.GET or None)
    asked = form.cleaned_data if form.is_valid() else {}
    pipeline = asked.get("pipeline") or pipelines.first()
    if pipeline is None:
        return redirect("pipelines")
    form.initial["pipeline"] = pipeline
    rows = sight.deals(Deal.objects.all(), request.user)
    if owner := asked.get("owner"):
        rows = rows.filter(owner=owner)
    first, last = asked.get("closed_from"), asked.get("closed_to")
    zone = installation.zone()
    since = installation.midnight(first, zone) if first else None
    until = installation.midnight(last + timedelta(days=1), zone) if last else None
    drawn = pipelines.board(pipeline, rows, timezone.localdate(now))
    open_ones = rows.filter(pipelines.within(pipeline), status=Deal.Status.OPEN).select_related("account", "owner")
    columns = [
        {
            "column": each,
            "deals": list(open_ones.filter(stage=each.name).order_by(F("amount").desc(nulls_last=True), "-pk")[:CARDS]),
            "url": _door(pipeline, status="open", stage=each.name or filters.EMPTY, owner=owner),
        }
        for each in drawn.columns
    ]
    window = {"closed_from": first, "closed_to": last, "owner": owner}
    closed = pipelines.closed(rows.filter(pipelines.within(pipeline)), since, until)
    context = {
        "form": form,
        "pipeline": pipeline,
        "board": drawn,
        "columns": columns,
        "closed": closed,
        "converted": [*drawn.amounts.words(), *closed.amounts.words()],
        "open_url": _door(pipeline, status="open", owner=owner),
        "won_url": _door(pipeline, status="won", **window),
        "lost_url": _door(pipeline, status="lost", **window),
        "cards": CARDS,
        "now": now,
        "sees_all": sight.everything(request.user),
    }
    return render(request, "audience/deal_board.html", context)


def _door(pipeline: Pipeline, **asked: Any) -> str:
    """The list of the deals behind a figure."""
    told = {name: getattr(value, "pk", value) for name, value in asked.items() if value}
    return f"{reverse('deals')}?{urlencode({'pipeline': pipeline.name} | told)}"


@require_GET
def deal(request: HttpRequest, pk: int) -> HttpResponse:
    """One deal: whose it is, how long it stood in each stage, who takes part."""
    found = sight.get(Deal.objects.select_related("account", "partner", "owner"), request.user, pk=pk)
    now = timezone.now()
    taking = DealRole.objects.filter(deal=found, person__erased_at=None).select_related("person")
    seen = sight.people(taking, request.user, "person_id").order_by("pk")
    context = {
        "deal": found,
        "title": str(found),
        "stays": deals.stays(found, now)[::-1],
        "sold": deals.sold(found),
        "sell": SellForm(),
        "roles": seen,
        "hidden": taking.count() - seen.count(),
        "planned": pipelines.stage_of(found.pipeline, found.stage),
        "form": TakePart(request.user, found),
        "first_pipeline": pipelines.first(),
        "now": now,
    }
    return render(request, "audience/deal_page.html", context)


class SellForm(forms.Form):
    """A product of a deal: how many, and for how much."""

    product = forms.ModelChoiceField(
        queryset=Product.objects.order_by("name", "pk"), label=_("Product"), empty_label=_("(choose)")
    )
    quantity = forms.DecimalField(
        label=_("Quantity"), required=False, max_digits=17, decimal_places=4, help_text=_("Where it is known.")
    )
    amount = forms.DecimalField(
        label=_("Amount"), required=False, min_value=-LARGEST, max_value=LARGEST, decimal_places=4,
        help_text=_("In the deal’s currency; the deal’s own amount stays as it is."),
    )  # fmt: skip


@require_POST
@rights.needs("people")
def deal_products(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a product into a deal, or change what is said of it; or (`remove`) take it out."""
    found = sight.get(Deal.objects.all(), request.user, pk=pk)
    form, remove = SellForm(request.POST), request.POST.get("remove", "")
    given: dict[str, Any] = {"by": audit.asker(request), "now": timezone.now()}
    try:
        if remove:
            if deals.sell(found, [each for each in deals.sold(found) if str(each.product.pk) != remove], **given):
                messages.success(request, _now("The product is taken out."))
        elif form.is_valid():
            product, amount = form.cleaned_data["product"], form.cleaned_data["amount"]
            currency = found.currency or installation.get("currency")
            amount = None if amount is None else money.minor(amount, currency)
            others = [each for each in deals.sold(found) if each.product != product]
            told = deals.Sold(product, form.cleaned_data["quantity"], amount)
            changed = deals.sell(found, [*others, told], **given)
            messages.success(request, _now("Saved.") if changed else _now("Nothing was different."))
        else:
            messages.error(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
    except BadValue as bad:
        messages.error(request, bad.message)
    return redirect(found)


class TakePart(forms.Form):
    """Somebody who takes part in a deal, and as what."""

    role = forms.CharField(label=_("Role"), max_length=deals.LONGEST_ROLE, required=False)

    def __init__(self, user: Any, deal: Deal, data: Any = None) -> None:
        super().__init__(data)
        self.fields["person"] = PersonField(user, label=_("Person"), help_text=_("An email, a name, or a number."))
        self.fields["person"].widget.attrs["list"] = "people-there"
        self.fields["role"].widget.attrs["list"] = "in-use-role"
        self.order_fields(["person", "role"])
        there = sight.people(Person.objects.filter(account=deal.account_id, erased_at=None), user)
        people = there.order_by("last_name", "pk")[:PEOPLE] if deal.account_id else []
        self.offered = [written_person(each) for each in people]
        self.in_use = [each["name"] for each in roles.kinds()]


@require_POST
@rights.needs("people")
def deal_roles(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody take part in a deal, or take a role in it away."""
    found = sight.get(Deal.objects.select_related("account"), request.user, pk=pk)
    given: dict[str, Any] = {"by": audit.asker(request), "now": timezone.now()}
    remove = request.POST.get("remove", "")
    try:
        if remove:
            known = DealRole.objects.filter(deal=found, pk=int(remove) if remove.isascii() and remove.isdigit() else 0)
            role = sight.people(known, request.user, "person_id").first() if len(remove) < 19 else None
            if role is not None:
                deals.leave(role, **given)
                messages.success(request, _now("The role is taken away."))
            return redirect(found)
        form = TakePart(request.user, found, request.POST)
        if form.is_valid():
            deals.take_part(found, form.cleaned_data["person"], form.cleaned_data["role"], **given)
            told = {"name": names.of(form.cleaned_data["person"])}
            messages.success(request, _now("%(name)s takes part.") % told)
        else:
            messages.error(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
    except BadValue as bad:
        messages.error(request, bad.message)
    return redirect(found)


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
def deal_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another stage or amount of a deal; won, lost, or open again."""
    found = sight.get(Deal.objects.select_related("account", "partner"), request.user, pk=pk)
    whose = _whose(found, request.user)
    shown = {name: getattr(found, name) for name in deals.FIELDS} | {"owner": found.owner_id, "seen": _version(found)}
    shown["currency"] = found.currency or installation.get("currency")
    if found.amount is not None:
        shown["amount"] = money.major(found.amount, found.currency)
    if found.closed_at:
        shown["closed_on"] = timezone.localdate(found.closed_at)
    form = DealForm(request.user, found, request.POST or None, initial=shown)
    back = pages.next_of(request, request.GET.get("from", "")) if request.method == "POST" else ""
    back = back or found.get_absolute_url()
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
    form = DealForm(request.user, None, request.POST or None, with_role=of_person, initial=initial)
    if request.method == "POST" and form.is_valid():
        account = subject.account if isinstance(subject, Person) else subject
        roles = [(subject, form.cleaned_data["role"])] if isinstance(subject, Person) else []
        given: dict[str, Any] = {"source": BY_HAND, "by": audit.asker(request), "now": timezone.now()}
        try:
            made = deals.open(form.values(), account=account, roles=roles, sold=form.sold(), **given)
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
