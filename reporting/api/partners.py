"""What partners bring, as their page tells it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from reporting import funnel as funnels
from reporting import money as asking
from reporting import partners, questions
from reporting.api.figures import SHARE, SheetRow
from reporting.api.funnel import LIFECYCLE, WINDOW, LifecycleReport
from reporting.api.money import CURRENCY, PIPELINE
from reporting.figures import partners as figures

ASKED = {"lifecycle": "partners", "from": "2024-03-05", "to": "2025-03-05", "currency": "EUR", "pipeline": None}
SHEET = {
    "headline": [{"called": "Sourced by partners", "figure": SHARE | {"metric": "partner_wins"}}], "remarks": [],
    "sections": [], "footnotes": [], "definitions": {"partner_wins": "…"},
}  # fmt: skip


@extend_schema_serializer(many=False, examples=[OpenApiExample("A year", ASKED | SHEET, response_only=True)])
class PartnersSheet(SheetRow):
    """The figures of the page; amounts in minor units of `currency`."""

    lifecycle = serializers.SlugField()
    currency = serializers.CharField()
    pipeline = serializers.IntegerField(allow_null=True, help_text="The one that wins and conflicts are of; null: all.")

    def get_fields(self) -> dict[str, Any]:
        days = {"from": serializers.DateField(), "to": serializers.DateField(help_text="Behind the last day counted.")}
        return super().get_fields() | days


class PartnersReport(LifecycleReport):
    """Where partners stand, what they bring, and what those did that came to a deal."""

    known = ("lifecycle", "window", "from", "to", "currency", "pipeline")

    @extend_schema(responses=PartnersSheet, parameters=[LIFECYCLE, *WINDOW, CURRENCY, PIPELINE])
    def list(self, request: Request) -> Response:
        """Read what partners bring. The last 365 days unless the address says otherwise.

        404 `nothing_to_report` while no lifecycle of partners is published.
        """
        given, today = self.asked(), funnels.today(self.now)
        plan = self.plan(given, partners.lifecycles())
        asked = asking.read(given, today, first=partners.first_day(plan))
        self.understood(asked.notes)
        answer = partners.answer(asked.question, questions.ask(plan, asked.question.window, today, now=self.now))
        about = {
            "from": answer.question.window.start, "to": answer.question.window.end,
            "currency": answer.question.currency, "lifecycle": plan.lifecycle.slug,
            "pipeline": answer.question.pipeline.pk if answer.question.pipeline else None,
        }  # fmt: skip
        return etags.answer(request, about | self.told(figures.sheet(answer)))
