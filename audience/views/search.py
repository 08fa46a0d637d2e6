"""Search from anywhere: people, accounts, and what other apps find."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from audience.subjects import querysets
from kit import panels

SHOWN = 10  # of each sort; the whole of them is in the list


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """The first people and accounts that match, each sort with a way to all of them."""
    text = " ".join(querysets.words(request.GET.get("q", "")))
    people = querysets.quick_people(text, SHOWN + 1, request.user)
    accounts = querysets.quick_accounts(text, SHOWN + 1, request.user)
    asked = "?" + urlencode({"q": text})
    context = {
        "text": text,
        "search_words": text,
        "people": people[:SHOWN],
        "all_people": reverse("people") + asked if len(people) > SHOWN else "",
        "accounts": accounts[:SHOWN],
        "all_accounts": reverse("accounts") + asked if len(accounts) > SHOWN else "",
        # Other apps read `q` of the request as they see fit.
        "panels": panels.draw("search", None, request, timezone.now()) if text else [],
    }
    return render(request, "audience/search.html", context)
