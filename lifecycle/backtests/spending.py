"""What each of those who came to the stage has cost.

A channel's cost of a month is shared evenly by all whom the channel brought in that month: who was first seen in it,
with an original source that means the channel, or else with a first inbound activity of that month on it. So a share
says what was paid to win somebody, whatever the rules made of them afterwards. Costs without a channel are in nobody's
share, and neither is one in another currency without an exchange rate of its first day or before.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from audience.activity import channels
from audience.commerce import costs, rates
from kit import installation
from kit.sql import Sql, dicts, name, rows, run, sql
from lifecycle.models import Backtest


def note_costs(backtest: Backtest) -> dict[str, Any]:
    """Write down each one's share of costs (`Reached.cost`); the currency, and how many costs have no rate."""
    into = rates.own()
    since, until = _months(backtest)
    told = {"currency": into, "unrated": 0}
    if since is None:
        return told
    spent = _spent(since, until, into)
    [(there, unrated)] = rows(
        sql("SELECT count(*), count(DISTINCT id) FILTER (WHERE amount IS NULL) FROM ({}) spent", spent)
    )
    if there > unrated:
        run(
            sql(
                """
                UPDATE lifecycle_reached reached SET cost = shared.cost
                FROM (
                    SELECT brought.id, round(spent.amount::numeric / brought.with_them)::bigint AS cost
                    FROM (SELECT id, channel, month, count(*) OVER (PARTITION BY channel, month) AS with_them
                          FROM ({}) them) brought
                    JOIN (SELECT channel, month, sum(amount) AS amount FROM ({}) each WHERE amount IS NOT NULL
                          GROUP BY 1, 2) spent USING (channel, month)
                ) shared
                WHERE reached.backtest_id = {} AND reached.subject_id = shared.id
                """,
                _brought(backtest, since, until),
                spent,
                backtest.pk,
            )
        )
    return told | {"unrated": unrated}


def groups(backtest: Backtest) -> dict[str, dict[str, int]]:
    """Of those whom only one side brings to the stage, and of those of both: how many have a known cost, its sum."""
    found = dicts(
        sql(
            """
            SELECT "group", count(*) AS subjects, count(cost) AS known, coalesce(sum(cost), 0)::bigint AS cost FROM (
                SELECT cost, CASE WHEN live_at IS NULL THEN 'tried_only' WHEN tried_at IS NULL THEN 'live_only'
                                  ELSE 'both' END AS "group"
                FROM lifecycle_reached
                WHERE backtest_id = {} AND (GREATEST(tried_at, live_at) AT TIME ZONE {})::date >= {}
            ) reached GROUP BY 1
            """,
            backtest.pk,
            str(installation.zone()),
            backtest.begins_on,
        )
    )
    nobody = {"subjects": 0, "known": 0, "cost": 0}
    return {key: dict(nobody) for key in ("tried_only", "live_only", "both")} | {row.pop("group"): row for row in found}


def _months(backtest: Backtest) -> tuple[date | None, date]:
    """The months in which those who came to the stage were first seen, `[first, behind the last)`."""
    [(first, behind)] = rows(
        sql(
            """SELECT min({})::date, (max({}) + interval '1 month')::date
               FROM lifecycle_reached reached JOIN {} subject ON subject.id = reached.subject_id
               WHERE reached.backtest_id = {}""",
            _month(),
            _month(),
            _table(backtest),
            backtest.pk,
        )
    )
    return first, behind


def _spent(since: date, until: date, into: str) -> Sql:
    """What each cost of a channel comes to in each month, in the currency of reports: id, channel, month, amount."""
    said = Sql("SELECT DISTINCT channel AS said FROM audience_cost")
    return sql(
        """SELECT part.id, means.channel, part.month, {} AS amount
           FROM ({}) part JOIN ({}) means ON means.value = part.channel""",
        rates.converted(Sql("part.amount"), Sql("part.currency"), Sql("part.starts_on"), into),
        costs.in_months(since, until),
        channels.meaning(said, "said"),
    )


def _brought(backtest: Backtest, since: date, until: date) -> Sql:
    """Everybody who counts in figures and was first seen in these months, with the month and the channel."""
    zone = installation.zone()
    person = backtest.version.lifecycle.of == "person"
    said = Sql("SELECT DISTINCT source AS said FROM audience_person WHERE source <> ''")
    means = sql("LEFT JOIN ({}) means ON means.value = subject.source", channels.meaning(said, "said"))
    return sql(
        """
        SELECT subject.id, {}::date AS month, COALESCE({}, first.channel) AS channel
        FROM {} subject {}
        LEFT JOIN LATERAL (
            SELECT said.channel FROM audience_activity said
            WHERE said.{} = subject.id AND said.channel <> '' AND said.direction = 'inbound'
              AND said.reversal_of_id IS NULL
              AND said.occurred_at < ({} + interval '1 month') AT TIME ZONE {}
              AND NOT EXISTS (SELECT FROM audience_activity back WHERE back.reversal_of_id = said.id)
            ORDER BY said.occurred_at, said.id LIMIT 1
        ) first ON {}
        WHERE subject.first_seen_at >= {} AND subject.first_seen_at < {}
          AND NOT subject.is_excluded AND subject.erased_at IS NULL AND subject.merged_into IS NULL
        """,
        _month(),
        Sql("means.channel") if person else Sql("NULL"),
        _table(backtest),
        means if person else Sql(""),
        Sql("person_id" if person else "account_id"),
        _month(),
        str(zone),
        Sql("means.channel IS NULL") if person else Sql("true"),
        installation.midnight(since, zone),
        installation.midnight(until, zone),
    )


def _month() -> Sql:
    """The first of the local month in which a subject was first seen."""
    return sql("date_trunc('month', subject.first_seen_at AT TIME ZONE {})", str(installation.zone()))


def _table(backtest: Backtest) -> Sql:
    return name(f"audience_{backtest.version.lifecycle.of}")
