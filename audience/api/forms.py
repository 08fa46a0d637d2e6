"""Forms over the API: what they ask and how they do, and what was sent."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import get_object_or_404

from audience.models import Form, Submission
from audience.subjects import sight
from audience.webforms import asking, counting
from kit import installation
from kit.api.schema import described, example
from kit.api.serializers import Row
from kit.api.views import Listed, Rows, Shown

OBJECT = {"type": "object", "additionalProperties": True}
ANSWERS = {"email": "ada@example.com", "first_name": "Ada", "custom.hobby": "falconry"}


class QuestionRow(serializers.Serializer[Any]):
    """One question: the field of a person that it fills, and how it is put."""

    field = serializers.CharField(help_text="Such as email, first_name or custom.hobby.")
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    required = serializers.BooleanField()  # type: ignore[assignment]
    when = serializers.CharField(help_text="always, later (of who comes back), or hidden (set to `value`).")
    value = serializers.CharField(allow_blank=True)


class BoxRow(serializers.Serializer[Any]):
    """A topic that can be agreed to, and in which words."""

    topic = serializers.CharField()
    wording = serializers.CharField()


@example({
    "slug": "newsletter", "name": "Newsletter", "state": "published", "edition": 2,
    "address": "https://mail.example.com/f/Zt3yq1xWc0Aa/", "views": 900, "submissions": 120, "people": 118,
    "refused": 14,
    "questions": [{"field": "email", "label": "", "required": True, "when": "always", "value": ""}],
    "boxes": [{"topic": "news", "wording": "Yes, send me news."}], "created_at": "2025-06-02T11:30:00Z",
})  # fmt: skip
class FormRow(Row):
    """One form, as it is published, and how it does."""

    edition = serializers.IntegerField(source="edition.number", default=None, read_only=True, allow_null=True)
    address = serializers.SerializerMethodField(help_text="Of its own page; where forms on other pages are sent, too.")
    views = serializers.IntegerField(source="figures.views", read_only=True)
    submissions = serializers.IntegerField(source="figures.submissions", read_only=True)
    people = serializers.IntegerField(source="figures.people", read_only=True)
    refused = serializers.IntegerField(source="figures.refused", read_only=True)
    questions = serializers.SerializerMethodField()
    boxes = serializers.SerializerMethodField()

    class Meta:
        model = Form
        fields = (
            "slug", "name", "state", "edition", "address", "views", "submissions", "people", "refused", "questions",
            "boxes", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_address(self, form: Form) -> str:
        return installation.address() + reverse("form_page", args=[form.public_id])

    @extend_schema_field(QuestionRow(many=True))
    def get_questions(self, form: Form) -> list[dict[str, Any]]:
        names = ("field", "label", "required", "when", "value")
        return [{name: getattr(each, name) for name in names} for each in _asked(form).questions]

    @extend_schema_field(BoxRow(many=True))
    def get_boxes(self, form: Form) -> list[dict[str, Any]]:
        return [vars(each) for each in _asked(form).boxes]


def _asked(form: Form) -> asking.Asked:
    return asking.read(form.edition.asked if form.edition else {})


class Forms(Listed, Shown):
    """Forms that people fill in on the web."""

    scope = "forms"
    queryset = Form.objects.select_related("edition")
    serializer_class = FormRow
    lookup_field = "slug"
    follows = ("views", "submissions", "people", "refused")

    def prepare(self, rows: Rows) -> Rows:
        told = counting.figures(rows)
        for row in rows:
            row.figures = told[row.pk]
        return rows

    def shown(self, row: Any) -> dict[str, Any]:
        return super().shown(*self.prepare([row]))


@example({
    "id": 77, "person": 4711, "edition": 2, "answers": ANSWERS, "origin": {"utm_source": "fair"}, "embedded": False,
    "asks_confirmation": True, "confirmed_at": None, "occurred_at": "2025-06-02T11:30:00Z",
})  # fmt: skip
class SubmissionRow(Row):
    """One time that a form was sent: by whom, and what was answered."""

    edition = serializers.IntegerField(source="edition.number", read_only=True)
    answers = described(serializers.JSONField, OBJECT)(read_only=True, help_text="By field.")
    origin = described(serializers.JSONField, OBJECT)(read_only=True, help_text="Tags of the address, page, referrer.")
    embedded = serializers.BooleanField(read_only=True, help_text="Sent from a page of a site of yours.")
    asks_confirmation = serializers.BooleanField(read_only=True, help_text="A mail was to be confirmed.")

    class Meta:
        model = Submission
        fields = (
            "id", "person", "edition", "answers", "origin", "embedded", "asks_confirmation", "confirmed_at",
            "occurred_at",
        )  # fmt: skip
        read_only_fields = fields


class Submissions(Listed):
    """What was sent by a form."""

    scope = "forms"
    queryset = Submission.objects.select_related("edition")
    serializer_class = SubmissionRow

    def get_queryset(self) -> QuerySet[Submission]:
        form = get_object_or_404(Form, slug=self.kwargs["form"])
        return sight.people(self.queryset.filter(form=form), self.by, "person_id")
