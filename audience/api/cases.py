"""Service cases over the API, to be read."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from audience import sight
from audience.api import sourced
from audience.models import Case
from kit.api.filtering import TrueOrFalse, Whole
from kit.api.schema import example
from kit.api.serializers import Row
from kit.api.views import Listed, Shown


@example({
    "id": 5, "person": 4711, "account": None, "title": "Display stays dark", "severity": "high",
    "opened_at": "2025-06-02T11:30:00Z", "closed_at": None, "source": "helpdesk", "external_id": "HD-1",
    "recorded_at": "2025-06-02T11:30:01Z", "properties": {},
})  # fmt: skip
class CaseRow(Row):
    """One service matter, open or closed."""

    person = serializers.IntegerField(source="person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)

    class Meta:
        model = Case
        fields = ("id", "person", "account", "title", "severity", "opened_at", "closed_at", *sourced.COMMON)
        read_only_fields = fields


class Filters(sourced.SourcedFilters):
    """What the list of cases can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    is_open = TrueOrFalse("closed_at", lookup_expr="isnull")

    class Meta:
        model = Case
        fields: ClassVar[list[str]] = []


class Cases(Listed, Shown):
    """Service matters."""

    scope = "deals"
    right = "edit"
    queryset = Case.objects.all()
    serializer_class = CaseRow
    filterset_class = Filters
    orderings = ("pk", "opened_at")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)
