"""Won deals of those who came back from a detour, closed since they were sent there: how many, and what they are worth.

Each deal counts once. Values are in the installation's currency; what is in others is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kit import installation
from kit.sql import Sql, rows, sql
from reporting.metrics import recycled
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question


@dataclass(frozen=True)
class Worth:
    """How many of the returned have a won deal, how many deals that are, and their amount in minor units."""

    returned: int = 0
    deals: int = 0
    amount: int = 0


def won_deals(question: Question) -> Sql:
    """`id, to_stage, deal_id, amount` of each move to a detour that was come back from, with each deal won since."""
    whose = Sql(
        "JOIN audience_dealrole role ON role.person_id = m.person_id JOIN audience_deal deal ON deal.id = role.deal_id"
        if question.plan.lifecycle.of == "person"
        else "JOIN audience_deal deal ON deal.account_id = m.account_id OR deal.partner_id = m.account_id"
    )
    closed = sql("AND deal.closed_at < {}", question.as_of_day(question.past)) if question.past else Sql("")
    return sql(
        """SELECT sent.id, sent.to_stage, deal.id AS deal_id, deal.amount FROM ({}) sent
           JOIN lifecycle_membership m ON m.id = sent.membership_id {}
           WHERE sent.back_stage <> '' AND deal.status = 'won' AND deal.closed_at >= sent.occurred_at
             AND deal.currency IN ('', {}) {}""",
        recycled.sent(question),
        whose,
        installation.get("currency"),
        closed,
    )


def by_detour(question: Question) -> dict[str, Worth]:
    """Of each detour: one statement."""
    statement = sql(
        """WITH won AS MATERIALIZED ({}), once AS (SELECT DISTINCT to_stage, deal_id, amount FROM won)
           SELECT to_stage, count(DISTINCT won.id), (SELECT count(*) FROM once WHERE once.to_stage = won.to_stage),
                  (SELECT COALESCE(sum(amount), 0) FROM once WHERE once.to_stage = won.to_stage)
           FROM won GROUP BY 1""",
        won_deals(question),
    )
    return {stage: Worth(returned, deals, int(amount)) for stage, returned, deals, amount in rows(statement)}


def people(question: Question, part: str = FIGURE) -> Sql:
    """The moves to the detour of those who came back and won."""
    return sql("SELECT DISTINCT id FROM ({}) won", won_deals(question))


def title(question: Question) -> str:
    """The figure in words."""
    if question.detour:
        return gettext("Back from “%(stage)s”, with a won deal") % {"stage": question.plan.label(question.detour)}
    return gettext("Back from a detour, with a won deal")


METRIC = Metric(
    name="detour_value",
    label=_("Value of the returned"),
    definition=_(
        "Won deals of those who came back from a detour, closed since they were sent there: how many, and what they "
        "are worth. Each deal counts once. Values are in the installation's currency; what is in others is not in "
        "it."
    ),
    people=people,
    title=title,
    extras=(recycled.BECAUSE, recycled.BACK),
)
