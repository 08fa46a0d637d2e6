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
from audience.models import Person
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
        return exports.whole(request, f"person-{pk}", parts, as_csv=wanted == "csv", now=timezone.now())
    shown = {
        "person": person,
        "name": names.of(person),
        "parts": [(each.label, len(each.rows)) for each in parts if each.rows],
    }
    return render(request, "audience/person_everything.html", shown)


@require_http_methods(["GET", "POST"])
@rights.needs("erase")
def person_erase(request: HttpRequest, pk: int) -> HttpResponse:
    """What goes, what stays, and the button; it cannot be taken back."""
    person = _person(request, pk)
    form = Sure(request.POST or None)
    form.fields["confirm"].help_text = ", ".join(filter(None, [person.email, names.of(person)]))
    if request.method == "POST" and form.is_valid():
        if not erasure.confirms(person, form.cleaned_data["confirm"]):
            form.add_error("confirm", _("This is neither the email nor the name of the person on this page."))
        else:
            try:
                done = erasure.begin(person, by=audit.asker(request), now=timezone.now())
            except erasure.Refused as refused:
                form.add_error(None, str(refused))
            else:
                if isinstance(done, Job):
                    return redirect("job", pk=done.pk)
                messages.success(request, _("All that was known of this person is erased."))
                if done:
                    said = _("The name stands still in what was written for everybody: %(where)s.")
                    messages.warning(request, said % {"where": ", ".join(done)})
                return redirect("person", pk=pk)
    shown = {"person": person, "name": names.of(person), "form": form}
    return render(request, "audience/person_erase.html", shown, status=400 if form.errors else 200)


def _person(request: HttpRequest, pk: int) -> Person:
    named = Person.objects.annotate(external_id=querysets.external_id("person"))
    return sight.get(named, request.user, pk=pk, erased_at=None)
