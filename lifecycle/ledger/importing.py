"""Rows that are stage movements: a history of stages kept elsewhere, written into the ledger with its true dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from audience.importing import planning, references, rollback, sourced, staging
from audience.importing.rollback import Back
from audience.importing.run import Run
from audience.importing.targets import Derived, Kind, Need, Target
from audience.importing.values import EMAIL_ADDRESS, INSTANT
from kit.audit import actor_of
from kit.sql import Sql, rows, sql
from lifecycle.ledger import stages, undo
from lifecycle.models import Movement, Version

TARGETS = (
    *sourced.PERSON,
    *references.ACCOUNT,
    Target("lifecycle", _("lifecycle"), length=200, aliases=("lifecycle name", "model", "process")),
    Target(
        "stage",
        _("stage"),
        aliases=("to stage", "lifecycle stage", "lifecyclestage", "new stage", "to", "status", "new value"),
    ),
    Target(
        "occurred",
        _("when"),
        INSTANT,
        aliases=(
            "when", "date", "occurred at", "moved at", "changed at", "happened at", "timestamp", "entered at",
            "date entered", "created at", "updated at",
        ),
    ),
    Target("reason", _("reason"), length=500, aliases=("why", "comment", "note")),
    sourced.RECORDED,
)  # fmt: skip
TABLE = "lifecycle_movement"
# A move (known) that a rolled back import had made: from it on nothing led to where the rollback returned to.
UNDONE = Sql(
    """EXISTS (SELECT FROM lifecycle_movement undone WHERE undone.membership_id = known.membership_id
             AND undone.kind = 'undo' AND undone.reason ~ '^import [0-9]+ rolled back$' AND undone.seq > known.seq
             AND NOT EXISTS (SELECT FROM lifecycle_movement between_them
                             WHERE between_them.membership_id = known.membership_id
                               AND between_them.seq >= known.seq AND between_them.seq < undone.seq
                               AND between_them.to_stage_id IS NOT DISTINCT FROM undone.to_stage_id))"""
)
REFUSALS = {
    "no_lifecycle": ("lifecycle", gettext_noop("No published lifecycle is called so.")),
    "other_subject": ("lifecycle", gettext_noop("The lifecycle is of the other kind of subject than the row names.")),
    "no_stage": ("stage", gettext_noop("The lifecycle has no stage that is called so.")),
    "gate": ("stage", gettext_noop("Nobody can be in a gate; name the stage behind it.")),
    "interleaves": (
        "occurred",
        gettext_noop("The ledger has a later move of the same subject already; it only grows."),
    ),
    "ended": ("occurred", gettext_noop("The subject's pass through the lifecycle had ended before.")),
}


def derive(work: Run) -> Sequence[Derived]:
    return [*references.person_key(work), *references.account_key(work)]


def match(work: Run) -> None:
    """Order the moves of each subject by their dates, and refuse what the ledger can no longer take.

    `row` of the plan is the place in that order, not the row of the file, so that ranges keep it.
    """
    references.find_people(work, Sql("r.occurred"))
    references.find_accounts(work, Sql("r.occurred"))
    links = references.links(work)
    subject = sql("CASE WHEN l.of = 'person' THEN {} ELSE {} END", links["person"], links["account"])
    query = sql(
        """
        SELECT row_number() OVER (ORDER BY found.version, found.subject, found.occurred, found.file_row) AS row, found.*
        FROM (
            SELECT r.row AS file_row, r.occurred, {} AS person, {} AS account, {} AS subject,
                   v.id AS version, v.lifecycle_id AS lifecycle, v.reentry, {} AS no_email,
                   g.id AS stage, g.kind AS stage_kind, l.of
            FROM {} r {}
            LEFT JOIN lifecycle_lifecycle l ON lower(r.lifecycle) IN (l.slug, lower(l.name))
            LEFT JOIN lifecycle_version v ON v.lifecycle_id = l.id AND v.state = 'published'
            LEFT JOIN lifecycle_stage g ON g.version_id = v.id AND lower(r.stage) IN (g.slug, lower(g.name))
            WHERE r.problem IS NULL
        ) found
        """,
        links["person"],
        links["account"],
        subject,
        Sql("coalesce(pp.no_email, false)") if references.person_key(work) else Sql("false"),
        work.table("rows"),
        references.joins(work),
    )
    planning.make(work, _judged(query))
    people = {"nobody": ("person_external_id", sourced.NOBODY), "no_email": ("person_email", EMAIL_ADDRESS.wrong)}
    for action, (target, reason) in {**REFUSALS, **people}.items():
        refused = sql("SELECT file_row FROM {} WHERE action = {} ORDER BY 1", work.table("plan"), action)
        staging.refuse_later(work, refused, staging.column_of(work, target), reason)


def _judged(ordered: Sql) -> Sql:
    """What is to become of each move, knowing the stage before it, in the file or in the ledger.

    Moves that a rollback undid may come again. The ledger only grows, so they move at the instant of the rollback at
    the earliest, and their own dates are those of the facts.
    """
    return sql(
        """
        WITH ordered AS ({}),
        placed AS (
            SELECT ordered.*, m.moved_at, m.stage_id AS stage_now,
                   -- Whoever may enter again begins a new pass by the next move; its place among those of the file.
                   count(*) FILTER (WHERE ordered.stage_kind = 'terminal') OVER before AS pass,
                   NOT ordered.reentry AND (
                       coalesce(bool_or(ordered.stage_kind = 'terminal') OVER before, false)
                       OR (m.ended_at IS NOT NULL AND NOT m.returned)) AS over,
                   EXISTS (
                       SELECT FROM lifecycle_movement known
                       JOIN lifecycle_membership whose ON whose.id = known.membership_id
                       JOIN lifecycle_stage there ON there.id = known.to_stage_id
                       JOIN lifecycle_stage asked ON asked.id = ordered.stage
                       WHERE whose.lifecycle_id = ordered.lifecycle AND whose.subject_id = ordered.subject
                       AND there.slug = asked.slug AND known.evidence_at <= ordered.occurred AND NOT {}
                       -- This very move, or, within what the ledger tells, a repeated word about where it led.
                       AND (known.evidence_at = ordered.occurred OR ordered.occurred < m.moved_at AND NOT EXISTS (
                           SELECT FROM lifecycle_membership own
                           JOIN lifecycle_movement since ON since.membership_id = own.id
                           WHERE own.lifecycle_id = ordered.lifecycle AND own.subject_id = ordered.subject
                           AND since.evidence_at <= ordered.occurred
                           AND (since.evidence_at, since.id) > (known.evidence_at, known.id)))
                   ) AS is_known,
                   CASE WHEN m.returned THEN greatest(m.moved_at, m.ended_at, ordered.occurred)
                        ELSE ordered.occurred END AS moves_at,
                   m.returned
            FROM ordered
            LEFT JOIN LATERAL (
                SELECT m.stage_id, m.ended_at, last.occurred_at AS moved_at, {} AS returned
                FROM lifecycle_membership m
                JOIN lifecycle_movement last ON last.membership_id = m.id AND last.seq = m.seq
                JOIN lifecycle_version edition ON edition.id = m.version_id AND edition.state <> 'withdrawn'
                WHERE m.lifecycle_id = ordered.lifecycle
                AND m.subject_id = ordered.subject ORDER BY m.pass_number DESC LIMIT 1
            ) m ON true
            WINDOW before AS (PARTITION BY ordered.version, ordered.subject ORDER BY ordered.row
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ),
        judged AS (
            SELECT *,
                   CASE WHEN version IS NULL THEN 'no_lifecycle'
                        WHEN stage IS NULL THEN 'no_stage'
                        WHEN stage_kind = 'gate' THEN 'gate'
                        WHEN no_email THEN 'no_email'
                        WHEN subject IS NULL AND coalesce(person, account) IS NOT NULL THEN 'other_subject'
                        WHEN subject IS NULL THEN 'nobody'
                        WHEN is_known THEN 'same'
                        WHEN over THEN 'ended'
                        WHEN occurred < moved_at AND NOT coalesce(returned, false) THEN 'interleaves'
                        ELSE 'create' END AS action
            FROM placed
        )
        SELECT row, file_row, occurred, moves_at, person, account, subject, version, lifecycle, stage, pass,
               CASE WHEN action = 'create' AND stage = coalesce(
                   lag(stage) OVER (PARTITION BY version, subject, action ORDER BY row), stage_now
               ) THEN 'same' ELSE action END AS action
        FROM judged
        """,
        ordered,
        UNDONE,
        Sql("last.kind = 'undo' AND last.reason ~ '^import [0-9]+ rolled back$'"),
    )


def prepare(work: Run) -> Counter[str]:
    made = references.make(work)
    references.see(work)
    return made


def write(work: Run, after: int, last: int) -> Counter[str]:
    """Write the moves `(after, last]` by the ledger's one statement, lifecycle by lifecycle and pass by pass."""
    counts = planning.counted(work, after, last)
    if not counts["created"]:
        return counts
    ranged = sql("{} p WHERE p.action = 'create' AND p.row > {} AND p.row <= {}", work.table("plan"), after, last)
    written = 0
    for version_id, number in rows(sql("SELECT DISTINCT p.version, p.pass FROM {} ORDER BY 1, 2", ranged)):
        version = Version.objects.select_related("lifecycle").get(pk=version_id)
        actor = actor_of(work.imported.created_by)
        relation = sql(
            """
            SELECT p.subject AS subject_id, m.id AS membership_id, coalesce(m.seq, 0) AS seq,
                   coalesce(m.pass_number, 1 + (
                       SELECT count(*)::int FROM lifecycle_membership w
                       WHERE w.lifecycle_id = p.lifecycle AND w.subject_id = p.subject)) AS pass_number,
                   (row_number() OVER passes)::int AS step,
                   coalesce(lag(p.stage) OVER passes, m.stage_id) AS from_stage, p.stage AS to_stage,
                   p.moves_at AS occurred_at, p.occurred AS evidence_at, NULL::bigint AS transition_id,
                   coalesce({}, '') AS reason, {} AS recorded_at
            FROM {} p JOIN {} r ON r.row = p.file_row
            LEFT JOIN lifecycle_membership m
                ON m.lifecycle_id = p.lifecycle AND m.subject_id = p.subject AND m.ended_at IS NULL
            WHERE p.action = 'create' AND p.version = {} AND p.pass = {} AND p.row > {} AND p.row <= {}
            WINDOW passes AS (PARTITION BY p.subject ORDER BY p.row)
            """,
            work.value("reason"),
            sourced.recorded_at(work),
            work.table("plan"),
            work.table("rows"),
            version_id,
            number,
            after,
            last,
        )
        ledgering = stages.Ledgering(version, Movement.Kind.IMPORT, actor, work.now, recorded=True)
        written += stages.move_many(relation, ledgering)
    # Who was moved meanwhile by somebody else stays there.
    counts["unchanged"] += counts["created"] - written
    counts["created"] = written
    return counts


KIND = Kind(
    name="stage_movements",
    label=_("Stage movements"),
    help=_("One row is one move of a person or account to a stage of a published lifecycle, with its date."),
    targets=TARGETS,
    names=("stage movements", "movements", "stage history", "lifecycle history"),
    needs=(
        sourced.WHO,
        Need(("lifecycle",), gettext_noop("The row does not say which lifecycle.")),
        Need(("stage",), gettext_noop("The row does not say which stage.")),
        Need(("occurred",), gettext_noop("The row has no date.")),
    ),
    derive=derive,
    checks=sourced.recorded_checks,
    match=match,
    prepare=prepare,
    write=write,
    touches_people=True,
)


def _back(back: Back, among: Sql) -> Sql:
    """The last of the moves that the import wrote of a membership stands for all of them: (id, state)."""
    blocks = sql(
        """
        SELECT m.membership_id, max(m.seq) AS seq, min(m.seq) AS since, count(*) AS moves
        FROM {} made JOIN lifecycle_movement m ON m.id = made.id WHERE made.tab = {} GROUP BY 1
        """,
        back.made, TABLE,
    )  # fmt: skip
    return sql(
        """
        SELECT made.id, CASE WHEN m.seq < block.seq THEN {} WHEN {} THEN {}
                             WHEN block.seq - block.since >= block.moves THEN 'moved'
                             WHEN judged.code = 'newer_pass' AND NOT EXISTS ({}) THEN {}
                             ELSE coalesce(nullif(judged.code, ''), {}) END AS state
        FROM {} made JOIN lifecycle_movement m ON m.id = made.id JOIN ({}) block USING (membership_id)
        LEFT JOIN ({}) judged USING (membership_id) WHERE made.tab = {} AND {}
        """,
        rollback.WITH_IT, _is_taken_back(back, "m.membership_id"), rollback.GOES, _stays_behind(back), rollback.GOES,
        rollback.GOES, back.made, blocks, undo.judged(sql("SELECT membership_id, seq FROM ({}) block", blocks)),
        TABLE, among,
    )  # fmt: skip


def _is_taken_back(back: Back, membership: str) -> Sql:
    """Whether this rollback has returned a membership already."""
    newest = f"newest.membership_id = {membership} AND newest.seq = of_it.seq AND newest.kind = 'undo'"
    return sql(
        f"EXISTS (SELECT FROM lifecycle_membership of_it JOIN lifecycle_movement newest ON {newest} "
        f"WHERE of_it.id = {membership} AND newest.reason = {{}})",
        back.source,
    )


def _stays_behind(back: Back) -> Sql:
    """A later pass of the subject of `judged` that others opened, or moved since."""
    return sql(
        """
        SELECT FROM lifecycle_membership own JOIN lifecycle_membership newer
            ON newer.lifecycle_id = own.lifecycle_id AND newer.subject_id = own.subject_id
            AND newer.pass_number > own.pass_number
        WHERE own.id = judged.membership_id AND NOT {} AND NOT 2 = (
            SELECT count(*) FILTER (WHERE m.seq = 1) + count(*) FILTER (WHERE m.seq = newer.seq)
            FROM lifecycle_movement m JOIN {} made ON made.tab = {} AND made.id = m.id WHERE m.membership_id = newer.id)
        """,
        _is_taken_back(back, "newer.id"), back.made, TABLE,
    )  # fmt: skip


def _take_back(back: Back, ids: Sequence[int]) -> None:
    """Each membership returns to the stage before the first of the moves, by one row of kind undo.

    Later passes of the same subjects go first, whichever chunk they are of: only one may be open at a time.
    """
    going = sql(
        """
        SELECT later.id, later.pass_number FROM lifecycle_movement last
        JOIN lifecycle_membership own ON own.id = last.membership_id
        JOIN lifecycle_membership later ON later.lifecycle_id = own.lifecycle_id AND later.subject_id = own.subject_id
            AND later.pass_number >= own.pass_number
        WHERE last.id = ANY ({}) AND NOT {}
        """,
        list(ids), _is_taken_back(back, "later.id"),
    )  # fmt: skip
    first = sql(
        """
        SELECT m.id FROM {} made JOIN lifecycle_movement m ON m.id = made.id
        WHERE made.tab = {} AND m.membership_id = membership.id ORDER BY m.seq LIMIT 1
        """,
        back.made, TABLE,
    )  # fmt: skip
    for (number,) in rows(sql("SELECT DISTINCT pass_number FROM ({}) going ORDER BY 1 DESC", going)):
        relation = sql(
            """
            SELECT membership.subject_id, membership.id AS membership_id, membership.seq, membership.pass_number,
                   1 AS step, membership.stage_id AS from_stage, first.from_stage_id AS to_stage,
                   {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at, NULL::bigint AS transition_id,
                   {} AS reason
            FROM lifecycle_membership membership JOIN lifecycle_movement first ON first.id = ({})
            WHERE membership.id IN (SELECT id FROM ({}) going WHERE pass_number = {})
            """,
            back.now, back.now, back.source, first, going, number,
        )  # fmt: skip
        _by_version(back, relation)


def _leave(back: Back, subjects: Sql) -> None:
    """Whoever goes leaves the lifecycles into which rules have taken them."""
    relation = sql(
        """
        SELECT subject_id, id AS membership_id, seq, pass_number, 1 AS step, stage_id AS from_stage,
               NULL::bigint AS to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at,
               NULL::bigint AS transition_id, {} AS reason
        FROM lifecycle_membership WHERE subject_id IN ({}) AND ended_at IS NULL
        """,
        back.now, back.now, back.source, subjects,
    )  # fmt: skip
    _by_version(back, relation)


def _by_version(back: Back, relation: Sql) -> None:
    """Write moves by the ledger's one statement, each with the version that its membership is in."""
    known = "SELECT DISTINCT m.version_id FROM ({}) asked JOIN lifecycle_membership m ON m.id = asked.membership_id"
    for (version_id,) in rows(sql(known + " ORDER BY 1", relation)):
        version = Version.objects.select_related("lifecycle").get(pk=version_id)
        mine = sql(
            "SELECT asked.* FROM ({}) asked JOIN lifecycle_membership m ON m.id = asked.membership_id "
            "WHERE m.version_id = {}",
            relation, version_id,
        )  # fmt: skip
        stages.move_many(mine, stages.Ledgering(version, Movement.Kind.UNDO, actor_of(back.by), back.now))


WAY = rollback.Way(TABLE, _("Memberships that it moved"), _back, _take_back, undo.WORDS)
# Rules alone have moved them, or the import itself; whoever was moved by anybody else stays.
FOLLOWS = """NOT EXISTS (
    SELECT FROM lifecycle_movement m WHERE m.membership_id = h.id AND m.kind NOT IN ('rule', 'replay', 'undo')
    AND NOT EXISTS (SELECT FROM {} made WHERE made.tab = 'lifecycle_movement' AND made.id = m.id))"""


def register() -> None:
    """Tell the floor below what of a rolled back import is ours; `AppConfig.ready` calls it."""
    rollback.register(WAY, _leave)
