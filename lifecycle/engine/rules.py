"""One pass of a version's rules at an instant: who enters, who moves, how far, and since when it held."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import DataError, ProgrammingError, transaction
from django.utils.translation import gettext as _

from audience.conditions import compile, scan, tree
from audience.conditions.registry import Aggregate
from kit import installation
from kit.sql import Sql, join, name, rows, run, sql, value
from lifecycle.engine import sla
from lifecycle.ledger import ledgers, stages
from lifecycle.models import Movement, Stage, Version

FAULTS = (tree.ConditionError, DataError, ProgrammingError)  # of a rule itself; a lost connection is none of its
A_DAY = timedelta(hours=26)  # a local day at its longest, and the hour
LOOKS = (A_DAY, timedelta(days=8))  # back, for whether an entry condition came to hold by time
AMONG = Sql("SELECT subject_id FROM pass_subject")
TAKEN_FOR_GRANTED = 1000  # rows of a table that was never counted, about
ENTRY = 0  # how the entry condition is named among the ids of transitions

# Facts that have a date of their own, which stands even when it lies before the subject's arrival in the stage: a deal
# that was won before the first contact is a fault in the data that reports must be able to show.
OWN_DATE = ("deal.", "purchase.", "contract.")

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


@dataclass(frozen=True)
class Rules:
    """A version's conditions, parsed once for many passes.

    `waits` are the rules that wait for their delay, `missed` those that move whoever misses a limit. Of these and of
    what asks for days in the stage (`by_stay`) only the stage before the pass can know: `of_stay`.
    """

    version: Version
    questions: dict[int, tree.Node]
    reasons: dict[int, str]
    own_date: frozenset[int]
    by_time: frozenset[int]
    by_stay: frozenset[int]
    waits: frozenset[int]
    missed: frozenset[int]
    has_gates: bool
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

    @property
    def of_stay(self) -> list[int]:
        return sorted(self.by_stay | self.waits | self.missed)


def read(version: Version) -> Rules:
    """Parse a version's entry condition and its automatic transitions, but for those that stand still."""
    stopped = {each or ENTRY for each in version.stopped_rules.values_list("transition_id", flat=True)}
    asked, missed = _conditions(version), version.transitions.filter(on_missed=True)
    questions = {
        key: tree.parse(condition, of=version.lifecycle.of) for key, condition in asked.items() if key not in stopped
    }
    automatic = list(version.transitions.filter(by_hand=False).select_related("from_stage", "to_stage"))
    kinds = list(version.stages.values_list("kind", flat=True))
    return Rules(
        version=version,
        questions=questions,
        reasons={ENTRY: _("Entered the lifecycle")} | {each.pk: each.reason or str(each) for each in automatic},
        own_date=frozenset(key for key, node in questions.items() if _has_own_date(node)),
        by_time=frozenset(key for key, node in questions.items() if _changes_by_time(node)),
        by_stay=frozenset(key for key, node in questions.items() if _asks_for_stay(node, version.lifecycle.slug)),
        waits=frozenset(each.pk for each in automatic if each.delay) & questions.keys(),
        missed=frozenset(missed.values_list("pk", flat=True)),
        has_gates=Stage.Kind.GATE in kinds,
        first_stage=stages.first_stage(version).pk,
        length=len(kinds),
        zone=installation.zone(),
    )


def _conditions(version: Version) -> dict[int, Any]:
    """The conditions of the entry and of what moves by itself, by the ids of the transitions."""
    asking = version.transitions.filter(by_hand=False, on_missed=False)
    return {ENTRY: version.entry} | dict(asking.values_list("pk", "condition"))


def faults(version: Version, subjects: Sql, at: datetime) -> dict[int, str]:
    """The conditions of a version that cannot be asked of these subjects, each with why."""
    found = {}
    for key, condition in _conditions(version).items():
        try:
            with transaction.atomic():
                node = tree.parse(condition, of=version.lifecycle.of)
                rows(compile.table({"asked": node}, of=version.lifecycle.of, at=at, among=subjects, evidence=True))
        except FAULTS as fault:
            found[key] = str(fault)
    return found


