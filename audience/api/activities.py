"""What people did, over the API: told one by one or by the thousand, read page by page."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.activity import activities, batches
from audience.activity import mix as mixes
from audience.activity.batches import Refusal
from audience.api.bulk import refused
from audience.api.subjects import API, AccountName, PersonName
from audience.models import Activity, ActivityKind, Segment
from audience.subjects import querysets, sight
from audience.subjects.filters import EMPTY
from kit import installation, reading
from kit.api.access import WRITE, require
from kit.api.filtering import Moment, TrueOrFalse, Whole
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Rows, Strict
from kit.api.views import Listed, Shown

GIVEN = {
    "external_id": "visit-83121", "kind": "page_visited", "occurred_at": "2025-06-02T11:29:58Z",
    "person": {"email": "ann@example.com"}, "channel": "website", "direction": "inbound",
    "properties": {"path": "/pricing"},
}  # fmt: skip
SHOWN = {
    "id": 90210, "person": 4711, "account": 815, "kind": "page_visited", "channel": "website", "platform": "",
    "direction": "inbound", "actor": "human", "value": None, "properties": {"path": "/pricing"},
    "occurred_at": "2025-06-02T11:29:58Z", "recorded_at": "2025-06-02T11:30:01Z", "source": "webshop",
    "external_id": "visit-83121", "reversal_of": None,
}  # fmt: skip


@example(SHOWN)
class ActivityRow(Row):
    """One thing that a person or an account did, or that was done to them."""

    person = serializers.IntegerField(source="person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="account_id", read_only=True, allow_null=True)
    kind = serializers.CharField(source="kind.slug", read_only=True)
    value = serializers.FloatField(read_only=True, allow_null=True)
    reversal_of = serializers.IntegerField(
        source="reversal_of_id", read_only=True, allow_null=True, help_text="The activity that this one takes back."
    )

    class Meta:
        model = Activity
        fields = (
            "id", "person", "account", "kind", "channel", "platform", "direction", "actor", "value", "properties",
            "occurred_at", "recorded_at", "source", "external_id", "reversal_of",
        )  # fmt: skip
        read_only_fields = fields


@example(GIVEN)
class ActivityGiven(Strict):
    """One activity. `source` and `external_id` name it once: told again, it changes nothing."""

    external_id = serializers.CharField(max_length=200)
    kind = serializers.CharField(max_length=200, help_text="A kind of the catalogue; one that is new is made.")
    occurred_at = Instant()
    person = PersonName(required=False)
    account = AccountName(required=False, help_text="Whose a person's activity was, unless it is the person's account.")
    anonymous_id = serializers.CharField(
        required=False,
        max_length=200,
        help_text="By what `system` knows whoever did it, a cookie or a device. Alone it waits for its person; "
        "beside a person, all that waited under it becomes theirs.",
    )
    channel = serializers.CharField(required=False, max_length=32)
    platform = serializers.CharField(required=False, max_length=32)
    direction = serializers.ChoiceField(required=False, choices=Activity.Direction.choices)
    actor = serializers.ChoiceField(required=False, choices=Activity.Actor.choices)
    value = serializers.FloatField(required=False)
    properties = serializers.DictField(required=False)


class Said(Strict):
    """What is said once for all activities of a request."""

    source = serializers.CharField(max_length=64, default=API, help_text="The system that tells it.")  # type: ignore[assignment]
    system = serializers.CharField(
        max_length=64, required=False, help_text="Whose the external ids of people are; `source`, unless it is said."
    )
    create_missing = serializers.BooleanField(
        default=False, help_text="Make people whom nobody knows. Takes the scope people:write."
    )


SAID = tuple(Said().fields)


@example({"source": "webshop", "create_missing": True, "activities": [GIVEN]})
class Batch(Said):
    """Up to a thousand activities."""

    all_or_nothing = serializers.BooleanField(default=False, help_text="Keep nothing when a row is refused.")
    activities = Rows(child=ActivityGiven(), most=batches.MOST)


@example({"source": "webshop", **GIVEN})
class One(ActivityGiven, Said):
    """One activity."""

    external_id = serializers.CharField(
        max_length=200, required=False, help_text="Without one it is new each time; then send an Idempotency-Key."
    )


class BatchError(serializers.Serializer[Any]):
    """Why a row was refused; the first is 0."""

    row = serializers.IntegerField()
    code = serializers.CharField()
    field = serializers.CharField()
    detail = serializers.CharField()


@example({"waiting": True})
class Waits(serializers.Serializer[Any]):
    """Nobody knows yet whose it is; it is kept for as long as strangers' page views are."""

    waiting = serializers.BooleanField()


