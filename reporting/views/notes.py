"""Adding and removing chart notes."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from kit import audit, rights, undo
from reporting import forms, notes
from reporting.models import ChartNote


@require_POST
@rights.needs("edit")
def add(request: HttpRequest) -> HttpResponse:
    """Keep a note of what happened on a day: of the form, or of the address that undoes a removal."""
    form = forms.Note(request.POST if "day" in request.POST else request.GET)
    if form.is_valid():
        notes.add(**form.cleaned_data, by=audit.asker(request), now=timezone.now())
        messages.success(request, _("The note is kept, and shown on every report whose time span holds its day."))
    else:
        messages.error(request, _("Not kept: a note has a day and at most 200 letters."))
    return back(request)


@require_POST
@rights.needs("edit")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a note away."""
    note = get_object_or_404(ChartNote, pk=pk)
    again = urlencode({"day": note.day.isoformat(), "text": note.text})
    notes.remove(note, by=audit.asker(request), now=timezone.now())
    undo.offer(request, _("The note is gone."), f"{reverse('report_note')}?{again}")
    return back(request)


def back(request: HttpRequest) -> HttpResponse:
    """To the page that asked, if it is one of ours."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return redirect(wanted)
    return redirect(reverse("report_funnel"))
