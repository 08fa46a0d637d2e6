"""Lifecycles, their versions from draft to live, and how many are in each stage."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from kit.api.jobs import JobRow, accepted
from kit.api.problems import Problem
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Resource, Rows, Shown
from lifecycle import cases, documents, filters, live, querysets, versions
from lifecycle.models import Lifecycle, Stage, Transition, Version

STAGE = {
    "slug": "mql", "name": "MQL", "phase": "Qualified", "order": 3, "path": "success", "kind": "inventory",
    "limit_hours": None, "card": {},
}  # fmt: skip
RULE = {
    "priority": 2, "from_stage": "engaged", "to_stage": "mql", "name": "", "reason": "Reached the score",
    "by_hand": False, "when": {"field": "score.lead", "op": "at_least", "value": 60},
    "words": "Lead score is at least 60",
}  # fmt: skip
LIFECYCLE = {
    "slug": "net_new_b2b", "name": "Net-new B2B", "species": "net_new", "of": "person", "goal": "A first deal",
    "created_at": "2025-01-07T09:00:00Z", "live_version": 2, "draft_version": 3,
}  # fmt: skip
VERSION = {
    "number": 2, "state": "published", "reentry": True, "created_by": "ada@example.com",
    "created_at": "2025-01-07T09:00:00Z", "published_at": "2025-01-07T09:05:00Z", "stopped_at": None,
    "stopped_because": "", "job": 12,
}  # fmt: skip
YAML = "lifecycle: net_new_b2b\nname: Net-new B2B\nspecies: net_new\nstages:\n  - {slug: known}\n…"
WHOLE = VERSION | {"entry": {}, "words": "everybody", "stages": [STAGE], "transitions": [RULE], "yaml": YAML}


@extend_schema_serializer(examples=[OpenApiExample("A stage", STAGE, response_only=True)])
class StageRow(Row):
    """One place where a subject can be. Its slug is the same in every version."""

    class Meta:
        model = Stage
        fields: tuple[str, ...] = ("slug", "name", "phase", "order", "path", "kind", "limit_hours", "card")
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A stage", STAGE | {"members": 1204}, response_only=True)])
class StageCount(StageRow):
    """A stage with how many are in it now, those whose pass ended there among them."""

    members = serializers.IntegerField(read_only=True)

    class Meta(StageRow.Meta):
        fields = (*StageRow.Meta.fields, "members")
        read_only_fields = fields


class TransitionRow(Row):
    """One rule that moves subjects."""

    from_stage = serializers.SlugField(
        source="from_stage.slug", read_only=True, allow_null=True, help_text="Null for a rule from any stage."
    )
    to_stage = serializers.SlugField(source="to_stage.slug", read_only=True)
    when = serializers.JSONField(source="condition", read_only=True, help_text="The condition; null for by hand only.")
    words = serializers.SerializerMethodField(help_text="The condition as it reads in English.")

    class Meta:
        model = Transition
        fields = ("priority", "from_stage", "to_stage", "name", "reason", "by_hand", "when", "words")
        read_only_fields = fields

    def get_words(self, rule: Transition) -> str:
        return versions.sentence(rule.condition, rule.version.lifecycle.of)


@extend_schema_serializer(examples=[OpenApiExample("A version", VERSION, response_only=True)])
class VersionRow(Row):
    """One numbered edition of a lifecycle. Once it has left the draft it never changes."""

    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Version
        fields: tuple[str, ...] = (
            "number", "state", "reentry", "created_by", "created_at", "published_at", "stopped_at", "stopped_because",
            "job",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A whole version", WHOLE, response_only=True)])
class VersionWhole(VersionRow):
    """A version with its stages and rules, and as the YAML document from which another can be drafted."""

    entry = serializers.JSONField(read_only=True, help_text="The condition of entering; null or {} for everybody.")
    words = serializers.SerializerMethodField(help_text="The entry condition as it reads in English.")
    stages = StageRow(many=True, read_only=True)
    transitions = serializers.SerializerMethodField()
    yaml = serializers.SerializerMethodField()

    class Meta(VersionRow.Meta):
        fields = (*VersionRow.Meta.fields, "entry", "words", "stages", "transitions", "yaml")
        read_only_fields = fields

    def get_words(self, version: Version) -> str:
        return versions.sentence(version.entry, version.lifecycle.of)

    @extend_schema_field(TransitionRow(many=True))
    def get_transitions(self, version: Version) -> Any:
        rules = list(version.transitions.select_related("from_stage", "to_stage"))
        for rule in rules:
            rule.version = version
        return TransitionRow(rules, many=True).data

    def get_yaml(self, version: Version) -> str:
        return documents.dump(version)


@extend_schema_serializer(examples=[OpenApiExample("A lifecycle", LIFECYCLE, response_only=True)])
class LifecycleRow(Row):
    """One model of stages, of people or of accounts."""

    live_version = serializers.IntegerField(source="live_number", read_only=True, allow_null=True)
    draft_version = serializers.IntegerField(source="draft_number", read_only=True, allow_null=True)

    class Meta:
        model = Lifecycle
        fields: tuple[str, ...] = (
            "slug",
            "name",
            "species",
            "of",
            "goal",
            "created_at",
            "live_version",
            "draft_version",
        )
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("A whole lifecycle", LIFECYCLE | {"version": WHOLE}, response_only=True)]
)
class LifecycleWhole(LifecycleRow):
    """A lifecycle with its live version, or its newest while none is live."""

    version = serializers.SerializerMethodField()

    class Meta(LifecycleRow.Meta):
        fields = (*LifecycleRow.Meta.fields, "version")
        read_only_fields = fields

    @extend_schema_field(VersionWhole(allow_null=True))
    def get_version(self, lifecycle: Lifecycle) -> Any:
        shown = versions.to_show(lifecycle)
        return VersionWhole(shown).data if shown else None


@extend_schema_serializer(
    examples=[
        OpenApiExample("From YAML", {"yaml": YAML}, request_only=True),
        OpenApiExample("From a playbook", {"playbook": "net_new_b2b"}, request_only=True),
    ]
)
class Document(Strict):
    """Where a draft comes from: a YAML document, or a playbook by its name."""

    yaml = serializers.CharField(required=False, trim_whitespace=False)
    playbook = serializers.CharField(required=False, max_length=100)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError(_("Send either “yaml” or “playbook”."), "one_of_both")
        if "yaml" in attrs:
            return {"document": documents.parse(attrs["yaml"])}
        known = documents.playbooks()
        if attrs["playbook"] not in known:
            told = _("There is no such playbook. There are: %(names)s.") % {"names": ", ".join(known)}
            raise serializers.ValidationError({"playbook": [serializers.ErrorDetail(told, "unknown_playbook")]})
        return {"document": known[attrs["playbook"]]}


class CaseOutcome(serializers.Serializer[Any]):
    """What became of one test case."""

    name = serializers.CharField()
    passed = serializers.BooleanField()
    on = serializers.DateField()
    expected = serializers.CharField(help_text="The stage that the case expects.")
    found = serializers.CharField(help_text="The stage in which it was; “nowhere” for none.")
    way = serializers.CharField(help_text="How it came there.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A dead end",
            {
                "may_publish": False,
                "problems": ["Nothing leads out of “Resting”, and it is not terminal."],
                "cases": [
                    {
                        "name": "A visitor",
                        "passed": True,
                        "on": "2025-03-01",
                        "expected": "engaged",
                        "found": "engaged",
                        "way": "Engaged 2025-02-11",
                    }
                ],
            },
            response_only=True,
        )
    ]  # fmt: skip
)
class Checked(serializers.Serializer[Any]):
    """What keeps a version from being published."""

    may_publish = serializers.BooleanField()
    problems = serializers.ListField(child=serializers.CharField())
    cases = CaseOutcome(many=True)


class Lifecycles(Listed, Shown):
    """Models of stages. What a lifecycle holds is in its versions."""

    scope = "lifecycles"
    queryset = querysets.with_versions()
    lookup_field = "slug"
    lookup_value_converter = "slug"
    orderings = ("pk", "name")
    filterset_class = filters.Lifecycles

    def get_serializer_class(self) -> type[LifecycleRow]:
        return LifecycleRow if self.action == "list" else LifecycleWhole

    @extend_schema(request=Document, responses={201: VersionWhole})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Draft the next version from a document. The lifecycle is made when it is new; nobody moves by a draft.

        400 `bad_document` names the line or the place that is wrong; 409 when the slug is of another species or of
        other subjects.
        """
        made = versions.draft(self.given(Document)["document"], by=self.by, now=self.now)
        response = etags.answer(request, VersionWhole(made).data, 201)
        response["Location"] = reverse("api:lifecycles-versions-detail", args=[made.lifecycle.slug, made.number])
        return response


