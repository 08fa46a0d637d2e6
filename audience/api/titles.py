"""Rules of job titles over the API: read, drafted, tried, applied."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import TitleRules
from audience.subjects import titles
from kit.api.schema import example
from kit.api.serializers import Instant, Strict
from kit.api.views import Resource

RULE = {"of": "seniority", "value": "vp", "words": ["vp", "vice president"], "unless": ["assistant"]}


class RuleGiven(Strict):
    """A title that has one of the words, and none of `unless` after it, gets the value."""

    of = serializers.ChoiceField(choices=[(each, each) for each in titles.BOTH])
    value = serializers.CharField(max_length=50)
    words = serializers.ListField(child=serializers.CharField(max_length=titles.LONGEST), max_length=titles.MOST_WORDS)
    unless = serializers.ListField(
        child=serializers.CharField(max_length=titles.LONGEST),
        required=False,
        default=list,
        max_length=titles.MOST_WORDS,
    )


@example({"rules": [RULE]})
class RulesGiven(Strict):
    """All rules, in the order in which they are tried."""

    rules = RuleGiven(many=True)


class RuleShown(serializers.Serializer[Any]):
    """One rule."""

    of = serializers.CharField()
    value = serializers.CharField()
    words = serializers.ListField(child=serializers.CharField())
    unless = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(many=False)  # there is one
@example({"since": "2025-06-02T11:30:01Z", "rules": [RULE], "draft": None})
class RulesRow(serializers.Serializer[Any]):
    """The rules in force and since when (null: as delivered), and the draft beside them, if there is one."""

    since = Instant(allow_null=True)
    rules = RuleShown(many=True)
    draft = RuleShown(many=True, allow_null=True)


@example({"title": "Vice President Sales"})
class Tried(Strict):
    """A title."""

    title = serializers.CharField(max_length=200)


@example({"title_group": "sales", "seniority": "vp"})
class Said(serializers.Serializer[Any]):
    """What it says by the rules in force."""

    title_group = serializers.CharField()
    seniority = serializers.CharField()


@example({"people": 42})
class Effect(serializers.Serializer[Any]):
    """How many people would have another value by the draft."""

    people = serializers.IntegerField()


@example({"job": 7})
class Applied(serializers.Serializer[Any]):
    """The long work that has everybody follow the rules: `jobs/{id}/`."""

    job = serializers.IntegerField()


class TitleRulesResource(Resource):
    """The rules that read job titles."""

    scope = "people"
    right = "edit"
    reading = ("read",)
    queryset = TitleRules.objects.none()
    serializer_class = RulesRow
    pagination_class = None
    filter_backends = ()

    @extend_schema(responses=RulesRow)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show the rules in force, and the draft."""
        return self._shown()

    @extend_schema(request=RulesGiven, responses={201: RulesRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Keep these rules as the draft. Nothing follows them until they are applied."""
        titles.write(self.given(RulesGiven)["rules"], by=self.by, now=self.now)
        return self._shown(201)

    @extend_schema(request=Tried, responses=Said)
    @action(methods=["post"], detail=False)
    def read(self, request: Request) -> Response:
        """Read a title by the rules in force. Nothing is kept."""
        return Response(titles.read(self.given(Tried)["title"], titles.in_force()))

    @extend_schema(responses=Effect)
    @action(methods=["get"], detail=False)
    def preview(self, request: Request) -> Response:
        """Count whom the draft would change; 0 without one."""
        draft = titles.draft()
        return Response({"people": titles.preview(draft.rules, titles.in_force())[0] if draft else 0})

    @extend_schema(request=None, responses={202: Applied})
    @action(methods=["post"], detail=False, bodiless=True)
    def apply(self, request: Request) -> Response:
        """Put the draft in force. 409 without one, or while the rules before are still being applied."""
        return Response({"job": titles.apply(by=self.by, now=self.now).pk}, status=202)

    def _shown(self, status: int = 200) -> Response:
        edition = TitleRules.objects.exclude(applied_at=None).order_by("-applied_at").first()
        draft = titles.draft()
        told = {"since": edition and edition.applied_at, "rules": titles.in_force(), "draft": draft and draft.rules}
        return Response(RulesRow(told).data, status=status)
