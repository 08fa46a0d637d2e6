"""A version read once for many statements: what each rule asks, and what it is worth, in whole micro-points.

The worth of one activity is looked up by its age and not computed in the database: each term is rounded to
micro-points here, exactly and once, so that any machine and any number of workers add up the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache, cached_property, lru_cache
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import describe, registry, tree
from audience.conditions.registry import Where
from audience.models import ActivityKind
from scoring.models import Rule, ScoringModel, ScoringVersion

MICRO = 1_000_000
MOST_POINTS = 1000  # of one rule, either way: the worth of one activity is then a four-byte integer
MOST_AGES = 20_000  # days; what is older is worth nothing
PLACES = 60  # digits of the arithmetic behind the six that are kept


@dataclass(frozen=True)
class Behaviour:
    """A rule over activities. `worth` is what one activity of each age in whole local days is worth, while it counts.

    Without a half-life there is one worth for all ages.
    """

    rule: Rule
    where: Where
    kinds: tuple[int, ...] | None  # of the catalogue; None: of any kind
    points: int
    worth: tuple[int, ...]
    cap: int | None

    @property
    def decays(self) -> bool:
        return bool(self.rule.half_life_days)

    @property
    def expires(self) -> int | None:
        return self.rule.expires_days

    def of_age(self, days: int) -> int:
        """What one activity of that age is worth, in micro-points; expiry aside."""
        if not self.decays:
            return self.points
        return self.worth[days] if 0 <= days < len(self.worth) else 0


@dataclass(frozen=True)
class Fit:
    """A rule that gives its points while its condition holds."""

    rule: Rule
    node: tree.Node
    points: int
    cap: int | None


@dataclass
class Plan:
    """All that a version counts; made by `read`."""

    version: ScoringVersion
    behaviours: list[Behaviour] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)
    caps: dict[str, int] = field(default_factory=dict)

    @property
    def of(self) -> str:
        return self.version.model.of

    @cached_property
    def rules(self) -> list[Behaviour | Fit]:
        """All rules in their order."""
        return sorted([*self.behaviours, *self.fits], key=lambda each: each.rule.order)

    @cached_property
    def decays(self) -> bool:
        """Whether local midnight changes scores."""
        return any(each.decays for each in self.behaviours)

    @cached_property
    def grades(self) -> list[tuple[str, int]]:
        """The grades with the least fit points of each, the best first; empty when the version gives none."""
        return sorted(self.version.grades.items(), key=lambda each: -each[1])

    @cached_property
    def lowest_grade(self) -> str:
        """What whoever fits none of the thresholds gets; empty when the version gives no grades."""
        return "D" if self.grades else ""

    @cached_property
    def by_time(self) -> list[tree.Node]:
        """The fit conditions whose answer time alone changes, either way."""
        return [each.node for each in self.fits if any(map(_changes_by_time, tree.leaves(each.node)))]


def read(version: ScoringVersion) -> Plan:
    """The version's rules, parsed, with their worth by age; three queries. Raises ConditionError as `parse` does."""
    plan = Plan(version, caps={group: micro(Decimal(str(points))) for group, points in version.caps.items()})
    rules = list(version.rules.order_by("order"))
    wheres = {rule.pk: where(rule.where, version.model.of) for rule in rules if rule.kind == Rule.Kind.BEHAVIOUR}
    named = {kind for asked in wheres.values() for kind in dict(asked).get("kind", ())}
    catalogue = dict(ActivityKind.objects.filter(slug__in=named).values_list("slug", "pk")) if named else {}
    for rule in rules:
        points, cap = micro(rule.points), None if rule.cap is None else micro(rule.cap)
        if rule.kind == Rule.Kind.FIT:
            plan.fits.append(Fit(rule, tree.parse(rule.condition, of=version.model.of), points, cap))
        else:
            asked = wheres[rule.pk]
            kinds = dict(asked).get("kind")
            ids = None if kinds is None else tuple(sorted(catalogue[kind] for kind in kinds if kind in catalogue))
            plan.behaviours.append(Behaviour(rule, asked, ids, points, worth(rule), cap))
    return plan


def where(data: Any, of: str) -> Where:
    """Which activities a rule counts, read as the `where` of a condition is. Raises ConditionError."""
    return _counting(data, of).where


def counting(where: Any) -> dict[str, Any]:
    """What a rule of behaviour asks, as the condition that there is one such activity."""
    return {"field": "activity.count", "where": where, "op": "at_least", "value": 1}


