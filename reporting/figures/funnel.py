"""The funnel's figures as its page shows them: tables of balances, conversions and durations, and the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import writing
from kit.statistics import Counts, Share
from reporting import addresses
from reporting.figures import (
    NOTHING,
    SHOWN_BUCKETS,
    Figure,
    Line,
    Table,
    counted,
    days,
    interval,
    share,
)
from reporting.funnel import Body, Bucket, Funnel, Row
from reporting.metrics import balance, by_version, subjects
from reporting.metrics.cohort_conversion import UNFINISHED, Order
from reporting.metrics.time_in_stage import NEGATIVE
from reporting.plans import Direction
from reporting.questions import Question

METRICS = (
    "balance", "in_flow", "out_flow", "by_version", "period_conversion", "cohort_conversion", "time_in_stage",
    "velocity", "recorded_late", "excluded",
)  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """One bar of the picture: a stage of the success path, with those that reached it and their share."""

    label: str
    figure: Figure
    share: str


# ---- the parts of the funnel page ----


def headline(answer: Funnel) -> list[tuple[str, Figure]]:
    """The few figures on top, each with its label."""
    question, body, success = _everybody(answer), answer.everybody, answer.plan.success
    if len(success) < 2 or body.won is None:
        return []
    first, last = success[0], success[-1]
    way = question.about(stage=first.slug, target=last.slug)
    entry, to = question.about(stage=first.slug, target=first.slug), addresses.people(way, "cohort_conversion")
    conversion = writing.percent(body.won.rate)
    around = _("95 %%: %(interval)s") % {"interval": interval(body.won)}
    return [
        (_("Entered “%(stage)s”") % {"stage": first.name}, counted(entry, "cohort_conversion", body.won.of)),
        (_("Reached “%(stage)s”") % {"stage": last.name}, counted(way, "cohort_conversion", body.won.hits)),
        (_("Conversion"), Figure(conversion, "cohort_conversion", body.won.hits, to, around, body.won.rate)),
        (_("Median days to “%(stage)s”") % {"stage": last.name}, _median_with_spread(way, body.first_to_last)),
    ]


def remarks(answer: Funnel) -> list[tuple[Figure, str]]:
    """What to know before believing: cohorts whose days are not over, and facts dated the wrong way round."""
    question, plan = _everybody(answer), answer.plan
    found = []
    for row in answer.everybody.rows:
        onward = plan.next(row.place.slug)
        if row.unfinished and onward:
            asked = question.about(stage=row.place.slug, target=onward.slug)
            words = _("entered “%(stage)s” less than %(days)s days ago: unfinished, and in no cohort.")
            figure = counted(asked, "cohort_conversion", row.unfinished, UNFINISHED)
            found.append((figure, words % {"stage": row.place.name, "days": question.within}))
        if onward and row.to_next and row.to_next.negative:
            found.append(_wrong_way(question, row.place.slug, onward.slug, row.to_next))
    if len(plan.success) > 2 and answer.everybody.first_to_last.negative:
        ends = (plan.success[0].slug, plan.success[-1].slug)
        found.append(_wrong_way(question, *ends, answer.everybody.first_to_last))
    return found


def late(answer: Funnel, moves: Mapping[str, int]) -> list[tuple[Figure, str]]:
    """The moves that were recorded in a later month than they happened, stage by stage."""
    question = _everybody(answer)
    found = []
    for place in answer.plan.places:
        if count := moves.get(place.slug, 0):
            figure = counted(question.about(stage=place.slug), "recorded_late", count)
            words = ngettext(
                "move into “%(stage)s” was recorded in a later month than it happened.",
                "moves into “%(stage)s” were recorded in a later month than they happened.",
                count,
            )
            found.append((figure, words % {"stage": place.name}))
    return found


def basis(answer: Funnel) -> str:
    """What a conversion of cohorts is counted from, in words."""
    words = {"window": answer.window, "days": answer.question.within}
    if answer.question.within is None:
        told = _(
            "Of those that first entered a stage in the time span (%(window)s): who came further, at any time since."
        )
    else:
        told = _(
            "Of those that first entered a stage in the time span (%(window)s): who came further within %(days)s days."
        )
    return told % words


def bars(answer: Funnel) -> list[Bar]:
    """The picture: of those that entered the first stage, how many reached each stage or a later one."""
    return [
        Bar(row.place.name, _reached(answer, row), writing.percent(row.cumulative.rate))
        for row in answer.everybody.rows
        if row.cumulative is not None
    ]


def ledger(answer: Funnel) -> Table:
    """Balance, in, out and balance of every stage, and where the moves out led."""
    rows = answer.everybody.rows
    ways = [way for way in Direction if any(row.out_by.get(way) for row in rows)]
    over = any(row.came_over or row.went_over for row in rows)
    heads = [_("Stage"), _("At the start"), _("In"), _("Out"), _("At the end")]
    heads += [str(capfirst(way.label)) for way in ways]
    heads += [_("Brought by a new version"), _("Taken by a new version")] if over else []
    lines = [
        Line(row.place.name, _ledger(answer, row, ways) + (_over(answer, row) if over else []), _remark(row))
        for row in rows
    ]
    return Table(heads, lines)


def of_subjects(answer: Funnel, told: Mapping[tuple[str, str], int]) -> Table:
    """The same of different subjects, each once."""
    question, parts = _everybody(answer), subjects.PARTS
    heads = [_("Stage"), _("At the start"), _("In"), _("Out"), _("At the end")]
    lines = []
    for row in answer.everybody.rows:
        at, slug = question.about(stage=row.place.slug), row.place.slug
        figures = [counted(at, "subjects", told.get((slug, part), 0), part) for part in parts]
        lines.append(Line(row.place.name, figures, _remark(row)))
    return Table(heads, lines)


def conversions(answer: Funnel) -> Table:
    """Every kind of conversion side by side, with its base."""
    heads = [
        _("Stage"),
        _("First entries"),
        _("To the next or later"),
        _("From the first stage"),
        _("Strict"),
        _("Any order"),
        _("Of all stays in the time span"),
    ]
    rows = [row for row in answer.everybody.rows if row.place.position]
    return Table(heads, [Line(row.place.name, _conversions(answer, row)) for row in rows])


def durations(answer: Funnel) -> Table:
    """How long the stays were, and how long it took to the next stage."""
    heads = [
        _("Stage"),
        _("Stays that ended"),
        _("Median days"),
        _("p90"),
        _("Mean"),
        _("Days to the next: median"),
        _("p90"),
        _("Mean"),
    ]
    rows = [row for row in answer.everybody.rows if not row.place.is_terminal or row.stays]
    return Table(heads, [Line(row.place.name, _durations(answer, row)) for row in rows])


def compared(answer: Funnel, other: Funnel) -> Table:
    """Stage by stage the flows, the step on and the time of two spans of the same length, the later one first."""
    heads = [_("Stage"), _("In"), _("before"), _("Out"), _("before"), _("First entries"), _("before"),
             _("To the next or later"), _("before"), _("Days to the next: median"), _("before")]  # fmt: skip
    before = {row.place.slug: row for row in other.everybody.rows}
    lines = []
    for row in answer.everybody.rows:
        pairs = zip(_comparable(answer, row), _comparable(other, before[row.place.slug]), strict=True)
        lines.append(Line(row.place.name, [figure for pair in pairs for figure in pair], _remark(row)))
    return Table(heads, lines)


def _comparable(answer: Funnel, row: Row) -> list[Figure]:
    question, onward = _everybody(answer), answer.plan.next(row.place.slug)
    at = question.about(stage=row.place.slug)
    figures = [counted(at, "in_flow", row.in_flow), counted(at, "out_flow", row.out_flow)]
    if not row.place.position:
        return [*figures, NOTHING, NOTHING, NOTHING]
    first = counted(at.about(target=row.place.slug), "cohort_conversion", row.entered - row.unfinished)
    if onward is None:
        return [*figures, first, NOTHING, NOTHING]
    to = at.about(target=onward.slug)
    speed = row.to_next
    return [*figures, first, share(to, "cohort_conversion", row.next_step),
            days(to, "velocity", speed, speed.median if speed else None)]  # fmt: skip


def split(answer: Funnel, *, all_of_them: bool = False) -> Table | None:
    """Each bucket's way along the success path, the largest first, and everybody; None when nobody is parted."""
    question, success = answer.question, answer.plan.success
    if question.split is None or len(success) < 2:
        return None
    last = success[-1].name
    heads = [
        question.split.label,
        *(_("Entered “%(stage)s”") % {"stage": place.name} for place in success[:1]),
        *(_("Reached “%(stage)s”") % {"stage": place.name} for place in success[1:]),
        _("Conversion to “%(stage)s”") % {"stage": last},
        _("Median days to “%(stage)s”") % {"stage": last},
    ]
    shown = answer.buckets if all_of_them else answer.buckets[:SHOWN_BUCKETS]
    lines = [Line(bucket.label, _bucket(question.about(bucket=bucket.value), bucket.body)) for bucket in shown]
    everybody = Line(_("Everybody"), _bucket(_everybody(answer), answer.everybody))
    return Table(heads, lines, everybody, len(answer.buckets) - len(shown))


