"""Pages for strangers: no sign-in, kept by no cache, found by no search engine, one plain sheet."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from kit import installation

Answer = Callable[..., HttpResponseBase]


def public(view: Answer) -> Answer:
    """Open to everybody, kept by no cache, found by no search engine, telling nobody where its visitor came from."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        answer.headers["X-Robots-Tag"] = "noindex, nofollow"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    return login_not_required(never_cache(answered))


def page(request: HttpRequest, template: str, status: int = 200, **shown: Any) -> HttpResponse:
    """One sheet, under the name and the postal address of the company."""
    with installation.remembering():
        company = {"company": installation.get("company"), "postal_address": installation.get("postal_address")}
    return render(request, template, shown | company, status=status)


def nowhere(request: HttpRequest) -> HttpResponse:
    """What was not signed here leads to this page, and no further."""
    return page(request, "kit/nowhere.html", status=400)
