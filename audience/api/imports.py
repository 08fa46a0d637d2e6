"""Imports over the API: a file is sent, read in a job, and answered for row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audience import importing
from audience.importing import formats, rollback, saved
from audience.models import Import, Reject
from audience.subjects import sight
from kit import exports
from kit.api import files
from kit.api.decoding import StrictJSON, decoded
from kit.api.jobs import JobRow
from kit.api.problems import Problem
from kit.api.schema import described, example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from kit.models import Job

MAPPING = {
    "type": "object",
    "description": "Which field each column becomes: `{column: field}` or `{column: [fields]}`; `{\"=value\": field}` "
    "is a fixed value. What is left out is not brought in. Without a mapping it is guessed.",
    "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}  # fmt: skip
SHOWN = {
    "id": 9, "kind": "people", "file_name": "leads.csv", "source": "crm", "policy": "upsert", "dry_run": False,
    "encoding": "utf-8", "delimiter": ",", "header": ["Id", "Email"],
    "mapping": {"Id": ["external_id"], "Email": ["email"]}, "size": 48213,
    "counts": {"rows": 950, "created": 900, "updated": 30, "unchanged": 15, "skipped": 0, "repeated": 2, "rejected": 3},
    "created_by": "sync@example.com", "created_at": "2025-06-02T11:30:00Z", "finished_at": "2025-06-02T11:30:05Z",
    "job": None, "rollback": None, "rolled_back_at": None,
}  # fmt: skip
STAYS = [{"why": "messages", "number": 10}]
LINE = {"table": "person", "values": False, "label": "People", "goes": 890, "stays": STAYS}


@example(SHOWN)
class ImportRow(Row):
    """One file that is brought in, or was: how it is read, what became of its rows, and its job."""

    mapping = described(serializers.SerializerMethodField, MAPPING)()
    counts = serializers.SerializerMethodField(help_text="What became of its rows; empty until they were read.")
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)
    job = JobRow(read_only=True, allow_null=True)
    rollback = JobRow(read_only=True, allow_null=True, help_text="The job that takes it back, once it was asked for.")

    class Meta:
        model = Import
        fields = tuple(SHOWN)
        read_only_fields = fields

    def get_mapping(self, imported: Import) -> dict[str, Any]:
        return dict(imported.mapping.get("columns", {}))

    def get_counts(self, imported: Import) -> dict[str, int]:
        return importing.counts_of(imported)


BY_COLUMN = {"type": "object", "additionalProperties": {"type": "string"}}
VALUES = {
    "type": "object",
    "description": 'By column: what a value of the file becomes, "" for nothing.',
    "additionalProperties": BY_COLUMN,
}
OPTIONS = ("date_order", "create_people", "values", "dates", "numbers", "zones")


def is_fields(value: Any) -> Any:
    """A mapping as it was told, also as text in a form. Raises ValidationError for what is none."""
    told = _object(value)
    if not isinstance(told, dict) or not all(_is_fields(each) for each in told.values()):
        raise serializers.ValidationError(_("It is an object of columns and fields."), "bad_mapping")
    return told


def formats_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of what was told that are options of a mapping."""
    return {name: given[name] for name in OPTIONS if name in given}


class FormatsGiven(Strict):
    """How a file writes dates and numbers, and which of its values mean others."""

    date_order = serializers.ChoiceField(
        choices=formats.ORDERS, required=False, help_text="Of dates with the year last; seen from the values else."
    )
    values = described(serializers.JSONField, VALUES)(required=False)
    dates = described(serializers.JSONField, {**BY_COLUMN, "description": "By column: dmy or mdy."})(required=False)
    numbers = described(
        serializers.JSONField, {**BY_COLUMN, "description": "By column: comma or point, cents or micros."}
    )(required=False)
    zones = described(
        serializers.JSONField, {**BY_COLUMN, "description": "By column: the zone of times without an offset."}
    )(required=False)

    def validate(self, attrs: Any) -> Any:
        for name in ("values", "dates", "numbers", "zones"):
            if name in attrs:
                attrs[name] = _object(attrs[name])
                if not isinstance(attrs[name], dict):
                    raise serializers.ValidationError(
                        {name: [_("It is an object, told column by column.")]}, "wrong_type"
                    )
        return attrs


def _object(value: Any) -> Any:
    return decoded(value.encode()) if isinstance(value, str) else value


class _How(FormatsGiven):
    """How the file is to be read."""

    policy = serializers.ChoiceField(choices=Import.Policy.choices, required=False)
    dry_run = serializers.BooleanField(required=False, help_text="Say what would become of the rows, and write none.")
    mapping = described(serializers.JSONField, MAPPING)(required=False)
    create_people = serializers.BooleanField(
        required=False, help_text="Make people of whom rows speak and whom nobody knows. Yes, unless it is said."
    )

    def validate_mapping(self, value: Any) -> Any:
        return is_fields(value)


def _is_fields(said: Any) -> bool:
    return isinstance(said, str) or (isinstance(said, list) and all(isinstance(each, str) for each in said))


