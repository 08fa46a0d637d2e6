"""ARR, the annual value of contracts in force, at the start and at the end of the window, and what made the difference.

Counted customer by customer: churned had a value at the start and none at the end; contracted and expanded have less or
more than at the start; new have their first contract in the window; returning had one before, but none at the start.
GRR: (start − churn − contraction) / start. NRR: the same with expansion. New and returning customers are in neither.
Values in other currencies are converted at the exchange rate of the day from which they were agreed.
"""

from datetime import date

from django.utils.translation import gettext_lazy as _

from audience.commerce import rates
from kit.sql import Sql, sql
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.money import MoneyQuestion

START, CHURN, CONTRACTION, EXPANSION = "start", "churn", "contraction", "expansion"
NEW, RETURNING, END, KEPT = "new", "returning", "end", "kept"


def worth(day: Sql, currency: str) -> Sql:
    """What a contract (alias `contract`) is worth a year just before a day begins; 0 when it is not in force.

    Each value is converted at the rate of the day from which it was agreed, so that a rate that moves is no expansion.
    """
    amended, first = (
        rates.converted(Sql(f"{of}.annual_value"), Sql("contract.currency"), Sql(since), currency)
        for of, since in (("amendment", "amendment.valid_from"), ("contract", "contract.starts_on"))
    )
    return sql(
        """CASE WHEN contract.starts_on < {} AND (contract.ends_on IS NULL OR contract.ends_on >= {}) THEN
               COALESCE((SELECT {} FROM audience_contractamendment amendment
                         WHERE amendment.contract_id = contract.id AND amendment.valid_from < {}
                         ORDER BY amendment.valid_from DESC LIMIT 1), {}, 0) ELSE 0 END""",
        day,
        day,
        amended,
        day,
        first,
    )


def counts(currency: str) -> Sql:
    """That a contract's amounts can be told in a currency: they are in it, or there was a rate when it began."""
    return rates.is_known(Sql("contract.currency"), Sql("contract.starts_on"), currency)


def agreed(question: MoneyQuestion, *, since: date | None = None) -> Sql:
    """The relation of the values of contracts in force at the end, or (`since`) from then on, for `rates.added`."""
    end, first = (sql("{}::date", day) for day in (question.window.end, since or question.window.end))
    return sql(
        """SELECT '' AS bucket, amount, currency, day FROM (
               SELECT {} AS customer, contract.currency, coalesce(last.annual_value, contract.annual_value) AS amount,
                      CASE WHEN {} THEN coalesce(last.valid_from, contract.starts_on) ELSE contract.starts_on END AS day
               FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
               LEFT JOIN LATERAL (
                   SELECT amendment.annual_value, amendment.valid_from FROM audience_contractamendment amendment
                   WHERE amendment.contract_id = contract.id AND amendment.valid_from < {}
                   ORDER BY amendment.valid_from DESC LIMIT 1) last ON true
               WHERE contract.starts_on < {} AND (contract.ends_on IS NULL OR contract.ends_on >= {})
           ) contracts WHERE amount IS NOT NULL AND {}""",
        question.customer("contract"), counts(question.currency), end, end, first,
        question.counted(Sql("customer")),
    )  # fmt: skip


def relation(question: MoneyQuestion) -> Sql:
    """`id, at_start, at_end, difference, known` of every customer with a value at either end."""
    start, end = (sql("{}::date", day) for day in (question.window.start, question.window.end))
    return sql(
        """
        SELECT id, at_start, at_end, at_end - at_start AS difference, known FROM (
            SELECT customer AS id, sum(at_start)::bigint AS at_start, sum(at_end)::bigint AS at_end,
                   bool_or(starts_on < {}) AS known
            FROM (
                SELECT {} AS customer, contract.starts_on, {} AS at_start, {} AS at_end
                FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
                WHERE {} AND contract.starts_on < {}
            ) contracts WHERE {} GROUP BY customer
        ) customers WHERE at_start > 0 OR at_end > 0
        """,
        start,
        question.customer("contract"),
        worth(start, question.currency),
        worth(end, question.currency),
        counts(question.currency),
        end,
        question.counted(Sql("customer")),
    )


METRIC = CustomerMetric(
    name="recurring",
    label=_("Recurring value"),
    definition=_(
        "ARR, the annual value of contracts in force, at the start and at the end of the window, and what made the "
        "difference. Counted customer by customer: churned had a value at the start and none at the end; contracted "
        "and expanded have less or more than at the start; new have their first contract in the window; returning had "
        "one before, but none at the start. GRR: (start − churn − contraction) / start. NRR: the same with expansion. "
        "New and returning customers are in neither. Values in other currencies are converted at the exchange rate of "
        "the day from which they were agreed."
    ),
    relation=relation,
    parts={
        START: Part(_("customers at the start"), Sql("at_start > 0"), "at_start"),
        CHURN: Part(_("churned"), Sql("at_start > 0 AND at_end = 0"), "at_start"),
        CONTRACTION: Part(_("contracted"), Sql("at_end > 0 AND at_end < at_start"), "at_start - at_end"),
        EXPANSION: Part(_("expanded"), Sql("at_start > 0 AND at_end > at_start"), "at_end - at_start"),
        NEW: Part(_("new"), Sql("at_start = 0 AND NOT known"), "at_end"),
        RETURNING: Part(_("returning"), Sql("at_start = 0 AND known"), "at_end"),
        END: Part(_("customers at the end"), Sql("at_end > 0"), "at_end"),
        KEPT: Part(_("customers at both ends"), Sql("at_start > 0 AND at_end > 0"), "least(at_start, at_end)"),
    },
    columns=(
        Column("at_start", _("ARR at the start")),
        Column("at_end", _("ARR at the end")),
        Column("difference", _("Difference")),
    ),
    report="report_retention",
)
