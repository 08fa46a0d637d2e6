"""The page of exceptions from the policy of styles."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from campaigns import styles
from campaigns.views import head


@require_GET
def overrides(request: HttpRequest) -> HttpResponse:
    """Steps that send another style than their stage's, why, and what came of them."""
    shown = ("sent", "opened", "clicked", "unsubscribed")
    lines = [
        {
            "override": each,
            "figures": [
                (name, each.figures[name], head.people_url(
                    each.step.version.campaign, step=each.step.key, did=name, version=each.step.version.number
                ))
                for name in shown
            ],
        }
        for each in styles.overrides()
    ]  # fmt: skip
    crumbs = [(_("Campaigns"), reverse("campaigns")), (_("Other styles"), "")]
    return render(request, "campaigns/styles.html", {"lines": lines, "crumbs": crumbs})
