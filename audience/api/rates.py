"""Exchange rates over the API: what other currencies were worth in the installation's, day by day."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api.subjects import API
from audience.commerce import rates
from audience.models import ExchangeRate
from kit import installation
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

GIVEN: dict[str, Any] = {"currency": "USD", "day": "2025-03-03", "rate": "0.92"}


@example({"id": 7, **GIVEN, "into": "EUR", "source": "ecb", "recorded_at": "2025-03-03T16:00:00Z"})
class RateRow(Row):
    """What one unit of a currency was worth on a day, in the installation's; the last that was told of that day."""

    rate = serializers.SerializerMethodField(help_text="Null where the day was taken back, which only the feed tells.")

    class Meta:
        model = ExchangeRate
        fields = ("id", "currency", "into", "day", "rate", "source", "recorded_at")
        read_only_fields = fields

    def get_rate(self, row: ExchangeRate) -> str | None:
        return f"{row.rate.normalize():f}" if row.rate is not None else None


@example(GIVEN | {"source": "ecb"})
class RateTold(Strict):
    """A rate of a day. Told again, the later one counts."""

    currency = serializers.CharField(max_length=3)
    day = serializers.DateField()
    rate = serializers.DecimalField(max_digits=24, decimal_places=rates.DIGITS, min_value=rates.SMALLEST)
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]


class Filters(django_filters.FilterSet):
    """What the list of rates can be narrowed by."""

    currency = django_filters.CharFilter("currency")
    since = django_filters.DateFilter("day", lookup_expr="gte", help_text="Of that day or later.")
    until = django_filters.DateFilter("day", lookup_expr="lt", help_text="Of before that day.")
    known_before = django_filters.DateFilter(method="unread", help_text="As known before that day.")

    class Meta:
        model = ExchangeRate
        fields: ClassVar[list[str]] = []

    def unread(self, rows: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        return rows

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = self.form.cleaned_data.get("known_before")
        if known:
            then = rates.current(installation.midnight(known, installation.zone()))
            queryset = then.order_by(*queryset.query.order_by)
        return super().filter_queryset(queryset)


class Rates(Listed, Shown):
    """What other currencies were worth."""

    scope = "deals"
    right = "edit"
    queryset = ExchangeRate.objects.all()
    serializer_class = RateRow
    filterset_class = Filters
    orderings = ("pk", "day")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        return rates.current()

    @extend_schema(request=RateTold, responses={201: RateRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell a rate, or correct the one of that day."""
        given = self.given(RateTold)
        rates.tell(**given, by=self.by, now=self.now)
        held = rates.current().get(currency=given["currency"].strip().upper(), day=given["day"])
        return self.answer(held, 201)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take the rate of a day back; the one before it holds."""
        held = self.locked()
        rates.tell(held.currency, held.day, None, source=API, by=self.by, now=self.now)
        return Response(status=204)
