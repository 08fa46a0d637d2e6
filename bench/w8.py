"""W8: four kinds of segments, each counted, filled, refreshed, and refreshed for ten thousand who changed.

The references are the statements that somebody who knows the tables would write for the same answer (erased people left
out, letters compared without case, bots and reversed activities not counted), into the same table with its keys and the
trigger that marks whoever enters or leaves. They hold nobody back, note nothing and serve one segment each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from audience import live, segments
from audience.conditions import compile, tree
from audience.models import Segment
from bench import history, measuring
from kit.sql import Sql, sql, value
from kit.sql import run as execute

CHANGED = 10_000
LEAD = "lower(title COLLATE \"C\") LIKE '%%director%%'"
MQL = """SELECT m.person_id FROM lifecycle_membership m JOIN lifecycle_stage g ON g.id = m.stage_id
         WHERE g.slug = 'mql' AND m.lifecycle_id = (SELECT id FROM lifecycle_lifecycle WHERE slug = 'bench')"""
DEEDS = """SELECT a.person_id FROM audience_activity a
           WHERE a.occurred_at >= {} AND a.occurred_at < {} AND a.actor = 'human'
             AND a.person_id IS NOT NULL AND a.reversal_of_id IS NULL{}
             AND NOT EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = a.id)
           GROUP BY a.person_id HAVING count(*) >= {}"""
LATELY = {"field": "activity.count", "days": 30, "op": "at_least"}
DIRECTOR = {"field": "person.title", "op": "contains", "value": "director"}
IN_MQL = {"field": "stage.bench", "op": "is", "value": "mql"}


@dataclass(frozen=True)
class Case:
    """One kind of segment: our condition, and by hand the restriction of people p, and what is joined to them, for it."""

    name: str
    condition: dict[str, Any]
    by_hand: Callable[[datetime, Sql], Sql]
    beside: str = ""


def _deeds(now: datetime, only: Sql, least: int) -> Sql:
    among = sql(" AND a.person_id IN ({})", only) if only else Sql("")
    return sql(DEEDS, now - timedelta(days=30), now, among, least)


CASES = (
    Case(
        "attribute",
        {"field": "person.country", "op": "in", "value": ["DE", "FR"]},
        lambda now, only: Sql("lower(p.country COLLATE \"C\") IN ('de', 'fr')"),
    ),
    Case(
        "activity count in 30 days",
        LATELY | {"value": 3},
        lambda now, only: sql("p.id IN ({})", _deeds(now, only, 3)),
    ),
    Case("stage and title", {"all": [IN_MQL, DIRECTOR]}, lambda now, only: Sql(f"p.id IN ({MQL}) AND {LEAD}")),
    Case(
        "combined with negation",
        {"all": [{"field": "person.country", "op": "is", "value": "DE"}, {"not": LATELY | {"value": 1}},
                 {"any": [DIRECTOR, IN_MQL]}]},
        lambda now, only: sql(
            "lower(p.country COLLATE \"C\") = 'de' AND NOT EXISTS (SELECT FROM ({}) d WHERE d.person_id = p.id) "
            "AND ({} OR q.person_id IS NOT NULL)",
            _deeds(now, only, 1), Sql(LEAD),
        ),
        beside=f" LEFT JOIN ({MQL}) q ON q.person_id = p.id",
    ),
)  # fmt: skip


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Sixteen figures. `of_full` of a refresh for those who changed is its time as a share of a refresh of all."""
    now = history.fill(number, activities)
    # As the live engine has those whose marks it claimed.
    execute(Sql("DROP TABLE IF EXISTS changed"))
    execute(Sql("CREATE TEMPORARY TABLE changed (subject_id bigint NOT NULL)"))
    chosen = sql("SELECT id FROM audience_person ORDER BY id %% 1009, id LIMIT {}", CHANGED)
    execute(sql("INSERT INTO changed {}", chosen))
    execute(Sql("ANALYZE changed"))
    for case in CASES:
        yield from _case(case, now, {"people": number, "activities": activities}, repeats)


