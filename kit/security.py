"""What a browser may do with our pages: run nothing that did not come from here, and keep nothing."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase

# No script, style or frame but our own files; so an inline script that slipped into a name does not run.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def kept_nowhere(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, behind sign-in: no browser and no proxy keeps what somebody who is signed in was shown."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # Who is signed in stands in the session. Whoever did not look into it has shown nothing of anybody.
        if request.session.accessed and SESSION_KEY in request.session:
            response.headers["Cache-Control"] = "no-store"
        return response

    return answer


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: every answer carries the policy, unless the view set its own."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # Django's own error pages for developers have their styles inside.
        if not (settings.DEBUG and response.status_code >= 400):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return answer
