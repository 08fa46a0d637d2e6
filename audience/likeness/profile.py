"""What the best customers have more often than others: every value of every trait, with its share, lift and interval.

Lift is the share among the best over the share among everybody. Whether it stands out is judged between the best and
the others: Newcombe's 95 % interval of the difference of the two shares leaves out 0, and over all values of the page
together one finding by mere chance is less likely than 5 % (S. Holm, "A simple sequentially rejective multiple test
procedure", Scandinavian Journal of Statistics 6 (1979) 65–70). Of fewer than LEAST best customers no value does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from audience.likeness import customers, traits
from audience.likeness.asking import Question
from audience.likeness.traits import EMPTY, Trait
from kit.sql import Sql, join, rows, sql, value
from kit.statistics import Difference, Share

LEAST = 10  # best customers, below which nothing stands out
HITS = 5  # best customers or others with a value, below which the test of it says nothing
ALPHA = 0.05
SHOWN = 10  # values of a trait that a page names


@dataclass(frozen=True)
class Value:
    """One value of a trait. `others` are those who are not among the best."""

    trait: Trait
    value: str
    best: Share
    others: Share
    stands_out: bool = False

    @property
    def label(self) -> str:
        return self.trait.shown(self.value)

    @property
    def everybody(self) -> Share:
        return Share(self.best.hits + self.others.hits, self.best.of + self.others.of)

    @property
    def lift(self) -> float | None:
        """How many times as frequent it is among the best as among everybody."""
        base = self.everybody.rate
        return self.best.rate / base if self.best.rate is not None and base else None

    @property
    def difference(self) -> Difference:
        return Difference(self.best, self.others)

    @property
    def is_more(self) -> bool:
        return (self.difference.value or 0) > 0


@dataclass(frozen=True)
class Part:
    """One trait with all its values, those most frequent among the best first; "(empty)" last."""

    trait: Trait
    values: tuple[Value, ...]

    @property
    def is_known(self) -> bool:
        """Whether a value of it is known of anybody."""
        return any(each.value != EMPTY for each in self.values)

    @property
    def shown(self) -> tuple[Value, ...]:
        """The first, whatever stands out, and the empty bucket."""
        return tuple(
            each for at, each in enumerate(self.values) if at < SHOWN or each.stands_out or each.value == EMPTY
        )

    @property
    def left(self) -> tuple[Value, ...]:
        """Those that the page does not name."""
        return tuple(each for each in self.values if each not in self.shown)

    @property
    def rest(self) -> tuple[Share, Share] | None:
        """Of the best and of the others, how many have a value that the page does not name; None when it names all."""
        if not self.left:
            return None
        of = self.values[0]
        return (Share(sum(each.best.hits for each in self.left), of.best.of),
                Share(sum(each.others.hits for each in self.left), of.others.of))  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """How many are best, how many there are, and the traits."""

    question: Question
    best: int
    everybody: int
    parts: tuple[Part, ...]

    @property
    def is_told(self) -> bool:
        """Whether there are best customers enough to say anything of them."""
        return self.best >= LEAST and self.everybody > self.best

    @property
    def outstanding(self) -> list[Value]:
        """What stands out, the most more frequent first, the most rarer last."""
        found = [each for part in self.parts for each in part.values if each.stands_out]
        return sorted(found, key=lambda each: -(each.difference.value or 0))

    @property
    def compared(self) -> int:
        """How many values were compared."""
        return sum(len(part.values) for part in self.parts)


def answer(question: Question, *, scoring: bool = False) -> Profile:
    """The profile that a question asks for. `scoring`: only of the traits that scores count.

    All traits are counted by one statement; while too few are best, nobody's are looked at.
    """
    best_of = int(value(sql("SELECT count(*) FROM ({}) best", customers.best(question))))
    if best_of < LEAST:
        there = traits.there(question.of, question.at)
        return Profile(question, best_of, int(value(sql("SELECT count(*) FROM ({}) there", there))), ())
    some = [trait for trait in traits.of(question.of) if not (scoring and trait.repeats)]
    columns = [Sql(f"t{number}") for number in range(len(some))]
    split = join(", ", [sql(f"({number}, alike.t{number})") for number in range(len(some))])
    # Whoever has the same values throughout is counted once, before the values are told apart.
    statement = sql(
        """WITH best AS MATERIALIZED ({})
           SELECT split.trait, split.value, sum(alike.best)::bigint, sum(alike.number)::bigint FROM (
             SELECT {}, count(best.subject_id) AS best, count(*) AS number
             FROM ({}) v LEFT JOIN best ON best.subject_id = v.subject_id GROUP BY {}) alike
           CROSS JOIN LATERAL (VALUES {}) split (trait, value) GROUP BY 1, 2""",
        customers.best(question),
        join(", ", columns),
        traits.values(some, question.of, question.at),
        join(", ", columns),
        split,
    )
    counted: list[dict[str, tuple[int, int]]] = [{} for _trait in some]
    for trait, said, best, all_ in rows(statement):
        counted[trait][said] = (best, all_)
    best_of, all_of = (sum(pair[at] for pair in counted[0].values()) for at in (0, 1))
    parts = [
        Part(
            trait,
            tuple(
                Value(trait, said, Share(best, best_of), Share(all_ - best, all_of - best_of))
                for said, (best, all_) in sorted(found.items(), key=_order)
            ),
        )
        for trait, found in zip(some, counted, strict=True)
    ]
    told = Profile(question, best_of, all_of, tuple(parts))
    return replace(told, parts=tuple(_marked(told.parts))) if told.is_told else told


def _order(item: tuple[str, tuple[int, int]]) -> tuple[bool, int, int, str]:
    value, (best, all_) = item
    return value == EMPTY, -best, -all_, value


def _marked(parts: Sequence[Part]) -> Iterable[Part]:
    """The parts with what stands out marked."""
    out = _holm([each for part in parts for each in part.values])
    for part in parts:
        yield Part(part.trait, tuple(replace(each, stands_out=id(each) in out) for each in part.values))


def _holm(values: Sequence[Value]) -> set[int]:
    """Which of the values stand out, by the ids of their rows in memory."""
    tested = sorted([(p, at) for at, each in enumerate(values) if (p := each.difference.p) is not None])
    out: set[int] = set()
    for place, (p, at) in enumerate(tested):
        if p > ALPHA / (len(tested) - place):
            break
        each = values[at]
        interval = each.difference.interval
        apart = interval is not None and (interval.low > 0 or interval.high < 0)
        if apart and max(each.best.hits, round(each.best.of * (each.others.rate or 0))) >= HITS:
            out.add(id(each))
    return out
