"""What truly happened beside the rules: the ledger in the time span of a backtest, and whom people or files have moved.

All is as the ledger was known when the backtest was asked for. Stages are told by their slugs, whatever version had
them; passes of a publication that was taken back are in nothing.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from kit.sql import Sql, dicts, name, run, sql, value
from lifecycle.backtests import spans
from lifecycle.backtests.spans import Span
from lifecycle.ledger import ledgers
from lifecycle.ledger.ledgers import Ledger
from lifecycle.models import Backtest, Movement, Stage
from lifecycle.models.backtest import Moved

RULE, OTHER = "rule", "other"
HAND, FILE, HANDOFF = (each.value for each in (Moved.Cause.HAND, Moved.Cause.FILE, Moved.Cause.HANDOFF))
CAUSES = (RULE, HAND, FILE, HANDOFF, OTHER)  # in the order of the page
Kind = Movement.Kind


def ledger(backtest: Backtest) -> Ledger:
    """The lifecycle's real ledger, as it was known when the backtest was asked for."""
    memberships = sql(
        """(SELECT pass.* FROM lifecycle_membership pass JOIN lifecycle_version edition ON edition.id = pass.version_id
            WHERE pass.lifecycle_id = {} AND edition.state <> 'withdrawn')""",
        backtest.version.lifecycle_id,
    )
    movements = sql(
        """(SELECT known.* FROM lifecycle_movement known JOIN lifecycle_version edition ON edition.id = known.version_id
            WHERE edition.lifecycle_id = {} AND known.recorded_at <= {})""",
        backtest.version.lifecycle_id,
        backtest.created_at,
    )
    return Ledger(memberships, movements, ledgers.REAL.waiting)


def is_there(backtest: Backtest) -> bool:
    """Whether anything has happened yet: a first draft has no ledger beside it."""
    return bool(value(sql("SELECT EXISTS (SELECT FROM {} pass)", ledger(backtest).memberships)))


def stages(backtest: Backtest, span: Span) -> list[dict[str, Any]]:
    """Each stage's balance at either end of the time span, and who came and left between, also by cause.

    Every stage of either version, and whatever other stage of an earlier one held somebody or was passed through.
    Balance before + came − left = balance after, for every stage.
    """
    found = dicts(
        sql(
            """
            SELECT side.slug, moves.cause,
                   count(*) FILTER (WHERE comes AND at < {}) - count(*) FILTER (WHERE NOT comes AND at < {}) AS before,
                   count(*) FILTER (WHERE comes AND at >= {}) AS came,
                   count(*) FILTER (WHERE NOT comes AND at >= {}) AS "left"
            FROM ({}) moves CROSS JOIN LATERAL (VALUES (to_stage, true), (from_stage, false)) side (slug, comes)
            WHERE side.slug <> '' GROUP BY 1, 2
            """,
            span.begins,
            span.begins,
            span.begins,
            span.begins,
            _moves(backtest, span),
        )
    )
    told = {stage.slug: _nothing(stage) for stage in _stages_in_order(backtest)}
    for row in found:
        line, cause = told[row["slug"]], row["cause"]
        line["before"] += row["before"]
        line["came"] += row["came"]
        line["left"] += row["left"]
        line["came_by"][cause], line["left_by"][cause] = row["came"], row["left"]
    for line in told.values():
        line["after"] = line["before"] + line["came"] - line["left"]
    present = {stage.slug for stage in backtest.version.stages.all()}
    if backtest.against:
        present |= {stage.slug for stage in backtest.against.stages.all()}
    return [line for slug, line in told.items() if slug in present or line["before"] or line["came"]]


def clocks(backtest: Backtest, span: Span) -> dict[str, Any]:
    """How many moves happened in the time span, and how many of them, but for a replay's, were written down later."""
    [found] = dicts(
        sql(
            """SELECT count(*) AS moves, count(*) FILTER (WHERE kind <> 'replay' AND recorded_at >= {}) AS late
               FROM ({}) moves WHERE at >= {}""",
            span.ends,
            _moves(backtest, span),
            span.begins,
        )
    )
    return found


def movements(backtest: Backtest, cause: str = "") -> QuerySet[Movement]:
    """The moves in the time span that are counted for the stages, of one cause or of all."""
    span = spans.of(backtest)
    told = sql("SELECT id FROM ({}) moves WHERE at >= {}", _moves(backtest, span), span.begins)
    if cause:
        told = sql("{} AND cause = {}", told, cause)
    return Movement.objects.filter(pk__in=RawSQL(told.text, told.params))  # noqa: S611 - values are bound


def note_moved(backtest: Backtest, span: Span, tried: Ledger, live: Ledger) -> None:
    """Whom a hand, a file or an answer of sales moved in the time span, as rows (`Moved`)."""
    person = backtest.version.lifecycle.of == "person"
    nowhere = Sql("SELECT NULL::bigint AS subject_id, NULL::text AS slug WHERE false")
    backtest.moved.all().delete()
    run(
        sql(
            """
            INSERT INTO lifecycle_moved (backtest_id, person_id, account_id, cause, moves, moved_at, recorded_at,
                                         from_stage, to_stage, stood, tried_stood, live_stood)
            SELECT {}, CASE WHEN {} THEN subject_id END, CASE WHEN {} THEN subject_id END, last.cause, last.moves,
                   last.at, last.recorded_at, last.from_stage, last.to_stage, COALESCE(stood.slug, ''),
                   COALESCE(tried.slug, ''), COALESCE(beside.slug, '')
            FROM (
                SELECT DISTINCT ON (subject_id) *, count(*) OVER (PARTITION BY subject_id) AS moves FROM ({}) moves
                WHERE at >= {} AND cause = ANY ({}) ORDER BY subject_id, at DESC, pass_number DESC, seq DESC
            ) last
            LEFT JOIN ({}) stood USING (subject_id) LEFT JOIN ({}) tried USING (subject_id)
            LEFT JOIN ({}) beside USING (subject_id)
            """,
            backtest.pk,
            person,
            not person,
            _moves(backtest, span),
            span.begins,
            [HAND, FILE, HANDOFF],
            _stood(ledger(backtest), backtest, span),
            _stood(tried, backtest, span),
            _stood(live, backtest, span) if backtest.against_id else nowhere,
        )
    )


