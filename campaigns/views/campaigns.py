"""Pages of campaigns: the list, a new one, settings, launch and what follows it, who is in it, results, versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.http import require_GET, require_POST

from audience import consent, live
from audience.conditions.tree import ConditionError
from campaigns import counts, entry, filters, flows, forecast, forms, invariant, plans, starters, wording
from campaigns.models import Campaign, CampaignVersion, Enrollment, Step
from campaigns.panels import ENROLLMENT_STATUS
from campaigns.views import head
from campaigns.views.builder import people_url
from kit import pages, panels, reading, rights, writing
from kit.audit import asker
from kit.sql import sql, value
from lifecycle.models import Lifecycle

FORECASTS = (14, 30, 90)  # days that a dry run looks ahead
# The columns of the results of a send: the figure, and of what its share is.
RESULTS = (
    ("entered", ""), ("sent", ""), ("opened", "delivered"), ("clicked", "delivered"), ("unsubscribed", "delivered"),
    ("bounced", "sent"),
)  # fmt: skip


class Campaigns(pages.ListPage):
    """Every campaign, with who is in it and what came of it."""

    queryset = Campaign.objects.all()
    filterset_class = filters.Campaigns
    template_name = "campaigns/campaign_list.html"
    columns = (
        pages.Column(
            "name", gettext_lazy("Campaign"), sort="name", template="campaigns/_campaign_name.html", whole=True
        ),
        pages.Column("kind", gettext_lazy("Type"), value="get_kind_display", sort="kind"),
        pages.Column(
            "stage", gettext_lazy("Serves"), sort="stage", template="campaigns/_campaign_stage.html",
            export=lambda row: row.serves,
        ),
        pages.Column(
            "state", gettext_lazy("State"), sort="state", template="campaigns/_campaign_state.html",
            export=lambda row: row.get_state_display(),
        ),
        pages.Column(
            "entered", gettext_lazy("Entered"), align="end", template="campaigns/_campaign_entered.html",
            export=lambda row: row.figures.entered,
        ),
        pages.Column(
            "active", gettext_lazy("On the way"), align="end", template="campaigns/_campaign_active.html",
            export=lambda row: row.figures.active,
        ),
        pages.Column(
            "sent", gettext_lazy("Sent"), align="end", template="campaigns/_campaign_sent.html",
            export=lambda row: row.figures.sent,
        ),
        pages.Column(
            "clicked", gettext_lazy("Clicked"), align="end", template="campaigns/_campaign_clicked.html",
            export=lambda row: row.figures.clicked,
        ),
        pages.Column(
            "goal", gettext_lazy("Goal"), align="end", template="campaigns/_campaign_goal.html",
            export=lambda row: row.figures.goal,
        ),
        pages.Column("last_sent", gettext_lazy("Last sent"), value="figures.last_sent"),
    )  # fmt: skip
    title = gettext_lazy("Campaigns")
    purpose = gettext_lazy("What we say, to whom, when: each serves a stage, and shows what it changed.")
    counted = ngettext_lazy("%(shown)s campaign", "%(shown)s campaigns", "count")
    action = pages.Action(gettext_lazy("New campaign"), "campaign_new", right="edit")
    default_sort = "name"
    file_name = "campaigns"
    empty_title = gettext_lazy("No campaigns yet")
    empty_text = gettext_lazy(
        "A campaign sends whoever enters a stage what helps them on to the next. Start from nothing or from a flow that"
        " is proposed for a stage; nobody gets anything before you have seen how many that is."
    )
    empty_icon = "megaphone"

    def rows(self) -> QuerySet[Campaign]:
        return Campaign.objects.select_related("lifecycle")

    def context(self) -> dict[str, Any]:
        return {"proposed": [] if Campaign.objects.exists() else _proposed()}

    def prepare(self, rows: list[Any]) -> list[Any]:
        figures = counts.of_campaigns([row.pk for row in rows])
        stages = wording.names_of_stages({row.lifecycle_id for row in rows if row.lifecycle_id})
        for row in rows:
            row.figures = figures[row.pk]
            row.serves = stages.get((row.lifecycle_id, row.stage), row.stage) if row.stage else ""
            row.status = head.STATUS[Campaign.State(row.state)]
        return rows


@rights.needs("edit")
def new(request: HttpRequest) -> HttpResponse:
    """A new campaign with an empty flow."""
    form = forms.NewCampaign(request.POST or None, initial=_asked_for(request))
    if form.is_valid():
        lifecycle, stage = form.cleaned_data["stage"]
        try:
            made = plans.create(
                form.cleaned_data["name"], kind=form.cleaned_data["kind"], lifecycle=lifecycle, stage=stage,
                by=asker(request), now=timezone.now(),
            )  # fmt: skip
        except plans.Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect(made)
    context = {
        "form": form,
        "proposed": _proposed(),
        "crumbs": [(_("Campaigns"), reverse("campaigns")), (_("New campaign"), "")],
    }
    return render(request, "campaigns/campaign_new.html", context, status=400 if form.is_bound else 200)


def _proposed() -> list[tuple[Lifecycle, list[starters.Proposal]]]:
    """The flows that are proposed for the stages of each lifecycle."""
    found = ((each, starters.proposals(each)) for each in Lifecycle.objects.order_by("name"))
    return [(lifecycle, proposals) for lifecycle, proposals in found if proposals]


@require_POST
@rights.needs("edit")
def start(request: HttpRequest) -> HttpResponse:
    """A draft from the flow that is proposed for a stage, with the contents that it sends."""
    lifecycle = Lifecycle.objects.filter(slug=request.POST.get("lifecycle", "").replace("\x00", "")).first()
    proposal = starters.proposal(lifecycle, request.POST.get("stage", "")) if lifecycle else None
    if proposal is None:
        messages.error(request, _("Nothing is proposed for that stage any more."))
        return redirect("campaign_new")
    made = starters.start(proposal, by=asker(request), now=timezone.now())
    messages.success(request, _("“%(campaign)s” is a draft with its mails: make them yours.") % {"campaign": made})
    return redirect(made)


def _asked_for(request: HttpRequest) -> dict[str, str]:
    """What a link to the form already says."""
    return {name: request.GET[name] for name in ("name", "kind", "stage") if request.GET.get(name)}


# ---- settings ----


def settings(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Who enters and who leaves, in whose name it speaks, and whom it is measured against."""
    if request.method == "POST":
        return _keep_settings(request, slug)
    campaign = head.find(slug)
    shown = head.version_to_show(campaign)
    return _settings_page(request, campaign, shown, _settings_form(campaign, shown, None))


