"""W6: those who changed scored alone, and an hour of time alone, each against a full run of our own at the same instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from audience import live
from audience.conditions import registry
from bench import history, measuring, scores
from kit.sql import Sql, rows, sql, value
from kit.sql import run as execute
from scoring import compiling, rules, running
from scoring.models import ScoringModel

CHANGED = 100  # one in so many people


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Two figures; after each, every stored score is bit by bit what the full run gives."""
    now = history.fill(number, activities)  # in the morning: the hour lies within a day
    history.spoil()
    version = scores.publish(now, 3)
    scores.put_in_force(version, now)
    plan = rules.read(version)
    size = {"people": number, "activities": activities}
    later = now + timedelta(minutes=1)
    at = later + live.INSTANT
    running.full(version.model, at=at, now=later)  # so that time alone changes nobody until they are judged
    changed = sql("SELECT id AS subject_id FROM audience_person WHERE id %% {} = 0", CHANGED)
    execute(Sql("SET perennial.marks = 'off'"))
    execute(
        sql(
            """INSERT INTO audience_activity (person_id, kind_id, channel, direction, actor, occurred_at, recorded_at,
                      source, external_id)
               SELECT c.subject_id, k.id, 'web', 'inbound', 'human', {}, {}, 'bench', 'changed ' || c.subject_id
               FROM ({}) c, audience_activitykind k WHERE k.slug = 'kind_1'""",
            now,
            later,
            changed,
        )
    )
    execute(Sql("SET perennial.marks = 'on'"))
    keep()

    def compare(case: str, at: datetime, ours: Any, count: int) -> dict[str, Any]:
        figure = measuring.compare(
            ours, lambda: running.full(version.model, at=at, now=at), before=restore, repeats=repeats
        )
        restore()
        ours()
        assert not scores.differing(plan, at), "bit-equal to the full run for everybody"
        return {"case": case, **size, **figure, "rows": count, "peak_rss_mb": measuring.peak_rss_mb()}

    some = [row[0] for row in rows(changed)]
    yield compare("changed people", at, lambda: judge(plan, some, at), len(some))

    running.full(version.model, at=at, now=later)
    keep()
    hour = at + timedelta(hours=1)
    span = registry.span(at, hour)

    def tick() -> None:
        """As the clock and the live engine do it: mark whom time has changed, take the marks, judge."""
        live.mark(compiling.by_time(plan, span=span))
        marked = [row[0] for row in rows(Sql("DELETE FROM audience_dirty RETURNING subject_id"))]
        judge(plan, marked, hour)

    touched = value(sql("SELECT count(DISTINCT subject_id) FROM ({}) t", compiling.by_time(plan, span=span)))
    yield compare("an hour of time alone", hour, tick, touched)


def judge(plan: rules.Plan, subjects: list[int], at: datetime) -> None:
    """Score them as the live engine has it done: their ids in a table of the session that the planner knows."""
    execute(Sql("CREATE TEMPORARY TABLE IF NOT EXISTS judged (subject_id bigint NOT NULL); TRUNCATE judged"))
    execute(sql("INSERT INTO judged SELECT unnest({}::bigint[])", subjects))
    execute(Sql("ANALYZE judged"))
    running.refresh(plan, Sql("SELECT subject_id FROM judged"), at=at, now=at)


def keep() -> None:
    """The scores as they stand, to begin each turn with."""
    execute(Sql("DROP TABLE IF EXISTS work.kept"))
    execute(Sql("CREATE TABLE work.kept AS SELECT * FROM scoring_score"))


def restore() -> None:
    """The scores as they were kept."""
    execute(Sql("TRUNCATE scoring_score, scoring_scorechange, audience_dirty"))
    execute(
        Sql(
            "INSERT INTO scoring_score (id, model_id, person_id, total, behaviour, fit, shown, grade) "
            "SELECT id, model_id, person_id, total, behaviour, fit, shown, grade FROM work.kept"
        )
    )
    ScoringModel.objects.update(fault="")
