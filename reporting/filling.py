"""Filling the tables that pages read from the ledger: only what changed, in sets, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from kit import installation
from kit.instance import HERE
from kit.sql import Sql, join, name, rows, run, sql, value
from lifecycle.models import Lifecycle
from reporting import cohorts, plans
from reporting.models import Fill


@dataclass(frozen=True)
class Filled:
    """What one fill did: the memberships it looked at, and the days whose flows it counted again."""

    memberships: int
    days: int


def fill(lifecycle: Lifecycle, *, now: datetime) -> Filled:
    """Bring the tables of one lifecycle up to the ledger. What is committed when it begins is in when it returns.

    One transaction under a lock of the lifecycle's row in `Fill`: two fills wait for each other, one that broke off
    leaves nothing. The cost follows the memberships that moved, not the total; a change of the zone or of the success
    path, and a restored database, look at all.
    """
    with transaction.atomic():
        Fill.objects.get_or_create(lifecycle=lifecycle)
        reached = Fill.objects.select_for_update().get(lifecycle=lifecycle)
        # Few large statements: room to hash in memory; compiling them costs more than it saves.
        run(Sql("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"))
        # Read before the ledger: whatever commits later is not in it, and the next fill looks at that.
        [(snapshot, horizon, place)] = rows(
            sql("SELECT now::text, pg_snapshot_xmin(now)::text::bigint, {} FROM pg_current_snapshot() now", HERE)
        )
        exclusions = value(Sql("SELECT count(*) FROM audience_fieldchange WHERE field = 'is_excluded'"))
        zone = str(installation.zone())
        path = _path(lifecycle)

        moved = _moved(lifecycle, reached, place, zone, path, exclusions)
        if path != reached.path:
            run(sql("DELETE FROM reporting_dailycohort WHERE lifecycle_id = {}", lifecycle.pk))
        filled = _refill(lifecycle, moved, zone, path, before=reached.path) if moved else Filled(0, 0)

        reached.snapshot, reached.through_xid, reached.place = snapshot, horizon, place
        reached.exclusions_seen, reached.zone, reached.path, reached.filled_at = exclusions, zone, path, now
        reached.save()
    return filled


def fill_all(now: datetime) -> dict[str, Filled]:
    """Fill every lifecycle that has left its draft; by slug what was done."""
    return {lifecycle.slug: fill(lifecycle, now=now) for lifecycle in plans.readable()}


def _path(lifecycle: Lifecycle) -> list[str]:
    """The stages of the success path, in order, as reports show them now."""
    plan = plans.read(lifecycle)
    return [place.slug for place in plan.success] if plan else []


def _moved(lifecycle: Lifecycle, reached: Fill, place: str, zone: str, path: list[str], exclusions: int) -> Sql | None:
    """The ids of the memberships whose rows may be out of date; None when there are none."""
    if (reached.place, reached.zone, reached.path) != (place, zone, path):
        return sql("SELECT id AS membership_id FROM lifecycle_membership WHERE lifecycle_id = {}", lifecycle.pk)
    moved = sql(
        """SELECT DISTINCT membership_id FROM lifecycle_movement
           WHERE xid >= {} AND version_id = ANY({})
             AND (NOT pg_visible_in_snapshot(xid::text::xid8, {}::pg_snapshot)
                  -- A snapshot counts its own transaction as seen, which may have gone on writing.
                  OR xid::text::xid8 = pg_current_xact_id_if_assigned())""",
        reached.through_xid,  # finds the blocks
        list(lifecycle.versions.values_list("pk", flat=True)),
        reached.snapshot,  # a long transaction elsewhere holds the first back, not this
    )
    if reached.exclusions_seen != exclusions:
        return sql("{} UNION {}", moved, _left_out_or_back_in(lifecycle))
    return moved if value(sql("SELECT EXISTS ({})", moved)) else None


def _left_out_or_back_in(lifecycle: Lifecycle) -> Sql:
    """Memberships that are counted and should not be, or the other way round. Looks at the rows themselves, so that
    it does not matter in which order the changes were committed."""
    return sql(
        """SELECT membership.id FROM lifecycle_membership membership
           LEFT JOIN audience_person person ON person.id = membership.person_id
           LEFT JOIN audience_account account ON account.id = membership.account_id
           WHERE membership.lifecycle_id = {} AND COALESCE(person.is_excluded, account.is_excluded)
               = EXISTS (SELECT FROM reporting_stageentry entry WHERE entry.membership_id = membership.id)""",
        lifecycle.pk,
    )


def _refill(lifecycle: Lifecycle, moved: Sql, zone: str, path: list[str], *, before: list[str]) -> Filled:
    with (
        _work_table(f"fill_moved_{lifecycle.pk}", moved) as looked_at,
        _work_table(f"fill_moves_{lifecycle.pk}", entries(looked_at, zone, path), index=True) as moves,
        _work_table(f"fill_fresh_{lifecycle.pk}", ways(moves, len(path))) as fresh,
        _work_table(f"fill_days_{lifecycle.pk}", Sql("SELECT NULL::date AS day WHERE false")) as days,
        _work_table(f"fill_cohorts_{lifecycle.pk}", cohorts.differences(looked_at, fresh, path, before)) as differences,
    ):
        _writeentries(lifecycle, looked_at, fresh, days)
        run(sql("ANALYZE {}", days))
        _write_flows(lifecycle, days)
        with _work_table(f"fill_sums_{lifecycle.pk}", cohorts.summed(lifecycle, differences)) as sums:
            cohorts.write(lifecycle, differences, sums)
        return Filled(
            memberships=value(sql("SELECT count(*) FROM {}", looked_at)),
            days=value(sql("SELECT count(DISTINCT day) FROM {}", days)),
        )


def entries(
    looked_at: Sql, zone: str, path: list[str], *, known: datetime | None = None, before: datetime | None = None
) -> Sql:
    """The moves that count, out of the ledger, each with its place along the success path (0: off it).

    With `before` only those that had happened by that instant, with `known` only those written by then; each leaves
    the stage to which the one before it led.
    """
    ledger = Sql("lifecycle_movement")
    clocks = [sql(f"{column} < {{}}", at) for column, at in (("recorded_at", known), ("occurred_at", before)) if at]
    if clocks:
        ledger = sql(
            """(SELECT membership_id, version_id, seq, occurred_at, evidence_at, recorded_at, kind, to_stage_id,
                       lag(to_stage_id) OVER (PARTITION BY membership_id ORDER BY seq) AS from_stage_id
                FROM lifecycle_movement WHERE {})""",
            join(" AND ", clocks),
        )
    return sql(
        """
        WITH moves AS (
            SELECT movement.membership_id, movement.version_id, movement.seq, movement.occurred_at,
                   COALESCE(source.slug, '') AS from_stage, COALESCE(target.slug, '') AS to_stage,
                   (movement.occurred_at AT TIME ZONE {})::date AS day,
                   (movement.evidence_at AT TIME ZONE {})::date AS evidence_day,
                   movement.kind = 'migration' AS by_version,
                   movement.kind <> 'replay' AND date_trunc('month', movement.recorded_at AT TIME ZONE {})
                       > date_trunc('month', movement.occurred_at AT TIME ZONE {}) AS recorded_late
            FROM {} moved
            JOIN lifecycle_membership membership ON membership.id = moved.membership_id
            JOIN {} movement ON movement.membership_id = membership.id
            LEFT JOIN lifecycle_stage source ON source.id = movement.from_stage_id
            LEFT JOIN lifecycle_stage target ON target.id = movement.to_stage_id
            LEFT JOIN audience_person person ON person.id = membership.person_id
            LEFT JOIN audience_account account ON account.id = membership.account_id
            JOIN lifecycle_version edition ON edition.id = membership.version_id AND edition.state <> 'withdrawn'
            WHERE source.slug IS DISTINCT FROM target.slug
              AND NOT COALESCE(person.is_excluded, account.is_excluded)
        )
        SELECT *,
               CASE WHEN from_stage <> '' THEN lag(day) OVER along END AS since_day,
               CASE WHEN from_stage <> '' THEN evidence_day - lag(evidence_day) OVER along END AS stay_days,
               CASE WHEN to_stage <> '' THEN lead(day) OVER along END AS until_day,
               to_stage <> '' AND NOT by_version
                   AND row_number() OVER (PARTITION BY membership_id, to_stage ORDER BY seq) = 1 AS is_first,
               COALESCE(array_position({}::text[], to_stage::text), 0) AS position
        FROM moves WINDOW along AS (PARTITION BY membership_id ORDER BY seq)
        """,
        zone,
        zone,
        zone,
        zone,
        looked_at,
        ledger,
        path,
    )


def ways(moves: Sql, stages: int) -> Sql:
    """The rows as they should be: the moves, each with how soon the stages of the success path were reached from it."""
    return sql(
        """
        WITH RECURSIVE begun AS (
            SELECT membership_id, seq, day FROM {} moves WHERE (is_first AND position > 0) OR seq = 1
        ), reached AS (
            SELECT begun.membership_id, begun.seq, {} AS reached
            FROM begun
            LEFT JOIN {} later ON later.membership_id = begun.membership_id AND later.seq >= begun.seq
                AND NOT later.by_version
            GROUP BY begun.membership_id, begun.seq, begun.day
        ), along AS (
            SELECT membership_id, seq AS start, day AS begun, position, seq, day FROM {} moves
            WHERE is_first AND position > 0
            UNION ALL
            SELECT along.membership_id, along.start, along.begun, onward.position, onward.seq, onward.day
            FROM along CROSS JOIN LATERAL (
                SELECT position, seq, day FROM {} onward
                WHERE onward.membership_id = along.membership_id AND onward.position = along.position + 1
                  AND onward.seq > along.seq AND NOT onward.by_version
                ORDER BY onward.seq LIMIT 1
            ) onward
        ), strict AS (
            SELECT membership_id, start AS seq, {} AS strict FROM along GROUP BY membership_id, start, begun
        )
        SELECT moves.*, reached.reached, strict.strict,
               moves.evidence_day - previous.evidence_day AS from_previous,
               moves.evidence_day - first.evidence_day AS from_first
        FROM {} moves
        LEFT JOIN reached USING (membership_id, seq)
        LEFT JOIN strict USING (membership_id, seq)
        LEFT JOIN {} previous ON moves.is_first AND moves.position > 1 AND previous.membership_id = moves.membership_id
            AND previous.position = moves.position - 1 AND previous.is_first AND previous.seq < moves.seq
        LEFT JOIN {} first ON moves.is_first AND moves.position > 1 AND first.membership_id = moves.membership_id
            AND first.position = 1 AND first.is_first AND first.seq < moves.seq
        """,
        moves,
        _days_to(stages, "later.day", "later.position >=", "begun.day"),
        moves,
        moves,
        moves,
        _days_to(stages, "day", "position =", "begun"),
        moves,
        moves,
        moves,
    )


def _days_to(stages: int, day: str, reaches: str, begun: str) -> Sql:
    """An array over the success path: the days from `begun` to the first day that reaches each stage."""
    each = [sql(f"min({day}) FILTER (WHERE {reaches} {{}}) - {begun}", number) for number in range(1, stages + 1)]
    return sql("ARRAY[{}]::int[]", join(", ", each))


def _writeentries(lifecycle: Lifecycle, looked_at: Sql, fresh: Sql, days: Sql) -> None:
    """Write only the rows that differ, and note the days whose flows that changes."""
    counted = Sql(
        """(entry.version_id, entry.from_stage, entry.to_stage, entry.occurred_at, entry.day, entry.evidence_day,
            entry.since_day, entry.stay_days, entry.is_first, entry.by_version)
           IS NOT DISTINCT FROM
           (fresh.version_id, fresh.from_stage, fresh.to_stage, fresh.occurred_at, fresh.day, fresh.evidence_day,
            fresh.since_day, fresh.stay_days, fresh.is_first, fresh.by_version)"""
    )
    same = Sql("entry.membership_id = fresh.membership_id AND entry.seq = fresh.seq")
    run(
        sql(
            """
            WITH gone AS (
                DELETE FROM reporting_stageentry entry USING {} moved
                WHERE entry.membership_id = moved.membership_id
                  AND NOT EXISTS (SELECT FROM {} fresh WHERE {} AND {})
                RETURNING entry.day
            )
            INSERT INTO {} SELECT DISTINCT day FROM gone
            """,
            looked_at,
            fresh,
            same,
            counted,
            days,
        )
    )
    # What came after a move is no part of any day's flow: each later move is a row of its own.
    run(
        sql(
            """UPDATE reporting_stageentry entry
               SET until_day = fresh.until_day, reached = fresh.reached, strict = fresh.strict,
                   from_previous = fresh.from_previous, from_first = fresh.from_first,
                   recorded_late = fresh.recorded_late
               FROM {} fresh
               WHERE {} AND (entry.until_day, entry.reached, entry.strict, entry.from_previous, entry.from_first,
                         entry.recorded_late)
                   IS DISTINCT FROM
                   (fresh.until_day, fresh.reached, fresh.strict, fresh.from_previous, fresh.from_first,
                    fresh.recorded_late)""",
            fresh,
            same,
        )
    )
    run(
        sql(
            """
            WITH written AS (
                INSERT INTO reporting_stageentry
                    (membership_id, lifecycle_id, version_id, seq, from_stage, to_stage, occurred_at, day,
                     evidence_day, since_day, stay_days, until_day, is_first, by_version, reached, strict,
                     from_previous, from_first, recorded_late)
                SELECT membership_id, {}, version_id, seq, from_stage, to_stage, occurred_at, day,
                       evidence_day, since_day, stay_days, until_day, is_first, by_version, reached, strict,
                       from_previous, from_first, recorded_late
                FROM {} fresh
                WHERE NOT EXISTS (SELECT FROM reporting_stageentry entry WHERE {})
                ORDER BY day, membership_id, seq
                RETURNING day
            )
            INSERT INTO {} SELECT DISTINCT day FROM written
            """,
            lifecycle.pk,
            fresh,
            same,
            days,
        )
    )


def _write_flows(lifecycle: Lifecycle, days: Sql) -> None:
    """Count the flows of these days again, whole."""
    of_days = sql("lifecycle_id = {} AND day IN (SELECT day FROM {})", lifecycle.pk, days)
    run(sql("DELETE FROM reporting_dailyflow WHERE {}", of_days))
    run(
        sql(
            """
            INSERT INTO reporting_dailyflow
                (day, lifecycle_id, version_id, from_stage, to_stage, by_version, count, stay_days, stay_counts)
            SELECT day, {}, version_id, from_stage, to_stage, by_version, sum(n),
                   COALESCE(array_agg(stay_days ORDER BY stay_days) FILTER (WHERE stay_days IS NOT NULL), '{{}}'),
                   COALESCE(array_agg(n ORDER BY stay_days) FILTER (WHERE stay_days IS NOT NULL), '{{}}')
            FROM (
                SELECT day, version_id, from_stage, to_stage, by_version, stay_days, count(*)::int AS n
                FROM reporting_stageentry
                -- All stages there are, named: that lets the index (lifecycle, stage, day) find a few days.
                WHERE {} AND to_stage = ANY({})
                GROUP BY 1, 2, 3, 4, 5, 6
            ) stays
            GROUP BY 1, 3, 4, 5, 6
            """,
            lifecycle.pk,
            of_days,
            ["", *_slugs(lifecycle)],
        )
    )


def _slugs(lifecycle: Lifecycle) -> list[str]:
    return list(lifecycle.versions.values_list("stages__slug", flat=True).distinct().exclude(stages__slug=None))


@contextmanager
def _work_table(table: str, content: Sql, *, index: bool = False) -> Iterator[Sql]:
    """A table of passing work for the length of the block; the fill's lock keeps its name free. Gone after an error
    too, with the transaction."""
    full = sql("work.{}", name(table))
    run(sql("CREATE UNLOGGED TABLE {} AS {}", full, content))
    if index:
        run(sql("CREATE INDEX ON {} (membership_id, position, seq)", full))
    run(sql("ANALYZE {}", full))
    yield full
    run(sql("DROP TABLE {}", full))
