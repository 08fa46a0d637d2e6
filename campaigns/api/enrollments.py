"""Who goes through a campaign, each with every step they took and why; putting somebody in by hand."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import Person
from audience.subjects import sight
from campaigns import entry, filters, tracing
from campaigns.models import Campaign, Enrollment
from kit.api.problems import Problem
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

ENROLLMENT = {
    "id": 8123, "campaign": "nurture_mql", "version": 2, "person": 318, "account": None, "pass_number": 1,
    "state": "active", "step": "5a6b7c8d", "step_at": "2025-03-04T08:15:04Z", "wake_at": "2025-03-11T08:15:04Z",
    "why": "entered “MQL”", "reason": "", "entered_at": "2025-03-04T08:15:00Z", "ended_at": None,
}  # fmt: skip
TRACE = [
    {"at": "2025-03-04T08:15:00Z", "text": "Entered, on version 2: entered “MQL”", "level": "ok", "step": None,
     "message": None},
    {"at": "2025-03-04T08:15:09Z", "text": "Send “Welcome”: sent", "level": "ok", "step": "1f2e3d4c",
     "message": "0b8f3c1e-7d38-4c06-9a55-0f2f4d3f8f11"},
]  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("An enrollment", ENROLLMENT, response_only=True)])
class EnrollmentRow(Row):
    """One subject's nth pass through one campaign, on the version it entered. `step` is what is to be done next."""

    campaign = serializers.SlugField(source="campaign.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    step = serializers.CharField(source="step.key", read_only=True, allow_null=True, help_text="The step’s key.")

    class Meta:
        model = Enrollment
        fields: tuple[str, ...] = (
            "id", "campaign", "version", "person", "account", "pass_number", "state", "step", "step_at", "wake_at",
            "why", "reason", "entered_at", "ended_at",
        )  # fmt: skip
        read_only_fields = fields


class TraceLine(serializers.Serializer[Any]):
    """One thing that happened, or is so now (`at` is null)."""

    at = Instant(allow_null=True)
    text = serializers.CharField()
    level = serializers.ChoiceField(["ok", "waits", "held", "wrong"])
    step = serializers.CharField(source="step.key", allow_null=True, help_text="The step’s key.")
    message = serializers.UUIDField(source="message.pk", allow_null=True)


@extend_schema_serializer(
    examples=[OpenApiExample("An enrollment traced", ENROLLMENT | {"trace": TRACE}, response_only=True)]
)
class EnrollmentWhole(EnrollmentRow):
    """An enrollment, and everything about its subject in its campaign as it happened, pass by pass."""

    trace = serializers.SerializerMethodField()

    class Meta(EnrollmentRow.Meta):
        fields = (*EnrollmentRow.Meta.fields, "trace")
        read_only_fields = fields

    @extend_schema_field(TraceLine(many=True))
    def get_trace(self, enrollment: Enrollment) -> Any:
        lines = tracing.trace(enrollment.campaign, enrollment.subject_id, now=self.context["view"].now)
        return TraceLine(lines, many=True).data


@extend_schema_serializer(
    examples=[OpenApiExample("One person", {"campaign": "nurture_mql", "person": 318}, request_only=True)]
)
class Enroll(Strict):
    """Whom to put into which campaign."""

    campaign = serializers.SlugField(max_length=64)
    person = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class Enrollments(Listed, Shown):
    """Who goes, or went, through a campaign: one for each pass of each subject."""

    scope = "campaigns"
    queryset = Enrollment.objects.select_related("campaign", "version", "step")
    filterset_class = filters.AllEnrollments

    def get_queryset(self) -> QuerySet[Enrollment]:
        return sight.subjects(super().get_queryset(), self.request.user)

    def get_serializer_class(self) -> type[EnrollmentRow]:
        return EnrollmentRow if self.action == "list" else EnrollmentWhole

    @extend_schema(request=Enroll, responses={201: EnrollmentWhole})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put a person into a running campaign by hand. Who is held out of it is enrolled as such, and gets nothing.

        404 when there is no such campaign or person, 409 `enroll_refused` when it does not run, and 409
        `may_not_enter` with what stands against it in `errors`.
        """
        wish = self.given(Enroll)
        person = sight.get(Person.objects.all(), request.user, pk=wish["person"])
        campaign = Campaign.objects.select_related("lifecycle").get(slug=wish["campaign"])
        if not entry.enroll(campaign, [person.pk], by=self.by, now=self.now):
            lines = tracing.trace(campaign, person.pk, now=self.now)
            errors = [{"code": "may_not_enter", "detail": line.text} for line in lines]
            raise Problem(409, "may_not_enter", _("This person may not enter this campaign now."), errors=errors)
        newest = Enrollment.objects.filter(campaign=campaign, person=person).order_by("-pass_number")[0]
        answer = self.answer(newest, 201)
        answer["Location"] = reverse("api:enrollments-detail", args=[newest.pk])
        return answer
