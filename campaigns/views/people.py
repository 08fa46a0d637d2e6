"""Who is in a campaign, why one person got what they got, and putting people in by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience import live
from audience.conditions.tree import ConditionError
from audience.models import Person
from audience.subjects import sight
from audience.subjects.names import of as named
from campaigns import entry, filters, forms, tracing, wording
from campaigns.models import Campaign, Enrollment
from campaigns.panels import ENROLLMENT_STATUS
from campaigns.views import head
from kit import pages, rights, writing
from kit.audit import asker
from kit.sql import sql, value


class People(pages.ListPage):
    """Everybody who has entered a campaign, where they are in it and when it looks at them next."""

    queryset = Enrollment.objects.all()
    filterset_class = filters.Enrollments
    template_name = "campaigns/campaign_people.html"
    columns = (
        pages.Column(
            "person", gettext_lazy("Who"), template="campaigns/_enrollment_person.html", whole=True,
            export=lambda row: str(row.person or row.account),
        ),
        pages.Column(
            "state", gettext_lazy("State"), sort="state", template="campaigns/_enrollment_state.html",
            export=lambda row: row.get_state_display(),
        ),
        pages.Column("step", gettext_lazy("Step"), value=lambda row: row.at_step),
        pages.Column("version", gettext_lazy("Version"), value=lambda row: f"v{row.version.number}"),
        pages.Column("entered_at", gettext_lazy("Entered"), sort="entered_at", desc_first=True),
        pages.Column("wake_at", gettext_lazy("Next look"), sort="wake_at"),
        pages.Column("ended_at", gettext_lazy("Ended"), sort="ended_at", desc_first=True),
        pages.Column("why", gettext_lazy("Why"), value=lambda row: row.reason or row.why),
    )  # fmt: skip
    counted = ngettext_lazy("%(shown)s pass", "%(shown)s passes", "count")
    default_sort = "-entered_at"
    file_name = "campaign-people"
    empty_title = gettext_lazy("Nobody has entered yet")
    empty_text = gettext_lazy("Once the campaign is running, everybody who enters is listed here with where they are.")
    empty_icon = "users"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.campaign = head.find(kwargs["slug"])
        request.campaign = self.campaign  # type: ignore[attr-defined]  # the filters offer its steps

    def rows(self) -> QuerySet[Enrollment]:
        found = Enrollment.objects.filter(campaign=self.campaign)
        return found.select_related("person__account", "account", "version", "step__content", "step__lifecycle")

    def seen(self, rows: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
        return sight.subjects(rows, self.request.user)

    def prepare(self, rows: list[Any]) -> list[Any]:
        words = wording.Words([row.step for row in rows if row.step])
        for row in rows:
            row.at_step = words.title(row.step) if row.step else ""
            row.status = ENROLLMENT_STATUS[Enrollment.State(row.state)]
            row.url = reverse("campaign_trace", args=[self.campaign.slug, row.person_id]) if row.person_id else ""
        return rows

    def context(self) -> dict[str, Any]:
        return head.context(self.campaign, "people", timezone.now())

    def tools(self) -> list[dict[str, Any]]:
        if self.campaign.state != Campaign.State.RUNNING or not rights.may(self.request.user, "edit"):
            return []
        url = reverse("campaign_enroll", args=[self.campaign.slug])
        return [{"label": _("Put people in"), "icon": "user-round-plus", "url": url}]

    def get_title(self) -> str:
        return self.campaign.name

    def get_crumbs(self) -> list[tuple[Any, str]]:
        return [(_("Campaigns"), reverse("campaigns")), (self.campaign.name, "")]


@rights.needs("edit")
def enroll(request: HttpRequest, slug: str) -> HttpResponse:
    """Put people in by hand: first look who that is and how many may enter, then by that number."""
    campaign = head.find(slug)
    if campaign.state != Campaign.State.RUNNING:
        messages.error(request, _("It is not running, so nobody enters it."))
        return redirect("campaign_people", slug)
    now = timezone.now()
    form = forms.Enroll(request.POST or None)
    context: dict[str, Any] = {"campaign": campaign, "form": form, "found": None}
    if form.is_valid():
        ids = [person.pk for person in form.found]
        entering = _by_hand(campaign, ids, now)
        if entering and request.POST.get("sure") == str(entering):
            try:
                entered = entry.enroll(campaign, ids, by=asker(request), now=now)
            except (entry.Refused, ConditionError) as refused:
                messages.error(request, str(refused))
                return redirect("campaign_people", slug)
            messages.success(request, _entered(entered))
            return redirect("campaign_people", slug)
        context |= {"found": form.found, "entering": entering, "held_back": len(ids) - entering}
    people = reverse("campaign_people", args=[slug])
    context["crumbs"] = [
        (_("Campaigns"), reverse("campaigns")), (campaign.name, people), (_("Put people in"), ""),
    ]  # fmt: skip
    return render(request, "campaigns/campaign_enroll.html", context, status=400 if form.errors else 200)


def _by_hand(campaign: Campaign, ids: list[int], now: datetime) -> int:
    """How many of these may enter now."""
    at = now + live.INSTANT
    chosen = sql("SELECT unnest({}::bigint[]) AS subject_id", ids)
    entering = entry.by_hand(entry.live_version(campaign), chosen, why="", at=at)
    return int(value(sql("SELECT count(*) FROM ({}) entering", entering)))


def _entered(entered: entry.Entered) -> str:
    told = ngettext("%(shown)s person entered.", "%(shown)s people entered.", entered.active)
    told %= {"shown": writing.number(entered.active)}
    if entered.holdout:
        held = ngettext("%(shown)s is held out.", "%(shown)s are held out.", entered.holdout)
        told += " " + held % {"shown": writing.number(entered.holdout)}
    return told


# ---- one of them ----


@require_GET
def trace(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Every step of somebody in a campaign, or why they are not in it: a page, or the part of a profile."""
    person, campaign = sight.get(Person.objects.all(), request.user, pk=pk), get_object_or_404(Campaign, slug=slug)
    now = timezone.now()
    newest = Enrollment.objects.filter(campaign=campaign, person=person).order_by("-pass_number").first()
    context: dict[str, Any] = {
        "person": person,
        "campaign": campaign,
        "name": named(person),
        "enrolled": newest,
        "status": ENROLLMENT_STATUS[Enrollment.State(newest.state)] if newest else "",
        "lines": tracing.trace(campaign, person.pk, now=now),
        "may_enroll": rights.may(request.user, "edit") and entry.could(campaign, person.pk, now=now),
    }
    return pages.part(request, f"trace-{campaign.slug}", "campaigns/_trace.html", "campaigns/trace.html", context)


@rights.needs("edit")
@require_POST
def enroll_one(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Put one person into a running campaign, if they may enter."""
    person, campaign = sight.get(Person.objects.all(), request.user, pk=pk), get_object_or_404(Campaign, slug=slug)
    try:
        entered = entry.enroll(campaign, [person.pk], by=asker(request), now=timezone.now())
    except (entry.Refused, ConditionError) as refused:
        messages.error(request, str(refused))
        return redirect("campaign_trace", slug, pk)
    told = {"person": named(person), "campaign": campaign}
    if entered.holdout:
        messages.info(request, _("%(person)s is one of those whom “%(campaign)s” holds out, and gets nothing.") % told)
    elif entered.active:
        messages.success(request, _("%(person)s entered “%(campaign)s”.") % told)
    else:
        messages.warning(request, _("%(person)s may not enter “%(campaign)s”; here is why.") % told)
    return redirect("campaign_trace", slug, pk)
