"""A flow proposed for each stage of a lifecycle, by the type of campaign that the stage asks for.

The flows are files beside this one: `{type}.yaml` has its name, why it is proposed, and its steps with what they say,
which is set in `letter.mjml`. Their buttons lead to the installation's own site, and are to be pointed somewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns import content, plans, styles
from campaigns.models import Campaign, CampaignVersion, Content, ContentVersion, Step
from kit import installation, yamlfiles
from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Stage

FOLDER = Path(__file__).resolve().parent
Kind = Campaign.Kind
RENEWING = "renew"  # in the name of a stage or phase of customers


@dataclass(frozen=True)
class Proposal:
    """A campaign that could be: for which stage, of what type, what it is called, why, and its steps as told.

    `has` are the campaigns that the stage has already; the stages without one are proposed first.
    """

    lifecycle: Lifecycle
    stage: Stage
    kind: str
    name: str
    why: str
    steps: Sequence[dict[str, Any]]
    holdout: int
    has: Sequence[Campaign] = ()

    @property
    def sends(self) -> int:
        """How many messages somebody gets at most."""
        return _most_sends(self.steps)


def proposals(lifecycle: Lifecycle) -> list[Proposal]:
    """One for each stage of the live version where a campaign has something to do; empty while none is live."""
    version = stages.live_version(lifecycle)
    if version is None:
        return []
    there: dict[str, list[Campaign]] = {}
    for campaign in Campaign.objects.filter(lifecycle=lifecycle).exclude(state=Campaign.State.STOPPED):
        there.setdefault(campaign.stage, []).append(campaign)
    every = list(version.stages.order_by("order"))
    found = [
        _proposal(lifecycle, stage, kind, there.get(stage.slug, []))
        for stage, kind in ((stage, kind_for(lifecycle, every, stage)) for stage in every)
        if kind
    ]
    return sorted(found, key=lambda each: bool(each.has))


def proposal(lifecycle: Lifecycle, stage: str) -> Proposal | None:
    """The one for this stage; None where there is none."""
    return next((each for each in proposals(lifecycle) if each.stage.slug == stage), None)


def kind_for(lifecycle: Lifecycle, every: Sequence[Stage], stage: Stage) -> str:
    """The type of campaign that a stage asks for; "" for one where nobody stays or nothing is left to say."""
    if stage.kind == Stage.Kind.GATE:
        return ""
    terminal = stage.kind == Stage.Kind.TERMINAL
    if stage.path == Stage.Path.DETOUR:
        return "" if terminal else Kind.REENGAGEMENT
    if lifecycle.species == Lifecycle.Species.PARTNER:
        return "" if terminal else Kind.PARTNER
    along = [each for each in every if each.path == Stage.Path.SUCCESS and each.kind != Stage.Kind.GATE]
    first = stage == along[0]
    if lifecycle.species == Lifecycle.Species.CUSTOMER:
        if terminal:
            return Kind.REFERRAL
        if RENEWING in f"{stage.slug} {stage.name} {stage.phase}".lower():
            return Kind.RENEWAL
        return Kind.ONBOARDING if first else Kind.LOYALTY
    if terminal:
        return ""
    if first:
        return Kind.WELCOME
    if stage == [each for each in along if each.kind != Stage.Kind.TERMINAL][-1]:
        return Kind.PROMOTION
    style = stage.card.get("style") or ("education" if stage == along[1] else "engagement")
    return Kind.NURTURE if style == "education" else Kind.ENGAGEMENT


@transaction.atomic
def start(proposed: Proposal, *, by: User | None, now: datetime) -> Campaign:
    """The proposed campaign as a draft with all its steps and contents. Raises plans.Refused."""
    campaign = plans.create(
        proposed.name, kind=proposed.kind, lifecycle=proposed.lifecycle, stage=proposed.stage.slug, by=by, now=now
    )
    draft = plans.draft_of(campaign, by=by, now=now)
    plans.change_campaign(campaign, by=by, now=now, holdout=proposed.holdout)
    if proposed.lifecycle.of != "person":  # whoever moves there is an account, and nobody is written to
        plans.change(draft, by=by, now=now, entry=CampaignVersion.Entry.HAND)
    _add(draft, proposed.steps, proposed, None, "", by, now)
    return campaign


@cache
def told(kind: str) -> dict[str, Any]:
    """What the file of a type says. Raises FileNotFoundError for a type that has none."""
    found: dict[str, Any] = yamlfiles.read((FOLDER / f"{kind}.yaml").read_text())
    return found


def _proposal(lifecycle: Lifecycle, stage: Stage, kind: str, has: Sequence[Campaign]) -> Proposal:
    says = told(kind)
    words = {"stage": stage.name}
    return Proposal(
        lifecycle, stage, kind, says["name"].format(**words), says["why"].format(**words), says["steps"],
        says["holdout"], has,
    )  # fmt: skip


def _add(
    draft: CampaignVersion,
    steps: Iterable[dict[str, Any]],
    proposed: Proposal,
    parent: Step | None,
    arm: str,
    by: User | None,
    now: datetime,
) -> None:
    """Add the steps, and into each arm its own."""
    for entry in steps:
        [(kind, says)] = entry.items()
        values: dict[str, Any] = {"name": says.get("name", "")}
        if kind == Step.Kind.SEND:
            values["content"] = _write(says, proposed, by, now)
            wanted = styles.of_stage(proposed.lifecycle, proposed.stage.slug)
            if wanted and says["style"] != wanted:
                says = says | {styles.REASON: _("Part of the proposed flow “%(name)s”") % {"name": proposed.name}}
        if "when" in says:
            values["condition"] = says["when"]
        settings = {key: says[key] for key in ("days", "hours", "time", "reason", styles.REASON) if key in says}
        step = plans.add_step(draft, kind, parent=parent, arm=arm, settings=settings, **values)
        for below in Step.Arm.values:
            _add(draft, says.get(below, ()), proposed, step, below, by, now)


def _write(says: dict[str, Any], proposed: Proposal, by: User | None, now: datetime) -> Content:
    """What a step sends, as a content of its own, tagged with style and stage."""
    return content.create(
        f"{proposed.stage.name}: {says['name']}", letter(says), style=says["style"], lifecycle=proposed.lifecycle,
        stage=proposed.stage.slug, by=by, now=now,
    )  # fmt: skip


def letter(says: dict[str, Any]) -> content.Draft:
    """The message of a step, set in the common letter."""
    paragraphs = [escape(each.strip(), quote=False) for each in says["text"].split("\n\n")]
    told = {
        "title": escape(says["name"], quote=False),
        "paragraphs": "\n".join(f'        <mj-text css-class="text">{each}</mj-text>' for each in paragraphs),
        "button": escape(says["button"], quote=False),
        "link": _site(),
    }
    source = (FOLDER / "letter.mjml").read_text()
    for name, value in told.items():
        source = source.replace(f"[[{name}]]", value)
    return content.Draft(says["subject"], source, preheader=says["preheader"], format=ContentVersion.Format.MJML)


def _site() -> str:
    """Where the installation's own site is likely to be."""
    domains = installation.get("own_domains")
    return f"https://www.{domains[0]}/" if domains else "https://www.example.com/"


def _most_sends(steps: Iterable[dict[str, Any]]) -> int:
    count = 0
    for entry in steps:
        [(kind, says)] = entry.items()
        count += kind == Step.Kind.SEND
        count += max((_most_sends(says.get(arm, ())) for arm in Step.Arm.values), default=0)
    return count
