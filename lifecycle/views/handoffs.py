"""The queue of hand-offs, one of them with its answers, and the page that a link in a mail opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Any, ClassVar

import django_filters
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from audience.models import Account, Person
from audience.subjects import sight
from audience.subjects.filters import OneOf
from audience.subjects.querysets import find_accounts, find_people
from kit import installation, pages, panels, public, rights, writing, zones
from kit.audit import asker
from kit.forms import Day
from kit.models import Team, User
from lifecycle import forms
from lifecycle.engine import sla
from lifecycle.handoffs import answering, inbulk, links, queue, wording
from lifecycle.models import Handoff, Stage

Route, State = Handoff.Route, Handoff.State
CLOCKS = {"late": queue.LATE, "missed": queue.MISSED, "met": queue.MET}


class OfDay(django_filters.DateFilter):
    """By a day that can be reckoned with."""

    field_class = Day


class Filters(django_filters.FilterSet):
    """Hand-offs by whose they are and what became of them; unless asked otherwise the reader's own that wait."""

    WHOSE = ((queue.TEAM, _("My team’s")), (queue.NOBODY, _("Nobody’s")), (queue.ALL, _("Everybody’s")))
    STATES = (
        ("late", _("Waiting, missed")),
        ("missed", _("Missed")),
        ("met", _("Left in time")),
        *((value, label) for value, label in State.choices if value != State.OFFERED),
        ("any", _("Waiting and answered")),
    )

    q = django_filters.CharFilter(method="with_words", label=_("Search"), help_text=_("Name, email or account"))
    whose = django_filters.ChoiceFilter(choices=WHOSE, label=_("Whose"), empty_label=_("Mine"), method="kept")
    state = django_filters.ChoiceFilter(choices=STATES, label=_("State"), empty_label=_("Waiting"), method="kept")
    stage = OneOf(lambda: _stages(), label=_("Stage"), method="in_stage")
    user = django_filters.ModelChoiceFilter(
        queryset=User.objects.order_by("name", "email"), label=_("Offered to"), null_label=_("(nobody)")
    )
    team = django_filters.ModelChoiceFilter(
        queryset=Team.objects.order_by("name"), label=_("Team"), null_label=_("(none)")
    )
    reason = django_filters.CharFilter(label=_("Reason"), lookup_expr="exact", max_length=500)
    since = OfDay(method="offered", label=_("Handed over since"))
    before = OfDay(method="offered", label=_("Handed over before"))

    class Meta:
        model = Handoff
        fields: ClassVar[list[str]] = []

    def with_words(self, rows: QuerySet[Handoff], name: str, value: str) -> QuerySet[Handoff]:
        people, accounts = find_people(Person.objects.all(), value), find_accounts(Account.objects.all(), value)
        named = Q(membership__person__in=people.values("pk")) | Q(membership__account__in=accounts.values("pk"))
        return rows.filter(named | Q(membership__person__account__in=accounts.values("pk")))

    def offered(self, rows: QuerySet[Handoff], name: str, value: date) -> QuerySet[Handoff]:
        """By days of the installation, as reports count them."""
        midnight = installation.midnight(value, installation.zone())
        return rows.filter(**{"offered_at__gte" if name == "since" else "offered_at__lt": midnight})

    def in_stage(self, rows: QuerySet[Handoff], name: str, value: str) -> QuerySet[Handoff]:
        lifecycle, _colon, stage = value.partition(":")
        return rows.filter(stage__slug=stage, stage__version__lifecycle__slug=lifecycle)

    def kept(self, rows: QuerySet[Handoff], name: str, value: str) -> QuerySet[Handoff]:
        return rows  # both have a meaning when they are not asked too: see `filter_queryset`

    def filter_queryset(self, queryset: QuerySet[Handoff]) -> QuerySet[Handoff]:
        rows, told = super().filter_queryset(queryset), self.form.cleaned_data
        rows = queue.of(rows, self.request.user, told.get("whose") or queue.MINE)
        state = told.get("state") or State.OFFERED
        if state in CLOCKS:
            return rows.filter(CLOCKS[state])
        return rows if state == "any" else rows.filter(state=state)


def _stages() -> list[tuple[str, Any]]:
    handing = Stage.objects.exclude(hand_off=None).select_related("version__lifecycle")
    named = {
        f"{each.version.lifecycle.slug}:{each.slug}": f"{each.version.lifecycle}: {each}"
        for each in handing.order_by("version__lifecycle__name", "order", "version")
    }
    return list(named.items())


