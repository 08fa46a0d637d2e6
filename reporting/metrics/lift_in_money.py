"""What a campaign adds in money: the mean of those assigned to it, less the mean of those held out.

Money: deals won and purchases made since the assignment, within the days of the outcome, in the currency of the
installation. A deal in which several people have a role is shared equally among them, so that it counts once.
Everybody assigned whose days are over counts, with nothing where nothing was bought. Interval: 95 %, Welch, which does
not take both groups to vary alike; a few large deals make it wide. Below 30 in a group the means say little.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from kit import installation
from kit.sql import Sql, sql
from reporting.campaigns import CampaignQuestion
from reporting.metrics import lift
from reporting.metrics.lift import HELD, TREATED, part_of
from reporting.metrics.metric import CampaignMetric, Part

DEALS, PURCHASES = "deals", "purchases"
KINDS = (DEALS, PURCHASES)


def relation(questions: Sequence[CampaignQuestion]) -> Sql:
    """Of every first assignment whose days are over: `id, campaign_id, held, deals, purchases` in minor units."""
    return sql(
        """
        WITH finished AS (
            SELECT told.*, e.subject_id, e.entered_at FROM ({}) told JOIN campaigns_enrollment e USING (id)
            WHERE mature AND NOT excluded AND NOT other
        )
        SELECT finished.*, COALESCE(won.amount, 0) AS deals, COALESCE(bought.amount, 0) AS purchases
        FROM finished LEFT JOIN ({}) won USING (id) LEFT JOIN ({}) bought USING (id)
        """,
        lift.relation(questions),
        _within_days(_won(), questions[0].zone),
        _within_days(_bought(), questions[0].zone),
    )


def _within_days(paid: Sql, zone: str) -> Sql:
    """What was paid (subject_id, amount, at) since the assignment and before its days were over, by assignment."""
    return sql(
        """
        SELECT finished.id, sum(paid.amount) AS amount FROM finished JOIN ({}) paid USING (subject_id)
        WHERE paid.at >= finished.entered_at AND (paid.at AT TIME ZONE {})::date <= finished.until GROUP BY 1
        """,
        paid,
        zone,
    )


def _won() -> Sql:
    """Won deals by whose they are: a person's share of each, an account's own."""
    return sql(
        """
        SELECT role.person_id AS subject_id, deal.closed_at AS at,
               deal.amount::numeric / count(*) OVER (PARTITION BY deal.id) AS amount
        FROM audience_deal deal JOIN (SELECT DISTINCT deal_id, person_id FROM audience_dealrole) role
            ON role.deal_id = deal.id
        WHERE deal.status = 'won' AND deal.currency IN ('', {})
        UNION ALL
        SELECT account_id, closed_at, amount FROM audience_deal
        WHERE status = 'won' AND currency IN ('', {}) AND account_id IS NOT NULL
        """,
        installation.get("currency"),
        installation.get("currency"),
    )


def _bought() -> Sql:
    return sql(
        "SELECT subject_id, occurred_at AS at, amount FROM audience_purchase WHERE currency IN ('', {})",
        installation.get("currency"),
    )


METRIC = CampaignMetric(
    name="lift_in_money",
    label=_("Lift in money"),
    definition=_(
        "What a campaign adds in money: the mean of those assigned to it, less the mean of those held out. Money: "
        "deals won and purchases made since the assignment, within the days of the outcome, in the currency of the "
        "installation. A deal in which several people have a role is shared equally among them, so that it counts "
        "once. Everybody assigned whose days are over counts, with nothing where nothing was bought. Interval: 95 %, "
        "Welch, which does not take both groups to vary alike; a few large deals make it wide. Below 30 in a group "
        "the means say little."
    ),
    relation=relation,
    parts={
        part_of(TREATED, DEALS): Part(_("assigned, won a deal"), Sql("NOT held AND deals > 0")),
        part_of(HELD, DEALS): Part(_("held out, won a deal"), Sql("held AND deals > 0")),
        part_of(TREATED, PURCHASES): Part(_("assigned, bought something"), Sql("NOT held AND purchases > 0")),
        part_of(HELD, PURCHASES): Part(_("held out, bought something"), Sql("held AND purchases > 0")),
    },
)
