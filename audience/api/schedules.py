"""Scheduled imports over the API: where files come from by themselves, and when."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.importing import saved, schedules
from audience.models import ImportSchedule, ImportTurn, TakenFile
from kit.api.filtering import TrueOrFalse
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

GIVEN = {
    "name": "Leads, every night", "mapping": "Leads of the shop", "place": "url",
    "url": "https://shop.example.com/leads.csv", "sign": "bearer", "secret": "a token of the shop", "every": "day",
    "next_at": "2025-06-03T02:00:00Z",
}  # fmt: skip
TURN = {
    "id": 71, "outcome": "done", "reason": "", "began_at": "2025-06-02T02:00:03Z", "ended_at": "2025-06-02T02:00:09Z",
    "files": [{"name": "leads.csv", "size": 48213, "import": 9, "reason": ""}],
}  # fmt: skip
SHOWN = {
    "id": 4, "name": "Leads, every night", "mapping": "Leads of the shop", "place": "url", "folder": "", "pattern": "",
    "url": "https://shop.example.com/leads.csv", "sign": "bearer", "user": "", "has_secret": True, "every": "day",
    "next_at": "2025-06-03T02:00:00Z", "paused_at": None, "owner": "ada@example.com",
    "created_at": "2025-06-01T11:30:00Z", "last": TURN,
}  # fmt: skip


class TakenRow(Row):
    """One file that was found, and its import; or why there is none."""

    class Meta:
        model = TakenFile
        fields = ("name", "size", "import", "reason")
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, Any]] = {}


TakenRow._declared_fields["import"] = serializers.IntegerField(source="imported_id", read_only=True, allow_null=True)


@example(TURN)
class TurnRow(Row):
    """One look at the place, and what came of it."""

    files = TakenRow(many=True, read_only=True)

    class Meta:
        model = ImportTurn
        fields = tuple(TURN)
        read_only_fields = fields


@example(SHOWN)
class ScheduleRow(Row):
    """One place where files come to be brought in by themselves. Its secret is never told."""

    mapping = serializers.CharField(source="saved.name", read_only=True)
    has_secret = serializers.SerializerMethodField(help_text="Whether a password or token is kept.")
    owner = serializers.EmailField(source="owner.email", default=None, read_only=True, allow_null=True)
    last = serializers.SerializerMethodField(help_text="The last look, and what came of it; null before the first.")

    class Meta:
        model = ImportSchedule
        fields = tuple(SHOWN)
        read_only_fields = fields

    def get_has_secret(self, schedule: ImportSchedule) -> bool:
        return bool(schedule.secret)

    @extend_schema_field(TurnRow(allow_null=True))
    def get_last(self, schedule: ImportSchedule) -> Any:
        last = schedule.turns.prefetch_related("files").order_by("-began_at", "-pk").first()
        return TurnRow(last).data if last is not None else None


class _Given(Strict):
    folder = serializers.CharField(
        required=False, allow_blank=True, max_length=300, help_text="Below the one that is open."
    )
    pattern = serializers.CharField(required=False, allow_blank=True, max_length=100, help_text="Such as *.csv.")
    url = serializers.CharField(required=False, allow_blank=True, max_length=1000, help_text="Of the open web.")
    sign = serializers.ChoiceField(choices=ImportSchedule.Sign.choices, required=False)
    user = serializers.CharField(required=False, allow_blank=True, max_length=200)
    secret = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, trim_whitespace=False, write_only=True,
        help_text="A password or token. It is kept encrypted and never told; for another address it is given again.",
    )  # fmt: skip
    next_at = Instant(required=False, allow_null=True, help_text="The first look, and its time of day from then on.")

    def validate_mapping(self, name: str) -> Any:
        return saved.named(name)


@example(GIVEN)
class ScheduleGiven(_Given):
    """A place to be looked at."""

    name = serializers.CharField(max_length=schedules.LONGEST_NAME)
    mapping = serializers.CharField(help_text="The name of a mapping that is kept.")
    place = serializers.ChoiceField(choices=ImportSchedule.Place.choices)
    every = serializers.ChoiceField(choices=ImportSchedule.Every.choices)


@example({"name": "Leads, every hour", "every": "hour"})
class ScheduleChange(_Given):
    """Another place or time; what is left out stays."""

    name = serializers.CharField(max_length=schedules.LONGEST_NAME, required=False)
    mapping = serializers.CharField(required=False)
    place = serializers.ChoiceField(choices=ImportSchedule.Place.choices, required=False)
    every = serializers.ChoiceField(choices=ImportSchedule.Every.choices, required=False)


class ScheduleFilters(django_filters.FilterSet):
    """What the list of schedules can be narrowed by."""

    q = django_filters.CharFilter("name", lookup_expr="icontains", help_text="A part of the name.")
    paused = TrueOrFalse("paused_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = ImportSchedule
        fields: ClassVar[list[str]] = []


class Schedules(Listed, Shown):
    """Scheduled imports."""

    scope = "imports"
    right = "edit"
    queryset = ImportSchedule.objects.select_related("saved", "owner")
    serializer_class = ScheduleRow
    filterset_class = ScheduleFilters
    orderings = ("pk", "name")
    follows = ("last", "next_at")
    lookup_value_converter = "int"

    @extend_schema(request=ScheduleGiven, responses={201: ScheduleRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have a folder or an address looked at from time to time. Each file is brought in once."""
        given = {"next_at": None, **self.given(ScheduleGiven)}
        return self.answer(schedules.create(**given, by=self.by, now=self.now), 201)

    @extend_schema(request=ScheduleChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a schedule. Its secret stays, unless it is for another address or another user."""
        held, given = self.locked(), self.given(ScheduleChange)
        told = ("name", "place", "folder", "pattern", "url", "sign", "user", "every", "next_at")
        stays = {"mapping": held.saved, **{name: getattr(held, name) for name in told}}
        schedules.change(held, **{**stays, **given}, by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Look there no more. What was brought in stays. 409 while a look is under way."""
        schedules.delete(self.locked(), by=self.by, now=self.now)
        return Response(status=204)

    @extend_schema(request=None, responses={202: ScheduleRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def start(self, request: Request, pk: int) -> Response:
        """Look now. 409 while a look is under way."""
        schedule = self.get_object()
        schedules.start(schedule, by=self.by, now=self.now)
        return self.answer(schedule, 202)

    @extend_schema(request=None, responses=ScheduleRow)
    @action(methods=["post"], detail=True, bodiless=True)
    def pause(self, request: Request, pk: int) -> Response:
        """Have the clock ask for no look until it is resumed."""
        schedule = self.get_object()
        schedules.pause(schedule, by=self.by, now=self.now)
        return self.answer(schedule)

    @extend_schema(request=None, responses=ScheduleRow)
    @action(methods=["post"], detail=True, bodiless=True)
    def resume(self, request: Request, pk: int) -> Response:
        """Have the clock ask for looks again."""
        schedule = self.get_object()
        schedules.resume(schedule, by=self.by, now=self.now)
        return self.answer(schedule)
