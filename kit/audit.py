"""The trail of who changed what: written by verbs, in their transaction, and read as differences in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from kit import origin
from kit.models import AuditEntry, User
from kit.sql import Sql, rows, sql

VISITOR, COMMAND = "visitor", "command line"  # actors that are no users
LONGEST_ACTOR = 200
MOST_ABOUT = 10_000  # an entry about more than these is about nobody in particular
_key: ContextVar[str] = ContextVar("key", default="")


@contextmanager
def speaking() -> Iterator[None]:
    """Within it `through` counts: one request."""
    token = _key.set("")
    try:
        yield
    finally:
        _key.reset(token)


def through(key: str) -> None:
    """What is done from here on in this request is done by a user's key of this name."""
    _key.set(key)


def actor_of(user: User | None) -> str:
    """How a user is named in ledgers, and the key that spoke for them; "system" when nobody asked."""
    if user is None:
        return "system"
    return f"{user.email} ({key})"[:LONGEST_ACTOR] if (key := _key.get()) else user.email[:LONGEST_ACTOR]


def asker(request: HttpRequest) -> User | None:
    """The signed-in user of a request, to be handed down as `by`."""
    return request.user if isinstance(request.user, User) else None


def record(
    action: str,
    target: str,
    *,
    by: User | None,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: Any = None,
    actor: str = "",
    about: Iterable[int | None] | Sql = (),
) -> AuditEntry:
    """Write one entry: `action` is a verb such as "lifecycle.publish", `target` names the thing in words.

    `actor` names who did it where that is no user: VISITOR, COMMAND, a key, a rule. `about`: the numbers of whom it is
    about, or a statement of them; whom the values name by a key that `speaks_of` told is among them anyway.
    """
    actor = actor[:LONGEST_ACTOR] or actor_of(by)
    return AuditEntry.objects.create(
        at=now,
        user=by,
        actor=actor,
        action=action,
        target=target[:300],
        before=before,
        after=after,
        request_id=origin.request_id(),
        about=sorted({*_named_in(before), *_named_in(after), *_numbers(about)}),
    )


def speaks_of(*keys: str) -> None:
    """Register under which names the values of entries tell the number of whom they are about."""
    _keys.update(keys)


def _named_in(values: Any) -> list[int]:
    told = values if isinstance(values, dict) else {}
    return [told[key] for key in _keys & told.keys() if isinstance(told[key], int) and not isinstance(told[key], bool)]


def _numbers(about: Iterable[int | None] | Sql) -> list[int]:
    if not isinstance(about, Sql):
        return [number for number in about if number]
    found = rows(sql("SELECT DISTINCT * FROM ({}) about LIMIT {}", about, MOST_ABOUT + 1))
    return [pk for (pk,) in found] if len(found) <= MOST_ABOUT else []


# ---- reading it ----

_words: dict[str, Promise] = {}
_keys: set[str] = set()


@dataclass(frozen=True)
class Change:
    """One value that is another afterwards, as text; "" where there was none, or is none."""

    name: str
    before: str
    after: str


def named(words: Mapping[str, Promise]) -> None:
    """What actions are called on pages; each app names its own in `AppConfig.ready`."""
    _words.update(words)


def words(action: str) -> str:
    """What an action is called; an action that nobody named by its own name."""
    return str(_words[action]) if action in _words else action.replace(".", ": ").replace("_", " ").capitalize()


def choices() -> list[tuple[str, str]]:
    """Every action that has a name, by name."""
    return sorted(((action, str(told)) for action, told in _words.items()), key=lambda each: each[1])


def about(numbers: Collection[int]) -> QuerySet[AuditEntry]:
    """The entries about one of these, the newest first."""
    return AuditEntry.objects.filter(about__overlap=list(numbers)).order_by("-at", "-pk")


def changes(entry: AuditEntry) -> list[Change]:
    """What an entry says was changed: only values that differ, or were told of one side alone."""
    before, after = _values(entry.before), _values(entry.after)
    told = [(name, before.get(name), after.get(name)) for name in {**before, **after}]
    found = [Change(_label(name), _text(was), _text(became)) for name, was, became in told if was != became]
    return [each for each in found if each.before or each.after]


def _values(told: Any) -> dict[str, Any]:
    if told is None:
        return {}
    return told if isinstance(told, dict) else {"value": told}


def _label(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ").capitalize()


def _text(value: Any) -> str:
    """A value as people read it, however deep."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return "; ".join(f"{_label(str(name))}: {_text(each)}" for name, each in value.items() if _text(each))
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    return str(value)
