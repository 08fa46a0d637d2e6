"""Answers to requests that cannot be understood."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBadRequest
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBadRequest:
    """The page for them. Django's own looks for a token in the form, which may be what could not be read."""
    return HttpResponseBadRequest(render_to_string("400.html"))