class ImportGiven(_How):
    """A file of rows, of which kind they are, and which system it is from."""

    file = serializers.FileField(
        allow_empty_file=True, help_text="CSV, also gzipped, or a workbook (.xlsx); its encoding is found out."
    )
    kind = serializers.CharField(
        required=False,
        default="",
        help_text="Such as people, accounts, activities, deals; else found out, or refused as `unknown_kind`.",
    )
    saved_mapping = serializers.CharField(
        required=False, max_length=saved.LONGEST_NAME, help_text="The name of a mapping that is kept: read it by that."
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=64, default="file", help_text="The system that the file is from: external ids are its own."
    )
    name = serializers.CharField(required=False, max_length=255, help_text="What the file is called.")
    sheet = serializers.CharField(
        required=False, default="", max_length=100, help_text="Of a workbook; else the first that says something."
    )


@example({"policy": "upsert", "dry_run": False})
class ImportBegin(_How):
    """How it is to be read this time; what is left out stays as it was tried."""


class _Stays(serializers.Serializer[Any]):
    why = serializers.CharField()
    number = serializers.IntegerField()


@example(LINE)
class RollbackLine(serializers.Serializer[Any]):
    """What becomes of the rows that an import made in one table, or of the values that it changed there."""

    table = serializers.SerializerMethodField()
    values = serializers.BooleanField(help_text="Of values that it changed, else of rows that it made.")
    label = serializers.CharField()  # type: ignore[assignment]
    goes = serializers.IntegerField(help_text="How many rows go, or values return.")
    stays = serializers.SerializerMethodField()

    def get_table(self, line: rollback.Line) -> str:
        return line.table.partition("_")[2]

    def get_stays(self, line: rollback.Line) -> list[dict[str, Any]]:
        return [{"why": why, "number": number} for why, number in line.stays]


@example({"job": 91, "state": "queued"})
class PreviewBegun(serializers.Serializer[Any]):
    """The job that works a preview out."""

    job = serializers.IntegerField()
    state = serializers.CharField()


class ImportFilters(django_filters.FilterSet):
    """What the list of imports can be narrowed by."""

    q = django_filters.CharFilter("file_name", lookup_expr="icontains", help_text="A part of the file's name.")
    kind = django_filters.CharFilter("kind")
    source = django_filters.CharFilter("source")
    state = django_filters.CharFilter("job__state")

    class Meta:
        model = Import
        fields: ClassVar[list[str]] = []


IN_ADDRESS = [
    OpenApiParameter(name, str, description=f"With a body of text/csv: {about}")
    for name, about in (
        ("kind", "what the rows are."), ("source", "the system that the file is from."), ("name", "what it is called."),
        ("policy", "as in the form."), ("dry_run", "true or false."), ("mapping", "as JSON."),
        ("saved_mapping", "as in the form."), ("sheet", "as in the form."), ("date_order", "as in the form."),
        ("values", "as JSON."), ("dates", "as JSON."), ("numbers", "as JSON."), ("zones", "as JSON."),
        ("create_people", "true or false."),
    )
]  # fmt: skip


