"""Segments over the API: made, changed, asked who is in them and why; fixed lists filled and emptied."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from audience import live, segments
from audience.api.conditions import ASKED, Condition
from audience.conditions import describe, registry, tree
from audience.conditions.explain import Explanation
from audience.conditions.tree import ConditionError
from audience.models import Account, Field, Person, Segment, SegmentMember
from audience.segments import stays
from audience.subjects import filters, sight
from kit.api import jobs
from kit.api.filtering import refuse_unknown
from kit.api.paging import whole_number
from kit.api.problems import Problem
from kit.api.schema import example, shape
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown
from kit.sql import Sql, sql

LATELY = timedelta(days=30)
MOST_IDS = 100_000  # in one request
LARGEST_ID = 2**63 - 1
SHOWN = {
    "slug": "active-germans", "name": "Active Germans", "of": "person", "kind": "dynamic", "condition": ASKED,
    "sentence": "country is DE and at least 3 activities (kind page_visited) in the last 30 days", "size": 214,
    "entered": 31, "left": 12, "held_back_at": None, "failed_at": None, "failure": "", "job": None,
    "created_by": "ada@example.com", "created_at": "2025-06-02T11:30:00Z", "updated_at": "2025-06-02T11:30:00Z",
}  # fmt: skip


@example(SHOWN)
class SegmentRow(Row):
    """One named condition, or fixed list, of people or of accounts."""

    condition = Condition(read_only=True, allow_null=True)
    sentence = serializers.SerializerMethodField(help_text="The condition in words.")
    size = serializers.IntegerField(read_only=True, help_text="How many are in it now.")
    entered = serializers.IntegerField(read_only=True, help_text="How many entered in thirty days.")
    left = serializers.IntegerField(read_only=True, help_text="How many left in thirty days.")
    job = serializers.IntegerField(
        source="job_id", read_only=True, allow_null=True, help_text="The job that last brought all of it up to date."
    )
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Segment
        fields = tuple(SHOWN)
        read_only_fields = fields

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.catalogues = {of: registry.catalogue(of) for of in Field.Of.values}  # each reads its fields once

    def get_sentence(self, segment: Any) -> str:
        return _sentence(segment, self.catalogues[segment.of])


def _sentence(segment: Segment, catalogue: registry.Catalogue) -> str:
    if segment.condition is None:
        return ""
    try:
        return describe.sentence(tree.parse(segment.condition, of=segment.of, catalogue=catalogue))
    except ConditionError as error:
        return error.message


@example({"name": "Active Germans", "of": "person", "condition": ASKED})
class SegmentNew(Strict):
    """A segment by `condition`; or a fixed list of `members`."""

    name = serializers.CharField(max_length=200)
    of = serializers.ChoiceField(choices=Field.Of.choices, default=Field.Of.PERSON)
    condition = Condition(required=False)
    members = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False, max_length=MOST_IDS
    )

    def validate(self, attrs: Any) -> Any:
        if ("condition" in attrs) == ("members" in attrs):
            raise serializers.ValidationError({"condition": [_("Give either a condition or members.")]}, "required")
        return attrs


@example({"name": "Active in Germany", "condition": ASKED})
class SegmentChange(Strict):
    """Another name or condition; what is left out stays."""

    name = serializers.CharField(max_length=200, required=False)
    condition = Condition(required=False)


EXPLANATION = shape(
    "Explanation",
    {
        "type": "object",
        "required": ["sentence", "held", "found", "word", "parts"],
        "properties": {
            "sentence": {"type": "string"},
            "held": {"type": "boolean"},
            "found": {"type": ["string", "null"], "description": "The value of a single question; null: unknown."},
            "word": {"type": "string", "enum": ["all", "any", "not", ""]},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Explanation"}},
        },
    },
)


@example({
    "subject": 4711, "is_in": True, "since": "2025-06-02T11:30:04Z",
    "why": {"sentence": "country is DE", "held": True, "found": "DE", "word": "", "parts": []},
})  # fmt: skip
class Why(serializers.Serializer[Any]):
    """Whether somebody is in a segment, since when, and which part of the condition holds now (null for a list)."""

    subject = serializers.IntegerField()
    is_in = serializers.BooleanField()
    since = Instant(allow_null=True)
    why = serializers.JSONField(allow_null=True)


Why._declared_fields["why"]._spectacular_annotation = {"field": EXPLANATION}  # type: ignore[attr-defined]


class Segments(Listed, Shown):
    """Named groups of people or accounts."""

    scope = "segments"
    right = "edit"
    serializer_class = SegmentRow
    filterset_class = filters.Segments
    queryset = Segment.objects.all()
    orderings = ("pk", "name", "updated_at")
    lookup_field = "slug"
    follows = ("size", "entered", "left", "held_back_at", "failed_at", "failure", "job", "sentence")

    def get_queryset(self) -> QuerySet[Any]:
        return stays.with_sizes(Segment.objects.select_related("created_by"), since=self.now - LATELY)

    @extend_schema(request=SegmentNew, responses={201: SegmentRow})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a segment. One by condition is filled at once, or by its `job` if that takes long."""
        given = self.given(SegmentNew)
        making: dict[str, Any] = {"of": given["of"], "by": self.by, "now": self.now}
        if "condition" in given:
            made = segments.create(given["name"], condition=given["condition"], **making)
        else:
            made = segments.create_list(given["name"], members=these(given["members"]), **making)
        return self.answer(made, 201)

    @extend_schema(request=SegmentChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a segment. Who belongs to it by another condition is found at once, or by its `job`."""
        held, given = self.locked(), self.given(SegmentChange)
        if "condition" in given and held.kind == Segment.Kind.STATIC:
            raise Problem(409, "fixed_list", _("A fixed list has no condition."), field="condition")
        segments.change(
            held,
            label=given.get("name", held.name),
            condition=given.get("condition", held.condition),
            by=self.by,
            now=self.now,
        )
        return self.answer(held)

    @extend_schema(responses={204: None})
    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a segment with its history. 409 while it is in use."""
        segments.delete(self.locked(), by=self.by, now=self.now)
        return Response(status=204)

    @extend_schema(request=None, responses={200: SegmentRow, 202: jobs.JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def refresh(self, request: Request, slug: str) -> Response:
        """Compare everybody with the condition again. 202 with a job when that takes long."""
        return self.filled(segments.fill)

    @extend_schema(request=None, responses={200: SegmentRow, 202: jobs.JobRow})
    @action(methods=["post"], detail=True, url_path="let-leave", bodiless=True)
    def let_leave(self, request: Request, slug: str) -> Response:
        """Let those leave who were held back, because so many would have left at once."""
        return self.filled(segments.let_leave)

    def filled(self, verb: Any) -> Response:
        segment = self.get_object()
        if segment.kind == Segment.Kind.STATIC:
            raise Problem(409, "fixed_list", _("A fixed list has no condition."))
        if verb(segment, by=self.by, now=self.now) is None and segment.job is not None:
            return jobs.accepted(segment.job)
        return self.answer(segment)

    @extend_schema(
        responses=Why, parameters=[OpenApiParameter("subject", int, required=True, description="Whose number it is.")]
    )
    @action(methods=["get"], detail=True)
    def why(self, request: Request, slug: str) -> Response:
        """Say why somebody is in a segment or not."""
        refuse_unknown(request, {"subject"})
        segment = get_object_or_404(self.get_queryset(), slug=slug)
        pk = whole_number(request, "subject", usual=0, most=LARGEST_ID)
        subjects: Any = Person.objects.all() if segment.of == "person" else Account.objects.all()
        sight.get(subjects, self.by, pk=pk, erased_at=None)
        stay = stays.in_it_now(segment).filter(subject_id=pk).first()
        told = segments.why(segment, pk, at=self.now + live.INSTANT)
        shown = {
            "subject": pk, "is_in": stay is not None, "since": stay.entered_at if stay else None,
            "why": _explained(told) if told else None,
        }  # fmt: skip
        return Response(Why(shown).data)


def _explained(told: Explanation) -> dict[str, Any]:
    return {
        "sentence": told.sentence, "held": told.held, "found": told.found, "word": told.word,
        "parts": [_explained(each) for each in told.parts],
    }  # fmt: skip


def these(ids: Collection[int]) -> Sql:
    """The statement of these numbers."""
    return sql("SELECT unnest({}::bigint[]) AS subject_id", list(ids))


@example({"subject": 4711, "entered_at": "2025-06-02T11:30:04Z"})
class MemberRow(Row):
    """One person or account that is in a segment now."""

    subject = serializers.IntegerField(source="subject_id", read_only=True)

    class Meta:
        model = SegmentMember
        fields = ("subject", "entered_at")
        read_only_fields = fields


@example({"add": [4711, 4712], "remove": [4705]})
class MembersGiven(Strict):
    """Whom to put into a fixed list, and whom to take out, by number."""

    add = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), default=list, max_length=MOST_IDS
    )
    remove = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), default=list, max_length=MOST_IDS
    )


@example({"added": 2, "removed": 1, "size": 215})
class MembersAnswer(serializers.Serializer[Any]):
    """How many were not in it, how many were, and how many are now."""

    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    size = serializers.IntegerField()


class Members(Listed):
    """Who is in a segment now."""

    scope = "segments"
    right = "edit"
    queryset = SegmentMember.objects.all()
    serializer_class = MemberRow
    orderings = ("subject_id",)  # as the index of who is in it now has them

    def segment(self) -> Segment:
        return get_object_or_404(Segment.objects.all(), slug=self.kwargs["segment"])

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(stays.in_it_now(self.segment()), self.by)

    @extend_schema(request=MembersGiven, responses=MembersAnswer)
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Put people or accounts into a fixed list, and take others out. Numbers of nobody are passed over."""
        segment, given = self.segment(), self.given(MembersGiven)
        if segment.kind != Segment.Kind.STATIC:
            raise Problem(409, "by_condition", _("Who is in it, its condition says. Only a fixed list is filled."))
        removed = segments.remove(segment, these(given["remove"]), now=self.now)
        added = segments.add(segment, these(given["add"]), now=self.now)
        return Response({"added": added, "removed": removed, "size": stays.in_it_now(segment).count()})
