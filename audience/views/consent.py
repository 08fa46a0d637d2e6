"""Pages of consent: topics, addresses that must not be used, and what one person said, by hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audience import consent, topics
from audience.models import ConsentRecord, Person, Suppression, Topic
from audience.subjects import sight
from audience.subjects.people import BadValue
from audience.views import people
from kit import addresses, audit, pages, rights
from kit.forms import Instant
from kit.sql import sql

Basis = ConsentRecord.Basis
GIVEN = [(value, label) for value, label in Basis.choices if value != Basis.OBJECTION]


class TopicForm(forms.Form):
    """What a topic is about, and to whom it goes."""

    label = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("People read it where they choose: what comes, and how often."),
    )
    basis = forms.ChoiceField(
        label=gettext_lazy("It goes"),
        choices=Topic.Basis.choices,
        widget=forms.RadioSelect,
        initial=Topic.Basis.CONSENT,
        help_text=gettext_lazy("Where the law asks for consent, choose the first."),
    )
    is_default = forms.BooleanField(label=gettext_lazy("Used unless another is chosen"), required=False)


class Said(forms.Form):
    """One act of giving or withdrawing, told by a user."""

    given = forms.ChoiceField(
        label=gettext_lazy("What was said"),
        choices=[("yes", gettext_lazy("Yes: write to me")), ("no", gettext_lazy("No: write no more"))],
        widget=forms.RadioSelect,
        initial="yes",
    )
    topic: Any = forms.ModelChoiceField(
        None, label=gettext_lazy("About"), required=False, empty_label=gettext_lazy("everything")
    )
    basis = forms.ChoiceField(label=gettext_lazy("Lawful basis"), choices=GIVEN, required=False)
    source = forms.CharField(
        label=gettext_lazy("Where"), max_length=100,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("such as call, fair, signed form")}),
    )  # fmt: skip
    occurred_at = Instant(
        label=gettext_lazy("When"),
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    wording = forms.CharField(
        label=gettext_lazy("Wording"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What the person was shown, or said."),
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["topic"].queryset = consent.offered()  # type: ignore[attr-defined]


class Reason(forms.Form):
    """Why an address must not be used."""

    address = forms.CharField(max_length=320, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=gettext_lazy("Why"), max_length=100,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("such as asked by letter")}),
    )  # fmt: skip


class Because(forms.Form):
    """Why an address may be used again."""

    because = forms.CharField(label=gettext_lazy("Why it may be used again"), max_length=200)


# ---- topics ----


class Topics(pages.ListPage):
    """Every topic that people can be written to about."""

    queryset = Topic.objects.all()
    columns = (
        pages.Column(
            "label", gettext_lazy("Topic"), sort="label", template="audience/_topic_name.html", whole=True
        ),
        pages.Column("basis", gettext_lazy("Goes"), value="get_basis_display", sort="basis"),
        pages.Column(
            "retired_at", gettext_lazy("Retired"), sort="retired_at",
            value=lambda row: people.day(row.retired_at) if row.retired_at else None,
        ),
    )  # fmt: skip
    title = gettext_lazy("Topics")
    crumbs = ((gettext_lazy("Data"), ""),)
    purpose = gettext_lazy(
        "What people can be written to about. They choose among these on the page that every message leads to."
    )
    counted = ngettext_lazy("%(shown)s topic", "%(shown)s topics", "count")
    action = pages.Action(gettext_lazy("New topic"), "topic_new", right="edit")
    also = (pages.Action(gettext_lazy("Addresses not to be used"), "suppressions", icon="mail-x"),)
    default_sort = "label"
    file_name = "topics"
    empty_title = gettext_lazy("No topics yet")
    empty_text = gettext_lazy("Name what you write about, such as news or service messages.")
    empty_icon = "newspaper"


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def topic_new(request: HttpRequest) -> HttpResponse:
    """A new topic."""
    form = TopicForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = topics.create(**form.cleaned_data, by=audit.asker(request), now=timezone.now())
        messages.success(request, _("“%(topic)s” can be chosen from now on.") % {"topic": made})
        return redirect("topics")
    return _form(request, "audience/topic.html", form, title=_("New topic"))


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def topic_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """Other words or another rule for a topic."""
    found = get_object_or_404(Topic, slug=slug)
    known = {name: getattr(found, name) for name in ("label", "description", "basis", "is_default")}
    form = TopicForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        try:
            topics.change(found, **form.cleaned_data, by=audit.asker(request), now=timezone.now())
        except topics.Refused as refused:
            form.add_error("is_default", str(refused))
        else:
            messages.success(request, _("“%(topic)s” was changed.") % {"topic": found})
            return redirect("topics")
    return _form(request, "audience/topic.html", form, title=str(found), topic=found)


@require_POST
@rights.needs("edit")
def topic_retire(request: HttpRequest, slug: str) -> HttpResponse:
    """Offer a topic no more, or again."""
    found = get_object_or_404(Topic, slug=slug)
    by, now = audit.asker(request), timezone.now()
    try:
        if found.retired_at:
            topics.bring_back(found, by=by, now=now)
            messages.success(request, _("“%(topic)s” is offered again.") % {"topic": found})
        else:
            topics.retire(found, by=by, now=now)
            messages.success(request, _("“%(topic)s” is offered no more.") % {"topic": found})
    except topics.Refused as refused:
        messages.error(request, str(refused))
    return redirect("topics")


# ---- addresses that must not be used ----


def _about(row: Suppression) -> str:
    return str(row.topic) if row.topic else _("everything")


class Suppressions(pages.ListPage):
    """Every address that must not be used; the addresses themselves are not kept."""

    queryset = Suppression.objects.select_related("topic")
    columns = (
        pages.Column("reason", gettext_lazy("Reason"), sort="reason"),
        pages.Column("topic", gettext_lazy("About"), value=_about, sort="topic__label"),
        pages.Column("channel", gettext_lazy("Channel")),
        pages.Column(
            "created_at", gettext_lazy("Since"), sort="created_at", desc_first=True,
            value=lambda row: people.day(row.created_at),
        ),
        pages.Column(
            "print", gettext_lazy("Fingerprint"), value=lambda row: bytes(row.address_hash).hex()[:12],
        ),
    )  # fmt: skip
    title = gettext_lazy("Addresses not to be used")
    purpose = gettext_lazy(
        "Bounced, complained, unsubscribed. Only a keyed fingerprint of each is kept, which outlives an erasure."
    )
    counted = ngettext_lazy("%(shown)s address", "%(shown)s addresses", "count")
    template_name = "audience/suppressions.html"
    default_sort = "-created_at"
    file_name = "suppressions"
    crumbs = ((gettext_lazy("Data"), ""),)
    empty_title = gettext_lazy("Every address may be used")
    empty_text = gettext_lazy("Addresses come here when they bounce for good, complain or unsubscribe.")
    empty_icon = "mail-check"


@require_POST
def suppression_find(request: HttpRequest) -> HttpResponse:
    """Whether an address may be used; asked by POST, so that it stands in no log."""
    return _address(request, request.POST.get("address", ""))


@require_POST
@rights.needs("edit")
def suppression_add(request: HttpRequest) -> HttpResponse:
    """Use an address no more."""
    form = Reason(request.POST)
    if form.is_valid():
        try:
            consent.suppress(
                form.cleaned_data["address"],
                reason=form.cleaned_data["reason"],
                by=audit.asker(request),
                now=timezone.now(),
            )
        except BadValue as bad:
            form.add_error("reason" if bad.field == "reason" else None, bad.message)
        else:
            messages.success(request, _("This address is not used any more."))
            return redirect("suppressions")
    return _address(request, request.POST.get("address", ""), form)


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def suppression_lift(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an address be used again, for a reason."""
    held = get_object_or_404(Suppression.objects.select_related("topic"), pk=pk)
    form = Because(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            consent.lift(held, because=form.cleaned_data["because"], by=audit.asker(request), now=timezone.now())
        except BadValue as bad:
            form.add_error("because", bad.message)
        else:
            messages.success(request, _("The address may be used again, as far as its owner agrees."))
            return redirect("suppressions")
    return _form(request, "audience/suppression_lift.html", form, title=_("Use this address again"), held=held)


def _address(request: HttpRequest, asked: str, form: Reason | None = None) -> HttpResponse:
    found: dict[str, Any] = {"address": asked.strip()[:320], "error": "", "held": []}
    try:
        found["held"] = consent.find(asked)
        if not _sees_reader(request.user, asked):
            found |= {"held": [], "error": _("You can ask about the addresses of people whom you see.")}
    except BadValue as bad:
        found["error"] = bad.message
    form = form or Reason(initial={"address": found["address"]})
    return _form(request, "audience/suppression_address.html", form, title=_("One address"), **found)


def _sees_reader(user: Any, address: str) -> bool:
    """Whether the user sees somebody with this address; the answer for a stranger's is that for nobody's."""
    if sight.everything(user):
        return True
    return sight.people(Person.objects.filter(email=addresses.email(address)), user).exists()


# ---- one person ----


@require_http_methods(["GET", "POST"])
@rights.needs("people")
def person_consent(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody said by word of mouth or letter: given or withdrawn."""
    person = sight.get(Person.objects.all(), request.user, pk=pk, erased_at=None)
    now = timezone.now()
    first = {"occurred_at": timezone.localtime(now), "topic": Topic.objects.filter(is_default=True).first()}
    form = Said(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        try:
            new = _say(person, form.cleaned_data, request, now)
        except BadValue as bad:
            form.add_error(bad.field if bad.field in form.fields else None, bad.message)
        else:
            told = _("It was recorded.") if new else _("That is how it stood already.")
            messages.success(request, told)
            return redirect(person)
    return _form(request, "audience/person_consent.html", form, title=_("Record consent"), person=person)


def _say(person: Person, said: dict[str, Any], request: HttpRequest, now: Any) -> bool:
    if said["occurred_at"] > now:
        raise BadValue("occurred_at", _("It has not been said yet."))
    told = {"topic": said["topic"], "wording": said["wording"], "source": said["source"], "at": said["occurred_at"]}
    if said["given"] == "no":
        return consent.withdraw(person, **told, now=now, by=audit.asker(request))
    return consent.give(person, **told, basis=said["basis"] or Basis.CONSENT, now=now, by=audit.asker(request))


@require_POST
@rights.needs("people")
def consent_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """A record that a user made was a mistake."""
    records = sight.people(ConsentRecord.objects.exclude(by=None), request.user, "person_id")
    found = get_object_or_404(records, pk=pk, reversal_of=None)
    if consent.take_back(sql("SELECT {}::bigint AS id", found.pk), by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("It was taken back: it stays on record, marked, and counts no more."))
    else:
        messages.info(request, _("It had been taken back already."))
    return redirect(pages.next_of(request, reverse("person", args=[found.person_id])))


def _form(request: HttpRequest, template: str, form: forms.Form, **shown: Any) -> HttpResponse:
    return render(request, template, {"form": form} | shown, status=400 if form.errors else 200)
