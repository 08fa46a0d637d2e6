"""Backtests: versions of a lifecycle tried on the past, with their figures and the subjects behind them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.conditions.tree import ConditionError
from audience.subjects import sight
from kit.api import etags
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from lifecycle import backtests, querysets
from lifecycle.api.lifecycles import of_address
from lifecycle.api.memberships import MovementRow, as_rows
from lifecycle.backtests import numbers, recorded
from lifecycle.models import Backtest, Moved, Reached, Version

WON = {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1}
ASKED = {
    "version": 1, "begins_on": "2024-01-01", "ends_on": "2025-01-01", "stage": "lead", "outcome": WON, "horizon": 90,
}  # fmt: skip
SHOWN = {
    "id": 7, "version": 3, "against": 2, "begins_on": "2024-01-01", "ends_on": "2025-01-01", "stage": "mql",
    "outcome_stage": "", "outcome": WON, "horizon": 90, "points": [], "created_at": "2025-06-15T10:00:00Z",
    "created_by": "ada@example.com", "job": 12, "result": None,
}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("A backtest", SHOWN, response_only=True)])
class BacktestRow(Row):
    """What was asked, and what was found. `result` is null until the job is done."""

    version = serializers.IntegerField(source="version.number", read_only=True)
    against = serializers.IntegerField(source="against.number", read_only=True, default=None, allow_null=True)
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)
    result = serializers.JSONField(
        read_only=True,
        allow_null=True,
        help_text="“sides” has the figures of each version and, as “recorded”, of what truly happened, there with the "
        "moves of each stage by cause; “differ” how many only one of them brings to the stage; “money” what those "
        "cost, in minor units; “moved” whom a hand, a file or an answer of sales moved, and how many of them the rules "
        "alone have elsewhere; “points” the figures of each value tried.",
    )

    class Meta:
        model = Backtest
        fields: tuple[str, ...] = (
            "id", "version", "against", "begins_on", "ends_on", "stage", "outcome_stage", "outcome", "horizon",
            "points", "created_at", "created_by", "job", "result",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A year", ASKED, request_only=True)])
class Wish(Strict):
    """What a version is to be tried on. Either `outcome_stage` or `outcome`, a condition, judges the stage."""

    version = serializers.IntegerField(min_value=1, max_value=10**6)
    begins_on = serializers.DateField()
    ends_on = serializers.DateField(help_text="The first day that is not in it any more.")
    stage = serializers.SlugField(max_length=64)
    horizon = serializers.IntegerField(min_value=1, max_value=backtests.MOST_DAYS)
    beside_live = serializers.BooleanField(required=False, default=True)
    outcome_stage = serializers.SlugField(max_length=64, required=False)
    outcome = serializers.JSONField(required=False)
    rule = serializers.IntegerField(
        required=False, min_value=1, max_value=10**6, help_text="The priority of a rule of which a number is swept."
    )
    place = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=200,
        help_text="Where the number stands in the rule’s condition, such as [\"all\", \"0\", \"value\"]; "
        "the first one unless said.",
    )  # fmt: skip
    least = serializers.IntegerField(required=False, min_value=0, max_value=numbers.LARGEST)
    most = serializers.IntegerField(required=False, min_value=0, max_value=numbers.LARGEST)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("outcome" in attrs) == ("outcome_stage" in attrs):
            raise serializers.ValidationError(_("Send either “outcome” or “outcome_stage”."), "one_of_both")
        return attrs


@extend_schema_serializer(examples=[OpenApiExample("A value", {"point": 60}, request_only=True)])
class Point(Strict):
    """One of the values that were tried."""

    point = serializers.IntegerField(min_value=0, max_value=numbers.LARGEST)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Earlier by the draft",
            {
                "id": 3, "person": 4711, "account": None, "tried_at": "2025-03-02T10:00:00Z",
                "live_at": "2025-03-09T10:00:00Z", "ledger_at": "2025-03-09T10:00:00Z", "outcome_at": None,
                "cost": 4200,
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class ReachedRow(Row):
    """One subject that came to the stage: when by the version that was tried, by the live one, and as recorded.

    `cost` is its share of what its channel cost, in minor units of the currency that `money` of the result names.
    """

    class Meta:
        model = Reached
        fields: tuple[str, ...] = (
            "id", "person", "account", "tried_at", "live_at", "ledger_at", "outcome_at", "cost",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Accepted by sales",
            {
                "id": 5, "person": 4711, "account": None, "cause": "handoff", "moves": 2,
                "moved_at": "2025-03-02T10:00:00Z", "recorded_at": "2025-03-02T10:00:00Z", "from_stage": "mql",
                "to_stage": "sal", "stood": "sal", "tried_stood": "mql", "live_stood": "mql",
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class MovedRow(Row):
    """One subject whom a hand, a file or an answer of sales moved in the time span: the last such move of `moves`.

    `stood` is the stage in which the subject stood when the time span ended, as recorded; `tried_stood` and
    `live_stood` where the rules alone of the version that was tried and of the live one would have it. An empty stage
    is none.
    """

    class Meta:
        model = Moved
        fields: tuple[str, ...] = (
            "id", "person", "account", "cause", "moves", "moved_at", "recorded_at", "from_stage", "to_stage",
            "stood", "tried_stood", "live_stood",
        )  # fmt: skip
        read_only_fields = fields


class Backtests(Listed, Shown):
    """Versions of one lifecycle, tried on the past. Nobody is moved by it."""

    scope = "lifecycles"
    queryset = querysets.backtests()
    serializer_class = BacktestRow
    lookup_value_converter = "int"
    orderings = ("pk",)
    follows = ("result", "job")

    def get_queryset(self) -> QuerySet[Backtest]:
        return super().get_queryset().filter(version__lifecycle=of_address(self))

    @extend_schema(request=Wish, responses={201: BacktestRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Try a version on a time span of the past. Its `job` does the work; then `result` is there.

        400 names the field; 409 `backtest_refused` while another of this lifecycle is being made.
        """
        wish = self.given(Wish)
        version = get_object_or_404(
            Version.objects.select_related("lifecycle"), lifecycle=of_address(self), number=wish.pop("version")
        )
        number = _number(version, wish.pop("rule", None), wish.pop("place", None))
        try:
            made = backtests.ask(version, backtests.Asked(**wish, number=number), by=self.by, now=self.now)
        except ConditionError as error:
            raise serializers.ValidationError({"outcome": [serializers.ErrorDetail(str(error), error.code)]}) from error
        except backtests.BacktestRefused as refused:
            if refused.field:
                found = serializers.ErrorDetail(str(refused), "invalid")
                raise serializers.ValidationError({refused.field: [found]}) from refused
            raise
        return etags.answer(request, self.shown(self.again(made)), 201, follows=self.follows)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw a result away. 409 `backtest_refused` while it is being made."""
        backtests.remove(self.get_object(), by=self.by, now=self.now)
        return Response(status=204)

    @extend_schema(responses=ReachedRow(many=True))
    @action(methods=["get"], detail=True)
    def people(self, request: Request, lifecycle: str, pk: int) -> Response:
        """Who came to the stage in the time span by either side or in truth, with the dates of each."""
        reached = sight.subjects(self.get_object().reached.all(), request.user)
        return self.page_of(reached, ReachedRow)

    @extend_schema(responses=MovedRow(many=True))
    @action(methods=["get"], detail=True)
    def moved(self, request: Request, lifecycle: str, pk: int) -> Response:
        """Whom a hand, a file or an answer of sales moved in the time span, and where rules alone would have them."""
        return self.page_of(sight.subjects(self.get_object().moved.all(), request.user), MovedRow)

    @extend_schema(responses=MovementRow(many=True))
    @action(methods=["get"], detail=True)
    def movements(self, request: Request, lifecycle: str, pk: int) -> Response:
        """The ledger's moves in the time span, as it was known when this was tried: those that “recorded” counts."""
        moves = as_rows(recorded.movements(self.get_object()))
        return self.page_of(sight.subjects(moves, request.user, "membership__subject_id"), MovementRow)

    @extend_schema(request=Point, responses=BacktestRow)
    @action(methods=["post"], detail=True)
    def take(self, request: Request, lifecycle: str, pk: int) -> Response:
        """Write a value that was tried into the draft. 409 `backtest_refused` when that is no draft any more."""
        found = self.get_object()
        backtests.take(found, self.given(Point)["point"], by=self.by, now=self.now)
        return self.answer(found)


def _number(version: Version, rule: int | None, place: list[str] | None) -> str:
    """The key of the number meant; what is no number of this version becomes one that the verb refuses."""
    if rule is None:
        return ""
    there = [each for each in numbers.of_version(version) if each.rule.priority == rule]
    if place is not None:
        there = [each for each in there if [str(step) for step in each.place] == place]
    return there[0].key if there else "none"
