"""Service cases over the API: opened, changed and closed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api import sourced
from audience.api.subjects import API, AccountName, PersonName, account_named, person_named
from audience.commerce import cases
from audience.models import Case
from audience.subjects import sight
from kit.api.filtering import TrueOrFalse, Whole
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown


@example({
    "id": 5, "person": 4711, "account": None, "title": "Display stays dark", "severity": "high",
    "opened_at": "2025-06-02T11:30:00Z", "closed_at": None, "source": "helpdesk", "external_id": "HD-1",
    "recorded_at": "2025-06-02T11:30:01Z", "properties": {},
})  # fmt: skip
class CaseRow(Row):
    """One service matter, open or closed."""

    person = serializers.IntegerField(source="person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)

    class Meta:
        model = Case
        fields = ("id", "person", "account", "title", "severity", "opened_at", "closed_at", *sourced.COMMON)
        read_only_fields = fields


@example({"severity": "critical"})
class CaseChange(Strict):
    """New values; what is left out stays. `closed_at` null opens a case again."""

    title = serializers.CharField(required=False, max_length=300)
    severity = serializers.CharField(required=False, allow_blank=True, max_length=30)
    opened_at = Instant(required=False)
    closed_at = Instant(required=False, allow_null=True)


@example({
    "source": "helpdesk", "external_id": "HD-2", "person": {"email": "ann@example.com"}, "title": "Display stays dark",
    "severity": "high", "opened_at": "2025-06-02T11:30:00Z",
})  # fmt: skip
class CaseNew(CaseChange):
    """A new case, of a person, or of an account where no person is named."""

    title = serializers.CharField(max_length=300)
    person = PersonName(required=False)
    account = AccountName(required=False)
    source = serializers.CharField(required=False, max_length=64, default=API)  # type: ignore[assignment]
    external_id = serializers.CharField(required=False, max_length=200, default="")


@example({"closed_at": "2025-06-03T08:00:00Z"})
class CaseEnd(Strict):
    """When it was settled."""

    closed_at = Instant(required=False, help_text="Now, unless it is said.")


class Filters(sourced.SourcedFilters):
    """What the list of cases can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    is_open = TrueOrFalse("closed_at", lookup_expr="isnull")

    class Meta:
        model = Case
        fields: ClassVar[list[str]] = []


class Cases(Listed, Shown):
    """Service matters."""

    scope = "deals"
    right = "people"
    queryset = Case.objects.all()
    serializer_class = CaseRow
    filterset_class = Filters
    orderings = ("pk", "opened_at")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by)

    @extend_schema(request=CaseNew, responses={201: CaseRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Open a case. 409 when the source has told one of this id already."""
        given = self.given(CaseNew)
        source, external_id = given.pop("source"), given.pop("external_id")
        person, account = given.pop("person", None), given.pop("account", None)
        if not person and not account:
            raise Problem(400, "required", _("Say whose it is: a person or an account."), field="person")
        whose = (
            person_named(person, self.by, system=source) if person else account_named(account, self.by, system=source)
        )
        made = cases.open(whose, given, source=source, external_id=external_id, by=self.by, now=self.now)
        return self.answer(made, 201)

    @extend_schema(request=CaseChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a case, close it, or open it again."""
        held = self.locked()
        cases.change(held, self.given(CaseChange), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(request=CaseEnd)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def close(self, request: Request, pk: int) -> Response:
        """Close a case: it is settled. One that is closed stays as it is, unless another time is given."""
        held, given = self.locked(), self.given(CaseEnd)
        if held.closed_at is None or "closed_at" in given:
            cases.change(held, {"closed_at": given.get("closed_at", self.now)}, by=self.by, now=self.now)
        return self.answer(held)
