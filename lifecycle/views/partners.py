"""Pages of partners: the list, applications and what is decided about them, programmes, steps and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_filters
from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience.models import Account, ActivityKind, Form, Person
from audience.subjects import accounts, names, sight
from audience.subjects.byhand import AccountField
from audience.subjects.filters import OneOf
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, pages, rights
from kit.forms import Day
from kit.models import User
from lifecycle.models import Application, ChecklistItem, Lifecycle, Membership, Stage
from lifecycle.partners import applications, certificates, checklist, outside, programmes, standing

MORE = 3  # empty rows of the form, for further steps


# ---- the list of partners ----


def _stages() -> list[tuple[str, str]]:
    """The stages of programmes, each slug once: the newest name of each, in the order of the newest version."""
    found = Stage.objects.filter(version__lifecycle__species=Lifecycle.Species.PARTNER).exclude(kind=Stage.Kind.GATE)
    named = found.order_by("version__lifecycle__name", "-version__number", "order").select_related("version__lifecycle")
    told: dict[str, str] = {}
    for each in named:
        told.setdefault(f"{each.version.lifecycle.slug}:{each.slug}", f"{each.version.lifecycle}: {each}")
    return list(told.items())


class PartnerFilters(django_filters.FilterSet):
    """What the list of partners can be narrowed by."""

    q = django_filters.CharFilter("account__name", lookup_expr="icontains", label=gettext_lazy("Search"))
    stage = OneOf(_stages, method="in_stage", label=gettext_lazy("Stage"))
    steps = django_filters.ChoiceFilter(
        method="with_steps", label=gettext_lazy("Steps"), empty_label=gettext_lazy("Any"),
        choices=[("late", gettext_lazy("late")), ("open", gettext_lazy("something to do"))],
    )  # fmt: skip

    def in_stage(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        lifecycle, _colon, stage = value.partition(":")
        return rows.filter(lifecycle__slug=lifecycle, stage__slug=stage)

    def with_steps(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        waits = ChecklistItem.objects.filter(account=OuterRef("account"), done_at=None)
        late = waits.filter(due_on__lt=timezone.localdate())
        return rows.filter(Exists(late if value == "late" else waits))


COLUMNS = (
    pages.Column("account", gettext_lazy("Partner"), sort="account__name", template="lifecycle/_partner_name.html",
                 whole=True),
    pages.Column("stage", gettext_lazy("Stage"), sort="entered_at", desc_first=True,
                 template="lifecycle/_partner_stage.html"),
    pages.Column("approved_on", gettext_lazy("Approved"), value="standing.approved_on"),
    pages.Column("certified", gettext_lazy("Certified"), template="lifecycle/_partner_certified.html"),
    pages.Column("steps", gettext_lazy("Steps"), template="lifecycle/_partner_steps.html"),
    pages.Column("registered", gettext_lazy("Deals registered"), template="lifecycle/_partner_deals.html", align="end"),
    pages.Column("last_touch", gettext_lazy("Last touch"), value="standing.last_touch_on"),
)  # fmt: skip
EXPORTED = (
    pages.Column("account", gettext_lazy("Partner"), value="account.name"),
    pages.Column("lifecycle", gettext_lazy("Programme"), value="lifecycle.name"),
    pages.Column("stage", gettext_lazy("Stage"), value=lambda row: row.stage.name if row.stage else _("left")),
    pages.Column("entered_at", gettext_lazy("Since"), sort="entered_at"),
    pages.Column("approved_on", gettext_lazy("Approved"), value="standing.approved_on"),
    pages.Column("is_certified", gettext_lazy("Certified"), value="standing.is_certified"),
    pages.Column("certified_until", gettext_lazy("Certified until"), value="standing.certified_until"),
    pages.Column("steps", gettext_lazy("Steps"), value="standing.steps"),
    pages.Column("done", gettext_lazy("Steps done"), value="standing.done"),
    pages.Column("late", gettext_lazy("Steps late"), value="standing.late"),
    pages.Column("registered", gettext_lazy("Deals registered"), value="standing.registered"),
    pages.Column("first_deal", gettext_lazy("Days to first deal"), value="standing.first_deal_days"),
    pages.Column("last_touch", gettext_lazy("Last touch"), value="standing.last_touch_on"),
    pages.Column("owner", gettext_lazy("Owner"), value="account.owner"),
)


class Partners(pages.ListPage):
    """Every partner, and whoever is to become one, with how far they are."""

    queryset = Membership.objects.all()
    filterset_class = PartnerFilters
    columns: Sequence[pages.Column] = COLUMNS
    title = gettext_lazy("Partners")
    purpose = gettext_lazy("Who sells with us, or is to: how far each is, what is left to do, and what they bring.")
    counted = ngettext_lazy("%(shown)s partner", "%(shown)s partners", "count")
    also = (
        pages.Action(gettext_lazy("Applications"), "partner_applications", icon="inbox"),
        pages.Action(gettext_lazy("Programmes"), "partner_programmes", icon="list-checks", right="edit"),
    )
    default_sort = "-entered_at"
    file_name = "partners"
    empty_title = gettext_lazy("No partners yet")
    empty_text = gettext_lazy("Publish a lifecycle of partners, and give it a form by which they apply.")
    empty_icon = "handshake"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.columns = EXPORTED if request.GET.get("export") else COLUMNS

    def rows(self) -> QuerySet[Membership]:
        return standing.members()

    def seen(self, rows: QuerySet[Membership]) -> QuerySet[Membership]:
        return sight.subjects(rows, self.request.user)

    def prepare(self, rows: list[Membership]) -> list[Membership]:
        told = standing.of([row.account_id for row in rows if row.account_id], now=timezone.now())
        for row in rows:
            row.standing = told[row.account_id]  # type: ignore[attr-defined, index]
        return rows


# ---- applications ----


class ApplicationFilters(django_filters.FilterSet):
    """What the list of applications can be narrowed by."""

    state = django_filters.ChoiceFilter(
        choices=Application.State.choices, label=gettext_lazy("State"), empty_label=gettext_lazy("All")
    )


class Applications(pages.ListPage):
    """Who asked to become a partner, what waits for a decision first."""

    queryset = Application.objects.select_related("person", "account", "programme__lifecycle", "decided_by")
    filterset_class = ApplicationFilters
    columns = (
        pages.Column("person", gettext_lazy("Applicant"), template="lifecycle/_application_name.html", whole=True,
                     export=lambda row: names.of(row.person)),
        pages.Column("account", gettext_lazy("For"), value=lambda row: row.account and names.of(row.account)),
        pages.Column("state", gettext_lazy("State"), sort="state", template="lifecycle/_application_state.html",
                     export=lambda row: row.get_state_display()),
        pages.Column("programme", gettext_lazy("Programme"), value="programme.lifecycle.name"),
        pages.Column("applied_at", gettext_lazy("Applied"), sort="applied_at", desc_first=True),
        pages.Column("decided_at", gettext_lazy("Decided")),
        pages.Column("decided_by", gettext_lazy("By"), value=lambda row: row.decided_by and str(row.decided_by)),
        pages.Column("reason", gettext_lazy("Why")),
    )  # fmt: skip
    title = gettext_lazy("Applications")
    purpose = gettext_lazy("Who asked by a form to become a partner. Approving one writes down what there is to do.")
    counted = ngettext_lazy("%(shown)s application", "%(shown)s applications", "count")
    default_sort = "-applied_at"
    file_name = "applications"
    empty_title = gettext_lazy("Nobody has applied yet")
    empty_text = gettext_lazy("Say on the page “Programmes” by which form partners apply, and share that form.")
    empty_icon = "inbox"

    def get_crumbs(self) -> Any:
        return _crumbs(self.get_title())

    def seen(self, rows: QuerySet[Application]) -> QuerySet[Application]:
        return sight.people(rows, self.request.user, "person_id")


class Approval(forms.Form):
    """For which organisation it is approved: one that is there, or a new one."""

    def __init__(self, user: Any, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["account"] = AccountField(
            user, label=_("Account"), help_text=_("By its name or domain. Leave it empty to make a new one.")
        )
        self.fields["new"] = forms.CharField(label=_("Name of the new account"), max_length=300, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and bool(values.get("account")) == bool(values.get("new")):
            raise forms.ValidationError(_("Name the account that becomes a partner, or a new one."))
        return values


class Decline(forms.Form):
    """Why not, and whether the applicant is told that it is so."""

    reason = forms.CharField(label=gettext_lazy("Why (stays with us)"), max_length=300)
    tell = forms.BooleanField(label=gettext_lazy("Tell the applicant"), required=False, initial=True)


@require_http_methods(["GET"])
def application(request: HttpRequest, pk: int) -> HttpResponse:
    """One application: who asked, what they sent, and what can be decided."""
    return _application_page(request, _application(request, pk))


@require_POST
@rights.needs("people")
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a partner in."""
    found, now, by = _application(request, pk), timezone.now(), audit.asker(request)
    form = Approval(request.user, request.POST)
    if not form.is_valid():
        return _application_page(request, found, approval=form, status=400)
    try:
        chosen = form.cleaned_data["account"] or _new_account(form.cleaned_data["new"], by, now)
        won = applications.approve(found, chosen, by=by, now=now)
    except (BadValue, applications.Refused) as refused:
        form.add_error(None, str(refused))
        return _application_page(request, found, approval=form, status=400)
    if won:
        told = _("“%(account)s” is approved. What there is to do stands on its profile.")
        messages.success(request, told % {"account": names.of(chosen)})
        for each in outside.of(chosen, now=now):
            messages.warning(request, each.why)
        return redirect(chosen)
    messages.warning(request, applications.decided_meanwhile(found))
    return redirect(found)


