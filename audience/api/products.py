"""Products over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.bulk import BulkAnswer, SourcedGiven
from audience.importing import atonce
from audience.models import Product
from kit.api.schema import example
from kit.api.serializers import Row, Rows

GIVEN: dict[str, Any] = {"external_id": "S-100", "name": "Sensor S-100", "family": "Sensors", "price": 19900,
                         "currency": "EUR"}  # fmt: skip
SHOWN = {"id": 12, **GIVEN, "source": "erp", "recorded_at": "2025-06-02T11:30:01Z", "properties": {}}


@example(SHOWN)
class ProductRow(Row):
    """One thing that is sold. Its price is in minor units."""

    class Meta:
        model = Product
        fields = ("id", "name", "family", "price", "currency", *sourced.COMMON)
        read_only_fields = fields


@example({"outcome": "created", **SHOWN})
class ProductUpserted(ProductRow):
    """What became of it; then the product."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(ProductRow.Meta):
        fields = ("outcome", *ProductRow.Meta.fields)  # type: ignore[assignment]


@example(GIVEN)
class ProductGiven(sourced.SourcedRowGiven):
    """A product, known by its external id, else by its name."""

    name = serializers.CharField(max_length=300)
    family = serializers.CharField(required=False, max_length=200)
    price = serializers.IntegerField(required=False, help_text="In minor units.")
    currency = serializers.CharField(required=False, help_text="Such as EUR.")


@example({"source": "erp", **GIVEN})
class ProductUpsert(ProductGiven, sourced.Upsert):
    """One product to be found or made."""


@example({"source": "erp", "products": [GIVEN]})
class ProductsInBulk(SourcedGiven):
    """Products to be found or made."""

    products = Rows(child=ProductGiven(), most=atonce.MOST)


class Filters(sourced.SourcedFilters):
    """What the list of products can be narrowed by."""

    q = django_filters.CharFilter("name", lookup_expr="icontains", help_text="A part of the name.")
    family = django_filters.CharFilter("family")

    class Meta:
        model = Product
        fields: ClassVar[list[str]] = []


class Products(sourced.Sourced):
    """What is sold."""

    kind = "products"
    queryset = Product.objects.all()
    serializer_class = ProductRow
    filterset_class = Filters

    @extend_schema(request=ProductUpsert, responses={200: ProductUpserted, 201: ProductUpserted})
    @action(methods=["post"], detail=False)
    def upsert(self, request: Request) -> Response:
        """Create or change a product. 201 when new, else 200."""
        return self.merge_one()

    @extend_schema(request=ProductsInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand products at once. Each row is answered for; good ones are kept."""
        return self.merge_many(ProductsInBulk)
