"""Answers to requests that cannot be understood, are not allowed, or lead nowhere: a page; to programs a problem."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views import csrf, defaults

from kit.api import problems


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """The page for them. Django's own looks for a token in the form, which may be what could not be read."""
    if problems.wanted(request):
        return problems.plain(request, problems.Problem(400, "bad_request", _("The request cannot be understood.")))
    return HttpResponseBadRequest(render_to_string("400.html"))


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if problems.wanted(request):
        said = str(exception) or _("You may not do this.")
        return problems.plain(request, problems.Problem(403, "not_allowed", said))
    return defaults.permission_denied(request, exception)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    if problems.wanted(request):
        said = _("The form's own token is missing or old. Load the page again.")
        return problems.plain(request, problems.Problem(403, "csrf_failed", said))
    return csrf.csrf_failure(request, reason)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if problems.wanted(request):
        return problems.plain(request, problems.not_found())
    return defaults.page_not_found(request, exception)


def unexpected(request: HttpRequest) -> HttpResponseBase:
    if problems.wanted(request):
        return problems.plain(request, problems.unexpected())
    return defaults.server_error(request)
