"""The test cases of a draft as its page and its editor show them: at once what is expected, then what came of it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from kit import pages
from lifecycle.editing import parts
from lifecycle.editions import cases, documents
from lifecycle.models import Version


def expected(document: parts.Document) -> list[dict[str, Any]]:
    """What each case expects."""
    names = _names(document)
    return [
        {
            "number": number,
            "name": each.get("name") or _("Case %(number)s") % {"number": number},
            "expected": names[each["expect"]["stage"]],
            "on": each["expect"]["on"],
        }
        for number, each in enumerate(document["cases"], 1)
    ]


@require_GET
def played(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """All test cases run against the draft's rules as they are; nothing of it remains.

    Asked for by itself, since playing months day by day takes a second or two. An editor says how its `head` finds the
    draft, and is told there what keeps it from being published.
    """
    drafts = Version.objects.select_related("lifecycle").filter(state=Version.State.DRAFT)
    version = get_object_or_404(drafts, lifecycle__slug=slug, number=number)
    document = documents.of_version(version)
    told, names = expected(document), _names(document)
    for each, outcome in zip(told, cases.run(version, now=timezone.now()), strict=True):
        each.update(outcome=outcome, found=names.get(outcome.found, outcome.found))
    context = {
        "version": version,
        "lifecycle": version.lifecycle,
        "test_cases": told,
        "failing": sum(not each["outcome"].passed for each in told),
        "head": request.GET.get("head", ""),
        "version_url": reverse("lifecycle_version", args=[slug, number]),
    }
    return pages.part(request, "case-results", "lifecycle/_cases.html", "lifecycle/cases.html", context)


def _names(document: parts.Document) -> dict[str, str]:
    return {each["slug"]: each["name"] for each in document["stages"]} | {parts.NOWHERE: _("nowhere")}
