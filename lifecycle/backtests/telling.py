"""A backtest in words and figures as its pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from audience.conditions import describe, tree
from kit import money, writing
from kit.statistics import Share
from lifecycle.backtests import judging, numbers
from lifecycle.models import Backtest


@dataclass(frozen=True)
class Told:
    """A share as it is written: the rate, or the interval first where few were counted, and what it is counted from."""

    text: str
    note: str


@dataclass(frozen=True)
class Point:
    """One line of a sweep's table."""

    value: int
    is_present: bool
    entered: int
    precision: Told
    recall: Told


@dataclass(frozen=True)
class Sweep:
    """A number tried at many values: the table's lines, and the drawing's as lists of points."""

    words: str
    points: list[Point]
    volume: str
    precision: str
    band: str
    recall: str
    most: int

    @property
    def last(self) -> int:
        return self.points[-1].value


def question(backtest: Backtest) -> str:
    """What was asked, in one sentence."""
    beside = _("beside %(live)s") % {"live": backtest.against} if backtest.against else _("beside nothing")
    return _(
        "%(version)s %(beside)s, %(from)s to %(until)s: who comes to “%(stage)s”, and how many of them %(outcome)s "
        "within %(days)s days."
    ) % {
        "version": backtest.version,
        "beside": beside,
        "from": writing.day(backtest.begins_on),
        "until": writing.day(backtest.ends_on),
        "stage": stage_name(backtest, backtest.stage),
        "outcome": outcome(backtest),
        "days": writing.number(backtest.horizon),
    }


def outcome(backtest: Backtest) -> str:
    """What the stage is judged by."""
    if backtest.outcome_stage:
        return _("come to “%(stage)s”") % {"stage": stage_name(backtest, backtest.outcome_stage)}
    try:
        asked = describe.sentence(tree.parse(backtest.outcome, of=backtest.version.lifecycle.of))
    except tree.ConditionError as error:  # a field that was asked for has been removed since
        asked = str(error)
    return _("fulfil “%(condition)s”") % {"condition": asked}


def stage_name(backtest: Backtest, slug: str) -> str:
    """A stage by its name."""
    found = backtest.stage_named(slug)
    return found.name if found else slug


def share(answer: Share) -> Told:
    """A share with its base; with few in the base the interval comes first, because the rate says little."""
    if answer.rate is None or answer.interval is None:
        return Told(writing.NOTHING, _("nobody to count"))
    base = _("%(hits)s of %(of)s") % {"hits": writing.number(answer.hits), "of": writing.number(answer.of)}
    rate = writing.percent(answer.rate)
    span = _("%(low)s to %(high)s") % {
        "low": writing.percent(answer.interval.low),
        "high": writing.percent(answer.interval.high),
    }
    if answer.few:
        return Told(span, _("few: %(rate)s, %(base)s") % {"rate": rate, "base": base})
    return Told(rate, _("%(base)s; %(span)s") % {"base": base, "span": span})


def summary(backtest: Backtest) -> dict[str, Any]:
    """One line of the list of results."""
    tried = (backtest.result or {}).get("sides", {}).get("tried")
    return {"backtest": backtest, "stage": stage_name(backtest, backtest.stage), "tried": tried and side(tried)}


def side(told: dict[str, Any]) -> dict[str, Any]:
    """The figures of one side."""
    times = judging.lift(told)
    return {
        "version": told["version"],
        "entered": told["entered"],
        "unfinished": told["unfinished"],
        "already": told["already"],
        "enough": judging.enough(told),
        "precision": share(judging.precision(told)),
        "recall": share(judging.recall(told)),
        "usual": share(judging.usual(told)),
        "lift": writing.NOTHING if times is None else _("%(times)s times") % {"times": writing.number(times, 1)},
    }


def whole(backtest: Backtest) -> dict[str, Any]:
    """All that the page of a finished backtest shows."""
    result = backtest.result or {}
    sides = result["sides"]
    beside = sides.get("live")
    return {
        "sides": [side(sides["tried"]), *([side(beside)] if beside else [])],
        "stages": _stages(sides),
        "differ": _differ(backtest, result["differ"]),
        "by_time": _by_time(sides),
        "costs": _costs(result["spent"], sides),
        "extra": sides["tried"]["entered"] - beside["entered"] if beside else None,
        "sweep": _sweep(backtest, result["points"]) if result["points"] else None,
        "enough": judging.ENOUGH,
    }


