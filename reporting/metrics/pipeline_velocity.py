"""Money per day: open deals × mean won value × win rate ÷ median days from creation to won.

Open when the window ends; won and lost: closed in the window; win rate: won of won and lost. Values are those of won
deals in the installation's currency; the number in others is shown. Deals of accounts left out of figures are in none
of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audience.models import Deal
from kit import installation
from kit.sql import Sql, rows, sql
from kit.statistics import Counts, Share
from reporting.metrics.metric import DealMetric
from reporting.questions import Question


@dataclass(frozen=True)
class Velocity:
    """The four terms and their product, in minor units of the currency per day."""

    open: int
    won: int
    lost: int
    amount: int  # of the won deals whose value is known, in the currency
    valued: int
    elsewhere: int  # won deals in other currencies
    days: Counts
    currency: str

    @property
    def rate(self) -> Share:
        return Share(self.won, self.won + self.lost)

    @property
    def mean(self) -> float | None:
        return self.amount / self.valued if self.valued else None

    @property
    def per_day(self) -> float | None:
        """None where a term is missing, or deals are won on the day on which they are created."""
        median = self.days.median
        if self.mean is None or self.rate.rate is None or not median or median < 0:
            return None
        return self.open * self.mean * self.rate.rate / median


def compute(question: Question) -> Velocity:
    """Over all deals, of whatever lifecycle their people are in: two statements."""
    window, currency = question.window, str(installation.get("currency"))
    start, end = question.as_of_day(window.start), question.as_of_day(window.end)
    counted = Sql("NOT EXISTS (SELECT FROM audience_account a WHERE a.id = deal.account_id AND a.is_excluded)")
    known = sql("AND deal.recorded_at < {}", question.as_of_day(question.known)) if question.known else Sql("")
    [(is_open, won, lost, amount, valued, elsewhere)] = rows(
        sql(
            """SELECT count(*) FILTER (WHERE deal.opened_at < {} AND (deal.closed_at IS NULL OR deal.closed_at >= {})),
                      count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {}),
                      COALESCE(sum(deal.amount) FILTER (WHERE {} AND {}), 0),
                      count(deal.amount) FILTER (WHERE {} AND {}),
                      count(deal.amount) FILTER (WHERE {} AND NOT {})
               FROM audience_deal deal WHERE {} {}""",
            end,
            end,
            _closed(start, end, Deal.Status.WON),
            _closed(start, end, Deal.Status.LOST),
            _closed(start, end, Deal.Status.WON),
            _ours(currency),
            _closed(start, end, Deal.Status.WON),
            _ours(currency),
            _closed(start, end, Deal.Status.WON),
            _ours(currency),
            counted,
            known,
        )
    )
    lengths = rows(
        sql(
            """SELECT (deal.closed_at AT TIME ZONE {})::date - (deal.opened_at AT TIME ZONE {})::date, count(*)
               FROM audience_deal deal WHERE {} AND {} {} GROUP BY 1""",
            question.zone,
            question.zone,
            _closed(start, end, Deal.Status.WON),
            counted,
            known,
        )
    )
    return Velocity(is_open, won, lost, int(amount), valued, elsewhere, Counts(lengths), currency)


def door(question: Question, term: str) -> str:
    """The list of the deals behind a term: "open", "won" or "lost"."""
    last = question.window.last.isoformat()
    asked = {"left_out": "no"}
    if term == "open":
        asked["open_on"] = last
    else:
        asked |= {"status": term, "closed_from": question.window.start.isoformat(), "closed_to": last}
    return f"{reverse('deals')}?{urlencode(asked)}"


def _closed(start: object, end: object, status: str) -> Sql:
    return sql("(deal.status = {} AND deal.closed_at >= {} AND deal.closed_at < {})", str(status), start, end)


def _ours(currency: str) -> Sql:
    return sql("deal.currency IN ('', {})", currency)


METRIC = DealMetric(
    name="pipeline_velocity",
    label=_("Money per day"),
    definition=_(
        "Money per day: open deals × mean won value × win rate ÷ median days from creation to won. Open when the "
        "window ends; won and lost: closed in the window; win rate: won of won and lost. Values are those of won "
        "deals in the installation's currency; the number in others is shown. Deals of accounts left out of figures "
        "are in none of it."
    ),
)