@rights.needs("edit")
def _keep_settings(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = head.find(slug)
    shown = head.version_to_show(campaign)
    form = _settings_form(campaign, shown, request.POST)
    if form.is_valid():
        by, now = asker(request), timezone.now()
        try:
            with transaction.atomic():
                plans.change_campaign(campaign, by=by, now=now, **form.of_campaign)
                if form.version:
                    plans.change(form.version, by=by, now=now, **form.of_version)
        except (plans.Refused, ConditionError) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The settings are kept."))
            return redirect("campaign_settings", campaign.slug)
    campaign.refresh_from_db()
    return _settings_page(request, campaign, shown, form)


def _settings_form(campaign: Campaign, shown: CampaignVersion, data: Any) -> forms.Settings:
    draft = shown if shown.state == CampaignVersion.State.DRAFT else None
    return forms.Settings(data, campaign=campaign, version=draft, fixed=campaign.launched_at is not None)


def _settings_page(
    request: HttpRequest, campaign: Campaign, version: CampaignVersion, form: forms.Settings
) -> HttpResponse:
    context = {
        **head.context(campaign, "settings", timezone.now(), version=version),
        "form": form,
        "may_edit": rights.may(request.user, "edit"),
        "entry": wording.entry(version),
        "rules": _rules(version),
    }
    return render(request, "campaigns/campaign_settings.html", context, status=400 if form.is_bound else 200)


def _rules(version: CampaignVersion) -> list[tuple[str, str]]:
    """What a version that does not change says about who enters and leaves, in words."""
    words = wording.Words()
    told = [(_("They enter"), wording.entry(version))]
    if version.present:
        told.append((_("Those already there"), _("entered at the launch")))
    if version.audience:
        told.append((_("Only those of whom"), words.condition(version.audience)))
    if version.reentry_days is None:
        again = _("never")
    else:
        again = ngettext("after %(days)s day", "after %(days)s days", version.reentry_days)
        again %= {"days": version.reentry_days}
    told.append((_("They may enter again"), again))
    if version.goal:
        told.append((_("Goal"), words.condition(version.goal)))
    if version.exit:
        told.append((_("Exit"), words.condition(version.exit)))
    if version.entry == CampaignVersion.Entry.STAGE:
        told.append((_("Whoever leaves the stage"), _("leaves") if version.leave_with_stage else _("stays in it")))
    return told


# ---- launching, pausing, stopping ----


@rights.needs("edit")
def launch(request: HttpRequest, slug: str) -> HttpResponse:
    """What stops a launch, what is to be thought over, who enters at once; then the launch, by the exact number."""
    campaign = head.find(slug)
    version = head.version_to_show(campaign)
    if version.state != CampaignVersion.State.DRAFT:
        return redirect(campaign)
    now = timezone.now()
    form = forms.Launch(request.POST or None)
    if form.is_valid():
        try:
            plans.launch(version, confirmed=form.cleaned_data["confirmed"], by=asker(request), now=now)
        except plans.Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("“%(campaign)s” is running.") % {"campaign": campaign})
            return redirect(campaign)
    checks = plans.checklist(version, now=now)
    keys = set(version.steps.values_list("key", flat=True))
    stops = [_check(campaign, each, keys) for each in checks if each.level == "stop"]
    entering = 0 if stops else entry.count(version, at=now + live.INSTANT)
    context = {
        **head.context(campaign, "", now, version=version, crumb=_("Launch")),
        "stops": stops,
        "warnings": [_check(campaign, each, keys) for each in checks if each.level == "warn"],
        "form": form,
        "entry": wording.entry(version),
        "audience": wording.Words().condition(version.audience) if version.audience and not stops else "",
        "entering": entering,
        "staying_out": 0 if stops else max(_brought(version, now) - entering, 0),
        "unasked": plans.UNASKED,
    }
    return render(request, "campaigns/campaign_launch.html", context, status=409 if form.errors else 200)


