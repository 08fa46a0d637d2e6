"""The share that the largest customers have: of all that were active in the window, the top so many per cent, rounded
up.

By margin, which is the amount of each purchase less its cost; a purchase without a known cost counts with its amount.
By revenue where no cost is known at all, or by the annual value of contracts in force at the end of the window.
Customers with a negative sum are apart, in neither the share nor the curve. Gini: 0 when all are equally large, near 1
when one has all.
"""

from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.metrics.recurring import worth
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


def _bought(question: MoneyQuestion) -> Sql:
    amount = Sql(
        "purchase.amount - COALESCE(purchase.cost, 0)" if question.basis == Basis.MARGIN else "purchase.amount"
    )
    return sql(
        """
        SELECT customer AS id, sum(amount)::bigint AS amount FROM (
            SELECT {} AS customer, {} AS amount
            FROM audience_purchase purchase LEFT JOIN audience_person buyer ON buyer.id = purchase.person_id
            WHERE purchase.currency = {} AND purchase.amount IS NOT NULL
              AND purchase.occurred_at >= {}::date::timestamp AT TIME ZONE {}
              AND purchase.occurred_at < {}::date::timestamp AT TIME ZONE {}
        ) purchases WHERE {} GROUP BY customer
        """,
        question.customer("purchase"),
        amount,
        question.currency,
        question.window.start,
        question.zone,
        question.window.end,
        question.zone,
        question.counted(Sql("customer")),
    )


def _recurring(question: MoneyQuestion) -> Sql:
    end = sql("{}::date", question.window.end)
    return sql(
        """
        SELECT customer AS id, sum(amount)::bigint AS amount FROM (
            SELECT {} AS customer, {} AS amount
            FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
            WHERE contract.currency = {}
        ) contracts WHERE amount > 0 AND {} GROUP BY customer
        """,
        question.customer("contract"),
        worth(end),
        question.currency,
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
        "Gini: 0 when all are equally large, near 1 when one has all."
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
