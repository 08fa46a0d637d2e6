"""Who asks what: which rows hold conditions that ask a field, so that nobody takes it away from under them.

Each app that keeps conditions registers them in `AppConfig.ready`:

    uses.register(lambda: (uses.Use(_("Segment"), each.name, url, each.condition) for each in …))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True)
class Use:
    """One condition that is kept somewhere: what sort of thing keeps it, what that is called, where its page is.

    What asks for fields without a condition, such as a form, names them in `fields`.
    """

    what: Text
    name: str
    url: str
    condition: Any
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} “{self.name}”"


Keeps = Callable[[], Iterable[Use]]

_kept: list[Keeps] = []


def register(keeps: Keeps) -> None:
    """Make the conditions that an app keeps known. The same function again changes nothing."""
    if keeps not in _kept:
        _kept.append(keeps)


def of_field(name: str) -> list[Use]:
    """Everything kept that asks the field of this name."""
    return [use for keeps in _kept for use in keeps() if name in use.fields or name in names(use.condition)]


def by_field() -> dict[str, list[tuple[Use, Any]]]:
    """By the name of each field that is asked: who asks it, and the part of the condition, as JSON, that does."""
    found: dict[str, list[tuple[Use, Any]]] = {}
    for use in (use for keeps in _kept for use in keeps()):
        for leaf in leaves(use.condition):
            found.setdefault(leaf["field"], []).append((use, leaf))
    return found


def of_kind(slug: str) -> list[Use]:
    """Every kept condition that asks for activities of this kind."""
    return [use for keeps in _kept for use in keeps() if slug in kinds(use.condition)]


def names(condition: Any) -> set[str]:
    """The names of all fields that a condition asks, as JSON, whether or not it can be parsed."""
    return {leaf["field"] for leaf in leaves(condition)}


def kinds(condition: Any) -> set[str]:
    """The slugs of all kinds of activities that a condition names, likewise."""
    found: set[str] = set()
    for leaf in leaves(condition):
        where = leaf.get("where")
        wanted = where.get("kind") if isinstance(where, Mapping) else None
        found.update(each for each in (wanted if isinstance(wanted, list) else [wanted]) if isinstance(each, str))
    return found


def leaves(condition: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a condition, as JSON, that ask a field."""
    waiting = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if isinstance(part.get("field"), str):
                yield part
            waiting += [part[key] for key in ("all", "any", "not", "who") if key in part]
        elif isinstance(part, list | tuple):
            waiting += part


def through() -> set[str]:
    """The names of the fields that kept conditions ask of others: of an account's people, of a person's account."""
    kept = (use.condition for keeps in _kept for use in keeps())
    return {leaf["field"] for condition in kept for leaf in leaves(condition) if leaf.get("who")}
