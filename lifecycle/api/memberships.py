"""Who is where in which lifecycle, moving them, and the ledger of their moves."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
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

from audience.subjects import sight
from kit.api import etags
from kit.api.problems import Problem
from kit.api.serializers import Instant, Row, Strict
from kit.api.views import Listed, Resource, Shown
from lifecycle import filters
from lifecycle.ledger import stages, undo, wording
from lifecycle.models import Membership, Movement, Stage

MEMBERSHIP = {
    "id": 4711, "lifecycle": "net_new_b2b", "version": 2, "person": 318, "account": None, "pass_number": 1,
    "stage": "mql", "seq": 3, "entered_at": "2025-03-04T08:15:00Z", "due_at": None, "ended_at": None,
}  # fmt: skip
MOVEMENT = {
    "id": 90125, "membership": 4711, "seq": 4, "lifecycle": "net_new_b2b", "version": 2, "person": 318, "account": None,
    "from_stage": "mql", "to_stage": "sal", "occurred_at": "2025-03-05T14:02:11Z",
    "evidence_at": "2025-03-05T14:02:11Z", "recorded_at": "2025-03-05T14:02:11Z", "kind": "api", "way": "direct",
    "rule": None, "reason": "Accepted by sales", "actor": "ada@example.com (crm sync)", "overrides": False,
}  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag of the membership as it was read."
)


@extend_schema_serializer(examples=[OpenApiExample("A membership", MEMBERSHIP, response_only=True)])
class MembershipRow(Row):
    """One subject's nth time through one lifecycle. `seq` counts its moves, and says which state was read."""

    lifecycle = serializers.SlugField(source="lifecycle.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    stage = serializers.SlugField(
        source="stage.slug", read_only=True, allow_null=True, help_text="Null for whoever left the lifecycle."
    )

    class Meta:
        model = Membership
        fields = (
            "id", "lifecycle", "version", "person", "account", "pass_number", "stage", "seq", "entered_at", "due_at",
            "ended_at",
        )  # fmt: skip
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("A movement", MOVEMENT, response_only=True)])
class MovementRow(Row):
    """One move of one membership. Movements never change, and none is ever taken away.

    `occurred_at` is when it happened, `evidence_at` the date of the fact behind it, `recorded_at` when it was written.
    """

    lifecycle = serializers.SlugField(source="version.lifecycle.slug", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    person = serializers.IntegerField(source="membership.person_id", read_only=True, allow_null=True)
    account = serializers.IntegerField(source="membership.account_id", read_only=True, allow_null=True)
    from_stage = serializers.SlugField(
        source="from_stage.slug", read_only=True, allow_null=True, help_text="Null for the first placement."
    )
    to_stage = serializers.SlugField(
        source="to_stage.slug", read_only=True, allow_null=True, help_text="Null for an exit out of the lifecycle."
    )
    rule = serializers.IntegerField(
        source="transition.priority", read_only=True, allow_null=True, help_text="The priority of the rule that moved."
    )
    way = serializers.SerializerMethodField(help_text="Which way it led, seen from the stage that it left.")

    class Meta:
        model = Movement
        fields = (
            "id", "membership", "seq", "lifecycle", "version", "person", "account", "from_stage", "to_stage",
            "occurred_at", "evidence_at", "recorded_at", "kind", "way", "rule", "reason", "actor", "overrides",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=wording.Way.choices))
    def get_way(self, movement: Movement) -> str:
        return wording.way(movement).value


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A move",
            {
                "membership": MEMBERSHIP | {"stage": "sal", "seq": 4, "entered_at": "2025-03-05T14:02:11Z"},
                "movement": MOVEMENT,
            },
            response_only=True,
        )
    ]
)
class Moved(serializers.Serializer[Any]):
    """A membership after a move, and the row of the ledger that moved it."""

    membership = MembershipRow()
    movement = MovementRow()


@extend_schema_serializer(
    examples=[
        OpenApiExample("A move", {"to": "sal", "reason": "Accepted by sales", "seq": 3}, request_only=True),
        OpenApiExample("An exit", {"to": None, "reason": "Competitor", "seq": 3}, request_only=True),
    ]
)
class Move(Strict):
    """Where to, why, and which state of the membership was looked at."""

    to = serializers.SlugField(max_length=64, allow_null=True, help_text="A stage of its version; null: out of it.")
    reason = serializers.CharField(max_length=500)
    override = serializers.BooleanField(
        required=False, default=False, help_text="Move although the guard of this way does not hold; it is counted."
    )
    seq = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, help_text="As it was read; or send If-Match."
    )


