"""One pass of a version's rules at an instant: who enters, who moves, how far."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions import compile
from kit.sql import Sql, join, name, rows, run, sql, value
from lifecycle.engine import dating, undone, waiting
from lifecycle.engine.rules import ENTRY, Rules
from lifecycle.ledger import stages
from lifecycle.models import Movement

AMONG = Sql("SELECT subject_id FROM pass_subject")
TAKEN_FOR_GRANTED = 1000  # rows of a table that was never counted, about

# Tables of the session, so that each step of a pass is planned with knowledge of how many it concerns.
TABLES = """
CREATE TEMPORARY TABLE pass_subject (subject_id bigint NOT NULL);
CREATE TEMPORARY TABLE pass_truth (
    subject_id bigint NOT NULL, held bigint[] NOT NULL, waits bigint[] NOT NULL DEFAULT '{}');
CREATE TEMPORARY TABLE pass_step (
    subject_id bigint NOT NULL, membership_id bigint, seq int NOT NULL, pass_number int NOT NULL,
    step int NOT NULL, from_stage bigint, to_stage bigint NOT NULL, transition_id bigint, evidence_at timestamptz,
    occurred_at timestamptz, due_at timestamptz)
"""
LARGEST = """SELECT max(pg_relation_size(to_regclass(each)))
             FROM unnest('{pg_temp.pass_subject,pg_temp.pass_truth,pg_temp.pass_step}'::text[]) each"""
SMALL = 1 << 20  # bytes, up to which a table's rows are deleted: a table that is truncated gets new files


def apply(rules: Rules, *, among: Sql | None, at: datetime, now: datetime, kind: str = Movement.Kind.RULE) -> int:
    """Apply the rules as of `at` to the subjects of `among` (None: everybody); the number of movements written.

    All conditions are asked once, of the state before the pass; a subject then follows the first rule that holds (by
    priority) from stage to stage, through gates, at most as often as there are stages and never back to a stage that
    it left in this pass. A movement occurs when its condition came to hold, if that was on the local day before
    `at`; else, as for what time alone changes and for facts that arrive late, at `at`.
    """
    with transaction.atomic(savepoint=False):
        _empty_tables()
        if among is not None and not _note_subjects(rules, among):
            return 0
        asked = None if among is None else AMONG
        if not _ask(rules, at, asked) and not rules.missed and not rules.waits:
            return 0
        if rules.missed:
            _note_missed(rules, at, asked)
        if rules.waits:
            waiting.ripen(rules, at)
        if kind != Movement.Kind.REPLAY:  # it comes before anything that could be taken back
            undone.respect(rules, at)
        if used := _walk(rules):
            dating.date(rules, at, used)
        if rules.watch:
            rules.watch(rules, at)
        moved = 0
        if used:
            moved = stages.move_many(_moves(rules), stages.Ledgering(rules.version, kind, _("rules"), now))
        if rules.waits:
            waiting.note(rules, at, asked)
        return moved


def _empty_tables() -> None:
    """The session's tables are there, and empty."""
    largest = value(Sql(LARGEST))
    if largest is None:
        run(Sql(TABLES))
    elif largest > SMALL:
        run(Sql("TRUNCATE pass_subject, pass_truth, pass_step"))
    else:
        run(Sql("DELETE FROM pass_subject; DELETE FROM pass_truth; DELETE FROM pass_step"))


def _counted(table: str, rows_in_it: int) -> int:
    """The number, and the planner knows of it where it is more than it takes for granted of a new table."""
    if rows_in_it > TAKEN_FOR_GRANTED:
        run(sql("ANALYZE {}", name(table)))
    return rows_in_it


