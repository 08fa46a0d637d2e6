"""The queue of hand-offs: which of them a user sees, by what they are narrowed, and in which order they are worked on.

A salesperson sees what is, or was, offered to them or to their team, whoever it is about: the offer entitles to the one
page of it. Whoever sees everybody sees all, also what waits in nobody's queue.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest

from audience.subjects import sight
from kit.models import User
from lifecycle.handoffs import wording
from lifecycle.models import Handoff

SHOWN = 6  # on the home page
WHOLE = (
    "stage__version__lifecycle", "user", "team", "stands_for", "answered_by", "membership__stage",
    "membership__person__account", "membership__account",
)  # fmt: skip
# By the clock: left in time; not answered in time by whoever has it, and not by somebody before; missed, and waiting.
IS_OUT = ("accepted", "rejected", "not_now", "expired")
MET = Q(state__in=IS_OUT, due_at__isnull=False, missed_at=None)
MISSED = Q(missed_at__isnull=False) & (Q(routed_at=None) | Q(routed_at__lte=F("missed_at")))
LATE = Q(state=Handoff.State.OFFERED, missed_at__isnull=False)
MINE, TEAM, NOBODY, ALL = "mine", "team", "nobody", "all"


def there() -> QuerySet[Handoff]:
    """All of them, with what a page says of each."""
    return Handoff.objects.select_related(*WHOLE)


def seen(rows: QuerySet[Handoff], user: Any) -> QuerySet[Handoff]:
    """Those that a user sees; the very same query for whoever sees everything."""
    if sight.everything(user):
        return rows
    return rows.filter(_circle(user))


def _circle(user: Any) -> Q:
    mine = Q(user__in=sight.circle(user))
    team = getattr(user, "team_id", None)
    return mine | Q(team=team) if team else mine


def of(rows: QuerySet[Handoff], user: Any, whose: str) -> QuerySet[Handoff]:
    """Those of the rows that are a user's own, their team's, nobody's, or whoever's."""
    if whose == ALL:
        return rows
    if whose == NOBODY:
        return rows.filter(user=None, team=None)
    if whose == TEAM:
        return rows.filter(_circle(user))
    return rows.filter(user=user)


def waiting(rows: QuerySet[Handoff]) -> QuerySet[Handoff]:
    """Those that nobody has answered."""
    return rows.filter(state=Handoff.State.OFFERED)


def by_urgency(rows: QuerySet[Handoff]) -> QuerySet[Handoff]:
    """What is due first comes first, what has no limit last."""
    return rows.order_by(F("due_at").asc(nulls_last=True), "pk")


def described(rows: list[Handoff], now: datetime) -> list[Handoff]:
    """With the working time left of those that wait, and why it is their receiver."""
    wording.describe_time([each for each in rows if each.is_open], now)
    for each in rows:
        each.why, each.left_words = wording.why(each), wording.left(each)  # type: ignore[attr-defined]
    return rows


def after(handoff: Handoff, user: User) -> Handoff | None:
    """The next of a user's own that waits, behind this one."""
    mine = by_urgency(waiting(of(Handoff.objects.all(), user, MINE)))
    return mine.exclude(pk=handoff.pk).first()


def home(_subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The panel of the home page and of one's work: the most urgent; nothing for whoever has none."""
    if not isinstance(request.user, User):
        return None
    mine = waiting(of(there(), request.user, MINE))
    first = described(list(by_urgency(mine)[: SHOWN + 1]), now)
    if not first:
        return None
    return {
        "handoffs": first[:SHOWN],
        "more": len(first) > SHOWN,
        "waiting": mine.count(),
        "late": mine.filter(missed_at__isnull=False).count(),
    }