def _case(case: Case, now: datetime, size: dict[str, int], repeats: int) -> Iterator[dict[str, Any]]:
    node = tree.parse(case.condition)
    at = now + live.INSTANT
    segment = Segment.objects.create(
        name=case.name, slug=case.name.replace(" ", "_"), condition=case.condition, created_at=now, updated_at=now
    )
    everybody = _people(case, at, Sql(""))
    some = Sql("SELECT subject_id FROM changed")
    members = value(sql("SELECT count(*) FROM ({}) hand", everybody))
    assert compile.count(node, of="person", at=at) == members, case.name

    def compare(
        what: str, ours: Callable[[], Any], hand: Callable[[], Any], before: Callable[[], None]
    ) -> dict[str, Any]:
        figure = measuring.compare(ours, hand, before=before, repeats=repeats)
        return {
            "case": f"{case.name}: {what}",
            **size,
            **figure,
            "rows": members,
            "peak_rss_mb": measuring.peak_rss_mb(),
        }

    def full() -> None:
        segments.refresh(segment, at=at, now=now)

    yield compare(
        "count",
        lambda: compile.count(node, of="person", at=at),
        lambda: value(sql("SELECT count(*) FROM ({}) hand", everybody)),
        before=lambda: None,
    )
    yield compare("fill", full, lambda: _insert(segment, everybody, now), before=lambda: _empty(segment))
    assert _there(segment) == members
    whole = compare(
        "refresh", full, lambda: _by_hand(segment, everybody, None, now), before=lambda: _stale(segment, everybody, now)
    )
    yield whole
    assert _there(segment) == members
    dirty = compare(
        "refresh of 10k",
        lambda: segments.refresh(segment, at=at, now=now, among=some),
        lambda: _by_hand(segment, _people(case, at, some), some, now),
        before=lambda: _stale(segment, everybody, now),
    )
    yield dirty | {"rows": CHANGED, "of_full": round(dirty["ours_s"] / whole["ours_s"], 2) if whole["ours_s"] else None}
    _empty(segment)
    segment.delete()


def _people(case: Case, at: datetime, only: Sql) -> Sql:
    among = sql(" AND p.id IN ({})", only) if only else Sql("")
    return sql(
        "SELECT p.id FROM audience_person p{} WHERE p.erased_at IS NULL AND p.first_seen_at < {} AND {}{}",
        Sql(case.beside),
        at,
        case.by_hand(at, only),
        among,
    )


def _there(segment: Segment) -> int:
    return int(
        value(sql("SELECT count(*) FROM audience_segmentmember WHERE segment_id = {} AND left_at IS NULL", segment.pk))
    )


def _empty(segment: Segment) -> None:
    execute(Sql("TRUNCATE audience_segmentmember, audience_dirty"))


def _stale(segment: Segment, everybody: Sql, now: datetime) -> None:
    """As if one in a hundred had come to fit since, and as many no longer did."""
    _empty(segment)
    _insert(segment, sql("SELECT id FROM ({}) hand WHERE id %% 100 <> 0", everybody), now - timedelta(days=1))
    others = sql("SELECT id FROM audience_person WHERE id NOT IN ({}) AND id %% 400 = 1", everybody)
    _insert(segment, others, now - timedelta(days=1))
    execute(Sql("TRUNCATE audience_dirty"))


def _insert(segment: Segment, people: Sql, now: datetime) -> None:
    execute(
        sql(
            "INSERT INTO audience_segmentmember (segment_id, person_id, entered_at) SELECT {}, id, {} FROM ({}) hand",
            segment.pk,
            now,
            people,
        )
    )


def _by_hand(segment: Segment, people: Sql, some: Sql | None, now: datetime) -> None:
    """What the product's one statement does, as two, over a table whose size the planner knows."""
    only = sql(" AND m.person_id IN ({})", some) if some else Sql("")
    execute(Sql("DROP TABLE IF EXISTS hand"))
    execute(sql("CREATE TEMPORARY TABLE hand AS {}", people))
    execute(Sql("ANALYZE hand"))
    execute(
        sql(
            "UPDATE audience_segmentmember m SET left_at = {} WHERE m.segment_id = {} AND m.left_at IS NULL{} "
            "AND NOT EXISTS (SELECT FROM hand WHERE hand.id = m.person_id)",
            now,
            segment.pk,
            only,
        )
    )
    execute(
        sql(
            "INSERT INTO audience_segmentmember (segment_id, person_id, entered_at) SELECT {}, hand.id, {} FROM hand "
            "WHERE NOT EXISTS (SELECT FROM audience_segmentmember m "
            "WHERE m.segment_id = {} AND m.person_id = hand.id AND m.left_at IS NULL)",
            segment.pk,
            now,
            segment.pk,
        )
    )
