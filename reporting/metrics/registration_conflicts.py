"""Deals that more than one partner has registered, counted on the day in the window on which the second one did.

Of one pipeline where one is chosen. A deal is registered by an activity `deal_registered` of the partner's account that
names it.
"""

from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from lifecycle.partners import kinds
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.money import MoneyQuestion

ALL = "conflicts"


def relation(question: MoneyQuestion) -> Sql:
    """`id, conflict_on, first, second` of every deal with a conflict: since which day, and who the first two are."""
    return sql(
        """
        SELECT id, conflict_on, first, second FROM (
            SELECT deal_id AS id, (array_agg(account_id ORDER BY at, account_id))[1] AS first,
                   (array_agg(account_id ORDER BY at, account_id))[2] AS second,
                   ((array_agg(at ORDER BY at))[2] AT TIME ZONE {})::date AS conflict_on
            FROM (SELECT deal_id, account_id, min(occurred_at) AS at FROM ({}) about WHERE kind = {} GROUP BY 1, 2) told
            JOIN audience_account partner ON partner.id = account_id AND NOT partner.is_excluded
            WHERE EXISTS (SELECT FROM audience_deal deal WHERE deal.id = told.deal_id AND {})
            GROUP BY 1
        ) registered WHERE second IS NOT NULL AND conflict_on >= {} AND conflict_on < {}
        """,
        question.zone,
        kinds.of_deals(),
        kinds.REGISTERED,
        question.sold_in("deal"),
        question.window.start,
        question.window.end,
    )


METRIC = CustomerMetric(
    name="registration_conflicts",
    label=_("Registration conflicts"),
    definition=_(
        "Deals that more than one partner has registered, counted on the day in the window on which the second one "
        "did. Of one pipeline where one is chosen. A deal is registered by an activity `deal_registered` of the "
        "partner's account that names it."
    ),
    relation=relation,
    parts={ALL: Part(_("registered by more than one partner"), Sql("true"))},
    columns=(
        Column("first", _("Registered first by"), "account"),
        Column("second", _("Then by"), "account"),
        Column("conflict_on", _("Since"), "date"),
    ),
    unit="deal",
    report="report_partners",
)
