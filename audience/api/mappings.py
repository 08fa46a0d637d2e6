"""Mappings of imports that are kept under a name, over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api.imports import MAPPING, FormatsGiven, formats_of, is_fields
from audience.importing import saved
from audience.models import Import, SavedMapping
from kit.api.schema import described, example
from kit.api.serializers import Row
from kit.api.views import Listed, Shown

GIVEN: dict[str, Any] = {
    "name": "Leads of the fair", "kind": "people", "header": ["Id", "Email", "Source", "Seen"],
    "mapping": {"Id": "external_id", "Email": "email", "Source": "source", "Seen": "first_seen"},
    "values": {"Source": {"Select": "", "Google": "google"}}, "dates": {"Seen": "dmy"}, "numbers": {}, "zones": {},
    "source": "fair", "policy": "upsert",
}  # fmt: skip
SHOWN = {
    "id": 3, **GIVEN, "mapping": {column: [field] for column, field in GIVEN["mapping"].items()},
    "created_by": "ada@example.com", "created_at": "2025-06-02T11:30:00Z", "updated_at": "2025-06-02T11:30:00Z",
    "used_at": None,
}  # fmt: skip


@example(SHOWN)
class MappingRow(Row):
    """How files of a sort are read: what their columns and values become, how they write dates and numbers."""

    header = serializers.ListField(child=serializers.CharField(), read_only=True)
    mapping = described(serializers.SerializerMethodField, MAPPING)()
    values = serializers.SerializerMethodField(help_text='By column: what a value of the file becomes, "" for nothing.')
    dates = serializers.SerializerMethodField(help_text="By column: dmy or mdy.")
    numbers = serializers.SerializerMethodField(help_text="By column: comma, point, cents or micros.")
    zones = serializers.SerializerMethodField(help_text="By column: the zone of times without an offset.")
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = SavedMapping
        fields = tuple(SHOWN)
        read_only_fields = fields

    def get_mapping(self, kept: SavedMapping) -> dict[str, Any]:
        return dict(kept.mapping.get("columns", {}))

    def get_values(self, kept: SavedMapping) -> dict[str, dict[str, str]]:
        return dict(kept.mapping.get("options", {}).get("values", {}))

    def get_dates(self, kept: SavedMapping) -> dict[str, str]:
        return dict(kept.mapping.get("options", {}).get("dates", {}))

    def get_numbers(self, kept: SavedMapping) -> dict[str, str]:
        return dict(kept.mapping.get("options", {}).get("numbers", {}))

    def get_zones(self, kept: SavedMapping) -> dict[str, str]:
        return dict(kept.mapping.get("options", {}).get("zones", {}))


class _Given(FormatsGiven):
    header = serializers.ListField(child=serializers.CharField(max_length=300), min_length=1, max_length=1000)
    mapping = described(serializers.JSONField, MAPPING)()
    source = serializers.CharField(max_length=64, required=False)  # type: ignore[assignment]
    policy = serializers.ChoiceField(choices=Import.Policy.choices, required=False)
    create_people = serializers.BooleanField(required=False)

    def validate_mapping(self, value: Any) -> Any:
        return is_fields(value)


@example(GIVEN)
class MappingGiven(_Given):
    """A mapping to be kept."""

    name = serializers.CharField(max_length=saved.LONGEST_NAME)
    kind = serializers.CharField(max_length=32)


@example({"name": "Leads of the fair in Ulm", "values": {"Source": {"Select": ""}}})
class MappingChange(_Given):
    """Another name, other columns or values; what is left out stays."""

    name = serializers.CharField(max_length=saved.LONGEST_NAME, required=False)

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        for name in ("header", "mapping"):
            self.fields[name].required = False


class MappingFilters(django_filters.FilterSet):
    """What the list of mappings can be narrowed by."""

    q = django_filters.CharFilter("name", lookup_expr="icontains", help_text="A part of the name.")
    kind = django_filters.CharFilter("kind")

    class Meta:
        model = SavedMapping
        fields: ClassVar[list[str]] = []


class Mappings(Listed, Shown):
    """Mappings of imports that are kept."""

    scope = "imports"
    right = "edit"
    queryset = SavedMapping.objects.select_related("created_by")
    serializer_class = MappingRow
    filterset_class = MappingFilters
    orderings = ("pk", "name", "updated_at")
    follows = ("used_at",)
    lookup_value_converter = "int"

    @extend_schema(request=MappingGiven, responses={201: MappingRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Keep a mapping. Schedules and files can be read by it."""
        given = self.given(MappingGiven)
        made = saved.create(
            given["name"],
            kind=given["kind"],
            header=given["header"],
            columns=given["mapping"],
            options=formats_of(given),
            source=given.get("source", "api"),
            policy=given.get("policy", Import.Policy.UPSERT),
            by=self.by,
            now=self.now,
        )
        return self.answer(made, 201)

    @extend_schema(request=MappingChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a mapping. What was brought in by it stays."""
        held, given = self.locked(), self.given(MappingChange)
        saved.change(
            held,
            name=given.get("name", held.name),
            header=given.get("header"),
            columns=given.get("mapping", held.mapping["columns"]),
            options={**held.mapping["options"], **formats_of(given)},
            source=given.get("source", held.source),
            policy=given.get("policy", held.policy),
            by=self.by,
            now=self.now,
        )
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw a mapping away. 409 while a schedule needs it."""
        saved.delete(self.locked(), by=self.by, now=self.now)
        return Response(status=204)
