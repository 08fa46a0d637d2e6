"""The figures of concentration as their page shows them: large figures, the curve, shares of the largest."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import money, writing
from reporting.concentration import Concentration
from reporting.figures import Figure, Line, Table
from reporting.figures.money import amount, counted, people, plain
from reporting.figures.sheet import Section, Sheet
from reporting.metrics import concentration as metric
from reporting.money import TOPS, Basis

METRICS = ("concentration",)
NAME = "concentration"


def sheet(answer: Concentration) -> Sheet:
    """The whole page."""
    question = answer.question
    if not answer.amounts and not answer.sums[metric.NEGATIVE][0]:
        text = _(
            "Nobody bought anything in %(currency)s in this time span. Choose a longer one, another sort of customer "
            "or another basis; purchases come in by a file."
        )
        return Sheet(
            (), (), metrics=METRICS, empty_title=_("No active customer"),
            empty_text=text % {"currency": question.currency},
        )  # fmt: skip
    return Sheet(_headline(answer), _sections(answer), _remarks(answer), METRICS, footnotes=_footnotes(answer))


def _headline(answer: Concentration) -> list[tuple[str, Figure]]:
    question, (count, held) = answer.question, answer.sums[metric.TOP]
    of_all = _("%(held)s of %(all)s, by %(n)s customers") % {
        "held": plain(held, question.currency),
        "all": f"{plain(answer.total, question.currency)}\u00a0{question.currency}",
        "n": writing.number(count),
    }
    top = _("Share of the top %(percent)s %%") % {"percent": question.top}
    gini = writing.NOTHING if answer.gini is None else writing.number(answer.gini, 2)
    active = answer.sums[metric.ACTIVE][0]
    doors = [people(question, NAME, part) for part in (metric.TOP, metric.ACTIVE)]
    return [
        (top, Figure(writing.percent(answer.share), NAME, count, doors[0], of_all, answer.share)),
        (_("Active customers"), counted(question, NAME, metric.ACTIVE, answer.sums)),
        (_("Gini"), Figure(gini, NAME, active, doors[1], _("0 all alike, 1 one has all"), answer.gini)),
    ]


def _remarks(answer: Concentration) -> list[tuple[Figure, str]]:
    count, total = answer.sums[metric.NEGATIVE]
    if not count:
        return []
    words = ngettext(
        "customer has a negative sum (%(total)s in all) and is in neither the share nor the curve.",
        "customers have a negative sum (%(total)s in all) and are in neither the share nor the curve.",
        count,
    )
    figure = counted(answer.question, NAME, metric.NEGATIVE, answer.sums)
    return [(figure, words % {"total": money.written(total, answer.question.currency)})]


def _footnotes(answer: Concentration) -> list[str]:
    notes = []
    if answer.without_cost:
        words = ngettext(
            "%(n)s purchase does not say what it cost and counts with its whole amount.",
            "%(n)s purchases do not say what they cost and count with their whole amount.",
            answer.without_cost,
        )
        notes.append(words % {"n": writing.number(answer.without_cost)})
    notes += answer.converted.words()
    return notes


def _sections(answer: Concentration) -> list[Section]:
    question = answer.question
    basis = Basis(question.basis).label
    return [
        Section(
            "curve",
            _("How unequal"),
            _(
                "Customers from the smallest to the largest, and what they have together (%(basis)s). The straight "
                "line is how it would be if all had the same."
            )
            % {"basis": basis},
            template="reporting/_lorenz.html",
            drawn=_drawn(answer),
        ),
        Section(
            "tops",
            _("The largest"),
            _("The largest so many per cent of the active customers, rounded up to whole customers."),
            _tops(answer),
        ),
    ]


def _drawn(answer: Concentration) -> dict[str, Any]:
    """The curve in a square of a hundred, y downwards as drawings have it."""
    points = " ".join(f"{x * 100:.2f},{100 - y * 100:.2f}" for x, y in answer.curve())
    share = writing.percent(answer.share)
    words = _("Lorenz curve: the top %(percent)s %% of customers have %(share)s.")
    return {"points": points, "words": words % {"percent": answer.question.top, "share": share}}


def _tops(answer: Concentration) -> Table:
    question = answer.question
    lines = []
    for percent in TOPS:
        count, held = answer.top(percent)
        of = question.about(top=percent)
        door = people(of, NAME, metric.TOP)
        lines.append(
            Line(
                _("Top %(percent)s %%") % {"percent": percent},
                [
                    Figure(writing.number(count), NAME, count, door),
                    Figure(plain(held, question.currency), NAME, count, door),
                    Figure(writing.percent(held / answer.total if answer.total else None), NAME, count, door),
                ],
            )
        )
    whole = amount(question, NAME, metric.ACTIVE, answer.sums)
    everybody = [counted(question, NAME, metric.ACTIVE, answer.sums), Figure(**{**vars(whole), "note": ""})]
    return Table(
        [_("Customers"), _("Number"), question.currency, _("Share")],
        lines,
        Line(_("All active"), [*everybody, Figure(writing.percent(1 if answer.total else None))]),
    )


# ---- the file ----


def as_rows(answer: Concentration) -> tuple[list[str], list[list[Any]]]:
    """The curve for a spreadsheet: customers from the smallest on, and their share of the money."""
    heads = [_("Share of customers"), _("Share of money")]
    return heads, [[round(x, 4), round(y, 6)] for x, y in answer.curve()]
