"""A backtest in words and figures as its pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from audience.conditions import describe, tree
from kit import money, writing
from kit.statistics import Share
from lifecycle.backtests import judging, numbers, recorded
from lifecycle.models import Backtest, Moved, Reached, Stage


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
        "version": told["version"] or _("as recorded"),
        "is_recorded": not told["version"],
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
    return {
        "sides": [side(sides[which]) for which in ("tried", "live", "recorded") if which in sides],
        "stages": _stages(sides),
        "differ": _differ(backtest, result["differ"]),
        "by_time": _by_time(sides),
        "spent": _spent(result["spent"], sides),
        "money": _money(backtest, result["money"]) if "money" in result else None,
        "recorded": _recorded(backtest, sides["recorded"], result["moved"]) if "recorded" in sides else None,
        "sweep": _sweep(backtest, result["points"]) if result["points"] else None,
        "enough": judging.ENOUGH,
    }


def stage_names(backtest: Backtest) -> dict[str, str]:
    """Every stage that any version of the lifecycle has or had, by its slug; empty is in none."""
    every = Stage.objects.filter(version__lifecycle=backtest.version.lifecycle_id)
    found = dict(every.order_by("version__number").values_list("slug", "name"))
    return found | dict(backtest.version.stages.values_list("slug", "name")) | {"": _("in no stage")}


def cost(reached: Reached) -> str:
    """Somebody's share of costs; empty where none is known."""
    currency = (reached.backtest.result or {}).get("money", {}).get("currency", "")
    return money.written(reached.cost, currency) if reached.cost is not None else ""


def _stages(sides: dict[str, Any]) -> list[dict[str, Any]]:
    """Each stage of any side: balance before, in, out, balance after, by this version, by the live one, as recorded."""
    lines: dict[str, dict[str, Any]] = {}
    for which in ("tried", "live", "recorded"):
        for each in sides.get(which, {}).get("stages", ()):
            lines.setdefault(each["slug"], {"name": each["name"], "sides": []})["sides"].append((which, each))
    return list(lines.values())


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
    if "recorded" in (backtest.result or {}).get("sides", {}):
        words |= {
            "recorded": _("as recorded"),
            "recorded_only": _("as recorded, not by this version"),
            "unrecorded": _("by this version, not as recorded"),
        }
    doors = {key: f"{url}?who={key}" for key in words}
    return [{"key": key, "label": words[key], "count": found[key], "url": doors[key]} for key in words]


CAUSES = {
    recorded.RULE: _lazy("by rules"),
    **{str(value): label for value, label in Moved.Cause.choices},
    recorded.OTHER: _lazy("otherwise"),
}  # in the order of recorded.CAUSES


def _recorded(backtest: Backtest, told: dict[str, Any], moved: dict[str, dict[str, int]]) -> dict[str, Any]:
    """What the ledger has of its own: the moves of each stage by cause, and whom somebody moved."""
    url = reverse("backtest_moved", args=[backtest.pk])
    sides = ["tried", "live"] if backtest.against_id else ["tried"]
    words, moves = CAUSES, reverse("backtest_movements", args=[backtest.pk])

    def opened(stage: dict[str, Any], way: str) -> list[tuple[int, str]]:
        url = f"{moves}?{way}={stage['slug']}"
        told = [(stage[f"{way}_by"][cause], f"{url}&cause={cause}") for cause in recorded.CAUSES]
        return [*told, (stage[way], url)]

    by_people = {key: moved[recorded.HAND][key] + moved[recorded.FILE][key] for key in ("subjects", *sides)}
    lines = [
        {"label": words[cause], "cause": cause, **moved[cause]}
        for cause in (recorded.HAND, recorded.FILE, recorded.HANDOFF)
    ]
    lines.insert(2, {"label": _("by hand, a program or a file"), "cause": "hand_or_file", **by_people})
    for line in lines:
        line["url"] = f"{url}?cause={line['cause']}"
        line["sides"] = [(line[which], f"{line['url']}&elsewhere={which}") for which in sides]
    return {
        "causes": [words[cause] for cause in recorded.CAUSES],
        "flows": [
            {
                "name": each["name"],
                "came": opened(each, "came"),
                "left": opened(each, "left"),
            }
            for each in told["stages"]
            if each["came"] or each["left"]
        ],
        "moved": lines,
        "by_people": by_people,
        "url": f"{url}?cause=hand_or_file&elsewhere=tried",
        "clocks": clocks(backtest, told),
    }


