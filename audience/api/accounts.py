"""Accounts over the API: found, read, written one at a time and by the thousand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import bulk
from audience.api.bulk import BulkAnswer
from audience.api.subjects import (
    IN_COMMON,
    AccountName,
    Policy,
    SubjectChange,
    SubjectFilters,
    SubjectNew,
    SubjectRow,
    Subjects,
    account_named,
    text,
)
from audience.belonging import families, holdings
from audience.importing import atonce
from audience.models import Account
from audience.subjects import accounts, querysets
from kit import addresses
from kit.api.filtering import Whole
from kit.api.schema import example
from kit.api.serializers import Instant, Rows

SHOWN = {
    "id": 815, "name": "Acme", "domain": "acme.example", "industry": "Manufacturing", "employees": 120,
    "annual_revenue": 1500000000, "currency": "EUR", "ownership": "private", "parent": None, "people_count": 3,
    "country": "DE", "region": "", "city": "Bonn", "owner": "sam@perennial.example", "custom": {}, "tags": [],
    "identities": [{"system": "crm", "kind": "account", "external_id": "0042"}], "is_excluded": False,
    "excluded_reason": "", "first_seen_at": "2025-03-01T09:00:00Z", "created_at": "2025-03-01T09:00:02Z",
    "created_source": "crm", "updated_at": "2025-06-02T11:30:00Z", "stages": [], "scores": [],
}  # fmt: skip
GIVEN = {
    "system": "crm", "external_id": "0042", "name": "Acme", "domain": "acme.example", "employees": 120,
    "annual_revenue": 1500000000, "currency": "EUR",
}  # fmt: skip


@example(SHOWN)
class AccountRow(SubjectRow):
    """One organisation. Revenue is in minor units."""

    of = "account"

    parent = serializers.IntegerField(  # type: ignore[assignment]
        source="parent_id", read_only=True, allow_null=True
    )
    people_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Account
        fields = (
            "id", "name", "domain", "industry", "employees", "annual_revenue", "currency", "ownership", "parent",
            "people_count", *IN_COMMON,
        )  # fmt: skip
        read_only_fields = fields


@example({"employees": 130, "industry": None})
class AccountChange(SubjectChange):
    """New values; what is left out stays, null and "" empty."""

    name = text()
    domain = text()
    industry = text()
    employees = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    annual_revenue = serializers.IntegerField(required=False, allow_null=True, help_text="In minor units.")
    currency = serializers.RegexField("^[A-Z]{3}$", required=False, allow_null=True, help_text="Such as EUR.")
    ownership = text()
    parent = AccountName(required=False, allow_null=True)


@example(GIVEN)
class AccountNew(AccountChange, SubjectNew):
    """A new account."""


@example(GIVEN | {"policy": "upsert"})
class AccountUpsert(AccountNew):
    """An account that is found by the external id of `system`, else by domain, else by name; or made."""

    policy = Policy()


@example(GIVEN)
class AccountInBulk(AccountNew):
    """A row of a bulk upsert; null says nothing."""

    owner = serializers.EmailField(required=False)
    parent = text(help_text="The name of an account that is there, or in another row.")  # type: ignore[assignment]
    parent_external_id = text()
    system = None  # type: ignore[assignment]  # said once for all rows


@example({"system": "crm", "policy": "upsert", "accounts": [{k: v for k, v in GIVEN.items() if k != "system"}]})
class AccountsInBulk(bulk.BulkGiven):
    """Accounts to be found or made."""

    accounts = Rows(child=AccountInBulk(), most=atonce.MOST)


@example({"outcome": "updated", **SHOWN})
class AccountUpserted(AccountRow):
    """What became of an upsert; then the account. `id` is null when the policy made none."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(AccountRow.Meta):
        fields = ("outcome", *AccountRow.Meta.fields)  # type: ignore[assignment]


