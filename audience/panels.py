"""What the audience shows on pages: how far behind the live engine is; of a subject, its segments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audience import consent, live, merging, segments
from audience.belonging import domains, families, holdings, roles
from audience.models import Account, Completeness, Person, Retraction, Segment, SegmentMember
from audience.readiness import completeness, measures
from audience.subjects import exclusions, sight
from kit import audit, heartbeats, installation, past, reading, registry, rights
from kit.statistics import Share

PATIENCE = 5  # seconds for the segments of a past day
MOST_CHANGES = 200  # that a page lists
LAST_CHANGES = 8  # entries of the trail on a profile
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


def segments_then(subject: Person | Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The segments that a subject was in when a past day began; None where there is none of its kind."""
    then = past.of(request, now)
    of = "person" if isinstance(subject, Person) else "account"
    every = list(Segment.objects.filter(of=of).order_by("name"))
    if then is None or not every:
        return None
    try:
        with reading.only(PATIENCE):
            inside, unasked = segments.of_subject_then(every, subject.pk, at=then.at, known=then.known)
    except segments.FAULTS:
        inside, unasked = set(), every
    return {"segments": [each for each in every if each.pk in inside], "unasked": unasked, "then": then}


def trail_of(subject: Person | Account, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """Who changed what about a subject last, and about those who were merged with it; None where nobody did.

    It tells no values and no other names, so that whoever sees the profile sees it; the trail itself is for those who
    may read it.
    """
    numbers = [subject.pk, *merging.absorbed(subject.pk)]
    entries = list(audit.about(numbers).select_related("user")[: LAST_CHANGES + 1])
    if not entries:
        return None
    return {
        "entries": entries[:LAST_CHANGES],
        "more": len(entries) > LAST_CHANGES,
        "reads_trail": rights.may(request.user, "administer"),
        "numbers": ",".join(map(str, numbers)),
    }


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


def buying_centre(account: Account, request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Who is what in an account, and which roles nobody has."""
    seats = roles.buying_centre(account, request.user)
    return {
        "account": account,
        "seats": [seat for seat in seats if seat.held or seat.hidden],
        "missing": [seat for seat in seats if seat.missing],
        "may_edit": rights.may(request.user, "people"),
    }


def family(account: Account, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The tree of accounts that an account is part of; None where it stands alone."""
    tree = families.tree(account, request.user, timezone.localdate(now))
    return {"tree": tree, "account": account, "sees_all": sight.everything(request.user)} if tree else None


def roles_of(person: Person, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """In which accounts somebody is what, and was; where they have none, the account that their address tells."""
    if person.erased_at:
        return None
    held = roles.of(person)
    proposed = None if person.account_id else domains.account_of(person.email)
    if proposed and not sight.is_seen(request.user, proposed):
        proposed = None
    if not held and not proposed:
        return None
    may_edit = rights.may(request.user, "people")
    return {"person": person, "roles": held, "proposed": proposed, "may_edit": may_edit}


def holdings_of(subject: Person | Account, _request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """What somebody has by family of products; of an account also what its peers have. None where there is nothing."""
    found = holdings.of(subject, timezone.localdate(now))
    return {"holdings": found, "least": holdings.ENOUGH} if found.families else None


def account_settings(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of the settings page: whether domains decide, and where that and the roles are said."""
    says = _("New people are not put into accounts by their domain.")
    if domains.puts():
        says = _("New people are put into the account of their domain.")
    return {"says": says, "label": _("Buying centre and domains"), "url": reverse("account_settings")}


Change = tuple[int, datetime, str]  # of whom, when, what


def retracted(retraction: Retraction, request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Which segments were entered or left because activities were taken back, or count again."""
    at = [each + more for each in (*retraction.instants, *retraction.restored) for more in (timedelta(0), live.INSTANT)]
    stays = SegmentMember.objects.filter(Q(entered_at__in=at) | Q(left_at__in=at)).select_related("segment")
    moves: list[Change] = []
    for stay in stays.order_by("-pk")[:MOST_CHANGES]:
        if stay.entered_at in at:
            moves.append((stay.subject_id, stay.entered_at, _("entered “%(segment)s”") % {"segment": stay.segment}))
        if stay.left_at in at:
            moves.append((stay.subject_id, stay.left_at, _("left “%(segment)s”") % {"segment": stay.segment}))
    return changes(moves, stays.count(), request)


def changes(moves: Sequence[Change], count: int, request: HttpRequest) -> dict[str, Any]:
    """What a panel of changes draws: each with the name of whom it is about, and how many there are in all."""
    known = registry.named({subject for subject, _at, _what in moves}, request.user)
    lines = [{"who": known.get(subject), "at": at, "what": what} for subject, at, what in moves]
    return {"lines": lines, "count": count, "more": max(0, count - len(lines))}


def left_out(_subject: None, _request: HttpRequest, _now: datetime) -> dict[str, Any]:
    """Of the settings page: how many domains and addresses each list has, and where they are named."""
    numbers = {each.name: len(installation.get(each.setting)) for each in exclusions.LISTS}
    says = exclusions.in_words(numbers) or _("None is named: colleagues count in every figure.")
    return {"says": says, "label": _("Own domains, testers, competitors"), "url": reverse("left_out")}
