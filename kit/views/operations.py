"""Pages for those who operate: is it well, what stopped for good, one turn more of periodic work."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from kit import audit, deadletters, heartbeats, operations, pages, panels, periodic, rights, troubles

SHOWN = 20  # dead letters of a kind on the page


@require_GET
def system(request: HttpRequest) -> HttpResponse:
    """Whether it is well: troubles, workers, queues, periodic work, and what apps tell of theirs."""
    now = timezone.now()
    context = {
        "now": now,
        "troubles": troubles.all_of_them(now),
        "workers": operations.workers(now),
        "queues": operations.queues_now(now),
        "works": periodic.standings(now),
        "panels": panels.draw("system", None, request, now),
        "place": operations.place(),
        "crumbs": [(_("Operations"), ""), (_("System"), "")],
    }
    return pages.part(request, "system", "kit/_system.html", "kit/system.html", context)


@require_POST
@rights.needs("operate")
def periodic_ask(request: HttpRequest, name: str) -> HttpResponse:
    """Have a worker take one turn of periodic work now; refused while one is at work."""
    if periodic.ask(name, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("A worker takes a turn in a moment."))
    else:
        messages.warning(request, _("A turn is at work or asked for already, so there is none beside it."))
    return redirect("system")


@require_POST
@rights.needs("operate")
def worker_dismiss(request: HttpRequest) -> HttpResponse:
    """A silent worker will not come back: no more is said of it."""
    worker = request.POST.get("worker", "")
    if heartbeats.dismiss(worker, by=audit.asker(request), now=timezone.now()):
        messages.success(request, _("No more is said of that worker, unless it is heard of again."))
    else:
        messages.warning(request, _("That worker is not silent (any more), or nobody knows it."))
    return redirect("system")


@require_GET
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Everything that stopped for good, by kind. Whoever has looked is told of the next one as new."""
    may_see = rights.may(request.user, "operate")
    kinds: list[dict[str, Any]] = []
    for kind in deadletters.kinds():
        found = kind.find(deadletters.MOST, None)
        if found:
            shown = [{"letter": each, "payload": _payload(each) if may_see else ""} for each in found[:SHOWN]]
            more = len(found) - len(shown)
            kinds.append({"kind": kind, "shown": shown, "more": more, "at_least": len(found) >= deadletters.MOST})
    request.session[operations.SEEN] = timezone.now().isoformat()
    context = {"kinds": kinds, "crumbs": [(_("Operations"), ""), (_("Dead letters"), "")]}
    return render(request, "kit/dead_letters.html", context)


@require_POST
@rights.needs("operate")
def retry(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Try one again."""
    try:
        again = deadletters.retry(_kind(kind), key, by=audit.asker(request), now=timezone.now())
    except deadletters.Refused as refused:
        messages.error(request, str(refused))
        return redirect(_back(kind))
    if again:
        messages.success(request, _("It is tried again."))
    else:
        messages.warning(request, _("It does not wait any more, or cannot be tried again from here."))
    return redirect(_back(kind))


@require_POST
@rights.needs("operate")
def settle(request: HttpRequest, kind: str, key: str) -> HttpResponse:
    """Say that nothing more is to be done about one, and why."""
    reason = request.POST.get("reason", "")
    try:
        settled = deadletters.settle(_kind(kind), key, reason, by=audit.asker(request), now=timezone.now())
    except deadletters.Refused as refused:
        messages.error(request, str(refused))
        return redirect(_back(kind))
    if settled:
        messages.success(request, _("It is settled, and the reason is kept in the trail."))
    else:
        messages.warning(request, _("It does not wait any more."))
    return redirect(_back(kind))


def _kind(slug: str) -> deadletters.Kind:
    found = deadletters.kind(slug)
    if found is None:
        raise Http404
    return found


def _back(kind: str) -> str:
    return f"{reverse('dead_letters')}#{kind}"


def _payload(letter: deadletters.DeadLetter) -> str:
    return json.dumps(letter.payload, indent=2, ensure_ascii=False, default=str)
