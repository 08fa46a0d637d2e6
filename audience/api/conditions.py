"""Conditions over the API: what they may ask, and how one fares before it is kept."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience import live
from audience.conditions import offering, tree, trial, values
from audience.models import Field, Segment
from audience.subjects import custom, sight
from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.schema import example, shape
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Resource, Shown

_VALUE: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_ITSELF = {"$ref": "#/components/schemas/Condition"}
CONDITION = shape(
    "Condition",
    {
        "description": f"A question about people or accounts, of at most {tree.MOST_NODES} parts. Empty: everybody. "
        "What may be asked, and how: `/api/v1/conditions/fields/`.",
        "anyOf": [
            {"type": "object", "maxProperties": 0},
            {"type": "object", "required": ["all"], "properties": {"all": {"type": "array", "items": _ITSELF}},
             "additionalProperties": False},
            {"type": "object", "required": ["any"],
             "properties": {"any": {"type": "array", "items": _ITSELF, "minItems": 1}}, "additionalProperties": False},
            {"type": "object", "required": ["not"], "properties": {"not": _ITSELF}, "additionalProperties": False},
            {
                "type": "object",
                "required": ["field", "op"],
                "properties": {
                    "field": {"type": "string", "examples": ["person.country", "activity.count"]},
                    "op": {"type": "string", "examples": ["is", "at_least"]},
                    "value": {"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "maxItems": values.LONGEST_LIST}]},
                    "where": {"type": "object", "maxProperties": tree.MOST_WHERE,
                              "additionalProperties": {"anyOf": [_VALUE, {"type": "array", "items": _VALUE}]}},
                    "days": {"type": "integer", "minimum": 1},
                    "who": _ITSELF,
                },
                "additionalProperties": False,
            },
        ],
    },
)  # fmt: skip
ASKED = {"all": [
    {"field": "person.country", "op": "is", "value": "DE"},
    {"field": "activity.count", "where": {"kind": "page_visited"}, "days": 30, "op": "at_least", "value": 3},
]}  # fmt: skip


@extend_schema_field(CONDITION)
class Condition(serializers.JSONField):
    """A condition as it is written; the verb that takes it reads it."""

    default_error_messages = {"no_condition": _("A condition is an object.")}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("no_condition")
        return data


@example({"of": "person", "condition": ASKED})
class Asked(Strict):
    """A condition about people or accounts."""

    of = serializers.ChoiceField(choices=Field.Of.choices, default=Field.Of.PERSON)
    condition = Condition()
    estimate = serializers.BooleanField(
        default=False,
        help_text="An estimate will do, where an exact count takes seconds; `margin` says how good it is.",
    )


class ConditionFault(serializers.Serializer[Any]):
    """What is wrong with one node of a condition, and the way to it."""

    code = serializers.CharField()
    node = serializers.ListField(child=serializers.CharField())
    detail = serializers.CharField()


@example({
    "sentence": "country is DE and at least 3 activities (kind page_visited) in the last 30 days", "errors": [],
    "count": 214, "margin": None, "sample": [4711, 4705], "trouble": "",
})  # fmt: skip
class ConditionChecked(serializers.Serializer[Any]):
    """A condition in words, or what is wrong with it; of how many it holds (null when nobody could tell in time)."""

    sentence = serializers.CharField(allow_blank=True)
    errors = ConditionFault(many=True)  # type: ignore[assignment]
    count = serializers.IntegerField(allow_null=True)
    margin = serializers.IntegerField(
        allow_null=True, help_text="Of an estimate: with 95 % certainty the count is off by no more. Null: it is exact."
    )
    sample = serializers.ListField(child=serializers.IntegerField(), help_text="A few of them that you see.")
    trouble = serializers.CharField(allow_blank=True, help_text="Why it could not be counted.")


class OperatorOf(serializers.Serializer[Any]):
    """How a field can be compared, and what with."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    takes = serializers.CharField()


