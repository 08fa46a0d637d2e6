"""Which value survives: field by field what two subjects have, who said it and since when, and which of them stays.

The rule: a value beats none, and of two values the one that was said later, by its history; a tie is the survivor's.
Anybody may choose otherwise for any field. What belongs together comes from one of the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from audience.models import Account, Person
from audience.subjects import history, known
from audience.subjects.known import Value

# A title's group and seniority follow it, an amount its currency.
TOGETHER: Mapping[str, Collection[str]] = {"title": ("title_group", "seniority"), "annual_revenue": ("currency",)}
LINKS = {each: f"{each}_id" for each in known.LINKS}


@dataclass(frozen=True)
class Choice:
    """One field of two subjects: what the survivor has (`ours`), the other (`theirs`), and which it will be."""

    name: str
    label: str
    ours: Value
    theirs: Value
    takes_theirs: bool

    @property
    def differs(self) -> bool:
        return self.ours.text != self.theirs.text

    @property
    def takes_ours(self) -> bool:
        return not self.takes_theirs


def choices(
    survivor: Person | Account, other: Person | Account, chosen: Mapping[str, bool] | None = None
) -> list[Choice]:
    """Every field that either has a value of. `chosen` says by name whether the other's is taken, against the rule."""
    wanted = chosen or {}
    theirs = {line.name: line.now for line in known.fields_of(other)}
    found = []
    for line in known.fields_of(survivor):
        if line.name in _FOLLOWING or not (line.now.text or theirs[line.name].text):
            continue
        takes = wanted.get(line.name, _is_better(theirs[line.name], line.now))
        found.append(Choice(line.name, line.label, line.now, theirs[line.name], takes))
    return found


_FOLLOWING = {each for follow in TOGETHER.values() for each in follow}


def _is_better(theirs: Value, ours: Value) -> bool:
    if not theirs.text or not ours.text:
        return bool(theirs.text)
    return theirs.text != ours.text and theirs.since > ours.since


def values(survivor: Any, other: Any, chosen: list[Choice]) -> dict[str, Any]:
    """What the survivor is to have of the other, by column; `custom` is an object."""
    given: dict[str, Any] = {}
    for choice in chosen:
        if choice.takes_theirs and choice.differs:
            for name in (choice.name, *TOGETHER.get(choice.name, ())):
                _put(given, name, other)
    return {column: value for column, value in given.items() if value != getattr(survivor, column)}


def _put(given: dict[str, Any], name: str, other: Any) -> None:
    if name.startswith(known.CUSTOM):
        slug = name.removeprefix(known.CUSTOM)
        given.setdefault(history.CUSTOM, {})[slug] = other.custom.get(slug)
    else:
        column = LINKS.get(name, name)
        given[column] = getattr(other, column)
