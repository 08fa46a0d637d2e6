"""What reports of campaigns are asked: which campaign, and what counts as its outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from kit import installation
from reporting import plans
from reporting.plans import Plan


@dataclass(frozen=True)
class CampaignQuestion:
    """A campaign, the stages of its lifecycle, and the local day of asking. Made by `ask`."""

    campaign: Campaign
    plan: Plan | None
    today: date

    @property
    def outcome(self) -> list[str]:
        """The stages that count as its outcome: the one it is to lead to, and the later ones of the success path."""
        stage = self.campaign.outcome_stage
        if self.plan is None or stage not in self.plan:
            return []
        position = self.plan.place(stage).position
        return [stage] if not position else [place.slug for place in self.plan.success[position - 1 :]]

    @property
    def days(self) -> int:
        """Within how many days of the assignment the outcome counts."""
        return self.campaign.outcome_days

    @property
    def zone(self) -> str:
        """The zone whose days are counted."""
        return str(installation.zone())

    @property
    def outcome_name(self) -> str:
        """What the outcome is called; “” where there is none."""
        return self.plan.label(self.campaign.outcome_stage) if self.plan and self.outcome else ""

    @property
    def obstacle(self) -> str:
        """Why its effect cannot be told at all, in words; “” where it can."""
        campaign = self.campaign
        if campaign.lifecycle is None:
            return _("It belongs to no lifecycle, so there is no stage that it could lead to.")
        if self.plan is None:
            return _("“%(lifecycle)s” was never published, so nobody has moved in it.") % {
                "lifecycle": campaign.lifecycle
            }
        if not campaign.outcome_stage:
            return _("It does not say to which stage it is to lead. Name one in its settings.")
        if not self.outcome:
            told = {"stage": campaign.outcome_stage, "lifecycle": campaign.lifecycle}
            return _("“%(lifecycle)s” no longer has the stage “%(stage)s” to which it was to lead.") % told
        return ""


def ask(campaigns: Iterable[Campaign], today: date) -> list[CampaignQuestion]:
    """A question for each campaign, in their order."""
    known: dict[int, Plan | None] = {}
    found = []
    for campaign in campaigns:
        lifecycle = campaign.lifecycle
        if lifecycle and lifecycle.pk not in known:
            known[lifecycle.pk] = plans.read(lifecycle)
        found.append(CampaignQuestion(campaign, known[lifecycle.pk] if lifecycle else None, today))
    return found


def people(campaign: Campaign, metric: str, part: str) -> str:
    """The address of the list behind a part of a campaign's figures."""
    return f"{reverse('report_lift_people', args=[campaign.slug])}?{urlencode({'metric': metric, 'part': part})}"


def page(campaign: Campaign) -> str:
    """The address of a campaign's lift."""
    return reverse("report_lift_campaign", args=[campaign.slug])
