"""A number of a rule tried at many values in one walk through the past.

The version is walked without the rule. Up to the moment at which the rule would first move a subject, that is the very
way which the subject takes by the version with the rule, whatever the number is. So each pass asks the rule's condition
at every value at once, of the same facts, and notes whom it would have moved for the first time at which value.
Conditions that ask for the stages of others are the exception: those stand where they stand without the rule.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from audience.conditions import compile, tree
from kit import installation
from kit.sql import Sql, join, name, rows, run, sql
from lifecycle.backtests import numbers
from lifecycle.engine import rules
from lifecycle.engine.rules import Rules
from lifecycle.models import Backtest, Transition


def make(points: Sql) -> None:
    """Have an empty table of who would have been moved at which value."""
    run(sql("DROP TABLE IF EXISTS {}", points))
    run(
        sql(
            """CREATE TABLE {} (subject_id bigint, point bigint, reached_at timestamptz NOT NULL,
                               PRIMARY KEY (subject_id, point))""",
            points,
        )
    )


def rules_without(backtest: Backtest, points: Sql) -> Rules:
    """The version's rules without the one that is swept, whose condition is asked at every value beside them.

    The values are named among the ids of rules by negative numbers: −1 is the first.
    """
    rule, whole = backtest.swept, rules.read(backtest.version)
    assert rule is not None
    questions = {key: node for key, node in whole.questions.items() if key != rule.pk}
    of = whole.of
    asked = {
        -number: tree.parse(numbers.with_value(rule.condition, backtest.place, point, of), of=of)
        for number, point in enumerate(backtest.points, 1)
    }
    watch = Watch(rule, backtest.points, points, asked, rule.pk in whole.by_stay, rule.pk in whole.by_time)
    return replace(whole, questions=questions | asked, watch=watch)


class Watch:
    """Looks at each pass for whom the rule would move, at which value for the first time."""

    def __init__(
        self,
        rule: Transition,
        values: list[int],
        points: Sql,
        asked: dict[int, tree.Node],
        by_stay: bool,
        by_time: bool,
    ) -> None:
        self.rule, self.values, self.points, self.asked = rule, values, points, asked
        self.by_stay, self.by_time = by_stay, by_time

    def __call__(self, asked: Rules, at: datetime) -> None:
        found = self._new(asked)
        keys = [key for (key,) in rows(sql("SELECT DISTINCT key FROM ({}) found", found))]
        if keys:
            self._note(asked, found, keys, at)

    def _new(self, asked: Rules) -> Sql:
        """Whom the rule would move by this pass at which value: subject_id, key, the step before it, its arrival.

        In the stage from which the rule leads, before the pass or on the way through it, unless a rule that comes
        first leads on from there.
        """
        rule = self.rule
        source = sql("= {}", rule.from_stage_id) if rule.from_stage_id else sql("<> {}", rule.to_stage_id)
        return sql(
            """
            SELECT DISTINCT ON (place.subject_id, held.key) place.subject_id, held.key, place.step, place.arrived
            FROM (
                SELECT truth.subject_id, 0 AS step, membership.stage_id AS stage, membership.entered_at AS arrived
                FROM pass_truth truth JOIN {} membership USING (subject_id)
                WHERE membership.lifecycle_id = {} AND membership.ended_at IS NULL
                UNION ALL
                SELECT subject_id, step, to_stage, max(occurred_at) OVER (PARTITION BY subject_id ORDER BY step)
                FROM pass_step
            ) place
            JOIN pass_truth truth USING (subject_id)
            CROSS JOIN LATERAL unnest(truth.held) held (key)
            JOIN lifecycle_stage here ON here.id = place.stage AND here.kind <> 'terminal'
            LEFT JOIN pass_step next ON next.subject_id = place.subject_id AND next.step = place.step + 1
            LEFT JOIN lifecycle_transition taken ON taken.id = next.transition_id
            WHERE held.key < 0 AND place.stage {} AND (taken.id IS NULL OR taken.priority > {})
              AND (place.step = 0 OR NOT {})
              AND NOT EXISTS (SELECT FROM {} known WHERE known.subject_id = place.subject_id AND known.point = {})
            ORDER BY place.subject_id, held.key, place.step
            """,
            asked.ledger.memberships,
            asked.version.lifecycle_id,
            source,
            self.rule.priority,
            self.by_stay,
            self.points,
            self._value(Sql("held.key")),
        )

    def _note(self, asked: Rules, found: Sql, keys: list[int], at: datetime) -> None:
        """Write them down, dated as a pass dates its moves."""
        began = installation.midnight(installation.day_before(at, asked.zone), asked.zone)
        answers = compile.table(
            {f"q{-key}": self.asked[key] for key in keys},
            of=asked.of,
            at=at,
            among=sql("SELECT subject_id FROM ({}) found", found),
            evidence=True,
        )
        since = join(" ", [sql("WHEN {} THEN answers.{}", key, name(f"q{-key}__evidence")) for key in keys])
        run(
            sql(
                """
                INSERT INTO {}
                SELECT subject_id, {}, GREATEST(arrived, CASE WHEN fact_at >= {} THEN fact_at
                                                              WHEN step > 0 THEN {} ELSE {} END)
                FROM (
                    SELECT subject_id, key, step, arrived,
                           CASE WHEN since < {} AND {} THEN {} ELSE LEAST(COALESCE(since, {}), {}) END AS fact_at
                    FROM (
                        SELECT found.*, CASE found.key {} END AS since
                        FROM ({}) found JOIN ({}) answers USING (subject_id)
                    ) told
                ) dated
                """,
                self.points,
                self._value(Sql("key")),
                began,
                began,
                at,
                began,
                self.by_time,
                at,
                at,
                at,
                since,
                found,
                answers,
            )
        )

    def _value(self, key: Sql) -> Sql:
        return sql("({}::bigint[])[-{}]", self.values, key)
