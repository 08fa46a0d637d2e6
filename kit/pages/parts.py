"""What htmx asks for: a part of a page, or the whole; and where a form goes when it is done."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme


def next_of(request: HttpRequest, otherwise: str) -> str:
    """Where a form wants to go when it is done, as its `next` says: a page of ours, else `otherwise`."""
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else otherwise


def wants_part(request: HttpRequest, target: str) -> bool:
    """Whether htmx asks for the part of the page with this id; going back in the history asks for the whole page."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and htmx.target == target and not htmx.history_restore_request


def part(request: HttpRequest, target: str, fragment: str, page: str, context: dict[str, Any]) -> HttpResponse:
    """The fragment for htmx, the page that includes it for everybody else."""
    response = render(request, fragment if wants_part(request, target) else page, context)
    patch_vary_headers(response, ["HX-Request"])
    return response
