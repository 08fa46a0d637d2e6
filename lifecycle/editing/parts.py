"""What may be done with a lifecycle's document: stages, rules and test cases added, changed, moved, taken out.

Pure: a document goes in and is changed in place. A part that was read before it is changed carries its mark
(`cards.mark`), so that nobody overwrites what they have not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from django.utils.text import slugify
from django.utils.translation import gettext as _

from kit import yamlfiles
from lifecycle.editions import cards, handing

Document = dict[str, Any]
Edit = Callable[[Document], None]
ANY = "any"
NOWHERE = "nowhere"


class Refused(ValueError):
    """What cannot be done with a draft, in the user's words."""


@dataclass(frozen=True)
class Taken:
    """What goes with a stage that is taken out, and the conditions that forbid it: they ask about the stage."""

    rules: list[str]
    cases: list[str]
    asked_by: list[str]


# ---- the whole ----


def model(document: Document) -> dict[str, Any]:
    """What is said of the lifecycle as a whole."""
    return {key: document.get(key) for key in ("name", "goal", "entry", "reentry")}


def set_model(values: dict[str, Any], seen: str) -> Edit:
    """Name, goal, who enters, whether again."""

    def edit(document: Document) -> None:
        _unchanged(model(document), seen)
        document.update(values)

    return edit


# ---- stages ----


def stage(document: Document, slug: str) -> dict[str, Any]:
    """The stage of a slug. Raises Refused when it is there no more."""
    for each in document["stages"]:
        if each["slug"] == slug:
            return each
    raise Refused(_("This stage is there no more: somebody took it out."))


def stage_itself(document: Document, slug: str) -> dict[str, Any]:
    """A stage without its card, which is changed by itself."""
    return {key: value for key, value in stage(document, slug).items() if key != "card"}


def free_slug(name: str, taken: Collection[str]) -> str:
    """A short name of a new stage's letters, that no other stage has."""
    stem = re.sub("^[^a-z]+", "", slugify(name).replace("-", "_"))[:50].strip("_") or "stage"
    kept = {*taken, *yamlfiles.RESERVED, ANY, NOWHERE}
    return next(slug for n in range(1, len(kept) + 2) if (slug := stem if n == 1 else f"{stem}_{n}") not in kept)


def add_stage(values: dict[str, Any], slug: str) -> Edit:
    """A stage more: behind the last stage of its path that is not the end of it."""

    def edit(document: Document) -> None:
        stages = document["stages"]
        path = values.get("path")
        places = [at for at, each in enumerate(stages, 1) if each["path"] == path and each["kind"] != "terminal"]
        at = places[-1] if places and values.get("kind") != "terminal" else len(stages)
        stages.insert(at, {"slug": slug, **values})

    return edit


def change_stage(slug: str, values: dict[str, Any], seen: str) -> Edit:
    """What a stage is called and how it works; its short name stays, because history and conditions call it so."""

    def edit(document: Document) -> None:
        _unchanged(stage_itself(document, slug), seen)
        found = stage(document, slug)
        found.update(values)
        for key in [
            key for key in ("phase", "limit_hours", "calendar", "when_missed", "hand_off") if not found.get(key, True)
        ]:
            del found[key]
        _still_handed(document)

    return edit


def set_card(slug: str, card: dict[str, Any], seen: str) -> Edit:
    """A stage's card."""

    def edit(document: Document) -> None:
        found = stage(document, slug)
        _unchanged(found.get("card") or {}, seen)
        found["card"] = card

    return edit


def move_stage(slug: str, to: str) -> Edit:
    """A stage one place up or down (`to`), or to a place from 1."""

    def edit(document: Document) -> None:
        stages = document["stages"]
        _move(stages, stages.index(stage(document, slug)), to)
        _still_handed(document)

    return edit


def taken_with(document: Document, slug: str) -> Taken:
    """What taking a stage out would take with it."""
    names = {each["slug"]: each["name"] for each in document["stages"]}
    rules = [rule_name(each, names) for each in document["transitions"] if slug in (each["from"], each["to"])]
    rules += [
        _("%(stage)s, when its limit is missed") % {"stage": each["name"]}
        for each in document["stages"]
        if _missed_to(each) == slug
    ]
    rules += [
        _("Hand-off of %(stage)s to sales") % {"stage": each["name"]}
        for each in document["stages"]
        if _answers_to(each, slug)
    ]
    played = [each.get("name", "") for each in document["cases"] if each["expect"]["stage"] == slug]
    fields = {f"stage.{document['lifecycle']}", f"stage.{document['lifecycle']}.ever"}
    asking = [_("Who enters")] if _asks(document.get("entry"), fields, slug) else []
    for each in document["transitions"]:
        asked = _asks(each.get("when"), fields, slug) or _asks(each.get("guard"), fields, slug)
        if slug not in (each["from"], each["to"]) and asked:
            asking.append(rule_name(each, names))
    return Taken(rules, played, asking)


