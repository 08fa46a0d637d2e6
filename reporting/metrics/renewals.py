"""Contracts whose renewal falls due in the window, and whether they were renewed: by number, and by value.

A contract falls due on its renewal date and on each same day of the years before it; one without a renewal date on the
day it ended. Renewed: it went on to a later renewal date, or renews by itself and did not end within the 30 days of
grace. Lost: it ended on the day or within grace, or grace is over and it was not renewed. Open: not due yet or inside
grace. A contract that ended before it fell due is churn, and not here; one that fell due more than once counts with the
last. By value: the smaller of what was due and what was renewed, of what was due.
"""

from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.metrics.recurring import counts, worth
from reporting.money import MoneyQuestion

DUE, RENEWED, LOST, OPEN, DECIDED = "due", "renewed", "lost", "open", "decided"
GRACE = 30  # days


def relation(question: MoneyQuestion) -> Sql:
    """`id, due_on, due_value, renewed_value, outcome` of every contract that falls due in the window."""
    return sql(
        """
        SELECT id, due_on, due_value, outcome,
               CASE WHEN outcome = 'renewed' THEN renewed_value ELSE 0 END AS renewed_value
        FROM (
            SELECT DISTINCT ON (contract.id) contract.id, due.day AS due_on, {} AS due_value, {} AS renewed_value,
                   CASE WHEN contract.ends_on <= due.day + {} THEN 'lost'
                        WHEN due.day < contract.renews_on THEN 'renewed'
                        WHEN due.day + {} >= {} THEN 'open'
                        WHEN contract.auto_renew THEN 'renewed' ELSE 'lost' END AS outcome,
                   {} AS customer
            FROM audience_contract contract LEFT JOIN audience_person buyer ON buyer.id = contract.person_id
            CROSS JOIN LATERAL (
                SELECT COALESCE((contract.renews_on - make_interval(years => back))::date, contract.ends_on) AS day
                FROM generate_series(0, CASE WHEN contract.renews_on IS NULL THEN 0 ELSE
                    extract(year FROM contract.renews_on)::int - extract(year FROM contract.starts_on)::int END) back
            ) due
            WHERE {} AND due.day >= {} AND due.day < {} AND due.day > contract.starts_on
              AND (contract.ends_on IS NULL OR contract.ends_on >= due.day)
            ORDER BY contract.id, due.day DESC
        ) contracts WHERE {}
        """,
        worth(Sql("due.day"), question.currency),
        worth(sql("(due.day + {})", GRACE + 1), question.currency),
        GRACE,
        GRACE,
        question.today,
        question.customer("contract"),
        counts(question.currency),
        question.window.start,
        question.window.end,
        question.counted(Sql("customer")),
    )


METRIC = CustomerMetric(
    name="renewals",
    label=_("Renewals"),
    definition=_(
        "Contracts whose renewal falls due in the window, and whether they were renewed: by number, and by value. A "
        "contract falls due on its renewal date and on each same day of the years before it; one without a renewal "
        "date on the day it ended. Renewed: it went on to a later renewal date, or renews by itself and did not end "
        "within the 30 days of grace. Lost: it ended on the day or within grace, or grace is over and it was not "
        "renewed. Open: not due yet or inside grace. A contract that ended before it fell due is churn, and not here; "
        "one that fell due more than once counts with the last. By value: the smaller of what was due and what was "
        "renewed, of what was due."
    ),
    relation=relation,
    parts={
        DUE: Part(_("due"), Sql("true"), "due_value"),
        DECIDED: Part(_("decided"), Sql("outcome <> 'open'"), "due_value"),
        RENEWED: Part(_("renewed"), Sql("outcome = 'renewed'"), "least(due_value, renewed_value)"),
        LOST: Part(_("lost"), Sql("outcome = 'lost'"), "due_value"),
        OPEN: Part(_("open"), Sql("outcome = 'open'"), "due_value"),
    },
    columns=(
        Column("due_on", _("Due"), "date"),
        Column("due_value", _("Annual value when due")),
        Column("renewed_value", _("After renewal")),
    ),
    unit="contract",
    report="report_retention",
)
