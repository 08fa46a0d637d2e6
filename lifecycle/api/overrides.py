"""Moves made by hand over a guard, what came of them, and the same counted by user, team and guard."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.subjects import sight
from kit.api.serializers import Row
from kit.api.views import Listed, Rows
from lifecycle import filters
from lifecycle.ledger import overrides, tallies
from lifecycle.models import Movement

OVERRIDE = {
    "id": 90125, "membership": 4711, "seq": 4, "lifecycle": "net_new_b2b", "version": 2, "person": 318, "account": None,
    "from_stage": "mql", "to_stage": "sal", "occurred_at": "2025-03-05T14:02:11Z", "actor": "ada@example.com",
    "reason": "Met at the fair", "guard": "country is “DE”", "result": "back", "result_at": "2025-03-09T08:00:00Z",
}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("One that returned", OVERRIDE, response_only=True)])
class OverrideRow(Row):
    """One move that somebody made although a guard did not hold. `result` is what came of it, and since when."""

    lifecycle = serializers.SlugField(source="version.lifecycle.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    person = serializers.IntegerField(source="membership.person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="membership.account_id", read_only=True, allow_null=True)
    from_stage = serializers.SlugField(source="from_stage.slug", read_only=True, allow_null=True)
    to_stage = serializers.SlugField(source="to_stage.slug", read_only=True, allow_null=True)
    guard = serializers.CharField(read_only=True, help_text="What would have had to hold, in words.")
    result = serializers.ChoiceField(choices=overrides.Result.choices, read_only=True)
    result_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When they moved next; null for whoever is still there."
    )

    class Meta:
        model = Movement
        fields = (
            "id", "membership", "seq", "lifecycle", "version", "person", "account", "from_stage", "to_stage",
            "occurred_at", "actor", "reason", "guard", "result", "result_at",
        )  # fmt: skip
        read_only_fields = fields


RESULTS = {"there": 3, "on": 4, "back": 2, "detour": 0, "left": 0, "undone": 1}
TALLY = {"moves": 10, "won": 2, "results": RESULTS, "guards": {"country is “DE”": 10}, "actors": {"Ada": 10}}
SUMMARY = {
    "users": [{"label": "Ada", "actor": "ada@example.com", "user": 3, "team": None, "guard": ""} | TALLY],
    "teams": [{"label": "North", "actor": "", "user": None, "team": 1, "guard": ""} | TALLY],
    "guards": [
        {"label": "country is “DE”", "actor": "", "user": None, "team": None, "guard": "country is “DE”"} | TALLY,
    ],
}  # fmt: skip


class TallyRow(serializers.Serializer[Any]):
    """Moves of one user, of the users of one team, or over one guard."""

    label = serializers.CharField(help_text="Who or what, in words.")  # type: ignore[assignment]
    actor = serializers.CharField(help_text="Of a user: as the ledger says, without the key.")
    user = serializers.IntegerField(source="user.pk", allow_null=True, default=None)
    team = serializers.IntegerField(source="team.pk", allow_null=True, default=None, help_text="Of a team: its id.")
    guard = serializers.CharField(help_text="Of a guard: what did not hold, in words.")
    moves = serializers.IntegerField()
    won = serializers.IntegerField(help_text="Of how many the pass has come to the end of the path since.")
    results = serializers.SerializerMethodField(help_text="How many came to what.")
    guards = serializers.DictField(child=serializers.IntegerField(), help_text="How many over which guard.")
    actors = serializers.DictField(child=serializers.IntegerField(), help_text="How many by whom.")

    def get_results(self, tally: tallies.Tally) -> dict[str, int]:
        return {each: tally.results[each] for each in overrides.Result.values}


@extend_schema_serializer(many=False, examples=[OpenApiExample("One user", SUMMARY, response_only=True)])
class SummaryRow(serializers.Serializer[Any]):
    """Moves over guards counted by who made them, by the team that each is in now, and by guard; the most first."""

    users = TallyRow(many=True)
    teams = TallyRow(many=True)
    guards = TallyRow(many=True)


class Overrides(Listed):
    """Moves made by hand, here or over the API, although a guard did not hold."""

    scope = "lifecycles"
    queryset = Movement.objects.none()
    serializer_class = OverrideRow
    filterset_class = filters.AllOverrides
    orderings = ("pk",)

    def get_queryset(self) -> QuerySet[Movement]:
        return sight.subjects(overrides.made(), self.request.user, "membership__subject_id")

    def prepare(self, rows: Rows) -> Rows:
        return overrides.with_guards(rows)

    @extend_schema(responses=SummaryRow)
    @action(methods=["get"], detail=False)
    def summary(self, request: Request) -> Response:
        """Count them by user, team and guard, and what came of them; narrowed like the list.

        Moves of those alone whom the key's user sees.
        """
        counted = tallies.cells(self.filter_queryset(self.get_queryset()))
        told = {
            "users": tallies.by_user(counted), "teams": tallies.by_team(counted), "guards": tallies.by_guard(counted),
        }  # fmt: skip
        return Response(SummaryRow(told).data)