def steps(answer: Funnel) -> Table | None:
    """Each bucket's conversion from stage to stage; None when nobody is parted or there is but one step."""
    question, success = answer.question, answer.plan.success
    if question.split is None or len(success) < 3:
        return None
    pairs = [f"{place.name} → {onward.name}" for place, onward in pairwise(success)]
    lines = [
        Line(bucket.label, _steps(question.about(bucket=bucket.value), bucket.body))
        for bucket in answer.buckets[:SHOWN_BUCKETS]
    ]
    return Table(
        [question.split.label, *pairs], lines, Line(_("Everybody"), _steps(_everybody(answer), answer.everybody))
    )


# ---- by name, for programs ----

LEDGER = ("balance_start", "in_flow", "out_flow", "balance_end")
OVER = ("came_over", "went_over")
CONVERSIONS = ("entered", "to_next", "from_first", "strict", "any_order", "of_all_stays")
DURATIONS = ("stays", "stay_median", "stay_p90", "stay_mean", "next_median", "next_p90", "next_mean")


def by_name(answer: Funnel, row: Row) -> dict[str, Figure]:
    """The figures of one stage that the tables show, each by its name; `out_…` says where moves out led."""
    ways = [way for way in Direction if row.out_by.get(way)]
    names = [*LEDGER, *(f"out_{way.value}" for way in ways)]
    told = dict(zip(names, _ledger(answer, row, ways), strict=True))
    told |= zip(OVER, _over(answer, row), strict=True)
    if row.place.position:
        told |= zip(CONVERSIONS, _conversions(answer, row), strict=True)
    told |= zip(DURATIONS, _durations(answer, row), strict=True)
    told["reached"] = _reached(answer, row)
    return {name: figure for name, figure in told.items() if figure is not NOTHING}


