"""Pages on which a user records what has happened: a call, a meeting, a letter."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from audience.activity import activities, kinds
from audience.models import Account, Activity, ActivityKind, Person
from audience.subjects import names, sight
from audience.subjects.people import BY_HAND, BadValue
from kit import audit, pages, rights
from kit.forms import Instant

# What is mostly recorded by hand, with the channel that goes with it.
USUAL = {
    "call": (_("Call"), "phone"),
    "meeting": (_("Meeting"), "meeting"),
    "email": (_("Email"), "email"),
    "event": (_("Event"), "event"),
    "visit": (_("Visit"), "meeting"),
    "letter": (_("Letter"), "mail"),
    "chat": (_("Chat"), "chat"),
}
OFFERED = 200  # other kinds on offer


class Record(forms.Form):
    """What happened, when, who began it, and what was said."""

    kind = forms.ChoiceField(label=_("What happened"))
    direction = forms.ChoiceField(
        label=_("Who began it"),
        required=False,
        choices=[("", _("(empty)")), ("outbound", _("We did")), ("inbound", _("They did"))],
    )
    occurred_at = Instant(
        label=_("When"), widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    )
    summary = forms.CharField(
        label=_("What was said or agreed"), required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 4})
    )
    once = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        others = ActivityKind.objects.exclude(slug__in=USUAL).order_by("slug")[:OFFERED]
        usual = [(slug, label) for slug, (label, _channel) in USUAL.items()]
        choices: list[Any] = [("", _("Choose …")), (_("Usual"), usual)]
        if found := [(kind.slug, kinds.name(kind)) for kind in others]:
            choices.append((_("Also in the catalogue"), found))
        self.fields["kind"].choices = choices  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@rights.needs("note")
def person_record(request: HttpRequest, pk: int) -> HttpResponse:
    """Something that happened with a person."""
    return _record(request, sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None))


@require_http_methods(["GET", "POST"])
@rights.needs("note")
def account_record(request: HttpRequest, pk: int) -> HttpResponse:
    """Something that happened with an account."""
    return _record(request, sight.get(Account.objects.all(), request.user, pk=pk, erased_at=None))


@require_POST
@rights.needs("note")
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """It did not happen after all: of what users have recorded, not of what other systems tell."""
    found = get_object_or_404(Activity.objects.select_related("person", "account"), pk=pk, source=BY_HAND)
    whose: Any = found.person or found.account
    if not sight.sees(request.user, [whose.pk]):
        raise Http404
    if activities.take_back(found, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _now("It was taken back: it stays in the timeline, marked, and counts no more."))
    else:
        messages.info(request, _now("It had been taken back already."))
    return redirect(pages.next_of(request, whose.get_absolute_url()))


def _record(request: HttpRequest, subject: Person | Account) -> HttpResponse:
    now = timezone.now()
    form = Record(request.POST or None, initial={"occurred_at": timezone.localtime(now), "once": uuid.uuid4().hex})
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        _label, channel = USUAL.get(told["kind"], ("", ""))
        try:
            new = activities.record_by_hand(
                subject,
                by=audit.asker(request),
                now=now,
                external_id=told["once"],
                kind=told["kind"],
                at=told["occurred_at"],
                direction=told["direction"],
                channel=channel,
                properties={"summary": told["summary"]} if told["summary"] else {},
            )
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            said = _now("It stands in the timeline.") if new else _now("It was recorded already.")
            messages.success(request, said)
            return redirect(subject)
    listed = "people" if isinstance(subject, Person) else "accounts"
    context = {"form": form, "subject": subject, "name": names.of(subject), "listed": listed}
    return render(request, "audience/record.html", context, status=400 if form.is_bound else 200)