class Imports(Listed, Shown):
    """Files that were brought in, or are under way."""

    scope = "imports"
    right = "edit"
    queryset = Import.objects.select_related("created_by", "job__created_by", "rollback__created_by")
    serializer_class = ImportRow
    filterset_class = ImportFilters
    parser_classes = (files.Form, files.Csv, StrictJSON)
    parameters = tuple(parameter.name for parameter in IN_ADDRESS)
    orderings = ("pk", "created_at")
    follows = ("counts", "finished_at", "job", "rollback", "rolled_back_at")
    lookup_value_converter = "int"

    @extend_schema(
        request={"multipart/form-data": ImportGiven, "text/csv": OpenApiTypes.BINARY},
        responses={202: ImportRow},
        parameters=IN_ADDRESS,
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Bring a file in. 202 with its job; ask again for the counts. A bare CSV is told of in the address."""
        told = {**request.query_params.dict(), **_single(request.data)}
        serializer = ImportGiven(data=told)
        serializer.is_valid(raise_exception=True)
        given = dict(serializer.validated_data)
        file = given["file"]
        if "saved_mapping" in given:
            return self.begun(self._by_saved(given))
        imported = importing.start(
            file,
            given["kind"],
            mapping=given.get("mapping"),
            policy=given.get("policy", Import.Policy.UPSERT),
            dry_run=given.get("dry_run", False),
            source=given["source"],
            by=self.by,
            now=self.now,
            name=given.get("name") or file.name,
            options=formats_of(given),
            sheet=given["sheet"],
        )
        return self.begun(imported)

    def _by_saved(self, given: Mapping[str, Any]) -> Import:
        """A file that is read by a mapping that is kept. Raises what the verbs raise; then nothing is kept."""
        kept, file = saved.named(given["saved_mapping"]), given["file"]
        if told := {"mapping", "policy", *OPTIONS} & set(given):
            raise Problem(400, "told_twice", _("The mapping that is kept says that already."), field=min(told))
        imported = importing.upload(
            file, kept.kind, source=kept.source, by=self.by, now=self.now, name=given.get("name") or file.name,
            sheet=given["sheet"],
        )  # fmt: skip
        try:
            saved.begin(imported, kept, dry_run=given.get("dry_run", False), by=self.by, now=self.now)
        except importing.Refused:
            importing.discard(imported)
            raise
        return imported

    @extend_schema(request=ImportBegin, responses={202: ImportRow})
    @action(methods=["post"], detail=True)
    def begin(self, request: Request, pk: int) -> Response:
        """Bring in what was tried by a dry run, or try it once more. 409 while it is under way or when it is done."""
        imported, given = self.get_object(), self.given(ImportBegin)
        importing.begin(
            imported,
            mapping=given.get("mapping", imported.mapping["columns"]),
            policy=given.get("policy", imported.policy),
            dry_run=given.get("dry_run", False),
            options={**imported.mapping["options"], **formats_of(given)},
            by=self.by,
            now=self.now,
        )
        return self.begun(imported)

    @extend_schema(responses=RollbackLine(many=True), operation_id="imports_rollback_preview")
    @action(
        methods=["get"], detail=True, url_path="rollback", pagination_class=None, filterset_class=None, bodiless=True
    )
    def foreseen(self, request: Request, pk: int) -> Response:
        """Say what rolling the import back would do: now, or of a large one as its last preview found.

        409 when it cannot be rolled back, and `preview_needed` while no preview of a large one has been worked out.
        """
        imported = self.get_object()
        if rollback.is_quick(imported):
            lines = rollback.preview(imported, now=self.now)
        elif refused := rollback.refusal(imported):
            raise refused
        else:
            job = rollback.foreseen(imported)
            if job is None or job.state != Job.State.DONE:
                said = _(
                    "It is too large to be told at once. POST to rollback/preview/; ask again when its job is done."
                )
                raise Problem(409, "preview_needed", said, job=job.pk if job else None)
            lines = rollback.lines_foreseen(job)
        return Response(RollbackLine(lines, many=True).data)

    @extend_schema(request=None, responses={202: PreviewBegun}, operation_id="imports_rollback_foresee")
    @action(methods=["post"], detail=True, url_path="rollback/preview", bodiless=True)
    def foresee(self, request: Request, pk: int) -> Response:
        """Have it worked out what rolling a large import back would do. 202 with its job; one does it at a time."""
        job = rollback.foresee(self.get_object(), by=self.by, now=self.now)
        return Response({"job": job.pk, "state": job.state}, status=202)

    @extend_schema(request=None, responses={202: ImportRow}, operation_id="imports_rollback")
    @foreseen.mapping.post
    def roll_back(self, request: Request, pk: int) -> Response:
        """Take a whole import back: what it made goes, what it changed returns, what others built upon stays."""
        imported = self.get_object()
        rollback.begin(imported, by=self.by, now=self.now)
        return self.begun(imported)

    def begun(self, imported: Import) -> Response:
        answer = self.answer(imported, 202)
        answer["Location"] = reverse("api:imports-detail", args=[imported.pk])
        return answer


def _single(data: Any) -> Mapping[str, Any]:
    """The fields of a form, each once."""
    if not isinstance(data, Mapping):
        raise Problem(400, "invalid", _("Send a form with a file, or a file of text/csv."))
    return data.dict() if hasattr(data, "dict") else data


@example({"row": 17, "column": "Email", "reason": "is no email address", "raw": ["0031", "ann@"]})
class RejectRow(Row):
    """One row that was refused; the header is row 1."""

    reason = serializers.SerializerMethodField()
    raw = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Reject
        fields = ("row", "column", "reason", "raw")
        read_only_fields = fields

    def get_reason(self, reject: Reject) -> str:
        return _(reject.reason)


class AsksForCsv(JSONRenderer):
    """Lets a program ask for text/csv. The file is an answer of its own; what is rendered is a problem."""

    media_type = "text/csv"
    format = "csv"


class Rejects(Listed):
    """The rows of an import that were refused; as JSON page by page, or as a file of CSV."""

    scope = "imports"
    right = "edit"
    queryset = Reject.objects.all()
    serializer_class = RejectRow
    orderings = ("row",)

    def get_queryset(self) -> QuerySet[Any]:
        # They are of people who may belong to nobody, so they are for those who see everybody.
        if not sight.everything(self.by):
            raise Http404
        return get_object_or_404(Import.objects.all(), pk=self.kwargs["imported"]).rejects.all()

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY}, operation_id="imports_rejects_csv")
    @action(methods=["get"], detail=False, url_path="csv", renderer_classes=[JSONRenderer, AsksForCsv])
    def as_csv(self, request: Request, imported: int) -> Any:
        """Read the refused rows as a file: their columns as they were, with number, column and reason before them."""
        count = self.get_queryset().count()  # which refuses whoever may not see them
        header, lines = importing.rejected(get_object_or_404(Import.objects.all(), pk=imported))
        return exports.download(request._request, f"rejected-{imported}", header, lines, count=count, now=self.now)
