"""Who looks at the pages of our sites: kept apart while nobody knows who it is, and part of a person's history after.

A browser says which pages it showed. As long as it is a stranger's, they stand in a table of their own for some days.
When the visitor becomes known (a form, a link of a letter) they become activities of the person: they occurred when
they did, and were recorded now, so that whoever asks what was known then is told nothing of them.

A browser is one visitor until somebody else becomes known in it: from then on it is another visitor, and what was seen
before stays with the first. A person may be any number of visitors.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent
from audience.activity import activities, agents, kinds
from audience.models import Activity, PageView, Person, Visitor
from kit import installation, tokens, turns
from kit.sql import run, sql

SOURCE = "site"
KIND = "page_viewed"
CHANNEL = "website"
LETTER = "site visit"  # the token by which a link of a letter says whose it is
PARAMETER = "perennial"  # that carries it, in an address of our own sites
CARRIED = timedelta(hours=1)  # it is told as soon as the page opens; copied and passed on, it is soon worth nothing
OLDEST_VIEW = timedelta(days=1)  # that a browser may tell of late
LONGEST_PAGE, LONGEST_TITLE, LONGEST_TAG = 500, 200, 200
TAGS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")


@dataclass(frozen=True)
class View:
    """One page that was shown: `key` is the browser's own, so that told twice it is one."""

    key: uuid.UUID
    address: str
    title: str
    referrer: str
    at: datetime


def is_bot(agent: str) -> bool:
    """Whether what a browser calls itself is a machine's name, or no name at all."""
    return not agent.strip() or agents.is_machine(agent)


# ---- whose sites these are ----


def is_ours(host: str) -> bool:
    """Whether a host is one of the domains that the settings list, or below one."""
    host = host.lower().rstrip(".")
    return any(host == each or host.endswith(f".{each}") for each in installation.get("site_domains"))


def host_of(address: str) -> str:
    """The host of a web address, without its port; "" for anything else, and for what browsers read otherwise."""
    if "\\" in address:
        return ""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


# ---- what was looked at ----


def record(views: Iterable[View], *, browser: uuid.UUID, actor: str, now: datetime) -> None:
    """Keep what a browser showed of our own sites' pages, each once. A known visitor's go into their history."""
    with installation.remembering():
        told = [each for each in views if is_ours(host_of(each.address))]
    if not told:
        return
    with transaction.atomic():
        turns.take("visitors", [str(browser)])
        known = list(Visitor.objects.filter(browser=browser).order_by("began_at"))
        known = known or [Visitor.objects.create(browser=browser, began_at=min(now, *(each.at for each in told)))]
        rows = [_row(each, _whose(known, each.at), actor, now) for each in told]
        PageView.objects.bulk_create(rows, ignore_conflicts=True)
        _move([each.pk for each in known], now=now)


def _whose(known: Sequence[Visitor], at: datetime) -> Visitor:
    """The visitor who used the browser then; before the first, it was the first."""
    return next((each for each in reversed(known) if each.began_at <= at), known[0])


def _row(view: View, visitor: Visitor, actor: str, now: datetime) -> PageView:
    parts = urlsplit(view.address)
    tags = {name: value[:LONGEST_TAG] for name, value in parse_qsl(parts.query) if name in TAGS and value}
    return PageView(
        visitor=visitor,
        key=view.key,
        page=f"{parts.hostname}{parts.path}"[:LONGEST_PAGE],  # the rest of an address may hold names
        title=view.title[:LONGEST_TITLE],
        referrer=host_of(view.referrer)[:253],
        tags=tags,
        actor=actor,
        occurred_at=max(min(view.at, now), now - OLDEST_VIEW),
    )


# ---- who it is ----


def of(browser: uuid.UUID | None) -> Visitor | None:
    """Who uses a browser now, as far as anybody knows."""
    return Visitor.objects.filter(browser=browser, ended_at=None).first() if browser else None


