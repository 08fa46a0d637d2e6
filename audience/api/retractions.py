"""Taking activities back over the API: what would be touched, then the decision, then perhaps its undoing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.activity import retractions
from audience.models import Activity, Retraction
from audience.subjects import sight
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

ASKED: dict[str, Any] = {"kind": "page_visited", "user_agent": "HeadlessChrome", "since": "2025-01-01T00:00:00Z"}


class ActivitiesAsked(Strict):
    """Which activities: what fulfils all of these. At least one has to be said."""

    kind = serializers.CharField(required=False, max_length=64)
    channel = serializers.CharField(required=False, max_length=32)
    platform = serializers.CharField(required=False, max_length=32)
    source = serializers.CharField(required=False, max_length=64)  # type: ignore[assignment]
    actor = serializers.ChoiceField(required=False, choices=Activity.Actor.choices)
    user_agent = serializers.CharField(
        required=False, max_length=retractions.LONGEST, help_text="What the property `user_agent` contains."
    )
    ip = serializers.CharField(
        required=False, max_length=retractions.LONGEST, help_text="What the property `ip` begins with."
    )
    since = Instant(required=False, help_text="Happened then or later.")
    until = Instant(required=False, help_text="Happened before.")
    segment = serializers.SlugField(required=False, help_text="Whose members did it.")
    person = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    account = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        max_length=retractions.MOST_IDS,
    )


@example({"asked": ASKED})
class RetractionPreview(Strict):
    """Which activities are meant."""

    asked = ActivitiesAsked()


@example({"asked": ASKED, "reason": "scanner", "note": "Load test of the website", "sure": 1})
class RetractionNew(RetractionPreview):
    """Which activities did not happen as told, and why."""

    reason = serializers.ChoiceField(choices=Retraction.Reason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    sure = serializers.IntegerField(
        required=False, min_value=0, max_value=2**31,
        help_text="The number that the preview told: with another one nothing is done (409).",
    )  # fmt: skip


class KindAndActor(serializers.Serializer[Any]):
    """How many of one kind by one actor."""

    kind = serializers.CharField()
    actor = serializers.CharField()
    activities = serializers.IntegerField()


@example({
    "activities": 412, "people": 38, "accounts": 0, "first": "2025-03-01T08:00:00Z", "last": "2025-03-01T08:04:11Z",
    "kinds": [{"kind": "Email clicked", "actor": "human", "activities": 412}],
})  # fmt: skip
class RetractionPreviewed(serializers.Serializer[Any]):
    """What taking them back would touch. Accounts are those of activities that nobody in particular did."""

    activities = serializers.IntegerField()
    people = serializers.IntegerField()
    accounts = serializers.IntegerField()
    first = Instant(allow_null=True)
    last = Instant(allow_null=True)
    kinds = KindAndActor(many=True)


@example({
    "id": 3, "reason": "scanner", "note": "Load test of the website", "asked": ASKED,
    "created_at": "2025-03-02T09:00:00Z",
    "activities": 412, "subjects": 38, "finished_at": "2025-03-02T09:00:00Z", "undo_asked_at": None, "undone_at": None,
    "job": None,
})  # fmt: skip
class RetractionRow(Row):
    """One decision that activities did not happen as told. While `finished_at` is null, its job is under way."""

    job = serializers.IntegerField(source="job_id", read_only=True, allow_null=True)

    class Meta:
        model = Retraction
        fields = (
            "id", "reason", "note", "asked", "created_at", "activities", "subjects", "finished_at", "undo_asked_at",
            "undone_at", "job",
        )  # fmt: skip
        read_only_fields = fields


class Retractions(Listed, Shown):
    """Decisions that activities did not happen as told."""

    scope = "activities"
    right = "edit"
    queryset: QuerySet[Any] = Retraction.objects.select_related("job")
    serializer_class = RetractionRow
    filterset_fields: ClassVar[list[str]] = ["reason"]
    lookup_value_converter = "int"
    follows = ("activities", "subjects", "finished_at", "undone_at", "undo_asked_at", "job")

    def get_queryset(self) -> QuerySet[Any]:
        """They speak of everybody, so only those who see everybody see them."""
        rows = super().get_queryset()
        return rows if sight.everything(self.by) else rows.none()

    @extend_schema(request=RetractionNew, responses={201: RetractionRow, 202: RetractionRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take activities back. 201 when that is done, 202 when a job does it. 409 when there are none, or others."""
        given = self.given(RetractionNew)
        told = {name: value for name, value in given.items() if name != "asked"}
        made = retractions.begin(given["asked"], **told, by=self.by, now=self.now)
        return self.answer(made, 202 if made.job else 201)

    @extend_schema(request=RetractionPreview, responses=RetractionPreviewed)
    @action(methods=["post"], detail=False)
    def preview(self, request: Request) -> Response:
        """Tell what taking these activities back would touch."""
        found = asdict(retractions.preview(self.given(RetractionPreview)["asked"]))
        kinds = [dict(zip(("kind", "actor", "activities"), each, strict=True)) for each in found["kinds"]]
        return Response(RetractionPreviewed(found | {"kinds": kinds}).data)

    @extend_schema(request=None, responses={200: RetractionRow, 202: RetractionRow})
    @action(methods=["post"], detail=True, bodiless=True)
    @transaction.atomic
    def undo(self, request: Request, pk: int) -> Response:
        """Have what was taken back count again. 409 when that was asked for already, or it is still under way."""
        held = self.get_object()
        if not retractions.undo(held, by=self.by, now=self.now):
            raise Problem(409, "undone", _("That was asked for already, or taking back is not finished yet."))
        return self.answer(held, 200 if self.again(held).undone_at else 202)
