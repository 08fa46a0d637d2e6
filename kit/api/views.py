"""What every resource of the API is: asked with a key, strict about its input, paged, tagged, and done once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from kit import audit
from kit.api import decoding, etags, idempotency
from kit.api.problems import Problem
from kit.models import User

Rows = list[Any]


class Resource(viewsets.GenericViewSet):
    """A resource. Subclasses say `scope`, `queryset`, `serializer_class`, and what of the rest is not as usual.

    `right` is what changing takes (`kit.rights`), `rights` the same by action; `reading` names actions that are asked
    by POST and change nothing. `orderings` are columns without NULL, the first is the usual one; `ordering_needs` has
    the filters without one of which no index gives an order. `parameters` are those of the address that are neither
    filters nor paging. `follows` names members of the representation that change by themselves after a write (`etags`).
    `bodiless`, said to `@action`: what is sent to it all the same is refused. `self.now` is when the request came.
    """

    scope: str
    right: str = "edit"
    rights: ClassVar[Mapping[str, str]] = {}
    reading: Collection[str] = ()
    orderings: Sequence[str] = ("pk",)
    ordering_needs: ClassVar[Mapping[str, Collection[str]]] = {}
    parameters: Collection[str] = ()
    follows: Collection[str] = ()
    bodiless = False
    now: datetime

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with audit.speaking():
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = timezone.now()
        super().initial(request, *args, **kwargs)
        decoding.refuse_bad_unicode(dict(request.query_params.lists()))
        if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
            # The server would hand on an empty body, as if nothing had been said.
            raise Problem(411, "length_required", _("Say how long the body is, by Content-Length."))
        if self.bodiless and (sent := self._sent()):
            said = _("Nothing is told to this address but itself. Send no body, or an empty object.")
            raise Problem(400, "unknown_field", said, field=next(iter(sent))[:100] if isinstance(sent, dict) else None)
        if request.method == "POST" and (handler := getattr(self, "post", None)):
            self.post = idempotency.once(handler, request, self.now)

    def _sent(self) -> Any:
        """What came with a request that takes nothing. Its bytes are kept: `idempotency` looks at them again."""
        return self.request.data if self.request._request.body else None

    # ---- what actions are made of ----

    @property
    def by(self) -> User:
        """Whose key it is."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def given(self, kind: type[Serializer[Any]] | None = None, **options: Any) -> dict[str, Any]:
        """The validated body. Raises what DRF raises."""
        serializer = (kind or self.get_serializer_class())(data=self.request.data, **options)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def as_sent(self) -> Mapping[str, Any]:
        """The body as it was sent, where no serializer reads it whole. Raises what DRF raises for what is no object."""
        body: Any = self.request.data
        if not isinstance(body, Mapping):
            raise ValidationError(_("It is told by an object."), "invalid")
        return body

    def shown(self, row: Any) -> dict[str, Any]:
        """The representation of one row."""
        return dict(self.get_serializer(row).data)

    def again(self, row: Model) -> Any:
        """The row as the resource reads it now, with what the queryset adds."""
        return self.get_queryset().get(pk=row.pk)

    def locked(self) -> Any:
        """The row of the address, locked until the transaction ends; If-Match is looked at.

        Raises 404, and 412 when the caller has not seen its present state.
        """
        assert transaction.get_connection().in_atomic_block
        held = self.get_object()
        type(held)._default_manager.select_for_update(no_key=True).get(pk=held.pk)
        held = self.again(held)
        etags.check(self.request, self.shown(held), follows=self.follows)
        return held

    def answer(self, row: Model, status: int = 200) -> Response:
        """One row as it is now, with its ETag."""
        return etags.answer(self.request, self.shown(self.again(row)), status, follows=self.follows)


class Listed(Resource):
    """A resource that can be listed."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.page_of(self.filter_queryset(self.get_queryset()))

    def page_of(self, rows: QuerySet[Any], kind: type[Serializer[Any]] | None = None) -> Response:
        """One page of rows, by the view's serializer or another."""
        page = self.paginate_queryset(rows)
        assert page is not None
        page = self.prepare(page)
        context = self.get_serializer_context()
        return self.get_paginated_response((kind or self.get_serializer_class())(page, many=True, context=context).data)

    def prepare(self, rows: Rows) -> Rows:
        """The rows of a page before they are written: the place for one more query for all of them."""
        return rows


class Shown(Resource):
    """A resource of which each can be read, with its ETag."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return etags.answer(request, self.shown(self.get_object()), follows=self.follows)
