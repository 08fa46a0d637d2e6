"""A scoring model as a YAML file: reading it with errors that name the place, writing it back unchanged in meaning.

model: lead
name: Lead score
species: net_new
limit: 60
grades: {A: 30, B: 20, C: 10}
caps: {content: 25}
rules:
  - {name: Asked for a demo, points: 40, did: {kind: demo_requested}, half_life: 30, once: true}
  - {name: Read something, points: 5, did: {kind: content_downloaded}, half_life: 14, expires: 90, group: content}
  - {name: Director, points: 20, fit: {field: person.title, op: contains, value: director}}
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import tree
from kit import installation, yamlfiles
from kit.yamlfiles import DocumentError
from scoring import rules
from scoring.models import Rule, ScoringModel, ScoringVersion

TOP = {"model", "name", "of", "species", "goal", "limit", "effective_from", "caps", "grades", "levels", "rules"}
RULE = {"name", "points", "did", "fit", "half_life", "expires", "once", "cap", "group"}
ONLY_BEHAVIOUR = ("half_life", "expires", "once")
GRADES, LEVELS = ("A", "B", "C"), ("1", "2", "3")
LONGEST = 3650  # days of a half-life or an expiry


def parse(text: str) -> dict[str, Any]:
    """The checked document. Raises DocumentError, naming the line or the place, for whatever is wrong with it."""
    document = yamlfiles.mapping(yamlfiles.read(text), "", TOP)
    for key in ("model", "name", "rules"):
        if not document.get(key):
            raise DocumentError(key, _("is missing"))
    yamlfiles.slug(document["model"], "model")
    yamlfiles.one_of(document.setdefault("of", "person"), ["person", "account"], "of")
    yamlfiles.one_of(document.setdefault("species", ""), ["", *ScoringModel.Species.values], "species")
    for key, longest in (("name", 200), ("goal", 5000)):
        if not isinstance(document.setdefault(key, ""), str) or len(document[key]) > longest:
            raise DocumentError(key, _("is not a text of at most %(most)s letters") % {"most": longest})
    if document.get("effective_from") is not None:
        yamlfiles.day(document["effective_from"], "effective_from")
    if document.get("limit") is not None:
        document["limit"] = whole(document["limit"], "limit")
    document["grades"] = thresholds(document.get("grades"), GRADES, "grades")
    document["levels"] = thresholds(document.get("levels"), LEVELS, "levels")
    document["caps"] = _caps(document.get("caps"))
    document["rules"] = [
        rule(entry, document["of"], f"rules › {number}")
        for number, entry in enumerate(yamlfiles.entries(document["rules"], "rules"), 1)
    ]
    return document


def rule(entry: Any, of: str, place: str) -> dict[str, Any]:
    """One rule's values as the row has them. Raises DocumentError for what is wrong with it."""
    told = yamlfiles.mapping(entry, place, RULE)
    if not isinstance(told.get("name"), str) or not 0 < len(told["name"].strip()) <= 200:
        raise DocumentError(f"{place} › name", _("is not a text of 1 to 200 letters"))
    if ("did" in told) == ("fit" in told):
        raise DocumentError(place, _("needs either “did” (activities) or “fit” (a condition)"))
    kind = Rule.Kind.BEHAVIOUR if "did" in told else Rule.Kind.FIT
    if kind == Rule.Kind.FIT and (given := [key for key in ONLY_BEHAVIOUR if told.get(key)]):
        raise DocumentError(f"{place} › {given[0]}", _("is of activities only; a condition holds or it does not"))
    values = {
        "name": told["name"].strip(),
        "kind": kind,
        "points": points(told.get("points"), f"{place} › points"),
        "half_life_days": _days(told.get("half_life"), f"{place} › half_life"),
        "expires_days": _days(told.get("expires"), f"{place} › expires"),
        "once": told.get("once") is True,
        "cap": None if told.get("cap") is None else points(told["cap"], f"{place} › cap"),
        "group": _group(told.get("group"), f"{place} › group"),
        "where": told.get("did") or {},
        "condition": told.get("fit"),
    }
    if not values["points"]:
        raise DocumentError(f"{place} › points", _("is nothing; a rule gives points or takes some away"))
    if values["cap"] is not None and values["cap"] <= 0:
        raise DocumentError(f"{place} › cap", _("is not more than nothing"))
    _check_asked(values, of, place)
    return values


