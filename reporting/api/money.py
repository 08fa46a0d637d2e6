"""Retention and concentration, and what campaigns add, as their pages tell them."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Campaign
from kit.api import etags
from reporting import campaigns as asking_campaigns
from reporting import concentration as concentrations
from reporting import funnel as funnels
from reporting import lift as lifts
from reporting import money as asking
from reporting import retention as retentions
from reporting.api.figures import COUNT, SHARE, FigureRow, Report, SheetRow, definitions
from reporting.api.funnel import WINDOW
from reporting.figures import concentration as concentration_figures
from reporting.figures import lift as lift_figures
from reporting.figures import retention as retention_figures
from reporting.money import TOPS, Basis, Of

OF = OpenApiParameter("of", str, enum=Of.values, description="Who the customers are.")
PIPELINE = OpenApiParameter("pipeline", int, description="Only deals of this one, by its id.")
CURRENCY = OpenApiParameter("currency", str, description="Whose money: EUR. Else the installation's.")
BASIS = OpenApiParameter("basis", str, enum=Basis.values, description="By what customers are ranked.")
TOP = OpenApiParameter("top", int, enum=TOPS, description="Share of the customers, in per cent.")
MONEY = {"from": "2024-03-05", "to": "2025-03-05", "of": "account", "currency": "EUR", "basis": "revenue", "top": 20}
SHEET = {
    "headline": [{"called": "Net retention", "figure": SHARE | {"metric": "recurring"}}], "remarks": [],
    "sections": [], "footnotes": [], "definitions": {"recurring": "…"},
}  # fmt: skip
LIFT = {
    "campaign": "nurture_mql", "name": "Nurture MQL", "outcome": "SAL", "within_days": 90, "untold": "",
    "assigned": COUNT, "held_out": COUNT, "rate": SHARE, "held_out_rate": SHARE,
    "lift": COUNT | {"value": 0.11, "text": "+11.0 points", "interval": [0.02, 0.2]}, "relative": 0.42, "p": 0.012,
}  # fmt: skip


@extend_schema_serializer(many=False, examples=[OpenApiExample("A year", MONEY | SHEET, response_only=True)])
class MoneySheet(SheetRow):
    """A report about customers and their money: the figures of its page, amounts in minor units."""

    of = serializers.ChoiceField(Of.values)
    currency = serializers.CharField()
    basis = serializers.ChoiceField(Basis.values)
    top = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        days = {"from": serializers.DateField(), "to": serializers.DateField(help_text="Behind the last day counted.")}
        return super().get_fields() | days


class LiftRow(serializers.Serializer[Any]):
    """What one campaign adds: how many more came to its outcome than of those held out of it."""

    campaign = serializers.SlugField()
    name = serializers.CharField()
    outcome = serializers.CharField(help_text="The stage that it is to lead to; empty where there is none.")
    within_days = serializers.IntegerField()
    untold = serializers.CharField(help_text="Why no lift can be told; empty where it can.")
    assigned = FigureRow()
    held_out = FigureRow()
    rate = FigureRow()
    held_out_rate = FigureRow()
    lift = FigureRow(help_text="The difference of the two rates, of one.")
    relative = serializers.FloatField(allow_null=True)
    p = serializers.FloatField(allow_null=True, help_text="How likely a difference this large is by chance.")


@extend_schema_serializer(
    many=False,
    examples=[OpenApiExample("One campaign", {"campaigns": [LIFT], "definitions": {"lift": "…"}}, response_only=True)],
)
class LiftWhole(serializers.Serializer[Any]):
    """The lift of every campaign that has members, the newest first."""

    campaigns = LiftRow(many=True)
    definitions = serializers.DictField(child=serializers.CharField())


@extend_schema_serializer(many=False, examples=[OpenApiExample("One campaign", LIFT | SHEET, response_only=True)])
class LiftSheet(LiftRow, SheetRow):
    """The lift of one campaign: the figures of its page."""


class MoneyReport(Report):
    """A report about customers and their money in a window."""

    def question(self) -> asking.MoneyQuestion:
        """The question of the address. Raises Problem for what is not understood."""
        asked = asking.read(self.asked(), funnels.today(self.now))
        self.understood(asked.notes)
        return asked.question

    def answer_with(self, question: asking.MoneyQuestion, sheet: Any) -> Response:
        about = {
            "from": question.window.start, "to": question.window.end, "of": question.of,
            "currency": question.currency, "basis": question.basis, "top": question.top,
        }  # fmt: skip
        return etags.answer(self.request, about | self.told(sheet))


class RetentionReport(MoneyReport):
    """What recurring revenue stayed, shrank, left and grew."""

    known = ("window", "from", "to", "of", "currency")

    @extend_schema(responses=MoneySheet, parameters=[*WINDOW, OF, CURRENCY])
    def list(self, request: Request) -> Response:
        """Read the retention of recurring revenue. The last 365 days unless the address says otherwise."""
        question = self.question()
        return self.answer_with(question, retention_figures.sheet(retentions.answer(question)))


class ConcentrationReport(MoneyReport):
    """How much of the money comes from how few customers."""

    known = ("window", "from", "to", "of", "currency", "basis", "top")

    @extend_schema(responses=MoneySheet, parameters=[*WINDOW, OF, CURRENCY, BASIS, TOP])
    def list(self, request: Request) -> Response:
        """Read how much of the money comes from how few. The last 365 days unless the address says otherwise."""
        question = self.question()
        return self.answer_with(question, concentration_figures.sheet(concentrations.answer(question)))


class LiftReport(Report):
    """What campaigns add: who came further because of them, and who would have anyway."""

    known = ("lifecycle",)
    lookup_field = "slug"
    lookup_value_converter = "slug"

    @extend_schema(
        responses=LiftWhole, parameters=[OpenApiParameter("lifecycle", str, description="Only its campaigns.")]
    )
    def list(self, request: Request) -> Response:
        """Read the lift of all campaigns that have members. One statement for all of them."""
        lifecycle = self.asked().get("lifecycle")
        members = lifts.with_members()
        shown = members.filter(lifecycle__slug=lifecycle) if lifecycle else members
        answers = lifts.answers(asking_campaigns.ask(shown, funnels.today(self.now)))
        rows = LiftRow([row_of(each) for each in answers], many=True, context=self.get_serializer_context()).data
        return etags.answer(request, {"campaigns": rows, "definitions": definitions(lift_figures.METRICS)})

    @extend_schema(responses=LiftSheet)
    def retrieve(self, request: Request, slug: str) -> Response:
        """Read what one campaign led to, in persons and in money."""
        self.asked()
        campaign = get_object_or_404(Campaign.objects.select_related("lifecycle"), slug=slug)
        answer = lifts.answer(asking_campaigns.ask([campaign], funnels.today(self.now))[0])
        row = LiftRow(row_of(answer), context=self.get_serializer_context()).data
        return etags.answer(request, row | self.told(lift_figures.sheet(answer, lifts.gain(answer))))


def row_of(answer: lifts.Lift) -> dict[str, Any]:
    """One campaign's figures, as the list of all shows them."""
    row, question = lift_figures.row(answer), answer.question
    told = answer.difference if answer.can_be_told else None
    return {
        "campaign": question.campaign.slug, "name": question.campaign.name, "outcome": question.outcome_name,
        "within_days": question.days, "untold": lift_figures.untold(answer) if told is None else "",
        "assigned": row.assigned, "held_out": row.held, "rate": row.treated_rate, "held_out_rate": row.held_rate,
        "lift": row.lift, "relative": told.relative if told else None, "p": told.p if told else None,
    }  # fmt: skip
