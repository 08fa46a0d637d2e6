"""Duplicates and merges over the API: who may be the same, two made one, and parted again."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience import merging
from audience.merging import duplicates
from audience.models import Account, Duplicate, Field, Merge, Person
from audience.subjects import sight
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown

MODELS: dict[str, type[Person] | type[Account]] = {"person": Person, "account": Account}
LARGEST_ID = 2**63 - 1
SHOWN = {
    "id": 17, "of": "person", "survivor": 4711, "merged": 5012, "moved": {"activities": 12, "notes": 1},
    "merged_at": "2025-06-02T11:30:00Z", "merged_by": "ada@perennial.example", "undone_at": None, "undone_by": None,
    "undoable": True, "refusal": "",
}  # fmt: skip
OURS, THEIRS = "survivor", "merged"


@example({"rule": "phone", "evidence": "+4930901820"})
class Reason(serializers.Serializer[Any]):
    """One rule by which two may be the same, and what they have in common by it."""

    rule = serializers.CharField()
    evidence = serializers.CharField()


@example({
    "id": 31, "of": "person", "one": 4711, "other": 5012, "confidence": 85,
    "why": [{"rule": "phone", "evidence": "+4930901820"}], "found_at": "2025-06-02T03:37:00Z",
})  # fmt: skip
class DuplicateRow(Row):
    """Two people, or two accounts, that may be one and the same."""

    one = serializers.IntegerField(source="one_id", read_only=True, help_text="The lower number of the two.")
    other = serializers.IntegerField(source="other_id", read_only=True)
    why = Reason(many=True, read_only=True)

    class Meta:
        model = Duplicate
        fields = ("id", "of", "one", "other", "confidence", "why", "found_at")
        read_only_fields = fields


class DuplicateFilters(django_filters.FilterSet):
    """What the list of duplicates can be narrowed by."""

    of = django_filters.ChoiceFilter(choices=Field.Of.choices, help_text="People or accounts.")

    class Meta:
        model = Duplicate
        fields: list[str] = []


class Duplicates(Listed, Shown):
    """Pairs that wait to be looked at: merge them, or say that they are two."""

    scope = "people"
    right = "merge"
    queryset = Duplicate.objects.filter(state=Duplicate.State.OPEN)
    serializer_class = DuplicateRow
    filterset_class = DuplicateFilters
    orderings = ("pk", "confidence")

    def get_queryset(self) -> QuerySet[Any]:
        return duplicates.waiting(self.by)

    @extend_schema(request=None, responses={204: None})
    @action(methods=["post"], detail=True, url_path="not-the-same", bodiless=True)
    def not_the_same(self, request: Request, pk: int) -> Response:
        """Say that these two are not the same. The pair is not found again."""
        duplicates.say_two(self.get_object(), by=self.by, now=self.now)
        return Response(status=204)


@example(SHOWN)
class MergeRow(Row):
    """One merge: `merged` went into `survivor`; `undone_at` says when they were parted again."""

    survivor = serializers.IntegerField(source="survivor_id", read_only=True)
    merged = serializers.IntegerField(source="merged_id", read_only=True)
    moved = serializers.DictField(child=serializers.IntegerField(), read_only=True, help_text="How many rows of what.")
    merged_by = serializers.EmailField(source="merged_by.email", default=None, read_only=True, allow_null=True)
    undone_by = serializers.EmailField(source="undone_by.email", default=None, read_only=True, allow_null=True)
    undoable = serializers.SerializerMethodField(help_text="Whether it can be undone now.")
    refusal = serializers.SerializerMethodField(help_text="Why not, in words.")

    class Meta:
        model = Merge
        fields = tuple(SHOWN)
        read_only_fields = fields

    def get_undoable(self, row: Merge) -> bool:
        return merging.part_refusal(row) is None

    def get_refusal(self, row: Merge) -> str:
        return str(merging.part_refusal(row) or "")


@example({"of": "person", "survivor": 4711, "merged": 5012, "take": {"phone": "merged", "custom.plan": "survivor"}})
class MergeNew(Strict):
    """Two to make one of. `take` says for a field whose value survives, where the rule is not wanted."""

    of = serializers.ChoiceField(choices=Field.Of.choices, default=Field.Of.PERSON)
    survivor = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="Whose number stays.")
    merged = serializers.IntegerField(min_value=1, max_value=LARGEST_ID, help_text="Who goes into the other.")
    take = serializers.DictField(
        child=serializers.ChoiceField(choices=[OURS, THEIRS]), required=False, help_text="By name of field."
    )


class MergeFilters(django_filters.FilterSet):
    """What the list of merges can be narrowed by."""

    survivor = django_filters.NumberFilter(field_name="survivor_id", help_text="The number of who stayed.")
    merged = django_filters.NumberFilter(field_name="merged_id", help_text="The number of who went.")

    class Meta:
        model = Merge
        fields: list[str] = []


class Merges(Listed, Shown):
    """Merges, the standing ones and those that were undone."""

    scope = "people"
    right = "merge"
    queryset = Merge.objects.select_related("merged_by", "undone_by")
    serializer_class = MergeRow
    filterset_class = MergeFilters
    orderings = ("pk", "merged_at")

    def get_queryset(self) -> QuerySet[Any]:
        return sight.subjects(super().get_queryset(), self.by, "survivor_id")

    @extend_schema(request=MergeNew, responses={201: MergeRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make one of two. 409 with the reason when they cannot be."""
        given = self.given(MergeNew)
        survivor = self._subject(given["of"], given["survivor"], "survivor")
        other = self._subject(given["of"], given["merged"], "merged")
        chosen = {field: said == THEIRS for field, said in given.get("take", {}).items()}
        if unknown := sorted(set(chosen) - {each.name for each in merging.compare(survivor, other).choices}):
            said = _("Neither of the two has a value of “%(field)s”.") % {"field": unknown[0][:100]}
            raise Problem(400, "unknown_field", said, field=f"take.{unknown[0][:100]}")
        made = merging.merge(survivor, other, chosen=chosen, by=self.by, now=self.now)
        return self.answer(made, 201)

    def _subject(self, of: str, pk: int, field: str) -> Any:
        try:
            return sight.get(MODELS[of].objects.all(), self.by, pk=pk)
        except Http404 as nobody:
            raise Problem(400, f"unknown_{of}", _("Nobody whom you see is known by this."), field=field) from nobody

    @extend_schema(request=None, responses=MergeRow)
    @action(methods=["post"], detail=True, bodiless=True)
    @transaction.atomic
    def undo(self, request: Request, pk: int) -> Response:
        """Part two who were made one: each has again what was theirs. 409 with the reason when that cannot be."""
        return self.answer(merging.part(self.get_object(), by=self.by, now=self.now))
