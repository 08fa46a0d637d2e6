"""Deals over the API: opened, moved, won and lost one at a time, or merged as another system has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import django_filters
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef, QuerySet
from django.db.models.functions import JSONObject
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.bulk import BulkAnswer, SourcedGiven
from audience.api.subjects import (
    API,
    NOBODY,
    AccountName,
    PersonName,
    account_named,
    person_named,
    text,
    user_named,
)
from audience.commerce import deals
from audience.importing import atonce
from audience.models import Deal, DealLine, DealRole, DealStageChange, Product
from audience.subjects import sight
from kit import installation
from kit.api.filtering import Moment, Whole
from kit.api.schema import example
from kit.api.serializers import Instant, Rows, Strict

SHOWN: dict[str, Any] = {
    "id": 55, "name": "Twelve sensors", "account": 815, "partner": None,
    "products": [{"product": 12, "name": "Sensor S-100", "quantity": 12.0, "amount": 238800}],
    "roles": [{"person": 4711, "role": "buyer"}], "owner": "sam@perennial.example", "amount": 238800,
    "currency": "EUR", "pipeline": "New business", "stage": "Offer", "status": "open", "reason": "",
    "opened_at": "2025-06-02T11:30:00Z", "expected_close_on": "2025-08-31", "closed_at": None, "source": "crm",
    "external_id": "D-1", "recorded_at": "2025-06-02T11:30:01Z", "properties": {},
}  # fmt: skip
GIVEN: dict[str, Any] = {
    "source": "crm", "external_id": "D-1", "name": "Twelve sensors", "account": {"domain": "acme.example"},
    "roles": [{"person": {"email": "ann@example.com"}, "role": "buyer"}], "amount": 238800, "currency": "EUR",
    "products": [{"product": 12, "quantity": "12", "amount": 238800}],
    "pipeline": "New business", "stage": "Offer", "expected_close_on": "2025-08-31",
    "owner": "sam@perennial.example",
}  # fmt: skip
IN_BULK: dict[str, Any] = {
    "external_id": "D-1", "name": "Twelve sensors", "account": {"domain": "acme.example"},
    "person": {"email": "ann@example.com"}, "role": "buyer", "amount": 238800, "currency": "EUR", "stage": "Offer",
    "product": {"external_id": "S-100"}, "product_quantity": 12,
    "status": "won", "opened_at": "2025-06-02T11:30:00Z", "closed_at": "2025-07-01T09:00:00Z",
}  # fmt: skip


STEP = {
    "from_stage": "Offer", "to_stage": "Negotiation", "from_status": "open", "to_status": "open",
    "occurred_at": "2025-05-02T09:00:00Z", "recorded_at": "2025-05-02T09:00:00Z", "as_history": False,
}  # fmt: skip


class RoleRow(serializers.Serializer[Any]):
    """A person who takes part in a deal."""

    person = serializers.IntegerField()
    role = serializers.CharField(allow_blank=True)


class DealLineRow(serializers.Serializer[Any]):
    """One product of a deal; how many and for how much, in minor units, where that is known."""

    product = serializers.IntegerField()
    name = serializers.CharField()
    quantity = serializers.FloatField(allow_null=True)
    amount = serializers.IntegerField(allow_null=True)


@example(SHOWN)
class DealRow(sourced.SourcedRow):
    """One possible sale. Its stage is of the sales pipeline, never of a lifecycle; amounts are in minor units."""

    partner = serializers.IntegerField(source="partner_id", read_only=True, allow_null=True)
    owner = serializers.EmailField(source="owner.email", default=None, read_only=True, allow_null=True)
    roles = RoleRow(many=True, read_only=True)
    products = DealLineRow(many=True, read_only=True)
    person = None  # type: ignore[assignment]  # there may be several: see roles
    product = None  # type: ignore[assignment]  # likewise: see products

    class Meta:
        model = Deal
        fields = (
            "id", "name", "account", "partner", "products", "roles", "owner", "amount", "currency", "pipeline", "stage",
            "status", "reason", "opened_at", "expected_close_on", "closed_at", *sourced.COMMON,
        )  # fmt: skip
        read_only_fields = fields


class DealStepRow(serializers.ModelSerializer[DealStageChange]):
    """One step of a deal: from which stage and status into which, when, and since when that is known.

    One `as_history` is what a file told of the past.
    """

    class Meta:
        model = DealStageChange
        fields = (
            "from_stage", "to_stage", "from_status", "to_status", "occurred_at", "recorded_at", "as_history",
        )  # fmt: skip
        read_only_fields = fields


@example({"steps": [STEP]})
class DealHistoryRow(serializers.Serializer[Any]):
    """The steps of a deal, the earliest first. Before the first it stood in that one's `from_stage`."""

    steps = DealStepRow(many=True)


