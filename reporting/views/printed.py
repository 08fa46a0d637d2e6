"""The page of a lifecycle's document: to read, and to print."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from lifecycle.editions import picture, versions
from lifecycle.engine import sla
from lifecycle.models import Lifecycle, Version
from reporting import printed


@require_GET
def document(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """The document of the version that is named, else of the live one, else of the newest."""
    lifecycle = get_object_or_404(Lifecycle, slug=slug)
    version = _named(lifecycle, number) if number else versions.to_show(lifecycle)
    if version is None:
        raise Http404
    told = printed.of(version, timezone.now())
    sla.name_calendars([each.stage for each in told.stages])
    shown = reverse("lifecycle_version", args=[slug, version.number])
    context = {
        "told": told,
        "version": version,
        "lifecycle": lifecycle,
        "days": printed.DAYS,
        "calendars": sla.calendar_words(each.stage for each in told.stages),
        "pictures": picture.both(
            told.document, stage_url=lambda stage: f"#stage-{stage}", rule_url=lambda number: f"#rule-{number}"
        ),
        "crumbs": [
            (_("Lifecycles"), reverse("lifecycles")), (str(version), shown), (_("Document"), ""),
        ],
    }  # fmt: skip
    return render(request, "reporting/document.html", context)


def _named(lifecycle: Lifecycle, number: int) -> Version:
    return get_object_or_404(lifecycle.versions.select_related("lifecycle", "created_by"), number=number)
