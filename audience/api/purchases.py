"""Purchases over the API: who bought what, when, for how much."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.bulk import BulkAnswer, SourcedGiven
from audience.importing import atonce
from audience.models import Purchase
from audience.subjects import sight
from kit.api.filtering import Moment, Whole
from kit.api.schema import example
from kit.api.serializers import Instant, Rows

GIVEN: dict[str, Any] = {
    "external_id": "order-7-1", "person": {"email": "ann@example.com"}, "product": {"external_id": "S-100"},
    "quantity": 2, "amount": 39800, "currency": "EUR", "occurred_at": "2025-06-02T11:30:00Z",
}  # fmt: skip
SHOWN: dict[str, Any] = {
    "id": 77, "person": 4711, "account": None, "product": 12, "quantity": 2.0, "amount": 39800, "cost": None,
    "currency": "EUR", "occurred_at": "2025-06-02T11:30:00Z", "source": "webshop", "external_id": "order-7-1",
    "recorded_at": "2025-06-02T11:30:01Z", "properties": {},
}  # fmt: skip


@example(SHOWN)
class PurchaseRow(sourced.SourcedRow):
    """One thing bought. Amounts are in minor units."""

    quantity = serializers.FloatField(read_only=True)

    class Meta:
        model = Purchase
        fields = (
            "id", "person", "account", "product", "quantity", "amount", "cost", "currency", "occurred_at",
            *sourced.COMMON,
        )  # fmt: skip
        read_only_fields = fields


@example({"outcome": "created", **SHOWN})
class PurchaseUpserted(PurchaseRow):
    """What became of it; then the purchase."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(PurchaseRow.Meta):
        fields = ("outcome", *PurchaseRow.Meta.fields)  # type: ignore[assignment]


@example(GIVEN)
class PurchaseGiven(sourced.OfSomebody):
    """A purchase of a person, or of an account where no person is named."""

    occurred_at = Instant()
    quantity = serializers.FloatField(required=False)
    amount = serializers.IntegerField(required=False, help_text="In minor units.")
    cost = serializers.IntegerField(required=False, help_text="What it cost us, in minor units.")
    currency = serializers.CharField(required=False, help_text="The installation's, unless it is said.")


@example({"source": "webshop", **GIVEN})
class PurchaseUpsert(PurchaseGiven, sourced.Upsert):
    """One purchase to be found or made."""


@example({"source": "webshop", "purchases": [GIVEN]})
class PurchasesInBulk(SourcedGiven):
    """Purchases to be found or made."""

    purchases = Rows(child=PurchaseGiven(), most=atonce.MOST)


class Filters(sourced.SourcedFilters):
    """What the list of purchases can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    product = Whole("product_id")
    since = Moment("occurred_at", lookup_expr="gte", help_text="Bought then or later.")
    until = Moment("occurred_at", lookup_expr="lt", help_text="Bought before.")

    class Meta:
        model = Purchase
        fields: ClassVar[list[str]] = []


class Purchases(sourced.Sourced):
    """What was bought."""

    kind = "purchases"
    renamed: ClassVar[dict[str, str]] = {"occurred_at": "occurred"}
    queryset = Purchase.objects.all()
    serializer_class = PurchaseRow
    filterset_class = Filters
    orderings = ("pk", "occurred_at")

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)

    @extend_schema(request=PurchaseUpsert, responses={200: PurchaseUpserted, 201: PurchaseUpserted})
    @action(methods=["post"], detail=False)
    def upsert(self, request: Request) -> Response:
        """Create or change a purchase. 201 when new, else 200."""
        return self.merge_one()

    @extend_schema(request=PurchasesInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand purchases at once. Each row is answered for; good ones are kept."""
        return self.merge_many(PurchasesInBulk)
