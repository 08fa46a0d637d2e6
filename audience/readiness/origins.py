"""Where the values of a field came from, how old and which they are; the unknown are a bucket of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from audience import live
from audience.conditions import compile, tree
from audience.conditions.columns import TABLES
from audience.conditions.moment import Moment
from audience.conditions.tree import Leaf
from audience.readiness import measures
from audience.readiness.measures import Measure
from kit.sql import Sql, rows, sql

AGES = (
    (30, _("in the last 30 days")),
    (90, _("31 to 90 days ago")),
    (365, _("91 to 365 days ago")),
    (None, _("earlier")),
)
SHOWN = 12  # values that are named; the others are one bucket
PARTING = ("choice", "yes_no")
# Standard texts that part people into groups, where other texts are one's own.
GROUPS = {
    "person.title_group", "person.seniority", "person.country", "person.region", "person.language", "person.source",
    "account.industry", "account.ownership", "account.country", "account.region",
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """One source: how many of the present values it wrote, and when it last wrote one."""

    source: str
    count: int
    last: datetime


@dataclass(frozen=True)
class Origins:
    """The present values by who wrote them, the most frequent first, and by when: one number for each of AGES."""

    sources: tuple[Origin, ...]
    ages: tuple[int, ...]

    @property
    def last(self) -> datetime | None:
        """When a value was last written that is there still."""
        return max((each.last for each in self.sources), default=None)


def of(measure: Measure, now: datetime) -> Origins:
    """Who wrote the values that are known now, and when."""
    known = {"all": [*measure.applies.parts, measures.counted(measure.of), measure.known]}
    there = compile.members(tree.parse(known, of=measure.of), of=measure.of, at=now + live.INSTANT)
    bounds = [now - timedelta(days=days) for days, _words in AGES if days is not None]
    told = rows(
        sql(
            """WITH last AS (
                 SELECT DISTINCT ON (change.subject_id) change.subject_id, change.source, change.recorded_at
                 FROM audience_fieldchange change WHERE change.original_subject_id IS NULL AND change.field = {}
                 ORDER BY change.subject_id, change.occurred_at DESC, change.id DESC)
               SELECT coalesce(last.source, s.created_source) AS source,
                      width_bucket(coalesce(last.recorded_at, s.created_at), {}::timestamptz[]) AS age,
                      count(*), max(coalesce(last.recorded_at, s.created_at))
               FROM ({}) there JOIN {} s ON s.id = there.subject_id LEFT JOIN last ON last.subject_id = s.id
               GROUP BY 1, 2""",
            measure.history,
            sorted(bounds),
            there,
            Sql(TABLES[measure.of]),
        )
    )
    sources: dict[str, Origin] = {}
    ages = [0] * len(AGES)
    for source, age, count, last in told:
        ages[len(AGES) - 1 - age] += count
        before = sources.get(source, Origin(source, 0, last))
        sources[source] = Origin(source, before.count + count, max(before.last, last))
    return Origins(tuple(sorted(sources.values(), key=lambda each: (-each.count, each.source))), tuple(ages))


def changed_at() -> dict[tuple[str, str], datetime]:
    """When each field was last changed of somebody: by kind of subject and name of the history."""
    told = rows(
        Sql(
            """SELECT CASE WHEN person_id IS NULL THEN 'account' ELSE 'person' END, field, max(recorded_at)
               FROM audience_fieldchange WHERE original_subject_id IS NULL GROUP BY 1, 2"""
        )
    )
    return {(of, field): at for of, field, at in told}


def buckets(measure: Measure, now: datetime) -> list[tuple[str | None, int]]:
    """How many have each value, the most frequent first; "" are those without one, None the values that are not named.

    Together they are everybody to whom the field applies. Empty for a field whose values are one's own.
    """
    if measure.field.type not in PARTING and measure.name not in GROUPS:
        return []
    statement = compile.Statement(measure.of, Moment(now + live.INSTANT), None)
    leaf = tree.parse(measure.known, of=measure.of)
    assert isinstance(leaf, Leaf)
    number = statement.show(leaf)
    base = tree.parse({"all": [*measure.applies.parts, measures.counted(measure.of)]}, of=measure.of)
    told = statement.select([sql(f"q.v{number} AS value")], where=statement.holds(base, as_filter=True))
    found = rows(sql("SELECT coalesce(value, ''), count(*) FROM ({}) told GROUP BY 1 ORDER BY 2 DESC, 1", told))
    named = [(each, count) for each, count in found if each]
    left = sum(count for _each, count in named[SHOWN:])
    return [*named[:SHOWN], *([(None, left)] if left else []), ("", sum(count for each, count in found if not each))]
