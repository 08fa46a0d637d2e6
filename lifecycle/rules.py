"""One pass of a version's rules at an instant: who enters, who moves, how far, and since when it held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions import compile, scan, tree
from audience.conditions.registry import Aggregate
from kit import installation
from kit.sql import Sql, join, name, rows, run, sql
from lifecycle import ledgers, stages
from lifecycle.models import Movement, Version

TAKEN_FOR_GRANTED = 1000  # rows of a table that was never counted, about
ENTRY = 0  # how the entry condition is named among the ids of transitions

# Facts that have a date of their own, which stands even when it lies before the subject's arrival in the stage: a deal
# that was won before the first contact is a fault in the data that reports must be able to show.
OWN_DATE = ("deal.", "purchase.", "contract.")

# Tables of the session, so that each step of a pass is planned with knowledge of how many it concerns.
TABLES = """
CREATE TEMPORARY TABLE IF NOT EXISTS pass_subject (subject_id bigint NOT NULL);
CREATE TEMPORARY TABLE IF NOT EXISTS pass_truth (subject_id bigint NOT NULL, held bigint[] NOT NULL);
CREATE TEMPORARY TABLE IF NOT EXISTS pass_step (
    subject_id bigint NOT NULL, membership_id bigint, seq int NOT NULL, pass_number int NOT NULL,
    step int NOT NULL, from_stage bigint, to_stage bigint NOT NULL, transition_id bigint, evidence_at timestamptz,
    occurred_at timestamptz);
TRUNCATE pass_subject, pass_truth, pass_step;
"""


@dataclass(frozen=True)
class Rules:
    """A version's conditions, parsed once for many passes."""

    version: Version
    questions: dict[int, tree.Node]
    reasons: dict[int, str]
    own_date: frozenset[int]
    by_time: frozenset[int]
    by_stay: frozenset[int]
    first_stage: int
    length: int
    zone: ZoneInfo
    watch: Callable[[Rules, datetime], None] | None = None  # looks at a pass before its moves are written

    @property
    def of(self) -> str:
        return self.version.lifecycle.of

    @property
    def ledger(self) -> ledgers.Ledger:
        return ledgers.of(self.version.lifecycle.slug)


def read(version: Version) -> Rules:
    """Parse a version's entry condition and its automatic transitions."""
    automatic = list(version.transitions.filter(by_hand=False).select_related("from_stage", "to_stage"))
    of = version.lifecycle.of
    questions = {ENTRY: tree.parse(version.entry, of=of)}
    questions |= {each.pk: tree.parse(each.condition, of=of) for each in automatic}
    return Rules(
        version=version,
        questions=questions,
        reasons={ENTRY: _("Entered the lifecycle")} | {each.pk: each.reason or str(each) for each in automatic},
        own_date=frozenset(key for key, node in questions.items() if _has_own_date(node)),
        by_time=frozenset(key for key, node in questions.items() if _changes_by_time(node)),
        by_stay=frozenset(key for key, node in questions.items() if _asks_for_stay(node, version.lifecycle.slug)),
        first_stage=stages.first_stage(version).pk,
        length=version.stages.count(),
        zone=installation.zone(),
    )


def _has_own_date(node: tree.Node) -> bool:
    return any(leaf.field.name.startswith(OWN_DATE) for leaf in tree.leaves(node))


def _changes_by_time(node: tree.Node) -> bool:
    """Whether it can come to hold without a fact, so that no fact's date says since when it holds."""
    if isinstance(node, tree.Leaf):
        return node.comes_by_time
    if isinstance(node, tree.Not):
        return True
    return any(_changes_by_time(part) for part in node.parts)


def _asks_for_stay(node: tree.Node, lifecycle: str) -> bool:
    return any(leaf.field.name == f"stage.{lifecycle}.days_in" for leaf in tree.leaves(node))


def run_pass(rules: Rules, *, among: Sql | None, at: datetime, now: datetime, kind: str = Movement.Kind.RULE) -> int:
    """Apply the rules as of `at` to the subjects of `among` (None: everybody); the number of movements written.

    All conditions are asked once, of the state before the pass; a subject then follows the first rule that holds (by
    priority) from stage to stage, through gates, at most as often as there are stages and never back to a stage that
    it left in this pass. A movement occurs when its condition came to hold, if that was on the local day before
    `at`; else, as for what time alone changes and for facts that arrive late, at `at`.
    """
    with transaction.atomic(savepoint=False):
        run(Sql(TABLES))
        if among is not None and not _note_subjects(among):
            return 0
        if not _ask(rules, at, among is not None):
            return 0
        if kind != Movement.Kind.REPLAY:  # it comes before anything that could be taken back
            _respect_undo(rules, at)
        if steps := _walk(rules):
            _date(rules, at)
        if rules.watch:
            rules.watch(rules, at)
        if not steps:
            return 0
        return stages.move_many(_moves(rules), stages.Ledgering(rules.version, kind, _("rules"), now))