def touched(rules: Rules, since: datetime, until: datetime) -> Sql:
    """Whom a pass at `until` must look at that the pass at `since` has not moved.

    Nobody moves because a rule ceases to hold, so those for whom it may have come to hold are enough; but a delay
    begins anew when its condition ceases. And those whose limit or delay is over between the two.
    """
    waiting = [rules.questions[key] for key in rules.waits]
    pieces = [compile.touched(rules.questions.values(), of=rules.of, since=since, until=until, rising=True)]
    if waiting:
        pieces.append(compile.touched(waiting, of=rules.of, since=since, until=until))
        pieces.append(
            sql(
                """SELECT membership.subject_id FROM {} waiting
                   JOIN {} membership ON membership.id = waiting.membership_id
                   WHERE waiting.transition_id = ANY ({}) AND waiting.wakes_at >= {} AND waiting.wakes_at < {}""",
                rules.ledger.waiting,
                rules.ledger.memberships,
                list(rules.waits),
                since,
                until,
            )
        )
    if rules.missed:
        pieces.append(
            sql(
                """SELECT subject_id FROM {}
                   WHERE version_id = {} AND ended_at IS NULL AND due_at >= {} AND due_at < {}""",
                rules.ledger.memberships,
                rules.version.pk,
                since,
                until,
            )
        )
    return join(" UNION ", [sql("({})", piece) for piece in pieces])


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
        _empty_tables()
        if among is not None and not _note_subjects(among):
            return 0
        if not _ask(rules, at, among is not None) and not rules.missed and not rules.waits:
            return 0
        if rules.missed:
            _note_missed(rules, at, among is not None)
        if rules.waits:
            _note_ripe(rules, at)
        if kind != Movement.Kind.REPLAY:  # it comes before anything that could be taken back
            _respect_undo(rules, at)
        if used := _walk(rules):
            _date(rules, at, used)
        if rules.watch:
            rules.watch(rules, at)
        moved = 0
        if used:
            moved = stages.move_many(_moves(rules), stages.Ledgering(rules.version, kind, _("rules"), now))
        if rules.waits:
            _wait(rules, at, among is not None)
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


def _note_subjects(among: Sql) -> int:
    found = run(sql("INSERT INTO pass_subject SELECT DISTINCT subject_id FROM ({}) among", among))
    return _counted("pass_subject", found)


def _ask(rules: Rules, at: datetime, some: bool) -> int:
    """Who of those asked fulfils which conditions; those who fulfil none are left out. How many are left."""
    if not rules.questions:
        return 0
    columns = {f"q{key}": node for key, node in rules.questions.items()}
    answers = compile.table(columns, of=rules.of, at=at, among=AMONG if some else None)

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


def _note_missed(rules: Rules, at: datetime, some: bool) -> None:
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
            sql("membership.subject_id IN ({})", AMONG) if some else Sql("true"),
        )
    )


def _note_ripe(rules: Rules, at: datetime) -> None:
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


def _wait(rules: Rules, at: datetime, some: bool) -> None:
    """Note since when the conditions of rules with a delay hold in the stays that go on, and forget those that do not.

    Since the fact that made it hold, but not since before the stay began; what time alone brought about, since this
    pass. The delay is over in this pass at the earliest, so that the next one sees to it.
    """
    mine = sql("membership.subject_id IN ({})", AMONG) if some else Sql("true")
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
               rule.delay, rule.delay_unit
        FROM pass_truth truth
        JOIN {} membership
          ON membership.subject_id = truth.subject_id AND membership.version_id = {} AND membership.ended_at IS NULL
        JOIN lifecycle_transition rule ON rule.id = ANY (truth.waits) AND rule.from_stage_id = membership.stage_id
        WHERE NOT EXISTS (SELECT FROM {} known
                          WHERE known.membership_id = membership.id AND known.transition_id = rule.id)
        """,
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
            span AS (
                SELECT min(since) AS first, max(since) AS last, max(delay) AS hours FROM fresh
                WHERE delay_unit = 'working_hours'
            ),
            calendar AS MATERIALIZED (
                SELECT calendar.* FROM span CROSS JOIN LATERAL {} calendar WHERE span.hours IS NOT NULL
            )
            INSERT INTO {} (membership_id, transition_id, since, wakes_at)
            SELECT membership_id, transition_id, since, GREATEST({}, CASE delay_unit
                WHEN 'hours' THEN since + make_interval(hours => delay)
                WHEN 'days' THEN (since AT TIME ZONE {} + make_interval(days => delay)) AT TIME ZONE {}
                ELSE (SELECT {} FROM calendar) END)
            FROM fresh ON CONFLICT DO NOTHING
            """,
            since,
            at,
            fresh,
            answers,
            sla.calendar(Sql("span.first"), Sql("span.last"), Sql("span.hours")),
            rules.ledger.waiting,
            at,  # not in the past, which no later pass looks at
            str(rules.zone),
            str(rules.zone),
            sla.due(Sql("fresh.since"), Sql("fresh.delay")),
        )
    )


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
                CROSS JOIN LATERAL (
                    SELECT count(*)::int AS passes, count(*) FILTER (WHERE edition.state <> 'withdrawn') AS counted
                    FROM {} ended
                    JOIN lifecycle_version edition ON edition.id = ended.version_id
                    WHERE ended.lifecycle_id = {} AND ended.subject_id = truth.subject_id
                ) earlier
                WHERE membership.version_id = {}
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
            rules.ledger.memberships,
            lifecycle,
            rules.version.pk,
            ENTRY,
            rules.version.reentry,
            rules.version.pk,
            rules.of_stay,
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


def _date(rules: Rules, at: datetime, used: set[int]) -> None:
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


def _moves(rules: Rules) -> Sql:
    """The steps as the relation that the ledger's writer takes, each with its reason in words."""
    reason = join(" ", [sql("WHEN {} THEN {}", key, text) for key, text in rules.reasons.items()])
    return sql(
        """SELECT subject_id, membership_id, seq, pass_number, step, from_stage, to_stage, occurred_at, evidence_at,
                  transition_id, CASE coalesce(transition_id, {}) {} END AS reason FROM pass_step""",
        ENTRY,
        reason,
    )
