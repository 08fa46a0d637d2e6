"""Deals won in the window, by what a partner had to do with them: sourced, influenced, neither.

Of one pipeline where one is chosen. Sourced: a partner had registered the deal, or done anything else that names it,
before it was created. Influenced: only after that, or the deal names a partner of whom nothing else is known. Each deal
is one of the three, and belongs to the partner that it names, else to the one that was first. The top three are the
partners that sourced the most. Accounts that are left out of figures are in none of these.
"""

from django.utils.translation import gettext_lazy as _

from audience.commerce import rates
from kit.sql import Sql, sql
from lifecycle.partners import kinds
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.money import MoneyQuestion

WON, SOURCED, INFLUENCED, NEITHER, TOP = "won", "sourced", "influenced", "neither", "top_three"
LARGEST = 3  # partners


def relation(question: MoneyQuestion) -> Sql:
    """`id, won_on, amount, partner, credit, place` of every deal won; `place`: of its partner among all who source."""
    return sql(
        """
        WITH won AS (
            SELECT deal.id, {} AS won_on, deal.partner_id, deal.opened_at, {} AS amount {}
        ), told AS MATERIALIZED (
            SELECT deal_id, account_id, min(occurred_at) AS at FROM ({}) about GROUP BY 1, 2
        ), first AS (
            SELECT DISTINCT ON (won.id) won.*, COALESCE(won.partner_id, told.account_id) AS whose, told.at
            FROM won LEFT JOIN told
                ON told.deal_id = won.id AND told.account_id = COALESCE(won.partner_id, told.account_id)
            ORDER BY won.id, told.at
        ), credited AS (
            SELECT first.*, CASE WHEN whose IS NULL THEN 'neither' WHEN at < opened_at THEN 'sourced'
                            ELSE 'influenced' END AS credit
            FROM first
        ), placed AS (
            SELECT whose, row_number() OVER (ORDER BY count(*) DESC, whose) AS place
            FROM credited WHERE credit = 'sourced' GROUP BY whose
        )
        SELECT credited.id, won_on, amount, whose AS partner, credit, placed.place
        FROM credited LEFT JOIN placed USING (whose)
        """,
        closed_on(question.zone),
        rates.converted(Sql("deal.amount"), Sql("deal.currency"), closed_on(question.zone), question.currency),
        _won(question),
        kinds.of_deals(),
    )


def amounts(question: MoneyQuestion) -> Sql:
    """The relation of what was won, for `rates.added`."""
    day = closed_on(question.zone)
    return sql("SELECT '' AS bucket, deal.amount, deal.currency, {} AS day {}", day, _won(question))


def _won(question: MoneyQuestion) -> Sql:
    return sql(
        """FROM audience_deal deal LEFT JOIN audience_account buyer ON buyer.id = deal.account_id
           WHERE deal.status = 'won' AND buyer.is_excluded IS NOT TRUE
             AND deal.closed_at >= {}::date::timestamp AT TIME ZONE {}
             AND deal.closed_at < {}::date::timestamp AT TIME ZONE {} AND {}""",
        question.window.start,
        question.zone,
        question.window.end,
        question.zone,
        question.sold_in("deal"),
    )


def closed_on(zone: str) -> Sql:
    """The local day on which a deal was closed, by whose exchange rate it is converted."""
    return sql("(deal.closed_at AT TIME ZONE {})::date", zone)


METRIC = CustomerMetric(
    name="partner_wins",
    label=_("Wins by partners"),
    definition=_(
        "Deals won in the window, by what a partner had to do with them: sourced, influenced, neither. Of one "
        "pipeline where one is chosen. Sourced: a partner had registered the deal, or done anything else that names "
        "it, before it was created. Influenced: only after that, or the deal names a partner of whom nothing else is "
        "known. Each deal is one of the three, and belongs to the partner that it names, else to the one that was "
        "first. The top three are the partners that sourced the most. Accounts that are left out of figures are in "
        "none of these."
    ),
    relation=relation,
    parts={
        WON: Part(_("won"), Sql("true"), "amount"),
        SOURCED: Part(_("sourced"), Sql("credit = 'sourced'"), "amount"),
        TOP: Part(_("sourced by the top three"), sql("credit = 'sourced' AND place <= {}", LARGEST), "amount"),
        INFLUENCED: Part(_("influenced"), Sql("credit = 'influenced'"), "amount"),
        NEITHER: Part(_("neither"), Sql("credit = 'neither'"), "amount"),
    },
    columns=(
        Column("partner", _("Partner"), "account"),
        Column("won_on", _("Won"), "date"),
        Column("amount", _("Amount")),
    ),
    unit="deal",
    report="report_partners",
)
