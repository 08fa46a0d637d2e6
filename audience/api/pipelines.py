"""Pipelines over the API: their stages in order, planned as a whole, renamed and retired."""

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
    """One stage: deals name it by its name, or by one of its former names."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField(), help_text="What it was called before.")
    probability = serializers.IntegerField(allow_null=True)
    kind = serializers.ChoiceField(choices=PipelineStage.Kind.choices)
    retired = serializers.SerializerMethodField(help_text="It takes no new deals.")

    def get_retired(self, stage: PipelineStage) -> bool:
        return stage.retired_at is not None


@example({
    "id": 2, "name": "Renewals", "position": 1, "aliases": ["extensions"], "retired": False,
    "stages": [{"id": 9, "aliases": ["proposal"], "retired": False} | STAGES[0]],
})  # fmt: skip
class PipelineRow(Row):
    """A pipeline. Deals that name none are in the first one."""

    stages = PipelineStageRow(many=True, read_only=True)
    aliases = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="What it was called before."
    )
    retired = serializers.SerializerMethodField(help_text="It is offered for no new deal.")

    class Meta:
        model = Pipeline
        fields = ("id", "name", "position", "aliases", "retired", "stages")
        read_only_fields = fields

    def get_retired(self, pipeline: Pipeline) -> bool:
        return pipeline.retired_at is not None


class StageGiven(Strict):
    """One stage. With the `id` of one that is there and another name it is renamed, and its deals with it."""

    id = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=2**63 - 1)
    name = serializers.CharField(max_length=100)
    probability = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=100)
    kind = serializers.ChoiceField(choices=PipelineStage.Kind.choices, required=False, default="open")
    retired = serializers.BooleanField(required=False, default=False)


@example({"name": "Extensions", "stages": [{"id": 9, "name": "Quote", "probability": 50, "kind": "open"}, *STAGES[1:]]})
class PipelineChange(Strict):
    """Another name, all stages in their order, or another place. A stage that is left out goes, its deals stay."""

    name = serializers.CharField(required=False, max_length=100)
    stages = StageGiven(many=True, required=False)
    retired = serializers.BooleanField(required=False)
    position = serializers.IntegerField(
        required=False, min_value=0, max_value=pipelines.MOST, help_text="Its place; 0 takes deals that name none."
    )


@example({"name": "Partner sales", "stages": STAGES})
class PipelineNew(Strict):
    """A new pipeline."""

    name = serializers.CharField(max_length=100)
    stages = StageGiven(many=True)


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
        """Rename it, plan other stages, retire it, or give it another place. Old names still lead to it."""
        held, given = self.locked(), self.given(PipelineChange)
        told: dict[str, Any] = {
            "named": given.get("name"),
            "retired": given.get("retired"),
            "by": self.by,
            "now": self.now,
        }
        pipelines.change(held, given.get("stages"), **told)
        if "position" in given:
            order = [pk for pk in Pipeline.objects.values_list("pk", flat=True) if pk != held.pk]
            order.insert(given["position"], held.pk)
            pipelines.put_in_order(order, by=self.by, now=self.now)
        held.refresh_from_db()
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a pipeline. 409 while a deal names it, and for the first one."""
        pipelines.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)
