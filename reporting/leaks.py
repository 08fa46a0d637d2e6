"""Where a lifecycle loses most: at which stage, in which part of everybody, and what that is worth.

A leak is (the lifecycle's rate − the part's rate) × mature cohort × P(won after the next stage) × mean value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kit import installation
from kit.sql import rows, sql
from kit.statistics import Share
from reporting.metrics import cohort_conversion
from reporting.metrics.cohort_conversion import Cohorts
from reporting.plans import Place
from reporting.questions import Question


@dataclass(frozen=True)
class Leak:
    """One part of everybody at one stage: how many went on, and how many more would at the lifecycle's rate.

    `won` is the lifecycle's share of those at the next stage that are won, None where nobody is to be counted.
    """

    stage: Place
    target: Place
    bucket: str
    own: Share
    everybody: Share
    won: Share

    @property
    def lost(self) -> float:
        """How many more would have gone on at the lifecycle's rate."""
        if self.own.rate is None or self.everybody.rate is None:
            return 0.0
        return (self.everybody.rate - self.own.rate) * self.own.of

    @property
    def lost_wins(self) -> float:
        """How many of them would have been won."""
        return self.lost * (self.won.rate or 0.0)

    @property
    def may_be_chance(self) -> bool:
        """Whether the lifecycle's rate lies within the interval of the part's."""
        bounds, rate = self.own.interval, self.everybody.rate
        return bounds is None or rate is None or bounds.low <= rate <= bounds.high


@dataclass(frozen=True)
class Leaks:
    """The leaks of a lifecycle, the largest first; those of too few people apart, which say nothing."""

    question: Question
    ranked: Sequence[Leak]
    few: Sequence[Leak]
    value: float | None  # the mean of won deals, in minor units; None without any
    deals: int

    def worth(self, leak: Leak) -> float | None:
        """What the lost wins would have brought; None where no deal tells."""
        return None if self.value is None else leak.lost_wins * self.value


def answer(question: Question) -> Leaks:
    """The leaks of each step of the success path in each part of the question’s split: one statement, and the value."""
    parts = cohort_conversion.by_bucket(question)
    path = question.plan.success
    steps = list(zip(path, path[1:], strict=False))
    last = path[-1]
    found = []
    for stage, target in steps:
        whole = _sum(parts.values(), stage, target)
        won = _sum(parts.values(), target, last) if target != last else Share(1, 1)
        for bucket, cohorts in parts.items():
            own = cohorts.conversion(stage.slug, target.slug)
            if own.of:
                found.append(Leak(stage, target, bucket, own, whole, won))
    value, deals = _value(question)
    leaking = [each for each in found if each.lost > 0]
    ranked = sorted((each for each in leaking if not each.own.few), key=lambda each: (-each.lost_wins, -each.lost))
    return Leaks(question, ranked, [each for each in found if each.own.few], value, deals)


def _sum(parts: Iterable[Cohorts], stage: Place, target: Place) -> Share:
    told = [cohorts.conversion(stage.slug, target.slug) for cohorts in parts]
    return Share(sum(each.hits for each in told), sum(each.of for each in told))


def _value(question: Question) -> tuple[float | None, int]:
    """The mean amount of the deals won in the window by members of this lifecycle, in the firm's currency."""
    zone = installation.zone()
    [(mean, many)] = rows(
        sql(
            """
            SELECT avg(deal.amount)::float8, count(*) FROM audience_deal deal
            WHERE deal.status = 'won' AND deal.amount IS NOT NULL AND deal.currency = {}
              AND deal.closed_at >= {} AND deal.closed_at < {}
              AND EXISTS (
                  SELECT FROM lifecycle_membership member
                  LEFT JOIN audience_dealrole role ON role.person_id = member.person_id AND role.deal_id = deal.id
                  WHERE member.lifecycle_id = {} AND (role.id IS NOT NULL OR member.account_id = deal.account_id))
            """,
            installation.get("currency"),
            installation.midnight(question.window.start, zone),
            installation.midnight(question.window.end, zone),
            question.plan.lifecycle.pk,
        )
    )
    return mean, many
