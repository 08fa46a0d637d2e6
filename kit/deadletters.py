"""What stopped for good and waits for a human: each with what it was about, why it stopped, and the way on.

Floors above register their kinds in `AppConfig.ready`. A kind finds its own rows; what somebody settled with a reason
is left out by `unsettled`, until it stops once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from kit import audit
from kit.models import Settled, User
from kit.sql import Sql, sql

MOST = 100  # of one kind that are looked at; as much as that, or more, is told as that

Text = str | Promise


class Refused(ValueError):
    """It cannot be settled so; the message says why."""


@dataclass(frozen=True)
class DeadLetter:
    """One thing that stopped: what it is, why, since when, and the page on which it is settled.

    `payload` is what it worked on, for those who may operate. `number`: how many rows it stands for.
    """

    key: str
    title: str
    reason: str
    at: datetime
    url: str = ""
    number: int = 1
    payload: dict[str, Any] = field(default_factory=dict)


Finder = Callable[[int, str | None], Sequence[DeadLetter]]
Retry = Callable[[str, User | None, datetime], bool]


@dataclass(frozen=True)
class Kind:
    """One kind of dead letters: what it is called, what is to be done about one, how they are found and tried again.

    `find(limit, key)` yields the unsettled ones, the newest first: only the one with that key, if one is given.
    `retry(key, by, now)` tells whether it was tried again; without it, the letter's page is where it goes on.
    """

    slug: str
    label: Text
    advice: Text
    find: Finder
    retry: Retry | None = None

    @property
    def can_retry(self) -> bool:
        return self.retry is not None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Add a kind; call it in `AppConfig.ready`."""
    _kinds[kind.slug] = kind


def kinds() -> list[Kind]:
    """All kinds, in the order in which they were registered."""
    return list(_kinds.values())


def kind(slug: str) -> Kind | None:
    """The kind of this name."""
    return _kinds.get(slug)


def counts() -> dict[str, int]:
    """How many of each kind wait, counted up to MOST."""
    return {each.slug: len(each.find(MOST, None)) for each in kinds()}


def since(seen: datetime | None) -> int:
    """How many wait that stopped after this instant, counted up to MOST of each kind."""
    return sum(seen is None or letter.at > seen for each in kinds() for letter in each.find(MOST, None))


def unsettled(slug: str, key: Sql, at: Sql) -> Sql:
    """As a condition of a statement: nobody has settled the row with this key since it stopped."""
    return sql(
        "NOT EXISTS (SELECT FROM kit_settled said WHERE said.kind = {} AND said.key = {} AND said.at >= {})",
        slug,
        key,
        at,
    )


def retry(found: Kind, key: str, *, by: User | None, now: datetime) -> bool:
    """Try one again. False when it does not wait any more."""
    if found.retry is None or not found.find(1, key):
        return False
    with transaction.atomic():
        again = found.retry(key, by, now)
        if again:
            audit.record("dead_letter.retry", f"{found.slug} {key}", by=by, now=now)
    return again


def settle(found: Kind, key: str, reason: str, *, by: User | None, now: datetime) -> bool:
    """Nothing more is to be done about one, for a reason. False when it does not wait any more. Raises Refused."""
    reason = reason.strip()
    if not reason:
        raise Refused(_("Say why nothing more is to be done about it."))
    letter = next(iter(found.find(1, key)), None)
    if letter is None:
        return False
    with transaction.atomic():
        told = {"at": max(now, letter.at), "by": by, "reason": reason[:500]}
        Settled.objects.update_or_create(kind=found.slug, key=key, defaults=told)
        audit.record("dead_letter.settle", f"{found.slug} {key}", by=by, now=now, after={"title": letter.title})
    return True
