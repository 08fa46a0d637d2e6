"""The catalogue of kinds of activities and the taxonomy of channels, over the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.activity import channels, kinds
from audience.models import Activity, ActivityKind, Channel
from kit.api.filtering import TrueOrFalse
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

KIND: dict[str, Any] = {
    "label": "Webinar attended", "channel": "webinar", "direction": "inbound", "is_engagement": True,
    "is_response": True, "intent": 35,
}  # fmt: skip
CHANNEL: dict[str, Any] = {
    "label": "Trade press", "direction": "inbound", "is_paid": True, "is_human": False, "is_offline": True,
    "aliases": ["press", "magazine"],
}  # fmt: skip


@example({"id": 7, "slug": "webinar_attended", "is_described": True, **KIND})
class KindRow(Row):
    """One kind of activity. Nobody has described one that a file or a program made by naming it."""

    is_described = serializers.SerializerMethodField()

    class Meta:
        model = ActivityKind
        fields = (
            "id", "slug", "label", "channel", "direction", "is_engagement", "is_response", "intent", "is_described",
        )  # fmt: skip
        read_only_fields = fields

    def get_is_described(self, kind: ActivityKind) -> bool:
        return kind.described_at is not None


@example({"intent": 40, "is_response": True})
class KindChange(Strict):
    """What a kind is; what is left out stays. To send nothing says that it is as it should be."""

    label = serializers.CharField(required=False, max_length=200)  # type: ignore[assignment]
    channel = serializers.CharField(required=False, allow_blank=True, max_length=32)
    direction = serializers.ChoiceField(required=False, allow_blank=True, choices=Activity.Direction.choices)
    is_engagement = serializers.BooleanField(required=False)
    is_response = serializers.BooleanField(required=False)
    intent = serializers.IntegerField(required=False, min_value=0, max_value=kinds.MOST_INTENT)


@example({"slug": "roundtable_joined", **KIND, "label": "Round table joined"})
class KindNew(KindChange):
    """A new kind. Its slug is made of the label, unless it is given; it stays."""

    label = serializers.CharField(max_length=200)
    slug = serializers.CharField(required=False, default="", max_length=64)


class KindFilters(django_filters.FilterSet):
    """What the catalogue can be narrowed by."""

    slug = django_filters.CharFilter("slug")
    channel = django_filters.CharFilter("channel")
    is_described = TrueOrFalse("described_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = ActivityKind
        fields: ClassVar[list[str]] = []


class Kinds(Listed, Shown):
    """Kinds of activities."""

    scope = "activities"
    right = "edit"
    queryset: QuerySet[Any] = ActivityKind.objects.all()
    serializer_class = KindRow
    filterset_class = KindFilters
    lookup_value_converter = "int"

    @extend_schema(request=KindNew, responses={201: KindRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Define a kind. 409 when one of the same label or slug is there."""
        given = self.given(KindNew)
        slug = given.pop("slug")
        return self.answer(kinds.define(given, slug=slug, by=self.by, now=self.now), 201)

    @extend_schema(request=KindChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Describe a kind. Scores and segments that ask for what it counts for follow."""
        held = self.locked()
        kinds.describe(held, self.given(KindChange), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a kind. 409 while something of it has happened, or a condition or a rule names it."""
        kinds.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)


@example({"id": 31, "slug": "trade_press", **CHANNEL})
class ChannelRow(Row):
    """One channel: a way by which somebody comes, or is reached."""

    aliases = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Channel
        fields = ("id", "slug", "label", "direction", "is_paid", "is_human", "is_offline", "aliases")
        read_only_fields = fields


@example({"aliases": ["press", "magazine", "journal"]})
class ChannelChange(Strict):
    """What a channel is; what is left out stays."""

    label = serializers.CharField(required=False, max_length=100)  # type: ignore[assignment]
    direction = serializers.ChoiceField(required=False, allow_blank=True, choices=Activity.Direction.choices)
    is_paid = serializers.BooleanField(required=False)
    is_human = serializers.BooleanField(required=False)
    is_offline = serializers.BooleanField(required=False)
    aliases = serializers.ListField(
        child=serializers.CharField(max_length=100), required=False, max_length=channels.MOST_ALIASES,
        help_text="Other spellings, which are kept as this channel when they come in.",
    )  # fmt: skip


@example(CHANNEL)
class ChannelNew(ChannelChange):
    """A channel of one's own."""

    label = serializers.CharField(max_length=100)
    slug = serializers.CharField(
        required=False, default="", max_length=32, help_text="Of an unknown channel that activities have already."
    )


class Channels(Listed, Shown):
    """The taxonomy of channels."""

    scope = "activities"
    right = "edit"
    queryset: QuerySet[Any] = Channel.objects.all()
    serializer_class = ChannelRow
    filterset_fields: ClassVar[list[str]] = ["slug", "direction", "is_paid"]
    lookup_value_converter = "int"

    @extend_schema(request=ChannelNew, responses={201: ChannelRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a channel. 409 when its name or one of its spellings is taken."""
        given = self.given(ChannelNew)
        slug = given.pop("slug")
        return self.answer(channels.add(given, slug=slug, by=self.by, now=self.now), 201)

    @extend_schema(request=ChannelChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a channel; what came in before stays as it was kept."""
        held = self.locked()
        channels.change(held, self.given(ChannelChange), by=self.by, now=self.now)
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Remove a channel. 409 while activities, kinds or costs bear it."""
        channels.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)
