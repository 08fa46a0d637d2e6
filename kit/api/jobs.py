"""Long work over the API: how far it is, stop it, try it again."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit import filters, jobs
from kit.api.problems import Problem
from kit.api.serializers import Row
from kit.api.views import Listed, Shown
from kit.models import Job


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A replay under way",
            {
                "id": 12, "kind": "replay", "title": "Replay of Net-new B2B v2", "state": "running",
                "phase": "2025-02-11", "counts": "days", "rows_done": 41, "rows_total": 730, "result": {}, "error": "",
                "attempts": 1, "created_by": "ada@example.com", "created_at": "2025-03-04T08:15:00Z",
                "started_at": "2025-03-04T08:15:01Z", "finished_at": None,
            },
            status_codes=["200", "202"],
            response_only=True,
        )
    ]
)  # fmt: skip
class JobRow(Row):
    """One piece of long work."""

    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)
    counts = serializers.SerializerMethodField(help_text="What `rows_done` and `rows_total` count.")

    class Meta:
        model = Job
        fields = (
            "id", "kind", "title", "state", "phase", "counts", "rows_done", "rows_total", "result", "error", "attempts",
            "created_by", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_counts(self, job: Job) -> str:
        return jobs.counts(job)


def accepted(job: Job) -> Response:
    """202: the work goes on, and its job tells how far it is."""
    return Response(JobRow(job).data, status=202, headers={"Location": reverse("api:jobs-detail", args=[job.pk])})


class Jobs(Listed, Shown):
    """Long work: imports, replays, launches. It goes on whether or not anybody asks."""

    scope = "imports"
    right = "operate"
    queryset = Job.objects.select_related("created_by")
    serializer_class = JobRow
    filterset_class = filters.Jobs

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    def cancel(self, request: Request, pk: Any = None) -> Response:
        """Stop it after the part that it is working on. 409 when it has ended."""
        job = self.get_object()
        if not jobs.cancel(job.pk, by=self.by, now=self.now):
            raise Problem(409, "job_has_ended", _("The job had already ended, so there was nothing to cancel."))
        return Response(self.shown(self.again(job)))

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    def retry(self, request: Request, pk: Any = None) -> Response:
        """Queue a failed or cancelled job again, from where it stopped. 409 when it is open or done."""
        job = self.get_object()
        if not jobs.retry(job.pk, by=self.by, now=self.now):
            raise Problem(409, "job_not_ended", _("Only a failed or cancelled job can be tried again."))
        return Response(self.shown(self.again(job)))