def _note_subjects(rules: Rules, among: Sql) -> int:
    """Whom the pass is about: of those among, nobody whose pass is over for good."""
    chosen = sql("SELECT DISTINCT subject_id FROM ({}) among", among)
    if not rules.version.reentry and not rules.waits:
        chosen = sql("SELECT subject_id FROM ({}) chosen WHERE {}", chosen, _has_more_to_come(rules))
    return _counted("pass_subject", run(sql("INSERT INTO pass_subject {}", chosen)))


def _has_more_to_come(rules: Rules) -> Sql:
    """Whether a pass of somebody chosen is open, or none was begun that counts."""
    return sql(
        """COALESCE((SELECT bool_or(own.ended_at IS NULL) FROM {} own
                     WHERE own.lifecycle_id = {} AND own.subject_id = chosen.subject_id AND own.version_id NOT IN (
                         SELECT id FROM lifecycle_version WHERE state = 'withdrawn')), true)""",
        rules.ledger.memberships,
        rules.version.lifecycle_id,
    )


def _ask(rules: Rules, at: datetime, among: Sql | None) -> int:
    """Who of those asked fulfils which conditions; those who fulfil none are left out. How many are left."""
    if not rules.questions:
        return 0
    columns = {f"q{key}": node for key, node in rules.questions.items()}
    answers = compile.table(columns, of=rules.of, at=at, among=among)

    def held(keys: Iterable[int]) -> Sql:
        each = [sql("CASE WHEN {} THEN {}::bigint END", name(f"q{key}"), key) for key in keys]
        return sql("array_remove(ARRAY[{}]::bigint[], NULL)", join(", ", each))

    found = run(
        sql(
            "INSERT INTO pass_truth SELECT subject_id, {}, {} FROM ({}) answers WHERE {}",
            held(key for key in rules.questions if key not in rules.waits),
            held(sorted(rules.waits)),
            answers,
            join(" OR ", [name(column) for column in columns]),
        )
    )
    return _counted("pass_truth", found)


def _note_missed(rules: Rules, at: datetime, among: Sql | None) -> None:
    """Whoever is in an SLA stage whose limit is over fulfils the rule for that."""
    run(
        sql(
            """
            WITH missed AS MATERIALIZED (
                SELECT membership.subject_id, rule.id FROM lifecycle_transition rule
                JOIN {} membership ON membership.stage_id = rule.from_stage_id
                WHERE rule.id = ANY ({}) AND membership.ended_at IS NULL AND membership.due_at < {} AND {}
            ), known AS (
                UPDATE pass_truth SET held = held || missed.id FROM missed
                WHERE missed.subject_id = pass_truth.subject_id RETURNING pass_truth.subject_id
            )
            INSERT INTO pass_truth (subject_id, held)
            SELECT subject_id, ARRAY[id] FROM missed WHERE subject_id NOT IN (SELECT subject_id FROM known)
            """,
            rules.ledger.memberships,
            list(rules.missed),
            at,
            sql("membership.subject_id IN ({})", among) if among else Sql("true"),
        )
    )


