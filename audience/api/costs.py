"""Costs over the API: what channels and campaigns cost in a period, and their shares of months."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.subjects import API
from audience.commerce import costs
from audience.models import Cost
from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

GIVEN: dict[str, Any] = {
    "channel": "paid_search", "campaign": "", "starts_on": "2025-03-01", "ends_on": "2025-04-01", "amount": 120000,
    "currency": "EUR",
}  # fmt: skip


@example({
    "id": 12, **GIVEN, "source": "ledger", "external_id": "K-1", "recorded_at": "2025-04-02T09:00:00Z",
    "properties": {},
})  # fmt: skip
class CostRow(Row):
    """What one channel or campaign cost from `starts_on` until the day before `ends_on`, in minor units."""

    class Meta:
        model = Cost
        fields = ("id", *costs.FIELDS, *sourced.COMMON)
        read_only_fields = fields


@example({"amount": 118000})
class CostChange(Strict):
    """What it should have been; what is left out stays."""

    channel = serializers.CharField(required=False, allow_blank=True, max_length=32)
    campaign = serializers.CharField(required=False, allow_blank=True, max_length=200)
    starts_on = serializers.DateField(required=False)
    ends_on = serializers.DateField(required=False, help_text="The day after the last.")
    amount = serializers.IntegerField(required=False, help_text="In minor units.")
    currency = serializers.CharField(required=False, max_length=3)


@example({"source": "ledger", "external_id": "K-2", **GIVEN})
class CostNew(CostChange):
    """A new cost, of a channel or a campaign."""

    starts_on = serializers.DateField()
    ends_on = serializers.DateField(help_text="The day after the last.")
    amount = serializers.IntegerField(help_text="In minor units.")
    currency = serializers.CharField(max_length=3)
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]
    external_id = serializers.CharField(required=False, max_length=200, default="")


class MonthRow(serializers.Serializer[Any]):
    """What one channel cost in one month, in minor units."""

    channel = serializers.CharField()
    currency = serializers.CharField()
    month = serializers.DateField()
    amount = serializers.IntegerField()


@example({"results": [{"channel": "paid_search", "currency": "EUR", "month": "2025-03-01", "amount": 120000}]})
class Months(serializers.Serializer[Any]):
    """The months that cost something."""

    results = MonthRow(many=True)


class Filters(sourced.SourcedFilters):
    """What the list of costs can be narrowed by."""

    channel = django_filters.CharFilter("channel")
    campaign = django_filters.CharFilter("campaign")
    since = django_filters.DateFilter("ends_on", lookup_expr="gt", help_text="Some of it was for that day or later.")
    until = django_filters.DateFilter("starts_on", lookup_expr="lt", help_text="Some of it was for before that day.")

    class Meta:
        model = Cost
        fields: ClassVar[list[str]] = []


class Costs(Listed, Shown):
    """What channels and campaigns cost."""

    scope = "deals"
    right = "edit"
    queryset: QuerySet[Any] = Cost.objects.all()
    serializer_class = CostRow
    filterset_class = Filters
    orderings = ("pk", "starts_on")
    lookup_value_converter = "int"

    @extend_schema(request=CostNew, responses={201: CostRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Write a cost down. 409 when the source has told one of this id already."""
        given = self.given(CostNew)
        source, external_id = given.pop("source"), given.pop("external_id")
        made = costs.add(given, source=source, external_id=external_id, by=self.by, now=self.now)
        return self.answer(made, 201)

    @extend_schema(request=CostChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Correct a cost; the trail keeps what it was."""
        held = self.locked()
        costs.correct(held, self.given(CostChange), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove what was never spent."""
        costs.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)

    @extend_schema(
        responses=Months,
        parameters=[OpenApiParameter("year", int, description="Such as 2025; the present one unless it is said.")],
    )
    @action(methods=["get"], detail=False, url_path="per-month")
    def per_month(self, request: Request) -> Response:
        """What each channel cost in each month of a year, spread evenly over the days of each cost."""
        refuse_unknown(request, {"year"})
        said = request.query_params.get("year", f"{self.now.year}")
        if not said.isascii() or not said.isdigit() or not 1000 <= int(said[:5]) < 9000:
            raise Problem(400, "invalid", str(_("A year has four digits.")), field="year")
        told = costs.monthly(date(int(said), 1, 1), date(int(said) + 1, 1, 1))
        return Response({"results": MonthRow(told, many=True).data})
