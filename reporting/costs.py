"""What it cost, channel by channel, to bring somebody to a stage; and how long before that they had come in."""

from __future__ import annotations

from dataclasses import dataclass

from audience.activity import channels
from audience.commerce import rates
from kit.sql import Sql, rows, sql
from reporting.metrics import cost_per_stage
from reporting.questions import Question


@dataclass(frozen=True)
class Channel:
    """One channel of entry (empty: none known): what it cost, whom it brought to the stage, after how many days."""

    slug: str
    cost: rates.Sum
    reached: int
    lag: float | None

    @property
    def each(self) -> float | None:
        """Minor units for each that reached the stage; None without a known cost, or where nobody did."""
        known = any(part.known > part.apart for part in self.cost.parts)
        return self.cost.total / self.reached if known and self.reached else None


@dataclass(frozen=True)
class Costs:
    """The answer; `whole` is all channels together, with what was spent on campaigns without a channel."""

    question: Question
    currency: str
    whole: Channel
    channels: tuple[Channel, ...]
    labels: dict[str, str]

    def called(self, channel: Channel) -> str:
        """What a channel is called."""
        return self.labels.get(channel.slug, channel.slug)


def answer(question: Question) -> Costs:
    """The costs of the stage that a question asks for, in a fixed number of statements."""
    spent = rates.added(_spent(question), rates.own())
    told = {bucket: (count, lag) for bucket, count, lag in rows(_reached(question, "channel"))}
    [(_bucket, count, lag)] = rows(_reached(question, "''")) or [("", 0, None)]
    names = sorted({each.bucket for each in spent.parts} | set(told))
    found = [Channel(name, spent.of(name), *told.get(name, (0, None))) for name in names]
    # The dearest first; those without a cost by whom they brought, the unknown last.
    found.sort(key=lambda one: (one.slug == "", -one.cost.total, -one.reached, one.slug))
    return Costs(question, rates.own(), Channel("", spent, count, lag), tuple(found), channels.labels())


def _reached(question: Question, bucket: str) -> Sql:
    return sql(
        """SELECT {} AS bucket, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) FROM ({}) came
           GROUP BY 1""",
        Sql(bucket), cost_per_stage.reached(question),
    )  # fmt: skip


def _spent(question: Question) -> Sql:
    """The relation of what was spent in the window, by channel, for `rates.added`."""
    window, lifecycle = question.window, question.plan.lifecycle.pk
    said = Sql("SELECT DISTINCT channel AS said FROM audience_cost")
    upto = """round(cost.amount * greatest(0, least({}::date, cost.ends_on) - cost.starts_on)::numeric
                     / (cost.ends_on - cost.starts_on))"""
    return sql(
        f"""
        SELECT coalesce(means.channel, '') AS bucket, ({upto} - {upto})::bigint AS amount, cost.currency,
               cost.starts_on AS day
        FROM audience_cost cost LEFT JOIN ({{}}) means ON means.value = cost.channel
        WHERE cost.starts_on < {{}} AND cost.ends_on > {{}} AND cost.ends_on > cost.starts_on AND NOT (
            EXISTS (SELECT FROM campaigns_campaign of WHERE of.lifecycle_id <> {{}}
                    AND lower(cost.campaign) IN (lower(of.slug), lower(of.name)))
            AND NOT EXISTS (SELECT FROM campaigns_campaign of WHERE of.lifecycle_id = {{}}
                            AND lower(cost.campaign) IN (lower(of.slug), lower(of.name))))
        """,
        window.end, window.start, channels.meaning(said, "said"), window.end, window.start, lifecycle, lifecycle,
    )  # fmt: skip
