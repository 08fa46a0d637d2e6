"""How fast a lifecycle moves: pace and bottleneck, how long stays last, and the first human contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kit.statistics import Counts, Share
from reporting import flows, stays
from reporting.metrics import age, first_touch, latest_time, out_flow, velocity
from reporting.plans import FORWARD, Place, Plan
from reporting.questions import Question
from reporting.stays import Stays


@dataclass(frozen=True)
class Pace:
    """The answer for everybody; `question.stage` is the stage that is looked at closely."""

    question: Question
    moved: Mapping[str, int]  # along the path, by the stage left
    speeds: Mapping[str, Counts]  # days to the next stage, by the stage left
    first_to_last: Counts
    ages: Mapping[str, Counts]
    stays: Mapping[str, Stays]
    latest: Counts
    cumulative: Counts
    touched: Counts
    untouched: int

    @property
    def plan(self) -> Plan:
        return self.question.plan

    @property
    def throughput(self) -> float:
        """Success moves per day."""
        return sum(self.moved.values()) / self.question.window.days

    @property
    def bottleneck(self) -> tuple[Place, Counts] | None:
        """The stage from which the next takes longest, by the median; one with few moves only if there is no other."""
        onward = [(place, self.speeds[place.slug]) for place in self.plan.success if self.speeds.get(place.slug)]
        enough = [each for each in onward if each[1].count >= Share.FEW]
        return max(enough or onward, key=lambda each: each[1].median or 0, default=None)


def offered(plan: Plan) -> list[Place]:
    """The stages that somebody can stay in and leave: the one with a limit first."""
    held = [place for place in plan.places if not (place.is_terminal or place.is_gate or place.former)]
    return sorted(held, key=lambda place: not place.limit_hours)


def answer(question: Question) -> Pace:
    """What a question with a stage asks, in a fixed number of statements."""
    plan = question.plan
    moved = flows.by_bucket(question).get("")
    speeds = velocity.by_bucket(question).get("", {})
    latest, cumulative = latest_time.compute(question)
    touched, untouched = first_touch.compute(question)
    ends = (plan.success[0].slug, plan.success[-1].slug) if plan.success else ("", "")
    return Pace(
        question=question,
        moved={place.slug: out_flow.compute(moved, place.slug, FORWARD) if moved else 0 for place in plan.success},
        speeds={
            place.slug: speeds.get((place.slug, onward.slug), Counts())
            for place in plan.success
            if (onward := plan.next(place.slug))
        },
        first_to_last=speeds.get(ends, Counts()),
        ages=age.by_stage(question),
        stays=stays.begun(question),
        latest=latest,
        cumulative=cumulative,
        touched=touched,
        untouched=untouched,
    )
