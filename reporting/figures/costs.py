"""The figures of what a stage cost, as their page shows them: by channel of entry, with the lag."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from kit import money, writing
from reporting import addresses
from reporting.costs import Channel, Costs
from reporting.figures import NOTHING, Figure, Line, Table, in_days
from reporting.figures.money import plain
from reporting.figures.sheet import Section, Sheet

NAME = "cost_per_stage"
METRICS = (NAME,)
EMPTY = "(empty)"


def sheet(answer: Costs) -> Sheet:
    """The whole page."""
    question = answer.question
    names = {"stage": question.plan.label(question.stage), "window": question.window}
    if not answer.whole.reached and not answer.whole.cost.count:
        text = _("Nobody reached “%(stage)s” and nothing was spent (%(window)s). Choose a longer time span.") % names
        return Sheet((), (), metrics=METRICS, empty_title=_("Nothing in this time span"), empty_text=text)
    purpose = _(
        "Who first reached “%(stage)s” in the time span (%(window)s), by the channel that they came in by, and what "
        "that channel cost in it."
    )
    sections = [Section("channels", _("By channel of entry"), purpose % names, _table(answer))]
    return Sheet(_headline(answer), sections, metrics=METRICS, footnotes=_footnotes(answer))


def _headline(answer: Costs) -> list[tuple[str, Figure]]:
    whole = answer.whole
    return [
        (_("Cost, %(currency)s") % {"currency": answer.currency}, _cost(answer, whole, everything=True)),
        (
            _("First reached “%(stage)s”") % {"stage": answer.question.plan.label(answer.question.stage)},
            _reached(answer, whole, everything=True),
        ),
        (_("Cost of each, %(currency)s") % {"currency": answer.currency}, _each(answer, whole, everything=True)),
        (_("Lag, median days"), _lag(answer, whole, everything=True)),
    ]


def _table(answer: Costs) -> Table:
    heads = [
        _("Channel"), _("Cost, %(currency)s") % {"currency": answer.currency}, _("First reached"),
        _("Cost of each, %(currency)s") % {"currency": answer.currency}, _("Share of cost"), _("Share of reached"),
        _("Lag, days"),
    ]  # fmt: skip
    lines = [Line(answer.called(each) or _("(none known)"), _line(answer, each)) for each in answer.channels]
    return Table(heads, lines, Line(_("All"), _line(answer, answer.whole, everything=True)))


def _line(answer: Costs, channel: Channel, *, everything: bool = False) -> list[Figure]:
    whole = answer.whole
    shares = ((channel.cost.total, whole.cost.total), (channel.reached, whole.reached))
    return [
        _cost(answer, channel, everything=everything),
        _reached(answer, channel, everything=everything),
        _each(answer, channel, everything=everything),
        *(Figure(writing.percent(part / of if of else None), value=part / of if of else None) for part, of in shares),
        _lag(answer, channel, everything=everything),
    ]


def _cost(answer: Costs, channel: Channel, *, everything: bool) -> Figure:
    """The door leads to the costs of which some day is in the window."""
    if not channel.cost.count:
        return Figure(_("no costs known"))
    window = answer.question.window
    told = {"since": window.start.isoformat(), "until": window.last.isoformat()}
    if not everything:
        told["means"] = channel.slug or EMPTY
    url = f"{reverse('costs')}?{urlencode(told)}"
    return Figure(plain(channel.cost.total, answer.currency), NAME, channel.cost.count, url, value=channel.cost.total)


def _door(answer: Costs, channel: Channel, everything: bool) -> str:
    question = answer.question if everything else answer.question.about(channel=channel.slug)
    return addresses.people(question, NAME)


def _reached(answer: Costs, channel: Channel, *, everything: bool) -> Figure:
    door = _door(answer, channel, everything)
    return Figure(writing.number(channel.reached), NAME, channel.reached, door, value=channel.reached)


def _each(answer: Costs, channel: Channel, *, everything: bool) -> Figure:
    if channel.each is None:
        return NOTHING
    door = _door(answer, channel, everything)
    return Figure(plain(round(channel.each), answer.currency), NAME, channel.reached, door, value=channel.each)


def _lag(answer: Costs, channel: Channel, *, everything: bool) -> Figure:
    if channel.lag is None:
        return NOTHING
    return Figure(in_days(channel.lag), NAME, channel.reached, _door(answer, channel, everything), value=channel.lag)


def _footnotes(answer: Costs) -> list[str]:
    notes = answer.whole.cost.words()
    if not answer.whole.cost.count:
        notes.append(_("No costs are known in this time span. Write them down, or bring a file of them."))
    notes.append(
        _(
            "Costs and people are of the same time span: what was spent shortly before it, or for whom it brings "
            "later, is not in. A channel serves every lifecycle; its cost is not divided among them."
        )
    )
    return notes


# ---- the file ----


def as_rows(answer: Costs) -> tuple[list[str], list[list[Any]]]:
    """The channels for a spreadsheet: amounts in the currency's own unit."""
    heads = [_("Channel"), answer.currency, _("First reached"), _("Cost of each"), _("Lag, days")]

    def line(called: str, channel: Channel) -> list[Any]:
        cost = money.major(channel.cost.total, answer.currency) if channel.cost.count else None
        each = None if channel.each is None else money.major(round(channel.each), answer.currency)
        return [called, cost, channel.reached, each, channel.lag]

    return heads, [
        *(line(answer.called(each) or _("(none known)"), each) for each in answer.channels),
        line(_("All"), answer.whole),
    ]
