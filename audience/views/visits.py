"""Where our sites' pages say that they were shown. Nothing is answered but whether it was taken.

A page of another site may say so if its domain is one of ours; no cookie is asked for nor set, and who says in the
browser not to be followed is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from audience.activity import visitors
from audience.importing.forms import Site
from audience.models import Activity, PageView
from audience.views.hosted import objects
from kit import audit, installation, rights, throttle
from kit import visitors as machines
from kit.api.decoding import decoded
from kit.api.problems import Problem
from kit.public import public

LONGEST = 16 << 10  # bytes of one telling
MOST = 20  # pages in it
MINUTE = timedelta(minutes=1)
OFTEN = throttle.Limit("page views", 120, MINUTE, MINUTE, MINUTE)  # tellings a minute, of one address
KEYS = {"key", "url", "title", "referrer", "ago"}
SNIPPET = "js/site.js"


class _Odd(ValueError):
    """What no snippet of ours says."""


@csrf_exempt  # told by other sites' pages, without a cookie: there is nothing to be forged
@public
@require_POST
def page_views(request: HttpRequest) -> HttpResponse:
    """Pages that one browser has shown: 204 when they were taken, or need not be."""
    origin = request.headers.get("Origin", "")
    if not visitors.is_ours(visitors.host_of(origin)):
        return HttpResponse(status=400)
    answer = HttpResponse(status=_taken(request, timezone.now()))
    answer.headers["Access-Control-Allow-Origin"] = origin
    answer.headers["Vary"] = "Origin"
    return answer


def _taken(request: HttpRequest, now: datetime) -> int:
    if objects(request):
        return 204
    if len(request.body) > LONGEST:
        return 413
    whom = f"{machines.neighbourhood(machines.address(request))}|{now:%H:%M}"
    try:
        throttle.claim(throttle.Counted(OFTEN, whom), now=now)
        told = decoded(request.body)
        browser, views, token = _browser(told), list(_views(told, now)), told.get("known", "")
    except throttle.TooOften:
        return 429
    except (Problem, _Odd):
        return 400
    agent = request.headers.get("User-Agent", "")
    actor = Activity.Actor.BOT if visitors.is_bot(agent) else Activity.Actor.HUMAN
    visitors.record(views, browser=browser, actor=actor, now=now)
    person = visitors.carried(token, now=now) if isinstance(token, str) and actor == Activity.Actor.HUMAN else None
    if person:
        visitors.become(browser, person, now=now)
    return 204


def _browser(told: Any) -> uuid.UUID:
    if not isinstance(told, dict) or not set(told) <= {"visitor", "views", "known"}:
        raise _Odd
    return _uuid(told.get("visitor"))


def _views(told: dict[str, Any], now: datetime) -> Iterator[visitors.View]:
    views = told.get("views")
    if not isinstance(views, list) or len(views) > MOST:
        raise _Odd
    for each in views:
        if not isinstance(each, dict) or not set(each) <= KEYS:
            raise _Odd
        url, title, referrer = texts = [each.get(name, "") for name in ("url", "title", "referrer")]
        ago = each.get("ago", 0)
        if not all(isinstance(text, str) for text in texts) or type(ago) not in (int, float):
            raise _Odd
        at = now - timedelta(milliseconds=min(max(ago, 0), visitors.OLDEST_VIEW / timedelta(milliseconds=1)))
        yield visitors.View(_uuid(each.get("key")), url, title, referrer, at)


def _uuid(text: Any) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except (ValueError, TypeError, AttributeError) as odd:
        raise _Odd from odd


@require_http_methods(["GET", "POST"])
@rights.needs("edit")
def site(request: HttpRequest) -> HttpResponse:
    """Which domains are ours, how long strangers' views are kept, and the snippet to put into their pages."""
    kept = {"days": installation.get("page_views_kept_days"), "domains": "\n".join(installation.get("site_domains"))}
    form = Site(request.POST or None, initial=kept)
    if request.method == "POST" and form.is_valid():
        told = {"site_domains": form.cleaned_data["domains"], "page_views_kept_days": form.cleaned_data["days"]}
        if installation.change(told, by=audit.asker(request), now=timezone.now(), action="site.change"):
            messages.success(request, _("The settings of your site are kept."))
        return redirect("site")
    # Pages of others keep this address for years, so it is the one without a fingerprint.
    snippet = f'<script async src="{installation.address()}{settings.STATIC_URL}{SNIPPET}"></script>'
    shown = {"form": form, "snippet": snippet, "domains": installation.get("site_domains")}
    shown["waiting"] = PageView.objects.count()
    return render(request, "audience/site.html", shown, status=400 if form.errors else 200)
