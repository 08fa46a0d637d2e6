"""A lifecycle as a YAML file: reading it with errors that name the place, writing it back unchanged in meaning."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _

from audience.conditions import tree
from lifecycle import fields
from lifecycle.models import Lifecycle, Stage, Version

PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"
LIMIT_BYTES = 500_000

TOP = {"lifecycle", "name", "species", "of", "goal", "entry", "reentry", "stages", "transitions", "cases"}
STAGE = {"slug", "name", "phase", "path", "kind", "limit_hours", "card"}
TRANSITION = {"from", "to", "when", "name", "reason", "by_hand"}
DATES = {"on", "opened", "closed"}
HISTORY = DATES | {"kind", "channel", "platform", "direction", "value", "properties", "status", "amount"}
CASE = {"name", "person", "account", "activities", "deals", "purchases", "expect"}


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, but a day stays text, as conditions and JSON hold it, and only true and false are yes and no."""


_UNTYPED = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNTYPED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


class DocumentError(ValueError):
    """What is wrong with a lifecycle document, with the place it is wrong in."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


def playbooks() -> dict[str, dict[str, Any]]:
    """The ready-made lifecycles by file name, parsed, in the order of their names."""
    return {path.stem: parse(path.read_text()) for path in sorted(PLAYBOOKS.glob("*.yaml"))}


def parse(text: str) -> dict[str, Any]:
    """The checked document. Raises DocumentError, naming the line or the place, for whatever is wrong with it."""
    if len(text.encode()) > LIMIT_BYTES:
        raise DocumentError("", _("The file is longer than %(limit)s bytes.") % {"limit": LIMIT_BYTES})
    try:
        _refuse_aliases(text)
        data = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = (
            _("line %(line)s, column %(column)s") % {"line": mark.line + 1, "column": mark.column + 1} if mark else ""
        )
        raise DocumentError(place, getattr(error, "problem", None) or str(error)) from error
    document = _mapping(data, "", TOP)
    for key in ("lifecycle", "name", "species", "stages"):
        if not document.get(key):
            raise DocumentError(key, _("is missing"))
    _slug(document["lifecycle"], "lifecycle")
    _one_of(document["species"], Lifecycle.Species.values, "species")
    document.setdefault("of", "person")
    _one_of(document["of"], ["person", "account"], "of")
    slugs = _check_stages(document)
    _check_conditions(document)
    _check_transitions(document, slugs)
    _check_cases(document, slugs)
    return document


def dump(version: Version) -> str:
    """The YAML of a version; parsing it gives the same stages, rules and cases."""
    lifecycle = version.lifecycle
    document: dict[str, Any] = {"lifecycle": lifecycle.slug, "name": lifecycle.name, "species": lifecycle.species}
    document |= {"of": lifecycle.of, "goal": lifecycle.goal, "entry": version.entry or {}, "reentry": version.reentry}
    document["stages"] = [_stage_entry(stage) for stage in version.stages.all()]
    document["transitions"] = [
        _without_empty(
            {
                "from": each.from_stage.slug if each.from_stage else "any",
                "to": each.to_stage.slug,
                "name": each.name,
                "reason": each.reason,
                "by_hand": each.by_hand,
            }
        )
        | ({} if each.by_hand and not each.condition else {"when": each.condition or {}})
        for each in version.transitions.select_related("from_stage", "to_stage")
    ]
    document["cases"] = version.cases
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _stage_entry(stage: Stage) -> dict[str, Any]:
    return {"slug": stage.slug, "name": stage.name, "path": stage.path, "kind": stage.kind} | _without_empty(
        {"phase": stage.phase, "limit_hours": stage.limit_hours, "card": stage.card}
    )


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value}


def _check_stages(document: dict[str, Any]) -> set[str]:
    slugs: set[str] = set()
    for number, entry in enumerate(_list(document["stages"], "stages"), 1):
        place = f"stages › {number}"
        stage = _mapping(entry, place, STAGE)
        _slug(stage.get("slug"), f"{place} › slug")
        if stage["slug"] in slugs:
            raise DocumentError(f"{place} › slug", _("“%(slug)s” is there twice") % {"slug": stage["slug"]})
        slugs.add(stage["slug"])
        stage.setdefault("name", stage["slug"].replace("_", " ").capitalize())
        _one_of(stage.setdefault("path", "success"), Stage.Path.values, f"{place} › path")
        _one_of(stage.setdefault("kind", "inventory"), Stage.Kind.values, f"{place} › kind")
        hours = stage.get("limit_hours")
        if hours is not None and (not isinstance(hours, int) or isinstance(hours, bool) or not 0 < hours < 100_000):
            raise DocumentError(f"{place} › limit_hours", _("is not a number of hours between 1 and 99,999"))
    return slugs


def _check_transitions(document: dict[str, Any], slugs: set[str]) -> None:
    for number, entry in enumerate(_list(document.setdefault("transitions", []), "transitions"), 1):
        place = f"transitions › {number}"
        transition = _mapping(entry, place, TRANSITION)
        transition.setdefault("from", "any")
        for key in ("from", "to"):
            if transition.get(key) not in slugs and not (key == "from" and transition["from"] == "any"):
                raise DocumentError(
                    f"{place} › {key}", _("there is no stage “%(slug)s”") % {"slug": transition.get(key)}
                )
        if transition["from"] == transition["to"]:
            raise DocumentError(place, _("leads from a stage to itself"))
        if "when" not in transition and not transition.get("by_hand"):
            raise DocumentError(place, _("has neither “when” nor “by_hand”"))


def _check_cases(document: dict[str, Any], slugs: set[str]) -> None:
    for number, entry in enumerate(_list(document.setdefault("cases", []), "cases"), 1):
        place = f"cases › {number}"
        case = _mapping(entry, place, CASE)
        expected = _mapping(case.get("expect"), f"{place} › expect", {"on", "stage", "came_by"})
        if expected.get("stage") not in slugs | {"nowhere"}:
            raise DocumentError(
                f"{place} › expect › stage", _("there is no stage “%(slug)s”") % {"slug": expected.get("stage")}
            )
        _day(expected.get("on"), f"{place} › expect › on")
        for part in ("activities", "deals", "purchases"):
            for entry in _list(case.get(part, []), f"{place} › {part}"):
                told = _mapping(entry, f"{place} › {part}", HISTORY)
                for key in DATES & set(told):
                    _day(told[key], f"{place} › {part} › {key}")
                if not DATES & set(told):
                    raise DocumentError(f"{place} › {part}", _("has no day"))


def _check_conditions(document: dict[str, Any]) -> None:
    """The conditions may ask about the stages of the very lifecycle that the document is about to make."""
    stages = [(stage["slug"], stage["name"]) for stage in document["stages"]]
    coming = fields.of_lifecycle(document["lifecycle"], document["name"], document["of"], stages)
    asked = {"entry": document.get("entry")}
    for number, entry in enumerate(_list(document.setdefault("transitions", []), "transitions"), 1):
        if isinstance(entry, dict):
            asked[f"transitions › {number} › when"] = entry.get("when")
    for place, condition in asked.items():
        try:
            tree.parse(condition, of=document["of"], coming=coming)
        except tree.ConditionError as error:
            raise DocumentError(place, str(error)) from error


def _mapping(value: Any, place: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(place, _("is not a mapping of names to values"))
    for key in value:
        if key not in known:
            raise DocumentError(
                place,
                _("“%(key)s” is not known here; known are %(known)s") % {"key": key, "known": ", ".join(sorted(known))},
            )
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise DocumentError(place, _("is not a list"))
    if len(value) > 200:
        raise DocumentError(place, _("has more than 200 entries"))
    return value


def _slug(value: Any, place: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise DocumentError(place, _("is not a short name of small letters, digits and _ (it begins with a letter)"))


def _day(value: Any, place: str) -> None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DocumentError(place, _("is not a day written as 2026-03-31")) from error


def _one_of(value: Any, known: list[str], place: str) -> None:
    if value not in known:
        raise DocumentError(
            place, _("is “%(value)s”, but can be %(known)s") % {"value": value, "known": ", ".join(known)}
        )


def _refuse_aliases(text: str) -> None:
    """Aliases allow a small file to unfold into a huge one; a lifecycle needs none."""
    for token in yaml.scan(text):
        if isinstance(token, yaml.AliasToken):
            raise yaml.MarkedYAMLError(problem=_("references (*name) are not supported"), problem_mark=token.start_mark)
