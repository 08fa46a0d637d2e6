"""What was sent, is to be sent, or was held back, and everything that is known of each."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response as Answer

from campaigns import filters, querysets, sending, story
from campaigns.models import Message, MessageAttempt, Response
from kit.api.problems import Problem
from kit.api.serializers import Row
from kit.api.views import Listed, Shown

ID = "0b8f3c1e-7d38-4c06-9a55-0f2f4d3f8f11"
MESSAGE = {
    "id": ID, "purpose": "campaign", "campaign": "nurture_mql", "version": 2, "step": "1f2e3d4c", "enrollment": 8123,
    "person": 318, "account": None, "channel": "email", "topic": "news", "content": "welcome", "content_version": 3,
    "state": "sent", "why": "", "attempts": 1, "created_at": "2025-03-04T08:15:00Z", "due_at": "2025-03-04T08:15:00Z",
    "not_after": None, "sent_at": "2025-03-04T08:15:09Z",
}  # fmt: skip
LEARNT = {
    "attempt": 1, "phase": "dot", "state": "sent", "code": 250, "enhanced": "2.0.0", "reply": "Ok: queued",
    "at": "2025-03-04T08:15:09Z",
}  # fmt: skip
ANSWERED = {"kind": "clicked", "actor": "human", "link": "https://marlowcreek.example/", "at": "2025-03-04T09:01:44Z"}


@extend_schema_serializer(examples=[OpenApiExample("A message", MESSAGE, response_only=True)])
class MessageRow(Row):
    """One message to one reader. What it says is not told here; `content` and `content_version` name its words."""

    campaign = serializers.SlugField(source="campaign.slug", read_only=True, allow_null=True)
    version = serializers.IntegerField(source="step.version.number", read_only=True, allow_null=True)
    step = serializers.CharField(source="step.key", read_only=True, allow_null=True, help_text="The step’s key.")
    topic = serializers.SlugField(source="topic.slug", read_only=True, allow_null=True)
    content = serializers.SlugField(source="content_version.content.slug", read_only=True, allow_null=True)
    content_version = serializers.IntegerField(source="content_version.number", read_only=True, allow_null=True)
    why = serializers.SerializerMethodField(help_text="Why it is in its state.")
    attempts = serializers.IntegerField(source="attempt", read_only=True)

    class Meta:
        model = Message
        fields: tuple[str, ...] = (
            "id", "purpose", "campaign", "version", "step", "enrollment", "person", "account", "channel", "topic",
            "content", "content_version", "state", "why", "attempts", "created_at", "due_at", "not_after", "sent_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_why(self, message: Message) -> str:
        return story.why(message)


class AttemptRow(Row):
    """One thing learnt about one attempt to send; code, enhanced code and reply are the other side's words."""

    class Meta:
        model = MessageAttempt
        fields = ("attempt", "phase", "state", "code", "enhanced", "reply", "at")
        read_only_fields = fields


class ResponseRow(Row):
    """One kind of answer by one kind of actor, when it first came."""

    link = serializers.SerializerMethodField(help_text="Where it leads; empty when it is no click.")

    class Meta:
        model = Response
        fields = ("kind", "actor", "link", "at")
        read_only_fields = fields

    def get_link(self, answer: Response) -> str:
        return story.link(self.context["message"], answer)


@extend_schema_serializer(
    examples=[OpenApiExample("A message", MESSAGE | {"learnt": [LEARNT], "responses": [ANSWERED]}, response_only=True)]
)
class MessageWhole(MessageRow):
    """A message with what was learnt of each attempt to send it, and what its reader answered."""

    learnt = serializers.SerializerMethodField()
    responses = serializers.SerializerMethodField()

    class Meta(MessageRow.Meta):
        fields = (*MessageRow.Meta.fields, "learnt", "responses")
        read_only_fields = fields

    @extend_schema_field(AttemptRow(many=True))
    def get_learnt(self, message: Message) -> Any:
        return AttemptRow(message.attempts.order_by("pk"), many=True).data

    @extend_schema_field(ResponseRow(many=True))
    def get_responses(self, message: Message) -> Any:
        return ResponseRow(message.responses.order_by("pk"), many=True, context={"message": message}).data


class Messages(Listed, Shown):
    """Every message: to whom, of which campaign and step, and what became of it."""

    scope = "campaigns"
    right = "operate"
    queryset = Message.objects.select_related("campaign", "step__version", "topic", "content_version__content")
    lookup_value_converter = "uuid"
    orderings = ("created_at",)
    filterset_class = filters.AllMessages

    def get_queryset(self) -> QuerySet[Message]:
        return querysets.messages_seen(super().get_queryset(), self.request.user)

    def get_serializer_class(self) -> type[MessageRow]:
        return MessageRow if self.action == "list" else MessageWhole

    @extend_schema(request=None, responses=MessageWhole)
    @action(methods=["post"], detail=True, bodiless=True)
    def resend(self, request: Request, pk: Any = None) -> Answer:
        """Send a message that was perhaps sent once more. It passes all that may stand against it again.

        409 `not_unknown` when nobody doubts what became of it.
        """
        message = self.get_object()
        if not sending.resend(message, by=self.by, now=self.now):
            said = _("Only a message that was perhaps sent can be sent again; this one is not (any more).")
            raise Problem(409, "not_unknown", said)
        return self.answer(message)
