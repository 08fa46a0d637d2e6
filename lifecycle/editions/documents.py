"""A lifecycle as a YAML file: reading it with errors that name the place, writing it back unchanged in meaning."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from audience.asked import fields as asked
from audience.conditions import tree
from audience.conditions.registry import Field
from audience.models import Activity, Deal
from kit import yamlfiles
from kit.yamlfiles import DocumentError, day, entries, mapping, one_of, slug
from lifecycle import fields
from lifecycle.editions import cards, handing
from lifecycle.models import Lifecycle, Stage, Transition, Version

PLAYBOOKS = Path(__file__).resolve().parents[1] / "playbooks"

TOP = {"lifecycle", "name", "species", "of", "goal", "entry", "reentry", "stages", "transitions", "cases"}
STAGE = {"slug", "name", "phase", "path", "kind", "limit_hours", "calendar", "when_missed", "card", "hand_off"}
MISSED = {"to", "name", "reason"}
HAND_OFF = {*handing.ANSWERS, "missed"}
TRANSITION = {"from", "to", "when", "delay", "name", "reason", "by_hand", "guard"}
DATES = {"on", "opened", "closed"}
HISTORY = DATES | {
    "kind", "channel", "platform", "direction", "value", "properties", "status", "amount", "product", "currency",
}  # fmt: skip
TERMS = {"renews", "notice", "ends", "auto_renew"}
CONTRACT = TERMS | {"starts", "annual_value", "product", "currency", "properties", "changed", "amended"}
CONTRACT_PARTS = {"changed": TERMS | {"on"}, "amended": {"on", "annual_value"}}
SERVICE_CASE = {"opened", "closed", "severity", "properties"}
AMOUNTS = {"employees", "annual_revenue"}
LONGEST_VALUE = 64
WHOSE = {
    "person": {"first_seen", "is_excluded", "custom", *(column for *_rest, column in asked.OF_PERSON)},
    "account": {"first_seen", "is_excluded", "custom", *(column for *_rest, column in asked.OF_ACCOUNT)},
}
HAPPENINGS = ("activities", "deals", "purchases")
CASE = {"name", "person", "account", *HAPPENINGS, "contracts", "service_cases", "expect"}


def playbooks() -> dict[str, dict[str, Any]]:
    """The ready-made lifecycles by file name, parsed, in the order of their names."""
    return {path.stem: checked(deepcopy(_playbook(path))) for path in sorted(PLAYBOOKS.glob("*.yaml"))}


@cache
def _playbook(path: Path) -> Any:
    """As it is written; reading YAML takes longer than all else that is done with it."""
    return yamlfiles.read(path.read_text())


def parse(text: str) -> dict[str, Any]:
    """The checked document. Raises DocumentError, naming the line or the place, for whatever is wrong with it."""
    return checked(yamlfiles.read(text))


def checked(document: Any) -> dict[str, Any]:
    """The same document, its gaps filled in. Raises DocumentError naming the place that is wrong."""
    document = mapping(document, "", TOP)
    for key in ("lifecycle", "name", "species", "stages"):
        if not document.get(key):
            raise DocumentError(key, _("is missing"))
    slug(document["lifecycle"], "lifecycle")
    one_of(document["species"], Lifecycle.Species.values, "species")
    document.setdefault("of", "person")
    one_of(document["of"], ["person", "account"], "of")
    _check_texts(document, "", {"name": 200, "goal": 5000})
    _truth(document, "reentry", "")
    slugs = _check_stages(document)
    _check_missed(document, slugs)
    _check_conditions(document)
    _check_transitions(document, slugs)
    _check_cases(document, slugs)
    return document


def dump(version: Version) -> str:
    """The YAML of a version; parsing it gives the same stages, rules and cases."""
    return yamlfiles.write(of_version(version))


def of_version(version: Version) -> dict[str, Any]:
    """A version as a document: what `checked` takes, and what a draft is laid out from."""
    lifecycle = version.lifecycle
    document: dict[str, Any] = {"lifecycle": lifecycle.slug, "name": lifecycle.name, "species": lifecycle.species}
    document |= {"of": lifecycle.of, "goal": lifecycle.goal, "entry": version.entry or {}, "reentry": version.reentry}
    rules = list(version.transitions.select_related("from_stage", "to_stage"))
    missed = {each.from_stage_id: each for each in rules if each.on_missed}
    stages = cards.as_amended(version.stages.all())
    document["stages"] = [_stage_entry(stage, missed.get(stage.pk)) for stage in stages]
    document["transitions"] = [_transition_entry(each) for each in rules if not each.on_missed]
    document["cases"] = version.cases
    return document


def _stage_entry(stage: Stage, missed: Transition | None) -> dict[str, Any]:
    when_missed = missed and _without_empty({"to": missed.to_stage.slug, "name": missed.name, "reason": missed.reason})
    return {"slug": stage.slug, "name": stage.name, "path": stage.path, "kind": stage.kind} | _without_empty(
        {
            "phase": stage.phase,
            "limit_hours": stage.limit_hours,
            "calendar": stage.calendar,
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


def _check_texts(entry: dict[str, Any], place: str, longest: dict[str, int]) -> None:
    """Texts that fit into their columns."""
    for key, most in longest.items():
        where, told = f"{place} › {key}".removeprefix(" › "), entry.get(key, "")
        if not isinstance(told, str):
            raise DocumentError(where, _("is not a text"))
        if len(told) > most:
            raise DocumentError(where, _("is longer than %(most)s letters") % {"most": most})


def _truth(entry: dict[str, Any], key: str, place: str) -> None:
    if not isinstance(entry.get(key, False), bool):
        raise DocumentError(f"{place} › {key}".removeprefix(" › "), _("is neither true nor false"))


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
        _check_texts(stage, place, {"name": 200, "phase": 100})
        one_of(stage.setdefault("path", "success"), Stage.Path.values, f"{place} › path")
        one_of(stage.setdefault("kind", "inventory"), Stage.Kind.values, f"{place} › kind")
        hours = stage.get("limit_hours")
        if hours is not None and (not isinstance(hours, int) or isinstance(hours, bool) or not 0 < hours < 100_000):
            raise DocumentError(f"{place} › limit_hours", _("is not a number of hours between 1 and 99,999"))
        if "calendar" in stage:
            slug(stage["calendar"], f"{place} › calendar")
        if "card" in stage:
            cards.check(stage["card"], f"{place} › card")
    for number, stage in enumerate(document["stages"], 1):
        if "hand_off" in stage:
            _check_hand_off(stage, document["stages"], f"stages › {number} › hand_off")
    return slugs


def _check_hand_off(stage: dict[str, Any], stages: list[dict[str, Any]], place: str) -> None:
    told = mapping(stage["hand_off"], place, HAND_OFF)
    if wrong := handing.fault(stages, stage["slug"]):
        answer, words = wrong
        raise DocumentError(f"{place} › {answer}" if answer else place, words)
    one_of(told.setdefault("missed", handing.STAY), handing.UNANSWERED, f"{place} › missed")


def _check_missed(document: dict[str, Any], slugs: set[str]) -> None:
    for number, stage in enumerate(document["stages"], 1):
        if stage.get("when_missed") is None:
            continue
        place = f"stages › {number} › when_missed"
        if isinstance(stage["when_missed"], str):
            stage["when_missed"] = {"to": stage["when_missed"]}
        missed = mapping(stage["when_missed"], place, MISSED)
        _check_texts(missed, place, {"name": 200, "reason": 300})
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
        _check_texts(transition, place, {"from": 64, "to": 64, "name": 200, "reason": 300})
        _truth(transition, "by_hand", place)
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
        _check_texts(case, place, {"name": 200})
        expected = mapping(case.get("expect"), f"{place} › expect", {"on", "stage", "came_by"})
        _check_texts(expected, f"{place} › expect", {"stage": 64})
        if expected.get("stage") not in slugs | {"nowhere"}:
            raise DocumentError(
                f"{place} › expect › stage", _("there is no stage “%(slug)s”") % {"slug": expected.get("stage")}
            )
        day(expected.get("on"), f"{place} › expect › on")
        for of, known in WHOSE.items():
            _check_subject(mapping(case.get(of) or {}, f"{place} › {of}", known), f"{place} › {of}")
        for part in HAPPENINGS:
            for told in entries(case.get(part, []), f"{place} › {part}"):
                _check_happening(mapping(told, f"{place} › {part}", HISTORY), part, f"{place} › {part}")
        for told in entries(case.get("contracts", []), f"{place} › contracts"):
            _check_contract(mapping(told, f"{place} › contracts", CONTRACT), f"{place} › contracts")
        for told in entries(case.get("service_cases", []), f"{place} › service_cases"):
            _check_service_case(mapping(told, f"{place} › service_cases", SERVICE_CASE), f"{place} › service_cases")


def _check_subject(told: dict[str, Any], place: str) -> None:
    """What a made-up person or account is like."""
    if "first_seen" in told:
        day(told["first_seen"], f"{place} › first_seen")
    for key in set(told) & AMOUNTS:
        _whole(told[key], f"{place} › {key}")
    _mapping_of(told, "custom", place)
    _truth(told, "is_excluded", place)
    texts = set(told) - AMOUNTS - {"first_seen", "custom", "is_excluded"}
    _check_texts(told, place, dict.fromkeys(texts, LONGEST_VALUE))


def _check_happening(told: dict[str, Any], part: str, place: str) -> None:
    """One thing of a made-up history."""
    for key in DATES & set(told):
        day(told[key], f"{place} › {key}")
    if not (DATES & set(told) if part == "deals" else "on" in told):
        raise DocumentError(place, _("has no day"))
    longest = {"kind": 64, "channel": 32, "platform": 32, "direction": 10, "status": 10, "product": 200, "currency": 3}
    _check_texts(told, place, longest)
    _mapping_of(told, "properties", place)
    if part == "activities" and not told.get("kind"):
        raise DocumentError(f"{place} › kind", _("is missing"))
    if "direction" in told:
        one_of(told["direction"], Activity.Direction.values, f"{place} › direction")
    if "status" in told:
        one_of(told["status"], Deal.Status.values, f"{place} › status")
    for key in set(told) & {"amount", "value"}:
        _whole(told[key], f"{place} › {key}")


def _check_contract(told: dict[str, Any], place: str) -> None:
    """A made-up contract: from when, until when at first, and what became of these dates."""
    day(told.get("starts"), f"{place} › starts")
    _check_terms(told, told["starts"], place)
    _check_texts(told, place, {"product": 200, "currency": 3})
    _mapping_of(told, "properties", place)
    if "annual_value" in told:
        _whole(told["annual_value"], f"{place} › annual_value")
    for part, known in CONTRACT_PARTS.items():
        before = ""
        for each in entries(told.get(part, []), f"{place} › {part}"):
            there = f"{place} › {part}"
            day(mapping(each, there, known).get("on"), f"{there} › on")
            if each["on"] <= before:
                raise DocumentError(f"{there} › on", _("is not behind the one before"))
            before = each["on"]
            if part == "amended":
                _whole(each.get("annual_value"), f"{there} › annual_value")
            else:
                _check_terms(each, told["starts"], there)


def _check_terms(told: dict[str, Any], starts: str, place: str) -> None:
    """Dates to come lie behind the beginning; null takes one away."""
    for key in ("renews", "notice", "ends"):
        if told.get(key) is not None:
            day(told[key], f"{place} › {key}")
            if told[key] < starts:
                raise DocumentError(f"{place} › {key}", _("is before the day on which the contract starts"))
    _truth(told, "auto_renew", place)


def _check_service_case(told: dict[str, Any], place: str) -> None:
    """A made-up service case, open or closed."""
    day(told.get("opened"), f"{place} › opened")
    if told.get("closed") is not None:
        day(told["closed"], f"{place} › closed")
        if told["closed"] < told["opened"]:
            raise DocumentError(f"{place} › closed", _("is before the day on which it was opened"))
    _check_texts(told, place, {"severity": 30})
    _mapping_of(told, "properties", place)


def _whole(value: Any, place: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 10**15:
        raise DocumentError(place, _("is not a whole number of at most 15 digits"))


def _mapping_of(told: dict[str, Any], key: str, place: str) -> None:
    if not isinstance(told.get(key, {}), dict):
        raise DocumentError(f"{place} › {key}", _("is not a mapping of names to values"))


def coming_fields(document: dict[str, Any]) -> list[Field]:
    """The fields about the stages of a document's own lifecycle, which need not stand in rows yet."""
    stages = [(stage["slug"], stage["name"]) for stage in document["stages"]]
    return fields.of_lifecycle(document["lifecycle"], document["name"], document["of"], stages)


def _check_conditions(document: dict[str, Any]) -> None:
    """The conditions may ask about the stages of the very lifecycle that the document is about to make."""
    coming = coming_fields(document)
    questions = {"entry": document.get("entry")}
    for number, entry in enumerate(entries(document.setdefault("transitions", []), "transitions"), 1):
        if isinstance(entry, dict):
            questions |= {f"transitions › {number} › {key}": entry.get(key) for key in ("when", "guard")}
    for place, condition in questions.items():
        try:
            tree.parse(condition, of=document["of"], coming=coming)
        except tree.ConditionError as error:
            raise DocumentError(place, str(error)) from error
