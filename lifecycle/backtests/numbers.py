"""The numbers of a rule that can be tried at other values: a limit of a score, a count, so many days."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import describe, registry, tree
from lifecycle.models import Transition, Version

Place = tuple[str | int, ...]
LARGEST = 10**9
MOST_POINTS = 15  # values of a number that one walk through the past tries


@dataclass(frozen=True)
class Number:
    """One number in the condition of a rule: where it stands, what it is now, and the question that it is part of."""

    rule: Transition
    place: Place
    value: int
    words: str

    @property
    def key(self) -> str:
        """What the form calls it: the rule and the place."""
        return f"{self.rule.pk}:{'.'.join(str(step) for step in self.place)}"


def of_version(version: Version) -> list[Number]:
    """The numbers of all rules that run by themselves, in their order."""
    found = []
    for rule in version.transitions.filter(by_hand=False).select_related("from_stage", "to_stage"):
        found += of_rule(rule, version.lifecycle.of)
    return found


def of_rule(rule: Transition, of: str) -> list[Number]:
    """The whole numbers of one rule."""
    known = registry.catalogue(of)
    return [
        Number(rule, place, value, _words(question, place, of))
        for place, value, question in _walk(rule.condition, (), known)
    ]


def with_value(condition: Any, place: Sequence[str | int], value: int, of: str) -> Any:
    """The same condition with another number at this place."""
    changed = copy.deepcopy(condition)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    holder |= _numbered(holder, registry.catalogue(of)) | {place[-1]: value}
    return changed


def spread(least: int, most: int, present: int) -> list[int]:
    """The values to try: from the least to the most in equal steps, and the present one among them."""
    steps = min(most - least, MOST_POINTS - 2)
    even = [least + round(step * (most - least) / steps) for step in range(steps + 1)] if steps else [least]
    return sorted({*even, present})


def _numbered(question: dict[str, Any], known: registry.Catalogue) -> dict[str, Any]:
    """Where it asks whether a limit is reached that stands elsewhere, the question with that number."""
    if (question.get("op"), question.get("value")) != ("is", True):
        return question
    asked = known.get(question["field"])
    return (asked and asked.comes_to and asked.comes_to()) or question


def _walk(data: Any, path: Place, known: registry.Catalogue) -> Iterator[tuple[Place, int, dict[str, Any]]]:
    if isinstance(data, list):
        for number, part in enumerate(data):
            yield from _walk(part, (*path, number), known)
    elif isinstance(data, dict):
        if "field" in data:
            data = _numbered(data, known)
            for key in ("value", "days"):
                if isinstance(data.get(key), int) and not isinstance(data[key], bool):
                    yield (*path, key), data[key], data
        for key in ("all", "any", "not"):
            if key in data:
                yield from _walk(data[key], (*path, key), known)


def _words(question: dict[str, Any], place: Place, of: str) -> str:
    sentence = describe.sentence(tree.parse(question, of=of))
    return _("%(sentence)s: the days looked back") % {"sentence": sentence} if place[-1] == "days" else sentence
