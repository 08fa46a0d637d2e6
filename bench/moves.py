"""A ledger of ten moves for each of the made-up people, forward, back and through a detour, over two years."""

from __future__ import annotations

from datetime import datetime

from kit.sql import Sql, join, sql
from kit.sql import run as execute
from lifecycle.editions import documents, versions
from lifecycle.models import Lifecycle, Version

SLUG = "movements"
PATH = ("known", "engaged", "qualified", "accepted", "open", "won")
NOTE = """
lifecycle: movements
name: Movements
species: net_new
entry: {not: {}}
stages:
  - {slug: known, name: Known}
  - {slug: engaged, name: Engaged}
  - {slug: qualified, name: Qualified}
  - {slug: accepted, name: Accepted}
  - {slug: open, name: Open}
  - {slug: won, name: Won, kind: terminal}
  - {slug: resting, name: Resting, path: detour}
  - {slug: lost, name: Lost, path: detour, kind: terminal}
transitions:
  - {from: known, to: engaged, by_hand: true}
  - {from: open, to: won, by_hand: true}
"""
# Ways through the stages (1 to 6 along the path, 7 rests, 8 is lost), ten moves on average.
WAYS = (
    (1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6), (1, 2, 7, 2, 3, 7, 3, 4, 5, 6), (1, 2, 3, 7, 2, 3, 7, 2, 3, 8),
    (1, 3, 2, 3, 4, 7, 4, 5, 4, 5, 6), (1, 2, 1, 2, 7, 1, 2, 3, 8), (1, 2, 3, 4, 7, 3, 4, 7, 3),
    (1, 2, 7, 1, 2, 7, 1, 2, 7), (1, 2, 3, 4, 5, 4, 5, 4, 5, 6),
)  # fmt: skip
DAYS = 730


def fill(now: datetime) -> Lifecycle:
    """Everybody on one of the ways since a day within two years, at most as far as `now`."""
    version = versions.draft(documents.parse(NOTE), by=None, now=now)
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now, looked_until=now)
    known = dict(version.stages.values_list("order", "pk"))
    ways = join(
        " UNION ALL ", [sql("SELECT {}, {}::bigint[]", n, [known[each] for each in way]) for n, way in enumerate(WAYS)]
    )
    execute(Sql("SET session_replication_role = replica"))
    execute(Sql("SELECT setseed(0.42)"))
    execute(
        sql(
            """CREATE UNLOGGED TABLE work.bench_moves AS
               WITH ways (n, stages) AS MATERIALIZED ({}),
               member AS MATERIALIZED (
                   SELECT p.id AS person_id, w.stages, {} - random() * interval '{} days' AS begun, random() AS pace
                   FROM audience_person p JOIN ways w ON w.n = p.id %% {})
               SELECT * FROM (
                   SELECT m.person_id, at.seq, m.stages[at.seq - 1] AS from_stage, m.stages[at.seq] AS to_stage,
                          m.begun + ((at.seq - 1) * (7 + m.pace * 45) + (m.person_id * at.seq) %% 7) * interval '1 day' AS occurred_at
                   FROM member m, generate_series(1, 12) at (seq) WHERE at.seq <= cardinality(m.stages)) moves
               WHERE occurred_at < {}""",
            ways, now, Sql(str(DAYS)), len(WAYS), now,
        )
    )  # fmt: skip
    execute(
        sql(
            """INSERT INTO lifecycle_membership (lifecycle_id, person_id, version_id, stage_id, pass_number, seq, entered_at,
                                                 ended_at)
               SELECT {}, last.person_id, {}, last.to_stage, 1, last.seq, last.occurred_at,
                      CASE WHEN s.kind = 'terminal' THEN last.occurred_at END
               FROM (SELECT person_id, max(seq) AS seq FROM work.bench_moves GROUP BY 1) reached
               JOIN work.bench_moves last USING (person_id, seq) JOIN lifecycle_stage s ON s.id = last.to_stage""",
            version.lifecycle_id,
            version.pk,
        )
    )
    execute(
        sql(
            """INSERT INTO lifecycle_movement (membership_id, version_id, seq, from_stage_id, to_stage_id, occurred_at,
                                               evidence_at, recorded_at, kind, reason, actor)
               SELECT m.id, m.version_id, v.seq, v.from_stage, v.to_stage, v.occurred_at,
                      v.occurred_at - (m.id %% 3) * interval '1 day', v.occurred_at, 'rule', '', 'bench'
               FROM work.bench_moves v JOIN lifecycle_membership m ON m.person_id = v.person_id AND m.lifecycle_id = {}
               ORDER BY v.occurred_at""",
            version.lifecycle_id,
        )
    )
    execute(Sql("SET session_replication_role = DEFAULT"))
    execute(Sql("DROP TABLE work.bench_moves"))
    execute(Sql("VACUUM ANALYZE lifecycle_membership, lifecycle_movement"))
    return version.lifecycle