@example({
    "name": "person.country", "label": "Country", "group": "Person", "type": "text",
    "operators": [{"name": "is", "label": "is", "takes": "text"}], "choices": [], "where": [], "windowed": False,
    "needs_days": False, "who": "", "hidden": False, "offers": True,
})  # fmt: skip
class ConditionFieldRow(serializers.Serializer[Any]):
    """One thing that conditions can ask."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    type = serializers.CharField()
    operators = OperatorOf(many=True)
    choices = serializers.ListField(child=serializers.DictField())
    where = serializers.ListField(child=serializers.DictField())
    windowed = serializers.BooleanField(help_text="Takes `days`.")
    needs_days = serializers.BooleanField(help_text="Is asked with `days` only.")
    who = serializers.CharField(
        allow_blank=True, help_text="Takes `who`, a condition about those others: people or accounts."
    )
    hidden = serializers.BooleanField(help_text="Not offered by builders; it can be asked all the same.")
    offers = serializers.BooleanField()


class Conditions(Resource):
    """Conditions: what can be asked, and how one fares."""

    scope = "segments"
    reading = ("check",)
    queryset = Segment.objects.none()
    serializer_class = ConditionChecked
    pagination_class = None
    filter_backends = ()

    @extend_schema(request=Asked, responses=ConditionChecked)
    @action(methods=["post"], detail=False)
    def check(self, request: Request) -> Response:
        """Try a condition out: what it says, what is wrong with it, of how many it holds. Nothing is kept."""
        given = self.given(Asked)
        tried = trial.of(given["condition"], of=given["of"], at=self.now + live.INSTANT, first=given["estimate"])
        seen = sight.sees(self.by, tried.sample)
        faults = [{"code": each.code, "node": list(each.steps), "detail": each.message} for each in tried.errors]
        return Response({
            "sentence": tried.sentence, "errors": faults, "count": tried.count,
            "margin": tried.margin, "sample": [pk for pk in tried.sample if pk in seen], "trouble": tried.trouble,
        })  # fmt: skip

    @extend_schema(
        responses=ConditionFieldRow(many=True),
        parameters=[OpenApiParameter("of", str, enum=Field.Of.values, description="Of people, or of accounts.")],
    )
    @action(methods=["get"], detail=False)
    def fields(self, request: Request) -> Response:
        """List what conditions can ask."""
        refuse_unknown(request, {"of"})
        of = request.query_params.get("of", Field.Of.PERSON)
        if of not in Field.Of.values:
            raise Problem(400, "invalid_choice", str(_("It is “person” or “account”.")), field="of")
        return Response(offering.fields(of))


@example({
    "id": 3, "of": "person", "slug": "plan", "label": "Plan", "type": "choice", "choices": ["free", "pro"],
    "labels": {"pro": "Professional"}, "group": "Contract", "position": 1, "searchable": True, "hidden": False,
})  # fmt: skip
class FieldRow(Row):
    """One custom field: its values stand in `custom` under its slug."""

    choices = serializers.SerializerMethodField()
    labels = serializers.SerializerMethodField()

    class Meta:
        model = Field
        fields = (
            "id", "of", "slug", "label", "type", "choices", "labels", "group", "position", "searchable", "hidden",
        )  # fmt: skip
        read_only_fields = fields

    def get_choices(self, field: Field) -> list[str]:
        return [value for value, _label in field.labelled()]

    def get_labels(self, field: Field) -> dict[str, str]:
        return {value: label for value, label in field.labelled() if label != value}


@example({"label": "Plan", "choices": ["free", "pro", "team"]})
class FieldChange(Strict):
    """Another label, other choices, other names of choices; where it stands, whether it is searchable or hidden."""

    label = serializers.CharField(max_length=200)  # type: ignore[assignment]
    choices = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=custom.MOST_CHOICES
    )
    labels = serializers.DictField(
        child=serializers.CharField(max_length=200), required=False, help_text="What choices are called, by value."
    )
    group = serializers.CharField(max_length=100, required=False, allow_blank=True)
    position = serializers.IntegerField(required=False, min_value=0, max_value=9999)
    searchable = serializers.BooleanField(required=False)
    hidden = serializers.BooleanField(required=False)
    type = serializers.ChoiceField(
        choices=Field.Type.choices, required=False, help_text="Another only while there are no values and no users."
    )


@example({"of": "person", "label": "Tariff", "type": "choice", "choices": ["free", "pro"]})
class FieldNew(FieldChange):
    """A new custom field. Its slug is made of the label, and stays."""

    of = serializers.ChoiceField(choices=Field.Of.choices)
    type = serializers.ChoiceField(choices=Field.Type.choices)


class Fields(Listed, Shown):
    """Custom fields of people and accounts."""

    scope = "people"
    right = "edit"
    queryset: QuerySet[Any] = Field.objects.all()
    serializer_class = FieldRow
    filterset_fields: ClassVar[list[str]] = ["of"]

    @extend_schema(request=FieldNew, responses={201: FieldRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Define a custom field. 409 when one of the same label is there."""
        return self.answer(custom.define(**self.given(FieldNew), by=self.by, now=self.now), 201)

    @extend_schema(request=FieldChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a custom field. Whoever has a value that is no choice any more keeps it."""
        held, given = self.locked(), self.given(FieldChange, partial=True)
        custom.change(held, **given, by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a custom field. 409 while somebody has a value of it, or had, or something asks for it: `users`."""
        custom.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)
