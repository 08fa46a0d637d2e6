"""Look-alikes: those who are no customers yet, ranked by how much more their values are at home among the best.

The score is a sum of logarithms of ratios, one per trait (naive Bayes). A ratio is how many of the best have a value,
over how many would if they were spread like the others; PRIOR is added to both, so that few cases say little. No
trait counts more than MOST either way, what is not known counts nothing, and of two traits that say the same one is
left out. Traits that go together still count each for itself, so the sum ranks; it is no probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audience import segments
from audience.likeness import customers, traits
from audience.likeness.profile import Profile
from audience.likeness.traits import EMPTY, Trait
from kit.sql import Sql, join, rows, sql

PRIOR = 3  # cases that are added to what was found and to what was to be expected
MOST = math.log(8)  # that one trait can count for or against
TELLING = 1.15  # a factor from which a value is named as a reason, or against below its inverse


@dataclass(frozen=True)
class Reason:
    """What one value of somebody speaks for or against: how many times as frequent it is among the best."""

    trait: Trait
    value: str
    weight: float

    @property
    def label(self) -> str:
        return self.trait.shown(self.value)

    @property
    def factor(self) -> float:
        return math.exp(self.weight)


@dataclass(frozen=True)
class Alike:
    """One who is like the best: their number, the score, and what it is made of."""

    subject_id: int
    score: float
    reasons: tuple[Reason, ...]

    @property
    def because(self) -> list[Reason]:
        """What speaks for them, the most telling first."""
        return [each for each in self.reasons if each.factor >= TELLING]

    @property
    def against(self) -> list[Reason]:
        """What speaks against them, the most telling first."""
        return [each for each in reversed(self.reasons) if each.factor <= 1 / TELLING]


Weights = list[tuple[Trait, dict[str, float]]]


def weights(profile: Profile) -> Weights:
    """What each value of each trait counts."""
    found: Weights = []
    for part in profile.parts:
        if part.trait.repeats:
            continue
        counts: dict[str, float] = {}
        for each in part.values:
            if each.value == EMPTY:
                continue
            expected = each.best.of * (each.others.rate or 0)
            ratio = math.log((each.best.hits + PRIOR) / (expected + PRIOR))
            counts[each.value] = max(-MOST, min(MOST, ratio))
        found.append((part.trait, counts))
    return found


def ranked(profile: Profile, *, seen: Sql | None = None) -> Sql:
    """`subject_id, score, t0, t1 …` of everybody who is no customer, in no order.

    `seen`: a further condition on `v.subject_id`. Only within the question's `among`, if there is one.
    """
    question = profile.question
    joins, terms, counted = [], [], weights(profile)
    for number, (_trait, counts) in enumerate(counted):
        joins.append(
            sql(
                f"LEFT JOIN unnest({{}}::text[], {{}}::float8[]) w{number} (value, weight) "
                f"ON w{number}.value = v.t{number}",
                list(counts),
                list(counts.values()),
            )
        )
        terms.append(sql(f"coalesce(w{number}.weight, 0)"))
    among = Sql("true")
    if question.among is not None:
        members = segments.members(question.among, at=question.at if question.day else None)
        among = sql("v.subject_id IN ({})", members)
    return sql(
        """SELECT v.*, round(({})::numeric, 6) AS score FROM ({}) v {}
           WHERE v.subject_id NOT IN ({})
             AND v.subject_id NOT IN ({}) AND {} AND {}""",
        join(" + ", terms),
        traits.values([trait for trait, _counts in counted], question.of, question.at),
        join(" ", joins),
        customers.all_of(question.of, question.at),
        customers.best(question),
        among,
        seen or Sql("true"),
    )


def first(profile: Profile, *, seen: Sql | None = None) -> Sql:
    """The rows of the most alike, as many as the question wants, the most alike first."""
    return sql(
        "SELECT ranked.* FROM ({}) ranked WHERE ranked.score > 0 "
        "ORDER BY ranked.score DESC, ranked.subject_id LIMIT {}",
        ranked(profile, seen=seen),
        profile.question.most,
    )


def answer(profile: Profile, *, seen: Sql | None = None) -> list[Alike]:
    """Those who are most alike, each with what speaks for and against. Nobody while too few customers are best."""
    if not profile.is_told:
        return []
    counted = weights(profile)
    return [_alike(counted, row) for row in rows(first(profile, seen=seen))]


def _alike(counted: Weights, row: Sequence[Any]) -> Alike:
    subject_id, *values, score = row
    reasons = [
        Reason(trait, value, counts[value])
        for (trait, counts), value in zip(counted, values, strict=True)
        if value in counts
    ]
    return Alike(subject_id, float(score), tuple(sorted(reasons, key=lambda each: -each.weight)))