def _check_asked(values: dict[str, Any], of: str, place: str) -> None:
    try:
        if values["kind"] == Rule.Kind.BEHAVIOUR:
            rules.where(values["where"], of)
            return
        node = tree.parse(values["condition"], of=of)
    except tree.ConditionError as error:
        raise DocumentError(f"{place} › {'did' if 'where' in error.path else 'fit'}", str(error)) from error
    if tree.is_everybody(node):
        raise DocumentError(f"{place} › fit", _("asks nothing, so everybody would get the points"))
    if any(leaf.field.name.startswith("score.") for leaf in tree.leaves(node)):
        raise DocumentError(f"{place} › fit", _("asks about a score; a score is made of facts, not of scores"))


def dump(version: ScoringVersion) -> str:
    """The YAML of a version; parsing it gives the same rules and thresholds."""
    model = version.model
    document: dict[str, Any] = {"model": model.slug, "name": model.name, "of": model.of}
    document |= _without_empty({"species": model.species, "goal": model.goal})
    document |= {} if version.limit is None else {"limit": version.limit}
    if version.effective_from:
        document["effective_from"] = _day_of(version.effective_from)
    document |= _without_empty({"grades": version.grades, "levels": version.levels, "caps": version.caps})
    document["rules"] = [_entry(each) for each in version.rules.order_by("order")]
    return yamlfiles.write(document)


def _entry(rule: Rule) -> dict[str, Any]:
    asked = {"did": rule.where} if rule.kind == Rule.Kind.BEHAVIOUR else {"fit": rule.condition}
    more = {
        "half_life": rule.half_life_days,
        "expires": rule.expires_days,
        "once": rule.once,
        "cap": None if rule.cap is None else plain(rule.cap),
        "group": rule.group,
    }
    return {"name": rule.name, "points": plain(rule.points)} | asked | _without_empty(more)


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value}


def plain(number: Decimal) -> int | float:
    """A number of points as YAML and JSON write it; six places are within what they keep exactly."""
    return int(number) if number == int(number) else float(number)


# ---- values ----


def points(value: Any, place: str) -> Decimal:
    """A number of points, with at most six places."""
    try:
        if isinstance(value, bool) or value is None:
            raise InvalidOperation
        number = Decimal(str(value))
        if not number.is_finite() or abs(number) > rules.MOST_POINTS or number != round(number, 6):
            raise InvalidOperation
    except ArithmeticError as error:  # no number, or one beyond all bounds
        told = _("is not a number of points between −%(most)s and %(most)s, with six places at most")
        raise DocumentError(place, told % {"most": rules.MOST_POINTS}) from error
    return number


def whole(value: Any, place: str) -> int:
    """A threshold in whole points."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1_000_000:
        raise DocumentError(place, _("is not a whole number of points between −1,000,000 and 1,000,000"))
    return value


def thresholds(value: Any, names: tuple[str, ...], place: str) -> dict[str, int]:
    """The least points of each step, falling from the first; empty when there are none."""
    if not value:
        return {}
    if not isinstance(value, dict) or {str(key) for key in value} != set(names):
        raise DocumentError(place, _("has points for each of %(names)s") % {"names": ", ".join(names)})
    least = {name: whole(value.get(name, value.get(_as_number(name))), f"{place} › {name}") for name in names}
    if sorted(set(least.values()), reverse=True) != list(least.values()):
        raise DocumentError(place, _("falls from %(first)s on: each step needs less than the one before it") % {
            "first": names[0]
        })  # fmt: skip
    return least


def _as_number(name: str) -> int | str:
    return int(name) if name.isdigit() else name


def _caps(value: Any) -> dict[str, int | float]:
    if not value:
        return {}
    if not isinstance(value, dict) or len(value) > yamlfiles.MOST_ENTRIES:
        raise DocumentError("caps", _("is not a mapping of groups to points"))
    found = {}
    for group, most in value.items():
        named = _group(group, "caps")
        found[named] = plain(points(most, f"caps › {named}"))
        if found[named] <= 0:
            raise DocumentError(f"caps › {named}", _("is not more than nothing"))
    return found


def _days(value: Any, place: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LONGEST:
        raise DocumentError(place, _("is not a number of days between 1 and %(most)s") % {"most": LONGEST})
    return value


def _group(value: Any, place: str) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 64:
        raise DocumentError(place, _("is not a name of 1 to 64 letters"))
    return value.strip()


def _day_of(instant: datetime) -> str:
    return instant.astimezone(installation.zone()).date().isoformat()
