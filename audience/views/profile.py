"""What the profile of a person and of an account have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience import merging
from audience.activity import timeline
from audience.models import Account, Person, Tagged
from audience.subjects import known, names, querysets, sight
from kit import pages, panels, past, rights, users, writing
from kit.past import Past

LATEST = 6  # things that happened last, on a page that is not the profile
MOST = 50  # deals, contracts and cases that a profile shows; their number is told in any case


def context(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The variables of a profile. An erased subject has a name to point at, and nothing else."""
    place = _place(subject)
    shown: dict[str, Any] = {"subject": subject, "place": place, "title": names.of(subject), "now": now}
    if subject.erased_at:
        return shown
    deals = list(querysets.deals_of(subject)[: MOST + 1])
    contracts = list(querysets.contracts_of(subject, timezone.localdate(now))[: MOST + 1])
    cases = list(querysets.cases_of(subject)[: MOST + 1])
    lines, hidden_shown = known.fields_of(subject), request.GET.get("hidden") == "1"
    return shown | {
        "lines": [line for line in lines if hidden_shown or not line.hidden],
        "hidden_fields": sum(line.hidden for line in lines),
        "hidden_shown": hidden_shown,
        "identities": querysets.identities_of(subject),
        "merges": merging.of_subject(subject.pk),
        "deals": deals[:MOST],
        "more_deals": len(deals) > MOST,
        "holdings": [row | {"quantity": _quantity(row["quantity"])} for row in querysets.holdings_of(subject)[:MOST]],
        "contracts": [(each, _renewal(each, now)) for each in contracts[:MOST]],
        "more_contracts": len(contracts) > MOST,
        "cases": cases[:MOST],
        "more_cases": len(cases) > MOST,
        "most": MOST,
        "tagged": Tagged.objects.filter(subject_id=subject.pk).select_related("tag").order_by("tag__name"),
        "users": users.to_choose(subject.owner_id) if rights.may(request.user, "people") else [],
        "panels": panels.draw(place, subject, request, now),
        "work_panels": panels.draw(f"{place}_work", subject, request, now),
        **told(subject, request),
    }


def page(
    subject: Person | Account, template: str, request: HttpRequest, now: datetime, more: Callable[[], dict[str, Any]]
) -> HttpResponse:
    """The profile as it is, with `more` variables; or, where the address asks for a past day, as it was then."""
    wish = past.wish(request, now, timezone.localdate(subject.first_seen_at))
    if wish.past is None or subject.erased_at:
        shown = {"past": wish, "past_url": request.path, **more()}
        return render(request, template, context(subject, request, now) | shown)
    return render(request, "audience/profile_past.html", _then(subject, request, now, wish, wish.past))


def _then(
    subject: Person | Account, request: HttpRequest, now: datetime, wish: past.Wish, then: Past
) -> dict[str, Any]:
    """The variables of the profile of a past day: what was known, judged and done by then. Nothing is offered there."""
    place = _place(subject)
    shown: dict[str, Any] = {
        "subject": subject, "place": place, "title": names.of(subject), "now": now, "past": wish,
        "past_url": request.path, "was_there": _was_there(subject, then),
    }  # fmt: skip
    if not shown["was_there"]:
        return shown
    return shown | {
        "lines": known.fields_of(subject, then),
        "panels": panels.draw(f"{place}_past", subject, request, now),
        **told(subject, request, then=then),
    }


def _was_there(subject: Person | Account, then: Past) -> bool:
    return subject.first_seen_at < then.at and (then.known is None or subject.created_at < then.known)


def found(request: HttpRequest, pk: int, find: Callable[..., Any], route: str) -> Any:
    """Who has this number; of one that was merged, the way to the page (`route`) of whom it went into.

    Raises Http404 for whoever is not there, or not seen.
    """
    try:
        subject = find(request, pk)
    except Http404:
        subject = None
    if subject is not None and not subject.erased_at:
        return subject
    into = merging.whither(pk)
    if into is not None and sight.sees(request.user, [into]):
        return HttpResponsePermanentRedirect(reverse(route, args=[into]))
    if subject is None:
        raise Http404
    return subject


