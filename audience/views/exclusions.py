"""The page on which own domains, testers and competitors are named, and with them who is left out of every figure."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from audience.importing.forms import LeftOut
from audience.models import Account, Person
from audience.subjects import exclusions
from kit import audit, installation, rights


@require_http_methods(["GET", "POST"])
def left_out(request: HttpRequest) -> HttpResponse:
    """The lists, and how many each leaves out."""
    may_change = rights.may(request.user, "edit")
    form = LeftOut(
        request.POST or None,
        initial={each.name: "\n".join(installation.get(each.setting)) for each in exclusions.LISTS},
    )
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            changed = exclusions.name_lists(form.cleaned_data, by=audit.asker(request), now=timezone.now())
            told = ngettext("%(n)s was left out or taken back in.", "%(n)s were left out or taken back in.", changed)
            messages.success(request, told % {"n": changed})
            return redirect("left_out")
    people, accounts = exclusions.counts(Person), exclusions.counts(Account)
    context = {
        "form": form,
        "may_change": may_change,
        "person": sum(people.values()),
        "account": sum(accounts.values()),
        "people_by_list": exclusions.in_words(people),
        "accounts_by_list": exclusions.in_words(accounts),
    }
    return render(request, "audience/left_out.html", context, status=400 if form.is_bound else 200)