def in_words(rule: Rule, of: str, catalogue: registry.Catalogue | None = None) -> str:
    """What a rule counts; for many rules with one catalogue. Raises ConditionError when it cannot be read any more."""
    if rule.kind == Rule.Kind.FIT:
        return describe.sentence(tree.parse(rule.condition, of=of, catalogue=catalogue))
    return describe.narrowed(_counting(rule.where, of, catalogue)) or _("any activity")


def _counting(data: Any, of: str, catalogue: registry.Catalogue | None = None) -> tree.Leaf:
    leaf = tree.parse(counting(data), of=of, catalogue=catalogue)
    assert isinstance(leaf, tree.Leaf)
    return leaf


def told(rule: Rule, of: str, catalogue: registry.Catalogue | None = None) -> str:
    """The same, or why it cannot be read any more."""
    try:
        return in_words(rule, of, catalogue)
    except tree.ConditionError as error:
        return str(error)


def micro(points: Decimal) -> int:
    """Points in whole micro-points; they are kept with no more than six places."""
    return int(points * MICRO)


def worth(rule: Rule) -> tuple[int, ...]:
    """What one activity is worth at each age in whole days, from 0 until it is worth nothing or has expired."""
    points = micro(rule.points)
    if not rule.half_life_days:
        return (points,)
    last = MOST_AGES if rule.expires_days is None else min(rule.expires_days, MOST_AGES)
    return _worth(points, rule.half_life_days, last)


@lru_cache(maxsize=512)
def _worth(points: int, half_life: int, last: int) -> tuple[int, ...]:
    ages = []
    for age in range(last + 1):
        left = decayed(points, age, half_life)
        if not left:
            break
        ages.append(left)
    return tuple(ages) or (0,)


def decayed(points: int, age: int, half_life: int) -> int:
    """points × 0.5^(age / half_life), rounded to a whole number, half away from zero: the same for either sign.

    Exact: whole halvings are divided, and what is left of a halving goes through ln and exp, both of which the
    specification of decimal arithmetic wants correctly rounded.
    """
    halvings, rest = divmod(age, half_life)
    with localcontext() as context:
        context.prec = PLACES
        left = Decimal(abs(points)) / Decimal(2) ** halvings if halvings < 150 else Decimal(0)
        if rest:
            left *= (-_ln2() * rest / half_life).exp()
        whole = int(left.to_integral_value(ROUND_HALF_UP))
    return whole if points >= 0 else -whole


@cache
def _ln2() -> Decimal:
    with localcontext() as context:
        context.prec = PLACES
        return Decimal(2).ln()


# ---- which version when ----


def in_force(versions: Iterable[ScoringVersion], at: datetime) -> ScoringVersion | None:
    """The version that scores as of an instant: the newest published one that is effective by then."""
    effective = [
        each
        for each in versions
        if each.state in (ScoringVersion.State.PUBLISHING, ScoringVersion.State.PUBLISHED)
        and (each.effective_from is None or each.effective_from < at)
    ]
    return max(effective, key=lambda each: each.number, default=None)


class Plans:
    """The versions of one model, read at the first need and then kept: for a parsed condition, or one piece of work."""

    def __init__(self, model: ScoringModel) -> None:
        self.model = model
        self._read: dict[int, Plan] = {}

    @cached_property
    def versions(self) -> list[ScoringVersion]:
        """What is or was published, with the model at hand."""
        live = (ScoringVersion.State.PUBLISHING, ScoringVersion.State.PUBLISHED)
        found = list(self.model.versions.filter(state__in=live).order_by("number"))
        for each in found:
            each.model = self.model
        return found

    def at(self, at: datetime) -> Plan | None:
        """What is in force as of an instant; None when nothing is."""
        version = self.version_at(at)
        return None if version is None else self.of(version)

    def version_at(self, at: datetime) -> ScoringVersion | None:
        """The version in force as of an instant, without its rules."""
        return in_force(self.versions, at)

    def of(self, version: ScoringVersion) -> Plan:
        """The plan of a version."""
        if version.pk not in self._read:
            self._read[version.pk] = read(version)
        return self._read[version.pk]


def _changes_by_time(leaf: tree.Leaf) -> bool:
    return leaf.days is not None or leaf.how.timed or leaf.field.timed or leaf.field.fades
