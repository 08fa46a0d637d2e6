"""How amounts of customers are shown, with the door to the customers behind each."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kit import money, writing
from kit.statistics import Share
from reporting import metrics
from reporting import money as asking
from reporting.figures import Figure, interval
from reporting.money import MoneyQuestion

Sums = dict[str, tuple[int, int]]


def plain(minor: int, currency: str) -> str:
    """An amount in the currency's own unit where a heading names the currency; from a thousand on without cents."""
    major = money.major(minor, currency)
    return writing.number(major, 0 if abs(major) >= 1000 else money.places(currency))


def people(question: MoneyQuestion, metric: str, part: str) -> str:
    """The address of the customers behind a part of a metric."""
    return asking.page("report_customers", question, metric=metric, part=part)


def amount(question: MoneyQuestion, metric: str, part: str, sums: Sums, *, sign: int = 1) -> Figure:
    """What a part adds up to, and of how many."""
    count, total = sums[part]
    if metrics.CUSTOMERS[metric].unit == "contract":
        words = ngettext("%(n)s contract", "%(n)s contracts", count)
    else:
        words = ngettext("%(n)s customer", "%(n)s customers", count)
    text = plain(sign * total, question.currency)
    return Figure(
        text, metric, count, people(question, metric, part), words % {"n": writing.number(count)}, sign * total
    )


def counted(question: MoneyQuestion, metric: str, part: str, sums: Sums, note: str = "") -> Figure:
    """How many a part has."""
    count, _total = sums[part]
    return Figure(writing.number(count), metric, count, people(question, metric, part), note, count)


def share(question: MoneyQuestion, metric: str, part: str, answer: Share) -> Figure:
    """A share of customers or contracts, with its base; with few in the base the interval comes first."""
    note = _("%(hits)s of %(of)s") % {"hits": writing.number(answer.hits), "of": writing.number(answer.of)}
    text = writing.percent(answer.rate)
    if answer.rate is not None and answer.few:
        text, note = interval(answer), _("few: %(rate)s, %(base)s") % {"rate": text, "base": note}
    url = people(question, metric, part)
    return Figure(text, metric, answer.hits, url, note, answer.rate, of=answer.of, interval=answer.interval)


def rate(
    question: MoneyQuestion,
    metric: str,
    part: str,
    count: int,
    answer: float | None,
    note: str,
    par: float | None = None,
) -> Figure:
    """A rate of money, red below par."""
    tone = "" if answer is None or par is None else "bad" if answer < par else "good"
    return Figure(writing.percent(answer), metric, count, people(question, metric, part), note, answer, tone)
