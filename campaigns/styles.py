"""The policy of styles: a stage is spoken to by education or by engagement, as its card says; exceptions have a reason.

The reason stands in the step that sends the other style (`settings["other_style"]`), so it goes with the version that
was launched, and never changes after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from campaigns import counts
from campaigns.models import CampaignVersion, Content, Step
from lifecycle.editions import cards, checking
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle

REASON = "other_style"
LONGEST = 300


@dataclass(frozen=True)
class Override:
    """One step that sends another style than its stage's, why, and what came of it."""

    step: Step
    stage: str
    wanted: str
    reason: str
    figures: counts.Counts


def of_stage(lifecycle: Lifecycle | None, slug: str) -> str:
    """How a stage is spoken to, by its card as it is now; "" when nobody has said."""
    if lifecycle is None or not slug:
        return ""
    found = [each for each in stages.offered(lifecycle) if each.slug == slug]
    return cards.as_amended(found)[0].card.get("style", "") if found else ""


def check(step: Step) -> Iterator[tuple[str, str]]:
    """What the policy says of a step that sends: nothing, a stop until there is a reason, or a warning with it."""
    campaign, said = step.version.campaign, step.content
    wanted = of_stage(campaign.lifecycle, campaign.stage)
    if said is None or not said.style or not wanted or said.style == wanted:
        return
    told = {"style": said.get_style_display(), "wanted": Content.Style(wanted).label}
    if reason := step.settings.get(REASON):
        yield "warn", _("%(style)s in a stage for %(wanted)s, because: %(why)s") % (told | {"why": reason})
    else:
        yield "stop", _(
            "it is %(style)s, and its stage is for %(wanted)s. Choose other content, or give the reason in the step."
        ) % told  # fmt: skip


def of_version(model: checking.Model) -> Iterator[checking.Finding]:
    """What running campaigns send in stages that a version, once published, speaks to otherwise."""
    stages_of = {each.slug: each for each in model.stages if each.card.get("style")}
    sending = Step.objects.filter(
        kind=Step.Kind.SEND, version__state=CampaignVersion.State.LIVE,
        version__campaign__lifecycle=model.version.lifecycle, version__campaign__stage__in=stages_of,
    )  # fmt: skip
    for step in sending.exclude(content__style="").select_related("content", "version__campaign").order_by("pk"):
        campaign, said, stage = step.version.campaign, step.content, stages_of[step.version.campaign.stage]
        wanted = stage.card["style"]
        if said is None or said.style == wanted or step.settings.get(REASON):
            continue
        words = _(
            "“%(stage)s” is for %(wanted)s, and the campaign %(campaign)s sends %(style)s in it: “%(content)s”."
        ) % {
            "stage": stage.name,
            "wanted": Content.Style(wanted).label,
            "campaign": campaign.name,
            "style": said.get_style_display(),
            "content": said.name,
        }
        yield checking.Finding("style", words, stage.slug, severity=checking.Severity.WARNING)


def overrides() -> list[Override]:
    """Every step of a launched version that was allowed another style, the newest launch first, with its figures."""
    launched = Step.objects.filter(
        kind=Step.Kind.SEND, version__state__in=[CampaignVersion.State.LIVE, CampaignVersion.State.RETIRED]
    )
    found = list(
        launched.filter(**{f"settings__{REASON}__gt": ""})
        .select_related("content", "version__campaign__lifecycle")
        .order_by("-version__launched_at", "pk")
    )
    figures = counts.of_steps([each.pk for each in found])
    named: dict[tuple[int | None, str], tuple[str, str]] = {}
    return [_override(each, named, figures[each.pk]) for each in found]


def _override(step: Step, named: dict[tuple[int | None, str], tuple[str, str]], figures: counts.Counts) -> Override:
    campaign = step.version.campaign
    key = (campaign.lifecycle_id, campaign.stage)
    if key not in named:
        there = stages.offered(campaign.lifecycle) if campaign.lifecycle else []
        name = next((each.name for each in there if each.slug == campaign.stage), campaign.stage)
        style = of_stage(campaign.lifecycle, campaign.stage)
        named[key] = (name, str(Content.Style(style).label) if style else "")
    stage, wanted = named[key]
    return Override(step, stage, wanted, step.settings[REASON], figures)
