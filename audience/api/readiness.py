"""Readiness over the API: what the data supports today, and how complete every field is."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import Completeness
from audience.readiness import abilities, completeness, gaps, measures, origins, overview
from audience.readiness.gaps import Reach
from audience.readiness.measures import Fact, Measured
from kit import installation, reading
from kit.api import etags
from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.serializers import Instant
from kit.api.views import Resource
from kit.statistics import Share

PATIENCE = 20.0  # seconds
KNOWN = OpenApiParameter(
    "known", str, enum=Completeness.Clock.values,
    description="The past as it was known then, or as it is known now; as the page chooses, if not given.",
)  # fmt: skip
USE = {"what": "Segment", "name": "Active Germans"}
REACH = {
    "sentence": "country is DE", "uses": [USE], "met": 214, "known": 1200, "without": 400, "more": 71,
    "interval": [63, 80],
}  # fmt: skip
FIELD = {
    "name": "person.country", "of": "person", "called": "country", "applies_to": "everybody", "known": 1200,
    "applicable": 1600, "share": 0.75, "uses": [USE], "best": REACH,
}  # fmt: skip
ABILITY = {
    "slug": "segments", "called": "Segments by what people and firms are", "state": "partly",
    "needs": [{"need": "“country” known of 60% of everybody", "found": "31.0%, 496 of 1,600", "met": False}],
}  # fmt: skip
POINT = {"day": "2025-06-01", "known": 1100, "applicable": 1500, "share": 0.7333}
ONE = FIELD | {
    "reaches": [REACH], "values": [{"value": "DE", "count": 900}, {"value": "", "count": 400}],
    "sources": [{"origin": "crm", "count": 1200, "last": "2025-06-02T11:30:00Z"}], "clock": "now", "points": [POINT],
}  # fmt: skip


class UseRow(serializers.Serializer[Any]):
    """One condition that is kept somewhere: what keeps it, and what that is called."""

    what = serializers.CharField()
    name = serializers.CharField()


class ReachRow(serializers.Serializer[Any]):
    """One question that is asked of a field, and how many more it would hold of if the field were filled."""

    sentence = serializers.CharField()
    uses = UseRow(many=True)
    met = serializers.IntegerField(help_text="Of so many of the known it holds.")
    known = serializers.IntegerField()
    without = serializers.IntegerField(help_text="So many lack a value.")
    more = serializers.IntegerField(allow_null=True, help_text="Null where fewer than 30 values are known.")
    interval = serializers.ListField(child=serializers.IntegerField(), allow_null=True, help_text="95 %: from, to.")


class NeedRow(serializers.Serializer[Any]):
    """One thing that an ability needs, and what was found."""

    need = serializers.CharField()
    found = serializers.CharField()
    met = serializers.BooleanField()


class AbilityRow(serializers.Serializer[Any]):
    """One thing that can be done with data, and how far it is."""

    slug = serializers.CharField()
    called = serializers.CharField()
    state = serializers.ChoiceField(choices=abilities.State.choices)
    needs = NeedRow(many=True)


class CompletenessRow(serializers.Serializer[Any]):
    """How complete one field is now: known of applicable, of those who count in figures."""

    name = serializers.CharField()
    of = serializers.CharField()
    called = serializers.CharField()
    applies_to = serializers.CharField()
    known = serializers.IntegerField()
    applicable = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    uses = UseRow(many=True)
    best = ReachRow(allow_null=True, help_text="What filling it would bring most.")


class PointRow(serializers.Serializer[Any]):
    """How complete it was as a day began; of today, as it is now."""

    day = serializers.DateField()
    known = serializers.IntegerField()
    applicable = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)


class ValueRow(serializers.Serializer[Any]):
    """How many have a value: null the values that are not named, empty those without one."""

    value = serializers.CharField(allow_null=True, allow_blank=True)
    count = serializers.IntegerField()


class SourceRow(serializers.Serializer[Any]):
    """How many of the present values a source wrote, and when the last."""

    origin = serializers.CharField()
    count = serializers.IntegerField()
    last = Instant()


@extend_schema_serializer(
    many=False,
    examples=[OpenApiExample("Readiness", {"abilities": [ABILITY], "measured": [FIELD]}, response_only=True)],
)
class ReadinessWhole(serializers.Serializer[Any]):
    """What the data supports today, and every field."""

    abilities = AbilityRow(many=True)
    measured = CompletenessRow(many=True)


@extend_schema_serializer(many=False, examples=[OpenApiExample("One field", ONE, response_only=True)])
class FieldWhole(CompletenessRow):
    """One field: over time, by value and source, and what filling it would bring."""

    reaches = ReachRow(many=True)
    values = ValueRow(many=True)
    sources = SourceRow(many=True)
    clock = serializers.ChoiceField(choices=Completeness.Clock.choices)
    points = PointRow(many=True)


class Readiness(Resource):
    """How complete the data is, what it supports today, and what filling a gap would change."""

    scope = "people"
    queryset = Completeness.objects.none()  # what it reads is computed
    filter_backends = ()
    pagination_class: Any = None
    lookup_field = "name"
    lookup_value_converter = "str"

    @extend_schema(responses=ReadinessWhole)
    def list(self, request: Request) -> Response:
        """Read what the data supports today, and how complete every field is."""
        refuse_unknown(request, ())
        with reading.only(PATIENCE):
            told = overview.answer(self.now)
            able = abilities.all_of(abilities.Asked(self.now, told.shares))
        found = {
            "abilities": [
                {"slug": each.ability.slug, "called": str(each.ability.label), "state": each.state,
                 "needs": [{"need": need.words, "found": it.text, "met": it.met} for need, it in each.needs]}
                for each in able
            ],
            "measured": [
                _field(line.measure, line.share) | {"uses": _uses(line.uses), "best": line.best and _reach(line.best)}
                for group in told.groups for line in group.lines
            ],
        }  # fmt: skip
        return etags.answer(request, found)

    @extend_schema(responses=FieldWhole, parameters=[KNOWN])
    def retrieve(self, request: Request, name: str) -> Response:
        """Read one field over time, by value and source, and what filling it would bring."""
        refuse_unknown(request, {"known"})
        clock = request.query_params.get("known") or completeness.usual_clock()
        if clock not in Completeness.Clock.values:
            raise Problem(400, "not_understood", _("Known is “then” or “now”."), field="known")
        measure = measures.find(name)
        if measure is None:
            raise Http404
        with reading.only(PATIENCE):
            told = self._whole(measure)
        share = Share(told["known"], told["applicable"])
        today = self.now.astimezone(installation.zone()).date()
        points = [
            {"day": each.day.isoformat()} | _share(each.share)
            for each in completeness.curve([name], clock, share, today)
        ]
        return etags.answer(request, told | {"clock": clock, "points": points})

    def _whole(self, measure: Measured) -> dict[str, Any]:
        if isinstance(measure, Fact):
            nothing: dict[str, Any] = {"uses": [], "best": None, "reaches": [], "values": [], "sources": []}
            return _field(measure, completeness.of_fact(measure, self.now)) | nothing
        standing = gaps.standing([measure], of=measure.of, now=self.now)
        best = standing.best(measure.name)
        return _field(measure, standing.shares[measure.name]) | {
            "uses": _uses(standing.uses[measure.name]),
            "best": best and _reach(best),
            "reaches": [_reach(each) for each in standing.reaches.get(measure.name, ())],
            "values": [{"value": value, "count": count} for value, count in origins.buckets(measure, self.now)],
            "sources": [
                {"origin": each.source, "count": each.count, "last": Instant().to_representation(each.last)}
                for each in origins.of(measure, self.now).sources
            ],
        }


def _share(share: Share) -> dict[str, Any]:
    return {"known": share.hits, "applicable": share.of, "share": share.rate}


def _field(measure: Measured, share: Share) -> dict[str, Any]:
    return {
        "name": measure.name, "of": measure.of, "called": str(measure.label), "applies_to": str(measure.applies.words),
    } | _share(share)  # fmt: skip


def _uses(some: Any) -> list[dict[str, str]]:
    return [{"what": str(each.what), "name": each.name} for each in some]


def _reach(reach: Reach) -> dict[str, Any]:
    return {
        "sentence": reach.sentence, "uses": _uses(reach.uses), "met": reach.met.hits, "known": reach.met.of,
        "without": reach.lacking, "more": reach.more if reach.is_told else None,
        "interval": list(reach.interval) if reach.is_told else None,
    }  # fmt: skip
