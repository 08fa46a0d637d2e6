"""The document of a lifecycle's version: every stage with how people are treated in it, its rules, limits and numbers.

An answer that nobody has given is a gap. Gaps are counted and listed first: what is not said is what goes wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from campaigns.models import Campaign
from lifecycle.editions import cards, documents, sentences
from lifecycle.editions.sentences import Rule
from lifecycle.handoffs import wording
from lifecycle.models import Lifecycle, Stage, Version
from reporting import funnel
from reporting.figures import Figure, counted
from reporting.metrics import balance

DAYS = 90  # of the numbers: who came within so many days, and how long they stayed
CAMPAIGNS = gettext_lazy("Campaigns")
LIVE = (Campaign.State.RUNNING, Campaign.State.PAUSED)


@dataclass(frozen=True)
class Numbers:
    """The kept numbers of one stage, as the funnel has them: each with the people behind it."""

    now: Figure
    came: Figure
    median_stay: float | None


@dataclass
class Told:
    """One stage: what is answered, and "" for what is not; its campaigns; the rules that lead to it and from it."""

    stage: Stage
    answers: list[tuple[Any, str]]
    arrivals: list[Rule]
    exits: list[Rule]
    handed: list[str] = field(default_factory=list)  # to whom, and what sales may answer
    campaigns: list[Campaign] = field(default_factory=list)
    numbers: Numbers | None = None

    @property
    def gaps(self) -> list[Any]:
        return [label for label, answer in self.answers if not answer]


@dataclass(frozen=True)
class Printed:
    """The whole document; numbers stand in that of a version that the reports show, and of no other."""

    version: Version
    document: dict[str, Any]
    entry: str
    rules: list[Rule]
    stages: list[Told]
    has_numbers: bool

    @property
    def asked(self) -> int:
        return sum(len(each.answers) for each in self.stages)

    @property
    def missing(self) -> int:
        return sum(len(each.gaps) for each in self.stages)


def of(version: Version, now: datetime) -> Printed:
    """The document of a version, as it is now."""
    document = documents.of_version(version)
    told = sentences.Sentences(document)
    rules = told.moves()
    numbers = _numbers(version, now)
    bound, handed = _campaigns(version.lifecycle), wording.by_stage(version.lifecycle, document)
    stages = [
        _told(stage, rules, bound[stage.slug], numbers.get(stage.slug), handed.get(stage.slug, []))
        for stage in cards.as_amended(version.stages.all())
    ]
    return Printed(version, document, told.entry(), rules, stages, bool(numbers))


def gaps(version: Version) -> tuple[int, int]:
    """How many answers are missing, of how many that are asked for."""
    bound = _campaigns(version.lifecycle)
    told = [_told(stage, [], bound[stage.slug], None) for stage in cards.as_amended(version.stages.all())]
    return sum(len(each.gaps) for each in told), sum(len(each.answers) for each in told)


def _told(
    stage: Stage, rules: Sequence[Rule], bound: list[Campaign], numbers: Numbers | None, handed: Sequence[str] = ()
) -> Told:
    answers = [(question.label, answer) for question, answer in cards.answers(stage)]
    if stage.kind not in (Stage.Kind.GATE, Stage.Kind.TERMINAL):
        answers.append((CAMPAIGNS, ", ".join(f"{each} ({each.get_kind_display()})" for each in bound)))
    return Told(
        stage,
        answers,
        [rule for rule in rules if rule.target == stage.slug],
        [rule for rule in rules if rule.source == stage.slug],
        list(handed),
        bound,
        numbers,
    )


def _campaigns(lifecycle: Lifecycle) -> dict[str, list[Campaign]]:
    """The campaigns that are bound to each stage and were launched, and not stopped."""
    found: dict[str, list[Campaign]] = defaultdict(list)
    for each in Campaign.objects.filter(lifecycle=lifecycle, state__in=LIVE).exclude(stage="").order_by("name"):
        found[each.stage].append(each)
    return found


def _numbers(version: Version, now: datetime) -> dict[str, Numbers]:
    """The kept numbers of each stage; none of a version that is not the one that reports show."""
    today = funnel.today(now)
    try:
        end = today + timedelta(days=1)
        answer = funnel.funnel(version.lifecycle, start=end - timedelta(days=DAYS), end=end, today=today)
    except funnel.NeverPublished:
        return {}
    if answer.plan.version.pk != version.pk:
        return {}
    found = {}
    for row in answer.everybody.rows:
        at = answer.question.about(stage=row.place.slug)
        found[row.place.slug] = Numbers(
            counted(at.about(moment=balance.END), "balance", row.balance_end),
            counted(at, "in_flow", row.in_flow),
            row.stays.median,
        )
    return found
