"""Moves made by hand over a guard, and what came of them."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from audience.subjects import sight
from kit.api.serializers import Row
from kit.api.views import Listed, Rows
from lifecycle import filters
from lifecycle.ledger import overrides
from lifecycle.models import Movement

OVERRIDE = {
    "id": 90125, "membership": 4711, "seq": 4, "lifecycle": "net_new_b2b", "version": 2, "person": 318, "account": None,
    "from_stage": "mql", "to_stage": "sal", "occurred_at": "2025-03-05T14:02:11Z", "actor": "ada@example.com",
    "reason": "Met at the fair", "guard": "country is “DE”", "result": "back", "result_at": "2025-03-09T08:00:00Z",
}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("One that returned", OVERRIDE, response_only=True)])
class OverrideRow(Row):
    """One move that somebody made although a guard did not hold. `result` is what came of it, and since when."""

    lifecycle = serializers.SlugField(source="version.lifecycle.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    person = serializers.IntegerField(source="membership.person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="membership.account_id", read_only=True, allow_null=True)
    from_stage = serializers.SlugField(source="from_stage.slug", read_only=True, allow_null=True)
    to_stage = serializers.SlugField(source="to_stage.slug", read_only=True, allow_null=True)
    guard = serializers.CharField(read_only=True, help_text="What would have had to hold, in words.")
    result = serializers.ChoiceField(choices=overrides.Result.choices, read_only=True)
    result_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When they moved next; null for whoever is still there."
    )

    class Meta:
        model = Movement
        fields = (
            "id", "membership", "seq", "lifecycle", "version", "person", "account", "from_stage", "to_stage",
            "occurred_at", "actor", "reason", "guard", "result", "result_at",
        )  # fmt: skip
        read_only_fields = fields


class Overrides(Listed):
    """Moves made by hand, here or over the API, although a guard did not hold."""

    scope = "lifecycles"
    queryset = Movement.objects.none()
    serializer_class = OverrideRow
    filterset_class = filters.AllOverrides
    orderings = ("pk",)

    def get_queryset(self) -> QuerySet[Movement]:
        return sight.subjects(overrides.made(), self.request.user, "membership__subject_id")

    def prepare(self, rows: Rows) -> Rows:
        return overrides.with_guards(rows)
