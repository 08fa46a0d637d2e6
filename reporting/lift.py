"""The lift of campaigns: what became of those assigned and of those held out, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Exists, Min, OuterRef, QuerySet

from campaigns.models import Campaign, Enrollment, Step
from kit import installation
from kit.sql import Sql, join, rows, sql
from kit.statistics import Difference, MeanDifference, Sample, Share, as_planned
from reporting.campaigns import CampaignQuestion
from reporting.metrics import lift as metric
from reporting.metrics import lift_in_money
from reporting.metrics.lift import ASSIGNED, HELD, MATURE, REACHED, TREATED, UNFINISHED, part_of
from reporting.metrics.lift_in_money import KINDS

BOTH = "both"  # a campaign that speaks in both styles
UNLIKELY = 0.001  # a split this far from its plan says that something was wrong with the assigning


@dataclass(frozen=True)
class Lift:
    """What a campaign led to: how many each part of the metric has."""

    question: CampaignQuestion
    counts: Mapping[str, int]

    def count(self, group: str, state: str) -> int:
        """How many of a group are in a state."""
        return self.counts.get(part_of(group, state), 0)

    def share(self, group: str) -> Share:
        """Of the group's members whose days are over, those that came to the outcome."""
        return Share(self.count(group, REACHED), self.count(group, MATURE))

    @property
    def difference(self) -> Difference:
        return Difference(self.share(TREATED), self.share(HELD))

    @property
    def assigned(self) -> int:
        """Everybody, whatever the group."""
        return self.count(TREATED, ASSIGNED) + self.count(HELD, ASSIGNED)

    @property
    def unfinished(self) -> int:
        return self.count(TREATED, UNFINISHED) + self.count(HELD, UNFINISHED)

    @property
    def has_holdout(self) -> bool:
        return self.count(HELD, ASSIGNED) > 0

    @property
    def can_be_told(self) -> bool:
        """Whether there is a difference: an outcome, and in both groups somebody whose days are over."""
        return not self.question.obstacle and self.difference.value is not None

    @property
    def planned(self) -> float | None:
        """The share that was to be held out; None where none was, or nobody knows."""
        return self.question.campaign.holdout / 100 or None

    @property
    def split_p(self) -> float | None:
        """How likely a split this far from its plan is by chance; None without a plan."""
        if self.planned is None:
            return None
        return as_planned(self.count(HELD, ASSIGNED), self.assigned, self.planned)

    @property
    def split_is_off(self) -> bool:
        """The split is not the one that was planned, and chance does not explain it."""
        return self.split_p is not None and self.split_p < UNLIKELY


def answers(questions: Sequence[CampaignQuestion]) -> list[Lift]:
    """The lift of each campaign, in their order, in one statement for all of them."""
    told = metric.METRIC.counts(questions)
    return [Lift(question, told.get(question.campaign.pk, {})) for question in questions]


def answer(question: CampaignQuestion) -> Lift:
    """The lift of one campaign."""
    return answers([question])[0]


@dataclass(frozen=True)
class Gain:
    """What those assigned and those held out brought in, per head in minor units, by group and kind of money."""

    currency: str
    samples: Mapping[tuple[str, str], Sample]
    paid: Mapping[tuple[str, str], int]  # how many brought in anything

    def difference(self, kind: str) -> MeanDifference:
        """What those assigned brought in more, per head."""
        return MeanDifference(self.samples[TREATED, kind], self.samples[HELD, kind])

    def anybody(self, kind: str) -> bool:
        """Whether anybody brought in money of this kind."""
        return bool(self.paid[TREATED, kind] or self.paid[HELD, kind])


def gain(found: Lift) -> Gain | None:
    """What a campaign brought in, in one statement; None where no lift can be shown."""
    if not found.can_be_told:
        return None
    each = [
        sql("count(*), avg({}), coalesce(var_samp({}), 0), count(*) FILTER (WHERE {} > 0)", kind, kind, kind)
        for kind in map(Sql, KINDS)
    ]
    told = lift_in_money.METRIC.relation([found.question])
    samples, paid = {}, {}
    for held, *figures in rows(sql("SELECT held, {} FROM ({}) told GROUP BY 1", join(", ", each), told)):
        group = HELD if held else TREATED
        for number, kind in enumerate(KINDS):
            of, mean, variance, payers = figures[4 * number : 4 * number + 4]
            samples[group, kind], paid[group, kind] = Sample(of, float(mean), float(variance)), payers
    return Gain(str(installation.get("currency")), samples, paid)


def with_members() -> QuerySet[Campaign]:
    """The campaigns to which somebody was assigned, the newest first."""
    members = Enrollment.objects.filter(campaign=OuterRef("pk"))
    return Campaign.objects.filter(Exists(members)).select_related("lifecycle").order_by("-launched_at", "-pk")


def styles(campaigns: Sequence[Campaign]) -> dict[int, str]:
    """In which style each campaign speaks, by what it sends; "both" where it does both, "" where nothing says so."""
    sends = Step.objects.filter(version__campaign__in=campaigns).exclude(content__style="")
    found: dict[int, str] = {}
    for campaign, style in sends.values_list("version__campaign", "content__style").distinct():
        if style:
            found[campaign] = BOTH if campaign in found else style
    return found


def told_from(question: CampaignQuestion) -> date | None:
    """The first day on which somebody's days are over; None while nobody was assigned."""
    first = Enrollment.objects.filter(campaign=question.campaign).aggregate(at=Min("entered_at"))["at"]
    if first is None:
        return None
    return first.astimezone(installation.zone()).date() + timedelta(days=question.days + 1)
