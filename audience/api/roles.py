"""Roles of people in accounts over the API: who is what in a buying centre, given and ended, never deleted."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api.subjects import API, AccountName, PersonName, account_named, person_named
from audience.belonging import roles
from audience.models import AccountRole
from audience.subjects import sight
from kit.api.filtering import TrueOrFalse, Whole
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

SHOWN: dict[str, Any] = {
    "id": 9, "person": 4711, "account": 815, "role": "champion", "starts_on": "2025-03-01", "ends_on": None,
    "source": "api", "recorded_at": "2025-06-02T11:30:01Z", "end_recorded_at": None,
}  # fmt: skip


@example(SHOWN)
class AccountRoleRow(Row):
    """One role of a person in an account. Which account is their own says the person."""

    class Meta:
        model = AccountRole
        fields = (
            "id", "person", "account", "role", "starts_on", "ends_on", "source", "recorded_at", "end_recorded_at",
        )  # fmt: skip
        read_only_fields = fields


@example({"person": {"email": "ann@example.com"}, "account": {"domain": "acme.example"}, "role": "champion"})
class RoleNew(Strict):
    """A role that somebody has. Whoever has no account yet gets this one as their own."""

    person = PersonName()
    account = AccountName()
    role = serializers.CharField(max_length=roles.LONGEST)
    starts_on = serializers.DateField(required=False, allow_null=True, help_text="Null: nobody knows since when.")
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]


@example({"ends_on": "2025-06-01"})
class RoleEnd(Strict):
    """Until when it was held."""

    ends_on = serializers.DateField(required=False, help_text="Today, unless it is said.")


class Filters(django_filters.FilterSet):
    """What the list of roles can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    role = django_filters.CharFilter("role", lookup_expr="iexact")
    is_held = TrueOrFalse("ends_on", lookup_expr="isnull", help_text="Held now, or ended.")

    class Meta:
        model = AccountRole
        fields: ClassVar[list[str]] = []


class Roles(Listed, Shown):
    """Roles of people in accounts."""

    scope = "people"
    right = "people"
    queryset = AccountRole.objects.filter(person__erased_at=None)
    serializer_class = AccountRoleRow
    filterset_class = Filters
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        """Those of whom the key's user sees both, the person and the account."""
        return sight.accounts(sight.people(super().get_queryset(), self.by, "person_id"), self.by, "account_id")

    @extend_schema(request=RoleNew, responses={201: AccountRoleRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give somebody a role in an account. 409 when they have it already."""
        given = self.given(RoleNew)
        made = roles.give(
            person_named(given["person"], self.by, system=given["source"]),
            account_named(given["account"], self.by, system=given["source"]),
            given["role"],
            starts_on=given.get("starts_on"),
            source=given["source"],
            by=self.by,
            now=self.now,
            today=timezone.localdate(self.now),
        )
        return self.answer(made, 201)

    @extend_schema(request=RoleEnd)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def end(self, request: Request, pk: int) -> Response:
        """End a role. It stays in the history; one that has ended stays as it is."""
        held, today = self.locked(), timezone.localdate(self.now)
        day = self.given(RoleEnd).get("ends_on") or today
        roles.end(held, ends_on=day, by=self.by, now=self.now, today=today)
        return self.answer(held)
