"""Starting points: where the history says that subjects stand, group by group, accepted and taken back."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audience.subjects import sight
from kit.api import etags
from kit.api.jobs import JobRow, accepted
from kit.api.schema import example
from kit.api.serializers import Row
from kit.api.views import Listed
from lifecycle import accepting, placing
from lifecycle.api.lifecycles import of_address
from lifecycle.ledger import moving, stages
from lifecycle.models import PlacementRound, Proposal, Version

GROUP = {
    "key": "deal_won-won", "stage": "won", "evidence": "deal_won", "words": "a deal was won", "confidence": "high",
    "count": 31, "move": None, "job": None, "outcomes": {},
}  # fmt: skip
ACCEPTED = GROUP | {"key": "deal_open-talking-8", "move": 8, "outcomes": {"moved": 12}}


@example(GROUP)
class GroupRow(serializers.Serializer[Any]):
    """Those with the same stage and the same evidence. Once accepted it has the `move` that placed them, by what came
    of it; who came to be of it later is a group of its own."""

    key = serializers.CharField(help_text="What the group is called in addresses.")
    stage = serializers.SlugField(
        source="stage.slug", allow_null=True, default=None, help_text="Null: too little is known."
    )
    evidence = serializers.ChoiceField(choices=Proposal.Evidence.choices)
    words = serializers.CharField()
    confidence = serializers.SerializerMethodField()
    count = serializers.IntegerField()
    move = serializers.IntegerField(source="accepted.pk", allow_null=True, default=None)
    job = serializers.IntegerField(
        source="job.pk", allow_null=True, default=None, help_text="The one that is placing them now."
    )
    outcomes = serializers.SerializerMethodField()

    def get_confidence(self, group: placing.Group) -> str:
        return placing.CONFIDENCE.get(Proposal.Evidence(group.evidence), "")

    def get_outcomes(self, group: placing.Group) -> dict[str, int]:
        return moving.outcomes(group.accepted) if group.accepted else {}


@example({"version": 2, "asked_at": "2025-06-15T10:00:00Z", "job": 12, "groups": [GROUP, ACCEPTED]})
class RoundRow(Row):
    """The newest look at the live version's subjects: its job, and the groups once that is done, the surest first."""

    version = serializers.IntegerField(source="version.number", read_only=True)
    asked_at = serializers.DateTimeField(source="created_at", read_only=True)
    groups = serializers.SerializerMethodField()

    class Meta:
        model = PlacementRound
        fields = ("version", "asked_at", "job", "groups")
        read_only_fields = fields

    def get_groups(self, found: PlacementRound) -> list[Any]:
        done = found.job is None or found.job.state == "done"
        return list(GroupRow(placing.groups(found) if done else [], many=True).data)


@example({
    "id": 5120, "person": 318, "account": None, "stage": "won", "evidence": "deal_won",
    "evidence_at": "2025-03-04T08:15:00Z",
})  # fmt: skip
class ProposalRow(Row):
    """One subject of a group, and the date of the fact that speaks for its stage."""

    stage = serializers.SlugField(source="stage.slug", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Proposal
        fields = ("id", "person", "account", "stage", "evidence", "evidence_at")
        read_only_fields = fields


class StartingPoints(Listed):
    """Where those should start whom the replay left in the first stage, or outside."""

    scope = "lifecycles"
    queryset = Proposal.objects.none()
    serializer_class = GroupRow
    orderings = ("pk",)
    lookup_field = "key"
    lookup_value_converter = "slug"

    @extend_schema(responses=RoundRow)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read the groups of the newest look. 404 while nobody has looked, or nothing is live."""
        return etags.answer(request, RoundRow(self._round()).data)

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=False, bodiless=True)
    def look(self, request: Request, lifecycle: str) -> Response:
        """Look anew; what was proposed before is gone. 409 `placing_refused` while a look goes on, or a group is being
        placed."""
        found = placing.ask(self._live(), by=self.by, now=self.now)
        assert found.job is not None
        return accepted(found.job)

    @extend_schema(responses=ProposalRow(many=True))
    @action(methods=["get"], detail=True)
    def members(self, request: Request, lifecycle: str, key: str) -> Response:
        """Who is in a group."""
        found = self._round()
        there = placing.members(found, self._group(found)).select_related("stage")
        return self.page_of(sight.subjects(there, request.user), ProposalRow)

    @extend_schema(request=None, responses={202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def accept(self, request: Request, lifecycle: str, key: str) -> Response:
        """Place everybody of a group, each with the date of the evidence, by the job that is answered.

        Whoever was moved since the look is left alone. A job that is cancelled leaves placed whom it has placed so far.
        409 `placing_refused` for a group that was accepted already, or is being placed by another job, and for the one
        of whom too little is known.
        """
        found = self._round()
        return accepted(accepting.ask(found, self._group(found), by=self.by, now=self.now))

    @extend_schema(request=None, responses={200: GroupRow, 202: JobRow})
    @action(methods=["post"], detail=True, bodiless=True)
    def undo(self, request: Request, lifecycle: str, key: str) -> Response:
        """Take the placing of an accepted group back; of many 202 with a job. 409 `undo_refused` when nothing of it is
        left to take back, `placing_refused` when it was not accepted."""
        found = self._round()
        group = self._group(found)
        if group.accepted is None:
            raise placing.PlacingRefused(_("This group was not accepted, so there is nothing to take back."))
        moving.take_back(group.accepted, by=self.by, now=self.now)
        group.accepted.refresh_from_db()
        if group.accepted.undo_job:
            return accepted(group.accepted.undo_job)
        return Response(GroupRow(group).data)

    def _live(self) -> Version:
        version = stages.live_version(of_address(self))
        if version is None:
            raise Http404
        return version

    def _round(self) -> PlacementRound:
        found = placing.newest(self._live())
        if found is None:
            raise Http404
        return found

    def _group(self, found: PlacementRound) -> placing.Group:
        group = placing.group(found, self.kwargs["key"])
        if group is None:
            raise Http404
        return group
