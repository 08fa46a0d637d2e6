"""Cohorts by day, kept by difference: what rows told before they changed is taken out, what they tell now is added."""

from __future__ import annotations

from kit.sql import Sql, join, run, sql
from lifecycle.models import Lifecycle


def differences(looked_at: Sql, fresh: Sql, path: list[str], before: list[str]) -> Sql:
    """`kind, day, origin, target, days, n`: how the cohorts change when the rows of the memberships looked at do.

    To be read before those rows are written. After a change of the success path (`before` another one) nothing is
    taken out, because all was deleted.
    """
    now = told(sql("SELECT * FROM {}", fresh), path)
    if path != before:
        return now
    entries = sql("SELECT entry.* FROM reporting_stageentry entry JOIN {} moved USING (membership_id)", looked_at)
    return sql(
        """SELECT kind, day, origin, target, days, sum(n) AS n
           FROM ({} UNION ALL SELECT kind, day, origin, target, days, -n FROM ({}) before) changes
           GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0""",
        now,
        told(entries, path),
    )


def told(entries: Sql, path: list[str]) -> Sql:
    """What stage entries (a SELECT of them) tell of the cohorts: `kind, day, origin, target, days, n`."""
    stages = sql("{}::text[]", path)
    parts = [
        sql(
            """SELECT 'entered' AS kind, day, origin, ''::text AS target, 0 AS days, count(*) AS n
               FROM begun GROUP BY day, origin"""
        ),
        sql(
            """SELECT 'reached', day, origin, stage.slug, begun.reached[stage.place], count(*)
               FROM begun JOIN stages stage ON begun.reached[stage.place] IS NOT NULL AND stage.place >= begun.position
               GROUP BY 2, 3, 4, 5"""
        ),
        sql(
            """SELECT 'strict', day, origin, stage.slug, begun.strict[stage.place], count(*)
               FROM begun JOIN stages stage ON begun.strict[stage.place] IS NOT NULL
               WHERE origin <> '' GROUP BY 2, 3, 4, 5"""
        ),
        sql(
            """SELECT 'velocity', day, ({})[placed.position - 1], to_stage, from_previous, count(*)
               FROM placed WHERE from_previous IS NOT NULL GROUP BY 2, 3, 4, 5""",
            stages,
        ),
        sql(
            """SELECT 'velocity', day, ({})[1], to_stage, from_first, count(*)
               FROM placed WHERE from_first IS NOT NULL AND position > 2 AND position = {} GROUP BY 2, 3, 4, 5""",
            stages,
            len(path),
        ),
    ]
    return sql(
        """
        SELECT kind, day, origin, target, days, n FROM (
            WITH stages AS (SELECT slug, place FROM unnest({}) WITH ORDINALITY AS stage(slug, place)),
            rows_asked AS ({}),
            placed AS (
                SELECT day, seq, to_stage, is_first, reached, strict, from_previous, from_first,
                       COALESCE(array_position({}, to_stage::text), 0) AS position
                FROM rows_asked
            ),
            begun AS (
                SELECT day, to_stage::text AS origin, position, reached, strict FROM placed
                WHERE is_first AND position > 0
                UNION ALL
                SELECT day, '', 0, reached, strict FROM placed WHERE seq = 1
            )
            {}
        ) cohorts
        """,
        stages,
        entries,
        stages,
        join(" UNION ALL ", parts),
    )


def summed(lifecycle: Lifecycle, differences: Sql) -> Sql:
    """What the cohorts that change will hold: what they held and the differences (a table of them)."""
    return sql(
        """
        SELECT kind, day, origin, target, array_agg(days ORDER BY days) AS days, array_agg(n ORDER BY days) AS counts
        FROM (
            SELECT kind, day, origin, target, days, sum(n)::int AS n FROM (
                SELECT kind, day, origin, target, days, n FROM {} differences
                UNION ALL
                SELECT cohort.kind, cohort.day, cohort.origin, cohort.target, kept.days, kept.n
                FROM reporting_dailycohort cohort, unnest(cohort.days, cohort.counts) kept(days, n)
                WHERE cohort.lifecycle_id = {}
                  AND (cohort.kind, cohort.day, cohort.origin, cohort.target) IN ({})
            ) changes GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0
        ) sums GROUP BY 1, 2, 3, 4
        """,
        differences,
        lifecycle.pk,
        _touched(differences),
    )


def write(lifecycle: Lifecycle, differences: Sql, sums: Sql) -> None:
    """Put the sums (a table of them) in place of the cohorts that change."""
    run(
        sql(
            "DELETE FROM reporting_dailycohort WHERE lifecycle_id = {} AND (kind, day, origin, target) IN ({})",
            lifecycle.pk,
            _touched(differences),
        )
    )
    run(
        sql(
            """INSERT INTO reporting_dailycohort (lifecycle_id, kind, day, origin, target, days, counts)
               SELECT {}, kind, day, origin, target, days, counts FROM {} sums""",
            lifecycle.pk,
            sums,
        )
    )


def _touched(differences: Sql) -> Sql:
    return sql("SELECT kind, day, origin, target FROM {} differences", differences)
