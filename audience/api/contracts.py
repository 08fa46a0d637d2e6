"""Contracts over the API: running agreements with their renewal and notice dates."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience import sight
from audience.api import sourced
from audience.api.bulk import BulkAnswer, SourcedGiven
from audience.importing import atonce
from audience.models import Contract, ContractAmendment
from kit.api.filtering import Whole
from kit.api.schema import example
from kit.api.serializers import Row, Rows

GIVEN: dict[str, Any] = {
    "external_id": "C-2025-17", "name": "Maintenance", "account": {"domain": "acme.example"},
    "product": {"external_id": "S-100"}, "starts_on": "2025-01-01", "renews_on": "2026-01-01",
    "notice_on": "2025-10-01", "auto_renew": True, "annual_value": 1200000, "currency": "EUR",
}  # fmt: skip
SHOWN: dict[str, Any] = {
    "id": 31, "person": None, "account": 815, "product": 12, "name": "Maintenance", "starts_on": "2025-01-01",
    "renews_on": "2026-01-01", "notice_on": "2025-10-01", "ends_on": None, "auto_renew": True,
    "annual_value": 1200000, "currency": "EUR", "amendments": [{"valid_from": "2025-07-01", "annual_value": 1300000}],
    "source": "erp", "external_id": "C-2025-17", "recorded_at": "2025-06-02T11:30:01Z", "properties": {},
}  # fmt: skip


class AmendmentRow(Row):
    """What the contract is worth a year from a day on."""

    class Meta:
        model = ContractAmendment
        fields = ("valid_from", "annual_value")
        read_only_fields = fields


@example(SHOWN)
class ContractRow(sourced.SourcedRow):
    """One running agreement. Values are in minor units; `annual_value` is that of the start, amendments change it."""

    amendments = AmendmentRow(many=True, read_only=True)

    class Meta:
        model = Contract
        fields = (
            "id", "person", "account", "product", "name", "starts_on", "renews_on", "notice_on", "ends_on",
            "auto_renew", "annual_value", "currency", "amendments", *sourced.COMMON,
        )  # fmt: skip
        read_only_fields = fields


@example({"outcome": "created", **SHOWN})
class ContractUpserted(ContractRow):
    """What became of it; then the contract."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(ContractRow.Meta):
        fields = ("outcome", *ContractRow.Meta.fields)  # type: ignore[assignment]


@example(GIVEN)
class ContractGiven(sourced.OfSomebody):
    """A contract of an account, or of a person where no account is named."""

    name = serializers.CharField(required=False, max_length=300)
    starts_on = serializers.DateField()
    renews_on = serializers.DateField(required=False)
    notice_on = serializers.DateField(required=False)
    ends_on = serializers.DateField(required=False)
    auto_renew = serializers.BooleanField(required=False)
    annual_value = serializers.IntegerField(required=False, help_text="In minor units.")
    currency = serializers.CharField(required=False, help_text="The installation's, unless it is said.")


@example({"source": "erp", **GIVEN})
class ContractUpsert(ContractGiven, sourced.Upsert):
    """One contract to be found or made."""


@example({"source": "erp", "contracts": [GIVEN]})
class ContractsInBulk(SourcedGiven):
    """Contracts to be found or made."""

    contracts = Rows(child=ContractGiven(), most=atonce.MOST)


class Filters(sourced.SourcedFilters):
    """What the list of contracts can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    product = Whole("product_id")
    renews_before = django_filters.DateFilter("renews_on", lookup_expr="lt")

    class Meta:
        model = Contract
        fields: ClassVar[list[str]] = []


class Contracts(sourced.Sourced):
    """Running agreements."""

    kind = "contracts"
    queryset = Contract.objects.prefetch_related("amendments")
    serializer_class = ContractRow
    filterset_class = Filters
    orderings = ("pk", "starts_on")

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)

    @extend_schema(request=ContractUpsert, responses={200: ContractUpserted, 201: ContractUpserted})
    @action(methods=["post"], detail=False)
    def upsert(self, request: Request) -> Response:
        """Create or change a contract. 201 when new, else 200."""
        return self.merge_one()

    @extend_schema(request=ContractsInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand contracts at once. Each row is answered for; good ones are kept."""
        return self.merge_many(ContractsInBulk)
