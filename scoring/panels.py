"""What scores show on pages of the ground floor: the profile with its waterfall, a column and a filter of lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience import live
from audience import panels as ground
from audience.conditions.tree import ConditionError
from audience.models import Account, Person, Retraction
from audience.subjects import listing
from kit import pages, past, registry
from scoring import explaining
from scoring.explaining import Entry, Explanation, Move, Step
from scoring.models import Score, ScoreChange, ScoringModel, ScoringVersion
from scoring.rules import MICRO, Plans

SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "The score by each model.",
    "items": {
        "type": "object",
        "required": ["model", "score", "grade"],
        "properties": {"model": {"type": "string"}, "score": {"type": "integer"}, "grade": {"type": "string"}},
    },
}


@dataclass(frozen=True)
class Bar:
    """One entry of the waterfall, and where its bar begins and how long it is, in hundredths of the whole picture."""

    entry: Entry
    x: str
    width: str


@dataclass(frozen=True)
class Shown:
    """One model's score of a subject, explained."""

    model: ScoringModel
    version: ScoringVersion
    told: Explanation
    bars: list[Bar]
    level: str
    moves: list[Move]
    change: int
    ways: list[Step]
    is_reached: bool
    missing: int


def scores(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of a profile: each model's score, its entries, what moved since yesterday, and the way to the limit.

    None where no model of such subjects is in force.
    """
    of = "person" if isinstance(subject, Person) else "account"
    at = now + live.INSTANT
    found = []
    for model in ScoringModel.objects.filter(of=of).order_by("name"):
        shown = _shown(model, subject.pk, at)
        if shown is not None:
            found.append(shown)
    return {"scores": found, "subject": subject} if found else None


def scores_then(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of a past day: each model's score by the rules in force then, out of what counted by then."""
    then = past.of(request, now)
    if then is None:
        return None
    of = "person" if isinstance(subject, Person) else "account"
    models = ScoringModel.objects.filter(of=of).order_by("name")
    found = [shown for model in models if (shown := _shown(model, subject.pk, then.at, then.known))]
    return {"scores": [replace(shown, ways=[]) for shown in found], "subject": subject} if found else None


def register() -> None:
    """What scoring adds to the pages of people and accounts."""
    for of in ("person", "account"):
        registry.panel(of, gettext_lazy("Scores"), "scoring/_scores_panel.html", scores, order=20)
        registry.panel(f"{of}_past", gettext_lazy("Scores"), "scoring/_scores_panel.html", scores_then, order=20)
        listing.register(
            listing.Extra(
                of=of,
                column=pages.Column(
                    "scores_now", gettext_lazy("Scores"), template="scoring/_scores_cell.html", export=scores_now
                ),
                annotations=_annotations,
                on_card=True,
                told=listing.Told("scores", _told, SCHEMA),
            )
        )
    registry.panel("handoff", gettext_lazy("Scores"), "scoring/_scores_panel.html", scores, order=20)
    registry.panel("retraction", gettext_lazy("Scores"), "audience/_retraction_changes.html", retracted, order=10)


def scores_now(row: Any) -> str:
    """The scores in the file of a list: “Lead score: 62; Partner fit: 10”."""
    return "; ".join(f"{each['model']}: {each['shown']}" for each in row.scores_now)


def _told(row: Any) -> list[dict[str, Any]]:
    return [{"model": each["slug"], "score": each["shown"], "grade": each["grade"]} for each in row.scores_now]


def _annotations() -> dict[str, Any]:
    told = JSONObject(model="model__name", slug="model__slug", shown="shown", grade="grade")
    mine = Score.objects.filter(subject_id=OuterRef("pk")).order_by("model__name")
    return {"scores_now": ArraySubquery(mine.values(told=told))}


def _shown(model: ScoringModel, subject_id: int, at: datetime, known: datetime | None = None) -> Shown | None:
    plans = Plans(model)
    try:
        plan, before = plans.at(at), plans.at(at - timedelta(days=1))
        if plan is None:
            return None
        told = explaining.explain(plan, subject_id, at=at, known=known)
        day_before = at - timedelta(days=1)
        yesterday = explaining.explain(before, subject_id, at=day_before, known=known) if before else None
    except ConditionError:
        return None  # its rules fail, which its own page says
    if told is None:
        return None
    limit = plan.version.limit
    return Shown(
        model=model,
        version=plan.version,
        told=told,
        bars=bars(told.entries),
        level=explaining.level(plan, told.behaviour),
        moves=explaining.moved(yesterday, told),
        change=told.shown - (yesterday.shown if yesterday else 0),
        ways=explaining.ways(plan, told, limit) if limit is not None else [],
        is_reached=limit is not None and told.shown >= limit,
        missing=max((limit or 0) - told.shown, 0),
    )


def bars(entries: list[Entry]) -> list[Bar]:
    """The entries as a waterfall: each bar begins where the sum of those before it ends."""
    sums = [0, *(entry.start + entry.points for entry in entries)]
    low, high = min(sums), max(sums)
    reach = max(high - low, MICRO)
    return [
        Bar(
            entry,
            f"{(min(entry.start, entry.start + entry.points) - low) / reach * 100:.3f}",
            f"{max(abs(entry.points) / reach * 100, 0.4):.3f}",
        )
        for entry in entries
    ]


def retracted(retraction: Retraction, request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Which scores changed because activities were taken back, or count again."""
    at = [*retraction.instants, *retraction.restored]
    changed = ScoreChange.objects.filter(recorded_at__in=at).select_related("model")
    moves = [
        (
            each.subject_id,
            each.recorded_at,
            _("%(model)s: %(old)s → %(new)s") % {"model": each.model, "old": each.old_shown, "new": each.shown},
        )
        for each in changed.order_by("-pk")[: ground.MOST_CHANGES]
    ]
    return ground.changes(moves, changed.count(), request)
