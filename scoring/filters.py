"""Filters of the lists of scores."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from scoring import fields
from scoring.models import Crossing, Score, ScoringVersion
from scoring.rules import MICRO

LEVELS = ("1", "2", "3", "4")


def _version(request: Any) -> ScoringVersion | None:
    return getattr(request, "scoring_version", None)


class Scores(django_filters.FilterSet):
    """Scores of one model: from so many points on, up to so many, of a grade, of a level of behaviour."""

    least = django_filters.NumberFilter(field_name="shown", lookup_expr="gte", label=_("At least"))
    most = django_filters.NumberFilter(field_name="shown", lookup_expr="lte", label=_("At most"))
    grade = django_filters.ChoiceFilter(choices=[(each, each) for each in fields.GRADES], label=_("Grade"))
    level = django_filters.ChoiceFilter(choices=[(each, each) for each in LEVELS], method="of_level", label=_("Level"))

    class Meta:
        model = Score
        fields: list[str] = []

    def of_level(self, rows: QuerySet[Score], name: str, value: str) -> QuerySet[Score]:
        """By behaviour points as they are shown."""
        version = _version(self.request)
        levels = version.levels if version else {}
        if not levels:
            return rows
        if value in levels:
            rows = rows.filter(behaviour__gte=levels[value] * MICRO - MICRO // 2)
        above = levels.get(str(int(value) - 1))
        return rows if above is None else rows.filter(behaviour__lt=above * MICRO - MICRO // 2)


class Crossings(django_filters.FilterSet):
    """Who would come to the limit, or leave it."""

    enters = django_filters.BooleanFilter(label=_("Would reach the limit"))

    class Meta:
        model = Crossing
        fields: list[str] = []
