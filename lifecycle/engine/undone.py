"""What was taken back: rules leave it so until something new happens that they ask for."""

from __future__ import annotations

from datetime import datetime

from audience.conditions import compile, scan, tree
from audience.conditions.registry import Aggregate
from kit.sql import Sql, join, name, rows, run, sql
from lifecycle.engine.rules import Rules


def respect(rules: Rules, at: datetime) -> None:
    """A rule does not do again what was taken back, until something new happens that it asks for.

    That is a fact behind the undo that makes it hold, or an activity, recorded since, that it counts. Days in the
    stage count from the undo, so a rule that asks for them comes to hold anew by itself.
    """
    taken_back = sql(
        """
        SELECT truth.subject_id, undo.transition_id, undo.occurred_at, undo.recorded_at
        FROM {} undo
        JOIN {} membership ON membership.id = undo.membership_id AND membership.seq = undo.seq
        JOIN pass_truth truth ON truth.subject_id = membership.subject_id AND undo.transition_id = ANY (truth.held)
        WHERE undo.kind = 'undo' AND membership.version_id = {} AND NOT undo.transition_id = ANY ({})
        """,
        rules.ledger.movements,
        rules.ledger.memberships,
        rules.version.pk,
        rules.of_stay,
    )
    concerned = [row[0] for row in rows(sql("SELECT DISTINCT transition_id FROM ({}) taken_back", taken_back))]
    if not concerned:
        return
    answers = compile.table(
        {f"q{key}": rules.questions[key] for key in concerned},
        of=rules.of,
        at=at,
        among=sql("SELECT subject_id FROM ({}) taken_back", taken_back),
        evidence=True,
    )
    since = join(" ", [sql("WHEN {} THEN answers.{}", key, name(f"q{key}__evidence")) for key in concerned])
    news = join(" ", [sql("WHEN {} THEN {}", key, _news(rules, key)) for key in concerned])
    run(
        sql(
            """
            UPDATE pass_truth SET held = array_remove(held, stale.transition_id)
            FROM (
                SELECT taken_back.subject_id, taken_back.transition_id
                FROM ({}) taken_back JOIN ({}) answers USING (subject_id)
                WHERE (CASE taken_back.transition_id {} END > taken_back.occurred_at) IS NOT TRUE
                  AND NOT CASE taken_back.transition_id {} ELSE false END
            ) stale
            WHERE stale.subject_id = pass_truth.subject_id
            """,
            taken_back,
            answers,
            since,
            news,
        )
    )


def _news(rules: Rules, key: int) -> Sql:
    counted = [leaf for leaf in tree.leaves(rules.questions[key]) if isinstance(leaf.field.answer, Aggregate)]
    if not counted:
        return Sql("false")
    return scan.news(counted, rules.of, subject="taken_back.subject_id", since="taken_back.recorded_at")
