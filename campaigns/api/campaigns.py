"""Campaigns and their versions with live counts; what a launch needs, launching, pausing, stopping."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience import live
from campaigns import counts, entry, filters, flows, plans, querysets, wording
from campaigns.models import Campaign, CampaignVersion, Step
from kit.api.problems import Problem
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Shown

CAMPAIGN = {
    "slug": "nurture_mql", "name": "Nurture MQL", "kind": "nurture", "state": "running", "paused_because": "",
    "lifecycle": "net_new_b2b", "stage": "mql", "topic": "news", "sender": "ada@marlowcreek.example", "holdout": 10,
    "outcome_stage": "sal", "outcome_days": 90, "live_version": 2, "draft_version": None,
    "created_by": "ada@example.com", "created_at": "2025-01-07T09:00:00Z", "launched_at": "2025-01-08T07:00:00Z",
    "stopped_at": None,
}  # fmt: skip
VERSION = {
    "number": 2, "state": "live", "entry": "stage", "segment": None, "present": True, "reentry_days": None,
    "leave_with_stage": True, "audience": None, "goal": None, "exit": None, "created_by": "ada@example.com",
    "created_at": "2025-01-07T09:00:00Z", "launched_at": "2025-01-08T07:00:00Z",
}  # fmt: skip
COUNTED = {"entered": 480, "waiting": 0, "queued": 2, "sent": 431, "held_back": 40, "failed": 1, "clicked": 52}
STEP = {
    "key": "1f2e3d4c", "kind": "send", "title": "Send “Welcome”", "branch": None, "arm": "", "position": 1,
    "content": "welcome", "content_version": 3, "condition": None, "lifecycle": None, "stage": "", "settings": {},
    "counts": COUNTED,
}  # fmt: skip
FIGURES = {
    "entered": 480, "active": 212, "holdout": 53, "goal": 61, "finished": 207, "sent": 902, "clicked": 97,
    "last_sent": "2025-03-04T08:15:00Z",
}  # fmt: skip


class StepRow(Row):
    """One step of a flow, which is a tree: a step has a place among its brothers, perhaps in a branch’s arm."""

    title = serializers.SerializerMethodField(help_text="Its name, else what it does.")
    branch = serializers.CharField(
        source="parent.key", read_only=True, allow_null=True, help_text="The key of the branch in whose arm it stands."
    )
    arm = serializers.CharField(read_only=True, help_text="“yes” or “no”; empty outside of a branch.")
    content = serializers.SlugField(source="content.slug", read_only=True, allow_null=True)
    content_version = serializers.IntegerField(source="content_version.number", read_only=True, allow_null=True)
    lifecycle = serializers.SlugField(source="lifecycle.slug", read_only=True, allow_null=True)
    counts = serializers.SerializerMethodField(help_text="How many came here, wait here, were sent something here …")

    class Meta:
        model = Step
        fields = (
            "key", "kind", "title", "branch", "arm", "position", "content", "content_version", "condition", "lifecycle",
            "stage", "settings", "counts",
        )  # fmt: skip
        read_only_fields = fields

    def get_title(self, step: Step) -> str:
        words: wording.Words = self.context["words"]
        return words.title(step)

    def get_counts(self, step: Step) -> dict[str, int]:
        counted: counts.Counts = self.context["counts"][step.pk]
        return {name: counted[name] for name in counts.LABELS}


@extend_schema_serializer(examples=[OpenApiExample("A version", VERSION, response_only=True)])
class CampaignVersionRow(Row):
    """One numbered edition of a campaign. Once launched it never changes, and who entered it stays on it."""

    segment = serializers.SlugField(source="segment.slug", read_only=True, allow_null=True)
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = CampaignVersion
        fields: tuple[str, ...] = (
            "number", "state", "entry", "segment", "present", "reentry_days", "leave_with_stage", "audience", "goal",
            "exit", "created_by", "created_at", "launched_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A whole version", VERSION | {"steps": [STEP]}, response_only=True)])
class CampaignVersionWhole(CampaignVersionRow):
    """A version with its steps from the top down, a branch before what is in its arms, each with its counts now."""

    steps = serializers.SerializerMethodField()

    class Meta(CampaignVersionRow.Meta):
        fields = (*CampaignVersionRow.Meta.fields, "steps")
        read_only_fields = fields

    @extend_schema_field(StepRow(many=True))
    def get_steps(self, version: CampaignVersion) -> Any:
        steps = [node.step for node in flows.walk(flows.tree(version))]
        by_pk = {step.pk: step for step in steps}
        for step in steps:
            step.parent = by_pk.get(step.parent_id) if step.parent_id else None
        context = {"words": wording.Words(steps), "counts": counts.of_steps(list(by_pk))}
        return StepRow(steps, many=True, context=context).data


@extend_schema_serializer(examples=[OpenApiExample("A campaign", CAMPAIGN, response_only=True)])
class CampaignRow(Row):
    """One programme of messages for one purpose, bound to a stage of a lifecycle where it has one."""

    lifecycle = serializers.SlugField(source="lifecycle.slug", read_only=True, allow_null=True)
    topic = serializers.SlugField(source="topic.slug", read_only=True, allow_null=True)
    sender = serializers.CharField(source="sender.address", read_only=True, allow_null=True)
    live_version = serializers.IntegerField(source="live_number", read_only=True, allow_null=True)
    draft_version = serializers.IntegerField(source="draft_number", read_only=True, allow_null=True)
    created_by = serializers.EmailField(source="created_by.email", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Campaign
        fields: tuple[str, ...] = (
            "slug", "name", "kind", "state", "paused_because", "lifecycle", "stage", "topic", "sender", "holdout",
            "outcome_stage", "outcome_days", "live_version", "draft_version", "created_by", "created_at",
            "launched_at", "stopped_at",
        )  # fmt: skip
        read_only_fields = fields


class CampaignFigures(serializers.Serializer[Any]):
    """The figures of a campaign over all its versions. One thing counted is one pass of one person."""

    entered = serializers.IntegerField(help_text="Without those held out.")
    active = serializers.IntegerField()
    holdout = serializers.IntegerField()
    goal = serializers.IntegerField()
    finished = serializers.IntegerField()
    sent = serializers.IntegerField(help_text="Messages.")
    clicked = serializers.IntegerField(help_text="By humans.")
    last_sent = Instant(allow_null=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A whole campaign",
            CAMPAIGN | {"figures": FIGURES, "version": VERSION | {"steps": [STEP]}},
            response_only=True,
        )
    ]
)
class CampaignWhole(CampaignRow):
    """A campaign with its figures, and the version that is worked on or live: its draft, else the live one."""

    figures = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField()

    class Meta(CampaignRow.Meta):
        fields = (*CampaignRow.Meta.fields, "figures", "version")
        read_only_fields = fields

    @extend_schema_field(CampaignFigures)
    def get_figures(self, campaign: Campaign) -> Any:
        return CampaignFigures(counts.of_campaigns([campaign.pk])[campaign.pk]).data

    @extend_schema_field(CampaignVersionWhole)
    def get_version(self, campaign: Campaign) -> Any:
        return CampaignVersionWhole(querysets.version_to_show(campaign)).data


class CheckRow(serializers.Serializer[Any]):
    """One line of the checklist: “stop” forbids the launch, “warn” is to be thought over."""

    level = serializers.ChoiceField(["stop", "warn", "ok"])
    text = serializers.CharField()
    where = serializers.CharField(help_text="A step’s key, “settings”, or the page where it is put right.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Ready",
            {
                "may_launch": True,
                "checks": [{"level": "warn", "text": "Nobody is held out.", "where": "settings"}],
                "entering": 482,
            },
            response_only=True,
        )
    ]
)  # fmt: skip
class Checklist(serializers.Serializer[Any]):
    """What stands against the launch of a draft, and how many would enter at once."""

    may_launch = serializers.BooleanField()
    checks = CheckRow(many=True)
    entering = serializers.IntegerField(
        allow_null=True, help_text="Exactly, those held out among them; null while something forbids the launch."
    )


@extend_schema_serializer(examples=[OpenApiExample("By the exact number", {"confirmed": 482}, request_only=True)])
class Launch(Strict):
    """The exact number of those who enter at once."""

    confirmed = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


@extend_schema_serializer(examples=[OpenApiExample("With a reason", {"because": "Wrong price"}, request_only=True)])
class Pause(Strict):
    """Why it stands still, as its page says."""

    because = serializers.CharField(max_length=400, required=False)


class Campaigns(Listed, Shown):
    """Programmes of messages: what we say, to whom, when. What a campaign does is in its versions."""

    scope = "campaigns"
    queryset = querysets.with_versions()
    lookup_field = "slug"
    lookup_value_converter = "slug"
    orderings = ("pk", "name")
    filterset_class = filters.AllCampaigns

    def get_serializer_class(self) -> type[CampaignRow]:
        return CampaignRow if self.action == "list" else CampaignWhole

    @extend_schema(responses=Checklist)
    @action(methods=["get"], detail=True)
    def checklist(self, request: Request, slug: str) -> Response:
        """Find what stands against the launch of its draft, and how many would enter at once. 409 without a draft."""
        version = self._draft()
        checks = plans.checklist(version, now=self.now)
        may = all(each.level != "stop" for each in checks)
        entering = entry.count(version, at=self.now + live.INSTANT) if may else None
        return Response(Checklist({"may_launch": may, "checks": checks, "entering": entering}).data)

    @extend_schema(request=Launch, responses=CampaignWhole)
    @action(methods=["post"], detail=True)
    def launch(self, request: Request, slug: str) -> Response:
        """Launch its draft, by the exact number of those who enter at once. Who is on an older version stays there.

        409 `campaign_refused` when the checklist forbids it, and, with `count`, when the number is another by now.
        """
        given, version = self.given(Launch), self._draft()
        plans.launch(version, confirmed=given["confirmed"], by=self.by, now=self.now)
        return self.answer(version.campaign)

    @extend_schema(request=Pause, responses=CampaignWhole)
    @action(methods=["post"], detail=True)
    def pause(self, request: Request, slug: str) -> Response:
        """Let everything stand still. Nobody enters, nobody goes on, nothing leaves. 409 when it does not run."""
        because = self.given(Pause).get("because") or _("paused by %(user)s") % {"user": self.by}
        campaign = self.get_object()
        if not plans.pause(campaign, because=because, by=self.by, now=self.now):
            raise Problem(409, "not_running", _("It was not running, so there was nothing to pause."))
        return self.answer(campaign)

    @extend_schema(request=None, responses=CampaignWhole)
    @action(methods=["post"], detail=True, bodiless=True)
    def resume(self, request: Request, slug: str) -> Response:
        """Let it go on. Everybody goes on from where they stood. 409 when it does not stand still."""
        campaign = self.get_object()
        if not plans.resume(campaign, by=self.by, now=self.now):
            raise Problem(409, "not_paused", _("It was not paused, so there was nothing to resume."))
        return self.answer(campaign)

    @extend_schema(request=None, responses=CampaignWhole)
    @action(methods=["post"], detail=True, bodiless=True)
    def stop(self, request: Request, slug: str) -> Response:
        """Stop it for ever. Who is on the way stays where they are, and what has not left is cancelled.

        409 when it neither runs nor stands still.
        """
        campaign = self.get_object()
        if not plans.stop(campaign, by=self.by, now=self.now):
            raise Problem(409, "not_running", _("It was neither running nor paused."))
        return self.answer(campaign)

    def _draft(self) -> CampaignVersion:
        campaign = self.get_object()
        draft = campaign.versions.select_related("segment").filter(state=CampaignVersion.State.DRAFT).first()
        if draft is None:
            raise Problem(409, "no_draft", _("There is no draft of it that could be launched."))
        return querysets.with_campaign(draft, campaign)


class CampaignVersions(Listed, Shown):
    """The numbered editions of one campaign."""

    scope = "campaigns"
    queryset = CampaignVersion.objects.select_related("campaign", "segment", "created_by")
    lookup_field = "number"
    lookup_value_converter = "int"
    orderings = ("number",)

    def get_queryset(self) -> QuerySet[CampaignVersion]:
        campaign = get_object_or_404(Campaign, slug=self.kwargs["campaign"])
        return super().get_queryset().filter(campaign=campaign)

    def get_serializer_class(self) -> type[CampaignVersionRow]:
        return CampaignVersionRow if self.action == "list" else CampaignVersionWhole
