"""Scoring models and their versions, from draft over publishing to retired."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from kit.api.jobs import JobRow, accepted
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from scoring import documents, filters, previewing, querysets, rules, running, versions
from scoring.models import Rule, ScoringModel, ScoringVersion
from scoring.rules import Plans

MODEL = {
    "slug": "lead", "name": "Lead score", "species": "net_new", "of": "person", "goal": "",
    "created_at": "2025-01-07T09:00:00Z", "live_version": 3, "draft_version": None,
    "looked_until": "2025-03-04T08:15:00Z", "fault": "",
}  # fmt: skip
RULE = {
    "order": 1, "name": "Asked for a demo", "kind": "behaviour", "points": "40.000000",
    "where": {"kind": "demo_requested"}, "half_life_days": 30, "expires_days": None, "once": True, "condition": None,
    "cap": None, "group": "", "words": "kind is Demo requested",
}  # fmt: skip
VERSION = {
    "number": 3, "state": "published", "limit": 60, "effective_from": None, "created_by": "ada@example.com",
    "created_at": "2025-01-07T09:00:00Z", "published_at": "2025-01-07T09:05:00Z", "job": 12,
}  # fmt: skip
YAML = "model: lead\nname: Lead score\nlimit: 60\nrules:\n  - {name: Asked for a demo, points: 40, did: {kind: …}}\n"
WHOLE = VERSION | {
    "caps": {"content": 25}, "grades": {"A": 30, "B": 20, "C": 10}, "levels": {"1": 40, "2": 20, "3": 5},
    "rules": [RULE], "problems": [], "yaml": YAML,
}  # fmt: skip


class RuleRow(Row):
    """One reason for points: a kind of activity (behaviour), or a condition that holds (fit)."""

    words = serializers.SerializerMethodField(help_text="What it counts, as it reads in English.")

    class Meta:
        model = Rule
        fields = (
            "order", "name", "kind", "points", "where", "half_life_days", "expires_days", "once", "condition", "cap",
            "group", "words",
        )  # fmt: skip
        read_only_fields = fields

    def get_words(self, rule: Rule) -> str:
        return rules.told(rule, rule.version.model.of)


@extend_schema_serializer(examples=[OpenApiExample("A version", VERSION, response_only=True)])
class ScoringVersionRow(Row):
    """One numbered edition of a scoring model. Once it has left the draft it never changes."""

    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = ScoringVersion
        fields: tuple[str, ...] = (
            "number", "state", "limit", "effective_from", "created_by", "created_at", "published_at", "job",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A whole version", WHOLE, response_only=True)])
class ScoringVersionWhole(ScoringVersionRow):
    """A version with its rules and thresholds, and as the YAML document from which another can be drafted."""

    caps = serializers.JSONField(read_only=True, help_text="The most points of each group.")
    grades = serializers.JSONField(read_only=True, help_text="The least fit points of A, B and C; below is D.")
    levels = serializers.JSONField(read_only=True, help_text="The least behaviour points of 1, 2 and 3; below is 4.")
    rules = serializers.SerializerMethodField()
    problems = serializers.SerializerMethodField(help_text="What keeps a draft from being published.")
    yaml = serializers.SerializerMethodField()

    class Meta(ScoringVersionRow.Meta):
        fields = (*ScoringVersionRow.Meta.fields, "caps", "grades", "levels", "rules", "problems", "yaml")
        read_only_fields = fields

    @extend_schema_field(RuleRow(many=True))
    def get_rules(self, version: ScoringVersion) -> Any:
        found = list(version.rules.order_by("order"))
        for each in found:
            each.version = version
        return RuleRow(found, many=True).data

    def get_problems(self, version: ScoringVersion) -> list[str]:
        return versions.problems(version) if version.state == ScoringVersion.State.DRAFT else []

    def get_yaml(self, version: ScoringVersion) -> str:
        return documents.dump(version)


@extend_schema_serializer(examples=[OpenApiExample("A model", MODEL, response_only=True)])
class ScoringModelRow(Row):
    """One named score of people or of accounts. `looked_until` is as of when everybody's stored score is true."""

    live_version = serializers.IntegerField(
        source="live_number", read_only=True, allow_null=True, help_text="The newest published one."
    )
    draft_version = serializers.IntegerField(source="draft_number", read_only=True, allow_null=True)

    class Meta:
        model = ScoringModel
        fields: tuple[str, ...] = (
            "slug", "name", "species", "of", "goal", "created_at", "live_version", "draft_version", "looked_until",
            "fault",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A whole model", MODEL | {"version": WHOLE}, response_only=True)])
class ScoringModelWhole(ScoringModelRow):
    """A model with the version that is in force now."""

    version = serializers.SerializerMethodField(help_text="Null while none is in force.")

    class Meta(ScoringModelRow.Meta):
        fields = (*ScoringModelRow.Meta.fields, "version")
        read_only_fields = fields

    @extend_schema_field(ScoringVersionWhole(allow_null=True))
    def get_version(self, model: ScoringModel) -> Any:
        version = Plans(model).version_at(self.context["view"].now)
        return ScoringVersionWhole(version).data if version else None


@extend_schema_serializer(examples=[OpenApiExample("From YAML", {"yaml": YAML}, request_only=True)])
class ScoringDocument(Strict):
    """Where a draft comes from."""

    yaml = serializers.CharField(trim_whitespace=False)

    def validate_yaml(self, text: str) -> dict[str, Any]:
        return documents.parse(text)


class ScoringModels(Listed, Shown):
    """Named scores of people or of accounts. What a model counts is in its versions."""

    scope = "scores"
    rights = {"rescore": "operate"}
    queryset = querysets.with_versions()
    lookup_field = "slug"
    lookup_value_converter = "slug"
    orderings = ("pk", "name")
    filterset_class = filters.Models

    def get_serializer_class(self) -> type[ScoringModelRow]:
        return ScoringModelRow if self.action == "list" else ScoringModelWhole

    @extend_schema(request=ScoringDocument, responses={201: ScoringVersionWhole})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Draft the next version from a document. The model is made when it is new; nobody's score changes by a draft.

        400 `bad_document` names the line or the place that is wrong; 409 when the model is of other subjects.
        """
        made = versions.draft(self.given(ScoringDocument)["yaml"], by=self.by, now=self.now)
        response = etags.answer(request, ScoringVersionWhole(made).data, 201)
        response["Location"] = reverse("api:scoring-models-versions-detail", args=[made.model.slug, made.number])
        return response

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def rescore(self, request: Request, slug: str) -> Response:
        """Score everybody again. What differs is written."""
        return accepted(running.ask(self.get_object(), by=self.by, now=self.now))


class ScoringVersions(Listed, Shown):
    """The numbered editions of one scoring model."""

    scope = "scores"
    queryset = ScoringVersion.objects.select_related("model", "job", "created_by")
    lookup_field = "number"
    lookup_value_converter = "int"
    orderings = ("number",)

    def get_queryset(self) -> QuerySet[ScoringVersion]:
        model = get_object_or_404(ScoringModel, slug=self.kwargs["model"])
        return super().get_queryset().filter(model=model)

    def get_serializer_class(self) -> type[ScoringVersionRow]:
        return ScoringVersionRow if self.action == "list" else ScoringVersionWhole

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def preview(self, request: Request, model: str, number: int) -> Response:
        """Find what publishing this draft would change. The job's result tells both distributions and who crosses."""
        return accepted(previewing.ask(self.get_object(), by=self.by, now=self.now))

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def publish(self, request: Request, model: str, number: int) -> Response:
        """Publish a draft. It is in force at once, and everybody is scored by it in the job that is answered.

        409 `version_refused` with every problem in `errors`.
        """
        return accepted(versions.publish(self.get_object(), by=self.by, now=self.now))

    @extend_schema(request=None, responses={200: ScoringVersionWhole, 202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def retire(self, request: Request, model: str, number: int) -> Response:
        """Take a published version out of force, for the past as well. 202 when everybody is scored by what is left.

        409 when it is not published, or nothing would be left in force while conditions ask for the score.
        """
        version = self.get_object()
        job = versions.retire(version, by=self.by, now=self.now)
        return accepted(job) if job else self.answer(version)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw a draft away. Its model goes with it when that never had another version. 409 when it is no draft."""
        versions.discard(self.get_object(), by=self.by, now=self.now)
        return Response(status=204)