@transaction.atomic
def become(browser: uuid.UUID, person: Person, *, proven: bool = False, now: datetime) -> Visitor:
    """Whoever uses this browser is this person. What was seen in it by nobody known becomes theirs; somebody else's
    stays with them."""
    turns.take("visitors", [str(browser)])
    held = Visitor.objects.filter(browser=browser, ended_at=None).first()
    if held and held.person_id not in (None, person.pk):
        Visitor.objects.filter(pk=held.pk).update(ended_at=now)
        held = None
    if held is None:
        held = Visitor.objects.create(browser=browser, person=person, proven=proven, began_at=now, known_at=now)
    elif held.person_id is None or (proven and not held.proven):
        held.person, held.proven, held.known_at = person, held.proven or proven, held.known_at or now
        held.save(update_fields=["person", "proven", "known_at"])
    _move([held.pk], now=now)
    return held


def _move(visitors: Collection[int], *, now: datetime) -> None:
    """Views of these visitors, as far as they are known, become activities; of who objected to it, nothing."""
    people = Visitor.objects.filter(pk__in=visitors, person__isnull=False).values_list("person_id", flat=True)
    refused = [pk for pk in set(people) if not consent.may_track(pk)]
    theirs = sql(
        """FROM audience_pageview w JOIN audience_visitor v ON v.id = w.visitor_id
           WHERE v.id = ANY ({}::bigint[]) AND v.person_id IS NOT NULL""",
        list(visitors),
    )
    told = sql(
        """SELECT v.person_id, {} AS kind, w.occurred_at, w.key::text AS external_id, {} AS channel,
                  'inbound' AS direction, w.actor, w.tags || jsonb_strip_nulls(jsonb_build_object(
                      'page', w.page, 'title', nullif(w.title, ''), 'referrer', nullif(w.referrer, ''))) AS properties
           {} AND v.person_id <> ALL ({}::bigint[])""",
        KIND,
        CHANNEL,
        theirs,
        refused,
    )
    columns = ("person_id", "kind", "occurred_at", "external_id", "channel", "direction", "actor", "properties")
    if people:
        activities.record_many(told, columns, source=SOURCE, now=now)
        run(sql("DELETE FROM audience_pageview WHERE id IN (SELECT w.id {})", theirs))


# ---- the links of letters ----


def carrying(address: str, person_id: int | None, *, now: datetime) -> str:
    """An address of one of our sites, saying for a while who follows it; any other address as it was."""
    if person_id is None or not is_ours(host_of(address)) or not consent.may_track(person_id):
        return address
    parts = urlsplit(address)
    told = urlencode({PARAMETER: tokens.made(LETTER, person_id, now=now)})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, told)))))


def carried(token: str, *, now: datetime) -> Person | None:
    """Whom the link of a letter was made for; None when it was not made here, is too old, or the person is erased."""
    pk = tokens.read(LETTER, token, lasts=CARRIED, now=now)
    return Person.objects.filter(pk=pk, erased_at=None).first() if pk else None


# ---- keeping house ----


def forget(now: datetime) -> None:
    """Views of strangers that are older than the settings keep them, and strangers of whom nothing is left."""
    before = now - timedelta(days=int(installation.get("page_views_kept_days")))
    PageView.objects.filter(occurred_at__lt=before).delete()
    run(
        sql(
            """DELETE FROM audience_visitor v WHERE v.person_id IS NULL AND v.began_at < {}
               AND NOT EXISTS (SELECT FROM audience_pageview w WHERE w.visitor_id = v.id)""",
            before,
        )
    )


def ensure_defaults(now: datetime) -> None:
    """What the kind of activity is called. Safe to repeat."""
    kinds.ensure(
        KIND,
        _("Page viewed"),
        channel=CHANNEL,
        direction=Activity.Direction.INBOUND,
        is_engagement=True,
        intent=5,
        now=now,
    )
