"""What a browser may do with our pages: nothing that did not come from here."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
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
