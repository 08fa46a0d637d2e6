"""When the steps of a pass occurred, and the fact behind each; who enters anew by nothing new is left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from audience.conditions import compile
from kit import installation
from kit.sql import Sql, join, name, run, sql
from lifecycle.engine.rules import A_DAY, ENTRY, Rules

LOOKS = (A_DAY, timedelta(days=8))  # back, for whether an entry condition came to hold by time


def date(rules: Rules, at: datetime, used: set[int]) -> None:
    """Give each step its dates: the fact's own, and when the movement occurred."""
    if asked := used & rules.questions.keys():
        _date_by_facts(rules, at, asked)
    if used & (rules.waits | rules.missed):
        _date_by_clock(rules)
    if rules.version.reentry:
        _drop_stale_reentries(rules, at)
    day_began = installation.midnight(installation.day_before(at, rules.zone), rules.zone)
    run(
        sql(
            """
            UPDATE pass_step SET evidence_at = dated.evidence_at, occurred_at = dated.occurred_at
            FROM (
                SELECT subject_id, step,
                    CASE WHEN own_date THEN fact_at
                         ELSE max(fact_at) OVER (PARTITION BY subject_id ORDER BY step) END AS evidence_at,
                    CASE WHEN due_at IS NOT NULL THEN due_at WHEN fact_at >= {} THEN fact_at
                         WHEN step > 1 THEN {} ELSE {} END AS occurred_at
                FROM (
                    SELECT subject_id, step, due_at, coalesce(transition_id, {}) = ANY ({}) AS own_date,
                           CASE WHEN due_at IS NOT NULL THEN due_at
                                WHEN evidence_at < {} AND coalesce(transition_id, {}) = ANY ({}) THEN {}
                                ELSE least(coalesce(evidence_at, {}), {}) END AS fact_at
                    FROM pass_step
                ) fact
            ) dated
            WHERE dated.subject_id = pass_step.subject_id AND dated.step = pass_step.step
            """,
            day_began,
            day_began,  # it held before the subject arrived: it occurs with the arrival, and the writer sees to that
            at,
            ENTRY,
            list(rules.own_date),
            day_began,
            ENTRY,
            list(rules.by_time),
            at,
            at,
            at,
        )
    )


def _date_by_facts(rules: Rules, at: datetime, asked: Iterable[int]) -> None:
    """Since when the conditions of the steps hold, as far as facts tell."""
    keys = sorted(asked)
    answers = compile.table(
        {f"q{key}": rules.questions[key] for key in keys},
        of=rules.of,
        at=at,
        among=Sql("SELECT subject_id FROM pass_step"),
        evidence=True,
    )
    own_date = join(" ", [sql("WHEN {} THEN {}", key, name(f"q{key}__evidence")) for key in keys])
    table = name("audience_person" if rules.of == "person" else "audience_account")
    run(
        sql(
            """
            UPDATE pass_step SET evidence_at =
                CASE WHEN transition_id IS NULL THEN GREATEST(own.found_at, own.first_seen_at) ELSE own.found_at END
            FROM (
                SELECT step.subject_id, step.step, subject.first_seen_at,
                       CASE coalesce(step.transition_id, {}) {} END AS found_at
                FROM pass_step step
                JOIN ({}) answers USING (subject_id)
                JOIN {} subject ON subject.id = step.subject_id
            ) own
            WHERE own.subject_id = pass_step.subject_id AND own.step = pass_step.step
            """,
            ENTRY,
            own_date,
            answers,
            table,
        )
    )


def _date_by_clock(rules: Rules) -> None:
    """Whoever misses a limit, or whose delay is over, moves at that very instant, whenever the pass comes to it."""
    run(
        sql(
            """
            UPDATE pass_step SET due_at = timed.at
            FROM (
                SELECT membership.id AS membership_id, rule.id AS transition_id,
                       CASE WHEN rule.on_missed THEN membership.due_at ELSE waiting.wakes_at END AS at
                FROM pass_step step
                JOIN {} membership ON membership.id = step.membership_id
                JOIN lifecycle_transition rule ON rule.id = step.transition_id
                LEFT JOIN {} waiting
                  ON waiting.membership_id = membership.id AND waiting.transition_id = rule.id
                WHERE rule.id = ANY ({})
            ) timed
            WHERE timed.membership_id = pass_step.membership_id AND timed.transition_id = pass_step.transition_id
            """,
            rules.ledger.memberships,
            rules.ledger.waiting,
            sorted(rules.waits | rules.missed),
        )
    )


def _drop_stale_reentries(rules: Rules, at: datetime) -> None:
    """A new pass begins only by something that happened after the last one ended, or by time: when the condition did
    not hold at one of the instants of `LOOKS` before this pass and after the last one ended."""
    run(
        sql(
            """
            DELETE FROM pass_step WHERE subject_id IN (
                SELECT step.subject_id FROM pass_step step
                JOIN {} ended
                  ON ended.lifecycle_id = {} AND ended.subject_id = step.subject_id
                JOIN lifecycle_version edition ON edition.id = ended.version_id AND edition.state <> 'withdrawn'
                WHERE step.membership_id IS NULL AND step.step = 1
                GROUP BY step.subject_id, step.evidence_at
                HAVING (step.evidence_at IS NULL OR step.evidence_at <= max(ended.ended_at)) AND NOT ({}))
            """,
            rules.ledger.memberships,
            rules.version.lifecycle_id,
            _came_by_time(rules, at),
        )
    )


def _came_by_time(rules: Rules, at: datetime) -> Sql:
    """Whether time has made the entry condition hold since the last pass of a subject ended (`ended`, `step`)."""
    if ENTRY not in rules.by_time:
        return Sql("false")
    asked = Sql("SELECT subject_id FROM pass_step")
    looks = []
    for before in (at - ago for ago in LOOKS):
        held = compile.members(rules.questions[ENTRY], of=rules.of, at=before, among=asked)
        looks.append(sql("(max(ended.ended_at) <= {} AND step.subject_id NOT IN ({}))", before, held))
    return join(" OR ", looks)