def remove_stage(slug: str) -> Edit:
    """Take a stage out with the rules that lead to it or from it, and the test cases that expect it."""

    def edit(document: Document) -> None:
        found = stage(document, slug)
        if asking := taken_with(document, slug).asked_by:
            told = {"stage": found["name"], "rules": ", ".join(f"“{each}”" for each in asking)}
            raise Refused(_("“%(stage)s” is asked about by %(rules)s. Change that first.") % told)
        if len(document["stages"]) == 1:
            raise Refused(_("A lifecycle has at least one stage. Rename this one, or discard the draft."))
        document["stages"].remove(found)
        document["transitions"] = [each for each in document["transitions"] if slug not in (each["from"], each["to"])]
        document["cases"] = [each for each in document["cases"] if each["expect"]["stage"] != slug]
        for each in document["stages"]:
            if _missed_to(each) == slug:
                del each["when_missed"]
            if _answers_to(each, slug):
                del each["hand_off"]

    return edit


# ---- rules and test cases, which stand in lists ----


def rule_name(rule: dict[str, Any], names: dict[str, str]) -> str:
    """How a rule is called: from where to where."""
    return f"{names.get(rule['from'], _('any stage'))} → {names.get(rule['to'], rule['to'])}"


def entry(document: Document, part: str, number: int) -> dict[str, Any]:
    """The nth rule or test case (from 1). Raises Refused when it is there no more."""
    if not 0 < number <= len(document[part]):
        raise Refused(_("This is there no more: somebody took it out."))
    return document[part][number - 1]


def add_entry(part: str, values: dict[str, Any]) -> Edit:
    """A rule or a test case more, behind the others."""
    return lambda document: document[part].append(values)


def change_entry(part: str, number: int, values: dict[str, Any], seen: str) -> Edit:
    """Another rule or test case in the place of one; what the form does not know of it stays."""

    def edit(document: Document) -> None:
        found = entry(document, part, number)
        _unchanged(found, seen)
        found.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del found[key]

    return edit


def move_entry(part: str, number: int, to: str, seen: str) -> Edit:
    """A rule one place up or down, or to a place from 1: the first that holds moves the subject."""

    def edit(document: Document) -> None:
        _unchanged(entry(document, part, number), seen)
        _move(document[part], number - 1, to)

    return edit


def remove_entry(part: str, number: int, seen: str) -> Edit:
    """Take a rule or a test case out."""

    def edit(document: Document) -> None:
        _unchanged(entry(document, part, number), seen)
        del document[part][number - 1]

    return edit


def replace_all(other: Document, seen: str | None = None) -> Edit:
    """Another document in the place of this one; with `seen`, only if it is still what was read."""

    def edit(document: Document) -> None:
        if seen is not None:
            _unchanged(document, seen)
        for key in ("lifecycle", "species", "of"):
            if other.get(key, document[key]) != document[key]:
                raise Refused(_("Short name, species and subjects of a lifecycle stay as they are."))
        document.clear()
        document.update(deepcopy(other))

    return edit


# ---- within ----


def _missed_to(stage: dict[str, Any]) -> str:
    """Where a stage's people go when its limit is missed; "" for nowhere."""
    return str((stage.get("when_missed") or {}).get("to", ""))


def _answers_to(stage: dict[str, Any], slug: str) -> bool:
    """Whether an answer of sales about a stage's people leads to another one."""
    told = stage.get("hand_off") or {}
    return slug in (told.get(key) for key in handing.ANSWERS)


def _still_handed(document: Document) -> None:
    """Raises Refused where an answer of sales would lead where it may not."""
    for each in document["stages"]:
        if each.get("hand_off") and (wrong := handing.fault(document["stages"], each["slug"])):
            told = {"stage": each["name"], "why": wrong[1]}
            raise Refused(_("“%(stage)s” is handed to sales: %(why)s. Change its hand-off first.") % told)


def _unchanged(part: Any, seen: str) -> None:
    if cards.mark(part) != seen:
        raise cards.Stale


def _move(listed: list[Any], at: int, to: str) -> None:
    places = {"up": at - 1, "down": at + 1}
    if to not in places and not (to.isascii() and to.isdigit() and len(to) < 6):
        raise Refused(_("Say where to: up, down, or a place."))
    place = min(max(places[to] if to in places else int(to) - 1, 0), len(listed) - 1)
    listed.insert(place, listed.pop(at))


def _asks(condition: Any, fields: set[str], slug: str) -> bool:
    return any(
        leaf.get("field") in fields and slug in (value if isinstance(value := leaf.get("value"), list) else [value])
        for leaf in _leaves(condition)
    )


def _leaves(condition: Any) -> Iterator[dict[str, Any]]:
    if isinstance(condition, list):
        for each in condition:
            yield from _leaves(each)
    elif isinstance(condition, dict):
        if "field" in condition:
            yield condition
        for key in ("all", "any", "not", "who"):
            yield from _leaves(condition.get(key))
