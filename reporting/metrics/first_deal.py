"""Days from a partner's approval to its first registered deal, of those approved before the window ended.

What successful partners did: certified within 30 days of approval and on a joint call with us within 45, against all
others that are certified. Who is not certified yet, or can still make both in time, is in neither group. Half have a
deal within: the product-limit median of Kaplan and Meier, in which whoever has no deal yet counts for as long as it has
been; “not reached” is an answer. All as known now, up to the end of the window.
"""

from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, sql
from lifecycle.partners import kinds
from reporting.metrics.metric import Column, CustomerMetric, Part
from reporting.money import MoneyQuestion

CERTIFIED_WITHIN, CALL_WITHIN = 30, 45  # days of approval
ALL, QUICK, OTHERS, EARLY = "approved", "quick", "others", "undecided"
QUICK_DEAL, OTHERS_DEAL, EARLY_DEAL, DEAL, WON = "quick_deal", "others_deal", "undecided_deal", "deal", "won_deal"


def relation(question: MoneyQuestion) -> Sql:
    """`id, approved_on, certified_days, call_days, deal_days, won_days, lasted, part` of every approved partner."""
    until = sql("least({}::date, {}::date + 1)", question.window.end, question.today)

    def first(kind: str) -> Sql:
        """The first local day of a kind on or after approval, in days since then."""
        return sql(
            """(SELECT min((told.occurred_at AT TIME ZONE {})::date) - approved.day FROM ({}) told
                WHERE (told.occurred_at AT TIME ZONE {})::date BETWEEN approved.day AND {} - 1)""",
            question.zone,
            kinds.told(kind, Sql("approved.id")),
            question.zone,
            until,
        )

    won = sql(
        """(SELECT min((deal.closed_at AT TIME ZONE {})::date) - approved.day FROM audience_deal deal
            WHERE deal.partner_id = approved.id AND deal.status = 'won'
              AND (deal.closed_at AT TIME ZONE {})::date BETWEEN approved.day AND {} - 1)""",
        question.zone,
        question.zone,
        until,
    )
    return sql(
        """
        SELECT id, approved_on, certified_days, call_days, deal_days, won_days, lasted,
               CASE WHEN certified_days <= {} AND call_days <= {} THEN 'quick'
                    WHEN COALESCE(certified_days, lasted) <= {} AND COALESCE(call_days, lasted) <= {} THEN 'undecided'
                    WHEN certified_days IS NULL THEN 'undecided' ELSE 'others' END AS part
        FROM (
            SELECT approved.id, approved.day AS approved_on, {} AS certified_days, {} AS call_days, {} AS deal_days,
                   {} AS won_days, {} - 1 - approved.day AS lasted
            FROM (
                SELECT told.account_id AS id, min((told.occurred_at AT TIME ZONE {})::date) AS day
                FROM ({}) told GROUP BY 1
            ) approved
            JOIN audience_account account ON account.id = approved.id AND NOT account.is_excluded
            WHERE approved.day < {} OFFSET 0
        ) partner
        """,
        CERTIFIED_WITHIN,
        CALL_WITHIN,
        CERTIFIED_WITHIN,
        CALL_WITHIN,
        first(kinds.CERTIFIED),
        first(kinds.JOINT_CALL),
        first(kinds.REGISTERED),
        won,
        until,
        question.zone,
        kinds.told(kinds.APPROVED, kinds.accounts()),
        until,
    )


METRIC = CustomerMetric(
    name="first_deal",
    label=_("First deal"),
    definition=_(
        "Days from a partner's approval to its first registered deal, of those approved before the window ended. What "
        "successful partners did: certified within 30 days of approval and on a joint call with us within 45, against "
        "all others that are certified. Who is not certified yet, or can still make both in time, is in neither "
        "group. Half have a deal within: the product-limit median of Kaplan and Meier, in which whoever has no deal "
        "yet counts for as long as it has been; “not reached” is an answer. All as known now, up to the end of the "
        "window."
    ),
    relation=relation,
    parts={
        ALL: Part(_("approved"), Sql("true")),
        DEAL: Part(_("with a deal"), Sql("deal_days IS NOT NULL")),
        WON: Part(_("with a deal won"), Sql("won_days IS NOT NULL")),
        QUICK: Part(_("certified and on a call in time"), Sql("part = 'quick'")),
        QUICK_DEAL: Part(_("of these with a deal"), Sql("part = 'quick' AND deal_days IS NOT NULL")),
        OTHERS: Part(_("other certified ones"), Sql("part = 'others'")),
        OTHERS_DEAL: Part(_("of those with a deal"), Sql("part = 'others' AND deal_days IS NOT NULL")),
        EARLY: Part(_("too early to say"), Sql("part = 'undecided'")),
        EARLY_DEAL: Part(_("of them with a deal"), Sql("part = 'undecided' AND deal_days IS NOT NULL")),
    },
    columns=(
        Column("approved_on", _("Approved"), "date"),
        Column("certified_days", _("Days to certificate"), "number"),
        Column("call_days", _("Days to joint call"), "number"),
        Column("deal_days", _("Days to first deal"), "number"),
        Column("won_days", _("Days to first win"), "number"),
    ),
    unit="partner",
    report="report_partners",
)