def _brought(version: CampaignVersion, now: datetime) -> int:
    """How many people the entry brings at the launch, whether or not they may enter."""
    return int(value(sql("SELECT count(*) FROM ({}) arriving", entry.arrivals(version, at=now + live.INSTANT))))


@require_GET
def dry_run(request: HttpRequest, slug: str) -> HttpResponse:
    """What would happen within some days if it were launched now: how much is sent on which day, and what is not."""
    campaign = head.find(slug)
    version = head.version_to_show(campaign)
    now = timezone.now()
    days = next((each for each in FORECASTS if request.GET.get("days") == str(each)), FORECASTS[0])
    context: dict[str, Any] = {
        "campaign": campaign,
        "version": version,
        "days": days,
        "choices": [(each, each == days) for each in FORECASTS],
        "crumbs": [
            (_("Campaigns"), reverse("campaigns")), (campaign.name, campaign.get_absolute_url()), (_("Dry run"), ""),
        ],
    }  # fmt: skip
    try:
        found = forecast.dry_run(version, at=now, days=days)
    except reading.TooSlow:
        context["trouble"] = _("This takes too long to work out while you wait.")
    except ConditionError as error:
        context["trouble"] = error.message
    else:
        context |= {
            "forecast": found,
            "table": _table(version, found),
            "reasons": [(capfirst(consent.in_words(why)), number) for why, number in found.held_back.items()],
            "ended": list(found.ended.items()),
        }
    return pages.part(
        request, "dry-run", "campaigns/_campaign_dry_run.html", "campaigns/campaign_dry_run.html", context
    )


