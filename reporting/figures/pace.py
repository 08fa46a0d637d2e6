"""The figures of time as their page shows them: pace, how long stays last, and a stage looked at closely."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import writing
from kit.statistics import Counts
from kit.survival import Curve
from reporting import pace
from reporting.figures import NOTHING, Figure, Line, Table, counted, days
from reporting.figures.sheet import Section, Sheet
from reporting.metrics import first_touch, survival
from reporting.metrics.metric import FIGURE
from reporting.pace import Pace
from reporting.plans import Place
from reporting.questions import Question
from reporting.stays import End, Stays

METRICS = (
    "throughput", "velocity", "age", "survival", "onward", "latest_time", "cumulative_time", "first_touch",
)  # fmt: skip
AFTER = (7, 30, 90)  # days at which a curve is read
WITHIN = 90
TICKS = 5  # of a drawn curve


def sheet(answer: Pace) -> Sheet:
    """The whole page."""
    if not answer.stays and not answer.ages:
        return Sheet(
            (), (), (), METRICS, _("Nobody was here in this time span"),
            _("Nobody came into a stage or was in one (%(window)s). Choose a longer time span.")
            % {"window": answer.question.window},
        )  # fmt: skip
    return Sheet(_headline(answer), _sections(answer), (), METRICS)


def _whole(answer: Pace) -> Question:
    return answer.question.about(stage="", target="")


def _headline(answer: Pace) -> list[tuple[str, Figure]]:
    question, plan = _whole(answer), answer.plan
    found = []
    if answer.bottleneck:
        place, speed = answer.bottleneck
        onward = plan.next(place.slug)
        assert onward is not None
        at = question.about(stage=place.slug, target=onward.slug)
        note = _("median days to “%(next)s”, of %(n)s that moved") % {
            "next": onward.name,
            "n": writing.number(speed.count),
        }
        label = _("Bottleneck: “%(stage)s”") % {"stage": place.name}
        found.append((label, days(at, "velocity", speed, speed.median, note)))
    if len(plan.success) > 1:
        first, last = plan.success[0], plan.success[-1]
        speed = answer.first_to_last
        note = _("of %(n)s; p90 %(p90)s") % {"n": writing.number(speed.count), "p90": writing.number(speed.p90)}
        found.append(
            (
                _("Median days from “%(first)s” to “%(last)s”") % {"first": first.name, "last": last.name},
                days(question.about(stage=first.slug, target=last.slug), "velocity", speed, speed.median, note),
            )
        )
    found.append((_("Success moves per day"), _per_day(question, sum(answer.moved.values()))))
    return found


def _sections(answer: Pace) -> list[Section]:
    question = answer.question
    stage = answer.plan.label(question.stage)
    names = {"window": question.window, "stage": stage}
    own = answer.stays.get(question.stage, Stays()).curve
    return [
        Section(
            "pace",
            _("Pace, stage by stage"),
            _("Moves along the path in the time span (%(window)s), how long they took, and how long those who are "
              "there at its end have been.") % names,
            _pace(answer),
        ),
        Section(
            "lasting",
            _("How long they stay"),
            _("Of the stays that began in the time span: the share still there after so many days, those who are there "
              "now included as far as seen. Whom another version took elsewhere is seen up to that day.") % names,
            _lasting(answer),
        ),
        Section(
            "curve",
            _("“%(stage)s”, day by day") % names,
            _("Still there, and how the others left: on along the path, on a detour, back, or out. At every day the "
              "shares add up to the whole.") % names,
            _curve_table(answer, own) if own.of else None,
            _("Nobody came into this stage in the time span."),
            template="reporting/_survival.html" if own.of else "",
            drawn=_drawn(answer, own) if own.of else None,
        ),
        Section(
            "stage",
            _("Members of “%(stage)s”") % names,
            _("Of all who were in it at some time in the time span: their last stay, all stays together, and of those "
              "who came in it, how soon a human spoke to them, in working hours.") % names,
            _stage(answer),
        ),
    ]  # fmt: skip


def _per_day(question: Question, moves: int) -> Figure:
    note = ngettext("%(n)s move", "%(n)s moves", moves) % {"n": writing.number(moves)}
    text = writing.number(moves / question.window.days, 2)
    return replace(counted(question, "throughput", moves, note=note), text=text, value=moves / question.window.days)


def _pace(answer: Pace) -> Table:
    heads = [
        _("Stage"), _("Moves per day"), _("Days to the next: median"), _("p90"), _("There at the end"),
        _("Days so far: median"), _("p90"), _("Oldest"),
    ]  # fmt: skip
    lines = []
    for place in _held(answer):
        at = _whole(answer).about(stage=place.slug)
        onward = answer.plan.next(place.slug)
        speed, ages = answer.speeds.get(place.slug, Counts()), answer.ages.get(place.slug, Counts())
        to = at.about(target=onward.slug if onward else "")
        lines.append(
            Line(
                place.name,
                [
                    _per_day(at, answer.moved[place.slug]) if onward else NOTHING,
                    days(to, "velocity", speed, speed.median, _of(speed)) if onward else NOTHING,
                    days(to, "velocity", speed, speed.p90) if onward else NOTHING,
                    counted(at, "age", ages.count),
                    days(at, "age", ages, ages.median),
                    days(at, "age", ages, ages.p90),
                    days(at, "age", ages, ages.at(1.0)),
                ],
                _remark(place),
            )
        )
    return Table(heads, lines)


def _held(answer: Pace) -> list[Place]:
    """The stages that somebody can stay in, in the order of the funnel."""
    offered = pace.offered(answer.plan)
    return [place for place in answer.plan.places if place in offered]


def _of(answer: Counts) -> str:
    return _("of %(n)s") % {"n": writing.number(answer.count)} if answer else ""


def _remark(place: Place) -> str:
    return "" if place.position else _("detour")


def _lasting(answer: Pace) -> Table:
    heads = [
        _("Stage"), _("Stays that began"), _("Still open"), _("Median days until they leave"),
        *(_("After %(days)s days") % {"days": day} for day in AFTER), _("Went on within 90 days"),
        _("Detour"), _("Out"),
    ]  # fmt: skip
    any_cut = any(told.curve.cut for told in answer.stays.values())
    if any_cut:
        heads.insert(3, _("Ended by another version"))
    lines = []
    for place in _held(answer):
        at = _whole(answer).about(stage=place.slug)
        found = answer.stays.get(place.slug, Stays())
        told = found.curve
        lines.append(
            Line(
                place.name,
                [
                    counted(at, "survival", told.of),
                    counted(at, "survival", told.open, survival.STILL),
                    *([counted(at, "survival", told.cut, survival.CUT)] if any_cut else []),
                    _median(at, told),
                    *(_share(at, told, day) for day in AFTER),
                    *(_incidence(at, told, way) for way in (End.ONWARD, End.DETOUR, End.OUT)),
                ],
                _remark(place),
            )
        )
    return Table(heads, lines)


def _median(question: Question, told: Curve) -> Figure:
    if not told.of:
        return NOTHING
    if told.median is None:
        note = _("seen for %(n)s days") % {"n": told.reach}
        return replace(counted(question, "survival", told.of, note=note), text=_("not reached"), value=None)
    return replace(counted(question, "survival", told.of), text=writing.number(told.median), value=told.median)


def _share(question: Question, told: Curve, day: int) -> Figure:
    share = told.survival(day)
    if share is None:
        return NOTHING
    bounds = told.interval(day)
    note = ""
    if bounds:
        ends = {"low": writing.percent(bounds.low, 0), "high": writing.percent(bounds.high, 0)}
        note = _("%(low)s to %(high)s") % ends
    door = counted(question, "survival", told.of, note=note)
    return replace(door, text=writing.percent(share), value=share, of=told.of, interval=bounds)


def _incidence(question: Question, told: Curve, way: End, day: int = WITHIN) -> Figure:
    """The share that has ended this way; the list behind it is of all that have so far."""
    share = told.incidence(way, min(day, told.reach))
    if share is None:
        return NOTHING
    gone = sum(step.ended.get(way, 0) for step in told.steps)
    note = "" if told.reach >= day else _("seen for %(n)s days") % {"n": told.reach}
    door = counted(question, "onward", gone, FIGURE if way == End.ONWARD else way.value)
    return replace(door, text=writing.percent(share), note=note, value=share)


# ---- the curve ----


def _drawn(answer: Pace, told: Curve) -> dict[str, Any]:
    """Bands in a field of a hundred by a hundred, y downwards: who is still there lowest, above it each way out."""
    reach = max(told.reach, 1)
    ways = [way for way in End if any(step.ended.get(way) for step in told.steps)]
    bands = []
    edge = _edge(told, reach, lambda step: step.survival, 1.0)
    bands.append({"name": "still", "label": _("still there"), "points": _area(edge, None)})
    below = edge
    for way in ways:
        upper = [(x, min(y + step, 100.0)) for (x, y), step in zip(below, _added(told, reach, way), strict=True)]
        bands.append({"name": way.value, "label": str(way.label), "points": _area(upper, below)})
        below = upper
    return {
        "bands": bands,
        "ticks": [writing.number(reach * n // TICKS) for n in range(TICKS + 1)],
        "median": f"{told.median / reach * 100:.2f}" if told.median is not None else "",
        "words": _drawn_words(answer, told),
    }


def _drawn_words(answer: Pace, told: Curve) -> str:
    stage = answer.plan.label(answer.question.stage)
    if told.median is None:
        words = _("Of the stays in “%(stage)s” more than half were still open after %(reach)s days, as far as seen.")
        return words % {"stage": stage, "reach": writing.number(told.reach)}
    words = _("Half of the stays in “%(stage)s” have ended by day %(median)s.")
    return words % {"stage": stage, "median": writing.number(told.median)}


def _edge(told: Curve, reach: int, value: Any, begin: float) -> list[tuple[float, float]]:
    """A staircase: at each step across, then down."""
    points, last = [(0.0, begin * 100)], begin
    for step in told.steps:
        x = step.day / reach * 100
        points += [(x, last * 100), (x, value(step) * 100)]
        last = value(step)
    return [*points, (100.0, last * 100)]


def _added(told: Curve, reach: int, way: End) -> list[float]:
    """What a way out adds to the band below at the points of its staircase."""
    return [y for _x, y in _edge(told, reach, lambda step: step.incidence.get(way, 0.0), 0.0)]


def _area(upper: list[tuple[float, float]], lower: list[tuple[float, float]] | None) -> str:
    """A closed area between two staircases; None is the ground."""
    under = list(reversed(lower)) if lower else [(100.0, 0.0), (0.0, 0.0)]
    return " ".join(f"{x:.2f},{100 - y:.2f}" for x, y in [*upper, *under])


def _curve_table(answer: Pace, told: Curve) -> Table:
    """The curve read at a few days, with the numbers at risk."""
    at = answer.question
    reach = max(told.reach, 1)
    read = sorted({reach * n // TICKS for n in range(TICKS + 1)} | {day for day in AFTER if day <= reach})
    ways = [way for way in End if any(step.ended.get(way) for step in told.steps)]
    heads = [_("Day"), _("At risk"), _("Still there"), *(str(capfirst(way.label)) for way in ways)]
    everybody = counted(at, "survival", told.of)
    lines = []
    for day in read:
        figures = [
            Figure(writing.number(told.at_risk(day))),
            replace(everybody, text=writing.percent(told.survival(day))),
        ]
        lines.append(Line(writing.number(day), [*figures, *(_incidence(at, told, way, day) for way in ways)]))
    return Table(heads, lines)


# ---- one stage, and deals ----


def _stage(answer: Pace) -> Table:
    at = answer.question
    heads = ["", _("Number"), _("Median"), _("p90"), _("Mean")]
    lines = [
        Line(_("Last stay, in days"), _spread(at, "latest_time", answer.latest)),
        Line(_("All stays, in days"), _spread(at, "cumulative_time", answer.cumulative)),
        Line(_("First human contact, in working hours"), _spread(at, "first_touch", answer.touched)),
        Line(
            _("Nobody has spoken to them yet"),
            [counted(at, "first_touch", answer.untouched, first_touch.UNTOUCHED), *[NOTHING] * 3],
        ),
    ]  # fmt: skip
    return Table(heads, lines)


def _spread(question: Question, name: str, told: Counts) -> list[Figure]:
    return [
        counted(question, name, told.count),
        days(question, name, told, told.median),
        days(question, name, told, told.p90),
        days(question, name, told, told.mean),
    ]


# ---- the file ----


def as_rows(answer: Pace) -> tuple[list[str], list[list[Any]]]:
    """Stage by stage, for a spreadsheet."""
    heads = [
        _("Stage"), _("Moves along the path"), _("Moves per day"), _("Median days to the next"), _("There at the end"),
        _("Median days so far"), _("Stays that began"), _("Still open"), _("Ended by another version"),
        _("Median days until they leave"),
        *(_("Still there after %(days)s days") % {"days": day} for day in AFTER),
    ]  # fmt: skip
    lines = []
    for place in _held(answer):
        moved, told = answer.moved.get(place.slug, 0), answer.stays.get(place.slug, Stays()).curve
        ages = answer.ages.get(place.slug, Counts())
        lines.append(
            [
                place.name,
                moved,
                round(moved / answer.question.window.days, 4),
                answer.speeds.get(place.slug, Counts()).median,
                ages.count,
                ages.median,
                told.of,
                told.open,
                told.cut,
                told.median,
                *(_rounded(told.survival(day)) for day in AFTER),
            ]  # fmt: skip
        )
    return heads, lines


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
