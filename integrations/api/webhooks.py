"""Webhooks over the API: which there are, what each was told, and what went wrong sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import events, keeping
from kit.api import idempotency
from kit.api.filtering import Moment, TrueOrFalse, Whole
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

GIVEN = {
    "name": "CRM", "url": "https://crm.example.com/hooks/perennial", "events": ["handoff.handed", "handoff.accepted"],
}  # fmt: skip
SHOWN = {
    "id": 3, **GIVEN, "created_at": "2025-06-02T11:29:58Z", "paused_at": None, "paused_because": "",
    "former_secret_until": None, "answered_at": "2025-06-02T14:02:11Z", "failures": 0, "rest_until": None,
}  # fmt: skip
DELIVERY = {
    "id": 90125, "webhook": 3, "message_id": "msg_5f70bf18a086407016e948b04aed3b82", "event": "handoff.handed",
    "state": "waiting", "at": "2025-06-02T14:02:11Z", "tries": 1, "next_at": "2025-06-02T14:02:18Z",
    "tried_at": "2025-06-02T14:02:12Z", "status": 503, "failure": "status", "took_ms": 214, "ended_at": None,
    "log": [{"at": "2025-06-02T14:02:12Z", "status": 503, "failure": "status", "took_ms": 214}],
}  # fmt: skip
TRY: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["at", "status", "failure", "took_ms"],
        "properties": {
            "at": {"type": "string", "format": "date-time"},
            "status": {"type": ["integer", "null"]},
            "failure": {"type": "string"},
            "took_ms": {"type": "integer"},
        },
    },
}


@example(SHOWN)
class WebhookRow(Row):
    """One address that is told what happens. Its secret is told once, when it is made."""

    former_secret_until = Instant(
        source="former_until", read_only=True, allow_null=True, help_text="Until then the former secret signs too."
    )
    failures = serializers.IntegerField(
        read_only=True, help_text="How often in a row the address could not be reached; 0 once it answers."
    )
    rest_until = Instant(read_only=True, allow_null=True, help_text="Until then it is left alone after failures.")

    class Meta:
        model = Webhook
        fields = tuple(SHOWN)
        read_only_fields = fields


@example({**SHOWN, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
class WebhookMade(WebhookRow):
    """A webhook with its new secret, which is told this once."""

    secret = serializers.CharField(read_only=True)

    class Meta:
        model = Webhook
        fields = (*SHOWN, "secret")
        read_only_fields = fields


class _Events(serializers.ListField):
    child = serializers.ChoiceField(choices=list(events.WORDS))


@example(GIVEN)
class WebhookGiven(Strict):
    """Where it leads, and what it is told."""

    name = serializers.CharField(max_length=keeping.LONGEST_NAME)
    url = serializers.CharField(max_length=1000, help_text="Of the open web, by https or http on their usual ports.")
    events = _Events(allow_empty=False)


@example({"events": ["handoff.handed", "stage.changed"]})
class WebhookChange(Strict):
    """What is to be different; what is left out stays."""

    name = serializers.CharField(max_length=keeping.LONGEST_NAME, required=False)
    url = serializers.CharField(max_length=1000, required=False)
    events = _Events(allow_empty=False, required=False)


@example({"hours": 24})
class Rotation(Strict):
    """For how many hours the present secret signs beside the new one; 0: no longer."""

    hours = serializers.IntegerField(min_value=0, max_value=keeping.FURTHEST // timedelta(hours=1), default=24)


@example({"count": 12})
class Counted(serializers.Serializer[Any]):
    """How many are sent again."""

    count = serializers.IntegerField(read_only=True)


@example(DELIVERY)
class DeliveryRow(Row):
    """One event that one webhook is told, and what came of each try. What is sent itself is kept nowhere."""

    message_id = serializers.CharField(read_only=True, help_text="`webhook-id`: the same however often it is sent.")
    log = serializers.SerializerMethodField(help_text="The last tries, the first of them first.")

    class Meta:
        model = WebhookDelivery
        fields = tuple(DELIVERY)
        read_only_fields = fields

    @extend_schema_field(TRY)
    def get_log(self, delivery: WebhookDelivery) -> Any:
        return delivery.log


class WebhookFilters(django_filters.FilterSet):
    """What the list of webhooks can be narrowed by."""

    paused = TrueOrFalse("paused_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Webhook
        fields: ClassVar[list[str]] = []


class DeliveryFilters(django_filters.FilterSet):
    """What the list of deliveries can be narrowed by."""

    webhook = Whole(field_name="webhook_id", label="A webhook’s id")
    state = django_filters.ChoiceFilter(choices=WebhookDelivery.State.choices)
    event = django_filters.ChoiceFilter(choices=[*events.WORDS.items(), (events.TRIAL, events.TRIAL)])
    since = Moment(field_name="at", lookup_expr="gte", label="Happened since")
    before = Moment(field_name="at", lookup_expr="lt", label="Happened before")

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[list[str]] = []


class Webhooks(Listed, Shown):
    """Webhooks: addresses of other systems that are told what happens. For administrators; others see none."""

    scope = "webhooks"
    right = "administer"
    queryset = Webhook.objects.all()
    serializer_class = WebhookRow
    filterset_class = WebhookFilters
    orderings = ("pk", "name")
    follows = ("answered_at", "failures", "rest_until", "former_secret_until", "paused_at", "paused_because")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Webhook]:
        return keeping.seen_by(self.by)

    @extend_schema(request=WebhookGiven, responses={201: WebhookMade})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Have an address told what happens from here on. The answer has its secret, this once."""
        given = self.given(WebhookGiven)
        hook, secret = keeping.add(given["name"], given["url"], given["events"], by=self.by, now=self.now)
        return self._with_secret(hook, secret, 201)

    @extend_schema(request=WebhookChange, responses=WebhookRow)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change name, address or events. What waits goes to the new address."""
        held, given = self.locked(), self.given(WebhookChange)
        keeping.change(
            held, name=given.get("name", held.name), url=given.get("url", held.url),
            wanted=given.get("events", held.events), by=self.by, now=self.now,
        )  # fmt: skip
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell it nothing any more; its deliveries go with it."""
        keeping.remove(self.locked(), by=self.by, now=self.now)
        return Response(status=204)

    @extend_schema(request=None, responses=WebhookRow)
    @action(methods=["post"], detail=True, bodiless=True)
    def pause(self, request: Request, pk: int) -> Response:
        """Send nothing until it is resumed; what happens meanwhile waits."""
        hook = self.get_object()
        keeping.pause(hook, by=self.by, now=self.now)
        return self.answer(hook)

    @extend_schema(request=None, responses=WebhookRow)
    @action(methods=["post"], detail=True, bodiless=True)
    def resume(self, request: Request, pk: int) -> Response:
        """Send again, what waited first."""
        hook = self.get_object()
        keeping.resume(hook, by=self.by, now=self.now)
        return self.answer(hook)

    @extend_schema(request=Rotation, responses=WebhookMade)
    @action(methods=["post"], detail=True)
    def rotate(self, request: Request, pk: int) -> Response:
        """Give it a new secret, which is in the answer, this once. For a while both sign."""
        hook, given = self.get_object(), self.given(Rotation)
        secret = keeping.rotate(hook, both_for=timedelta(hours=given["hours"]), by=self.by, now=self.now)
        return self._with_secret(hook, secret, 200)

    @extend_schema(request=None, responses={202: DeliveryRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def test(self, request: Request, pk: int) -> Response:
        """Send an event that tells of nothing but itself. 409 `paused`."""
        made = keeping.try_out(self.get_object(), by=self.by, now=self.now)
        return Response(DeliveryRow(made).data, status=202)

    @extend_schema(request=None, responses={202: Counted})
    @action(methods=["post"], detail=True, bodiless=True)
    def replay(self, request: Request, pk: int) -> Response:
        """Send all that was given up once more, each by the id that it had."""
        count = keeping.send_dead_again(self.get_object(), by=self.by, now=self.now)
        return Response({"count": count}, status=202)

    def _with_secret(self, hook: Webhook, secret: str, status: int) -> Response:
        shown = {**WebhookRow(self.again(hook)).data, "secret": secret}
        return idempotency.sealed(Response(shown, status=status))


class Deliveries(Listed, Shown):
    """What webhooks were told, and whether they took it. For administrators; others see none."""

    scope = "webhooks"
    right = "administer"
    queryset = WebhookDelivery.objects.all()
    serializer_class = DeliveryRow
    filterset_class = DeliveryFilters
    orderings = ("pk",)
    follows = ("state", "tries", "next_at", "tried_at", "status", "failure", "took_ms", "ended_at", "log")
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        return super().get_queryset().filter(webhook__in=keeping.seen_by(self.by))

    @extend_schema(request=None, responses={202: DeliveryRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def replay(self, request: Request, pk: int) -> Response:
        """Send one once more, by the id that it had. 409 `not_ended` while it still waits."""
        again = keeping.send_again(self.get_object(), by=self.by, now=self.now)
        return Response(DeliveryRow(again).data, status=202)
