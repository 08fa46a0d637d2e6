"""Contracts over the API: running agreements with their renewal and notice dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.bulk import BulkAnswer, SourcedGiven
from audience.api.subjects import API, AccountName, PersonName, account_named, person_named, text
from audience.commerce import contracts
from audience.importing import atonce
from audience.models import Contract, ContractAmendment
from audience.subjects import sight
from kit import installation
from kit.api.filtering import TrueOrFalse, Whole
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Row, Rows, Strict

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


@example({"renews_on": "2027-01-01", "notice_on": "2026-10-01"})
class ContractChange(Strict):
    """New values; what is left out stays, null empties."""

    name = text(max_length=300)
    product = serializers.IntegerField(required=False, allow_null=True, help_text="The number of a product.")
    starts_on = serializers.DateField(required=False)
    renews_on = serializers.DateField(required=False, allow_null=True)
    notice_on = serializers.DateField(required=False, allow_null=True)
    ends_on = serializers.DateField(required=False, allow_null=True)
    auto_renew = serializers.BooleanField(required=False)
    annual_value = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=contracts.LARGEST,
        help_text="At its start, in minor units.",
    )
    currency = serializers.RegexField("^[A-Z]{3}$", required=False, help_text="Such as EUR.")


@example({"account": {"domain": "acme.example"}, "name": "Support", "starts_on": "2025-01-01", "annual_value": 500000})
class ContractNew(ContractChange):
    """A new contract, of an account or of a person."""

    account = AccountName(required=False)
    person = PersonName(required=False)
    starts_on = serializers.DateField()
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]
    external_id = serializers.CharField(required=False, max_length=200, default="")


@example({"valid_from": "2025-07-01", "annual_value": 1300000})
class AmendmentGiven(Strict):
    """What it is worth a year from a day on; null takes the amendment of that day away."""

    valid_from = serializers.DateField()
    annual_value = serializers.IntegerField(allow_null=True, min_value=0, max_value=contracts.LARGEST)


class Filters(sourced.SourcedFilters):
    """What the list of contracts can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    product = Whole("product_id")
    is_running = TrueOrFalse(method="runs", help_text="In force today, or not.")
    renews_before = django_filters.DateFilter("renews_on", lookup_expr="lt")

    class Meta:
        model = Contract
        fields: ClassVar[list[str]] = []

    def runs(self, rows: QuerySet[Contract], name: str, value: bool) -> QuerySet[Contract]:
        today = timezone.localdate()
        in_force = contracts.in_state("running", today) | contracts.in_state("overdue", today)
        return rows.filter(in_force) if value else rows.exclude(in_force)


class Contracts(sourced.Sourced):
    """Running agreements."""

    kind = "contracts"
    queryset = Contract.objects.prefetch_related("amendments")
    serializer_class = ContractRow
    filterset_class = Filters
    orderings = ("pk", "starts_on")

    right = "people"
    rights: ClassVar[Mapping[str, str]] = {"upsert": "edit", "bulk": "edit"}

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)

    @extend_schema(request=ContractNew, responses={201: ContractRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a contract of an account or a person. 409 when the source has told one of this id already."""
        given = self.given(ContractNew)
        source, external_id = given.pop("source"), given.pop("external_id")
        account, person = given.pop("account", None), given.pop("person", None)
        if (account is None) == (person is None):
            raise Problem(400, "one_of_both", _("A contract is of an account or of a person: name one of them."))
        subject = (
            account_named(account, self.by, system=source) if account else person_named(person, self.by, system=source)
        )
        values = self.values(given)
        values.setdefault("currency", str(installation.get("currency")))
        made = contracts.make(values, subject=subject, source=source, external_id=external_id, by=self.by, now=self.now)
        return self.answer(made, 201)

    @extend_schema(request=ContractChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a contract. With If-Match only if nobody else has meanwhile (412)."""
        held = self.locked()
        contracts.change(held, self.values(self.given(ContractChange)), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(request=AmendmentGiven)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def amend(self, request: Request, pk: int) -> Response:
        """Say what a contract is worth a year from a day on, or take that amendment away."""
        held = self.locked()
        contracts.amend(held, **self.given(AmendmentGiven), by=self.by, now=self.now)
        return self.answer(held)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The body as the verbs take it. Raises Problem for a product that is not there."""
        told = dict(given)
        if "name" in told:
            told["name"] = told["name"] or ""
        if "product" in told:
            told["product"] = sourced.product_numbered(told["product"])
        return told

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
