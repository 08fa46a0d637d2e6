"""The figures of leaks as their page shows them: the largest, and a table of all that are no chance of few."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import installation, money, writing
from reporting import splits
from reporting.figures import NOTHING, SHOWN_BUCKETS, Figure, Line, Table, interval, share
from reporting.figures.sheet import Section, Sheet
from reporting.leaks import Leak, Leaks

METRIC = "cohort_conversion"
PARTED_BY = ("account.industry", "person.country", "account.country")  # unless somebody says by what
HEADS = ("stage", "next", "part", "of", "hits", "rate", "low", "high", "lifecycle_rate", "lost", "lost_wins", "worth")


def sheet(answer: Leaks) -> Sheet:
    """The whole page."""
    if not answer.ranked and not answer.few:
        text = _("Nobody’s days are over in this time span. Choose a longer one, or fewer days.")
        return Sheet((), (), metrics=(METRIC,), empty_title=_("Nothing to compare yet"), empty_text=text)
    return Sheet(_headline(answer), [_table(answer), _few(answer)], (), (METRIC,), footnotes=_footnotes(answer))


def parted_by(of: str) -> str:
    """The field that parts everybody unless somebody says which."""
    there = [each.name for each in splits.offered(of)]
    return next((name for name in PARTED_BY if name in there), there[0] if there else "")


def as_rows(answer: Leaks) -> tuple[list[str], list[list[Any]]]:
    """The file: a line per leak, the largest first."""
    lines = []
    for each in [*answer.ranked, *answer.few]:
        bounds = each.own.interval
        worth = answer.worth(each)
        lines.append(
            [
                each.stage.slug, each.target.slug, each.bucket, each.own.of, each.own.hits, each.own.rate,
                bounds.low if bounds else None, bounds.high if bounds else None, each.everybody.rate,
                round(each.lost, 2), round(each.lost_wins, 2), None if worth is None else round(worth),
            ]
        )  # fmt: skip
    return list(HEADS), lines


def _headline(answer: Leaks) -> list[tuple[str, Figure]]:
    if not answer.ranked:
        return [(_("Largest leak"), Figure(_("not enough data"), note=_("every part has fewer than 30 people")))]
    first = answer.ranked[0]
    where = _("%(part)s, from “%(stage)s” to “%(target)s”") % {
        "part": _part(answer, first), "stage": first.stage.name, "target": first.target.name
    }  # fmt: skip
    return [
        (_("Largest leak"), _own(answer, first, note=where)),
        (
            _("Would have gone on"),
            Figure(writing.number(first.lost, 0), note=_("more, at the rate of all"), value=first.lost),
        ),
        (_("Worth"), _worth(answer, first)),
    ]


def _table(answer: Leaks) -> Section:
    heads = [
        _("Where, and who"), _("Went on"), _("Interval"), _("Of everybody"), _("Lost on the way"), _("Wins lost"),
        _("Worth"),
    ]  # fmt: skip
    lines = [
        Line(
            f"{each.stage.name} → {each.target.name}: {_part(answer, each)}",
            [
                _own(answer, each),
                Figure(interval(each.own)),
                share(_asked(answer, each), METRIC, each.everybody),
                Figure(writing.number(each.lost, 1), value=each.lost),
                Figure(writing.number(each.lost_wins, 1), note=_won(each), value=each.lost_wins),
                _worth(answer, each),
            ],
            _("may be chance") if each.may_be_chance else "",
        )
        for each in answer.ranked[:SHOWN_BUCKETS]
    ]
    return Section(
        "leaks",
        _("Leaks"),
        _("Where people of one part go on less often than all do: the most valuable first."),
        Table(heads, lines, left_over=len(answer.ranked) - len(lines)) if lines else None,
        _("No part of at least 30 people goes on less often than all do."),
    )


def _few(answer: Leaks) -> Section:
    words = ngettext(
        "%(n)s part of a stage has fewer than 30 people whose days are over. It says nothing yet.",
        "%(n)s parts of stages have fewer than 30 people whose days are over. They say nothing yet.",
        len(answer.few),
    )
    return Section(
        "few", _("Not enough data"), "", empty=words % {"n": writing.number(len(answer.few))}
    )  # fmt: skip


def _own(answer: Leaks, leak: Leak, note: str = "") -> Figure:
    figure = share(_asked(answer, leak).about(bucket=leak.bucket), METRIC, leak.own)
    if not note:
        return figure
    return Figure(
        figure.text, METRIC, figure.count, figure.url, note, figure.value, of=figure.of, interval=figure.interval
    )


def _asked(answer: Leaks, leak: Leak) -> Any:
    return answer.question.about(stage=leak.stage.slug, target=leak.target.slug)


def _part(answer: Leaks, leak: Leak) -> str:
    split = answer.question.split
    return split.called(leak.bucket) if split else _("everybody")


def _won(leak: Leak) -> str:
    if leak.won.rate is None:
        return _("nobody to count")
    return _("%(rate)s of those at “%(target)s” are won") % {
        "rate": writing.percent(leak.won.rate), "target": leak.target.name
    }  # fmt: skip


def _worth(answer: Leaks, leak: Leak) -> Figure:
    worth = answer.worth(leak)
    return NOTHING if worth is None else Figure(money.written(round(worth), installation.get("currency")), value=worth)


def _footnotes(answer: Leaks) -> list[str]:
    told = [
        _(
            "A leak is the rate of all less that of the part, times its people whose days are over, times the share of "
            "those at the next stage that are won, times the mean value of a won deal."
        )
    ]
    if answer.value is None:
        told.append(_("No won deal has an amount in this time span, so leaks are ranked by the wins they cost."))
    else:
        words = _("The mean value is %(mean)s, of %(n)s deals won in the time span by members of this lifecycle.")
        mean = money.written(round(answer.value), installation.get("currency"))
        told.append(words % {"mean": mean, "n": writing.number(answer.deals)})
    return told