@require_POST
@rights.needs("people")
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Refuse one, with a reason."""
    found = _application(request, pk)
    form = Decline(request.POST)
    if not form.is_valid():
        return _application_page(request, found, declining=form, status=400)
    told, by = form.cleaned_data, audit.asker(request)
    try:
        won = applications.decline(found, told["reason"], tell=told["tell"], by=by, now=timezone.now())
    except applications.Refused as refused:
        form.add_error("reason", str(refused))
        return _application_page(request, found, declining=form, status=400)
    if won:
        messages.success(request, _("The application is declined."))
        return redirect("partner_applications")
    messages.warning(request, applications.decided_meanwhile(found))
    return redirect(found)


@require_POST
@rights.needs("people")
def reconsider(request: HttpRequest, pk: int) -> HttpResponse:
    """Have one wait again."""
    found = _application(request, pk)
    if applications.reconsider(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("It waits again. A stage that it led to stays, until that move is taken back."))
    return redirect(found)


# ---- programmes ----


class ProgrammeForm(forms.Form):
    """By which form partners apply, and how long a certificate is good."""

    form = forms.ModelChoiceField(
        queryset=Form.objects.order_by("name"), label=gettext_lazy("Application form"), required=False,
        empty_label=gettext_lazy("(none)"), to_field_name="slug",
        help_text=gettext_lazy("Whoever has sent it is in the list of applications within a minute."),
    )  # fmt: skip
    certified_months = forms.IntegerField(
        label=gettext_lazy("A certificate is good for (months)"), required=False, min_value=1, max_value=600,
        help_text=gettext_lazy("Empty: it does not end."),
    )  # fmt: skip


class StepForm(forms.Form):
    """One step: what, by whom, within how many days, and what happens when it is done."""

    pk = forms.IntegerField(required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput)
    place = forms.IntegerField(label=gettext_lazy("Place"), required=False, min_value=1, max_value=10_000)
    name = forms.CharField(label=gettext_lazy("What"), required=False, max_length=200)
    who = forms.ChoiceField(
        label=gettext_lazy("By"), choices=[("partner", gettext_lazy("the partner")), ("us", gettext_lazy("us"))]
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days after approval"), required=False, min_value=0, max_value=programmes.MOST_DAYS
    )
    kind = forms.CharField(
        label=gettext_lazy("Done once this has happened"), required=False, max_length=64,
        widget=forms.TextInput(attrs={"list": "kinds", "autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for each in self.fields.values():
            each.widget.attrs["class"] = "input"


Steps = forms.formset_factory(
    StepForm, extra=MORE, max_num=programmes.MOST_STEPS + MORE, absolute_max=programmes.MOST_STEPS + MORE
)


@rights.needs("edit")
@require_http_methods(["GET"])
def programmes_page(request: HttpRequest) -> HttpResponse:
    """Every lifecycle of partners with its programme."""
    found = programmes.of_partners()
    for each in found:
        held = getattr(each, "programme", None)
        each.steps = len(programmes.steps_of(held)) if held else 0  # type: ignore[attr-defined]
    return render(request, "lifecycle/partner_programmes.html", {"lifecycles": found, "crumbs": _crumbs()})


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def programme(request: HttpRequest, slug: str) -> HttpResponse:
    """How one lifecycle takes partners in."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug, species=Lifecycle.Species.PARTNER, of="account")
    held = getattr(lifecycle, "programme", None)
    form = ProgrammeForm(
        request.POST or None,
        initial={"form": held.form and held.form.slug, "certified_months": held.certified_months} if held else {},
    )
    steps = Steps(request.POST or None, initial=_shown(held))
    if request.method == "POST" and form.is_valid() and steps.is_valid():
        try:
            programmes.set_up(
                lifecycle, **form.cleaned_data, steps=_told(steps), by=audit.asker(request), now=timezone.now()
            )
        except BadValue as bad:
            form.add_error("form" if bad.field == "form" else None, bad.message)
        else:
            messages.success(request, _("Saved."))
            return redirect("partner_programmes")
    context = {
        "lifecycle": lifecycle,
        "form": form,
        "steps": steps,
        "kinds": ActivityKind.objects.order_by("label").values_list("slug", "label"),
    }
    refused = request.method == "POST"
    return render(request, "lifecycle/partner_programme.html", context, status=400 if refused else 200)


