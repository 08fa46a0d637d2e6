"""The reference of the API, in our look and drawn by the server."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from integrations import reference


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All operations by tag; those with every word that is searched for."""
    words = request.GET.get("q", "").lower().split()
    shown = []
    for group in reference.groups():
        found = [each for each in group.operations if _has(each, group.name, words)]
        if found:
            shown.append({"group": group, "operations": found})
    context = {"shown": shown, "q": request.GET.get("q", ""), "crumbs": _crumbs()}
    return render(request, "integrations/reference.html", context)


@require_GET
def group(request: HttpRequest, slug: str) -> HttpResponse:
    """The operations of one tag, each in full."""
    every = reference.groups()
    here = next((each for each in every if each.slug == slug), None)
    if here is None:
        raise Http404
    address = request.build_absolute_uri("/").rstrip("/")
    operations = [{"operation": each, "curl": each.curl(address)} for each in here.operations]
    context = {"group": here, "groups": every, "operations": operations, "crumbs": _crumbs(here.name)}
    return render(request, "integrations/reference_group.html", context)


def _has(operation: reference.Operation, name: str, words: list[str]) -> bool:
    text = " ".join((name, operation.method, operation.path, operation.summary, *operation.words)).lower()
    return all(word in text for word in words)


def _crumbs(here: str = "") -> list[tuple[str, str]]:
    crumbs = [(_("Operations"), ""), (_("API keys"), reverse("api_keys")), (_("Reference"), reverse("api_reference"))]
    return [*crumbs, (here, "")] if here else [*crumbs[:-1], (_("Reference"), "")]