def _stages(sides: dict[str, Any]) -> list[dict[str, Any]]:
    """Each stage of either side: balance before, in, out, balance after, by this version and by the live one."""
    beside = {each["slug"]: each for each in sides["live"]["stages"]} if "live" in sides else {}
    own = {each["slug"]: each for each in sides["tried"]["stages"]}
    lines = [{"name": each["name"], "tried": each, "live": beside.get(slug)} for slug, each in own.items()]
    return lines + [
        {"name": each["name"], "tried": None, "live": each} for slug, each in beside.items() if slug not in own
    ]


def _differ(backtest: Backtest, found: dict[str, int]) -> list[dict[str, Any]]:
    """Who differs, each figure with the door to its list."""
    url = reverse("backtest_people", args=[backtest.pk])
    words = {
        "tried_only": _("only by this version"),
        "live_only": _("only by the live version"),
        "both": _("by both"),
        "sooner": _("by both, sooner by this version"),
        "later": _("by both, later by this version"),
    }
    if not backtest.against_id:
        words = {"tried_only": _("by this version")}
    doors = {key: f"{url}?who={key}" for key in words}
    return [{"key": key, "label": words[key], "count": found[key], "url": doors[key]} for key in words]


def _by_time(sides: dict[str, Any]) -> list[dict[str, Any]]:
    """The precision of either side by when they came to the stage."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("tried", "live"):
        for each in sides.get(name, {}).get("by_time", ()):
            line = found.setdefault(each["from"], {"from": each["from"], "tried": None, "live": None})
            unfinished = _("%(n)s not over yet") % {"n": writing.number(each["unfinished"])}
            counted = Share(each["hits"], each["of"])
            line[name] = share(counted) if counted.of else Told(writing.NOTHING, unfinished)
    return [found[day] for day in sorted(found)]


def _costs(spent: dict[str, int], sides: dict[str, Any]) -> list[dict[str, Any]]:
    """What was spent in the window for each who came to the stage, and for each that one side has more."""
    tried, beside = sides["tried"]["entered"], sides.get("live", {}).get("entered")
    told = []
    for currency, amount in sorted(spent.items()):
        each = [money.written(round(amount / n), currency) if n else writing.NOTHING for n in (tried, beside or 0)]
        more = tried - beside if beside is not None else 0
        told.append(
            {
                "spent": money.written(amount, currency),
                "tried": each[0],
                "live": each[1] if beside is not None else None,
                "extra": money.written(round(amount / more), currency) if more > 0 else None,
            }
        )
    return told


def _sweep(backtest: Backtest, found: list[dict[str, Any]]) -> Sweep:
    rule = backtest.swept
    assert rule is not None
    there = {each.place: each for each in numbers.of_rule(rule, backtest.version.lifecycle.of)}
    number = there.get(tuple(backtest.place))
    points = [
        Point(
            each["value"],
            number is not None and number.value == each["value"],
            each["entered"],
            share(judging.precision(each)),
            share(judging.recall(each)),
        )
        for each in found
    ]
    most = max((each["entered"] for each in found), default=0)
    least_value, most_value = found[0]["value"], found[-1]["value"]

    def x(value: int) -> float:
        return (value - least_value) * 100 / (most_value - least_value or 1)

    def line(pairs: list[tuple[int, float | None]]) -> str:
        return " ".join(f"{x(value):.2f},{100 - height * 100:.2f}" for value, height in pairs if height is not None)

    shares = [(each["value"], judging.precision(each)) for each in found]
    high = [(value, each.interval.high if each.interval else None) for value, each in shares]
    low = [(value, each.interval.low if each.interval else None) for value, each in shares]
    return Sweep(
        words=f"{rule}: {number.words}" if number else str(rule),
        points=points,
        volume=line([(each["value"], each["entered"] / most if most else 0) for each in found]),
        precision=line([(value, each.rate) for value, each in shares]),
        band=f"{line(high)} {line(low[::-1])}".strip(),
        recall=line([(each["value"], judging.recall(each).rate) for each in found]),
        most=most,
    )