@example({
    "new": 997, "known": 2, "refused": 1, "waiting": 0,
    "errors": [{"row": 17, "code": "unknown_person", "field": "person", "detail": "Nobody is known by this."}],
})  # fmt: skip
class BatchAnswer(serializers.Serializer[Any]):
    """How many activities are new, how many were known, and which rows were refused."""

    new = serializers.IntegerField()
    known = serializers.IntegerField()
    refused = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Of how many nobody knows yet whose they are.")
    errors = BatchError(many=True)  # type: ignore[assignment]


MIXED: dict[str, Any] = {
    "activities": 120, "inbound": 90, "outbound": 28, "direction_unknown": 2, "by_humans": 110, "reached": 64,
}  # fmt: skip


class MixGiven(Strict):
    """Which days (90 up to now, unless it is said), which direction, of whom."""

    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, help_text="The day after the last.")
    direction = serializers.ChoiceField(
        required=False, choices=[*Activity.Direction.choices, EMPTY], help_text=f"“{EMPTY}” is what has none."
    )
    actor = serializers.ChoiceField(required=False, choices=Activity.Actor.choices)
    segment = serializers.SlugRelatedField(required=False, slug_field="slug", queryset=Segment.objects.all())


class MixCounts(serializers.Serializer[Any]):
    """How much happened; `reached` counts each person and account once, so lines do not add up to the total in it."""

    activities = serializers.IntegerField(source="number")
    inbound = serializers.IntegerField()
    outbound = serializers.IntegerField()
    direction_unknown = serializers.IntegerField(source="undirected")
    by_humans = serializers.IntegerField(source="human")
    reached = serializers.IntegerField()


class MixPlatform(MixCounts):
    """One platform; "" is what has none."""

    platform = serializers.CharField(source="key")


class MixChannel(MixCounts):
    """One channel; "" is what has none. Of one that the taxonomy does not have, whether it is paid or human is null."""

    channel = serializers.CharField(source="key")
    is_paid = serializers.BooleanField(source="channel.is_paid", default=None, allow_null=True)
    is_human = serializers.BooleanField(source="channel.is_human", default=None, allow_null=True)
    cost = serializers.DictField(child=serializers.IntegerField(), help_text="By currency, in minor units.")


@example({
    "by_channel": [{**MIXED, "channel": "email", "is_paid": False, "is_human": False, "cost": {"EUR": 120000}}],
    "by_platform": [{**MIXED, "platform": "mobile"}], "total": MIXED, "left_out": 4,
})  # fmt: skip
class MixAnswer(serializers.Serializer[Any]):
    """What happened in some days by channel and by platform; `left_out` are activities of whoever is in no figure."""

    by_channel = MixChannel(many=True)
    by_platform = MixPlatform(many=True)
    total = MixCounts()
    left_out = serializers.IntegerField()


class Filters(django_filters.FilterSet):
    """What the list of activities can be narrowed by."""

    person = Whole("person_id")
    account = Whole("account_id")
    kind = django_filters.CharFilter(method="of_kind")
    channel = django_filters.CharFilter("channel")
    source = django_filters.CharFilter("source")
    external_id = django_filters.CharFilter("external_id")
    since = Moment("occurred_at", lookup_expr="gte", help_text="Happened then or later.")
    until = Moment("occurred_at", lookup_expr="lt", help_text="Happened before.")
    stands = TrueOrFalse(method="that_stand", help_text="Whether it counts: no reversal, and not taken back.")
    recorded_since = Moment("recorded_at", lookup_expr="gte", help_text="Written down then or later.")

    class Meta:
        model = Activity
        fields: ClassVar[list[str]] = []

    def that_stand(self, rows: QuerySet[Activity], name: str, value: bool) -> QuerySet[Activity]:
        standing = querysets.standing(Activity.objects.all())
        return querysets.standing(rows) if value else rows.exclude(pk__in=standing.values("pk"))

    def of_kind(self, rows: QuerySet[Activity], name: str, value: str) -> QuerySet[Activity]:
        return rows.filter(kind__in=ActivityKind.objects.filter(slug=value))


