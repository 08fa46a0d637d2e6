"""Pages on who belongs to an account: the buying centre, people of its domain, and what is set for both."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from audience.belonging import domains, roles
from audience.models import Account, AccountRole, Person
from audience.subjects import names, querysets, sight
from audience.subjects.byhand import PersonField, written_person
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, installation, pages, rights
from kit.forms import Day

OFFERED = 200  # people of the account that the form offers
SHOWN = 100  # people of a domain that the page names


class Role(forms.Form):
    """Somebody's role in an account, from a day on."""

    role = forms.CharField(label=_("Role"), max_length=roles.LONGEST)
    starts_on = Day(label=_("From"), required=False, help_text=_("Empty: nobody knows since when."))

    def __init__(self, user: Any, account: Account, data: Any = None, **given: Any) -> None:
        super().__init__(data, **given)
        self.fields["person"] = PersonField(user, label=_("Person"), help_text=_("An email, a name, or a number."))
        self.fields["person"].widget.attrs["list"] = "people-there"
        self.fields["role"].widget.attrs |= {"list": "roles-there", "autocomplete": "off"}
        self.order_fields(["person", "role", "starts_on"])
        there = sight.people(querysets.people_of(account), user).order_by("last_name", "pk")
        self.offered = [written_person(each) for each in there[:OFFERED]]
        self.kinds = [each["name"] for each in roles.kinds()]


@require_http_methods(["GET", "POST"])
def account_roles(request: HttpRequest, pk: int) -> HttpResponse:
    """The buying centre of an account: who is what, what is missing, who was what; a role given or (`end`) ended."""
    if request.method == "POST" and not rights.may(request.user, "people"):
        raise PermissionDenied
    account = sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None)
    form = Role(request.user, account, request.POST if _gives(request) else None, initial=_asked(request))
    if request.method == "POST":
        now, today = timezone.now(), timezone.localdate()
        given: dict[str, Any] = {"by": audit.asker(request), "now": now, "today": today}
        try:
            if not _gives(request):
                return _end(request, account, given)
            if form.is_valid():
                person = form.cleaned_data["person"]
                told = {name: form.cleaned_data[name] for name in ("role", "starts_on")}
                roles.give(person, account, source=BY_HAND, **told, **given)
                said = {"name": names.of(person), "role": told["role"]}
                messages.success(request, _now("%(name)s: %(role)s.") % said)
                return redirect("account_roles", pk)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
    context = {
        "account": account,
        "title": _now("Buying centre of %(account)s") % {"account": names.of(account)},
        "seats": roles.buying_centre(account, request.user),
        "former": roles.former(account, request.user),
        "form": form,
        "today": timezone.localdate(),
    }
    return render(request, "audience/account_roles.html", context, status=400 if form.errors else 200)


def _gives(request: HttpRequest) -> bool:
    return request.method == "POST" and not request.POST.get("end")


def _asked(request: HttpRequest) -> dict[str, Any]:
    return {"role": request.GET.get("role", "").replace("\x00", "")[: roles.LONGEST], "starts_on": timezone.localdate()}


def _end(request: HttpRequest, account: Account, given: dict[str, Any]) -> HttpResponse:
    said = request.POST["end"]
    number = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
    known = AccountRole.objects.filter(account=account, pk=number).select_related("person")
    role = sight.people(known, request.user, "person_id").first()
    try:
        day = Day(required=False).clean(request.POST.get("ends_on")) or given["today"]
        if role is not None and roles.end(role, ends_on=day, **given):
            messages.success(request, _now("The role has ended; it stays in the history."))
    except forms.ValidationError as wrong:
        messages.error(request, " ".join(wrong.messages))
    except BadValue as bad:
        messages.error(request, bad.message)
    return redirect("account_roles", account.pk)


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def account_claim(request: HttpRequest, pk: int) -> HttpResponse:
    """The people without an account whose address has this account's domain, and all of them put into it."""
    account = sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None)
    waiting = sight.people(domains.waiting(account), request.user).order_by("pk")
    if request.method == "POST":
        done = domains.claim(account, waiting, source=BY_HAND, by=audit.asker(request), now=timezone.now())
        told = ngettext("%(n)s person is in the account now.", "%(n)s people are in the account now.", done)
        messages.success(request, told % {"n": done})
        return redirect(account)
    context = {
        "account": account,
        "title": _now("People at %(domain)s") % {"domain": account.domain or names.of(account)},
        "people": waiting[:SHOWN],
        "count": pages.counted(waiting),
        "is_open": account.domain.lower() in domains.OPEN,
    }
    return render(request, "audience/account_claim.html", context)


@require_POST
@rights.needs("people")
def person_claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a person into the account of their address's domain."""
    person = sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None)
    account = domains.account_of(person.email)
    if account is None or person.account_id or not sight.is_seen(request.user, account):
        messages.error(request, _now("No account is proposed for them any more."))
        return redirect(person)
    only = Person.objects.filter(pk=pk)
    if domains.claim(account, only, source=BY_HAND, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("They are in %(account)s now.") % {"account": names.of(account)})
    return redirect(person)


class Settings(forms.Form):
    """Which roles an account is asked about, and where new people go."""

    needed = forms.CharField(
        label=_("Roles that every account needs"), required=False, max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_("One in a line. An account without somebody in one of them is told so on its page."),
    )  # fmt: skip
    also = forms.CharField(
        label=_("Further roles"), required=False, max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("One in a line. A role that is taken away here stays with whoever has it."),
    )  # fmt: skip
    by_domain = forms.BooleanField(
        label=_("Put new people into the account of their email's domain"), required=False,
        help_text=_(
            "When somebody new comes without an account, by hand, by a file or by a program, and one account has their "
            "domain. Domains at which everybody may have an address, such as gmail.com, never count."
        ),
    )  # fmt: skip

    def kinds(self) -> list[dict[str, Any]]:
        """The roles as they are kept."""
        return [
            {"name": line, "needed": name == "needed"}
            for name in ("needed", "also")
            for line in self.cleaned_data[name].splitlines()
            if line.strip()
        ]


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def account_settings(request: HttpRequest) -> HttpResponse:
    """What is set for accounts as a whole."""
    kinds = roles.kinds()
    initial = {
        "needed": "\n".join(each["name"] for each in kinds if each["needed"]),
        "also": "\n".join(each["name"] for each in kinds if not each["needed"]),
        "by_domain": domains.puts(),
    }
    form = Settings(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        now, by = timezone.now(), audit.asker(request)
        try:
            with transaction.atomic():
                roles.name_kinds(form.kinds(), by=by, now=now)
                told = {"account_by_domain": form.cleaned_data["by_domain"]}
                installation.change(told, by=by, now=now, action="accounts.set")
        except BadValue as bad:
            form.add_error(None, bad.message)
        else:
            messages.success(request, _now("Saved."))
            return redirect("account_settings")
    return render(request, "audience/account_settings.html", {"form": form}, status=400 if form.is_bound else 200)
