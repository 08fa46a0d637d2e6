"""Each request at the door: it gets its id, and one line in the log when it is answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from kit import metrics, origin
from kit.views import probes

HEADER = "X-Request-ID"
UNTOLD = frozenset({"static", "probe"})  # routes that are asked every few seconds, or by every page
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = logging.getLogger(__name__)


def given_an_id(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the outermost: whatever happens within goes back to this request, and the answer says its id.

    The line tells the route's name and not the address, in which people are searched for and signed links are followed.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        request_id = origin.accepted(request.headers.get(HEADER, ""))
        with origin.following(request_id):
            began = time.perf_counter()
            response = get_response(request)
            _tell(request, response, time.perf_counter() - began)
        response.headers[HEADER] = request_id
        if response.streaming:
            response.streaming_content = _within(request_id, response.streaming_content)  # type: ignore[attr-defined]
        return response

    return answer


def route(request: HttpRequest) -> str:
    """The name of the route that answers; of bounded variety, whatever strangers ask for."""
    if request.path_info in probes.PROBES:
        return "probe"
    if request.resolver_match:
        return request.resolver_match.view_name
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


def _tell(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    where = route(request)
    if where in UNTOLD and response.status_code < 400:
        return
    metrics.answered(where, response.status_code, seconds)
    method = request.method if request.method in METHODS else "other"
    told = {
        "method": method,
        "route": where,
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        "user_id": _user_id(request),
    }
    logger.info("%(method)s %(route)s %(status)s in %(ms)s ms, user %(user_id)s", told, extra=told)


def _user_id(request: HttpRequest) -> int | None:
    """Who asked, as far as that is known by now: nobody is looked up for the sake of a line."""
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        session = getattr(request, "session", None)
        known = session.get(SESSION_KEY) if session is not None and session.accessed else None
        return int(known) if known else None
    return getattr(user, "pk", None)


def _within(request_id: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """A long answer is made while it is read, and goes back to the same request."""
    making = iter(parts)
    while True:
        with origin.following(request_id):  # not across a `yield`, where whoever reads would be within it too
            try:
                part = next(making)
            except StopIteration:
                return
        yield part