def _table(version: CampaignVersion, found: forecast.Forecast) -> dict[str, Any]:
    """Messages by day and step; only days and steps that have some."""
    by_day = found.by_day()
    sending = {pk for steps in by_day.values() for pk in steps}
    steps = [node.step for node in flows.walk(flows.tree(version)) if node.step.pk in sending]
    words = wording.Words(steps)
    lines: list[dict[str, Any]] = [
        {"day": day, "cells": [of.get(step.pk, 0) for step in steps], "total": sum(of.values())}
        for day, of in by_day.items()
    ]
    totals = [sum(of.get(step.pk, 0) for of in by_day.values()) for step in steps]
    return {
        "titles": [words.title(step) for step in steps],
        "lines": lines,
        "totals": totals,
        "most": max((line["total"] for line in lines), default=0),
    }


def _check(campaign: Campaign, check: plans.Check, keys: set[str]) -> dict[str, str]:
    """One line of the checklist with the address where it is put right."""
    if check.where == "settings":
        url = reverse("campaign_settings", args=[campaign.slug])
    elif check.where in keys:
        url = f"{campaign.get_absolute_url()}#step-{check.where}"
    else:
        url = check.where
    return {"text": check.text, "url": url}


@require_POST
@rights.needs("edit")
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything stands still until somebody resumes it."""
    campaign = head.find(slug)
    because = request.POST.get("because", "").replace("\x00", "").strip() or _("paused by %(user)s") % {
        "user": request.user
    }
    if plans.pause(campaign, because=because, by=asker(request), now=timezone.now()):
        messages.success(
            request, _("“%(campaign)s” stands still. Nobody enters, nothing is sent.") % {"campaign": campaign}
        )
    else:
        messages.error(request, _("It was not running, so there was nothing to pause."))
    return redirect(campaign)


@require_POST
@rights.needs("edit")
def resume(request: HttpRequest, slug: str) -> HttpResponse:
    """It goes on from where everybody stood."""
    campaign = head.find(slug)
    if plans.resume(campaign, by=asker(request), now=timezone.now()):
        messages.success(request, _("“%(campaign)s” goes on.") % {"campaign": campaign})
    else:
        messages.error(request, _("It was not paused, so there was nothing to resume."))
    return redirect(campaign)


@rights.needs("edit")
def stop(request: HttpRequest, slug: str) -> HttpResponse:
    """For ever, once somebody has seen how many are on the way."""
    campaign = head.find(slug)
    if request.method == "POST":
        if plans.stop(campaign, by=asker(request), now=timezone.now()):
            messages.success(request, _("“%(campaign)s” is stopped.") % {"campaign": campaign})
        else:
            messages.error(request, _("It was neither running nor paused."))
        return redirect(campaign)
    if campaign.state not in (Campaign.State.RUNNING, Campaign.State.PAUSED):
        return redirect(campaign)
    context = head.context(campaign, "", timezone.now(), crumb=_("Stop"))
    return render(request, "campaigns/campaign_stop.html", context)


@require_POST
@rights.needs("edit")
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """A draft to work on; whoever is on the way stays on their version."""
    campaign = head.find(slug)
    if campaign.state == Campaign.State.STOPPED:
        messages.error(request, _("It is stopped for ever; make a new campaign."))
        return redirect(campaign)
    plans.draft_of(campaign, by=asker(request), now=timezone.now())
    return redirect(campaign)


@require_POST
@rights.needs("edit")
def discard(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft goes, and a campaign that has never been anything else with it."""
    campaign = head.find(slug)
    draft = campaign.versions.filter(state=CampaignVersion.State.DRAFT).first()
    if draft is None:
        messages.error(request, _("There is no draft."))
        return redirect(campaign)
    try:
        plans.discard(draft, by=asker(request), now=timezone.now())
    except plans.Refused as refused:
        messages.error(request, str(refused))
        return redirect("campaigns")
    messages.success(request, _("The draft is gone."))
    if not Campaign.objects.filter(pk=campaign.pk).exists():
        return redirect("campaigns")
    return redirect(campaign)


