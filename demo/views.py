"""The one thing about the demo company that a page can ask for: to have it loaded."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from demo import building, loading
from kit import audit, rights


@require_POST
@rights.needs("edit")
def load(request: HttpRequest) -> HttpResponse:
    """Have the demo company loaded, up to yesterday."""
    now = timezone.now()
    try:
        loading.start(seed=building.SEED, end=loading.today(now), by=audit.asker(request), now=now)
    except loading.Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("The demo company is on its way. This page shows how far it is."))
    return redirect("home")
