"""Hand-offs to sales: who waits for an answer, and the answers, by the verbs of the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit import rights
from kit.api.filtering import Moment, Whole
from kit.api.problems import Problem
from kit.api.serializers import Row, Strict
from kit.api.views import Listed, Shown
from kit.models import User
from lifecycle.handoffs import answering, queue
from lifecycle.models import Handoff

HANDOFF = {
    "id": 815, "membership": 4711, "lifecycle": "net_new_b2b", "stage": "mql", "person": 318, "account": None,
    "user": 7, "team": 2, "state": "offered", "via": "account_owner", "offered_at": "2025-03-04T08:15:00Z",
    "due_at": "2025-03-06T09:15:00Z", "missed_at": None, "answered_at": None, "answered_by": None, "reason": "",
    "words": "", "until": None,
}  # fmt: skip


@extend_schema_serializer(examples=[OpenApiExample("A hand-off", HANDOFF, response_only=True)])
class HandoffRow(Row):
    """One offer of one member to one receiver. Passing it on ends it and makes another of the same membership."""

    lifecycle = serializers.SlugField(source="stage.version.lifecycle.slug", read_only=True)
    stage = serializers.SlugField(source="stage.slug", read_only=True)
    person = serializers.IntegerField(source="membership.person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="membership.account_id", read_only=True, allow_null=True)
    via = serializers.CharField(read_only=True, help_text="How it found its receiver; empty while one is looked for.")

    class Meta:
        model = Handoff
        fields = (
            "id", "membership", "lifecycle", "stage", "person", "account", "user", "team", "state", "via", "offered_at",
            "due_at", "missed_at", "answered_at", "answered_by", "reason", "words", "until",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("In a word", {"words": "Spoke today"}, request_only=True)])
class Words(Strict):
    """What there is to say besides."""

    words = serializers.CharField(max_length=answering.LONGEST_WORDS, required=False, allow_blank=True, default="")


@extend_schema_serializer(examples=[OpenApiExample("A rejection", {"reason": "No budget"}, request_only=True)])
class Reject(Words):
    """Why: one of the reasons that the lifecycle offers."""

    reason = serializers.CharField(max_length=answering.LONGEST_REASON)


@extend_schema_serializer(examples=[OpenApiExample("In spring", {"until": "2026-03-01"}, request_only=True)])
class NotNow(Words):
    """Until which day; on it they come back by themselves."""

    until = serializers.DateField()


@extend_schema_serializer(examples=[OpenApiExample("To a colleague", {"to": 7}, request_only=True)])
class PassOn(Words):
    """To whom: the id of a user."""

    to = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class Asked(django_filters.FilterSet):
    """Hand-offs by what became of them, where, whose they are, and when they were offered."""

    state = django_filters.ChoiceFilter(choices=Handoff.State.choices, label=_("What became of it"))
    lifecycle = django_filters.CharFilter(
        field_name="stage__version__lifecycle__slug", label=_("Lifecycle (its short name)")
    )
    stage = django_filters.CharFilter(field_name="stage__slug", label=_("Stage (its short name)"))
    user = Whole(field_name="user_id", label=_("Offered to: a user’s id"))
    team = Whole(field_name="team_id", label=_("A team’s id"))
    membership = Whole(field_name="membership_id", label=_("A membership’s id"))
    since = Moment(field_name="offered_at", lookup_expr="gte", label=_("Offered since"))
    before = Moment(field_name="offered_at", lookup_expr="lt", label=_("Offered before"))

    class Meta:
        model = Handoff
        fields: list[str] = []


class Handoffs(Listed, Shown):
    """Who was handed to sales: those offered to the key's user and their team; all of them for who sees everybody."""

    scope = "lifecycles"
    right = "move"
    queryset = Handoff.objects.select_related("stage__version__lifecycle", "membership")
    serializer_class = HandoffRow
    filterset_class = Asked

    def get_queryset(self) -> QuerySet[Handoff]:
        return queue.seen(super().get_queryset(), self.request.user)

    @extend_schema(request=Words, responses=HandoffRow)
    @action(methods=["post"], detail=True)
    def accept(self, request: Request, pk: Any = None) -> Response:
        """Take them on: they move to the stage behind. Of two who answer one wins; the other hears 409
        `changed_meanwhile`: who was faster."""
        return self._answer(Words, lambda one, told, say: answering.accept(one, say))

    @extend_schema(request=Reject, responses=HandoffRow)
    @action(methods=["post"], detail=True)
    def reject(self, request: Request, pk: Any = None) -> Response:
        """Send them back with one of the lifecycle's reasons. 400 `handoff_refused` names the reasons there are."""
        return self._answer(Reject, lambda one, told, say: answering.reject(one, told["reason"], say))

    @extend_schema(request=NotNow, responses=HandoffRow)
    @action(methods=["post"], detail=True, url_path="not-now")
    def not_now(self, request: Request, pk: Any = None) -> Response:
        """Put them off until a day, on which they come back by themselves."""
        return self._answer(NotNow, lambda one, told, say: answering.not_now(one, told["until"], say))

    @extend_schema(request=PassOn, responses=HandoffRow)
    @action(methods=["post"], detail=True, url_path="pass-on")
    def pass_on(self, request: Request, pk: Any = None) -> Response:
        """Give them to a colleague; the answer is the hand-off as it is theirs."""
        return self._answer(PassOn, lambda one, told, say: answering.pass_on(one, _colleague(told["to"]), say))

    def _answer(self, kind: type[Words], answer: Callable[[Any, dict[str, Any], answering.Saying], int]) -> Response:
        found, told = self.get_object(), self.given(kind)
        say = answering.Saying(self.by, Handoff.Route.API, self.now, told["words"])
        if not answer(answering.one(found), told, say):
            raise answering.gone(found, self.now)
        newest = Handoff.objects.filter(membership=found.membership_id, seq=found.seq).latest("pk")
        shown = self.queryset.get(pk=newest.pk)
        return Response(self.get_serializer(shown).data)


def _colleague(pk: int) -> User:
    found = User.objects.filter(pk=pk, is_active=True).first()
    if found is None or not rights.may(found, "move"):
        said = _("Name a colleague who may answer hand-offs, by the id of their user.")
        raise Problem(400, "handoff_refused", str(said), field="to")
    return found