# ---- who is in it ----


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


# ---- what came of it ----


@require_GET
def results(request: HttpRequest, slug: str) -> HttpResponse:
    """Per step what was sent and what came back, and what other rooms know of the campaign."""
    campaign, now = head.find(slug), timezone.now()
    steps = list(
        Step.objects.filter(version__campaign=campaign, kind=Step.Kind.SEND)
        .exclude(version__state=CampaignVersion.State.DRAFT)
        .select_related("content", "version")
        .order_by("-version__number", "position")
    )
    whole = counts.of_campaigns([campaign.pk])[campaign.pk]
    context = {
        **head.context(campaign, "results", now),
        "whole": whole,
        "rows": _by_key(campaign, steps),
        "formulas": counts.FORMULAS,
        "counted_so": [(counts.CALLED[name], formula) for name, formula in counts.FORMULAS.items()],
        "adds_up": invariant.figures(campaign),
        "panels": panels.draw("campaign_results", campaign, request, now),
    }
    return render(request, "campaigns/campaign_results.html", context)


def _by_key(campaign: Campaign, steps: list[Step]) -> list[dict[str, Any]]:
    """The figures of sends, of a step's editions in all versions together; named as in the newest."""
    counted = counts.of_steps([step.pk for step in steps])
    words = wording.Words(steps)
    titles: dict[str, str] = {}
    together: dict[str, counts.Counts] = {}
    for step in steps:
        titles.setdefault(step.key, words.title(step))
        together[step.key] = together.get(step.key, counts.Counts()) + counted[step.pk]
    return [
        {"key": key, "title": titles[key], "figures": [_result(campaign, key, own, *each) for each in RESULTS]}
        for key, own in together.items()
    ]


def _result(campaign: Campaign, key: str, own: counts.Counts, name: str, of: str) -> dict[str, Any]:
    whole = own.delivered if of == "delivered" else own["sent"]
    return {
        "name": name,
        "label": counts.CALLED[name],
        "number": own[name],
        "share": own[name] / whole if of and whole else None,
        "url": people_url(campaign, step=key, did=name),
    }


@require_GET
def versions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every edition with how many are on it."""
    campaign = head.find(slug)
    on = dict(
        Enrollment.objects.filter(campaign=campaign, state=Enrollment.State.ACTIVE)
        .values_list("version").annotate(number=Count("pk")).order_by()
    )  # fmt: skip
    entered = dict(
        Enrollment.objects.filter(campaign=campaign).exclude(state=Enrollment.State.HOLDOUT)
        .values_list("version").annotate(number=Count("pk")).order_by()
    )  # fmt: skip
    context = head.context(campaign, "versions", timezone.now())
    editions = (
        campaign.versions.select_related("created_by", "segment").annotate(size=Count("steps")).order_by("-number")
    )
    context["editions"] = [
        {
            "version": each,
            "entry": wording.entry(head.with_campaign(each, campaign)),
            "active": on.get(each.pk, 0),
            "entered": entered.get(each.pk, 0),
        }
        for each in editions
    ]
    context["spread"] = ", ".join(
        _("%(number)s on v%(version)s") % {"number": writing.number(each["active"]), "version": each["version"].number}
        for each in context["editions"] if each["active"]
    )  # fmt: skip
    return render(request, "campaigns/campaign_versions.html", context)
