"""Lifecycles, their versions from draft to live, and how many are in each stage."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.api import etags
from kit.api.jobs import JobRow, accepted
from kit.api.problems import Problem
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Resource, Rows, Shown
from lifecycle import filters, querysets
from lifecycle.editing import drafts, parts
from lifecycle.editions import cards, cases, checking, differing, documents, migrating, reading, versions
from lifecycle.engine import live
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Stage, StoppedRule, Transition, Version

STAGE = {
    "slug": "mql", "name": "MQL", "phase": "Qualified", "order": 3, "path": "success", "kind": "sla",
    "limit_hours": 16, "calendar": "emea", "card": {},
    "hand_off": {"accept": "sal", "reject": "recycled", "missed": "stay"},
}  # fmt: skip
RULE = {
    "priority": 2, "from_stage": "engaged", "to_stage": "mql", "name": "", "reason": "Reached the score",
    "by_hand": False, "on_missed": False, "delay": None, "delay_unit": "", "guard": None,
    "when": {"field": "score.lead", "op": "at_least", "value": 60}, "words": "Lead score is at least 60",
}  # fmt: skip
LIFECYCLE = {
    "slug": "net_new_b2b", "name": "Net-new B2B", "species": "net_new", "of": "person", "goal": "A first deal",
    "created_at": "2025-01-07T09:00:00Z", "live_version": 2, "draft_version": 3,
}  # fmt: skip
VERSION = {
    "number": 2, "state": "published", "reentry": True, "created_by": "ada@example.com",
    "created_at": "2025-01-07T09:00:00Z", "published_at": "2025-01-07T09:05:00Z", "before": 1, "stopped_at": None,
    "stopped_because": "", "job": 12,
}  # fmt: skip
YAML = "lifecycle: net_new_b2b\nname: Net-new B2B\nspecies: net_new\nstages:\n  - {slug: known}\n…"
STOPPED = {"rule": 2, "stopped_at": "2025-02-01T08:00:00Z", "because": "there is no field “score.lead”"}
CHANGE = {
    "about": "rule", "what": "Engaged → MQL", "kind": "changed", "words": "Engaged → MQL has changed.",
    "before": "Lead score is at least 50", "after": "Lead score is at least 60",
}  # fmt: skip
WAY = {"stage": "mql", "name": "MQL", "to": "qualified", "to_name": "Qualified", "how": "move", "members": 88,
       "left_out": 2}  # fmt: skip
PLAN = {"live_version": 2, "stages": {"mql": "qualified"}, "reason": "", "rows": [WAY], "refusals": []}
WHOLE = VERSION | {
    "stopped_rules": [STOPPED],
    "entry": {},
    "words": "everybody",
    "stages": [STAGE],
    "transitions": [RULE],
    "yaml": YAML,
}
DOCUMENT = {
    "lifecycle": "net_new_b2b", "name": "Net-new B2B", "species": "net_new", "of": "person", "goal": "A first deal",
    "entry": {}, "reentry": False,
    "stages": [{"slug": "known", "name": "Known", "phase": "Discover", "path": "success", "kind": "inventory"}],
    "transitions": [], "cases": [],
}  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of what is replaced, as it was read."
)


@extend_schema_serializer(examples=[OpenApiExample("A stage", STAGE, response_only=True)])
class StageRow(Row):
    """One place where a subject can be. Its slug is the same in every version."""

    class Meta:
        model = Stage
        fields: tuple[str, ...] = (
            "slug", "name", "phase", "order", "path", "kind", "limit_hours", "calendar", "card", "hand_off",
        )  # fmt: skip
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
    words = serializers.SerializerMethodField(help_text="When it moves somebody, as it reads in English.")

    class Meta:
        model = Transition
        fields = (
            "priority", "from_stage", "to_stage", "name", "reason", "by_hand", "on_missed", "delay", "delay_unit",
            "guard", "when", "words",
        )  # fmt: skip
        read_only_fields = fields

    def get_words(self, rule: Transition) -> str:
        return reading.when(rule)


class StoppedRow(Row):
    """One rule that failed and stands still alone."""

    rule = serializers.IntegerField(
        source="transition.priority", default=None, read_only=True, allow_null=True, help_text="Null: the entry."
    )

    class Meta:
        model = StoppedRule
        fields = ("rule", "stopped_at", "because")
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A version", VERSION, response_only=True)])
class VersionRow(Row):
    """One numbered edition of a lifecycle. Once it has left the draft it never changes."""

    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)
    before = serializers.IntegerField(
        source="before.number", default=None, read_only=True, allow_null=True,
        help_text="The version whose members it took over; null for the first.",
    )  # fmt: skip

    class Meta:
        model = Version
        fields: tuple[str, ...] = (
            "number", "state", "reentry", "created_by", "created_at", "published_at", "before", "stopped_at",
            "stopped_because",
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
    stopped_rules = StoppedRow(many=True, read_only=True)
    yaml = serializers.SerializerMethodField()

    class Meta(VersionRow.Meta):
        fields = (*VersionRow.Meta.fields, "stopped_rules", "entry", "words", "stages", "transitions", "yaml")
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


@extend_schema_serializer(examples=[OpenApiExample("A document", DOCUMENT)])
class WholeDocument(Strict):
    """A version as one object, in the words of the YAML file."""

    lifecycle = serializers.CharField(help_text="Its short name, which stays.")
    name = serializers.CharField()
    species = serializers.ChoiceField(Lifecycle.Species.choices, help_text="It stays.")
    of = serializers.ChoiceField(["person", "account"], required=False, help_text="It stays.")
    goal = serializers.CharField(required=False, allow_blank=True)
    entry = serializers.JSONField(required=False, allow_null=True, help_text="The condition of entering.")
    reentry = serializers.BooleanField(required=False)
    stages = serializers.ListField(child=serializers.JSONField())
    transitions = serializers.ListField(child=serializers.JSONField(), required=False)
    cases = serializers.ListField(child=serializers.JSONField(), required=False)


@extend_schema_serializer(examples=[OpenApiExample("A card", {"goal": "A first deal.", "style": "education"})])
class CardSerializer(Strict):
    """What is answered about a stage. Questions that are left out are not answered."""

    goal = serializers.CharField(required=False)
    behaviour = serializers.CharField(required=False)
    owner = serializers.CharField(required=False, help_text="The team that answers for the stage.")
    style = serializers.ChoiceField(cards.Style.choices, required=False)  # type: ignore[assignment]
    channels = serializers.ListField(child=serializers.CharField(), required=False)
    platforms = serializers.ListField(child=serializers.CharField(), required=False)
    sources = serializers.ListField(child=serializers.CharField(), required=False, help_text="Of data.")
    notices = serializers.CharField(required=False)
    marketing = serializers.CharField(required=False, help_text="What marketing does.")
    sales = serializers.CharField(required=False, help_text="What sales does.")
    communication = serializers.CharField(required=False)
    reporting = serializers.CharField(required=False)


class CaseOutcome(serializers.Serializer[Any]):
    """What became of one test case."""

    name = serializers.CharField()
    passed = serializers.BooleanField()
    on = serializers.DateField()
    expected = serializers.CharField(help_text="The stage that the case expects.")
    found = serializers.CharField(help_text="The stage in which it was; “nowhere” for none.")
    way = serializers.CharField(help_text="How it came there.")


class VersionFinding(serializers.Serializer[Any]):
    """One thing that is wrong, with the slug of its stage or the number of its rule."""

    code = serializers.CharField()
    words = serializers.CharField()
    stage = serializers.CharField(allow_null=True)
    rule = serializers.IntegerField(allow_null=True)
    severity = serializers.ChoiceField(choices=checking.Severity.choices)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A dead end",
            {
                "may_publish": False,
                "problems": ["Nothing leads out of “Resting”, and it is not terminal."],
                "findings": [
                    {
                        "code": "dead_end",
                        "words": "Nothing leads out of “Resting”, and it is not terminal.",
                        "stage": "resting",
                        "rule": None,
                        "severity": "error",
                    }
                ],
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
    """What is wrong with a version: `problems` keep it from being published, warnings among the findings do not."""

    may_publish = serializers.BooleanField()
    problems = serializers.ListField(child=serializers.CharField())
    findings = VersionFinding(many=True)
    cases = CaseOutcome(many=True)


@extend_schema_serializer(examples=[OpenApiExample("A rule that changed", CHANGE, response_only=True)])
class ChangeRow(serializers.Serializer[Any]):
    """One difference between two versions, in words."""

    about = serializers.ChoiceField(choices=["entry", "stage", "card", "rule"])
    what = serializers.CharField(help_text="The slug of the stage; the rule in words.")
    kind = serializers.ChoiceField(choices=["added", "removed", "changed", "moved"])
    words = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class WayRow(serializers.Serializer[Any]):
    """The members of one stage who go the same way."""

    stage = serializers.CharField(help_text="Where they are.")
    name = serializers.CharField()
    to = serializers.CharField(allow_null=True, help_text="Where they go; null for those who leave or are undecided.")
    to_name = serializers.CharField(allow_blank=True)
    how = serializers.ChoiceField(choices=["stay", "move", "leave", "undecided", "back"])
    members = serializers.IntegerField()
    left_out = serializers.IntegerField(help_text="Of these members: those who are left out of figures. They move too.")


@extend_schema_serializer(examples=[OpenApiExample("A plan", PLAN, response_only=True)])
class PlanRow(serializers.Serializer[Any]):
    """Where the members of the live version go, counted as they are now, and what keeps that from being done."""

    live_version = serializers.IntegerField()
    stages = serializers.DictField(child=serializers.CharField(allow_null=True))
    reason = serializers.CharField(allow_blank=True)
    rows = WayRow(many=True)
    refusals = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two stages",
            {"stages": {"mql": "qualified", "resting": None}, "reason": "No detours any more"},
            request_only=True,
        )
    ]  # fmt: skip
)
class Decision(Strict):
    """Where members of stages go: a stage of the coming version by its slug, null for out of the lifecycle."""

    stages = serializers.DictField(child=serializers.SlugField(max_length=64, allow_null=True), required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


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
    queryset = Version.objects.select_related("lifecycle", "job", "created_by", "before")
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
        found, played = checking.findings(version), cases.run(version, now=self.now)
        problems = [each.words for each in found if each.severity == checking.Severity.ERROR]
        may = version.state == Version.State.DRAFT and not problems and all(each.passed for each in played)
        told = {"may_publish": may, "problems": problems, "findings": found, "cases": played}
        return Response(Checked(told).data)

    @extend_schema(responses=WholeDocument)
    @action(methods=["get"], detail=True)
    def document(self, request: Request, lifecycle: str, number: int) -> Response:
        """Read a version as a document: all of it as one object, in the words of the YAML file."""
        return etags.answer(request, documents.of_version(self.get_object()))

    @extend_schema(
        operation_id="lifecycles_versions_put_document",
        parameters=[IF_MATCH],
        request=WholeDocument,
        responses=WholeDocument,
    )
    @document.mapping.put
    def put_document(self, request: Request, lifecycle: str, number: int) -> Response:
        """Put another document in the place of a draft's. With If-Match only if nobody else has changed it (412).

        400 `bad_document` names the place that is wrong; 409 `draft_refused` when it is no draft, or a preview of it
        is being made. Short name, species and subjects stay as they are.
        """
        told, version = self.given(WholeDocument), self.get_object()
        put = parts.replace_all(told)

        def edit(document: parts.Document) -> None:
            etags.check(request, document)
            put(document)

        drafts.change(version, edit, by=self.by, now=self.now)
        return etags.answer(request, documents.of_version(self.get_object()))

    @extend_schema(responses=CardSerializer)
    @action(methods=["get"], detail=True, url_path="cards/<slug:stage>", url_name="card")
    def card(self, request: Request, lifecycle: str, number: int, stage: str) -> Response:
        """Read a stage's card as it is now, with what was amended since the version was published."""
        return etags.answer(request, self._stage(stage).card)

    @extend_schema(
        operation_id="lifecycles_versions_put_card",
        parameters=[IF_MATCH],
        request=CardSerializer,
        responses=CardSerializer,
    )
    @card.mapping.put
    def put_card(self, request: Request, lifecycle: str, number: int, stage: str) -> Response:
        """Answer a stage's card anew: in a draft, or of a published version, which itself stays as it is.

        With If-Match only if nobody else has meanwhile (412); 400 `bad_document` names the answer that is wrong.
        """
        told, version = self.given(CardSerializer), self.get_object()
        cards.check(told, "card")
        found = self._stage(stage)
        if version.state == Version.State.DRAFT:

            def edit(document: parts.Document) -> None:
                etags.check(request, parts.stage(document, stage).get("card") or {})
                parts.stage(document, stage)["card"] = told

            drafts.change(version, edit, by=self.by, now=self.now)
        else:
            etags.check(request, found.card)
            cards.amend(found, told, seen=cards.mark(found.card), by=self.by, now=self.now)
        return etags.answer(request, self._stage(stage).card)

    def _stage(self, slug: str) -> Stage:
        found = get_object_or_404(Stage, version=self.get_object(), slug=slug)
        return cards.as_amended([found])[0]

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def preview(self, request: Request, lifecycle: str, number: int) -> Response:
        """Ask what publishing this draft would do to the history. The job's result has the counts of each stage."""
        return accepted(versions.preview(self.get_object(), by=self.by, now=self.now))

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def publish(self, request: Request, lifecycle: str, number: int) -> Response:
        """Publish a draft, by the job that is answered. The first version of a lifecycle is filled from history; a
        later one takes over the members of the live one as its plan says, all in one step.

        409 `version_refused` with every problem in `errors`: failing test cases, members of whom nobody has said where
        they go, another version that is on its way.
        """
        return accepted(versions.publish(self.get_object(), by=self.by, now=self.now))

    @extend_schema(responses=ChangeRow(many=True))
    @action(methods=["get"], detail=True, url_path="changes/<int:since>", pagination_class=None)
    def changes(self, request: Request, lifecycle: str, number: int, since: int) -> Response:
        """What is different in this version, in words, from another one of the same lifecycle."""
        before = get_object_or_404(self.get_queryset(), number=since)
        return Response(ChangeRow(differing.between(before, self.get_object()), many=True).data)

    @extend_schema(responses=PlanRow)
    @action(methods=["get"], detail=True)
    def plan(self, request: Request, lifecycle: str, number: int) -> Response:
        """Where the members of the live version go when this draft is published, or this retired version is made live
        again; exactly how many. 409 `nobody_to_move` when no version is live, or it is this one.
        """
        return self._planned(self.get_object())

    @extend_schema(request=Decision, responses=PlanRow)
    @action(methods=["post"], detail=True)
    def decide(self, request: Request, lifecycle: str, number: int) -> Response:
        """Say where the members of stages go when this draft is published. What is not named stays as it was decided.

        409 `plan_refused` for stages that are not there, and for gates.
        """
        version, given = self.get_object(), self.given(Decision)
        migrating.decide(version, given.get("stages", {}), reason=given["reason"], by=self.by, now=self.now)
        return self._planned(version)

    @extend_schema(request=Decision, responses={202: JobRow})
    @action(methods=["post"], detail=True, url_path="roll-back")
    def roll_back(self, request: Request, lifecycle: str, number: int) -> Response:
        """Make a version live again that was live before, by the job that is answered. Whoever was moved over from it
        and has not moved since returns to where they were; `stages` says where the others go, else it goes by slug.
        """
        given = self.given(Decision)
        told = {"choices": given.get("stages", {}), "reason": given["reason"]}
        return accepted(versions.roll_back(self.get_object(), by=self.by, now=self.now, **told))

    @extend_schema(request=None, responses={200: VersionWhole, 202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def withdraw(self, request: Request, lifecycle: str, number: int) -> Response:
        """Take back a publication that was cancelled or has failed. 202 with the job by which whoever was placed leaves
        again; 200 when nobody was, and it is a draft again.
        """
        version = self.get_object()
        job = versions.withdraw(version, by=self.by, now=self.now)
        return accepted(job) if job else self.answer(self.get_object())

    def _planned(self, version: Version) -> Response:
        live_one = stages.live_version(version.lifecycle)
        if live_one is None or version.state not in (Version.State.DRAFT, Version.State.RETIRED):
            raise Problem(409, "nobody_to_move", _("There is nobody to move over to this version."))
        is_back = version.state == Version.State.RETIRED
        chosen = (migrating.back_plan if is_back else migrating.plan)(version, live_one)
        told = {
            "live_version": live_one.number,
            "rows": migrating.preview(chosen),
            "refusals": migrating.refusals(chosen),
        }
        return Response(PlanRow(told | chosen.as_json()).data)

    @extend_schema(request=None, responses=VersionWhole)
    @action(methods=["post"], detail=True, bodiless=True)
    def resume(self, request: Request, lifecycle: str, number: int) -> Response:
        """Have the rules of a version that stopped, all or some alone, go on. 409 when they do not stand still."""
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