class Versions(Listed, Shown):
    """The numbered editions of one lifecycle."""

    scope = "lifecycles"
    queryset = Version.objects.select_related("lifecycle", "job", "created_by")
    lookup_field = "number"
    lookup_value_converter = "int"
    orderings = ("number",)

    def get_queryset(self) -> QuerySet[Version]:
        return super().get_queryset().filter(lifecycle=of_address(self))

    def get_serializer_class(self) -> type[VersionRow]:
        return VersionRow if self.action == "list" else VersionWhole

    @extend_schema(responses=Checked)
    @action(methods=["get"], detail=True)
    def check(self, request: Request, lifecycle: str, number: int) -> Response:
        """Find what keeps it from being published. Its test cases are played, and nothing of that remains."""
        version = self.get_object()
        problems, played = versions.problems(version), cases.run(version, now=self.now)
        may = version.state == Version.State.DRAFT and not problems and all(each.passed for each in played)
        told = {"may_publish": may, "problems": problems, "cases": played}
        return Response(Checked(told).data)

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def preview(self, request: Request, lifecycle: str, number: int) -> Response:
        """Ask what publishing this draft would do to the history. The job's result has the counts of each stage."""
        return accepted(versions.preview(self.get_object(), by=self.by, now=self.now))

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def publish(self, request: Request, lifecycle: str, number: int) -> Response:
        """Publish a draft. Its history is replayed by the job that is answered; then it is live.

        409 `version_refused` with every problem in `errors`, failing test cases among them.
        """
        return accepted(versions.publish(self.get_object(), by=self.by, now=self.now))

    @extend_schema(request=None, responses=VersionWhole)
    @action(methods=["post"], detail=True, bodiless=True)
    def resume(self, request: Request, lifecycle: str, number: int) -> Response:
        """Have the rules of a version that stopped go on. 409 when they do not stand still."""
        version = self.get_object()
        if not live.resume(version, by=self.by, now=self.now):
            raise Problem(409, "not_stopped", _("The rules of this version do not stand still."))
        return self.answer(version)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Throw a draft away. Its lifecycle goes with it when nothing else is left of that. 409 when it is no draft."""
        versions.discard(self.get_object(), by=self.by, now=self.now)
        return Response(status=204)


class Stages(Listed):
    """The stages of the live version (of the newest while none is live) with how many are in each now."""

    scope = "lifecycles"
    queryset = Stage.objects.none()
    serializer_class = StageCount
    orderings = ("order",)

    def get_queryset(self) -> QuerySet[Stage]:
        shown = versions.to_show(of_address(self))
        return shown.stages.all() if shown else Stage.objects.none()

    def prepare(self, rows: Rows) -> Rows:
        return querysets.counted(rows)


def of_address(view: Resource) -> Lifecycle:
    """The lifecycle within which a view stands. Raises Http404."""
    return get_object_or_404(Lifecycle, slug=view.kwargs["lifecycle"])
