"""Partners over the API: who applied and what was decided, and how far each partner is."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.api.subjects import AccountName, account_named
from audience.subjects import accounts, sight
from audience.subjects.people import BY_HAND
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from lifecycle.models import Application, ChecklistItem
from lifecycle.partners import applications, checklist


@example({
    "id": 7, "lifecycle": "partner_programme", "person": 4711, "account": 815, "state": "approved",
    "answers": {"email": "ann@example.com", "company": "Acme"}, "applied_at": "2025-06-02T11:30:00Z",
    "decided_at": "2025-06-03T08:00:00Z", "decided_by": "ada@example.com", "reason": "",
})  # fmt: skip
class ApplicationRow(Row):
    """One application to become a partner."""

    lifecycle = serializers.SlugField(source="programme.lifecycle.slug", read_only=True)
    person = serializers.IntegerField(source="person_id", read_only=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    answers = serializers.DictField(source="submission.answers", read_only=True)
    decided_by = serializers.EmailField(source="decided_by.email", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Application
        fields = (
            "id", "lifecycle", "person", "account", "state", "answers", "applied_at", "decided_at", "decided_by",
            "reason",
        )  # fmt: skip
        read_only_fields = fields


@example({"account": {"domain": "acme.example"}})
class ApprovalGiven(Strict):
    """For which account it is approved: one that is there, or a new one of this name."""

    account = AccountName(required=False)
    new = serializers.CharField(required=False, max_length=300)


@example({"reason": "No sales people of their own", "tell": True})
class DeclineGiven(Strict):
    """Why not, and whether the applicant is told that it is so."""

    reason = serializers.CharField(max_length=300)
    tell = serializers.BooleanField(required=False, default=False)


class ApplicationFilters(django_filters.FilterSet):
    """What the list of applications can be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Application.State.choices)

    class Meta:
        model = Application
        fields: ClassVar[list[str]] = []


class Applications(Listed, Shown):
    """Who asked to become a partner."""

    scope = "lifecycles"
    right = "people"
    queryset = Application.objects.select_related(
        "programme__lifecycle", "submission", "person", "account", "decided_by"
    )
    serializer_class = ApplicationRow
    filterset_class = ApplicationFilters
    orderings = ("pk", "applied_at")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        return sight.people(super().get_queryset(), self.by, "person_id")

    @extend_schema(request=ApprovalGiven)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def approve(self, request: Request, pk: int) -> Response:
        """Take a partner in. 409 when somebody has decided already."""
        held, given = self.locked(), self.given(ApprovalGiven)
        if ("account" in given) == ("new" in given):
            raise Problem(400, "required", _("Name the account that becomes a partner, or a new one."), field="account")
        if "new" in given:
            chosen = accounts.create({"name": given["new"]}, source=BY_HAND, by=self.by, now=self.now)
        else:
            chosen = account_named(given["account"], self.by)
        return self._decided(held, applications.approve(held, chosen, by=self.by, now=self.now))

    @extend_schema(request=DeclineGiven)
    @action(methods=["post"], detail=True)
    @transaction.atomic
    def decline(self, request: Request, pk: int) -> Response:
        """Refuse one, with a reason. 409 when somebody has decided already."""
        held, given = self.locked(), self.given(DeclineGiven)
        return self._decided(
            held, applications.decline(held, given["reason"], tell=given["tell"], by=self.by, now=self.now)
        )

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    @transaction.atomic
    def reconsider(self, request: Request, pk: int) -> Response:
        """Have one wait again; what the decision told is taken back."""
        held = self.locked()
        applications.reconsider(held, by=self.by, now=self.now)
        return self.answer(held)

    def _decided(self, held: Application, won: bool) -> Response:
        if not won:
            raise Problem(409, "decided", applications.decided_meanwhile(held))
        return self.answer(held)


@example({
    "id": 31, "account": 815, "lifecycle": "partner_programme", "step": "Sign the terms", "by_partner": True,
    "kind": "terms_signed", "due_on": "2025-06-16", "done_at": None,
})  # fmt: skip
class PartnerStepRow(Row):
    """One thing that a partner, or we for it, have to do."""

    account = serializers.IntegerField(source="account_id", read_only=True)
    lifecycle = serializers.SlugField(source="step.programme.lifecycle.slug", read_only=True)
    step = serializers.CharField(source="step.name", read_only=True)
    by_partner = serializers.BooleanField(source="step.by_partner", read_only=True)
    kind = serializers.CharField(source="step.kind", read_only=True)

    class Meta:
        model = ChecklistItem
        fields = ("id", "account", "lifecycle", "step", "by_partner", "kind", "due_on", "done_at")
        read_only_fields = fields


class StepFilters(django_filters.FilterSet):
    """What the list of steps can be narrowed by."""

    account = django_filters.NumberFilter("account_id")
    is_open = django_filters.BooleanFilter("done_at", lookup_expr="isnull")

    class Meta:
        model = ChecklistItem
        fields: ClassVar[list[str]] = []


class PartnerSteps(Listed, Shown):
    """What partners have to do and have done."""

    scope = "lifecycles"
    right = "people"
    queryset = ChecklistItem.objects.select_related("step__programme__lifecycle", "account")
    serializer_class = PartnerStepRow
    filterset_class = StepFilters
    orderings = ("pk", "due_on")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        return sight.accounts(super().get_queryset(), self.by, "account_id")

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    @transaction.atomic
    def done(self, request: Request, pk: int) -> Response:
        """It is done; where the step says what happens by it, that has happened."""
        held = self.locked()
        checklist.do(held, by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    @transaction.atomic
    def reopen(self, request: Request, pk: int) -> Response:
        """It is not done after all; what was told by that is taken back."""
        held = self.locked()
        checklist.reopen(held, by=self.by, now=self.now)
        return self.answer(held)
