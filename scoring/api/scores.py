"""Everybody's scores, each explained to the micro-point, and the ledger of their changes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience import live
from audience.subjects import sight
from kit.api import etags
from kit.api.problems import Problem
from kit.api.serializers import Instant, Row
from kit.api.views import Listed, Shown
from scoring import explaining, filters
from scoring.models import Score, ScoreChange
from scoring.rules import Plans

SCORE = {
    "id": 77, "model": "lead", "person": 318, "account": None, "score": 62, "micro_points": 61_620_000,
    "behaviour": 31_120_000, "fit": 30_500_000, "grade": "A",
}  # fmt: skip
ENTRIES = [
    {"kind": "behaviour", "reason": "Asked for a demo", "micro_points": 31_120_000, "count": 1,
     "last": "2025-02-24T10:11:00Z"},
    {"kind": "fit", "reason": "Director", "micro_points": 20_000_000, "count": None, "last": None},
    {"kind": "fit", "reason": "Germany", "micro_points": 10_500_000, "count": None, "last": None},
    {"kind": "rounding", "reason": "Rounded to whole points", "micro_points": 380_000, "count": None, "last": None},
]  # fmt: skip
WHOLE = SCORE | {"as_of": None, "version": 3, "level": "2", "limit": 60, "is_reached": True, "entries": ENTRIES}
CHANGE = {
    "id": 4242, "model": "lead", "version": 3, "person": 318, "account": None, "old_score": 41, "score": 62,
    "old_grade": "A", "grade": "A", "occurred_at": "2025-02-24T10:11:02Z", "recorded_at": "2025-02-24T10:11:03Z",
}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("A score", SCORE, response_only=True)])
class ScoreRow(Row):
    """One subject's score by one model as it stands: whole points as they are shown, and exact micro-points."""

    model = serializers.SlugField(source="model.slug", read_only=True)
    score = serializers.IntegerField(source="shown", read_only=True)
    micro_points = serializers.IntegerField(source="total", read_only=True)

    class Meta:
        model = Score
        fields: tuple[str, ...] = (
            "id", "model", "person", "account", "score", "micro_points", "behaviour", "fit", "grade",
        )  # fmt: skip
        read_only_fields = fields


class EntryRow(serializers.Serializer[Any]):
    """One line of an explanation: a rule, the cap of a rule or a group, or the rounding."""

    kind = serializers.ChoiceField(["behaviour", "fit", "cap", "group", "rounding"])
    reason = serializers.CharField(source="label", help_text="The rule's name, or what took points away.")
    micro_points = serializers.IntegerField(source="points")
    count = serializers.IntegerField(allow_null=True, help_text="How many activities counted.")
    last = Instant(allow_null=True, help_text="The newest of them.")


@extend_schema_serializer(examples=[OpenApiExample("A score explained", WHOLE, response_only=True)])
class ScoreWhole(serializers.Serializer[Any]):
    """A score with its entries. They add up to `score` × 1,000,000 exactly, and to `micro_points` without rounding."""

    id = serializers.IntegerField()
    model = serializers.SlugField()
    person = serializers.IntegerField(allow_null=True)
    account = serializers.IntegerField(allow_null=True)
    as_of = Instant(allow_null=True, help_text="The instant that was asked for; null for now.")
    version = serializers.IntegerField(help_text="The version in force then.")
    score = serializers.IntegerField()
    micro_points = serializers.IntegerField()
    behaviour = serializers.IntegerField()
    fit = serializers.IntegerField()
    grade = serializers.CharField()
    level = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    is_reached = serializers.BooleanField()
    entries = EntryRow(many=True)


@extend_schema_serializer(examples=[OpenApiExample("A change", CHANGE, response_only=True)])
class ScoreChangeRow(Row):
    """One change of the points shown or of the grade. Changes are never changed, and none is taken away."""

    model = serializers.SlugField(source="model.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    old_score = serializers.IntegerField(source="old_shown", read_only=True)
    score = serializers.IntegerField(source="shown", read_only=True)

    class Meta:
        model = ScoreChange
        fields = (
            "id", "model", "version", "person", "account", "old_score", "score", "old_grade", "grade", "occurred_at",
            "recorded_at",
        )  # fmt: skip
        read_only_fields = fields


class Scores(Listed, Shown):
    """Everybody's scores as they stand."""

    scope = "scores"
    queryset = Score.objects.select_related("model")
    serializer_class = ScoreRow
    filterset_class = filters.AllScores
    parameters = ("at",)

    def get_queryset(self) -> QuerySet[Score]:
        return sight.subjects(super().get_queryset(), self.request.user)

    @extend_schema(
        responses=ScoreWhole,
        parameters=[
            OpenApiParameter(
                "at", OpenApiTypes.DATETIME, description="As of this instant, by the version in force then."
            )
        ],
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read one score with its entries. They are computed anew, so a fact of this second is in them already.

        404 `no_score_then` when the subject was not there then, or no version was in force.
        """
        given = request.query_params.get("at")
        as_of = Instant().run_validation(given) if given else None
        row = self.get_object()
        plan = Plans(row.model).at(as_of or self.now + live.INSTANT)
        told = explaining.explain(plan, row.subject_id, at=as_of or self.now + live.INSTANT) if plan else None
        if plan is None or told is None:
            raise Problem(404, "no_score_then", _("There was no such score then."))
        limit = plan.version.limit
        whole = {
            "id": row.pk, "model": row.model.slug, "person": row.person_id, "account": row.account_id, "as_of": as_of,
            "version": plan.version.number, "score": told.shown, "micro_points": told.behaviour + told.fit,
            "behaviour": told.behaviour, "fit": told.fit, "grade": told.grade,
            "level": explaining.level(plan, told.behaviour), "limit": limit,
            "is_reached": limit is not None and told.shown >= limit, "entries": told.entries,
        }  # fmt: skip
        return etags.answer(request, ScoreWhole(whole).data)


class ScoreChanges(Listed):
    """The ledger of scores: every change of the points shown or of the grade, as they were written.

    There is no order by instant: a run that scores everybody gives all its changes the same one.
    """

    scope = "scores"
    queryset = ScoreChange.objects.select_related("model", "version")
    serializer_class = ScoreChangeRow
    filterset_class = filters.AllChanges

    def get_queryset(self) -> QuerySet[ScoreChange]:
        return sight.subjects(super().get_queryset(), self.request.user)
