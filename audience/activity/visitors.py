"""Who looks at the pages of our sites: kept apart while nobody knows who it is, and part of a person's history after.

A browser says which pages it showed; other systems say what somebody did whom they know by a cookie or a device alone.
As long as it is a stranger's, it stands in tables of its own for some days.
When the visitor becomes known (a form, a link of a letter) they become activities of the person: they occurred when
they did, and were recorded now, so that whoever asks what was known then is told nothing of them.

A browser is one visitor until somebody else becomes known in it: from then on it is another visitor, and what was seen
before stays with the first. A person may be any number of visitors.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils.translation import gettext as _

from audience import consent
from audience.activity import activities, agents, kinds
from audience.models import Activity, PageView, Person, Visitor, WaitingActivity
from kit import installation, tokens, turns
from kit.sql import Sql, join, name, rows, run, sql

SOURCE = "site"
KIND = "page_viewed"
CHANNEL = "website"
LETTER = "site visit"  # the token by which a link of a letter says whose it is
PARAMETER = "perennial"  # that carries it, in an address of our own sites
CARRIED = timedelta(hours=1)  # it is told as soon as the page opens; copied and passed on, it is soon worth nothing
OLDEST_VIEW = timedelta(days=1)  # that a browser may tell of late
LONGEST_PAGE, LONGEST_TITLE, LONGEST_TAG = 500, 200, 200
WAITS = ("kind", "channel", "platform", "direction", "actor", "value", "properties")  # of what others tell
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
        seen = [_row(each, _whose(known, each.at), actor, now) for each in told]
        PageView.objects.bulk_create(seen, ignore_conflicts=True)
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
    become_many({browser: person.pk}, proven=proven, now=now)
    return Visitor.objects.get(browser=browser, ended_at=None)


def become_many(people: Mapping[uuid.UUID, int], *, proven: bool = False, now: datetime) -> None:
    """The same for any number of browsers, each with the number of whoever uses it, in a transaction."""
    turns.take("visitors", sorted(map(str, people)))
    pairs = sql("unnest({}::uuid[], {}::bigint[]) AS pair (browser, person)", list(people), list(people.values()))
    theirs = sql("v.browser = pair.browser AND v.ended_at IS NULL")
    run(
        sql(
            """UPDATE audience_visitor v SET ended_at = {} FROM {} WHERE {} AND v.person_id <> pair.person""",
            now,
            pairs,
            theirs,
        )
    )
    run(
        sql(
            """UPDATE audience_visitor v SET person_id = pair.person, proven = v.proven OR {},
                      known_at = coalesce(v.known_at, {})
               FROM {} WHERE {} AND (v.person_id IS NULL OR {} AND NOT v.proven)""",
            proven,
            now,
            pairs,
            theirs,
            proven,
        )
    )
    run(
        sql(
            """INSERT INTO audience_visitor (browser, person_id, proven, began_at, known_at)
               SELECT pair.browser, pair.person, {}, {}, {} FROM {}
               WHERE NOT EXISTS (SELECT FROM audience_visitor v WHERE {})""",
            proven,
            now,
            now,
            pairs,
            theirs,
        )
    )
    _move([pk for (pk,) in rows(sql("SELECT v.id FROM {} JOIN audience_visitor v ON {}", pairs, theirs))], now=now)


def _move(visitors: Collection[int], *, now: datetime) -> None:
    """What these visitors did, as far as they are known, becomes activities; of who objected to it, nothing."""
    theirs = sql("v.id = ANY ({}::bigint[]) AND v.person_id IS NOT NULL", list(visitors))
    left = sql(
        """SELECT DISTINCT v.person_id FROM audience_visitor v WHERE {}
           AND (EXISTS (SELECT FROM audience_pageview w WHERE w.visitor_id = v.id)
                OR EXISTS (SELECT FROM audience_waitingactivity w WHERE w.visitor_id = v.id))""",
        theirs,
    )
    people = {pk for (pk,) in rows(left)}
    if not people:
        return
    refused = consent.objecting(people)
    _record_views(theirs, refused, now)
    _record_waiting(theirs, refused, now)


def _record_views(theirs: Sql, refused: list[int], now: datetime) -> None:
    seen = sql("FROM audience_pageview w JOIN audience_visitor v ON v.id = w.visitor_id WHERE {}", theirs)
    told = sql(
        """SELECT v.person_id, {} AS kind, w.occurred_at, w.key::text AS external_id, {} AS channel,
                  'inbound' AS direction, w.actor, w.tags || jsonb_strip_nulls(jsonb_build_object(
                      'page', w.page, 'title', nullif(w.title, ''), 'referrer', nullif(w.referrer, ''))) AS properties
           {} AND v.person_id <> ALL ({}::bigint[])""",
        KIND,
        CHANNEL,
        seen,
        refused,
    )
    columns = ("person_id", "kind", "occurred_at", "external_id", "channel", "direction", "actor", "properties")
    activities.record_many(told, columns, source=SOURCE, now=now)
    run(sql("DELETE FROM audience_pageview WHERE id IN (SELECT w.id {})", seen))


def _record_waiting(theirs: Sql, refused: list[int], now: datetime) -> None:
    """What a file told is rolled back with that file, whatever made known whose it is."""
    waits = sql("FROM audience_waitingactivity w JOIN audience_visitor v ON v.id = w.visitor_id WHERE {}", theirs)
    columns = ("person_id", "occurred_at", "external_id", *WAITS)
    [(present,)] = rows(Sql("SELECT current_setting('perennial.import', true)"))
    for source, imported in rows(sql("SELECT DISTINCT w.source, w.imported_id {} ORDER BY 1, 2", waits)):
        standing = "SELECT id::text FROM audience_import WHERE id = {} AND rollback_id IS NULL"
        run(sql(f"SELECT set_config('perennial.import', coalesce(({standing}), ''), true)", imported))
        told = sql(
            """SELECT v.person_id, w.* {} AND w.source = {} AND w.imported_id IS NOT DISTINCT FROM {}::bigint
               AND v.person_id <> ALL ({}::bigint[])""",
            waits, source, imported, refused,
        )  # fmt: skip
        activities.record_many(told, columns, source=source, now=now)
    run(sql("SELECT set_config('perennial.import', {}, true)", present or ""))
    run(sql("DELETE FROM audience_waitingactivity WHERE id IN (SELECT w.id {})", waits))


# ---- whom other systems have seen ----


def elsewhere(system: str, anonymous_id: str) -> uuid.UUID:
    """The browser that stands for what another system calls so: its cookie, its device."""
    return uuid.UUID(bytes=hashlib.sha256(f"{system}\0{anonymous_id}".encode()).digest()[:16])


def elsewhere_as_sql(system: Sql, anonymous_id: Sql) -> Sql:
    """The same for the rows of a statement."""
    said = sql("convert_to({}, 'UTF8') || '\\x00'::bytea || convert_to({}, 'UTF8')", system, anonymous_id)
    return sql("encode(substr(sha256({}), 1, 16), 'hex')::uuid", said)


def wait(told: Sequence[Mapping[str, Any]], *, source: str, now: datetime) -> int:
    """Keep what visitors did, in a transaction, each row once by its source and `external_id`; how many are new.

    A row has its `browser`, `occurred_at` and the columns of an activity. A known visitor's go into their history.
    """
    shape = {"browser": "uuid", "occurred_at": "timestamptz", "external_id": "text"} | {
        each: activities.COLUMNS[each] for each in WAITS
    }
    given = [{each: row[each] for each in shape if row.get(each) is not None} for row in told]
    columns = join(", ", (sql("{} {}", name(each), Sql(of)) for each, of in shape.items()))
    written = json.dumps(given, cls=DjangoJSONEncoder)
    return wait_many(
        sql(
            "SELECT {}::text AS source, told.* FROM ROWS FROM (json_to_recordset({}::json) AS ({})) "
            "WITH ORDINALITY AS told ({}, place)",
            source, written, columns, join(", ", map(name, shape)),
        ),
        now=now,
    )  # fmt: skip


def wait_many(told: Sql, *, imported: int | None = None, now: datetime) -> int:
    """Keep what visitors did, in a transaction: a relation of `source`, `browser`, `external_id`, `occurred_at`, WAITS
    and `place`, by which of several that say the same id the first counts. How many are new.

    `imported` is the file that tells it, if one does. A known visitor's go into their history.
    """
    turns.take("visitors", [str(browser) for (browser,) in rows(sql("SELECT DISTINCT browser FROM ({}) told", told))])
    new = sql(
        """SELECT DISTINCT ON (told.source, told.external_id) told.* FROM ({}) told
           WHERE NOT EXISTS (SELECT FROM audience_activity a
                             WHERE a.source = told.source AND a.external_id = told.external_id)
           AND NOT EXISTS (SELECT FROM audience_waitingactivity w
                           WHERE w.source = told.source AND w.external_id = told.external_id)
           ORDER BY told.source, told.external_id, told.place""",
        told,
    )
    run(
        sql(
            """INSERT INTO audience_visitor (browser, proven, began_at)
               SELECT new.browser, false, least(min(new.occurred_at), {}) FROM ({}) new
               WHERE NOT EXISTS (SELECT FROM audience_visitor v WHERE v.browser = new.browser)
               GROUP BY 1 ORDER BY 1""",
            now, new,
        )
    )  # fmt: skip
    # The last of what waits are the properties, which are there always.
    columns = join(", ", map(name, ("source", "external_id", "occurred_at", *WAITS)))
    plain = join(", ", map(name, ("source", "external_id", "occurred_at", *WAITS[:-1])))
    kept = rows(
        sql(
            """INSERT INTO audience_waitingactivity (visitor_id, imported_id, {})
               SELECT v.id, {}::bigint, {}, coalesce(properties, '{{}}'::jsonb) FROM ({}) new CROSS JOIN LATERAL (
                   SELECT v.id FROM audience_visitor v WHERE v.browser = new.browser
                   -- Who used it then; before the first, it was the first.
                   ORDER BY v.began_at > new.occurred_at, CASE WHEN v.began_at > new.occurred_at THEN v.began_at END,
                            v.began_at DESC LIMIT 1) v
               ORDER BY new.source, new.external_id ON CONFLICT DO NOTHING RETURNING visitor_id""",
            columns, imported, plain, new,
        )
    )  # fmt: skip
    _move({visitor for (visitor,) in kept}, now=now)
    return len(kept)


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
    """What strangers did that is older than the settings keep them, and strangers of whom nothing is left."""
    before = now - timedelta(days=int(installation.get("page_views_kept_days")))
    PageView.objects.filter(occurred_at__lt=before).delete()
    WaitingActivity.objects.filter(occurred_at__lt=before).delete()
    run(
        sql(
            """DELETE FROM audience_visitor v WHERE v.person_id IS NULL AND v.began_at < {}
               AND NOT EXISTS (SELECT FROM audience_pageview w WHERE w.visitor_id = v.id)
               AND NOT EXISTS (SELECT FROM audience_waitingactivity w WHERE w.visitor_id = v.id)""",
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
