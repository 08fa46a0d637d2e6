"""How forms do: how often their page was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, Sum

from audience.models import Form, FormDay, RefusedSubmission, Submission
from kit import installation
from kit.sql import run, sql


@dataclass(frozen=True)
class Figures:
    """Of one form. `share` is what was sent from its own page by the views of that; other pages' are not counted."""

    views: int = 0
    submissions: int = 0
    hosted: int = 0
    people: int = 0
    refused: int = 0
    turned_away: int = 0
    last_at: datetime | None = None

    @property
    def share(self) -> float | None:
        return min(1.0, self.hosted / self.views) if self.views else None


def looked(form: Form, *, now: datetime) -> None:
    """Somebody, and no machine, has opened the form's page."""
    _count(form, "views", now)


def turned_away(form: Form, *, now: datetime) -> None:
    """Somebody sent it too often to be read."""
    _count(form, "turned_away", now)


def _count(form: Form, what: str, now: datetime) -> None:
    views, away = (1, 0) if what == "views" else (0, 1)
    run(
        sql(
            """INSERT INTO audience_formday AS d (form_id, day, views, turned_away) VALUES ({}, {}, {}, {})
               ON CONFLICT (form_id, day) DO UPDATE SET views = d.views + excluded.views,
                   turned_away = d.turned_away + excluded.turned_away""",
            form.pk,
            now.astimezone(installation.zone()).date(),
            views,
            away,
        )
    )


def figures(forms: Sequence[Form]) -> dict[int, Figures]:
    """The figures of each of these forms, in as many queries as there are tables."""
    among = {"form__in": [form.pk for form in forms]}
    days = FormDay.objects.filter(**among).values("form").annotate(views=Sum("views"), turned_away=Sum("turned_away"))
    sent = Submission.objects.filter(**among).values("form").annotate(
        submissions=Count("pk"), hosted=Count("pk", filter=Q(embedded=False)),
        people=Count("person", distinct=True), last_at=Max("occurred_at"),
    )  # fmt: skip
    refused = RefusedSubmission.objects.filter(**among).values("form").annotate(refused=Count("pk"))
    told: dict[int, dict[str, Any]] = {form.pk: {} for form in forms}
    for row in (*days, *sent, *refused):
        told[row["form"]] |= {name: value for name, value in row.items() if name != "form"}
    return {pk: Figures(**row) for pk, row in told.items()}