def moved(backtest: Backtest) -> dict[str, dict[str, int]]:
    """By cause: how many were moved, and how many of them either side's rules would have elsewhere at the end."""
    found = dicts(
        sql(
            """SELECT cause, count(*) AS subjects, count(*) FILTER (WHERE tried_stood <> stood) AS tried,
                      count(*) FILTER (WHERE live_stood <> stood) AS live
               FROM lifecycle_moved WHERE backtest_id = {} GROUP BY 1""",
            backtest.pk,
        )
    )
    by_cause = {row.pop("cause"): row for row in found}
    figures = ("subjects", "tried", "live") if backtest.against_id else ("subjects", "tried")
    return {cause: {key: by_cause.get(cause, {}).get(key, 0) for key in figures} for cause in (HAND, FILE, HANDOFF)}


def _moves(backtest: Backtest, span: Span) -> Sql:
    """Every move before the end of the time span with its cause, and both its stages by their slugs (empty: none).

    Another edition of the same stage is no move. What sales answered, and a “not now” that comes back on its day, is
    neither a rule's work nor somebody's who moves cards: it is told apart.
    """
    known = ledger(backtest)
    return sql(
        """
        SELECT movement.id, membership.subject_id, membership.pass_number, movement.seq, movement.occurred_at AS at,
               movement.recorded_at, movement.kind, COALESCE(source.slug, '') AS from_stage,
               COALESCE(target.slug, '') AS to_stage,
               CASE WHEN movement.kind = ANY ({}) AND EXISTS (
                        SELECT FROM lifecycle_handoff held
                        WHERE held.membership_id = movement.membership_id AND held.seq = movement.seq - 1
                          AND held.state IN ('accepted', 'rejected', 'not_now')
                          AND held.route IN ('page', 'link', 'api')
                    ) THEN {}
                    WHEN movement.kind = {} AND movement.transition_id IS NULL AND EXISTS (
                        SELECT FROM lifecycle_handoff held
                        WHERE held.membership_id = movement.membership_id AND held.state = 'not_now'
                          AND held.returned_at = movement.recorded_at
                    ) THEN {}
                    WHEN movement.kind = ANY ({}) THEN {} WHEN movement.kind = ANY ({}) THEN {}
                    WHEN movement.kind = {} THEN {} ELSE {} END AS cause
        FROM {} movement JOIN {} membership ON membership.id = movement.membership_id
        JOIN {} subject ON subject.id = membership.subject_id AND NOT subject.is_excluded
            AND subject.erased_at IS NULL
        LEFT JOIN lifecycle_stage source ON source.id = movement.from_stage_id
        LEFT JOIN lifecycle_stage target ON target.id = movement.to_stage_id
        WHERE movement.occurred_at < {} AND source.slug IS DISTINCT FROM target.slug
        """,
        [Kind.HAND.value, Kind.API.value],
        HANDOFF,
        Kind.RULE.value,
        HANDOFF,
        [Kind.RULE.value, Kind.REPLAY.value],
        RULE,
        [Kind.HAND.value, Kind.API.value, Kind.PLACEMENT.value],
        HAND,
        Kind.IMPORT.value,
        FILE,
        OTHER,
        known.movements,
        known.memberships,
        name(f"audience_{backtest.version.lifecycle.of}"),
        span.ends,
    )


def _stood(side: Ledger, backtest: Backtest, span: Span) -> Sql:
    """In which stage each subject stood when the time span ended, by its newest pass: subject_id, slug."""
    return sql(
        """SELECT DISTINCT ON (membership.subject_id) membership.subject_id, stage.slug
           FROM {} movement JOIN {} membership ON membership.id = movement.membership_id
           LEFT JOIN lifecycle_stage stage ON stage.id = movement.to_stage_id
           WHERE membership.lifecycle_id = {} AND movement.occurred_at < {}
           ORDER BY membership.subject_id, membership.pass_number DESC, movement.seq DESC""",
        side.movements,
        side.memberships,
        backtest.version.lifecycle_id,
        span.ends,
    )


def _stages_in_order(backtest: Backtest) -> list[Stage]:
    """Every stage that any version has or had, each slug once: those of the version first, then of the newer ones."""
    every = Stage.objects.filter(version__lifecycle=backtest.version.lifecycle_id)
    found: dict[str, Stage] = {stage.slug: stage for stage in backtest.version.stages.order_by("order")}
    for stage in every.order_by("-version__number", "order"):
        found.setdefault(stage.slug, stage)
    return list(found.values())


def _nothing(stage: Stage) -> dict[str, Any]:
    none = dict.fromkeys(CAUSES, 0)
    told = {"slug": stage.slug, "name": stage.name, "path": stage.path, "before": 0, "came": 0, "left": 0}
    return told | {"came_by": dict(none), "left_by": dict(none)}
