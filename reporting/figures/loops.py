"""The figures of loops as their page shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import installation, writing
from kit.statistics import Counts
from reporting.figures import NOTHING, SHOWN_BUCKETS, Figure, Line, Table, counted, days, in_days, share
from reporting.figures.money import plain
from reporting.figures.sheet import Section, Sheet
from reporting.loops import Loop, Loops
from reporting.metrics import cohort_conversion, first_and_repeat, neglect, recycled
from reporting.questions import Question

METRICS = (
    "recycled", "time_until_return", "detoured_wins", "detour_value", "neglect", "first_and_repeat",
    "cohort_conversion",
)  # fmt: skip


def sheet(answer: Loops) -> Sheet:
    """The whole page."""
    if not answer.everybody.sent and not answer.entries and not answer.wins.of:
        return Sheet(
            (), (), (), METRICS, _("Nobody moved in this time span"),
            _("Nobody came into a stage or was sent on a detour (%(window)s). Choose a longer time span.")
            % {"window": answer.question.window},
        )  # fmt: skip
    return Sheet(_headline(answer), _sections(answer), (), METRICS)


def _plain(question: Question) -> Question:
    """Without the stage and target, which are those of the periods."""
    return question.about(stage="", target="")


def _headline(answer: Loops) -> list[tuple[str, Figure]]:
    question, loop = _plain(answer.question), answer.everybody
    last = question.plan.success[-1].name if question.plan.success else ""
    return [
        (_("Sent on a detour"), counted(question, "recycled", loop.sent)),
        (_("Came back"), _returned(question, loop)),
        (_("Median days until return"), _days(question, loop, loop.days.median)),
        (_("“%(stage)s” after a detour") % {"stage": last}, share(question, "detoured_wins", answer.wins)),
    ]


def _sections(answer: Loops) -> list[Section]:
    question = answer.question
    plan = question.plan
    names = {
        "window": question.window, "stage": plan.label(question.stage), "target": plan.label(question.target),
    }  # fmt: skip
    sections = [
        Section(
            "stages",
            _("Sent on a detour, by the stage they left"),
            _("Moves to a detour in the time span (%(window)s), and what became of them since.") % names,
            _by_stage(answer) if answer.everybody.sent else None,
            _("Nobody was sent on a detour in this time span."),
        ),
        Section(
            "detours",
            _("What each detour is worth"),
            _("Of those sent in the time span: how many came back, what those won since, and what those still away "
              "would be worth if they did as well.") % names,
            _by_detour(answer) if answer.everybody.sent else None,
            _("Nobody was sent on a detour in this time span."),
        ),
        Section(
            "reasons",
            _("By reason"),
            _("The reason of the move to the detour, as it was given or as the rule has it."),
            _by_reason(answer) if answer.everybody.sent else None,
            _("Nobody was sent on a detour in this time span."),
        ),
        Section(
            "again",
            _("First time and again"),
            _("Entries into each stage in the time span (%(window)s).") % names,
            _again(answer) if answer.entries else None,
            _("Nobody came into a stage of the success path in this time span."),
        ),
        Section(
            "periods",
            _("Before and after"),
            _("First entries into “%(stage)s”, and how many of them reached “%(target)s” or later at any time since. A "
              "period begins on a chart note, or on a day of your own.") % names,
            _periods(answer),
        ),
    ]  # fmt: skip
    return sections


def _by_stage(answer: Loops) -> Table:
    question = _plain(answer.question)
    plan = question.plan
    backs = [place for place in plan.success if answer.everybody.back[place.slug]]
    heads = [
        _("From"), _("Sent"), _("Came back"), _("Median days"), _("p90"),
        *(_("Back to “%(stage)s”") % {"stage": place.name} for place in backs), _("Won after all"),
    ]  # fmt: skip

    def figures(asked: Question, loop: Loop) -> list[Figure]:
        to = [_or_dash(asked.about(target=place.slug), loop.back[place.slug]) for place in backs]
        return [
            counted(asked, "recycled", loop.sent),
            _returned(asked, loop),
            _days(asked, loop, loop.days.median),
            _days(asked, loop, loop.days.p90),
            *to,
            counted(asked, "recycled", loop.won, recycled.WON),
        ]

    lines = [
        Line(place.name, figures(question.about(stage=place.slug), answer.by_stage[place.slug]))
        for place in plan.success
        if place.slug in answer.by_stage
    ]
    return Table(heads, lines, Line(_("From any stage"), figures(question, answer.everybody)))


def _by_detour(answer: Loops) -> Table:
    question, currency = _plain(answer.question), str(installation.get("currency"))
    heads = [
        _("Detour"), _("Sent"), _("Came back"), _("Median days until return"), _("Still away"),
        _("Median days so far"), _("Won after all"), _("Value of the returned (%(currency)s)") % {"currency": currency},
        _("Cost of neglect (%(currency)s)") % {"currency": currency},
    ]  # fmt: skip
    lines = []
    for place in question.plan.places:
        loop = answer.by_detour.get(place.slug)
        if loop is None or not loop.sent:
            continue
        asked = question.about(detour=place.slug)
        so_far = Counts(loop.so_far.items())
        figures = [
            counted(asked, "recycled", loop.sent),
            _returned(asked, loop),
            _days(asked, loop, loop.days.median),
            counted(asked, "recycled", loop.away, recycled.AWAY),
            replace(counted(asked, "neglect", loop.away), text=in_days(so_far.median))
            if so_far.median is not None
            else NOTHING,
            counted(asked, "recycled", loop.won, recycled.WON),
            _worth(asked, loop, currency),
            _neglect(asked, loop, currency),
        ]
        lines.append(Line(place.name, figures))
    return Table(heads, lines)


def _worth(question: Question, loop: Loop, currency: str) -> Figure:
    worth = loop.worth
    note = ngettext("%(n)s deal", "%(n)s deals", worth.deals) % {"n": writing.number(worth.deals)}
    door = counted(question, "detour_value", worth.returned, note=note)
    return replace(door, text=plain(worth.amount, currency), value=worth.amount)


def _neglect(question: Question, loop: Loop, currency: str) -> Figure:
    """With its terms, as it is an expectation and no count."""
    cost = neglect.compute(loop.away, loop.back.total(), loop.worth)
    if cost is None:
        return NOTHING
    mean = loop.worth.amount / loop.worth.returned
    note = _("%(away)s × %(share)s × %(mean)s") % {
        "away": writing.number(loop.away),
        "share": writing.percent(loop.worth.returned / loop.back.total()),
        "mean": plain(round(mean), currency),
    }
    door = counted(question, "neglect", loop.away, note=note)
    return replace(door, text=plain(round(cost), currency), value=cost)


def _by_reason(answer: Loops) -> Table:
    question = _plain(answer.question)
    heads = [_("Reason"), _("Sent"), _("Came back"), _("Median days"), _("Won after all")]
    lines = []
    for reason, loop in answer.by_reason[:SHOWN_BUCKETS]:
        asked = question.about(reason=reason)
        figures = [
            counted(asked, "recycled", loop.sent),
            _returned(asked, loop),
            _days(asked, loop, loop.days.median),
            counted(asked, "recycled", loop.won, recycled.WON),
        ]
        lines.append(Line(reason or _("(no reason given)"), figures))
    return Table(heads, lines, None, max(len(answer.by_reason) - SHOWN_BUCKETS, 0))


def _again(answer: Loops) -> Table:
    question = _plain(answer.question)
    lines = []
    for place in question.plan.success:
        first, again = answer.entries.get(place.slug, (0, 0))
        asked = question.about(stage=place.slug, reason=None)
        lines.append(
            Line(
                place.name,
                [
                    counted(asked, "first_and_repeat", first),
                    counted(asked, "first_and_repeat", again, first_and_repeat.REPEAT),
                    Figure(writing.percent(again / (first + again))) if first + again else NOTHING,
                ],
            )
        )
    return Table([_("Stage"), _("For the first time"), _("Again"), _("Share of again")], lines)


def _periods(answer: Loops) -> Table:
    name = "cohort_conversion"
    target = answer.question.plan.label(answer.question.target)
    heads = [_("Period"), _("First entries"), _("Reached “%(stage)s”") % {"stage": target}, _("Conversion")]
    lines = []
    for period in answer.periods:
        asked = answer.question.about(window=period.window, reason=None)
        figures = [
            counted(asked, name, period.conversion.of, cohort_conversion.BASE),
            counted(asked, name, period.conversion.hits),
            share(asked, name, period.conversion),
        ]
        lines.append(Line(str(period.window), figures, period.because))
    return Table(heads, lines)


def _returned(question: Question, loop: Loop) -> Figure:
    """How many came back, and their share."""
    told = share(question, "recycled", loop.returned)
    if told is NOTHING:
        return NOTHING
    figure = counted(question, "recycled", loop.returned.hits, recycled.RETURNED)
    return Figure(**{**vars(figure), "note": writing.percent(loop.returned.rate)})


def _days(question: Question, loop: Loop, value: float | None) -> Figure:
    return days(question, "time_until_return", loop.days, value)


def _or_dash(question: Question, count: int) -> Figure:
    return counted(question, "recycled", count, recycled.RETURNED) if count else NOTHING


# ---- the file ----


def as_rows(answer: Loops) -> tuple[list[str], list[list[Any]]]:
    """The loops for a spreadsheet: a line per stage left and per reason."""
    heads = [_("By"), _("Value"), _("Sent"), _("Came back"), _("Median days"), _("p90"), _("Won after all")]
    plan = answer.question.plan
    parts = [(_("Everybody"), "", answer.everybody)]
    parts += [(_("Stage"), plan.label(stage), loop) for stage, loop in answer.by_stage.items()]
    parts += [(_("Reason"), reason, loop) for reason, loop in answer.by_reason]
    return heads, [
        [by, value, loop.sent, loop.returned.hits, loop.days.median, loop.days.p90, loop.won]
        for by, value, loop in parts
    ]