class Queue(pages.ListPage):
    """Who was handed to sales and waits for an answer: the reader's own first, the most urgent on top."""

    queryset = Handoff.objects.all()
    filterset_class = Filters
    rows_are = inbulk.OF
    template_name = "lifecycle/handoffs.html"
    columns = (
        pages.Column("who", _("Who"), template="lifecycle/_handoff_who.html", value=wording.person_of, whole=True),
        pages.Column("stage", _("Stage"), sort="stage__name"),
        pages.Column("due_at", _("Due"), sort="due_at", template="lifecycle/_handoff_due.html"),
        pages.Column("user", _("Offered to"), sort="user__name", template="lifecycle/_handoff_to.html"),
        pages.Column("state", _("State"), sort="state", template="lifecycle/_handoff_state.html",
                     value="get_state_display"),
        pages.Column("offered_at", _("Handed over"), sort="offered_at", desc_first=True),
    )  # fmt: skip
    title = _("Hand-offs")
    purpose = _("Whom marketing hands to sales: accept, reject with a reason, or put off until a day.")
    counted = ngettext_lazy("%(shown)s hand-off", "%(shown)s hand-offs", "count")
    default_sort = "due_at"
    file_name = "hand-offs"
    empty_title = _("Nobody waits for you")
    empty_text = _("Whoever comes into a stage that is handed to sales waits here for an answer.")
    empty_icon = "handshake"

    def rows(self) -> QuerySet[Handoff]:
        return queue.there()

    def seen(self, rows: QuerySet[Handoff]) -> QuerySet[Handoff]:
        return queue.seen(rows, self.request.user)

    def unseen_words(self, total: pages.Total, *, narrowed: bool) -> str:
        return ""  # a list of one's own work is not meant to be everybody's

    def prepare(self, rows: list[Any]) -> list[Any]:
        return queue.described(rows, timezone.now())

    def context(self) -> dict[str, Any]:
        here, user = reverse("handoffs"), self.request.user
        views = [("", "", _now("Mine")), (queue.TEAM, "", _now("My team"))]
        if sight.everything(user):
            views += [(queue.NOBODY, "", _now("Nobody’s")), (queue.ALL, "", _now("Everybody"))]
        views.append(("", "any", _now("Answered too")))
        at = (self.request.GET.get("whose", ""), self.request.GET.get("state", ""))
        seen = queue.waiting(queue.seen(Handoff.objects.all(), user))
        tabs = []
        for whose, state, label in views:
            asked = urlencode({name: told for name, told in (("whose", whose), ("state", state)) if told})
            count = None if state else queue.of(seen, user, whose or queue.MINE).count()
            tabs.append(
                {"label": label, "url": f"{here}?{asked}" if asked else here, "current": (whose, state) == at,
                 "count": count}
            )  # fmt: skip
        return {"tabs": tabs, "empty_text": self._with_others(tabs)}

    def _with_others(self, tabs: list[dict[str, Any]]) -> str:
        """The words of an empty list, and how many wait under another view."""
        others = max(each["count"] or 0 for each in tabs)
        waits = ngettext("%(n)s waits for others.", "%(n)s wait for others.", others) % {"n": writing.number(others)}
        return f"{self.empty_text} {waits}" if others else str(self.empty_text)


@require_GET
def handoff(request: HttpRequest, pk: int) -> HttpResponse:
    """One hand-off: who, why now, why to this receiver, and the answers."""
    return _page(request, _seen(request, pk))


def _seen(request: HttpRequest, pk: int) -> Handoff:
    return get_object_or_404(queue.seen(queue.there(), request.user), pk=pk)


def _page(request: HttpRequest, found: Handoff, status: int = 200, **forms_given: Any) -> HttpResponse:
    now = timezone.now()
    queue.described([found], now)
    lifecycle = found.stage.version.lifecycle
    subject = found.membership.subject
    is_seen = subject is not None and sight.is_seen(request.user, subject)
    context = {
        "handoff": found,
        "lifecycle": lifecycle,
        "subject": subject,
        "subject_url": subject.get_absolute_url() if subject and is_seen else "",
        "may_answer": found.is_open and rights.may(request.user, "move"),
        "may_wait": answering.may_wait(found.stage),
        "rejecting": forms.Rejecting(offered=answering.reasons(lifecycle), auto_id="reject-%s"),
        "putting_off": forms.PuttingOff(auto_id="later-%s"),
        "passing_on": forms.PassingOn(but=found.user_id, auto_id="pass-%s"),
        "panels": panels.draw("handoff", subject, request, now),
        "before": _before(found),
        "title": str(subject),
    } | forms_given
    return render(request, "lifecycle/handoff.html", context, status=status)


def _before(found: Handoff) -> list[Handoff]:
    """The other offers of the same member, the newest first."""
    others = queue.there().filter(membership=found.membership_id).exclude(pk=found.pk)
    rows = list(others.order_by("-seq", "-pk")[:20])
    for each in rows:
        each.why = wording.why(each)  # type: ignore[attr-defined]
    return rows


