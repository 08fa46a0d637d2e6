"""Forms over the API: what they ask and how they do, and what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from audience.models import Form, Submission
from audience.subjects import sight
from audience.webforms import asking, counting, drafts, editing
from kit import installation
from kit.api.schema import described, example
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Rows, Shown

OBJECT = {"type": "object", "additionalProperties": True}
EMAIL_ASKED = {
    "field": "email", "label": "", "help": "", "required": True, "when": "always", "value": "", "after": "",
    "answer": "",
}  # fmt: skip
ANSWERS = {"email": "ada@example.com", "first_name": "Ada", "custom.hobby": "falconry"}


class QuestionRow(Strict):
    """One question: the field of a person that it fills, and how it is put."""

    field = serializers.CharField(max_length=80, help_text="Such as email, company, first_name or custom.hobby.")
    label = serializers.CharField(allow_blank=True, required=False, max_length=200)  # type: ignore[assignment]
    help = serializers.CharField(allow_blank=True, required=False, max_length=300)
    required = serializers.BooleanField(required=False)  # type: ignore[assignment]
    when = serializers.ChoiceField(
        choices=list(asking.WHEN),
        required=False,
        help_text="always, later (of who comes back), hidden (set to `value`).",
    )
    value = serializers.CharField(allow_blank=True, required=False, max_length=500)
    after = serializers.CharField(
        allow_blank=True, required=False, max_length=80,
        help_text="Put only to those who answer this earlier question with `answer`, or (empty) at all.",
    )  # fmt: skip
    answer = serializers.CharField(allow_blank=True, required=False, max_length=200)


class BoxRow(Strict):
    """A topic that can be agreed to, and in which words."""

    topic = serializers.CharField(max_length=64)
    wording = serializers.CharField(max_length=drafts.LONGEST_TEXT)


TEXT: dict[str, Any] = {"required": False, "allow_blank": True, "max_length": drafts.LONGEST_TEXT}


class DraftGiven(Strict):
    """What a form is to ask once it is published; what is left out stays as it is."""

    name = serializers.CharField(required=False, max_length=200, help_text="What you call it; visitors do not see it.")
    title = serializers.CharField(required=False, max_length=200)
    intro = serializers.CharField(**TEXT)
    button = serializers.CharField(required=False, max_length=60)
    thanks = serializers.CharField(**TEXT)
    questions = QuestionRow(many=True, required=False)
    boxes = BoxRow(many=True, required=False)
    double_opt_in = serializers.BooleanField(required=False)
    remembers = serializers.BooleanField(required=False)
    at_once = serializers.IntegerField(required=False, min_value=1, max_value=10)
    after_confirming = serializers.BooleanField(required=False)

    def validate_questions(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(given) > asking.MOST_QUESTIONS:
            said = _("At most %(most)s questions.") % {"most": asking.MOST_QUESTIONS}
            raise serializers.ValidationError(said, "too_many")
        offered = asking.offered()
        for each in given:
            if each["field"] not in offered:
                said = _("A form cannot ask for “%(field)s”.") % {"field": each["field"]}
                raise serializers.ValidationError(said, "unknown_field")
        return given


@example({
    "name": "Newsletter", "title": "Stay in touch", "questions": [{"field": "email", "required": True},
    {"field": "company"}, {"field": "country", "after": "company"}],
})  # fmt: skip
class FormNew(DraftGiven):
    """A new form, which nobody can reach until it is published."""

    name = serializers.CharField(max_length=200)


@example({"questions": [{"field": "email", "required": True}, {"field": "first_name"}]})
class FormChange(DraftGiven):
    """Another draft, or another name."""


class DraftRow(serializers.Serializer[Any]):
    """What a form will ask once its draft is published."""

    title = serializers.CharField()
    intro = serializers.CharField()
    button = serializers.CharField()
    thanks = serializers.CharField()
    questions = QuestionRow(many=True)
    boxes = BoxRow(many=True)
    double_opt_in = serializers.BooleanField()
    remembers = serializers.BooleanField()
    at_once = serializers.IntegerField()
    after_confirming = serializers.BooleanField()


@example({
    "slug": "newsletter", "name": "Newsletter", "state": "published", "edition": 2,
    "address": "https://mail.example.com/f/Zt3yq1xWc0Aa/", "views": 900, "submissions": 120, "people": 118,
    "refused": 14,
    "questions": [EMAIL_ASKED], "boxes": [{"topic": "news", "wording": "Yes, send me news."}],
    "draft": {
        "title": "Stay in touch", "intro": "", "button": "Send", "thanks": "Thank you.", "questions": [EMAIL_ASKED],
        "boxes": [], "double_opt_in": True, "remembers": True, "at_once": 2, "after_confirming": False,
    }, "created_at": "2025-06-02T11:30:00Z",
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
    draft = serializers.SerializerMethodField()

    class Meta:
        model = Form
        fields = (
            "slug", "name", "state", "edition", "address", "views", "submissions", "people", "refused", "questions",
            "boxes", "draft", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_address(self, form: Form) -> str:
        return installation.address() + reverse("form_page", args=[form.public_id])

    @extend_schema_field(QuestionRow(many=True))
    def get_questions(self, form: Form) -> list[dict[str, Any]]:
        return [vars(each) for each in _asked(form).questions]

    @extend_schema_field(BoxRow(many=True))
    def get_boxes(self, form: Form) -> list[dict[str, Any]]:
        return [vars(each) for each in _asked(form).boxes]

    @extend_schema_field(DraftRow)
    def get_draft(self, form: Form) -> dict[str, Any]:
        return dict(DraftRow(asking.read(form.draft)).data)


def _asked(form: Form) -> asking.Asked:
    return asking.read(form.edition.asked if form.edition else {})


class Forms(Listed, Shown):
    """Forms that people fill in on the web."""

    scope = "forms"
    right = "edit"
    queryset = Form.objects.select_related("edition")
    serializer_class = FormRow
    lookup_field = "slug"
    follows = ("views", "submissions", "people", "refused")

    @extend_schema(request=FormNew, responses={201: FormRow})
    @transaction.atomic
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a form: a draft, which asks for email and name unless it is said otherwise."""
        given = self.given(FormNew)
        made = editing.create(given["name"], by=self.by, now=self.now)
        self._draft(made, given)
        return self.answer(made, 201)

    @extend_schema(request=FormChange)
    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change the draft. What is published stays as it is until the draft is."""
        held = self.locked()
        self._draft(held, self.given(FormChange))
        return self.answer(held)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    def publish(self, request: Request, slug: str) -> Response:
        """Ask what the draft asks, from now on. 409 with what stands against it."""
        form = self.get_object()
        editing.publish(form, by=self.by, now=self.now)
        return self.answer(form)

    @extend_schema(request=None)
    @action(methods=["post"], detail=True, bodiless=True)
    def close(self, request: Request, slug: str) -> Response:
        """Take nothing more."""
        form = self.get_object()
        editing.close(form, by=self.by, now=self.now)
        form.refresh_from_db()
        return self.answer(form)

    def _draft(self, form: Form, given: Mapping[str, Any]) -> None:
        told = {name: value for name, value in given.items() if name != "name"}
        if "questions" in told:
            told["questions"] = tuple(asking.Question(**each) for each in told["questions"])
        if "boxes" in told:
            told["boxes"] = tuple(asking.Box(**each) for each in told["boxes"])
        asked = replace(asking.read(form.draft), **told)
        editing.change(form, name=given.get("name", form.name), asked=asked, by=self.by, now=self.now)

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
