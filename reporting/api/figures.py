"""Figures as JSON: what a page shows, with the base, the definition, and the address of the rows behind each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.urls import resolve, reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.views import Resource
from reporting import metrics
from reporting.models import StageEntry

# The lists of people that a page links to, and where programs find the same.
PEOPLE = {
    "report_people": "api:reports-people-list",
    "report_customers": "api:reports-customers-list",
    "report_lift_people": "api:reports-lift-people-list",
}
PEOPLE_OF = "https://perennial.example/api/v1/reports/people/?metric="
COUNT = {
    "value": 212, "text": "212", "metric": "in_flow", "count": 212, "of": None, "interval": None, "note": "",
    "people": f"{PEOPLE_OF}in_flow&lifecycle=net_new_b2b&from=2025-01-01&to=2025-02-01&stage=mql",
}  # fmt: skip
SHARE = {
    "value": 0.3113, "text": "31.1 %", "metric": "cohort_conversion", "count": 66, "of": 212,
    "interval": [0.2527, 0.3767], "note": "66 of 212",
    "people": f"{PEOPLE_OF}cohort_conversion&lifecycle=net_new_b2b&from=2025-01-01&to=2025-02-01&stage=mql&target=sal",
}  # fmt: skip
DEFINITIONS = {"in_flow": "Moves into the stage in the window, whatever they came from …"}


@extend_schema_field({"type": ["number", "null"]})
class NumberField(serializers.Field[Any, Any, Any, Any]):
    """A number as it is, whole or not."""

    def to_representation(self, value: Any) -> Any:
        return value


class FigureRow(serializers.Serializer[Any]):
    """One figure. Of a share `count` are the hits and `of` is the base; `people` are the rows that `count` counts."""

    value = NumberField(help_text="Shares are of one, durations in days, money in minor units.")
    text = serializers.CharField(help_text="As the page shows it.")
    metric = serializers.CharField(help_text="Its definition is in `definitions`.")
    count = serializers.IntegerField(allow_null=True)
    of = serializers.IntegerField(allow_null=True)
    interval = serializers.ListField(child=serializers.FloatField(), allow_null=True, help_text="95 %: from, to.")
    note = serializers.CharField()
    people = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_people(self, figure: Any) -> str | None:
        if not figure.url:
            return None
        parts = urlsplit(figure.url)
        page = resolve(parts.path)
        if page.url_name not in PEOPLE:
            return None
        address = reverse(PEOPLE[page.url_name], kwargs=page.kwargs)
        request: Request = self.context["request"]
        return str(request.build_absolute_uri(f"{address}?{parts.query}"))


class LabelledRow(serializers.Serializer[Any]):
    """A figure with what it is called."""

    called = serializers.CharField()
    figure = FigureRow()


class RemarkRow(serializers.Serializer[Any]):
    """What to know before believing: a figure, and what is so of as many."""

    figure = FigureRow()
    text = serializers.CharField()


class LineRow(serializers.Serializer[Any]):
    """One line of a table."""

    head = serializers.CharField()
    remark = serializers.CharField()
    figures = FigureRow(many=True)


class TableRow(serializers.Serializer[Any]):
    """A table; the first of its heads is that of the lines."""

    heads = serializers.ListField(child=serializers.CharField())
    lines = LineRow(many=True)
    sum = LineRow(allow_null=True)
    left_over = serializers.IntegerField(help_text="Lines that the page leaves out, the smallest.")


class SectionRow(serializers.Serializer[Any]):
    """A part of a report; `table` is null where there is nothing to tell, and `empty` says why."""

    id = serializers.CharField()
    title = serializers.CharField()
    purpose = serializers.CharField()
    empty = serializers.CharField()
    table = TableRow(allow_null=True)


class SheetRow(serializers.Serializer[Any]):
    """All figures of one report, as its page lays them out."""

    headline = LabelledRow(many=True)
    remarks = RemarkRow(many=True)
    sections = SectionRow(many=True)
    footnotes = serializers.ListField(child=serializers.CharField())
    definitions = serializers.DictField(child=serializers.CharField())


class Report(Resource):
    """What reports have in common: figures are the firm's, and a parameter that is not understood is an error."""

    scope = "reports"
    queryset = StageEntry.objects.none()  # what it reads is computed
    filter_backends = ()
    pagination_class: Any = None
    known: Collection[str] = ()

    def asked(self) -> dict[str, str]:
        """The parameters of the address. Raises Problem for one that the report does not know."""
        refuse_unknown(self.request, self.known)
        return {name: self.request.query_params[name] for name in self.request.query_params}

    def understood(self, notes: Iterable[str]) -> None:
        """Raises Problem with the notes of a page that left something out."""
        if told := " ".join(notes):
            raise Problem(400, "not_understood", told)

    def told(self, sheet: Any) -> dict[str, Any]:
        """A page's sheet as JSON."""
        context = self.get_serializer_context()
        return {
            "headline": LabelledRow(labelled(sheet.headline), many=True, context=context).data,
            "remarks": RemarkRow(remarked(sheet.remarks), many=True, context=context).data,
            "sections": SectionRow(sheet.sections, many=True, context=context).data,
            "footnotes": list(sheet.footnotes),
            "definitions": definitions(sheet.metrics),
        }


def labelled(pairs: Iterable[tuple[Any, Any]]) -> list[dict[str, Any]]:
    return [{"called": str(label), "figure": figure} for label, figure in pairs]


def remarked(remarks: Iterable[tuple[Any, str]]) -> list[dict[str, Any]]:
    return [{"figure": figure, "text": text} for figure, text in remarks]


def definitions(names: Iterable[str]) -> dict[str, str]:
    """What each metric means, in words."""
    return {name: str(metrics.find(name).definition) for name in names}
