"""All fields at once: how complete each is now, who asks for it, and what filling it would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from audience.conditions.uses import Use
from audience.readiness import completeness, gaps, measures, origins
from audience.readiness.gaps import Reach
from audience.readiness.measures import Measured
from kit.statistics import Share


@dataclass(frozen=True)
class Line:
    """One field. `best`: the question that most more would come within reach of; `last`: when it was last changed."""

    measure: Measured
    share: Share
    uses: Sequence[Use] = ()
    best: Reach | None = None
    last: datetime | None = None

    @property
    def without(self) -> int:
        return self.share.of - self.share.hits


@dataclass(frozen=True)
class Group:
    """The fields of people, those of accounts, or what stands in contracts, purchases and deals."""

    id: str
    label: str
    lines: list[Line]

    @property
    def whole(self) -> Share:
        return completeness.whole(line.share for line in self.lines)

    @property
    def names(self) -> list[str]:
        return [line.measure.name for line in self.lines]


@dataclass(frozen=True)
class Overview:
    """The groups that have something to tell, and the shares of all fields by name."""

    groups: list[Group]
    shares: completeness.Shares


def answer(now: datetime) -> Overview:
    """Every field as it is now: one statement for people, one for accounts, and one for each other fact."""
    changed, groups, facts = origins.changed_at(), [], []
    shares: completeness.Shares = {}
    for of in completeness.OF:
        some = measures.kept(of)
        standing = gaps.standing(some, of=of, now=now)
        lines = []
        for each in some:
            last = changed.get((of, each.history))
            share, asked_by = standing.shares[each.name], standing.uses[each.name]
            lines.append(Line(each, share, asked_by, standing.best(each.name), last))
        groups.append(Group(of, str(measures.OF[of]), lines))
        facts += [Line(each, completeness.of_fact(each, now)) for each in measures.facts(of)]
        shares |= standing.shares
    shares |= {line.measure.name: line.share for line in facts}
    if told := [line for line in facts if line.share.of]:
        groups.append(Group("facts", _("Contracts, purchases and deals"), told))
    return Overview(groups, shares)
