"""The change feed over the API: what other systems read on from where they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import feed
from integrations.kinds import KINDS
from kit.api import access, etags, filtering, paging
from kit.api.problems import Problem
from kit.api.serializers import Instant
from kit.api.views import Listed, Resource
from lifecycle.api.memberships import MOVEMENT

ACTIONS = (feed.PRESENT, feed.CREATED, feed.CHANGED, feed.ERASED, feed.MERGED, feed.REMOVED)
EXAMPLE = {
    "results": [
        {
            "kind": "movement", "id": 90125, "action": "created", "at": "2025-03-05T14:02:11Z",
            "version": "5f70bf18a086007016e948b04aed3b82", "data": MOVEMENT,
        }
    ],
    "cursor": "WyI3MzE…:1tK9…",
    "more": False,
}  # fmt: skip


class ItemRow(serializers.Serializer[Any]):
    """That something was done to a row, and how the row is now."""

    kind = serializers.ChoiceField(choices=list(KINDS))
    id = serializers.IntegerField()
    action = serializers.ChoiceField(
        choices=ACTIONS, help_text="`present`: it stood there before your first look; `erased` and `removed`: drop it."
    )
    at = Instant(allow_null=True, help_text="When that was written; null for what is `present`.")
    version = serializers.CharField(
        allow_null=True,
        help_text="The same as long as the row is the same, so that one seen twice is known again. Members that follow "
        "from other rows, as a person's stages do, are not in it; the other rows tell of them.",
    )
    data = PolymorphicProxySerializer(  # type: ignore[assignment]
        component_name="ChangedRow",
        serializers=[resource.serializer_class for resource in KINDS.values()],  # type: ignore[misc]
        resource_type_field_name=None,
        allow_null=True,
    )


@extend_schema_serializer(many=False, examples=[OpenApiExample("A move", EXAMPLE, response_only=True)])
class ChangesPage(serializers.Serializer[Any]):
    """Some of what changed, in the order in which to apply it."""

    results = ItemRow(many=True)
    cursor = serializers.CharField(help_text="Where to read on: keep it once what it came with is kept.")
    more = serializers.BooleanField(help_text="Whether there may be more already; else ask again after a while.")


class Changes(Resource):
    """What changed, for whoever keeps a copy of it elsewhere."""

    permission_classes = (access.Known,)
    pagination_class = None
    filter_backends = ()
    serializer_class = ChangesPage

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "kinds",
                str,
                description="Kinds of rows with commas between, of those that the key may read; without it all of"
                f" these. There are: {', '.join(KINDS)}.",
            ),
            OpenApiParameter("cursor", str, description="Where to read on: `cursor` of the page before."),
            OpenApiParameter(
                "from",
                str,
                enum=["beginning", "now"],
                default="beginning",
                description="Where to begin without a cursor: with all that is there, or with what changes from here.",
            ),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": paging.MOST, "default": paging.USUAL}
            ),
        ],
        responses=ChangesPage,
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What changed since a cursor. Nothing is missed, whatever the order of commits.

        A row is told as it is now, so that who was away gets its latest state, and perhaps twice. Cursors are good for
        30 days, and for the database that gave them: 410 `cursor_too_old`, `cursor_of_another_database`; then begin
        without one.
        """
        filtering.refuse_unknown(request, {"kinds", "cursor", "from", "limit"})
        kinds = self._kinds()
        limit = paging.whole_number(request, "limit", usual=paging.USUAL, most=paging.MOST)
        views = {kind: self._view(KINDS[kind]) for kind in kinds}
        salt = f"integrations.feed:{','.join(kinds)}"
        page = feed.read(
            self._mark(kinds, salt), {kind: view.get_queryset() for kind, view in views.items()}, self.now, limit=limit
        )
        results = _shown(page.items, views)
        return Response({"results": results, "cursor": paging.sealed(astuple(page.mark), salt), "more": page.more})

    def _kinds(self) -> Sequence[str]:
        key: Any = self.request.auth
        asked = self.request.query_params.get("kinds")
        if asked is None:
            may = [kind for kind, of in KINDS.items() if access.permits(key.scopes, of.scope, access.READ)]
            if not may:
                access.require(self.request, next(iter(KINDS.values())).scope, access.READ)
            return may
        named = asked.split(",")
        for unknown in (each for each in named if each not in KINDS):
            said = _("There is no kind “%(name)s”. There are: %(names)s.")
            told = said % {"name": unknown[:100], "names": ", ".join(KINDS)}
            raise Problem(400, "unknown_kind", told, field="kinds")
        for kind in named:
            access.require(self.request, KINDS[kind].scope, access.READ)
        return [kind for kind in KINDS if kind in named]

    def _mark(self, kinds: Sequence[str], salt: str) -> feed.Mark:
        cursor, begin = self.request.query_params.get("cursor"), self.request.query_params.get("from", "beginning")
        if begin not in ("beginning", "now"):
            raise Problem(400, "invalid_choice", _("One begins from the “beginning” or from “now”."), field="from")
        if cursor:
            return feed.Mark.of(paging.opened(cursor, salt))
        return feed.begin(self.now, kinds=kinds if begin == "beginning" else ())

    def _view(self, resource: type[Listed]) -> Listed:
        """The resource as it would answer this request for a list."""
        view = resource()
        view.setup(self.request._request)
        view.request, view.format_kwarg, view.action, view.now = self.request, None, "list", self.now
        return view


def _shown(items: Sequence[feed.Item], views: Mapping[str, Listed]) -> list[dict[str, Any]]:
    """Items as they are sent: all rows of a kind are written at once, by the resource that they belong to."""
    data: dict[tuple[str, int], dict[str, Any]] = {}
    versions: dict[tuple[str, int], str] = {}
    for kind, view in views.items():
        rows = view.prepare([each.row for each in items if each.kind == kind and each.row is not None])
        written = view.get_serializer(rows, many=True).data
        for row, shown in zip(rows, written, strict=True):
            data[kind, row.pk] = shown
            versions[kind, row.pk] = etags.kept(etags.of(shown, view.follows))
    return [
        {
            "kind": each.kind,
            "id": each.id,
            "action": each.action,
            "at": Instant().to_representation(each.at),
            "version": versions.get((each.kind, each.id)),
            "data": data.get((each.kind, each.id)),
        }
        for each in items
    ]