class RoleGiven(Strict):
    """A person who takes part, and as what."""

    person = PersonName()
    role = serializers.CharField(required=False, allow_blank=True, default="", max_length=100)


class DealLineGiven(Strict):
    """A product of a deal, once, with how many of it and for how much."""

    product = serializers.IntegerField(help_text="The number of a product.")
    quantity = serializers.DecimalField(required=False, allow_null=True, max_digits=17, decimal_places=4)
    amount = serializers.IntegerField(
        required=False, allow_null=True, min_value=-(2**63), max_value=2**63 - 1, help_text="In minor units."
    )


@example({"amount": 250000, "stage": "Negotiation"})
class DealChange(Strict):
    """New values; what is left out stays."""

    name = text(max_length=300)
    amount = serializers.IntegerField(required=False, allow_null=True, help_text="In minor units.")
    currency = serializers.RegexField("^[A-Z]{3}$", required=False, help_text="Such as EUR.")
    pipeline = text(max_length=100)
    stage = text(max_length=100)
    status = serializers.ChoiceField(required=False, choices=Deal.Status.choices)
    reason = text(max_length=300, help_text="Why it was won or lost; a lost deal has one.")
    expected_close_on = serializers.DateField(required=False, allow_null=True)
    owner = serializers.EmailField(required=False, allow_null=True, help_text="The email of a user.")
    products = DealLineGiven(many=True, required=False, help_text="All of its products; those left out are taken out.")
    partner = AccountName(required=False, allow_null=True, help_text="The account that sells with us.")
    occurred_at = Instant(required=False, help_text="When its stage or status changed; now, unless it is said.")


@example(GIVEN)
class DealNew(DealChange):
    """A new deal, of an account or of people."""

    account = AccountName(required=False)
    roles = RoleGiven(many=True, required=False, default=list)
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]
    external_id = serializers.CharField(required=False, max_length=200, default="")
    occurred_at = None  # type: ignore[assignment]  # it is open from now on


@example({"stage": "Negotiation"})
class DealMove(Strict):
    """Another stage of the sales pipeline."""

    stage = serializers.CharField(max_length=100)
    occurred_at = Instant(required=False, help_text="When; now, unless it is said.")


@example({"reason": "Fastest delivery", "occurred_at": "2025-07-01T09:00:00Z"})
class DealEnd(Strict):
    """Why it was won or lost, and when."""

    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=300)
    occurred_at = Instant(required=False, help_text="When; now, unless it is said.")