@extend_schema_serializer(examples=[OpenApiExample("With a reason", {"reason": "Wrong person"}, request_only=True)])
class Undo(Strict):
    """Why, if there is something to say."""

    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class Memberships(Listed, Shown):
    """Who is, or was, in a lifecycle, and where: one for each pass of each subject."""

    scope = "lifecycles"
    right = "move"
    queryset = Membership.objects.select_related("lifecycle", "version", "stage")
    serializer_class = MembershipRow
    filterset_class = filters.AllMemberships

    def get_queryset(self) -> QuerySet[Membership]:
        return sight.subjects(super().get_queryset(), self.request.user)

    @extend_schema(request=Move, responses=Moved, parameters=[IF_MATCH])
    @action(methods=["post"], detail=True)
    def move(self, request: Request, pk: Any = None) -> Response:
        """Move it to another stage, or out of the lifecycle. It says which state you looked at, by `seq` or If-Match.

        Of two who move it at once one wins; the other hears 409 `changed_meanwhile` (by If-Match 412): by whom, when,
        and where to. 428 when the request says neither, 409 `move_refused` for a pass that has ended or a gate, 409
        `move_guarded` when a guard does not hold and `override` is not set.
        """
        membership, wish = self.get_object(), self.given(Move)
        _check_seen(self, membership, wish.get("seq"))
        to = None if wish["to"] is None else _stage(membership, wish["to"])
        won = stages.move(
            membership,
            to=to,
            reason=wish["reason"],
            by=self.by,
            at=self.now,
            now=self.now,
            kind=Movement.Kind.API,
            override=wish["override"],
        )
        if not won:
            raise _changed_meanwhile(self, membership)
        return _moved(self, membership.pk)


def as_rows(moves: QuerySet[Movement]) -> QuerySet[Movement]:
    """Movements with what `MovementRow` tells of them."""
    with_what = ("version__lifecycle", "membership", "from_stage", "to_stage", "transition")
    return wording.with_skipped(moves.select_related(*with_what))


class Movements(Listed, Shown):
    """The ledger: every move of every membership, none of which ever changes."""

    scope = "lifecycles"
    right = "move"
    queryset = as_rows(Movement.objects.all())
    serializer_class = MovementRow
    filterset_class = filters.AllMovements
    orderings = ("pk", "occurred_at")
    ordering_needs = {"occurred_at": ("lifecycle", "membership", "person", "account")}

    def get_queryset(self) -> QuerySet[Movement]:
        return sight.subjects(super().get_queryset(), self.request.user, "membership__subject_id")

    @extend_schema(request=Undo, responses=Moved)
    @action(methods=["post"], detail=True)
    def undo(self, request: Request, pk: Any = None) -> Response:
        """Take it back by one more move, to the stage before. Rules respect that until something new happens.

        409 `undo_refused` when something depends on it, or it is no decision that could be taken back.
        """
        movement = self.get_object()
        if not undo.undo(movement, by=self.by, now=self.now, reason=self.given(Undo)["reason"]):
            raise _changed_meanwhile(self, movement.membership)
        return _moved(self, movement.membership_id)


def _check_seen(view: Resource, membership: Membership, seq: int | None) -> None:
    """Raises Problem when the caller has not seen the membership as it is."""
    if seq is None and "If-Match" not in view.request.headers:
        said = _("Say which state of the membership you have seen: its “seq”, or its ETag by If-Match.")
        raise Problem(428, "say_what_you_saw", said, field="seq")
    if seq is not None and seq != membership.seq:
        raise _changed_meanwhile(view, membership)
    try:
        etags.check(view.request, view.shown(membership))
    except Problem as problem:
        raise _changed_meanwhile(view, membership, status=412, headers=problem.headers) from None


def _changed_meanwhile(
    view: Resource, membership: Membership, *, status: int = 409, headers: dict[str, str] | None = None
) -> Problem:
    """What the loser is told: by whom it was changed, how long ago, where to."""
    said, last = wording.too_late(membership, view.now), stages.last_movement(membership)
    told: dict[str, Any] = {}
    if last is not None:
        to = last.to_stage.slug if last.to_stage else ""
        told = {"by": last.actor, "at": Instant().to_representation(last.recorded_at), "to": to, "seq": last.seq}
    return Problem(status, "changed_meanwhile", said, headers=headers, **told)


def _stage(membership: Membership, slug: str) -> Stage:
    known = list(membership.version.stages.select_related("version__lifecycle").order_by("order"))
    for stage in known:
        if stage.slug == slug:
            return stage
    told = _("There is no such stage. There are: %(names)s.") % {"names": ", ".join(each.slug for each in known)}
    raise serializers.ValidationError({"to": [serializers.ErrorDetail(told, "unknown_stage")]})


def _moved(view: Resource, membership_id: int) -> Response:
    membership = Memberships.queryset.get(pk=membership_id)
    movement = Movements.queryset.get(membership=membership_id, seq=membership.seq)
    shown = MembershipRow(membership).data
    told = {"membership": shown, "movement": MovementRow(movement).data}
    return Response(told, headers={"ETag": etags.of(shown)})
