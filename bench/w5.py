"""W5: everybody scored again after one rule has changed (an eighth of all totals move), against the same by hand.

The reference computes the same scores by a hand-written CREATE TABLE AS and merges what differs into the same table
under the same guard. It keeps no ledger of changes and marks nobody; ours does both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from audience import live
from bench import history, measuring, scores
from kit.sql import Sql, sql, value
from kit.sql import run as execute
from scoring import rules, running
from scoring.rules import Plan


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Two figures: the first run of all, and a run by difference. Both ways end with the same bits."""
    now = history.fill(number, activities)
    at = now + live.INSTANT
    first, second = scores.publish(now, 3), scores.publish(now, 4)
    size = {"people": number, "activities": activities}

    scores.put_in_force(first, now)
    plan = rules.read(first)
    figure = measuring.compare(
        lambda: running.full(first.model, at=at, now=now), lambda: merge(plan, at), before=empty, repeats=1
    )
    assert not scores.differing(plan, at)
    yield {"case": "first run", **size, **figure, "rows": number, "peak_rss_mb": measuring.peak_rss_mb()}

    changed = rules.read(second)

    def before() -> None:
        scores.put_in_force(first, now)
        running.full(first.model, at=at, now=now)
        scores.put_in_force(second, now)

    figure = measuring.compare(
        lambda: running.full(first.model, at=at, now=now), lambda: merge(changed, at), before=before, repeats=repeats
    )
    assert not scores.differing(changed, at)
    before()
    merge(changed, at)
    assert not scores.differing(changed, at), "the reference says the same"
    moved = value(sql("SELECT count(*) FROM audience_person WHERE starts_with(lower(email), 'p1')"))
    yield {"case": "one rule changed", **size, **figure, "rows": moved, "peak_rss_mb": measuring.peak_rss_mb()}


def merge(plan: Plan, at: datetime) -> None:
    """By hand: compute all, update what differs, insert what is missing."""
    execute(Sql("SET work_mem = '256MB'"))
    execute(sql("CREATE UNLOGGED TABLE work.by_hand AS {}", scores.by_hand(plan, at)))
    execute(Sql("ANALYZE work.by_hand"))
    execute(
        sql(
            """WITH differing AS MATERIALIZED (
                   SELECT s.id, h.* FROM work.by_hand h
                   LEFT JOIN (SELECT * FROM scoring_score WHERE model_id = {}) s ON s.subject_id = h.subject_id
                   WHERE (s.total, s.behaviour, s.fit, s.shown, s.grade)
                         IS DISTINCT FROM (h.total, h.behaviour, h.fit, h.shown, h.grade)),
               changed AS (
                   UPDATE scoring_score s SET total = d.total, behaviour = d.behaviour, fit = d.fit, shown = d.shown,
                          grade = d.grade
                   FROM differing d WHERE s.id = d.id)
               INSERT INTO scoring_score (model_id, person_id, total, behaviour, fit, shown, grade)
               SELECT {}, subject_id, total, behaviour, fit, shown, grade FROM differing WHERE id IS NULL""",
            plan.version.model_id,
            plan.version.model_id,
        )
    )
    execute(Sql("DROP TABLE work.by_hand"))
    execute(Sql("RESET work_mem"))


def empty() -> None:
    execute(Sql("TRUNCATE scoring_score, scoring_scorechange, audience_dirty"))
