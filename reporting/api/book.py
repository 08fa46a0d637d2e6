"""The customers' book over the API: each customer with what its page says of it."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audience.models import Account
from audience.subjects import sight
from kit.api.filtering import Whole
from kit.api.schema import example
from kit.api.serializers import Instant
from kit.api.views import Listed, Rows
from lifecycle.models import Stage
from reporting import book

STAGE: dict[str, Any] = {
    "lifecycle": "renewal", "stage": "at_risk", "since": "2025-05-02T06:00:00Z", "is_detour": True,
}  # fmt: skip
CUSTOMER: dict[str, Any] = {
    "account": 815, "name": "Acme", "owner": "ada@example.com", "contracts": 2, "annual_value": 1200000,
    "currency": "EUR", "untold": 0, "term_ends_on": "2025-07-01", "days_left": 29, "renews_by_itself": False,
    "notice_on": "2025-06-15", "renewal_passed_on": None, "ends_on": None, "open_cases": 1,
    "oldest_case_opened_at": "2025-05-20T09:30:00Z", "stages": [STAGE],
    "scores": [{"model": "health", "score": 34, "grade": "C"}], "signals": ["notice", "case"],
}  # fmt: skip


class StandingRow(serializers.Serializer[Any]):
    """Where a customer is in one lifecycle."""

    lifecycle = serializers.CharField(source="lifecycle.slug")
    stage = serializers.CharField(source="stage.slug")
    since = Instant(source="entered_at")
    is_detour = serializers.SerializerMethodField()

    def get_is_detour(self, row: Any) -> bool:
        return bool(row.stage.path == Stage.Path.DETOUR)


class ScoreNow(serializers.Serializer[Any]):
    """What a scoring model says of a customer."""

    model = serializers.CharField(source="model.slug")
    score = serializers.IntegerField(source="shown")
    grade = serializers.CharField(help_text="Empty where the model has no grades.")


@example(CUSTOMER)
class BookRow(serializers.Serializer[Any]):
    """One customer: an account with a contract in force, itself or by one of its people. Amounts are in minor units."""

    account = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    owner = serializers.EmailField(source="owner.email", allow_null=True, default=None)
    contracts = serializers.IntegerField(source="told.contracts", help_text="In force today.")
    annual_value = serializers.IntegerField(source="told.value", help_text="Of these contracts, today.")
    currency = serializers.CharField(source="told.currency", help_text="The installation’s.")
    untold = serializers.IntegerField(
        source="told.untold", help_text="Contracts in a currency without an exchange rate; they are in no amount."
    )
    term_ends_on = serializers.DateField(
        source="told.due_on", allow_null=True, help_text="The next, or the first renewal that passed with nothing told."
    )
    days_left = serializers.IntegerField(source="told.days_left", allow_null=True, help_text="Negative when it passed.")
    renews_by_itself = serializers.BooleanField(source="told.by_itself", help_text="Whether all of them do.")
    notice_on = serializers.DateField(source="told.notice_on", allow_null=True, help_text="The next notice date.")
    renewal_passed_on = serializers.DateField(source="told.passed_on", allow_null=True)
    ends_on = serializers.DateField(
        source="told.ending_on", allow_null=True, help_text="When the first contract ends of which that was said."
    )
    open_cases = serializers.IntegerField(source="told.open_cases")
    oldest_case_opened_at = Instant(source="told.oldest_case_at", allow_null=True)
    stages = StandingRow(source="told.stages", many=True, help_text="Of lifecycles of customers.")
    scores = ScoreNow(source="told.scores", many=True)
    signals = serializers.SerializerMethodField(help_text="What is amiss, or soon will be.")

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(book.Signal.choices)))
    def get_signals(self, row: Any) -> list[str]:
        return [each.value for each in row.told.signals]


class BookFilters(django_filters.FilterSet):
    """What the book can be narrowed by."""

    account = Whole("pk")
    owner = django_filters.CharFilter("owner__email", lookup_expr="iexact", help_text="The owner’s email.")
    team = django_filters.CharFilter("owner__team__name", help_text="The name of the owner’s team.")
    due_within = django_filters.ChoiceFilter(
        choices=[(str(days), str(days)) for days in book.WINDOWS], method="of_due", help_text="A term ends within days."
    )
    signal = django_filters.ChoiceFilter(choices=book.Signal.choices, method="of_signal")
    lifecycle = django_filters.CharFilter(method="of_lifecycle", help_text="In one of its stages now, by its slug.")
    stage = django_filters.CharFilter(
        method="of_stage", help_text="In it now: the slugs of lifecycle and stage, as in `renewal:at_risk`."
    )

    class Meta:
        model = Account
        fields: ClassVar[list[str]] = []

    def of_due(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return book.due_within(rows, int(value), timezone.now())

    def of_signal(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return book.with_signal(rows, value, timezone.now())

    def of_lifecycle(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        return book.in_stage(rows, value)

    def of_stage(self, rows: QuerySet[Account], name: str, value: str) -> QuerySet[Account]:
        lifecycle, _colon, stage = value.partition(":")
        return book.in_stage(rows, lifecycle, stage)


class BookResource(Listed):
    """The customers' book."""

    scope = "reports"
    queryset = Account.objects.none()
    serializer_class = BookRow
    filterset_class = BookFilters

    def get_queryset(self) -> QuerySet[Any]:
        return sight.accounts(book.customers(self.now), self.by)

    def prepare(self, rows: Rows) -> Rows:
        told = book.of([row.pk for row in rows], self.now)
        for row in rows:
            row.told = told[row.pk]
        return rows