# ---- one partner ----


@require_POST
@rights.needs("people")
def step(request: HttpRequest, pk: int) -> HttpResponse:
    """A step is done, or (`open`) is not done after all."""
    items = ChecklistItem.objects.filter(account__erased_at=None).select_related("step", "account")
    found = get_object_or_404(sight.accounts(items, request.user, "account_id"), pk=pk)
    verb = checklist.reopen if request.POST.get("open") else checklist.do
    if verb(found, by=audit.asker(request), now=timezone.now()):
        done = _("Done: %(step)s") if verb is checklist.do else _("To be done again: %(step)s")
        messages.success(request, done % {"step": found.step})
    else:
        messages.warning(request, _("Somebody else was faster; nothing is different."))
    return redirect(f"{found.account.get_absolute_url()}#partner")


class CertificateForm(forms.Form):
    """What was passed, by whom, when, and until when it is good."""

    name = forms.CharField(label=gettext_lazy("Certificate"), max_length=200)
    on = Day(label=gettext_lazy("Passed"))
    until = Day(
        label=gettext_lazy("Good until"), required=False,
        help_text=gettext_lazy("Empty: as long as the programme says."),
    )  # fmt: skip
    person = forms.ModelChoiceField(
        queryset=Person.objects.none(), label=gettext_lazy("By"), required=False,
        empty_label=gettext_lazy("(nobody in particular)"),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def certify(request: HttpRequest, pk: int) -> HttpResponse:
    """A certificate of a partner."""
    found = sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None)
    form = CertificateForm(request.POST or None, initial={"on": timezone.localdate()})
    staff = sight.people(Person.objects.filter(account=found, erased_at=None), request.user)
    form.fields["person"].queryset = staff.order_by("last_name", "first_name", "pk")  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        try:
            certificates.certify(found, **form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            messages.success(request, _("The certificate stands on the profile."))
            return redirect(f"{found.get_absolute_url()}#partner")
    context = {"form": form, "account": found, "name": names.of(found)}
    return render(request, "lifecycle/partner_certify.html", context, status=400 if form.errors else 200)


def panel(account: Account, request: HttpRequest, now: Any) -> dict[str, Any] | None:
    """On an account's page: what it has to do as a partner, and what it is certified for; nothing for others."""
    items = list(checklist.of(account))
    approved = Application.objects.filter(account=account, state=Application.State.APPROVED)
    passes = Membership.objects.filter(lifecycle__species=Lifecycle.Species.PARTNER, account=account)
    if not items and not approved.exists() and not passes.exists():
        return None
    for each in items:
        each.is_late = checklist.is_late(each, timezone.localdate(now))  # type: ignore[attr-defined]
    return {
        "standing": standing.one(account, now=now),
        "outside": outside.of(account, now=now),
        "items": items,
        "certificates": standing.certified(account, now=now),
        "account": account,
    }


def waiting_panel(_subject: None, request: HttpRequest, _now: Any) -> dict[str, Any] | None:
    """On home: how many applications wait for a decision; nothing when none does."""
    if not rights.may(request.user, "people"):
        return None
    waits = sight.people(applications.waiting(), request.user, "person_id")
    count = waits.count()
    return {"count": count, "oldest": waits[0].applied_at} if count else None


def _crumbs(title: Any = "") -> list[tuple[Any, str]]:
    from_list = [(_("Partners"), reverse("partners"))]
    return [*from_list, (title, "")] if title else from_list


def _application(request: HttpRequest, pk: int) -> Application:
    held = Application.objects.select_related(
        "person__account", "account", "programme__lifecycle", "programme__form", "submission__edition", "decided_by"
    )
    return get_object_or_404(sight.people(held, request.user, "person_id"), pk=pk)


def _application_page(request: HttpRequest, found: Application, status: int = 200, **given: Any) -> HttpResponse:
    company = str(found.submission.answers.get("company", "") or "")
    known = found.account or found.person.account
    context = {
        "application": found,
        "person": found.person,
        "name": names.of(found.person),
        "answers": [(key.removeprefix("custom."), value) for key, value in found.submission.answers.items()],
        "others": Application.objects.filter(Q(person=found.person), programme=found.programme).exclude(pk=found.pk),
        "approval": Approval(request.user, initial={"account": known, "new": "" if known else company}),
        "declining": Decline(),
    }
    return render(request, "lifecycle/partner_application.html", context | given, status=status)


def _new_account(name: str, by: User | None, now: Any) -> Account:
    return accounts.create({"name": name}, source=BY_HAND, by=by, now=now)


def _shown(held: Any) -> list[dict[str, Any]]:
    return [
        {
            "pk": each.pk, "place": place, "name": each.name, "who": "partner" if each.by_partner else "us",
            "days": each.days, "kind": each.kind,
        }
        for place, each in enumerate(programmes.steps_of(held) if held else [], 1)
    ]  # fmt: skip


def _told(steps: Any) -> list[programmes.Step]:
    """The rows that have a name, by their places. A row that was emptied is gone."""
    told = [each.cleaned_data for each in steps if each.cleaned_data.get("name", "").strip()]
    told.sort(key=lambda each: each.get("place") or 10_001)
    return [
        programmes.Step(each["name"], each["days"] or 0, each["who"] == "partner", each["kind"], each["pk"])
        for each in told
    ]
