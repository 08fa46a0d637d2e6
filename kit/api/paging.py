"""Pages by the last row's key: the thousandth costs what the first does, and none is lost when rows come between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import F, Q
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from kit.api.problems import Problem

USUAL, MOST = 100, 1000


class CursorPages(BasePagination):
    """`?limit=` rows a page, `?cursor=` where it begins, `?ordering=` out of the view's `orderings`.

    `orderings` names columns that are never NULL; "-" before one turns it round. Rows that are equal in it go by key.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        limit = whole_number(request, "limit", usual=USUAL, most=MOST)
        ordering = self._ordering(request, view)
        column, down = ordering.lstrip("-"), ordering.startswith("-")
        salt = f"kit.api.paging:{request.path}:{ordering}"
        if cursor := request.query_params.get("cursor"):
            value, key = opened(cursor, salt)
            queryset = queryset.filter(behind(column, value, key, "lt" if down else "gt"))
        by: list[Any] = [column] if column == "pk" else [column, "pk"]
        rows = list(queryset.order_by(*(F(each).desc() if down else F(each).asc() for each in by))[: limit + 1])
        self.next_cursor = None
        if len(rows) > limit:
            rows.pop()
            last = rows[-1]
            self.next_cursor = sealed((getattr(last, column), last.pk), salt)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        url = None
        if self.next_cursor:
            url = replace_query_param(self.request.build_absolute_uri(), "cursor", self.next_cursor)
        return Response({"results": data, "next": url})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "Address of the next page; null on the last.",
                    "example": None,  # the examples of lists are built from this
                },
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        orderings = [sign + each for each in getattr(view, "orderings", ("pk",)) for sign in ("", "-")]
        return [
            _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}, "Rows a page."),
            _parameter("cursor", {"type": "string"}, "Where the page begins: out of `next` of the page before."),
            _parameter("ordering", {"type": "string", "enum": orderings}, "What the rows are sorted by."),
        ]

    def _ordering(self, request: Request, view: Any) -> str:
        allowed: Sequence[str] = getattr(view, "orderings", ("pk",))
        asked = request.query_params.get("ordering", allowed[0])
        if asked.removeprefix("-") not in allowed:
            raise Problem(
                400, "unknown_ordering", _("Rows can be sorted by: %(names)s.") % {"names": ", ".join(allowed)},
                field="ordering",
            )  # fmt: skip
        needs = getattr(view, "ordering_needs", {}).get(asked.removeprefix("-"), ())
        if needs and not any(request.query_params.get(name) for name in needs):
            told = _("To have rows sorted by %(name)s, narrow the list by one of: %(needs)s.")
            told %= {"name": asked.removeprefix("-"), "needs": ", ".join(needs)}
            raise Problem(400, "ordering_needs_filter", told, field="ordering")
        return asked


def whole_number(request: Request, name: str, *, usual: int, most: int) -> int:
    """A positive whole number of the address. Raises Problem."""
    given = request.query_params.get(name)
    if given is None:
        return usual
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 1 <= int(given) <= most):
        said = _("“%(name)s” is a whole number from 1 to %(most)s.") % {"name": name, "most": most}
        raise Problem(400, "bad_number", said, field=name, limit=most)
    return int(given)


def sealed(values: tuple[Any, ...], salt: str) -> str:
    """A position as the address carries it: signed, so that nobody builds one."""
    return signing.dumps([_plain(each) for each in values], salt=salt)


def opened(cursor: str, salt: str) -> list[Any]:
    """The values of a cursor. Raises Problem for anything that `sealed` did not write for this list."""
    try:
        return signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        said = _("This cursor is not of this list. Begin without one.")
        raise Problem(400, "bad_cursor", said, field="cursor") from None


def _plain(value: Any) -> Any:
    """A value as JSON has it; a filter reads it back."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def behind(column: str, value: Any, key: Any, way: str) -> Q:
    """The rows behind a place. What the first condition says follows from the second; but an index can begin by it."""
    if column == "pk":
        return Q(**{f"pk__{way}": key})
    return Q(**{f"{column}__{way}e": value}) & (Q(**{f"{column}__{way}": value}) | Q(**{f"pk__{way}": key}))


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