def _counted(table: str, rows_in_it: int) -> int:
    """The number, and the planner knows of it where it is more than it takes for granted of a new table."""
    if rows_in_it > TAKEN_FOR_GRANTED:
        run(sql("ANALYZE {}", name(table)))
    return rows_in_it


def _note_subjects(among: Sql) -> int:
    found = run(sql("INSERT INTO pass_subject SELECT DISTINCT subject_id FROM ({}) among", among))
    return _counted("pass_subject", found)


def _ask(rules: Rules, at: datetime, some: bool) -> int:
    """Who of those asked fulfils which conditions; those who fulfil none are left out."""
    columns = {f"q{key}": node for key, node in rules.questions.items()}
    answers = compile.table(
        columns, of=rules.of, at=at, among=Sql("SELECT subject_id FROM pass_subject") if some else None
    )
    held = join(", ", [sql("CASE WHEN {} THEN {}::bigint END", name(f"q{key}"), key) for key in rules.questions])
    any_held = join(" OR ", [name(column) for column in columns])
    found = run(
        sql(
            """INSERT INTO pass_truth
               SELECT subject_id, array_remove(ARRAY[{}], NULL) FROM ({}) answers WHERE {}""",
            held,
            answers,
            any_held,
        )
    )
    return _counted("pass_truth", found)


def _respect_undo(rules: Rules, at: datetime) -> None:
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
        list(rules.by_stay),
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


def _walk(rules: Rules) -> int:
    """The way of each subject from stage to stage, by the answers alone; the number of steps."""
    lifecycle = rules.version.lifecycle_id
    found = run(
        sql(
            """
            INSERT INTO pass_step
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
                CROSS JOIN LATERAL (
                    SELECT count(*)::int AS passes FROM {} ended
                    WHERE ended.lifecycle_id = {} AND ended.subject_id = truth.subject_id
                ) earlier
                WHERE membership.version_id = {}
                   OR (membership.id IS NULL AND {} = ANY (truth.held) AND (earlier.passes = 0 OR {}))
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
                      -- Days in the stage were asked of the one before the pass; in a new one none have passed.
                      AND (walk.step = 0 OR NOT transition.id = ANY ({}))
                    ORDER BY transition.priority LIMIT 1
                ) rule
                WHERE walk.step <= {}
            )
            SELECT subject_id, membership_id, seq, pass_number, step, from_stage, to_stage, transition_id
            FROM walk WHERE step > 0
            """,
            rules.first_stage,
            rules.first_stage,
            rules.ledger.memberships,
            lifecycle,
            rules.ledger.memberships,
            lifecycle,
            rules.version.pk,
            ENTRY,
            rules.version.reentry,
            rules.version.pk,
            list(rules.by_stay),
            rules.length,
        )
    )
    return _counted("pass_step", found)


def _date(rules: Rules, at: datetime) -> None:
    """Give each step its dates: the fact's own, and when the movement occurred."""
    used = {row[0] or ENTRY for row in rows(Sql("SELECT DISTINCT transition_id FROM pass_step"))}
    answers = compile.table(
        {f"q{key}": rules.questions[key] for key in used},
        of=rules.of,
        at=at,
        among=Sql("SELECT subject_id FROM pass_step"),
        evidence=True,
    )
    own_date = join(" ", [sql("WHEN {} THEN {}", key, name(f"q{key}__evidence")) for key in used])
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
    if rules.version.reentry:
        _drop_stale_reentries(rules)
    day_began = installation.midnight(installation.day_before(at, rules.zone), rules.zone)
    run(
        sql(
            """
            UPDATE pass_step SET evidence_at = dated.evidence_at, occurred_at = dated.occurred_at
            FROM (
                SELECT subject_id, step,
                    CASE WHEN own_date THEN fact_at
                         ELSE max(fact_at) OVER (PARTITION BY subject_id ORDER BY step) END AS evidence_at,
                    CASE WHEN fact_at >= {} THEN fact_at WHEN step > 1 THEN {} ELSE {} END AS occurred_at
                FROM (
                    SELECT subject_id, step, coalesce(transition_id, {}) = ANY ({}) AS own_date,
                           CASE WHEN evidence_at < {} AND coalesce(transition_id, {}) = ANY ({}) THEN {}
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


def _drop_stale_reentries(rules: Rules) -> None:
    """A new pass begins only by something that happened after the last one ended."""
    run(
        sql(
            """
            DELETE FROM pass_step WHERE subject_id IN (
                SELECT step.subject_id FROM pass_step step
                JOIN {} ended
                  ON ended.lifecycle_id = {} AND ended.subject_id = step.subject_id
                WHERE step.membership_id IS NULL AND step.step = 1
                GROUP BY step.subject_id, step.evidence_at
                HAVING step.evidence_at IS NULL OR step.evidence_at <= max(ended.ended_at))
            """,
            rules.ledger.memberships,
            rules.version.lifecycle_id,
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
