"""A lifecycle as a YAML file: reading it with errors that name the place, writing it back unchanged in meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import tree
from kit import yamlfiles
from kit.yamlfiles import DocumentError, day, entries, mapping, one_of, slug
from lifecycle import fields
from lifecycle.models import Lifecycle, Stage, Transition, Version

PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"

TOP = {"lifecycle", "name", "species", "of", "goal", "entry", "reentry", "stages", "transitions", "cases"}
STAGE = {"slug", "name", "phase", "path", "kind", "limit_hours", "when_missed", "card", "hand_off"}
MISSED = {"to", "name", "reason"}
HAND_OFF = {"accept", "reject", "later", "missed"}
UNANSWERED = ("stay", "pass_on")  # what becomes of a hand-off that nobody answered in time
TRANSITION = {"from", "to", "when", "delay", "name", "reason", "by_hand", "guard"}
DATES = {"on", "opened", "closed"}
HISTORY = DATES | {"kind", "channel", "platform", "direction", "value", "properties", "status", "amount"}
CASE = {"name", "person", "account", "activities", "deals", "purchases", "expect"}


def playbooks() -> dict[str, dict[str, Any]]:
    """The ready-made lifecycles by file name, parsed, in the order of their names."""
    return {path.stem: parse(path.read_text()) for path in sorted(PLAYBOOKS.glob("*.yaml"))}


def parse(text: str) -> dict[str, Any]:
    """The checked document. Raises DocumentError, naming the line or the place, for whatever is wrong with it."""
    document = mapping(yamlfiles.read(text), "", TOP)
    for key in ("lifecycle", "name", "species", "stages"):
        if not document.get(key):
            raise DocumentError(key, _("is missing"))
    slug(document["lifecycle"], "lifecycle")
    one_of(document["species"], Lifecycle.Species.values, "species")
    document.setdefault("of", "person")
    one_of(document["of"], ["person", "account"], "of")
    slugs = _check_stages(document)
    _check_missed(document, slugs)
    _check_conditions(document)
    _check_transitions(document, slugs)
    _check_cases(document, slugs)
    return document


def dump(version: Version) -> str:
    """The YAML of a version; parsing it gives the same stages, rules and cases."""
    lifecycle = version.lifecycle
    document: dict[str, Any] = {"lifecycle": lifecycle.slug, "name": lifecycle.name, "species": lifecycle.species}
    document |= {"of": lifecycle.of, "goal": lifecycle.goal, "entry": version.entry or {}, "reentry": version.reentry}
    rules = list(version.transitions.select_related("from_stage", "to_stage"))
    missed = {each.from_stage_id: each for each in rules if each.on_missed}
    document["stages"] = [_stage_entry(stage, missed.get(stage.pk)) for stage in version.stages.all()]
    document["transitions"] = [_transition_entry(each) for each in rules if not each.on_missed]
    document["cases"] = version.cases
    return yamlfiles.write(document)


def _stage_entry(stage: Stage, missed: Transition | None) -> dict[str, Any]:
    when_missed = missed and _without_empty({"to": missed.to_stage.slug, "name": missed.name, "reason": missed.reason})
    return {"slug": stage.slug, "name": stage.name, "path": stage.path, "kind": stage.kind} | _without_empty(
        {
            "phase": stage.phase,
            "limit_hours": stage.limit_hours,
            "when_missed": when_missed,
            "card": stage.card,
            "hand_off": stage.hand_off,
        }
    )


def _transition_entry(rule: Transition) -> dict[str, Any]:
    told = {
        "from": rule.from_stage.slug if rule.from_stage else "any",
        "to": rule.to_stage.slug,
        "name": rule.name,
        "reason": rule.reason,
        "by_hand": rule.by_hand,
        "guard": rule.guard,
        "delay": rule.delay and {rule.delay_unit: rule.delay},
    }
    return _without_empty(told) | ({} if rule.by_hand and not rule.condition else {"when": rule.condition or {}})


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value}


def _check_stages(document: dict[str, Any]) -> set[str]:
    slugs: set[str] = set()
    for number, entry in enumerate(entries(document["stages"], "stages"), 1):
        place = f"stages › {number}"
        stage = mapping(entry, place, STAGE)
        slug(stage.get("slug"), f"{place} › slug")
        if stage["slug"] in slugs:
            raise DocumentError(f"{place} › slug", _("“%(slug)s” is there twice") % {"slug": stage["slug"]})
        slugs.add(stage["slug"])
        stage.setdefault("name", stage["slug"].replace("_", " ").capitalize())
        one_of(stage.setdefault("path", "success"), Stage.Path.values, f"{place} › path")
        one_of(stage.setdefault("kind", "inventory"), Stage.Kind.values, f"{place} › kind")
        hours = stage.get("limit_hours")
        if hours is not None and (not isinstance(hours, int) or isinstance(hours, bool) or not 0 < hours < 100_000):
            raise DocumentError(f"{place} › limit_hours", _("is not a number of hours between 1 and 99,999"))
    kinds = {stage["slug"]: stage["kind"] for stage in document["stages"]}
    for number, stage in enumerate(document["stages"], 1):
        if "hand_off" in stage:
            ahead = {each["slug"] for each in document["stages"][number:] if each["path"] == Stage.Path.SUCCESS}
            _check_hand_off(stage, kinds, ahead, f"stages › {number} › hand_off")
    return slugs


def _check_hand_off(stage: dict[str, Any], kinds: dict[str, str], ahead: set[str], place: str) -> None:
    """Where the answers lead: to stages that hold people, and "not now" to one from which they can come back.

    Reports count a move ahead as accepted and any other as not, so only accepting leads ahead.
    """
    told = mapping(stage["hand_off"], place, HAND_OFF)
    if stage["kind"] in (Stage.Kind.GATE, Stage.Kind.TERMINAL):
        raise DocumentError(place, _("nobody waits in this stage, so nobody can be handed over from it"))
    for key in ("accept", "reject", "later"):
        if key == "later" and key not in told:
            continue
        target = told.get(key)
        if not isinstance(target, str) or target not in kinds or target == stage["slug"]:
            raise DocumentError(f"{place} › {key}", _("is not another stage"))
        if kinds[target] == Stage.Kind.GATE:
            raise DocumentError(f"{place} › {key}", _("is a gate, which holds nobody"))
        if (target in ahead) != (key == "accept"):
            accepts = key == "accept"
            words = _("is not ahead on the success path") if accepts else _("is ahead, which would count as accepted")
            raise DocumentError(f"{place} › {key}", words)
    if "later" in told and kinds[told["later"]] == Stage.Kind.TERMINAL:
        raise DocumentError(f"{place} › later", _("is where a pass ends, so nobody can come back from it"))
    one_of(told.setdefault("missed", UNANSWERED[0]), UNANSWERED, f"{place} › missed")


def _check_missed(document: dict[str, Any], slugs: set[str]) -> None:
    for number, stage in enumerate(document["stages"], 1):
        if stage.get("when_missed") is None:
            continue
        place = f"stages › {number} › when_missed"
        if isinstance(stage["when_missed"], str):
            stage["when_missed"] = {"to": stage["when_missed"]}
        missed = mapping(stage["when_missed"], place, MISSED)
        if stage["kind"] != Stage.Kind.SLA:
            raise DocumentError(place, _("is only for an SLA stage, which has a limit"))
        if not isinstance(missed.get("to"), str) or missed["to"] not in slugs:
            raise DocumentError(place, _("there is no stage “%(slug)s”") % {"slug": missed.get("to")})
        if missed["to"] == stage["slug"]:
            raise DocumentError(place, _("leads from a stage to itself"))


def _check_delay(transition: dict[str, Any], place: str) -> None:
    if transition.get("delay") is None:
        return
    delay = mapping(transition["delay"], f"{place} › delay", set(Transition.Unit.values))
    if len(delay) != 1:
        raise DocumentError(f"{place} › delay", _("needs one of “days”, “hours” or “working_hours”"))
    [(unit, length)] = delay.items()
    if not isinstance(length, int) or isinstance(length, bool) or not 0 < length < 10_000:
        raise DocumentError(f"{place} › delay › {unit}", _("is not a whole number between 1 and 9,999"))
    if transition.get("by_hand"):
        raise DocumentError(f"{place} › delay", _("a move by hand does not wait; leave “delay” or “by_hand” out"))
    if transition["from"] == "any":
        raise DocumentError(f"{place} › delay", _("needs a stage to wait in; name it under “from”"))


def _check_transitions(document: dict[str, Any], slugs: set[str]) -> None:
    for number, entry in enumerate(entries(document.setdefault("transitions", []), "transitions"), 1):
        place = f"transitions › {number}"
        transition = mapping(entry, place, TRANSITION)
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
        if transition.get("guard") and not transition.get("by_hand"):
            raise DocumentError(f"{place} › guard", _("guards moves by hand; a rule has “when”"))
        _check_delay(transition, place)


def _check_cases(document: dict[str, Any], slugs: set[str]) -> None:
    for number, entry in enumerate(entries(document.setdefault("cases", []), "cases"), 1):
        place = f"cases › {number}"
        case = mapping(entry, place, CASE)
        expected = mapping(case.get("expect"), f"{place} › expect", {"on", "stage", "came_by"})
        if expected.get("stage") not in slugs | {"nowhere"}:
            raise DocumentError(
                f"{place} › expect › stage", _("there is no stage “%(slug)s”") % {"slug": expected.get("stage")}
            )
        day(expected.get("on"), f"{place} › expect › on")
        for of in ("person", "account"):
            if isinstance(whose := case.get(of), dict) and "first_seen" in whose:
                day(whose["first_seen"], f"{place} › {of} › first_seen")
        for part in ("activities", "deals", "purchases"):
            for entry in entries(case.get(part, []), f"{place} › {part}"):
                told = mapping(entry, f"{place} › {part}", HISTORY)
                for key in DATES & set(told):
                    day(told[key], f"{place} › {part} › {key}")
                if not DATES & set(told):
                    raise DocumentError(f"{place} › {part}", _("has no day"))


def _check_conditions(document: dict[str, Any]) -> None:
    """The conditions may ask about the stages of the very lifecycle that the document is about to make."""
    stages = [(stage["slug"], stage["name"]) for stage in document["stages"]]
    coming = fields.of_lifecycle(document["lifecycle"], document["name"], document["of"], stages)
    asked = {"entry": document.get("entry")}
    for number, entry in enumerate(entries(document.setdefault("transitions", []), "transitions"), 1):
        if isinstance(entry, dict):
            asked |= {f"transitions › {number} › {key}": entry.get(key) for key in ("when", "guard")}
    for place, condition in asked.items():
        try:
            tree.parse(condition, of=document["of"], coming=coming)
        except tree.ConditionError as error:
            raise DocumentError(place, str(error)) from error
