"""What channels cost in the window, divided by the memberships that first reached the stage in the same window.

By channel of entry: the one that the person's original source means, else that of their first inbound activity. A cost
is spread evenly over its days and converted at the exchange rate of its first day; one that names a campaign of another
lifecycle is not in. Whoever reached the stage came in earlier: the lag is the median of days since the first stage.
"""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audience.activity import channels
from kit.sql import Sql, sql
from reporting.metrics.metric import FIGURE, Metric
from reporting.questions import Question

SOURCES = Sql("SELECT DISTINCT source AS said FROM audience_person WHERE source <> ''")


def reached(question: Question) -> Sql:
    """`id, channel, lag` of every first entry into the stage in the window; without a channel it is empty."""
    return sql(
        """
        SELECT came.id, coalesce(means.channel, first.channel, '') AS channel, came.from_first AS lag
        FROM (SELECT entry.* FROM {} AND entry.to_stage = {} AND entry.is_first) came
        JOIN lifecycle_membership member ON member.id = came.membership_id
        LEFT JOIN audience_person person ON person.id = member.person_id
        LEFT JOIN ({}) means ON means.value = person.source
        LEFT JOIN LATERAL (
            SELECT act.channel FROM audience_activity act
            WHERE (act.person_id = member.person_id OR act.account_id = member.account_id) AND act.channel <> ''
              AND act.direction = 'inbound' AND act.reversal_of_id IS NULL AND act.occurred_at <= came.occurred_at
              AND NOT EXISTS (SELECT FROM audience_activity back WHERE back.reversal_of_id = act.id)
            ORDER BY act.occurred_at, act.id LIMIT 1) first ON means.channel IS NULL
        """,
        question.entries(), question.stage, channels.meaning(SOURCES, "said"),
    )  # fmt: skip


def people(question: Question, part: str = FIGURE) -> Sql:
    """The entries, of those who came in by the channel that is asked for."""
    by = sql("WHERE channel = {}", question.channel) if question.channel is not None else Sql("")
    return sql("SELECT id FROM ({}) told {}", reached(question), by)


def title(question: Question) -> str:
    """The figure in words."""
    return gettext("First reached “%(stage)s”") % {"stage": question.plan.label(question.stage)}


METRIC = Metric(
    name="cost_per_stage",
    label=_("Cost per stage reached"),
    definition=_(
        "What channels cost in the window, divided by the memberships that first reached the stage in the same window. "
        "By channel of entry: the one that the person's original source means, else that of their first inbound "
        "activity. A cost is spread evenly over its days and converted at the exchange rate of its first day; one that "
        "names a campaign of another lifecycle is not in. Whoever reached the stage came in earlier: the lag is the "
        "median of days since the first stage."
    ),
    people=people,
    title=title,
    needs=("stage",),
)