def of_bucket(answer: Funnel, bucket: Bucket) -> dict[str, Figure]:
    """The figures of one bucket by name: “reached_” with a stage’s slug, “onward_” with that of one that was left …"""
    success, question = answer.plan.success, answer.question.about(bucket=bucket.value)
    if len(success) < 2:
        return {}
    names = [*(f"reached_{place.slug}" for place in success), "conversion", "days_median"]
    told = dict(zip(names, _bucket(question, bucket.body), strict=True))
    told |= zip((f"onward_{place.slug}" for place in success[:-1]), _steps(question, bucket.body), strict=True)
    return {name: figure for name, figure in told.items() if figure is not NOTHING}


# ---- one line ----


def _everybody(answer: Funnel) -> Question:
    return answer.question.about(split=None)


def _reached(answer: Funnel, row: Row) -> Figure:
    if row.cumulative is None:
        return NOTHING
    asked = _everybody(answer).about(stage=answer.plan.success[0].slug, target=row.place.slug)
    return counted(asked, "cohort_conversion", row.cumulative.hits)


def _ledger(answer: Funnel, row: Row, ways: Sequence[Direction]) -> list[Figure]:
    at = _everybody(answer).about(stage=row.place.slug)
    figures = [
        counted(at.about(moment=balance.START), "balance", row.balance_start),
        counted(at, "in_flow", row.in_flow),
        counted(at, "out_flow", row.out_flow),
        counted(at.about(moment=balance.END), "balance", row.balance_end),
    ]
    for way in ways:
        count = row.out_by.get(way, 0)
        figures.append(counted(at.about(directions=(way,)), "out_flow", count) if count else NOTHING)
    return figures


def _over(answer: Funnel, row: Row) -> list[Figure]:
    at = _everybody(answer).about(stage=row.place.slug)
    return [
        counted(at, "by_version", row.came_over) if row.came_over else NOTHING,
        counted(at, "by_version", row.went_over, by_version.TAKEN) if row.went_over else NOTHING,
    ]


def _remark(row: Row) -> str:
    if row.place.former:
        return _("of an earlier version")
    if row.place.is_gate:
        return _("a gate: holds nobody")
    if not row.place.position:
        return _("detour")
    return ""


