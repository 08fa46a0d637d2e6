"""Pipelines over the API: their stages in order, planned as a whole."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.commerce import pipelines
from audience.models import Pipeline, PipelineStage
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

STAGES: list[dict[str, Any]] = [
    {"name": "Offer", "probability": 50, "kind": "open"},
    {"name": "Signed", "probability": 100, "kind": "won"},
    {"name": "Given up", "probability": 0, "kind": "lost"},
]


class PipelineStageRow(serializers.Serializer[Any]):
    """One stage: deals name it by its name."""

    name = serializers.CharField()
    probability = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(choices=PipelineStage.Kind.choices)


@example({"id": 2, "name": "Renewals", "position": 1, "stages": STAGES})
class PipelineRow(Row):
    """A pipeline. Deals that name none are in the first one."""

    stages = PipelineStageRow(many=True, read_only=True)

    class Meta:
        model = Pipeline
        fields = ("id", "name", "position", "stages")
        read_only_fields = fields


class StageGiven(Strict):
    """One stage."""

    name = serializers.CharField(max_length=100)
    probability = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=100)
    kind = serializers.ChoiceField(choices=PipelineStage.Kind.choices, required=False, default="open")


@example({"stages": STAGES})
class PipelineChange(Strict):
    """All stages, in their order; a stage that is left out goes, its deals stay."""

    stages = StageGiven(many=True)


@example({"name": "Partner sales", "stages": STAGES})
class PipelineNew(PipelineChange):
    """A new pipeline. Its name stays: deals name it."""

    name = serializers.CharField(max_length=100)


class Pipelines(Listed, Shown):
    """The pipelines that deals go through."""

    scope = "deals"
    right = "edit"
    queryset = Pipeline.objects.prefetch_related("stages").order_by("pk")
    serializer_class = PipelineRow
    lookup_value_converter = "int"

    @extend_schema(request=PipelineNew, responses={201: PipelineRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Plan a pipeline. 409 when one of this name is there."""
        given = self.given(PipelineNew)
        return self.answer(pipelines.define(given["name"], given["stages"], by=self.by, now=self.now), 201)

    @extend_schema(request=PipelineChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Plan other stages. Deals stay in the stages that they name."""
        held = self.locked()
        pipelines.change(held, self.given(PipelineChange)["stages"], by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a pipeline. 409 while a deal names it, and for the first one."""
        pipelines.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)
