"""Rules with a delay: since when their conditions hold in a stay, and which of them have held for long enough."""

from __future__ import annotations

from datetime import datetime

from audience.conditions import compile
from kit.sql import Sql, join, name, run, sql
from lifecycle.engine import sla
from lifecycle.engine.rules import Rules


def ripen(rules: Rules, at: datetime) -> None:
    """A rule with a delay holds when its condition has held, in this stay, for so long and still does."""
    run(
        sql(
            """
            UPDATE pass_truth SET held = held || ripe.rules FROM (
                SELECT truth.subject_id, array_agg(waiting.transition_id) AS rules
                FROM pass_truth truth
                JOIN {} membership
                  ON membership.subject_id = truth.subject_id AND membership.ended_at IS NULL
                JOIN {} waiting ON waiting.membership_id = membership.id
                WHERE waiting.transition_id = ANY ({}) AND waiting.transition_id = ANY (truth.waits)
                  AND waiting.wakes_at < {} AND waiting.since >= membership.entered_at
                GROUP BY truth.subject_id
            ) ripe WHERE ripe.subject_id = pass_truth.subject_id
            """,
            rules.ledger.memberships,
            rules.ledger.waiting,
            list(rules.waits),
            at,
        )
    )


def note(rules: Rules, at: datetime, among: Sql | None) -> None:
    """Note since when the conditions of rules with a delay hold in the stays that go on, and forget those that do not.

    Since the fact that made it hold, but not since before the stay began; what time alone brought about, since this
    pass. The delay is over in this pass at the earliest, so that the next one sees to it.
    """
    mine = sql("membership.subject_id IN ({})", among) if among else Sql("true")
    run(
        sql(
            """
            DELETE FROM {} waiting USING {} membership, lifecycle_transition rule
            WHERE membership.id = waiting.membership_id AND rule.id = waiting.transition_id
              AND rule.id = ANY ({}) AND {}
              AND (membership.ended_at IS NOT NULL OR membership.stage_id <> rule.from_stage_id
                   OR waiting.since < membership.entered_at OR NOT EXISTS (
                       SELECT FROM pass_truth truth
                       WHERE truth.subject_id = membership.subject_id AND rule.id = ANY (truth.waits)))
            """,
            rules.ledger.waiting,
            rules.ledger.memberships,
            list(rules.waits),
            mine,
        )
    )
    fresh = sql(
        """
        SELECT truth.subject_id, membership.id AS membership_id, membership.entered_at, rule.id AS transition_id,
               rule.delay, rule.delay_unit, {} AS named
        FROM pass_truth truth
        JOIN {} membership
          ON membership.subject_id = truth.subject_id AND membership.version_id = {} AND membership.ended_at IS NULL
        JOIN lifecycle_transition rule ON rule.id = ANY (truth.waits) AND rule.from_stage_id = membership.stage_id
        JOIN lifecycle_stage stage ON stage.id = rule.from_stage_id
        WHERE NOT EXISTS (SELECT FROM {} known
                          WHERE known.membership_id = membership.id AND known.transition_id = rule.id)
        """,
        sla.BY_STAGE,
        rules.ledger.memberships,
        rules.version.pk,
        rules.ledger.waiting,
    )
    answers = compile.table(
        {f"q{key}": rules.questions[key] for key in rules.waits},
        of=rules.of,
        at=at,
        among=sql("SELECT subject_id FROM ({}) fresh", fresh),
        evidence=True,
    )
    since = join(" ", [sql("WHEN {} THEN answers.{}", key, name(f"q{key}__evidence")) for key in rules.waits])
    run(
        sql(
            """
            WITH fresh AS MATERIALIZED (
                SELECT fresh.*, GREATEST(entered_at, COALESCE(CASE transition_id {} END, {})) AS since
                FROM ({}) fresh JOIN ({}) answers USING (subject_id)
            ),
            calendar AS MATERIALIZED ({})
            INSERT INTO {} (membership_id, transition_id, since, wakes_at)
            SELECT membership_id, transition_id, since, GREATEST({}, CASE delay_unit
                WHEN 'hours' THEN since + make_interval(hours => delay)
                WHEN 'days' THEN (since AT TIME ZONE {} + make_interval(days => delay)) AT TIME ZONE {}
                ELSE (SELECT {} FROM calendar WHERE calendar.named = fresh.named) END)
            FROM fresh ON CONFLICT DO NOTHING
            """,
            since,
            at,
            fresh,
            answers,
            sla.calendars(
                Sql("(SELECT * FROM fresh WHERE delay_unit = 'working_hours')"),
                first=Sql("min(since)"),
                last=Sql("max(since)"),
                hours=Sql("max(delay)"),
            ),
            rules.ledger.waiting,
            at,  # not in the past, which no later pass looks at
            str(rules.zone),
            str(rules.zone),
            sla.due(Sql("fresh.since"), Sql("fresh.delay")),
        )
    )
