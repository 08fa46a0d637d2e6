"""Sets of models and scores, counted and annotated for the pages that show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from audience.subjects import sight
from scoring import fields
from scoring.filters import LEVELS
from scoring.models import Crossing, Score, ScoreChange, ScoringModel, ScoringVersion
from scoring.rules import MICRO

LEADERS = 10
LIVE = [ScoringVersion.State.PUBLISHED, ScoringVersion.State.PUBLISHING]


def with_versions() -> QuerySet[ScoringModel]:
    """The models with the newest published version and draft."""
    live = ScoringVersion.objects.filter(model=OuterRef("pk"), state__in=LIVE).order_by("-number")
    draft = ScoringVersion.objects.filter(model=OuterRef("pk"), state=ScoringVersion.State.DRAFT).order_by("-number")
    return ScoringModel.objects.annotate(
        live_number=Subquery(live.values("number")[:1]),
        live_state=Subquery(live.values("state")[:1]),
        draft_number=Subquery(draft.values("number")[:1]),
    )


def for_list() -> QuerySet[ScoringModel]:
    """The same, and how many are scored and how many reach the limit."""
    scored = Score.objects.filter(model=OuterRef("pk")).order_by().values("model")
    reached = scored.filter(shown__gte=OuterRef("limit"))
    return (
        with_versions()
        .annotate(limit=F("scored_by__limit"))
        .annotate(
            scored=Subquery(scored.values(n=Count("pk"))),
            reached=Subquery(reached.values(n=Count("pk"))),
        )
        .order_by("name")
    )


def scores(model: ScoringModel) -> QuerySet[Score]:
    """All scores of a model, with whose they are."""
    return Score.objects.filter(model=model).select_related("person__account", "account")


def leaders(model: ScoringModel, user: Any) -> list[Score]:
    """Those with the highest scores whom a user sees."""
    return list(sight.subjects(scores(model), user).filter(shown__gt=0).order_by("-shown", "-total", "pk")[:LEADERS])


def figures(model: ScoringModel, version: ScoringVersion | None) -> dict[str, Any]:
    """How many are scored, have points, reach the limit of the version, are of each grade."""
    limit = version.limit if version else None
    reached = Q(shown__gte=limit) if limit is not None else Q(pk__in=[])
    graded = {grade: Count("pk", filter=Q(grade=grade)) for grade in fields.GRADES}
    found = Score.objects.filter(model=model).aggregate(
        scored=Count("pk"), with_points=Count("pk", filter=~Q(shown=0)), reached=Count("pk", filter=reached), **graded
    )
    return found | {"grades": [(grade, found.pop(grade)) for grade in fields.GRADES]}


def moved_since(model: ScoringModel, now: datetime) -> dict[str, int]:
    """How many subjects rose and fell within the last day, by the ledger: from the first old score to the last new."""
    day = ScoreChange.objects.filter(model=model, occurred_at__gte=now - timedelta(days=1)).order_by()
    found = day.aggregate(
        rose=Count("subject_id", filter=Q(shown__gt=F("old_shown")), distinct=True),
        fell=Count("subject_id", filter=Q(shown__lt=F("old_shown")), distinct=True),
    )
    return {"rose": found["rose"], "fell": found["fell"]}


def matrix(model: ScoringModel, version: ScoringVersion) -> dict[str, Any] | None:
    """A row per grade with the number on each level; None when the version has no grades or no levels."""
    if not version.grades or not version.levels:
        return None
    half = MICRO // 2
    bounds = [version.levels[level] * MICRO - half for level in LEVELS[:3]]
    of_level = {
        "1": Q(behaviour__gte=bounds[0]),
        "2": Q(behaviour__lt=bounds[0], behaviour__gte=bounds[1]),
        "3": Q(behaviour__lt=bounds[1], behaviour__gte=bounds[2]),
        "4": Q(behaviour__lt=bounds[2]),
    }
    counts: dict[str, dict[str, Any]] = {
        row["grade"]: dict(row)
        for row in Score.objects.filter(model=model)
        .order_by()
        .values("grade")
        .annotate(**{f"level_{level}": Count("pk", filter=asked) for level, asked in of_level.items()})
    }
    rows: list[tuple[str, list[tuple[str, int]]]] = [
        (grade, [(level, counts.get(grade, {}).get(f"level_{level}", 0)) for level in LEVELS])
        for grade in fields.GRADES
    ]
    whole = sum(count for _grade, cells in rows for _level, count in cells)
    return {
        "rows": rows,
        "levels": [(level, version.levels.get(level)) for level in LEVELS],
        "grades": [(grade, version.grades.get(grade)) for grade in fields.GRADES],
        "largest": max((count for _grade, cells in rows for _level, count in cells), default=0),
        "whole": whole,
    }


def crossings(version: ScoringVersion) -> QuerySet[Crossing]:
    """Who would come to the limit of a draft or leave it, with whose it is."""
    return Crossing.objects.filter(version=version).select_related("person__account", "account")
