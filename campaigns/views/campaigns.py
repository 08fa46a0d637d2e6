"""Pages of campaigns: the list, a new one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.http import require_POST

from audience.models import Segment
from campaigns import counts, filters, forms, plans, starters, wording
from campaigns.models import Campaign
from campaigns.views import head
from kit import pages, rights
from kit.audit import asker
from lifecycle.models import Lifecycle


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
                segment=form.cleaned_data["segment"], by=asker(request), now=timezone.now(),
            )  # fmt: skip
        except plans.Refused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect(made)
    asked = form["segment"].value()
    context = {
        "form": form,
        "segment": Segment.objects.filter(of="person", slug=str(asked).replace("\x00", "")).first() if asked else None,
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
    return {name: request.GET[name] for name in ("name", "kind", "stage", "segment") if request.GET.get(name)}
