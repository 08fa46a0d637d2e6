"""The share that the largest customers have: of all that were active in the window, the top so many per cent, rounded
up.

By margin, which is the amount of each purchase less its cost; a purchase without a known cost counts with its amount.
By revenue where no cost is known at all, or by the annual value of contracts in force at the end of the window.
Customers with a negative sum are apart, in neither the share nor the curve. Gini: 0 when all are equally large, near 1
when one has all. Amounts in other currencies are converted at the exchange rate of their own day.
"""

from django.utils.translation import gettext_lazy as _

from audience.commerce import rates
from kit.sql import Sql, sql
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.metrics.recurring import agreed, counts, worth
from reporting.money import Basis, MoneyQuestion

TOP, ACTIVE, NEGATIVE = "top", "active", "negative"


def relation(question: MoneyQuestion) -> Sql:
    """`id, amount, rank, is_top` of every active customer, the largest first; a negative one has no rank."""
    return sql(
        """
        SELECT id, amount, CASE WHEN amount >= 0 THEN rank END AS rank,
               amount >= 0 AND rank <= ceil(active * {} / 100.0) AS is_top
        FROM (
            SELECT id, amount, row_number() OVER (ORDER BY amount DESC, id) AS rank,
                   count(*) FILTER (WHERE amount >= 0) OVER () AS active
            FROM ({}) sums
        ) ranked
        """,
        question.top,
        _recurring(question) if question.basis == Basis.RECURRING else _bought(question),
    )


def bought_on(zone: str) -> Sql:
    """The local day of a purchase, by whose exchange rate it is converted."""
    return sql("(purchase.occurred_at AT TIME ZONE {})::date", zone)


def amounts(question: MoneyQuestion) -> Sql:
    """The relation of the amounts behind the figures, for `rates.added`."""
    if question.basis == Basis.RECURRING:
        return agreed(question)
    zone = question.zone
    return sql(
        """
        SELECT '' AS bucket, {} AS amount, purchase.currency, {} AS day
        FROM audience_purchase purchase LEFT JOIN audience_person buyer ON buyer.id = purchase.person_id
        WHERE purchase.amount IS NOT NULL AND purchase.occurred_at >= {}::date::timestamp AT TIME ZONE {}
          AND purchase.occurred_at < {}::date::timestamp AT TIME ZONE {} AND {}
        """,
        _amount(question), bought_on(zone), question.window.start, zone, question.window.end, zone,
        question.counted(question.customer("purchase")),
    )  # fmt: skip


def _amount(question: MoneyQuestion) -> Sql:
    margin = "(purchase.amount - COALESCE(purchase.cost, 0))"
    return Sql(margin if question.basis == Basis.MARGIN else "purchase.amount")


def _bought(question: MoneyQuestion) -> Sql:
    amount, zone = _amount(question), question.zone
    return sql(
        """
        SELECT customer AS id, sum(amount)::bigint AS amount FROM (
            SELECT {} AS customer, {} AS amount
            FROM audience_purchase purchase LEFT JOIN audience_person buyer ON buyer.id = purchase.person_id
            WHERE purchase.amount IS NOT NULL
              AND purchase.occurred_at >= {}::date::timestamp AT TIME ZONE {}
              AND purchase.occurred_at < {}::date::timestamp AT TIME ZONE {}
        ) purchases WHERE amount IS NOT NULL AND {} GROUP BY customer
        """,
        question.customer("purchase"),
        rates.converted(amount, Sql("purchase.currency"), bought_on(zone), question.currency),
        question.window.start,
        zone,
        question.window.end,
        zone,
        question.counted(Sql("customer")),
    )


def _recurring(question: MoneyQuestion) -> Sql:
    end = sql("{}::date", question.window.end)
    return sql(
        """
        SELECT customer AS id, sum(amount)::bigint AS amount FROM (
            SELECT {} AS customer, {} AS amount
            FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
            WHERE {}
        ) contracts WHERE amount > 0 AND {} GROUP BY customer
        """,
        question.customer("contract"),
        worth(end, question.currency),
        counts(question.currency),
        question.counted(Sql("customer")),
    )


METRIC = CustomerMetric(
    name="concentration",
    label=_("Concentration"),
    definition=_(
        "The share that the largest customers have: of all that were active in the window, the top so many per cent, "
        "rounded up. By margin, which is the amount of each purchase less its cost; a purchase without a known cost "
        "counts with its amount. By revenue where no cost is known at all, or by the annual value of contracts in "
        "force at the end of the window. Customers with a negative sum are apart, in neither the share nor the curve. "
        "Gini: 0 when all are equally large, near 1 when one has all. Amounts in other currencies are converted at the "
        "exchange rate of their own day."
    ),
    relation=relation,
    parts={
        TOP: Part(_("of the top"), Sql("is_top"), "amount"),
        ACTIVE: Part(_("active customers"), Sql("amount >= 0"), "amount"),
        NEGATIVE: Part(_("with a negative sum"), Sql("amount < 0"), "amount"),
    },
    columns=(Column("rank", _("Rank"), "number"), Column("amount", _("Amount"))),
    report="report_concentration",
)
