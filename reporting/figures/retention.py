"""The figures of retention as their page shows them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from kit import money, writing
from reporting.figures import Figure, Line, Table
from reporting.figures.money import amount, counted, plain, rate, share
from reporting.figures.sheet import Section, Sheet
from reporting.metrics import recurring, renewals
from reporting.retention import Retention

METRICS = ("recurring", "renewals")
BRIDGE = (
    (recurring.START, 1), (recurring.CHURN, -1), (recurring.CONTRACTION, -1), (recurring.EXPANSION, 1),
    (recurring.NEW, 1), (recurring.RETURNING, 1), (recurring.END, 1),
)  # fmt: skip


def sheet(answer: Retention) -> Sheet:
    """The whole page."""
    if not answer.recurring[recurring.START][0] and not answer.recurring[recurring.END][0]:
        text = _(
            "Retention is read from contracts with an annual value in %(currency)s. Bring them in by a file, or choose "
            "another time span, currency or sort of customer."
        )
        title = _("No contract was in force in this time span")
        return Sheet((), (), (), METRICS, title, text % {"currency": answer.question.currency})
    return Sheet(_headline(answer), _sections(answer), metrics=METRICS, footnotes=answer.converted.words())


def _headline(answer: Retention) -> list[tuple[str, Figure]]:
    question, sums = answer.question, answer.recurring
    grr_par, nrr_par = answer.pars
    kept = sums[recurring.KEPT][0]
    return [
        (
            _("ARR at the end, %(currency)s") % {"currency": question.currency},
            amount(question, "recurring", recurring.END, sums),
        ),
        (_("GRR"), rate(question, "recurring", recurring.KEPT, kept, answer.grr, _par(grr_par), grr_par)),
        (_("NRR"), rate(question, "recurring", recurring.KEPT, kept, answer.nrr, _par(nrr_par), nrr_par)),
        (_("Logo churn"), share(question, "recurring", recurring.CHURN, answer.logo_churn)),
        (_("Renewed"), share(question, "renewals", renewals.RENEWED, answer.renewed)),
    ]


def _par(par: float) -> str:
    return _("par %(par)s") % {"par": writing.percent(par, 0)}


def _sections(answer: Retention) -> list[Section]:
    question = answer.question
    names = {"window": question.window, "start": writing.day(question.window.start)}
    return [
        Section(
            "bridge",
            _("From start to end"),
            _("Annual value of contracts in force, before %(start)s and after the last day (%(window)s).") % names,
            _bridge(answer),
        ),
        Section(
            "renewals",
            _("Renewals"),
            _("Contracts that fall due in the time span (%(window)s), by number and by value.") % names,
            _renewals(answer) if answer.renewals[renewals.DUE][0] else None,
            _("No contract falls due in this time span."),
        ),
    ]


def _bridge(answer: Retention) -> Table:
    question, sums = answer.question, answer.recurring
    labels = {
        recurring.START: _("At the start"), recurring.CHURN: _("Churn"), recurring.CONTRACTION: _("Contraction"),
        recurring.EXPANSION: _("Expansion"), recurring.NEW: _("New"), recurring.RETURNING: _("Returning"),
        recurring.END: _("At the end"),
    }  # fmt: skip
    lines = []
    for part, sign in BRIDGE:
        told = amount(question, "recurring", part, sums, sign=sign)
        of_start = Figure(writing.percent(told.value / answer.start) if answer.start else writing.NOTHING)
        customers = counted(question, "recurring", part, sums)
        lines.append(Line(labels[part], [Figure(**{**vars(told), "note": ""}), of_start, customers]))
    return Table([_("Annual value"), question.currency, _("Of the start"), _("Customers")], lines[:-1], lines[-1])


def _renewals(answer: Retention) -> Table:
    question, sums = answer.question, answer.renewals
    labels = {
        renewals.DUE: _("Due"), renewals.RENEWED: _("Renewed"), renewals.LOST: _("Lost"), renewals.OPEN: _("Open"),
    }  # fmt: skip
    lines = []
    for part, label in labels.items():
        told = amount(question, "renewals", part, sums)
        lines.append(Line(label, [counted(question, "renewals", part, sums), Figure(**{**vars(told), "note": ""})]))
    by_number = share(question, "renewals", renewals.RENEWED, answer.renewed)
    by_value = Figure(
        writing.percent(answer.renewed_by_value), "renewals", answer.renewals[renewals.DECIDED][0],
        amount(question, "renewals", renewals.DECIDED, sums).url,
        _("%(renewed)s of %(due)s") % {
            "renewed": plain(sums[renewals.RENEWED][1], question.currency),
            "due": plain(sums[renewals.DECIDED][1], question.currency),
        },
    )  # fmt: skip
    rates = Line(_("Renewal rate, of the decided"), [by_number, by_value])
    return Table([_("Contracts"), _("Number"), question.currency], lines, rates)


# ---- the file ----


def as_rows(answer: Retention) -> tuple[list[str], list[list[Any]]]:
    """The bridge and the renewals for a spreadsheet: in the currency's own unit."""
    currency = answer.question.currency
    heads = [_("Figure"), _("Number"), currency]
    lines: list[list[Any]] = []
    for name, sums in (("recurring", answer.recurring), ("renewals", answer.renewals)):
        lines += [[f"{name}.{part}", count, money.major(total, currency)] for part, (count, total) in sums.items()]
    return heads, [*lines, ["GRR", None, answer.grr], ["NRR", None, answer.nrr]]
