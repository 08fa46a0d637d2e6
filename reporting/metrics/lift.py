"""What a campaign adds: the share of those assigned to it that came to its outcome, less that of those held out.

The outcome: the stage that the campaign is to lead to, or a later one of the success path, entered from before it
within so many days of the assignment. Everybody assigned counts, whether or not a message reached them; whoever was
assigned again counts with the first time. Only those whose days are over are in the shares, the unfinished are shown
apart. Interval: 95 %, Newcombe. p: how likely so large a difference would be if the campaign did nothing
(two-proportion z test). Relative lift: the difference as a share of what the held-out reach by themselves. Without a
holdout no lift can be shown, and nothing stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from kit.sql import Sql, join, sql
from reporting.campaigns import CampaignQuestion
from reporting.metrics.metric import CampaignMetric, Part

TREATED, HELD = "treated", "held"
ASSIGNED, MATURE, REACHED, UNFINISHED = "assigned", "mature", "reached", "unfinished"
LEFT_OUT, OTHER = "left_out", "other"


def part_of(group: str, state: str) -> str:
    """The part of the metric that is one group in one state."""
    return f"{group}_{state}"


def relation(questions: Sequence[CampaignQuestion]) -> Sql:
    """Of every first assignment: `id, campaign_id, held, assigned_on, until, mature, reached_on`; `excluded` are left
    out of figures, `other` are people in a campaign for a lifecycle of accounts, or the other way round."""
    asked = [
        sql("({}::bigint, {}::bigint, {}::text[], {}::int)", q.campaign.pk, q.campaign.lifecycle_id, q.outcome, q.days)
        for q in questions
    ]
    first = questions[0]
    # Named, so that the memberships of other lifecycles are not looked through; without an outcome none are.
    lifecycles = [q.campaign.lifecycle_id for q in questions if q.outcome]
    return sql(
        """
        WITH asked(campaign_id, lifecycle_id, outcome, days) AS (VALUES {}),
        assigned AS (
            SELECT e.id, e.campaign_id, e.subject_id, e.person_id, e.account_id, e.state = 'holdout' AS held,
                   e.entered_at, (e.entered_at AT TIME ZONE {})::date AS assigned_on,
                   asked.lifecycle_id, asked.outcome, asked.days
            FROM campaigns_enrollment e JOIN asked USING (campaign_id) WHERE e.pass_number = 1
        ),
        reached AS (
            SELECT assigned.id, min(entry.day) AS reached_on
            FROM assigned
            JOIN lifecycle_membership membership USING (lifecycle_id, subject_id)
            JOIN reporting_stageentry entry ON entry.membership_id = membership.id
                AND entry.lifecycle_id = assigned.lifecycle_id AND entry.to_stage = ANY(assigned.outcome)
                AND NOT entry.from_stage = ANY(assigned.outcome) AND entry.occurred_at >= assigned.entered_at
                AND entry.day <= assigned.assigned_on + assigned.days
            WHERE membership.lifecycle_id = ANY({}::bigint[])
            GROUP BY 1
        )
        SELECT assigned.id, assigned.campaign_id, assigned.held, assigned.assigned_on, reached.reached_on,
               assigned.assigned_on + assigned.days AS until, assigned.assigned_on + assigned.days < {} AS mature,
               COALESCE(person.id, account.id) IS NOT NULL AS excluded,
               COALESCE((lifecycle.of = 'account') <> (assigned.person_id IS NULL), false) AS other
        FROM assigned LEFT JOIN reached USING (id)
        LEFT JOIN audience_person person ON person.id = assigned.person_id AND person.is_excluded
        LEFT JOIN audience_account account ON account.id = assigned.account_id AND account.is_excluded
        LEFT JOIN lifecycle_lifecycle lifecycle ON lifecycle.id = assigned.lifecycle_id
        """,
        join(", ", asked),
        first.zone,
        lifecycles,
        first.today,
    )


def _parts() -> dict[str, Part]:
    states = {
        ASSIGNED: "true",
        MATURE: "mature",
        REACHED: "mature AND reached_on IS NOT NULL",
        UNFINISHED: "NOT mature",
    }
    labels = {
        (TREATED, ASSIGNED): _("assigned to treatment"),
        (TREATED, MATURE): _("whose days are over"),
        (TREATED, REACHED): _("came to the outcome"),
        (TREATED, UNFINISHED): _("unfinished: their days are not over"),
        (HELD, ASSIGNED): _("held out"),
        (HELD, MATURE): _("held out, whose days are over"),
        (HELD, REACHED): _("held out, came to the outcome all the same"),
        (HELD, UNFINISHED): _("held out, unfinished"),
    }
    parts = {}
    for (group, state), label in labels.items():
        of = "held" if group == HELD else "NOT held"
        parts[part_of(group, state)] = Part(label, Sql(f"{of} AND NOT excluded AND NOT other AND {states[state]}"))
    apart = {
        LEFT_OUT: Part(_("left out of all figures"), Sql("excluded")),
        OTHER: Part(_("of the other kind than the lifecycle"), Sql("NOT excluded AND other")),
    }
    return parts | apart


METRIC = CampaignMetric(
    name="lift",
    label=_("Lift"),
    definition=_(
        "What a campaign adds: the share of those assigned to it that came to its outcome, less that of those held "
        "out. The outcome: the stage that the campaign is to lead to, or a later one of the success path, entered from "
        "before it within so many days of the assignment. Everybody assigned counts, whether or not a message reached "
        "them; whoever was assigned again counts with the first time. Only those whose days are over are in the "
        "shares, the unfinished are shown apart. Interval: 95 %, Newcombe. p: how likely so large a difference would "
        "be if the campaign did nothing (two-proportion z test). Relative lift: the difference as a share of what the "
        "held-out reach by themselves. Without a holdout no lift can be shown, and nothing stands in for it."
    ),
    relation=relation,
    parts=_parts(),
)
