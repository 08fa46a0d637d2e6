"""Consent over the API: topics, what somebody agreed to, and how programs record it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audience import consent
from audience.models import ConsentRecord, Person, Topic
from audience.subjects.people import BadValue
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

Basis = ConsentRecord.Basis


@example({"slug": "news", "label": "News and offers", "description": "What is new.", "basis": "consent",
          "is_default": True, "retired_at": None})  # fmt: skip
class TopicRow(Row):
    """One topic that people can choose to be written to about."""

    class Meta:
        model = Topic
        fields = ("slug", "label", "description", "basis", "is_default", "retired_at")
        read_only_fields = fields


class Topics(Listed, Shown):
    """Topics: what people can choose to be written to about."""

    scope = "people"
    right = "edit"
    queryset = Topic.objects.all()
    serializer_class = TopicRow
    lookup_field = "slug"


class ConsentAct(Row):
    """One act of giving or withdrawing consent; `topic` null means all."""

    topic = serializers.SlugField(source="topic.slug", default=None, read_only=True, allow_null=True)
    by = serializers.EmailField(source="by.email", default=None, read_only=True, allow_null=True)
    is_corrected = serializers.BooleanField(read_only=True, help_text="It was a mistake, and counts no more.")

    class Meta:
        model = ConsentRecord
        fields = (
            "id", "topic", "channel", "given", "basis", "wording", "source", "occurred_at", "recorded_at", "by",
            "is_corrected",
        )  # fmt: skip
        read_only_fields = fields


class TopicStanding(serializers.Serializer[Any]):
    """How it stands with one topic: whether the person wants it, and why a message may not come ("" when it may)."""

    topic = serializers.CharField()
    wanted = serializers.BooleanField()
    why_not = serializers.CharField(allow_blank=True)


@example({
    "topics": [{"topic": "news", "wanted": True, "why_not": ""}], "paused_until": None, "may_track": True,
    "acts": [{"id": 5, "topic": "news", "channel": "email", "given": True, "basis": "consent",
              "wording": "Yes, send me news.", "source": "signup form", "occurred_at": "2025-06-02T11:30:00Z",
              "recorded_at": "2025-06-02T11:30:01Z", "by": "sync@perennial.example", "is_corrected": False}],
})  # fmt: skip
class ConsentRow(serializers.Serializer[Any]):
    """What one person agreed to."""

    topics = serializers.SerializerMethodField()
    paused_until = Instant(allow_null=True)
    may_track = serializers.BooleanField()
    acts = ConsentAct(many=True)

    @extend_schema_field(TopicStanding(many=True))
    def get_topics(self, told: consent.Overview) -> list[dict[str, Any]]:
        return [
            {"topic": standing.topic.slug, "wanted": standing.wanted, "why_not": why_not}
            for standing, why_not in told.topics
            if standing.topic
        ]


@example({"topic": "news", "given": True, "wording": "Yes, send me news.", "source": "signup form"})
class ConsentGiven(Strict):
    """One act: consent given to a topic, or withdrawn; `topic` null means all."""

    topic = serializers.SlugField(allow_null=True, max_length=64)
    given = serializers.BooleanField()
    basis = serializers.ChoiceField(
        choices=[each for each in Basis.choices if each[0] != Basis.OBJECTION],
        default=Basis.CONSENT,
        help_text="The lawful basis of what is given.",
    )
    wording = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=4000, help_text="What the person was shown, or said."
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=consent.LONGEST_SOURCE, help_text="Where it was said."
    )
    occurred_at = Instant(required=False, help_text="When it was said; now, unless it is told.")


@transaction.atomic
def say(person: Person, told: Mapping[str, Any], *, by: Any, now: datetime) -> bool:
    """Record it. False when that is how it stood already. Raises BadValue, and Problem for a topic that is unknown."""
    topic = None
    if told["topic"] is not None:
        topic = Topic.objects.filter(slug=told["topic"], retired_at=None).first()
        if topic is None:
            raise Problem(400, "unknown_topic", _("There is no such topic."), field="topic")
    at = told.get("occurred_at") or now
    if at > now:
        raise BadValue("occurred_at", _("It has not been said yet."), "in_the_future")
    said: dict[str, Any] = {"topic": topic, "wording": told["wording"], "source": told["source"], "at": at}
    if told["given"]:
        return consent.give(person, **said, basis=told["basis"], now=now, by=by)
    return consent.withdraw(person, **said, now=now, by=by)