class Activities(Listed, Shown):
    """What people and accounts did. Append-only: what was wrong is taken back by another row."""

    scope = "activities"
    right = "note"
    queryset = Activity.objects.select_related("kind")
    serializer_class = ActivityRow
    filterset_class = Filters
    orderings = ("pk", "occurred_at")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if sight.everything(self.by):
            return rows
        whose = Coalesce("person_id", "account_id")
        return sight.subjects(rows.annotate(whose=whose), self.by, "whose")

    @extend_schema(request=One, responses={200: ActivityRow, 201: ActivityRow, 202: Waits})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Record an activity. 201 when new, 200 when `source` had told it before, 202 while it waits for its person."""
        given = self.as_sent()
        said = Said(data={name: value for name, value in given.items() if name in SAID})
        said.is_valid(raise_exception=True)
        row = {"external_id": uuid.uuid4().hex} | {name: value for name, value in given.items() if name not in SAID}
        try:
            told = self.record([row], dict(said.validated_data), all_or_nothing=True)
        except batches.NotAll as refusal:
            why = refusal.refused[0]
            raise Problem(400, why.code, why.reason, field=why.field or None) from refusal
        if told.waiting:
            return Response({"waiting": True}, status=202)
        found = Activity.objects.select_related("kind").get(
            source=said.validated_data["source"], external_id=str(row["external_id"]).strip()
        )
        return Response(self.shown(found), status=201 if told.new else 200)

    @extend_schema(parameters=[MixGiven], responses=MixAnswer, filters=False)
    @action(methods=["get"], detail=False, pagination_class=None)
    def mix(self, request: Request) -> Response:
        """Tell what happened in some days by channel and by platform. What is not said is a line of its own."""
        asking = MixGiven(data=request.query_params.dict())
        asking.is_valid(raise_exception=True)
        given, zone = dict(asking.validated_data), installation.zone()
        until = given.get("until") or timezone.localdate(self.now, zone) + timedelta(days=1)
        since = given.get("since") or until - timedelta(days=90)
        if since >= until:
            raise Problem(400, "bad_order", _("It ends after it begins."), field="until")
        asked: dict[str, Any] = {name: given[name] for name in ("direction", "actor") if name in given}
        asked |= {"segment": given["segment"].slug} if "segment" in given else {}
        asked |= {"since": installation.midnight(since, zone), "until": installation.midnight(until, zone)}
        rows = super().get_queryset() if sight.everything(self.by) else self.get_queryset()
        with reading.only(mixes.PATIENCE):
            return Response(MixAnswer(mixes.of(rows, asked, since, until)).data)

    @extend_schema(request=Batch, responses=BatchAnswer)
    @action(methods=["post"], detail=False)
    def batch(self, request: Request) -> Response:
        """Record up to a thousand activities. Good rows are kept, and bad ones listed, unless it is all or nothing."""
        given = self.given(Batch)
        try:
            told = self.record(given["activities"], given, all_or_nothing=given["all_or_nothing"])
        except batches.NotAll as refusal:
            raise refused(str(refusal), _errors(refusal.refused)) from refusal
        errors = _errors(told.refused)
        return Response({"new": told.new, "known": told.known, "refused": len(errors), "waiting": told.waiting,
                         "errors": errors})  # fmt: skip

    def record(self, rows: list[Any], said: dict[str, Any], *, all_or_nothing: bool) -> batches.Told:
        if said["create_missing"]:
            require(self.request, "people", WRITE)
        return batches.record(
            rows, source=said["source"], system=said.get("system") or said["source"],
            create_missing=said["create_missing"], all_or_nothing=all_or_nothing, by=self.by, now=self.now,
        )  # fmt: skip

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, url_path="take-back", bodiless=True)
    @transaction.atomic
    def take_back(self, request: Request, pk: int) -> Response:
        """Take an activity back: it did not happen. Another row says so, and it counts no more. 409 when it was."""
        held = self.get_object()
        if not activities.take_back(held, by=self.by, now=self.now):
            raise Problem(409, "taken_back", _("It had been taken back already."))
        return Response(self.shown(self.get_queryset().filter(reversal_of=held).latest("pk")))


def _errors(refusals: list[Refusal]) -> list[dict[str, Any]]:
    return [{"row": each.row, "code": each.code, "field": each.field, "detail": each.reason} for each in refusals]
