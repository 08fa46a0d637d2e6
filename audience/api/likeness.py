"""Best customers and look-alikes over the API: what stands out, who is like them and why."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audience.likeness import asking, checking, customers, profile, ranking
from audience.likeness.asking import Question
from audience.likeness.profile import Profile
from audience.models import Person
from audience.subjects import sight
from kit import reading
from kit.api import etags
from kit.api.filtering import refuse_unknown
from kit.api.problems import Problem
from kit.api.views import Resource
from kit.sql import Sql

PATIENCE = 20.0  # seconds
VALUE = {
    "value": "Medical", "called": "Medical", "best": 12, "everybody": 31, "lift": 3.1, "difference": 0.27,
    "interval": [0.12, 0.45], "stands_out": True,
}  # fmt: skip
PROFILE = {
    "of": "account", "basis": "deals", "top": 20, "as_of": None, "best": 38, "everybody": 600,
    "traits": [{"name": "account.industry", "called": "account's industry", "values": [VALUE]}],
}  # fmt: skip
REASON = {"trait": "account.industry", "value": "Medical", "factor": 3.1}
ALIKE = {"subject": 4711, "score": 2.31, "because": [REASON], "against": []}
CHECK = {
    "as_of": "2024-06-15T10:00:00Z", "auc": 0.71, "interval": [0.64, 0.78], "top": 9, "of_top": 31, "won": 24,
    "of_all": 310,
}  # fmt: skip
ASKED = [
    OpenApiParameter("of", str, enum=asking.Of.values, description="Compare accounts or people."),
    OpenApiParameter(
        "basis", str, description=f"{', '.join(customers.Basis.values)}, or `segment:` with the slug of a segment."
    ),
    OpenApiParameter("top", int, enum=asking.TOPS, description="The best so many per cent."),
    OpenApiParameter("as_of", str, description="As of the beginning of a local day, such as 2025-03-31."),
]
MORE = [
    OpenApiParameter("among", str, description="Only those of this segment, by its slug."),
    OpenApiParameter("most", int, enum=asking.MOSTS, description="At most so many."),
]


class ComparedRow(serializers.Serializer[Any]):
    """One value of a trait; the empty one are those of whom it is not known."""

    value = serializers.CharField(allow_blank=True)
    called = serializers.CharField()
    best = serializers.IntegerField(help_text="How many of the best have it.")
    everybody = serializers.IntegerField(help_text="How many of everybody, the best among them.")
    lift = serializers.FloatField(allow_null=True)
    difference = serializers.FloatField(allow_null=True, help_text="Share of the best less share of the others.")
    interval = serializers.ListField(child=serializers.FloatField(), allow_null=True, help_text="95 %, Newcombe.")
    stands_out = serializers.BooleanField()


class TraitRow(serializers.Serializer[Any]):
    """One trait with all its values; they add up to everybody."""

    name = serializers.CharField()
    called = serializers.CharField()
    values = ComparedRow(many=True)


class AskedRow(serializers.Serializer[Any]):
    """What was asked: a segment's slug stands in `basis`."""

    of = serializers.ChoiceField(choices=asking.Of.choices)
    basis = serializers.CharField()
    top = serializers.IntegerField()
    as_of = serializers.DateField(allow_null=True)
    best = serializers.IntegerField(help_text="How many are best.")
    everybody = serializers.IntegerField()


@extend_schema_serializer(many=False, examples=[OpenApiExample("Best customers", PROFILE, response_only=True)])
class ProfileWhole(AskedRow):
    """What the best customers have more often, or more rarely, than everybody."""

    traits = TraitRow(many=True)


class ReasonRow(serializers.Serializer[Any]):
    """One value and how many times as frequent it is among the best as among the others."""

    trait = serializers.CharField()
    value = serializers.CharField()
    factor = serializers.FloatField()


class AlikeRow(serializers.Serializer[Any]):
    """One person or account that is no customer yet, and what speaks for and against."""

    subject = serializers.IntegerField()
    score = serializers.FloatField()
    because = ReasonRow(many=True)
    against = ReasonRow(many=True)


