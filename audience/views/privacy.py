"""What a person may ask for: all that is held about them, and that it be erased."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from audience import merging
from audience.models import Account, Person
from audience.subjects import erasure, names, querysets, sight
from kit import audit, exports, holding, rights
from kit.models import Job


class Sure(forms.Form):
    """Whom to erase, typed once more."""

    confirm = forms.CharField(label=gettext_lazy("Type the email or the name of this person"), max_length=400)


@require_GET
def person_everything(request: HttpRequest, pk: int) -> HttpResponse:
    """All that is held about somebody: what there is, and as a file."""
    person = _person(request, pk)
    parts, wanted = list(holding.everything(person, merging.absorbed(pk))), request.GET.get("export", "")
    if wanted in ("json", "csv"):
        name, as_csv = f"person-{pk}", wanted == "csv"
        return exports.whole(request, name, parts, as_csv=as_csv, now=timezone.now(), about=[pk])
    shown = {
        "person": person,
        "name": names.of(person),
        "parts": [(each.label, len(each.rows)) for each in parts if each.rows],
    }
    return render(request, "audience/person_everything.html", shown)


@require_http_methods(["GET", "POST"])
@rights.needs("erase")
def person_erase(request: HttpRequest, pk: int) -> HttpResponse:
    """What goes of a person, what stays, and the button; it cannot be taken back."""
    return _erase(request, _person(request, pk), "audience/person_erase.html")


@require_http_methods(["GET", "POST"])
@rights.needs("erase")
def account_erase(request: HttpRequest, pk: int) -> HttpResponse:
    """The same of an account."""
    named = Account.objects.annotate(external_id=querysets.external_id("account"))
    account = sight.get(named, request.user, pk=pk, erased_at=None)
    return _erase(request, account, "audience/account_erase.html")


def _erase(request: HttpRequest, subject: Person | Account, template: str) -> HttpResponse:
    form = Sure(request.POST or None)
    if isinstance(subject, Account):
        form.fields["confirm"].label = _("Type the name or the domain of this account")
    form.fields["confirm"].help_text = ", ".join(erasure.confirmed_by(subject))
    if request.method == "POST" and form.is_valid():
        if not erasure.confirms(subject, form.cleaned_data["confirm"]):
            wrong = _("This is neither the email nor the name of the person on this page.")
            if isinstance(subject, Account):
                wrong = _("This is neither the name nor the domain of the account on this page.")
            form.add_error("confirm", wrong)
        else:
            try:
                done = erasure.begin(subject, by=audit.asker(request), now=timezone.now())
            except erasure.Refused as refused:
                form.add_error(None, str(refused))
            else:
                return _erased(request, subject, done)
    shown = {"subject": subject, "person": subject, "name": names.of(subject), "form": form}
    return render(request, template, shown, status=400 if form.errors else 200)


def _erased(request: HttpRequest, subject: Person | Account, done: Job | list[str] | None) -> HttpResponse:
    if isinstance(done, Job):
        return redirect("job", pk=done.pk)
    said = _("All that was known of this person is erased.")
    messages.success(
        request, _("All that was known of this account is erased.") if isinstance(subject, Account) else said
    )
    if done:
        still = _("The name stands still in what was written for everybody: %(where)s.")
        messages.warning(request, still % {"where": ", ".join(done)})
    return redirect(subject.get_absolute_url())


def _person(request: HttpRequest, pk: int) -> Person:
    named = Person.objects.annotate(external_id=querysets.external_id("person"))
    return sight.get(named, request.user, pk=pk, erased_at=None)