def timeline_of(subject: Person | Account, request: HttpRequest) -> HttpResponse:
    """The timeline alone: the whole of it, the part that a filter changes, or the older items behind a place."""
    wish = past.wish(request, timezone.now())
    then = wish.past
    if pages.wants_part(request, "timeline-older"):
        return _part(request, "audience/_timeline_items.html", told(subject, request, with_choices=False, then=then))
    shown = told(subject, request, then=then) | {"past": wish}
    if pages.wants_part(request, "timeline"):
        return _part(request, "audience/_timeline.html", shown)
    title = names.of(subject)
    profile_url = reverse(_place(subject), args=[subject.pk]) + (f"?{then.address}" if then else "")
    shown |= {"subject": subject, "title": title, "profile_url": profile_url}
    response = render(request, "audience/timeline.html", shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def told(
    subject: Person | Account, request: HttpRequest, *, with_choices: bool = True, then: Past | None = None
) -> dict[str, Any]:
    """The variables of the timeline’s fragment for what the address asks; what is not understood is left out.

    `then`: only what had happened by a past day, and was known; nothing of it can be taken back there.
    """
    asked, notes = request.GET, []
    known = then.known if then else None
    begin = timeline.behind(then.at) if then else None
    choices = timeline.choices(subject, begin, known) if with_choices else None
    wanted = timeline.Wanted(asked.get("kind", "").strip()[:64], asked.get("channel", "").strip()[:32], known)
    if "\x00" in wanted.kind + wanted.channel:
        wanted = timeline.Wanted(known=known)
    if choices and wanted.kind and wanted.kind not in dict(choices.kinds):
        notes.append(_("Nothing of that kind has happened here; everything is shown."))
        wanted = timeline.Wanted("", wanted.channel, known)
    before = timeline.Cursor.read(asked.get("before", ""))
    if asked.get("before") and before is None:
        notes.append(_("The place in the timeline was not understood; this is its beginning."))
    first = before is None
    if begin is not None:
        before = min(before or begin, begin, key=lambda each: each.at)
    page = _seen(timeline.page(subject, wanted, before), request.user)
    if then is not None:
        page = replace(page, items=[replace(item, by_hand=0, standing=0) for item in page.items])
    url = reverse(f"{_place(subject)}_timeline", args=[subject.pk])
    kept = {name: value for name, value in (("kind", wanted.kind), ("channel", wanted.channel)) if value}
    kept |= then.query if then else {}
    older = f"{url}?{urlencode(kept | {'before': str(page.older)})}" if page.older else ""
    return {
        "timeline": page,
        "timeline_url": url,
        "timeline_older": older,
        "timeline_first": first,
        "timeline_newest": f"{url}?{urlencode(kept)}" if kept else url,
        "timeline_wanted": wanted,
        "timeline_choices": choices,
        "timeline_notes": notes,
        "timeline_past": then,
    }


def latest(subject: Person | Account, request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """The panel of a page that is not the profile: the few things that happened last."""
    return {"timeline": _seen(timeline.page(subject, timeline.Wanted(), size=LATEST), request.user)}


def _seen(page: timeline.Page, user: Any) -> timeline.Page:
    """With the names of those whom the user sees: who has moved on from an account may be somebody else's now."""
    seen = sight.sees(user, {item.person.pk for item in page.items if item.person})
    shown = [item if not item.person or item.person.pk in seen else replace(item, person=None) for item in page.items]
    return replace(page, items=shown)


def _part(request: HttpRequest, template: str, shown: dict[str, Any]) -> HttpResponse:
    response = render(request, template, shown)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _place(subject: Person | Account) -> str:
    """Where panels for this kind of subject are put, and what its page is called."""
    return "person" if isinstance(subject, Person) else "account"


def _quantity(quantity: Decimal) -> str:
    """As many decimal places as are needed."""
    places = max(-int(quantity.normalize().as_tuple().exponent), 0)
    return writing.number(quantity, places)


def _renewal(contract: Any, now: datetime) -> str:
    """How far off the renewal of a running contract is, in days of the reader's calendar."""
    if contract.ends_on or not contract.renews_on:
        return ""
    days = (contract.renews_on - timezone.localdate(now)).days
    if days < 0:
        return ngettext("%(days)s day ago", "%(days)s days ago", -days) % {"days": writing.number(-days)}
    if days == 0:
        return _("today")
    return ngettext("in %(days)s day", "in %(days)s days", days) % {"days": writing.number(days)}
