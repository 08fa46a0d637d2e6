"""What became of the limits of stages, as conditions ask it: met, missed, past due, and for how many working hours.

Of a subject's newest pass. A limit is met by whoever leaves the stage in time, wherever to; missed when it is over and
they are still there, whatever they do later, or when it is what moved them; past due while they are. Whom another
version takes away before it is over has neither met nor missed it; a new edition of the stage lets the stay go on, by
the limit of its own. Deadlines are told by today's working calendar of the stage, as reports tell them.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from audience.conditions.moment import Span
from audience.conditions.operators import fold
from audience.conditions.registry import Ask
from kit.sql import Sql, sql
from lifecycle.engine import sla
from lifecycle.ledger import ledgers, whereabouts

MET, MISSED, PAST_DUE = "met", "missed", "past_due"
CHOICES = ((MET, _("met")), (MISSED, _("missed")), (PAST_DUE, _("past due")))
EDITION = Sql("(v.kind = 'migration' AND source.slug IS NOT DISTINCT FROM stage.slug)")


def standing(slug: str, ask: Ask) -> Sql:
    """Which of the words asked for hold of each subject, and since when one does: a deadline, or a leaving in time."""
    wanted = ask.operand if isinstance(ask.operand, tuple) else (ask.operand,)
    return sql(
        """SELECT subject_id, array_agg(DISTINCT word) AS value, min(since) AS evidence FROM (
               SELECT limited.subject_id, told.word, told.since FROM ({}) limited CROSS JOIN LATERAL (VALUES
                   ('met', limited.left_at,
                    limited.left_at <= limited.due_at AND limited.left_by <> 'migration' AND NOT limited.by_limit),
                   ('missed', GREATEST(limited.due_at, limited.came_at),
                    limited.due_at < COALESCE(limited.left_at, {}) OR limited.by_limit),
                   ('past_due', GREATEST(limited.due_at, limited.came_at),
                    limited.left_at IS NULL AND limited.due_at < {})) told (word, since, holds)
               WHERE told.holds AND told.word = ANY ({})) words
           GROUP BY subject_id""",
        _limited(slug, ask),
        ask.moment.at,
        ask.moment.at,
        [fold(each) for each in wanted],
    )


def hours_over(slug: str, ask: Ask) -> Sql:
    """The whole working hours since the deadline, of each subject who is past due."""
    at = sql("{}::timestamptz", ask.moment.at)
    return sql(
        """SELECT subject_id, (worked_at - worked_due) / {} AS value, NULL::timestamptz AS evidence
           FROM ({}) limited WHERE left_at IS NULL AND due_at < {}""",
        sla.HOUR,
        _limited(slug, ask),
        at,
    )


def touched(slug: str, ask: Ask, span: Span) -> list[Sql]:
    """Who moved, and whose limit is over between the two instants."""
    moved = whereabouts.with_movement(slug, span.within("v.occurred_at"))
    return [moved, sql("SELECT stay.subject_id FROM ({}) stay", _falling_due(slug, span))]


def touched_by_hours(slug: str, ask: Ask, span: Span) -> list[Sql]:
    """The same, and who comes to be so many hours over as a leaf asks for."""
    pieces = touched(slug, ask, span)
    for hours in ask.operator.ages(ask.operand):
        if hours > 0:
            pieces.append(
                sql(
                    """SELECT late.subject_id FROM (
                           WITH stay AS MATERIALIZED ({}), calendar AS MATERIALIZED ({})
                           SELECT stay.subject_id FROM stay JOIN calendar USING (named)
                           WHERE {} - {} < {} AND {} - {} >= {}) late""",
                    _due_since(slug, span, span.since.at - _longest(hours)),
                    sla.calendars(
                        Sql("stay"),
                        first=sql("{}::timestamptz", span.since.at - _longest(hours)),
                        last=sql("{}::timestamptz", span.until.at),
                        hours=Sql("1"),
                    ),
                    sla.worked(sql("{}::timestamptz", span.since.at)),
                    sla.worked(Sql("stay.due_at")),
                    hours * sla.HOUR,
                    sla.worked(sql("{}::timestamptz", span.until.at)),
                    sla.worked(Sql("stay.due_at")),
                    hours * sla.HOUR,
                )
            )
    return pieces


def _limited(slug: str, ask: Ask) -> Sql:
    """Every time that a subject's newest pass was in a stage with a limit, in one edition of it: `subject_id, came_at,
    due_at, left_at, left_by, by_limit, worked_at, worked_due`; not left, left_at is NULL. By limit: by the rule for it,
    which moves at the very instant."""
    ledger = ledgers.of(slug)
    return sql(
        """
        WITH moves AS (
            SELECT m.subject_id, m.pass_number, max(m.pass_number) OVER (PARTITION BY m.subject_id) AS newest, v.seq,
                   v.occurred_at, v.kind, {} AS is_edition,
                   CASE WHEN stage.kind = 'sla' AND stage.limit_hours > 0 THEN stage.limit_hours END AS hours,
                   stage.calendar AS named, COALESCE(rule.on_missed, false) AS on_missed
            FROM {} m JOIN {} v ON v.membership_id = m.id
            LEFT JOIN lifecycle_transition rule ON rule.id = v.transition_id
            LEFT JOIN lifecycle_stage stage ON stage.id = v.to_stage_id
            LEFT JOIN lifecycle_stage source ON source.id = v.from_stage_id
            WHERE {}{} AND {}
        ), stays AS (
            SELECT moves.*, lead(occurred_at) OVER along AS left_at, lead(kind) OVER along AS left_by,
                   COALESCE(lead(on_missed) OVER along, false) AS by_limit,
                   count(*) FILTER (WHERE NOT is_edition) OVER along AS stay
            FROM moves WHERE pass_number = newest WINDOW along AS (PARTITION BY subject_id ORDER BY seq)
        ), begun AS (
            SELECT stays.*, min(occurred_at) OVER (PARTITION BY subject_id, stay) AS since FROM stays
        ), limited AS MATERIALIZED (SELECT * FROM begun WHERE hours IS NOT NULL),
        calendar AS MATERIALIZED ({}), dated AS (
            SELECT limited.*, {} AS due_at FROM limited JOIN calendar USING (named)
        )
        SELECT subject_id, occurred_at AS came_at, due_at, left_at, left_by, by_limit,
               {} AS worked_at, {} AS worked_due
        FROM dated JOIN calendar USING (named)
        """,
        EDITION,
        ledger.memberships,
        ledger.movements,
        whereabouts.passes(slug),
        ask.only("m.subject_id"),
        ask.moment.counts("v"),
        sla.calendars(
            Sql("limited"),
            first=Sql("min(since)"),
            last=sql("GREATEST(max(since), {}::timestamptz)", ask.moment.at),
            hours=Sql("max(hours)"),
        ),
        sla.due(Sql("limited.since"), Sql("limited.hours")),
        sla.worked(sql("{}::timestamptz", ask.moment.at)),
        sla.worked(Sql("dated.due_at")),
    )


def _falling_due(slug: str, span: Span) -> Sql:
    return _due_since(slug, span, span.since.at)


def _due_since(slug: str, span: Span, earliest: object) -> Sql:
    """`subject_id, due_at, named` of the stays that are open at the end of the span and due from an instant on until
    then.

    Where nobody has moved since, the memberships know; whoever has is looked for in the ledger, live there is none.
    """
    ledger = ledgers.of(slug)
    return sql(
        """
        SELECT m.subject_id, m.due_at, here.calendar AS named
        FROM {} m JOIN lifecycle_stage here ON here.id = m.stage_id
        WHERE m.lifecycle_id IN (SELECT c.id FROM lifecycle_lifecycle c WHERE c.slug = {})
          AND m.ended_at IS NULL AND m.due_at >= {} AND m.due_at < {}
        UNION ALL
        SELECT dated.subject_id, dated.due_at, dated.named FROM (
            WITH later AS MATERIALIZED (
                SELECT m.subject_id, here.limit_hours AS hours, here.calendar AS named, (
                    SELECT max(v.occurred_at) FROM {} v
                    JOIN lifecycle_stage stage ON stage.id = v.to_stage_id
                    LEFT JOIN lifecycle_stage source ON source.id = v.from_stage_id
                    WHERE v.membership_id = m.id AND v.seq < gone.seq AND stage.slug = here.slug AND NOT {}) AS since
                FROM {} gone JOIN {} m ON m.id = gone.membership_id
                JOIN lifecycle_stage here ON here.id = gone.from_stage_id
                WHERE gone.occurred_at >= {} AND here.kind = 'sla' AND here.limit_hours > 0
                  AND gone.version_id IN (SELECT e.id FROM lifecycle_version e JOIN lifecycle_lifecycle c
                                          ON c.id = e.lifecycle_id WHERE c.slug = {})
            ), calendar AS MATERIALIZED ({})
            SELECT later.subject_id, later.named, {} AS due_at FROM later JOIN calendar USING (named)
        ) dated WHERE dated.due_at >= {} AND dated.due_at < {}
        """,
        ledger.memberships,
        slug,
        earliest,
        span.until.at,
        ledger.movements,
        EDITION,
        ledger.movements,
        ledger.memberships,
        span.until.at,
        slug,
        sla.calendars(Sql("later"), first=Sql("min(since)"), last=Sql("max(since)"), hours=Sql("max(hours)")),
        sla.due(Sql("later.since"), Sql("later.hours")),
        earliest,
        span.until.at,
    )


def _longest(hours: int) -> timedelta:
    """So many hours of work are over by then: at least one is worked a week, and holidays are few."""
    return timedelta(weeks=max(52, hours + 8))
