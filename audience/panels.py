"""What the audience shows on pages: how far behind the live engine is; of a subject, its segments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience import consent, live, segments
from audience.models import Account, Completeness, Person, Segment
from audience.readiness import completeness, measures
from kit import heartbeats, installation, writing
from kit.statistics import Share

LATE = timedelta(minutes=1)  # a mark that waits longer wants somebody's attention


def waiting(_subject: None, _request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Marks that wait to be judged, the age of the oldest, and whether anybody is there to judge."""
    count, since = live.waiting()
    age = max(now - since, timedelta(0)) if since else None
    workers = [beat for beat in heartbeats.alive() if not beat.worker.startswith("beat@")]
    return {"count": count, "age": age, "is_late": age is not None and age > LATE, "workers": workers}


def segments_of(subject: Person | Account, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """The segments that a subject is in, and those that it is not in; None where there is none at all."""
    of = "person" if isinstance(subject, Person) else "account"
    stays = list(segments.of_subject(subject.pk))
    inside = {stay.segment_id for stay in stays}
    outside = [each for each in Segment.objects.filter(of=of).order_by("name") if each.pk not in inside]
    return {"stays": stays, "outside": outside, "subject": subject} if stays or outside else None


def consent_of(person: Person, _request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """What somebody agreed to, topic by topic, whether messages may come, and every act behind it."""
    if person.erased_at:
        return None
    return {"person": person, "told": consent.overview(person, at=now)}


def readiness_today(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """How complete the data was when it was last measured; None before the first time."""
    day = completeness.taken_until()
    if day is None:
        return None
    kept = Completeness.objects.filter(day=day, clock=Completeness.Clock.NOW)
    wholes = []
    for of, label in measures.OF.items():
        lines = [each for each in kept if each.field.startswith(f"{of}.")]
        wholes.append((label, completeness.whole(Share(each.known, each.applicable) for each in lines)))
    return {"day": day, "wholes": [(label, share) for label, share in wholes if share.of]}


def own_domains(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of the settings page: whom own domains leave out, and where they are named."""
    domains = installation.get("own_domains")
    says = _("None is named: colleagues count in every figure.")
    if domains:
        some = ngettext("%(n)s domain is in no figure.", "%(n)s domains are in no figure.", len(domains))
        says = some % {"n": writing.number(len(domains))}
    return {"says": says, "label": _("Own domains"), "url": reverse("left_out")}