@example(IN_BULK)
class DealInBulk(sourced.OfSomebody):
    """A deal as another system has it. Whether it is won or lost is read from `status`, else from `stage`."""

    name = serializers.CharField(required=False, max_length=300)
    role = serializers.CharField(required=False, max_length=100, help_text="Of the person in the deal.")
    product_quantity = serializers.FloatField(required=False, help_text="How many of the product.")
    product_amount = serializers.IntegerField(required=False, help_text="What they come to, in minor units.")
    amount = serializers.IntegerField(required=False, help_text="In minor units.")
    currency = serializers.CharField(required=False)
    pipeline = serializers.CharField(required=False, max_length=100)
    stage = serializers.CharField(required=False, max_length=100)
    status = serializers.CharField(required=False, max_length=100)
    reason = serializers.CharField(required=False, max_length=300)
    opened_at = Instant(required=False)
    closed_at = Instant(required=False, help_text="A deal that is won or lost has it.")
    expected_close_on = serializers.DateField(required=False)
    owner = serializers.EmailField(required=False)


@example({"source": "crm", **IN_BULK})
class DealUpsert(DealInBulk, sourced.Upsert):
    """One deal to be found or made."""


@example({"outcome": "created", **SHOWN})
class DealUpserted(DealRow):
    """What became of it; then the deal."""

    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES, read_only=True)

    class Meta(DealRow.Meta):
        fields = ("outcome", *DealRow.Meta.fields)  # type: ignore[assignment]


@example({"source": "crm", "deals": [IN_BULK]})
class DealsInBulk(SourcedGiven):
    """Deals to be found or made."""

    deals = Rows(child=DealInBulk(), most=atonce.MOST)


class Filters(sourced.SourcedFilters):
    """What the list of deals can be narrowed by."""

    account = Whole("account_id")
    person = Whole(method="of_person")
    status = django_filters.ChoiceFilter(field_name="status", choices=Deal.Status.choices)
    pipeline = django_filters.CharFilter("pipeline")
    stage = django_filters.CharFilter("stage")
    product = Whole(method="with_product", help_text="The number of a product that the deal has now.")
    owner = django_filters.CharFilter(method="of_owner", help_text=f"The email of a user, or “{NOBODY}”.")
    opened_since = Moment("opened_at", lookup_expr="gte")
    closed_since = Moment("closed_at", lookup_expr="gte")

    class Meta:
        model = Deal
        fields: ClassVar[list[str]] = []

    def of_person(self, rows: QuerySet[Deal], name: str, value: Any) -> QuerySet[Deal]:
        return rows.filter(pk__in=DealRole.objects.filter(person_id=value).values("deal"))

    def with_product(self, rows: QuerySet[Deal], name: str, value: Any) -> QuerySet[Deal]:
        return rows.filter(pk__in=DealLine.objects.filter(product_id=value, removed_at=None).values("deal"))

    def of_owner(self, rows: QuerySet[Deal], name: str, value: str) -> QuerySet[Deal]:
        return rows.filter(owner=None) if value == NOBODY else rows.filter(owner__email=value.strip().lower())


