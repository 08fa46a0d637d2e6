"""Everything that happened with a person, or with an account and its people, in one order: the newest first.

Two steps: one statement finds which rows come next, out of every table that has something to tell, each read along its
own index; then the rows are fetched, one query for each table that is among them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet, Subquery, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.activity import kinds
from audience.models import Account, Activity, ActivityKind, Case, Deal, Person, Purchase, Retraction
from audience.subjects import querysets
from audience.subjects.people import BY_HAND
from kit import money
from kit.sql import Sql, join, rows, sql

SIZE = 25  # items at a time
FACETS_FROM = 10_000  # the newest activities, out of which the kinds and channels on offer are read
DETAILS, SHORT = 4, 60  # so many properties, each so short, are shown at once; anything more opens

# In the address, and what sorts together at one instant: what happened, beside activities, whose rank is 0.
ACTIVITY, PURCHASE, DEAL_OPENED, DEAL_CLOSED, CASE_OPENED, CASE_CLOSED = range(6)
OTHERS: dict[str, Any] = {
    "~deals": gettext_lazy("Deals"),
    "~purchases": gettext_lazy("Purchases"),
    "~cases": gettext_lazy("Service cases"),
}
ICONS = {
    "email": "mail", "web": "mouse-pointer-click", "website": "mouse-pointer-click", "phone": "phone", "call": "phone",
    "event": "calendar-days", "webinar": "video", "social": "message-circle", "chat": "messages-square",
    "sms": "message-square", "product": "monitor", "community": "users", "referral": "share-2", "review": "star",
    "mail": "mailbox", "direct_mail": "mailbox", "search": "search", "ads": "megaphone", "paid_search": "search",
    "display": "megaphone", "partner": "handshake", "form": "clipboard-list",
}  # fmt: skip
_CURSOR = re.compile(r"(-?\d{1,18})\.([0-5])\.(\d{1,18})", re.ASCII)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True)
class Cursor:
    """A place in the order: everything behind it is older. Written as three numbers, so that any place can be asked."""

    at: datetime
    rank: int
    pk: int

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICRO}.{self.rank}.{self.pk}"

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """The place that `text` names, or None when it names none."""
        if not (found := _CURSOR.fullmatch(text)):
            return None
        try:
            return cls(_EPOCH + int(found[1]) * _MICRO, int(found[2]), int(found[3]))
        except OverflowError:
            return None


def behind(at: datetime) -> Cursor:
    """The place behind everything that did not happen strictly before an instant."""
    return Cursor(at, ACTIVITY, 0)


@dataclass(frozen=True)
class Wanted:
    """What the reader wants to see: a kind (a slug of the catalogue, or one of OTHERS), a channel; "" is all. `known`:
    only what was recorded before that."""

    kind: str = ""
    channel: str = ""
    known: datetime | None = None

    @property
    def is_narrowed(self) -> bool:
        return bool(self.kind or self.channel)


@dataclass(frozen=True)
class Item:
    """One thing that happened. `facts` says in short where and how; `details` are names and values that open."""

    at: datetime
    title: str
    icon: str
    facts: list[str]
    details: list[tuple[str, str]]
    source: str
    person: Person | None = None
    badges: tuple[tuple[str, str], ...] = ()
    tone: str = ""
    by_hand: int = 0  # the activity that a user has recorded and may take back
    standing: int = 0  # any other activity that can be taken back, as a scanner's for instance
    is_reversed: bool = False

    @property
    def is_brief(self) -> bool:
        """Whether the details are few and short enough to be shown at once."""
        return len(self.details) <= DETAILS and all(len(value) <= SHORT for _name, value in self.details)


@dataclass(frozen=True)
class Page:
    """Some items, the newest first, and where the older ones begin (None: there are none)."""

    items: list[Item]
    older: Cursor | None


@dataclass(frozen=True)
class Choices:
    """The kinds and channels that a reader can choose among: those that happened to this subject."""

    kinds: list[tuple[str, str]]
    channels: list[str]


def page(subject: Person | Account, wanted: Wanted, before: Cursor | None = None, size: int = SIZE) -> Page:
    """The `size` newest things that happened before `before`, as far as they are wanted.

    An account's are its own and those of its people; an activity counts for the account it was done for, not for the
    one that its person has moved to since. What was taken back stays, and is marked.
    """
    branches = [_next(branch, before, size + 1) for branch in _branches(subject, wanted, before, size + 1)]
    if not branches:
        return Page([], None)
    found = rows(
        sql(
            "SELECT * FROM ({}) told ORDER BY at DESC, rank DESC, id DESC LIMIT {}",
            join(" UNION ALL ", branches),
            size + 1,
        )
    )
    keys = [Cursor(*key) for key in found[:size]]
    return Page(_items(subject, keys, wanted.known), keys[-1] if len(found) > size else None)


def choices(subject: Person | Account, before: Cursor | None = None, known: datetime | None = None) -> Choices:
    """What to choose among, out of the newest activities of the subject, before a place if there is one."""
    branches = _activities(subject, Wanted(known=known), before, FACETS_FROM, beside=("kind_id", "channel"))
    newest = join(" UNION ALL ", (_next(branch, before, FACETS_FROM) for branch in branches))
    pairs = rows(sql("SELECT DISTINCT kind_id, channel FROM ({}) told", newest))
    happened = ActivityKind.objects.in_bulk({kind for kind, _channel in pairs})
    channels = {channel or happened[kind].channel for kind, channel in pairs}
    named = sorted((kinds.name(kind), kind.slug) for kind in happened.values())
    return Choices(
        kinds=[*((slug, name) for name, slug in named), *((name, str(label)) for name, label in OTHERS.items())],
        channels=sorted(channels - {""}),
    )


# ---- which rows come next ----


def _branches(subject: Person | Account, wanted: Wanted, before: Cursor | None, size: int) -> Iterable[Sql]:
    """One SELECT of (at, rank, id) for each table and date that has something to tell of the subject."""
    if not wanted.kind.startswith("~"):
        yield from _activities(subject, wanted, before, size)
    if wanted.channel or (wanted.kind and not wanted.kind.startswith("~")):
        return
    whose = _subjects(subject)
    deals = _deals(subject)
    if wanted.known is not None:
        whose, deals = (sql("{} AND recorded_at < {}", each, wanted.known) for each in (whose, deals))
    if wanted.kind in ("", "~purchases"):
        yield _dated("audience_purchase", "occurred_at", PURCHASE, whose)
    if wanted.kind in ("", "~cases"):
        yield _dated("audience_case", "opened_at", CASE_OPENED, whose)
        yield _dated("audience_case", "closed_at", CASE_CLOSED, whose)
    if wanted.kind in ("", "~deals"):
        yield _dated("audience_deal", "opened_at", DEAL_OPENED, deals)
        yield _dated("audience_deal", "closed_at", DEAL_CLOSED, deals)


def _activities(
    subject: Person | Account, wanted: Wanted, before: Cursor | None, size: int, beside: Sequence[str] = ()
) -> Iterable[Sql]:
    """The branches of activities; `beside` are columns that are told as well."""
    columns = ", ".join(("occurred_at AS at", "0 AS rank", "id", *beside))
    told = f"SELECT {columns} FROM audience_activity WHERE reversal_of_id IS NULL"
    asked = _asked_of_activities(wanted)
    if isinstance(subject, Person):
        yield sql(f"{told} AND person_id = {{}}{{}}", subject.pk, asked)
        return
    yield sql(f"{told} AND account_id = {{}}{{}}", subject.pk, asked)
    # The newest few of each of its people, so that each is a range of the index however many people there are.
    yield sql(
        """SELECT theirs.* FROM audience_person person CROSS JOIN LATERAL ({}) theirs
           WHERE person.account_id = {}""",
        _next(sql(f"{told} AND person_id = person.id AND account_id IS NULL{{}}", asked), before, size),
        subject.pk,
    )


def _asked_of_activities(wanted: Wanted) -> Sql:
    asked = Sql("") if wanted.known is None else sql(" AND recorded_at < {}", wanted.known)
    if wanted.kind:
        asked = sql("{} AND kind_id IN (SELECT id FROM audience_activitykind WHERE slug = {})", asked, wanted.kind)
    if wanted.channel:
        by_kind = sql("SELECT id FROM audience_activitykind WHERE channel = {}", wanted.channel)
        asked = sql(
            "{} AND (channel = {} OR channel = '' AND kind_id IN ({}))",
            asked,
            wanted.channel,
            by_kind,
        )
    return asked


def _dated(table: str, column: str, rank: int, whose: Sql) -> Sql:
    """Names are of this file, values are bound."""
    return sql(f"SELECT {column} AS at, {rank} AS rank, id FROM {table} WHERE {column} IS NOT NULL AND {{}}", whose)


def _next(branch: Sql, before: Cursor | None, size: int) -> Sql:
    """The newest `size` rows of a branch before a place; the first condition bounds the range of the index."""
    if before is None:
        return sql("(SELECT * FROM ({}) told ORDER BY at DESC, id DESC LIMIT {})", branch, size)
    return sql(
        """(SELECT * FROM ({}) told WHERE at <= {} AND (at, rank, id) < ({}, {}, {})
            ORDER BY at DESC, id DESC LIMIT {})""",
        branch,
        before.at,
        before.at,
        before.rank,
        before.pk,
        size,
    )


def _subjects(subject: Person | Account) -> Sql:
    """The rows of a table with one subject that are the subject's, an account's with those of its people."""
    if isinstance(subject, Person):
        return sql("subject_id = {}", subject.pk)
    return sql("subject_id IN (SELECT {}::bigint UNION ALL SELECT id FROM audience_person WHERE account_id = {})",
               subject.pk, subject.pk)  # fmt: skip


def _deals(subject: Person | Account) -> Sql:
    if isinstance(subject, Person):
        return sql("id IN (SELECT deal_id FROM audience_dealrole WHERE person_id = {})", subject.pk)
    return sql("(account_id = {} OR partner_id = {})", subject.pk, subject.pk)


# ---- what they are ----


def _items(subject: Person | Account, keys: list[Cursor], known: datetime | None) -> list[Item]:
    ids: dict[int, set[int]] = defaultdict(set)
    for key in keys:
        ids[key.rank].add(key.pk)
    told = Coalesce(KT("properties__reason"), Value("", TextField()))
    reversals = querysets.reversals()
    if known is not None:
        reversals = reversals.filter(recorded_at__lt=known)
    why = reversals.annotate(why=told).values("why")[:1]
    activities = _fetched(
        Activity.objects.select_related("kind", "person").annotate(reversed_because=Subquery(why)), ids[ACTIVITY]
    )
    purchases = _fetched(Purchase.objects.select_related("product", "person"), ids[PURCHASE])
    deals = _fetched(Deal.objects.all(), ids[DEAL_OPENED] | ids[DEAL_CLOSED])
    cases = _fetched(Case.objects.select_related("person"), ids[CASE_OPENED] | ids[CASE_CLOSED])
    found = []
    for key in keys:
        if key.rank == ACTIVITY:
            item = _of_activity(activities[key.pk])
        elif key.rank == PURCHASE:
            item = _of_purchase(purchases[key.pk])
        elif key.rank in (DEAL_OPENED, DEAL_CLOSED):
            item = _of_deal(deals[key.pk], key)
        else:
            item = _of_case(cases[key.pk], key)
        found.append(item if isinstance(subject, Account) else _without_person(item))
    return found


def _fetched(found: QuerySet[Any], ids: set[int]) -> dict[int, Any]:
    return found.in_bulk(ids) if ids else {}


def _of_activity(activity: Any) -> Item:
    badges = []
    is_reversed = activity.reversed_because is not None
    if is_reversed:
        why = dict(Retraction.Reason.choices).get(activity.reversed_because, "")
        badges.append((_("taken back: %(why)s") % {"why": why} if why else _("taken back"), "warn"))
    if activity.actor != Activity.Actor.HUMAN:
        badges.append((activity.get_actor_display(), ""))
    channel = activity.channel or activity.kind.channel
    direction = activity.get_direction_display() or dict(Activity.Direction.choices).get(activity.kind.direction, "")
    value = f"{activity.value.normalize():f}" if activity.value is not None else ""
    facts = [
        _spaced(channel),
        _spaced(activity.platform),
        str(direction),
        _("value %(value)s") % {"value": value} if value else "",
    ]
    return Item(
        at=activity.occurred_at,
        title=kinds.name(activity.kind),
        icon=ICONS.get(channel.lower(), "circle-dot"),
        facts=_filled(facts),
        details=_properties(activity),
        source=activity.source,
        person=activity.person,
        badges=tuple(badges),
        by_hand=activity.pk if activity.source == BY_HAND and not is_reversed else 0,
        standing=activity.pk if activity.source != BY_HAND and not is_reversed else 0,
        is_reversed=is_reversed,
    )


def _of_purchase(purchase: Purchase) -> Item:
    product = str(purchase.product) if purchase.product else _("(empty)")
    quantity = f"{purchase.quantity.normalize():f}"
    facts = [
        money.written(purchase.amount, purchase.currency) if purchase.amount is not None else "",
        _("quantity %(quantity)s") % {"quantity": quantity} if quantity != "1" else "",
    ]
    title = _("Bought %(product)s") % {"product": product}
    return Item(purchase.occurred_at, title, "shopping-bag", _filled(facts), _properties(purchase), purchase.source,
                purchase.person, tone="customer")  # fmt: skip


def _of_deal(deal: Deal, key: Cursor) -> Item:
    amount = money.written(deal.amount, deal.currency) if deal.amount is not None else ""
    if key.rank == DEAL_OPENED:
        title, icon, facts = _("Deal “%(deal)s” opened"), "handshake", [amount, deal.pipeline]
    elif deal.status == Deal.Status.WON:
        title, icon, facts = _("Deal “%(deal)s” won"), "trophy", [amount, deal.reason]
    else:
        title, icon, facts = _("Deal “%(deal)s” lost"), "circle-x", [amount, deal.reason]
    tone = "net_new" if deal.status == Deal.Status.WON and key.rank == DEAL_CLOSED else ""
    return Item(key.at, title % {"deal": deal}, icon, _filled(facts), [], deal.source, tone=tone)


def _of_case(case: Case, key: Cursor) -> Item:
    opened = key.rank == CASE_OPENED
    title = (_("Service case opened: %(case)s") if opened else _("Service case closed: %(case)s")) % {
        "case": case.title
    }
    return Item(key.at, title, "life-buoy", _filled([case.severity]), [], case.source, case.person)


def _without_person(item: Item) -> Item:
    """On a person's own page every line is that person's."""
    return replace(item, person=None)


def _properties(row: Model) -> list[tuple[str, str]]:
    """Names and values; where `x_name` stands beside `x`, it is what x is called."""
    found = getattr(row, "properties", None)
    if not isinstance(found, dict):
        return []
    called = {name: found.get(f"{name}_name", value) for name, value in found.items()}
    return [
        (_spaced(str(name)), _plain(value))
        for name, value in called.items()
        if value not in (None, "", [], {}) and not (name.endswith("_name") and name.removesuffix("_name") in found)
    ]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)


def _words(slug: str) -> str:
    return _spaced(slug.replace("-", " "))


def _spaced(name: str) -> str:
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _filled(texts: list[str]) -> list[str]:
    return [text for text in texts if text]
