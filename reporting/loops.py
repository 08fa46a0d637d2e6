"""Loops of a lifecycle: who was sent on a detour, came back, won after all; entries for the first time and again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from kit.sql import rows, sql
from kit.statistics import Counts, Share
from reporting.metrics import cohort_conversion, detour_value, detoured_wins, first_and_repeat, recycled
from reporting.metrics.detour_value import Worth
from reporting.plans import Place, Plan
from reporting.questions import Question
from reporting.windows import Window


@dataclass
class Loop:
    """Those sent on a detour from one stage, or for one reason, and what became of them."""

    sent: int = 0
    back: Counter[str] = field(default_factory=Counter)  # by the stage they came back to
    won: int = 0
    away: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    so_far: Counter[int] = field(default_factory=Counter)  # of those still away
    worth: Worth = Worth()

    @property
    def returned(self) -> Share:
        return Share(self.back.total(), self.sent)

    @property
    def days(self) -> Counts:
        """Days until they came back."""
        return Counts(self.lengths.items())

    def add(self, back: str, won: bool, away: bool, days: int | None, so_far: int, count: int) -> None:
        self.sent += count
        self.away += count if away else 0
        if away:
            self.so_far[so_far] += count
        self.won += count if won else 0
        if back:
            self.back[back] += count
            self.lengths[days or 0] += count


@dataclass(frozen=True)
class Period:
    """A part of the window, why it begins there, and of the entries into a stage how many reached the target."""

    window: Window
    because: str
    conversion: Share


@dataclass(frozen=True)
class Loops:
    """The answer to a question; its stage, if any, is that of the periods only."""

    question: Question
    everybody: Loop
    by_stage: Mapping[str, Loop]
    by_detour: Mapping[str, Loop]
    by_reason: Sequence[tuple[str, Loop]]  # the most frequent first
    wins: Share  # of the wins those that had been on a detour
    entries: Mapping[str, tuple[int, int]]  # of each stage of the success path: for the first time, and again
    periods: Sequence[Period]
    reasons: Sequence[str]  # what there is to narrow by


def offered(plan: Plan) -> list[Place]:
    """The stages of which periods can be told: those that lead on, the one with a limit first."""
    onward = list(plan.success[:-1])
    return sorted(onward, key=lambda place: not place.limit_hours)


def of_stage(question: Question, stage: Place, reason: str | None) -> Question:
    """The question about loops with the periods of a stage; its reason narrows those sent."""
    onward = question.plan.next(stage.slug)
    assert onward is not None
    target = (question.plan.next(onward.slug) or onward) if stage.limit_hours else onward
    return question.about(stage=stage.slug, target=target.slug, reason=reason)


def answer(question: Question, cuts: Sequence[tuple[date, str]] = ()) -> Loops:
    """The loops of a question. Its reason narrows those sent; `cuts` are days at which a period begins, and why."""
    everybody = Loop()
    by_stage: dict[str, Loop] = defaultdict(Loop)
    by_detour: dict[str, Loop] = defaultdict(Loop)
    by_reason: dict[str, Loop] = defaultdict(Loop)
    every = question.about(stage="", target="")
    statement = sql(
        """SELECT from_stage, to_stage, reason, back_stage, won, away, days, CASE WHEN away THEN so_far END, count(*)
           FROM ({}) sent GROUP BY 1, 2, 3, 4, 5, 6, 7, 8""",
        recycled.sent(every.about(reason=None)),
    )
    reasons: Counter[str] = Counter()
    for stage, detour, reason, back, won, away, days, so_far, count in rows(statement):
        reasons[reason] += count
        if question.reason is not None and reason != question.reason:
            continue
        for loop in (everybody, by_stage[stage], by_detour[detour], by_reason[reason]):
            loop.add(back, won, away, days, so_far, count)
    for detour, worth in detour_value.by_detour(every).items():
        by_detour[detour].worth = worth
    ordered = sorted(by_reason.items(), key=lambda each: (-each[1].sent, each[0]))
    return Loops(
        question,
        everybody,
        by_stage,
        by_detour,
        ordered,
        _wins(every),
        _entries(every),
        _periods(question, cuts),
        [reason for reason, _count in reasons.most_common()],
    )


def _wins(question: Question) -> Share:
    [(hits, base)] = rows(
        sql(
            "SELECT (SELECT count(*) FROM ({}) hits), (SELECT count(*) FROM ({}) base)",
            detoured_wins.people(question),
            detoured_wins.people(question, detoured_wins.BASE),
        )
    )
    return Share(hits, base)


def _entries(question: Question) -> dict[str, tuple[int, int]]:
    statement = sql(
        "SELECT to_stage, count(*) FILTER (WHERE NOT again), count(*) FILTER (WHERE again) FROM ({}) told GROUP BY 1",
        first_and_repeat.entries(question),
    )
    return {stage: (first, again) for stage, first, again in rows(statement)}


def _periods(question: Question, cuts: Sequence[tuple[date, str]]) -> list[Period]:
    """The window cut at these days, with the conversion from the question's stage to its target."""
    window = question.window
    inside = sorted({day: why for day, why in cuts if window.start < day < window.end}.items())
    begins = [(window.start, ""), *inside]
    ends = [*(day for day, _why in inside), window.end]
    found = []
    for (start, why), end in zip(begins, ends, strict=True):
        part = question.about(window=Window(start, end), split=None)
        told = rows(
            sql(
                "SELECT (SELECT count(*) FROM ({}) hits), (SELECT count(*) FROM ({}) base)",
                cohort_conversion.people(part),
                cohort_conversion.people(part, cohort_conversion.BASE),
            )
        )
        found.append(Period(part.window, why, Share(*told[0])))
    return found