@require_POST
@rights.needs("move")
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Take somebody on."""
    found = _seen(request, pk)
    return _told(request, found, answering.accept(answering.one(found), _say(request)), _now("Accepted: %(who)s."))


@require_http_methods(["POST"])
@rights.needs("move")
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    """Send somebody back with a reason."""
    found = _seen(request, pk)
    form = forms.Rejecting(request.POST, offered=answering.reasons(found.stage.version.lifecycle), auto_id="reject-%s")
    return _answered(
        request, found, form, "rejecting", _now("Rejected: %(who)s."),
        lambda told: answering.reject(answering.one(found), told["reason"], _say(request, told["words"])),
    )  # fmt: skip


@require_POST
@rights.needs("move")
def not_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Put somebody off until a day."""
    found = _seen(request, pk)
    return _answered(
        request, found, forms.PuttingOff(request.POST, auto_id="later-%s"), "putting_off",
        _now("Put off: %(who)s comes back on that day."),
        lambda told: answering.not_now(answering.one(found), told["until"], _say(request, told["words"])),
    )  # fmt: skip


@require_POST
@rights.needs("move")
def pass_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Give somebody to a colleague."""
    found = _seen(request, pk)
    return _answered(
        request, found, forms.PassingOn(request.POST, but=found.user_id, auto_id="pass-%s"), "passing_on",
        _now("Passed on: %(who)s."),
        lambda told: answering.pass_on(answering.one(found), told["to"], _say(request, told["words"])),
    )  # fmt: skip


def _say(request: HttpRequest, words: str = "") -> answering.Saying:
    return answering.Saying(asker(request), Route.PAGE, timezone.now(), words)


def _answered(
    request: HttpRequest, found: Handoff, form: Any, name: str, done: str, answer: Callable[[dict[str, Any]], int]
) -> HttpResponse:
    if form.is_valid():
        try:
            return _told(request, found, answer(form.cleaned_data), done)
        except answering.Refused as refused:
            form.add_error(refused.field if refused.field in form.fields else None, str(refused))
    return _page(request, found, 400, **{name: form})


def _told(request: HttpRequest, found: Handoff, count: int, done: str) -> HttpResponse:
    """What came of it, on the page of the next that waits; whoever came too late is told who was faster."""
    if not count:
        messages.warning(request, str(answering.gone(found, timezone.now())))
        return redirect(found)
    messages.success(request, done % {"who": wording.person_of(found)})
    following = queue.after(found, request.user) if isinstance(request.user, User) else None
    return redirect(following or "handoffs")


# ---- by the link in a mail ----


@csrf_exempt  # the signed address is what entitles, and nobody needs to be signed in
@public.public
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponseBase:
    """What the mail said, and the answers. A look does nothing, so that a scanner of mail does not answer."""
    now = timezone.now()
    opened = links.opened(token, now)
    if opened is None:
        return public.page(request, "lifecycle/handoff_link_over.html", status=400)
    found, user = opened
    with timezone.override(zones.of(user)):  # nobody is signed in whose zone the page would be in
        return _linked(request, token, found, user, now)


def _linked(request: HttpRequest, token: str, found: Handoff, user: User, now: datetime) -> HttpResponseBase:
    queue.described([found], now)
    context: dict[str, Any] = {
        "token": token, "handoff": found, "reasons": answering.reasons(found.stage.version.lifecycle),
        "may_wait": answering.may_wait(found.stage), "title": wording.person_of(found), "said": "",
        "due": sla.due_words(found.stage, found.due_at) if found.due_at else "",
    }  # fmt: skip
    if not links.may_answer(found, user):
        return public.page(request, "lifecycle/handoff_link_done.html", **context, gone=answering.gone(found, now))
    if request.method != "POST":
        return public.page(request, "lifecycle/handoff_link.html", **context)
    try:
        count, told = _by_link(request, found, answering.Saying(user, Route.LINK, now))
    except answering.Refused as refused:
        return public.page(request, "lifecycle/handoff_link.html", status=400, **context | {"said": str(refused)})
    found.refresh_from_db()
    if not count:
        return public.page(
            request, "lifecycle/handoff_link_done.html", status=409, **context, gone=answering.gone(found, now)
        )
    return public.page(request, "lifecycle/handoff_link_done.html", **context, told=told)


def _by_link(request: HttpRequest, found: Handoff, say: answering.Saying) -> tuple[int, str]:
    """Do what the pressed button says. Raises Refused for what is none of the answers."""
    one, answer = answering.one(found), request.POST.get("answer", "")
    if answer == "accept":
        return answering.accept(one, say), _now("You accepted.")
    if answer == "reject":
        form = forms.Rejecting(request.POST, offered=answering.reasons(found.stage.version.lifecycle))
        if not form.is_valid():
            raise answering.Refused(_now("Choose one of the reasons."))
        say = replace(say, words=form.cleaned_data["words"])
        return answering.reject(one, form.cleaned_data["reason"], say), _now("You rejected.")
    if answer == "not_now":
        day = forms.PuttingOff(request.POST)
        if not day.is_valid():
            raise answering.Refused(_now("Choose a day after today, within two years."))
        until = day.cleaned_data["until"]
        return answering.not_now(one, until, say), _now("Put off until %(day)s.") % {"day": writing.day(until)}
    raise answering.Refused(_now("Choose an answer."))
