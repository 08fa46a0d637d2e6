"""Rows that are exchange rates: what one unit of a currency was worth on a day, in the installation's currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.commerce import rates
from audience.importing import planning
from audience.importing.run import Run
from audience.importing.targets import Check, Kind, Need, Target
from audience.importing.values import CURRENCY, DATE, NUMBER
from kit import money
from kit.sql import sql

TARGETS = (
    Target("currency", _("currency"), CURRENCY, aliases=(
        "currency code", "from", "from currency", "iso code", "code", "foreign currency",
    )),
    Target("day", _("day"), DATE, aliases=("date", "rate date", "valid from", "start date", "as of")),
    Target("rate", _("rate: what one of it is worth in your currency"), NUMBER, aliases=(
        "exchange rate", "conversion rate", "fx rate", "value",
    )),
    Target("into", _("in which currency"), CURRENCY, aliases=("in", "to", "to currency", "base", "base currency")),
)  # fmt: skip
NO_CURRENCY = gettext_noop("is no currency")
OWN = gettext_noop("is the currency that reports are in; give what another one is worth in it")
NO_RATE = gettext_noop("is no rate: it is above 0, and no more than a million")
OTHER = gettext_noop("is not the currency that reports are in")


def checks(work: Run) -> Sequence[Check]:
    return [
        Check(sql("currency = {}", work.currency), "currency", OWN),
        Check(sql("currency <> ALL ({})", sorted(money.CODES)), "currency", NO_CURRENCY),
        Check(sql("rate < {} OR rate > {}", rates.SMALLEST, rates.LARGEST), "rate", NO_RATE),
        Check(sql("{} <> {}", work.value("into"), work.currency), "into", OTHER),
    ]


def match(work: Run) -> None:
    """Which rates are known; of several of one currency and day in the file the last counts."""
    query = sql(
        """
        SELECT r.row, r.currency, r.day, r.rate, r.currency || ' ' || r.day AS key,
               CASE WHEN known.rate IS NULL THEN {} WHEN known.rate <> r.rate THEN {} ELSE {} END AS action
        FROM {} r LEFT JOIN LATERAL (
            SELECT told.rate FROM audience_exchangerate told
            WHERE told.currency = r.currency AND told."into" = {} AND told.day = r.day
            ORDER BY told.recorded_at DESC, told.id DESC LIMIT 1) known ON true
        WHERE r.problem IS NULL
        """,
        "create" if work.creates else "skip", "update" if work.updates and not work.fill else "skip",
        "same" if work.updates else "skip", work.table("rows"), work.currency,
    )  # fmt: skip
    planning.make(work, query)
    planning.last_counts_of(work, "key")


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the rows `(after, last]`: a correction is a row of its own."""
    told = sql(
        """SELECT currency, day, rate FROM {} WHERE action IN ('create', 'update') AND row > {} AND row <= {}
           ORDER BY row""",
        work.table("plan"), after, last,
    )  # fmt: skip
    rates.write(told, source=work.source, now=work.now)
    return planning.counted(work, after, last)


KIND = Kind(
    name="exchange_rates",
    label=_("Exchange rates"),
    help=_("One row is what one unit of a currency was worth on a day, in the currency that reports are in."),
    names=("exchange rates", "rates", "fx", "fx rates", "dated conversion rate", "currency rates"),
    targets=TARGETS,
    needs=(
        Need(("currency",), gettext_noop("The row does not say which currency.")),
        Need(("day",), gettext_noop("The row does not say of which day the rate is.")),
        Need(("rate",), gettext_noop("The row does not say what the currency was worth.")),
    ),
    checks=checks,
    match=match,
    write=write,
)