class AlikeCheckRow(serializers.Serializer[Any]):
    """The same ranking a year before, held against who became a customer since; nulls where there is too little."""

    as_of = serializers.DateTimeField()
    auc = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(child=serializers.FloatField(), allow_null=True, help_text="95 %.")
    top = serializers.IntegerField(help_text="Of the tenth ranked first so many became customers.")
    of_top = serializers.IntegerField()
    won = serializers.IntegerField(help_text="So many of all did.")
    of_all = serializers.IntegerField()


@extend_schema_serializer(
    many=False,
    examples=[
        OpenApiExample(
            "Look-alikes",
            {name: value for name, value in PROFILE.items() if name != "traits"} | {"check": CHECK, "results": [ALIKE]},
            response_only=True,
        )
    ],
)
class AlikeWhole(AskedRow):
    """Those who are most like the best customers, the most alike first, as far as the key's user sees them."""

    check = AlikeCheckRow()
    results = AlikeRow(many=True)


class Likeness(Resource):
    """What best customers and look-alikes have in common: the question of the address."""

    scope = "people"
    queryset = Person.objects.none()  # what it reads is computed
    filter_backends = ()
    pagination_class: Any = None
    known: Collection[str] = ("of", "basis", "top", "as_of")

    def question(self) -> Question:
        """The question of the address. Raises Problem for what is not understood."""
        refuse_unknown(self.request, self.known)
        asked = asking.read(self.request.query_params.dict(), self.now)
        if asked.notes:
            raise Problem(400, "not_understood", " ".join(asked.notes))
        return asked.question


class BestCustomers(Likeness):
    """Who the best customers are, and what they have that others have not."""

    @extend_schema(responses=ProfileWhole, parameters=ASKED)
    def list(self, request: Request) -> Response:
        """Read what the best customers have more often than everybody."""
        question = self.question()
        with reading.only(PATIENCE):
            told = profile.answer(question)
        traits = [
            {"name": part.trait.name, "called": str(part.trait.label), "values": [_value(each) for each in part.values]}
            for part in told.parts
        ]
        return etags.answer(request, _asked(told) | {"traits": traits})


class LookAlikes(Likeness):
    """Who is no customer yet, and most like the best ones."""

    known = (*Likeness.known, "among", "most")

    @extend_schema(responses=AlikeWhole, parameters=[*ASKED, *MORE])
    def list(self, request: Request) -> Response:
        """Read who is most like the best customers, and why."""
        question = self.question()
        with reading.only(PATIENCE):
            told = profile.answer(question, scoring=True)
            alike = ranking.answer(told, seen=sight.clause(self.by, Sql("v.subject_id")))
            check = checking.answer(question)
        found = {
            "check": {
                "as_of": check.cut.isoformat(), "auc": check.auc, "interval": check.interval and list(check.interval),
                "top": check.top.hits, "of_top": check.top.of, "won": check.all.hits, "of_all": check.all.of,
            },
            "results": [
                {"subject": each.subject_id, "score": each.score,
                 "because": [_reason(reason) for reason in each.because],
                 "against": [_reason(reason) for reason in each.against]}
                for each in alike
            ],
        }  # fmt: skip
        return etags.answer(request, _asked(told) | found)


def _asked(told: Profile) -> dict[str, Any]:
    question = told.question
    return {
        "of": question.of, "basis": f"segment:{question.segment.slug}" if question.segment else question.basis,
        "top": question.top, "as_of": question.day and question.day.isoformat(), "best": told.best,
        "everybody": told.everybody,
    }  # fmt: skip


def _value(each: profile.Value) -> dict[str, Any]:
    difference = each.difference
    return {
        "value": each.value, "called": each.label, "best": each.best.hits, "everybody": each.everybody.hits,
        "lift": each.lift, "difference": difference.value,
        "interval": difference.interval and list(difference.interval),
        "stands_out": each.stands_out,
    }  # fmt: skip


def _reason(reason: ranking.Reason) -> dict[str, Any]:
    return {"trait": reason.trait.name, "value": reason.value, "factor": round(reason.factor, 3)}
