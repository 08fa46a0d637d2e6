"""Filters of the lists of scores."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from audience.models import Field
from kit.api.filtering import Moment, Whole
from scoring import fields
from scoring.models import Crossing, Score, ScoreChange, ScoringModel, ScoringVersion
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


class Models(django_filters.FilterSet):
    """Scoring models by species and subjects."""

    species = django_filters.ChoiceFilter(choices=ScoringModel.Species.choices, label=_("Species"))
    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Subjects"))

    class Meta:
        model = ScoringModel
        fields: list[str] = []


class _OfSubjects(django_filters.FilterSet):
    model = django_filters.CharFilter(method="of_model", label=_("Scoring model (its short name)"))
    person = Whole(method="of_subject", label=_("A person’s id"))
    account = Whole(method="of_subject", label=_("An account’s id"))

    def of_model(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # Its id is asked for alone: then an index on it gives the order.
        return rows.filter(model=ScoringModel.objects.filter(slug=value).values_list("pk", flat=True).first())

    def of_subject(self, rows: QuerySet[Any], name: str, value: int) -> QuerySet[Any]:
        return rows.filter(**{"subject_id": value, name: value})


class AllScores(_OfSubjects):
    """Scores by model, subject and how high they are, as programs ask for them."""

    least = django_filters.NumberFilter("shown", "gte", label=_("At least"))
    most = django_filters.NumberFilter("shown", "lte", label=_("At most"))
    grade = django_filters.ChoiceFilter(choices=[(each, each) for each in fields.GRADES], label=_("Grade"))

    class Meta:
        model = Score
        fields: list[str] = []


class AllChanges(_OfSubjects):
    """Changes of scores by model, subject and time, as programs ask for them."""

    since = Moment("occurred_at", "gte", label=_("Not before this instant"))
    before = Moment("occurred_at", "lt", label=_("Before this instant"))

    class Meta:
        model = ScoreChange
        fields: list[str] = []
