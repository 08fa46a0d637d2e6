"""What messages lead to, for anybody who holds a signed address: links, the picture, leaving, choosing topics.

No sign-in, no cookie, no script. GET and HEAD change nothing: machines follow every link. What was not signed here is
answered by a page that leads nowhere; only leaving looks the same for any token, so that none can be tried out.
"""

from __future__ import annotations

import base64
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audience import consent
from audience.activity import visitors
from audience.models import Activity
from campaigns import preferences, responses, tracking
from campaigns.models import Message
from kit.public import nowhere, page, public

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@public
@require_safe
def click(request: HttpRequest, token: str) -> HttpResponseBase:
    """To where the link leads, as the message's rows say. Looking ahead (HEAD) counts as nothing."""
    signed = tracking.read(tracking.Kind.CLICK, token)
    message = _message(signed)
    if signed is None or message is None:
        return nowhere(request)
    now = timezone.now()
    to = tracking.target(message, signed[1], now=now)
    if to is None:
        return nowhere(request)
    if request.method == "GET":
        actor = tracking.who_clicked(request.headers, sent_at=message.sent_at, at=now)
        agent = tracking.agent(request.headers)
        counted = responses.clicked(message, signed[1], actor=actor, agent=agent, at=now, now=now)
        if counted == Activity.Actor.HUMAN and message.purpose == Message.Purpose.CAMPAIGN:
            to = visitors.carrying(to, message.person_id, now=now)
    return HttpResponseRedirect(to)


@public
@require_safe
def picture(request: HttpRequest, token: str) -> HttpResponseBase:
    """A transparent point; whoever loads it has shown the message."""
    message = _message(tracking.read(tracking.Kind.OPEN, token))
    if message is None:
        return HttpResponse(status=400)
    if request.method == "GET":
        now = timezone.now()
        actor = tracking.who_opened(request.headers, sent_at=message.sent_at, at=now)
        agent = tracking.agent(request.headers)
        responses.record(message, responses.Kind.OPENED, actor=actor, agent=agent, at=now, now=now)
    return HttpResponse(PICTURE, content_type="image/gif")


@csrf_exempt  # the signed address is what entitles, and mail programs send no cookies (RFC 8058)
@public
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponseBase:
    """One button; pressed, or sent by a mail program, it acts at once. The same pages for any token."""
    if request.method != "POST":
        return page(request, "campaigns/unsubscribe.html", token=token)
    now = timezone.now()
    request.encoding = "utf-8"  # whatever a mail program says of its one line of ASCII, somebody wants to leave
    pressed = request.POST.get("List-Unsubscribe") != "One-Click"
    wording = _("Unsubscribe (button on the page)") if pressed else preferences.ONE_CLICK
    preferences.unsubscribe(token, wording=wording, at=now, now=now)
    return page(request, "campaigns/unsubscribed.html", token=token)


@csrf_exempt
@public
@require_http_methods(["GET", "HEAD", "POST"])
def topics(request: HttpRequest, token: str) -> HttpResponseBase:
    """The topics that the reader of a message gets, to be chosen among."""
    found = preferences.reader(token)
    if found is None:
        return nowhere(request)
    now = timezone.now()
    if request.method == "POST":
        what = _choose(request, found, now)
        answer = redirect("preferences", token=token)
        answer["Location"] += f"?saved={what}"
        return answer
    person = found.person
    offered = list(consent.offered())
    shown: dict[str, Any] = {
        "token": token,
        "reader": found,
        "address": preferences.masked(person.email) if person else "",
        "saved": request.GET.get("saved", ""),
        "tracking_wording": preferences.tracking_wording(),
    }
    if person:
        shown |= {
            "choices": consent.standing(person, offered),
            "paused_until": consent.paused_until(person, at=now),
            "may_track": consent.may_track(person.pk),
        }
    elif found.is_test:
        shown |= {"choices": [consent.Standing(topic, None) for topic in offered], "may_track": True}
    return page(request, "campaigns/preferences.html", **shown)


def _choose(request: HttpRequest, found: preferences.Reader, now: Any) -> str:
    said = request.POST
    if "nothing" in said:
        preferences.leave_everything(found, wording=_("Nothing at all"), at=now, now=now)
        return "nothing"
    if "pause" in said:
        preferences.rest(found, now=now)
        return "pause"
    if "go_on" in said:
        preferences.go_on(found, now=now)
        return "topics"
    wishes = preferences.Wishes(said.getlist("shown"), said.getlist("topic"), "may_track" in said)
    preferences.choose(found, wishes, at=now, now=now)
    return "topics"


def _message(signed: tuple[Any, int] | None) -> Message | None:
    if signed is None:
        return None
    return Message.objects.select_related("campaign", "content_version").filter(pk=signed[0]).first()