def _conversions(answer: Funnel, row: Row) -> list[Figure]:
    question, plan = _everybody(answer), answer.plan
    first, slug, onward = plan.success[0].slug, row.place.slug, plan.next(row.place.slug)
    at, name = question.about(stage=slug), "cohort_conversion"
    from_first = question.about(stage=first, target=slug)
    return [
        counted(at.about(target=slug), name, row.entered - row.unfinished),
        share(at.about(target=onward.slug), name, row.next_step) if onward else NOTHING,
        share(from_first, name, row.cumulative),
        share(from_first.about(order=Order.STRICT.value), name, row.strict),
        share(question.about(target=slug, order=Order.ANY.value), name, row.any_order),
        share(at, "period_conversion", row.period),
    ]


def _durations(answer: Funnel, row: Row) -> list[Figure]:
    at = _everybody(answer).about(stage=row.place.slug)
    onward = answer.plan.next(row.place.slug)
    figures = [counted(at, "time_in_stage", row.stays.count), *_spread(at, "time_in_stage", row.stays)]
    to_next = row.to_next if onward else None
    return figures + _spread(at.about(target=onward.slug if onward else ""), "velocity", to_next)


def _spread(question: Question, metric: str, answer: Counts | None) -> list[Figure]:
    if not answer:
        return [NOTHING] * 3
    of = _("of %(n)s") % {"n": writing.number(answer.count)}
    return [
        days(question, metric, answer, answer.median, of),
        days(question, metric, answer, answer.p90),
        days(question, metric, answer, answer.mean),
    ]


def _bucket(question: Question, body: Body) -> list[Figure]:
    success, name = question.plan.success, "cohort_conversion"
    first, last = success[0].slug, success[-1].slug
    reached = [row.cumulative for row in body.rows if row.cumulative is not None]
    figures = [
        counted(question.about(stage=first, target=place.slug), name, answer.hits)
        for place, answer in zip(success, reached, strict=True)
    ]
    way = question.about(stage=first, target=last)
    speed = body.first_to_last
    return [*figures, share(way, name, body.won), days(way, "velocity", speed, speed.median)]


def _steps(question: Question, body: Body) -> list[Figure]:
    figures = []
    for row in body.rows:
        onward = question.plan.next(row.place.slug)
        if onward is not None:
            asked = question.about(stage=row.place.slug, target=onward.slug)
            figures.append(share(asked, "cohort_conversion", row.next_step) if row.entered else NOTHING)
    return figures


def _median_with_spread(question: Question, answer: Counts) -> Figure:
    note = _("of %(n)s; mean %(mean)s, p90 %(p90)s, least %(least)s") % {
        "n": writing.number(answer.count),
        "mean": writing.number(answer.mean, 2),
        "p90": writing.number(answer.p90),
        "least": writing.number(answer.minimum),
    }
    return days(question, "velocity", answer, answer.median, note)


def _wrong_way(question: Question, source: str, target: str, answer: Counts) -> tuple[Figure, str]:
    plan = question.plan
    figure = counted(question.about(stage=source, target=target), "velocity", answer.negative, NEGATIVE)
    words = _("“%(target)s” dated before “%(source)s”: counted as the dates stand, not dropped.")
    return figure, words % {"source": plan.label(source), "target": plan.label(target)}


# ---- the file ----


def as_rows(answer: Funnel) -> tuple[list[str], list[list[Any]]]:
    """The funnel for a spreadsheet: a line per stage, of everybody and of each bucket, in plain numbers."""
    heads = [
        _("Part"), _("Stage"), _("At the start"), _("In"), _("Out"), _("Brought by a new version"),
        _("Taken by a new version"), _("At the end"),
        _("First entries"), _("Unfinished"), _("To the next or later"), _("of"),
        _("From the first stage"), _("of"), _("Strict"), _("Any order"), _("of"),
        _("Forward in the time span"), _("of stays"),
        _("Stays that ended"), _("Median days"), _("p90"), _("Mean"),
        _("Median days to the next"),
    ]  # fmt: skip
    parts = [Bucket("", _("Everybody"), answer.everybody), *answer.buckets]
    return heads, [_plain(part.label, row) for part in parts for row in part.body.rows]


def _plain(label: str, row: Row) -> list[Any]:
    stays, to_next = row.stays, row.to_next or Counts()
    return [
        label, row.place.name, row.balance_start, row.in_flow, row.out_flow, row.came_over, row.went_over,
        row.balance_end,
        row.entered, row.unfinished, *_pair(row.next_step),
        *_pair(row.cumulative), row.strict.hits if row.strict else None, *_pair(row.any_order),
        *_pair(row.period),
        stays.count, stays.median, stays.p90, stays.mean, to_next.median,
    ]  # fmt: skip


def _pair(answer: Share | None) -> list[int | None]:
    return [answer.hits, answer.of] if answer else [None, None]