def clocks(backtest: Backtest, told: dict[str, Any]) -> str:
    """By which of the two clocks what was counted."""
    words = ngettext(
        "%(moves)s move happened from %(from)s until %(until)s, as the ledger knew on %(known)s, when this was tried.",
        "%(moves)s moves happened from %(from)s until %(until)s, as the ledger knew on %(known)s, when this was tried.",
        told["moves"],
    ) % {
        "moves": writing.number(told["moves"]),
        "from": writing.day(backtest.begins_on),
        "until": writing.day(backtest.ends_on),
        "known": writing.instant(backtest.created_at),
    }
    late = ngettext(
        "%(late)s of them was written down only after the time span, those of a replay aside.",
        "%(late)s of them were written down only after the time span, those of a replay aside.",
        told["late"],
    ) % {"late": writing.number(told["late"])}
    return f"{words} {late}"


def _by_time(sides: dict[str, Any]) -> list[dict[str, Any]]:
    """The precision of each side by when they came to the stage."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("tried", "live", "recorded"):
        for each in sides.get(name, {}).get("by_time", ()):
            line = found.setdefault(each["from"], {"from": date.fromisoformat(each["from"])})
            unfinished = _("%(n)s not over yet") % {"n": writing.number(each["unfinished"])}
            counted = Share(each["hits"], each["of"])
            line[name] = share(counted) if counted.of else Told(writing.NOTHING, unfinished)
    return [found[day] for day in sorted(found)]


def _spent(spent: dict[str, int], sides: dict[str, Any]) -> list[dict[str, Any]]:
    """What was spent in the window, and that for each who came to the stage."""
    words = {
        "tried": _("%(amount)s by this version"),
        "live": _("%(amount)s by the live one"),
        "recorded": _("%(amount)s as recorded"),
    }
    told = []
    for currency, amount in sorted(spent.items()):
        came = {which: sides[which]["entered"] for which in words if which in sides and sides[which]["entered"]}
        each = {which: money.written(round(amount / count), currency) for which, count in came.items()}
        told.append(
            {
                "spent": money.written(amount, currency),
                "each": ", ".join(words[which] % {"amount": shown} for which, shown in each.items()),
            }
        )
    return told


def _money(backtest: Backtest, told: dict[str, Any]) -> dict[str, Any]:
    """What those cost whom one side alone brings to the stage, and what came of them, with the doors to them."""
    url = reverse("backtest_people", args=[backtest.pk])
    words = {"tried_only": _("extra: only by this version"), "live_only": _("fewer: only by the live version"),
             "both": _("by both")} if backtest.against_id else {"tried_only": _("by this version")}  # fmt: skip
    lines = []
    for key, label in words.items():
        group = told["groups"][key]
        known = group["known"]
        lines.append(
            {
                "key": key,
                "label": label,
                "subjects": group["subjects"],
                "url": f"{url}?who={key}",
                "known": known,
                "known_url": f"{url}?who={key}&cost=yes",
                "cost": money.written(group["cost"], told["currency"]) if known else writing.NOTHING,
                "each": money.written(round(group["cost"] / known), told["currency"])
                if known >= judging.ENOUGH
                else None,
                "success": share(Share(group["hits"], group["of"])),
            }
        )
    return {
        "lines": lines,
        "any": any(group["known"] for group in told["groups"].values()),
        "unrated": told["unrated"],
        "words": _net(told) if backtest.against_id else "",
    }


def _net(told: dict[str, Any]) -> str:
    """What the difference comes to, said honestly: whoever comes no longer was paid for all the same."""
    more, fewer = told["groups"]["tried_only"], told["groups"]["live_only"]
    count = {"more": writing.number(more["subjects"]), "fewer": writing.number(fewer["subjects"])}
    if not more["subjects"] and not fewer["subjects"]:
        return _("Neither brings anybody whom the other does not.")
    said = [_("This version brings %(more)s whom the live one does not, and misses %(fewer)s.") % count]
    if fewer["subjects"]:
        lost = {"hits": writing.number(fewer["hits"]), "of": writing.number(fewer["of"])}
        spent = money.written(fewer["cost"], told["currency"])
        if fewer["known"]:
            said.append(_("%(spent)s had been paid to bring those it misses: that is not saved.") % {"spent": spent})
        if fewer["of"]:
            said.append(_("Saved is the work on them; lost are the successes among them: %(hits)s of %(of)s.") % lost)
        else:
            said.append(_("Saved is the work on them; what is lost cannot be told yet, as nobody’s days are over."))
    return " ".join(said)


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
