"""Errors over HTTP as problem details (RFC 9457): type, title, status, code, detail, and more where it helps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.core.exceptions import PermissionDenied as Denied
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions, status
from rest_framework.response import Response

from kit import reading

CONTENT_TYPE = "application/problem+json"
PREFIX = "/api/v1/"  # whoever asks for an address below it is a program, and is answered in JSON

DEADLOCK = "40P01"  # PostgreSQL's deadlock_detected

logger = logging.getLogger(__name__)


class Problem(exceptions.APIException):
    """A refusal with its code: `more` are members beside the five, such as field, row, limit, or errors."""

    def __init__(
        self,
        status_code: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.code = code
        self.headers = dict(headers or {})
        self.more = {name: value for name, value in more.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        return document(self.status_code, self.code, str(self.detail), **self.more)


def document(status_code: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The problem as it is sent; `type` names the code, and is no address."""
    return {
        "type": f"urn:perennial:problem:{code}",
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "code": code,
        "detail": detail,
        **more,
    }


Told = Callable[[Any], Problem]
_known: dict[type[Exception], Told] = {}


def register(error: type[Exception], told: Told) -> None:
    """How an app's own refusal is told to programs; call it in `AppConfig.ready`."""
    _known[error] = told


def refusal(status_code: int, code: str) -> Told:
    """The usual way: the exception's own words, and the `field` that it names, if it names one."""
    return lambda error: Problem(status_code, code, str(error), field=getattr(error, "field", None) or None)


def refusals(status_code: int, code: str) -> Told:
    """The same for one that names several reasons (`problems`): each is in `errors`."""

    def told(error: Any) -> Problem:
        errors = [{"code": code, "detail": str(each)} for each in error.problems]
        return Problem(status_code, code, str(error), errors=errors)

    return told


def at_place(status_code: int, code: str) -> Told:
    """The same for one that names the `place` in a document."""
    return lambda error: Problem(status_code, code, str(error), place=error.place or None)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. What nobody has foreseen is logged and told without its inside."""
    problem = _of(error)
    if problem is None:
        request = context.get("request")
        logger.exception("%s %s failed", getattr(request, "method", ""), getattr(request, "path", ""))
        problem = unexpected()
    return Response(problem.as_dict(), status=problem.status_code, headers=problem.headers, content_type=CONTENT_TYPE)


def unexpected() -> Problem:
    return Problem(
        500, "unexpected", _("Something unexpected went wrong here. It has been noted, and nothing was kept.")
    )


def plain(request: HttpRequest, problem: Problem) -> JsonResponse:
    """The same outside of DRF: addresses that do not exist, middleware that refuses."""
    return JsonResponse(
        problem.as_dict(), status=problem.status_code, headers=problem.headers, content_type=CONTENT_TYPE
    )


def wanted(request: HttpRequest) -> bool:
    """Whether who asks is a program."""
    return request.path.startswith(PREFIX) or request.headers.get("Accept", "").startswith("application/json")


def not_found() -> Problem:
    return Problem(404, "not_found", _("There is nothing at this address, or nothing that you may see."))


def _of(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        if kind in _known:
            return _known[kind](error)
    if isinstance(error, Http404 | ObjectDoesNotExist):
        return not_found()
    if isinstance(error, Denied):
        return Problem(403, "not_allowed", str(error) or _("You may not do this."))
    if isinstance(error, RequestDataTooBig):
        return too_large()
    if isinstance(error, reading.TooSlow):
        return Problem(503, "too_slow", _("This took too long to find out, and nothing was changed."))
    if isinstance(error, OperationalError) and getattr(error.__cause__, "pgcode", None) == DEADLOCK:
        said = _("Somebody wrote the same rows at this very moment, and nothing of this was kept. Send it again.")
        return Problem(503, "busy", said, headers={"Retry-After": "1"})
    if isinstance(error, exceptions.ValidationError):
        return invalid(error)
    if isinstance(error, exceptions.APIException):
        return _from_drf(error)
    return None


def too_large(limit: int | None = None) -> Problem:
    return Problem(413, "body_too_large", _("The body is larger than is taken at once."), limit=limit)


def invalid(error: exceptions.ValidationError) -> Problem:
    """What serializers found, as one problem: the first in words, all of them in `errors`."""
    errors = list(_flat(error.get_full_details(), ""))
    first = errors[0]
    return Problem(400, first["code"], first["detail"], field=first.get("field"), errors=errors)


def _flat(found: Any, path: str) -> list[dict[str, str]]:
    """DRF's tree of errors as a list: each with field (a path such as `items.3.email`), code and detail."""
    if isinstance(found, dict) and set(found) == {"message", "code"} and not isinstance(found["message"], dict | list):
        said = {"code": str(found["code"]), "detail": str(found["message"])}
        return [{"field": path, **said} if path else said]
    if isinstance(found, dict):
        named = ((key if key != "non_field_errors" else "", each) for key, each in found.items())
        return [one for key, each in named for one in _flat(each, ".".join(filter(None, (path, str(key)))))]
    flat = []
    for number, each in enumerate(found):
        leaf = isinstance(each, dict) and set(each) == {"message", "code"}
        flat += _flat(each, path if leaf else ".".join(filter(None, (path, str(number)))))
    return flat


CODES = {
    status.HTTP_401_UNAUTHORIZED: "no_key",
    status.HTTP_403_FORBIDDEN: "not_allowed",
    status.HTTP_404_NOT_FOUND: "not_found",
    status.HTTP_405_METHOD_NOT_ALLOWED: "method_not_allowed",
    status.HTTP_406_NOT_ACCEPTABLE: "not_acceptable",
    status.HTTP_415_UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    status.HTTP_429_TOO_MANY_REQUESTS: "too_many_requests",
}


def _from_drf(error: exceptions.APIException) -> Problem:
    headers = {}
    if auth := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + 1)
    code = CODES.get(error.status_code, str(getattr(error, "default_code", "refused")))
    return Problem(error.status_code, code, str(error.detail), headers=headers)