class FamilyRow(serializers.Serializer[Any]):
    """A family of products; "" is what is sold without one. Amounts by currency, in minor units."""

    name = serializers.CharField(allow_blank=True)
    is_held = serializers.BooleanField(source="held")
    products = serializers.ListField(child=serializers.CharField())
    since = Instant(allow_null=True)
    last = Instant(allow_null=True)
    spent = serializers.DictField(child=serializers.IntegerField())
    contracts = serializers.IntegerField()
    value = serializers.DictField(child=serializers.IntegerField(), help_text="A year, of running contracts.")
    peers = serializers.IntegerField(help_text="How many peers have it; 0 where there are not enough to compare.")


class PeersRow(serializers.Serializer[Any]):
    """Who is compared with: accounts of the same industry and band of employees."""

    count = serializers.IntegerField()
    industry = serializers.CharField(allow_blank=True)
    size = serializers.CharField(allow_blank=True)
    enough = serializers.BooleanField()


@example({
    "peers": {"count": 12, "industry": "Manufacturing", "size": "50–249", "enough": True},
    "families": [{
        "name": "Sensors", "is_held": True, "products": ["Sensor S-100"], "since": "2025-01-01T00:00:00Z",
        "last": "2025-06-02T11:30:00Z", "spent": {"EUR": 238800}, "contracts": 1, "value": {"EUR": 1200000}, "peers": 7,
    }],
})  # fmt: skip
class HoldingsRow(serializers.Serializer[Any]):
    """What an account has, and what accounts like it have."""

    peers = PeersRow()
    families = FamilyRow(many=True)


class AccountFilters(SubjectFilters):
    """What the list of accounts can be narrowed by."""

    domain = django_filters.CharFilter(method="of_domain")
    industry = django_filters.CharFilter("industry")
    parent = Whole("parent_id", help_text="The number of an account.")
    within = Whole(method="of_family", help_text="The number of an account: that one and everything below it.")

    class Meta:
        model = Account
        fields: list[str] = []

    def with_words(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return querysets.find_accounts(rows, value)

    def of_family(self, rows: QuerySet[Account], name: str, value: Any) -> QuerySet[Account]:
        family = families.below(int(value))
        return rows.filter(pk__in=RawSQL(family.text, family.params))  # noqa: S611 - values are bound

    def of_domain(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        told = addresses.domain(value)
        return rows.filter(accounts.has_domain(told)) if told else rows.none()


class Accounts(Subjects):
    """Every account, but the erased."""

    model = Account
    queryset = Account.objects.all()
    serializer_class = AccountRow
    filterset_class = AccountFilters
    create_one = staticmethod(accounts.create)
    change_one = staticmethod(accounts.change)
    upsert_one = staticmethod(accounts.upsert)

    def everybody(self) -> QuerySet[Any]:
        return querysets.accounts()

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        told = super().values(given)
        if parent := told.get("parent"):
            told["parent"] = account_named(parent, self.by, system=given["system"], field="parent")
        return told

    def find_one(self, values: Mapping[str, Any], system: str) -> Account | None:
        domain = addresses.domain(values["domain"]) if values.get("domain") else None
        return accounts.find(
            source=system, external_id=values.get("external_id"), domain=domain, name=values.get("name")
        )

    @extend_schema(responses=HoldingsRow)
    @action(methods=["get"], detail=True)
    def holdings(self, request: Request, pk: int) -> Response:
        """Tell what an account has by family of products, and how many of its peers have each."""
        account = self.get_object()
        found = holdings.of(account, timezone.localdate(self.now))
        return Response(HoldingsRow({"peers": found.peers, "families": found.families}).data)

    @extend_schema(request=AccountNew, responses={201: AccountRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create an account."""
        return self.make(AccountNew)

    @extend_schema(request=AccountChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change an account. With If-Match only if nobody else has meanwhile (412)."""
        return self.change(AccountChange)

    @extend_schema(request=AccountUpsert, responses={200: AccountUpserted, 201: AccountUpserted})
    @action(methods=["post"], detail=False)
    def upsert(self, request: Request) -> Response:
        """Create or change an account. Found by external id, else by domain, else by name; 201 when new, else 200."""
        return self.find_or_make(AccountUpsert)

    @extend_schema(request=AccountsInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand accounts at once. Each row is answered for; good ones are kept."""
        return bulk.merged(self, self.given(AccountsInBulk), "accounts", renamed={"first_seen_at": "first_seen"})