def _walk(rules: Rules) -> set[int]:
    """The way of each subject from stage to stage, by the answers alone; the rules that were followed, if any."""
    lifecycle = rules.version.lifecycle_id
    [(found, followed)] = rows(
        sql(
            """
            WITH RECURSIVE walk AS (
                SELECT truth.subject_id, truth.held, membership.id AS membership_id, coalesce(membership.seq, 0) AS seq,
                       coalesce(membership.pass_number, earlier.passes + 1) AS pass_number,
                       CASE WHEN membership.id IS NULL THEN 1 ELSE 0 END AS step,
                       NULL::bigint AS from_stage,
                       coalesce(membership.stage_id, {}) AS to_stage,
                       NULL::bigint AS transition_id,
                       ARRAY[coalesce(membership.stage_id, {})] AS been
                FROM pass_truth truth
                LEFT JOIN {} membership
                    ON membership.lifecycle_id = {} AND membership.subject_id = truth.subject_id
                    AND membership.ended_at IS NULL
                -- Most fulfil rules of stages in which they are not.
                LEFT JOIN (
                    SELECT stage.id, array_agg(transition.id) AS rules
                    FROM lifecycle_stage stage JOIN lifecycle_transition transition
                        ON transition.version_id = stage.version_id
                        AND coalesce(transition.from_stage_id, stage.id) = stage.id
                    WHERE stage.version_id = {} GROUP BY 1
                ) leading_out ON leading_out.id = membership.stage_id AND leading_out.rules && truth.held
                CROSS JOIN LATERAL (
                    SELECT count(*)::int AS passes, count(*) FILTER (WHERE edition.state <> 'withdrawn') AS counted
                    FROM {} ended
                    JOIN lifecycle_version edition ON edition.id = ended.version_id
                    WHERE membership.id IS NULL AND ended.lifecycle_id = {} AND ended.subject_id = truth.subject_id
                ) earlier
                WHERE leading_out.id IS NOT NULL
                   OR (membership.id IS NULL AND {} = ANY (truth.held) AND (earlier.counted = 0 OR {}))
                UNION ALL
                SELECT walk.subject_id, walk.held, walk.membership_id, walk.seq, walk.pass_number, walk.step + 1,
                       walk.to_stage, rule.to_stage_id, rule.id, walk.been || rule.to_stage_id
                FROM walk
                JOIN lifecycle_stage here ON here.id = walk.to_stage AND here.kind <> 'terminal'
                CROSS JOIN LATERAL (
                    SELECT transition.id, transition.to_stage_id FROM lifecycle_transition transition
                    WHERE transition.version_id = {} AND transition.id = ANY (walk.held)
                      AND coalesce(transition.from_stage_id, walk.to_stage) = walk.to_stage
                      AND NOT transition.to_stage_id = ANY (walk.been)
                      -- Days, limits and delays were asked of the stay before the pass; a new one has just begun.
                      AND (walk.step = 0 OR NOT transition.id = ANY ({}))
                    ORDER BY transition.priority LIMIT 1
                ) rule
                WHERE walk.step <= {}
            ),
            stepped AS (
                INSERT INTO pass_step
                SELECT subject_id, membership_id, seq, pass_number, step, from_stage, to_stage, transition_id
                FROM walk WHERE step > 0 RETURNING transition_id
            )
            SELECT count(*), array_agg(DISTINCT coalesce(transition_id, {})) FROM stepped
            """,
            rules.first_stage,
            rules.first_stage,
            rules.ledger.memberships,
            lifecycle,
            rules.version.pk,
            rules.ledger.memberships,
            lifecycle,
            ENTRY,
            rules.version.reentry,
            rules.version.pk,
            rules.first_only,
            rules.length,
            ENTRY,
        )
    )
    _counted("pass_step", found)
    if found and rules.has_gates:
        found -= _stop_before_gates()
    return set(followed) if found else set()


def _stop_before_gates() -> int:
    """A gate holds nobody: whose way would end in one, because it leads back to where they were, waits before it."""
    return run(
        Sql(
            """
            DELETE FROM pass_step USING (
                SELECT step.subject_id, COALESCE(max(step.step) FILTER (WHERE here.kind <> 'gate'), 0) AS last
                FROM pass_step step JOIN lifecycle_stage here ON here.id = step.to_stage GROUP BY 1
            ) held WHERE held.subject_id = pass_step.subject_id AND pass_step.step > held.last
            """
        )
    )


def _moves(rules: Rules) -> Sql:
    """The steps as the relation that the ledger's writer takes, each with its reason in words."""
    reason = join(" ", [sql("WHEN {} THEN {}", key, text) for key, text in rules.reasons.items()])
    return sql(
        """SELECT subject_id, membership_id, seq, pass_number, step, from_stage, to_stage, occurred_at, evidence_at,
                  transition_id, CASE coalesce(transition_id, {}) {} END AS reason FROM pass_step""",
        ENTRY,
        reason,
    )