class Deals(sourced.Sourced):
    """Possible sales."""

    kind = "deals"
    renamed: ClassVar[dict[str, str]] = {
        "opened_at": "created", "closed_at": "closed", "expected_close_on": "expected_close",
    }  # fmt: skip
    right = "people"
    rights: ClassVar[Mapping[str, str]] = {"upsert": "edit", "bulk": "edit"}
    queryset = Deal.objects.select_related("owner")
    serializer_class = DealRow
    filterset_class = Filters
    orderings = ("pk", "opened_at")

    def get_queryset(self) -> QuerySet[Any]:
        return sight.deals(self.with_roles(), self.by)

    def with_roles(self) -> QuerySet[Any]:
        roles = DealRole.objects.filter(deal=OuterRef("pk")).order_by("pk")
        shown = roles.values(shown=JSONObject(person="person_id", role="role"))
        lines = DealLine.objects.filter(deal=OuterRef("pk"), removed_at=None).order_by("pk")
        told = JSONObject(product="product_id", name="product__name", quantity="quantity", amount="amount")
        sold = ArraySubquery(lines.values(shown=told))
        return Deal.objects.select_related("owner").annotate(roles=ArraySubquery(shown), products=sold)

    def again(self, row: Any) -> Any:
        return self.with_roles().get(pk=row.pk)

    @extend_schema(request=DealNew, responses={201: DealRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Open a deal. 409 when the source has told one of this id already."""
        given = self.given(DealNew)
        source = given.pop("source")
        account, external_id, roles = given.pop("account", None), given.pop("external_id"), given.pop("roles")
        products = _sold(given.pop("products", ()))
        values = self.values(given)
        if values.get("amount") is not None:
            values.setdefault("currency", str(installation.get("currency")))
        if not sight.everything(self.by):
            values.setdefault("owner", self.by)
        made = deals.open(
            values,
            account=account_named(account, self.by, system=source) if account else None,
            roles=[
                (person_named(each["person"], self.by, system=source, field=f"roles.{number}.person"), each["role"])
                for number, each in enumerate(roles)
            ],
            sold=products,
            source=source,
            external_id=external_id,
            by=self.by,
            now=self.now,
        )
        return self.answer(made, 201)

    @extend_schema(request=DealChange)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a deal. With If-Match only if nobody else has meanwhile (412)."""
        return self.change(DealChange)

    @extend_schema(responses=DealHistoryRow)
    @action(methods=["get"], detail=True)
    def history(self, request: Request, pk: int) -> Response:
        """Tell which stages a deal went through, and when."""
        steps = DealStageChange.objects.filter(deal=self.get_object()).order_by("occurred_at", "pk")
        return Response(DealHistoryRow({"steps": steps}).data)

    @extend_schema(request=DealMove)
    @action(methods=["post"], detail=True)
    def move(self, request: Request, pk: int) -> Response:
        """Move a deal to another stage of its pipeline."""
        return self.change(DealMove)

    @extend_schema(request=DealEnd)
    @action(methods=["post"], detail=True)
    def win(self, request: Request, pk: int) -> Response:
        """Win a deal."""
        return self.change(DealEnd, status=deals.WON)

    @extend_schema(request=DealEnd)
    @action(methods=["post"], detail=True)
    def lose(self, request: Request, pk: int) -> Response:
        """Lose a deal. Say why: it is what the next one learns from."""
        return self.change(DealEnd, status=deals.LOST)

    @extend_schema(request=DealUpsert, responses={200: DealUpserted, 201: DealUpserted})
    @action(methods=["post"], detail=False)
    def upsert(self, request: Request) -> Response:
        """Create or change a deal as another system has it. 201 when new, else 200."""
        return self.merge_one()

    @extend_schema(request=DealsInBulk, responses=BulkAnswer)
    @action(methods=["post"], detail=False)
    def bulk(self, request: Request) -> Response:
        """Create or change up to a thousand deals at once. Each row is answered for; good ones are kept."""
        return self.merge_many(DealsInBulk)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {name: "" if value is None and name in TEXTS else value for name, value in given.items()}
        if "owner" in told:
            told["owner"] = user_named(told["owner"])
        if told.get("partner"):
            told["partner"] = account_named(told["partner"], self.by, field="partner")
        return told

    @transaction.atomic
    def change(self, kind: type[Strict], **more: str) -> Response:
        held, given = self.locked(), self.given(kind)
        at = given.pop("occurred_at", self.now)
        if "products" in given:
            deals.sell(held, _sold(given.pop("products")), by=self.by, now=self.now)
        deals.change(held, self.values(given | more), at=at, by=self.by, now=self.now)
        return self.answer(held)


def _sold(given: Sequence[Mapping[str, Any]]) -> list[deals.Sold]:
    """The products of a body. Raises Problem for a number that none has."""
    known = Product.objects.in_bulk([each["product"] for each in given])
    for place, each in enumerate(given):
        if each["product"] not in known:
            raise sourced.unknown_product(f"products.{place}.product")
    return [deals.Sold(known[each["product"]], each.get("quantity"), each.get("amount")) for each in given]


TEXTS = ("name", "pipeline", "stage", "reason")
