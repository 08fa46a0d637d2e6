"""The pipeline of sales, as its page tells it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from reporting import funnel as funnels
from reporting import pipeline as asking
from reporting.api.figures import COUNT, Report, SheetRow
from reporting.api.funnel import WINDOW
from reporting.figures import pipeline as figures

ASKED = {"from": "2024-03-05", "to": "2025-03-05", "pipeline": None, "owner": None, "currency": "EUR"}
SHEET = {
    "headline": [{"called": "Open pipeline", "figure": COUNT | {"metric": "open_pipeline", "people": None}}],
    "remarks": [], "sections": [], "footnotes": [], "definitions": {"open_pipeline": "…"},
}  # fmt: skip


@extend_schema_serializer(many=False, examples=[OpenApiExample("A year", ASKED | SHEET, response_only=True)])
class PipelineSheet(SheetRow):
    """The figures of the page; amounts in minor units of `currency`."""

    pipeline = serializers.IntegerField(allow_null=True)
    owner = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        days = {"from": serializers.DateField(), "to": serializers.DateField(help_text="Behind the last day counted.")}
        return super().get_fields() | days


class PipelineReport(Report):
    """What sales have open, how often they win, and how much money a day that makes."""

    known = ("window", "from", "to", "pipeline", "owner")

    @extend_schema(
        responses=PipelineSheet,
        parameters=[
            *WINDOW,
            OpenApiParameter("pipeline", int, description="Only this one, by its id."),
            OpenApiParameter("owner", int, description="Only deals of this user."),
        ],
    )
    def list(self, request: Request) -> Response:
        """Read the pipeline of sales. What was closed in the last 365 days unless the address says otherwise."""
        asked = asking.read(self.asked(), funnels.today(self.now))
        self.understood(asked.notes)
        question = asked.question
        answer = asking.answer(question)
        about = {
            "from": question.window.start, "to": question.window.end, "currency": answer.currency,
            "pipeline": question.pipeline.pk if question.pipeline else None,
            "owner": question.owner.pk if question.owner else None,
        }  # fmt: skip
        return etags.answer(request, about | self.told(figures.sheet(answer)))
