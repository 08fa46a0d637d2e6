"""The page on which own domains are named, and with them who is left out of every figure."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from audience.importing.forms import OwnDomains
from audience.models import Account, Person
from audience.subjects import exclusions
from kit import audit, installation, rights


@require_http_methods(["GET", "POST"])
def left_out(request: HttpRequest) -> HttpResponse:
    """Own domains, and how many they leave out."""
    may_change = rights.may(request.user, "edit")
    before = installation.get("own_domains")
    form = OwnDomains(request.POST or None, initial={"domains": "\n".join(before)})
    if request.method == "POST":
        if not may_change:
            raise PermissionDenied
        if form.is_valid():
            now, after = timezone.now(), form.cleaned_data["domains"]
            changed = exclusions.name_domains(after, by=audit.asker(request), now=now)
            told = ngettext("%(n)s was left out or taken back in.", "%(n)s were left out or taken back in.", changed)
            messages.success(request, told % {"n": changed})
            return redirect("left_out")
    counts = {of.__name__.lower(): of.objects.filter(is_excluded=True).count() for of in (Person, Account)}
    context = {"form": form, "may_change": may_change, **counts}
    return render(request, "audience/left_out.html", context, status=400 if form.is_bound else 200)
