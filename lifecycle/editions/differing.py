"""What is different between two versions of a lifecycle, in words: stages, cards, rules, the entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from kit import calendars
from lifecycle.editions import cards, documents, handing, reading
from lifecycle.models import Stage, Transition, Version

ADDED, REMOVED, CHANGED, MOVED = "added", "removed", "changed", "moved"
CARD = {each.name: each.label for each in cards.QUESTIONS}
HOURS = ngettext_lazy("%(count)s working hour", "%(count)s working hours", "count")


@dataclass(frozen=True)
class Change:
    """One difference: what it is about (`about` and its slug or rule in words), what kind, and how it reads before and
    after; one of the two is empty for what was added or removed."""

    about: str  # "entry", "stage", "card", "rule"
    what: str
    kind: str
    words: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return self.words


def between(before: Version, after: Version) -> list[Change]:
    """The differences from one version to another: of the entry, then of stages in order, then of rules."""
    return [*_entry(before, after), *_stages(before, after), *_rules(before, after)]


def _entry(before: Version, after: Version) -> Iterator[Change]:
    old, new = (reading.sentence(each.entry, each.lifecycle.of) for each in (before, after))
    if old != new:
        yield Change("entry", "entry", CHANGED, _("Who enters has changed."), old, new)
    if before.reentry != after.reentry:
        words = _("May be entered again after a pass has ended.") if after.reentry else _("Is entered only once.")
        yield Change("entry", "reentry", CHANGED, words, _yes_no(before.reentry), _yes_no(after.reentry))


def _stages(before: Version, after: Version) -> Iterator[Change]:
    old = {each.slug: each for each in cards.as_amended(before.stages.order_by("order"))}
    new = {each.slug: each for each in cards.as_amended(after.stages.order_by("order"))}
    for slug, stage in old.items():
        if slug not in new:
            yield Change("stage", slug, REMOVED, _("Stage “%(stage)s” is gone.") % {"stage": stage}, before=stage.name)
    for slug, stage in new.items():
        if slug not in old:
            yield Change("stage", slug, ADDED, _("Stage “%(stage)s” is new.") % {"stage": stage}, after=stage.name)
            continue
        yield from _stage(old[slug], stage)
        if old[slug].hand_off != stage.hand_off:
            words = _("The hand-off of “%(stage)s” to sales has changed.") % {"stage": stage}
            yield Change("stage", slug, CHANGED, words, _handed(before, slug), _handed(after, slug))
    yield from _order([slug for slug in old if slug in new], [slug for slug in new if slug in old], new)


def _stage(old: Stage, new: Stage) -> Iterator[Change]:
    told = {"old": old, "new": new}
    if old.name != new.name:
        yield Change("stage", new.slug, CHANGED, _("Stage “%(old)s” is called “%(new)s”.") % told, old.name, new.name)
    for label, one, other in (
        (_("The phase of “%(new)s” has changed."), old.phase, new.phase),
        (_("The path of “%(new)s” has changed."), str(old.get_path_display()), str(new.get_path_display())),
        (_("The kind of “%(new)s” has changed."), str(old.get_kind_display()), str(new.get_kind_display())),
        (_("The limit of “%(new)s” has changed."), _hours(old.limit_hours), _hours(new.limit_hours)),
        (_("The calendar of “%(new)s” has changed."), *_calendars(old, new)),
    ):
        if one != other:
            yield Change("stage", new.slug, CHANGED, label % told, one, other)
    for key in [*CARD, *sorted((old.card.keys() | new.card.keys()) - CARD.keys())]:
        if old.card.get(key) != new.card.get(key):
            words = _("The card of “%(new)s” says something else under “%(key)s”.") % (
                told | {"key": CARD.get(key, key)}
            )
            yield Change("card", new.slug, CHANGED, words, _text(old.card.get(key)), _text(new.card.get(key)))


def _handed(version: Version, slug: str) -> str:
    """What the hand-off of a stage does."""
    stages = documents.of_version(version)["stages"]
    told = next(handing.sentences(each, stages) for each in stages if each["slug"] == slug)
    return " ".join(told) or _("Nobody is handed to sales.")


def _order(old: list[str], new: list[str], stages: dict[str, Stage]) -> Iterator[Change]:
    """The fewest stages that have to be moved to make the one order of the other."""
    stay = _longest_common(old, new)
    for place, slug in enumerate(new):
        if slug not in stay:
            told = {"stage": stages[slug], "before": stages[new[place - 1]] if place else None}
            words = (
                _("Stage “%(stage)s” comes after “%(before)s” now.")
                if place
                else _("Stage “%(stage)s” comes first now.")
            )
            yield Change("stage", slug, MOVED, words % told)


def _longest_common(old: list[str], new: list[str]) -> set[str]:
    """The longest run of stages, gaps allowed, that stands in the same order in both."""
    place = {slug: number for number, slug in enumerate(old)}
    runs: list[list[str]] = []
    for slug in new:
        before: list[str] = []
        for run in runs:
            if place[run[-1]] < place[slug] and len(run) > len(before):
                before = run
        runs.append([*before, slug])
    longest: list[str] = max(runs, key=len, default=[])
    return set(longest)


Key = tuple[str, str, str]


def _rules(before: Version, after: Version) -> Iterator[Change]:
    """Rules are the same rule when they lead the same way in the same manner; several on one way go by their order."""
    old, new = _by_way(before), _by_way(after)
    common: list[tuple[Transition, Transition]] = []
    for key in [*old, *(key for key in new if key not in old)]:
        ones, others = old.get(key, []), new.get(key, [])
        ones, others, same = _without_same(ones, others)
        common += same + list(zip(ones, others, strict=False))
        for one, other in zip(ones, others, strict=False):
            words = _("%(rule)s has changed.") % {"rule": reading.way(other)}
            yield Change("rule", reading.way(other), CHANGED, words, reading.rule(one), reading.rule(other))
        for gone in ones[len(others) :]:
            words = _("%(rule)s is gone.") % {"rule": reading.way(gone)}
            yield Change("rule", reading.way(gone), REMOVED, words, before=reading.rule(gone))
        for fresh in others[len(ones) :]:
            words = _("%(rule)s is new.") % {"rule": reading.way(fresh)}
            yield Change("rule", reading.way(fresh), ADDED, words, after=reading.rule(fresh))
    common.sort(key=lambda pair: pair[1].priority)
    if [pair[0].priority for pair in common] != sorted(pair[0].priority for pair in common):
        order = [", ".join(reading.way(pair[side]) for pair in sorted(common, key=lambda pair: pair[side].priority))
                 for side in (0, 1)]  # fmt: skip
        yield Change("rule", "order", MOVED, _("Rules are tried in another order."), *order)


def _by_way(version: Version) -> dict[Key, list[Transition]]:
    found: dict[Key, list[Transition]] = defaultdict(list)
    for rule in version.transitions.select_related("from_stage", "to_stage", "version__lifecycle"):
        manner = "hand" if rule.by_hand else "missed" if rule.on_missed else ""
        found[rule.from_stage.slug if rule.from_stage else "", rule.to_stage.slug, manner].append(rule)
    return found


def _without_same(
    ones: list[Transition], others: list[Transition]
) -> tuple[list[Transition], list[Transition], list[tuple[Transition, Transition]]]:
    """The rules of both that say different things, and the pairs that say the same."""
    left, right, same = list(ones), list(others), []
    for one in ones:
        for other in right:
            if reading.rule(one) == reading.rule(other):
                left.remove(one)
                right.remove(other)
                same.append((one, other))
                break
    return left, right, same


def _hours(limit: int | None) -> str:
    return str(HOURS % {"count": limit}) if limit else _("none")


def _calendars(old: Stage, new: Stage) -> tuple[str, str]:
    """By which working calendars two stages count."""
    if old.calendar == new.calendar:
        return "", ""
    names = calendars.names({old.calendar, new.calendar})
    before, after = (names.get(each, each) or _("that of the settings") for each in (old.calendar, new.calendar))
    return before, after


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _yes_no(value: bool) -> str:
    return _("yes") if value else _("no")
