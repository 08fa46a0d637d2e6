"""Scores as a whole: how many there are of each, who reaches the limit, and what a draft would change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from audience import live
from kit.sql import Sql, dicts, sql
from scoring import compiling
from scoring.models import ScoringModel, ScoringVersion
from scoring.rules import Plan, Plans, read


def summary(version: ScoringVersion, *, now: datetime) -> dict[str, Any]:
    """The scores that a version, draft or not, gives as of now, in figures: `_told` says which."""
    return _told(read(version), now + live.INSTANT)


def as_of(model: ScoringModel, at: datetime) -> dict[str, Any]:
    """The scores of a model as of an instant, by the version in force then, in the same figures."""
    plan = Plans(model).at(at)
    if plan is None:
        return {"version": None, "scored": 0}
    return {"version": plan.version.number, **_told(plan, at)}


def _told(plan: Plan, at: datetime) -> dict[str, Any]:
    """How many are scored, have any points, reach the limit (None without one); the highest; how many of each grade."""
    limit = plan.version.limit
    reached = sql("count(*) FILTER (WHERE shown >= {})", limit) if limit is not None else Sql("NULL::bigint")
    found = dicts(
        sql(
            "SELECT grade, count(*) AS scored, count(*) FILTER (WHERE shown <> 0) AS with_points, "
            "{} AS reached, max(shown) AS highest FROM ({}) scored GROUP BY grade ORDER BY grade",
            reached,
            compiling.totals(plan, at=at),
        )
    )
    told: dict[str, Any] = {name: sum(each[name] for each in found) for name in ("scored", "with_points")}
    told["reached"] = None if limit is None else sum(each["reached"] for each in found)
    told["highest"] = max((each["highest"] for each in found), default=None)
    if plan.grades:
        told["grades"] = {each["grade"]: each["scored"] for each in found}
    return told
