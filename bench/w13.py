"""W13: two years replayed, and a changed rule tried on them, against a day loop written for these rules alone.

The reference walks the same days. On each it looks at those who did something, were first seen, or whose last activity
left the sixty days, counts what they did by one scan, finds their way by a chain of CASE, and writes it with the same
dates. It knows that quiet days have nobody to look at. A backtest is held against two such loops, beside which the
reference compares who came to the stage by the one and by the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction

from audience import live
from bench import history, measuring
from kit import installation, jobs
from kit.sql import Sql, sql, value
from kit.sql import run as execute
from lifecycle import backtests
from lifecycle.editions import documents, versions
from lifecycle.engine import replay
from lifecycle.ledger import ledgers
from lifecycle.models import Version

DOCUMENT = """
lifecycle: walked
name: Walked
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: engaged, name: Engaged}
  - {slug: mql, name: MQL}
  - {slug: won, name: Won, kind: terminal}
  - {slug: resting, name: Resting, path: detour}
transitions:
  - {from: engaged, to: mql, when: {field: activity.count, days: 14, op: at_least, value: 4}, reason: Did a lot}
  - {from: known, to: engaged, when: {field: activity.count, days: 30, op: at_least, value: 1}, reason: Did something}
  - {from: engaged, to: resting, when: {field: activity.count, days: 60, op: equals, value: 0}, reason: Silent}
  - {from: resting, to: engaged, when: {field: activity.count, days: 7, op: at_least, value: 1}, reason: Came back}
  - {from: mql, to: won, when: {field: activity.count, where: {kind: kind_8}, days: 7, op: at_least, value: 1}, reason: Bought}
"""
LIMIT, TRIED = 4, 3  # activities within a fortnight, as the rule stands and as it is tried
WRITTEN = """SELECT m.subject_id, v.seq, v.from_stage_id, v.to_stage_id, v.occurred_at, v.evidence_at, v.transition_id
             FROM {} m JOIN {} v ON v.membership_id = m.id"""


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Two figures: the replay of all there is, and a backtest of a lower limit on the last half year."""
    now = history.fill(number, activities, without="walked")
    size = {"people": number, "activities": activities, "passes": 0}
    version = versions.draft(documents.parse(DOCUMENT), by=None, now=now)
    other = versions.draft(documents.parse(DOCUMENT.replace("value: 4", f"value: {TRIED}")), by=None, now=now)
    until = installation.midnight(now.astimezone(installation.zone()).date(), installation.zone())
    yield {"case": "replay", **size, **_replay(version, until, now, repeats), "peak_rss_mb": measuring.peak_rss_mb()}
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now, looked_until=now)
    yield {"case": "backtest", **size, **_backtest(other, version, until, now, repeats)}


def _replay(version: Version, until: datetime, now: datetime, repeats: int) -> dict[str, Any]:
    ours, theirs = ledgers.aside("bench_ours"), ledgers.aside("bench_theirs")
    passes: list[date] = []

    def replayed() -> None:
        passes.clear()
        ledgers.make(ours)
        with ledgers.instead("walked", ours):
            replay.run(version, now=now, until=until, progress=lambda step: passes.append(step.day))

    def by_hand() -> None:
        ledgers.make(theirs)
        Loop(version, theirs, LIMIT, until, now).walk()

    figure = measuring.compare(replayed, by_hand, before=measuring.nothing, repeats=repeats)
    written = [sql(WRITTEN, each.memberships, each.movements) for each in (ours, theirs)]
    differing = value(
        sql("SELECT count(*) FROM (({} EXCEPT ALL {}) UNION ALL ({} EXCEPT ALL {})) d", *written, *written[::-1])
    )
    assert differing == 0, differing
    many = value(sql("SELECT count(*) FROM {}", ours.movements))
    for each in (ours, theirs):
        ledgers.remove(each)
    return {**figure, "rows": many, "passes": len(passes)}


def _backtest(version: Version, beside: Version, until: datetime, now: datetime, repeats: int) -> dict[str, Any]:
    ends = until.astimezone(installation.zone()).date()
    asked = backtests.Asked(
        begins_on=ends - timedelta(days=180), ends_on=ends, stage="mql", horizon=1, outcome_stage="won"
    )
    one, two = ledgers.aside("bench_one"), ledgers.aside("bench_two")
    begins = installation.midnight(asked.begins_on, installation.zone())
    found: list[Any] = []

    def tried() -> None:
        made = backtests.ask(version, asked, by=None, now=now)
        assert made.job_id is not None
        jobs.run(made.job_id, now)
        found[:] = [made]

    def by_hand() -> None:
        execute(Sql("DROP TABLE IF EXISTS work.bench_reached"))
        for ledger, of, limit in ((one, version, TRIED), (two, beside, LIMIT)):
            ledgers.make(ledger)
            Loop(of, ledger, limit, until, now).walk()
        execute(sql("CREATE TABLE work.bench_reached AS {}", _reached(one, two, begins)))

    figure = measuring.compare(tried, by_hand, before=measuring.nothing, repeats=repeats)
    # Those of the ledger beside them are not asked for here.
    ours = sql(
        """SELECT subject_id, tried_at, live_at FROM lifecycle_reached
           WHERE backtest_id = {} AND GREATEST(tried_at, live_at) >= {}""",
        found[0].pk,
        begins,
    )
    theirs = Sql("SELECT * FROM work.bench_reached")
    both = (ours, theirs, theirs, ours)
    assert value(sql("SELECT count(*) FROM (({} EXCEPT ALL {}) UNION ALL ({} EXCEPT ALL {})) d", *both)) == 0
    many = value(Sql("SELECT count(*) FROM work.bench_reached"))
    execute(Sql("DROP TABLE work.bench_reached"))
    for ledger in (one, two):
        ledgers.remove(ledger)
    return {**figure, "rows": many}


def _reached(one: ledgers.Ledger, two: ledgers.Ledger, begins: datetime) -> Sql:
    first = """SELECT m.subject_id, min(v.occurred_at) AS at FROM {} m JOIN {} v ON v.membership_id = m.id
               JOIN lifecycle_stage g ON g.id = v.to_stage_id AND g.slug = 'mql' GROUP BY 1"""
    sides = [sql(first, each.memberships, each.movements) for each in (one, two)]
    return sql(
        """SELECT subject_id, one.at AS tried_at, two.at AS live_at FROM ({}) one FULL JOIN ({}) two USING (subject_id)
           WHERE GREATEST(one.at, two.at) >= {}""",
        *sides,
        begins,
    )


@dataclass(frozen=True)
class Loop:
    """The reference: these five rules, day by day."""

    version: Version
    ledger: ledgers.Ledger
    limit: int
    until: datetime
    now: datetime

    @cached_property
    def stages(self) -> dict[str, int]:
        return dict(self.version.stages.values_list("slug", "pk"))

    @cached_property
    def transitions(self) -> list[int]:
        return list(self.version.transitions.order_by("priority").values_list("pk", flat=True))

    def walk(self) -> None:
        zone = installation.zone()
        first = value(Sql("SELECT min(first_seen_at) FROM audience_person")).astimezone(zone).date()
        last = installation.day_before(self.until, zone)
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            with transaction.atomic(), live.without_marks():
                self.step(installation.midnight(day, zone), installation.midnight(day + timedelta(days=1), zone))
            if number % 50 == 0:
                self.ledger.count()

    def step(self, begins: datetime, at: datetime) -> None:
        stages = self.stages
        mql, engaged, resting, back, won = self.transitions
        ago = {days: at - timedelta(days=days) for days in (7, 14, 30, 60)}
        counting = "a.actor = 'human' AND a.reversal_of_id IS NULL AND NOT EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = a.id)"
        execute(
            sql(
                f"""
                WITH touched AS MATERIALIZED (
                    SELECT a.person_id AS id FROM audience_activity a WHERE a.occurred_at >= {{}} AND a.occurred_at < {{}}
                    UNION SELECT a.person_id FROM audience_activity a WHERE a.occurred_at >= {{}} AND a.occurred_at < {{}}
                    UNION SELECT p.id FROM audience_person p WHERE p.first_seen_at >= {{}} AND p.first_seen_at < {{}}),
                deeds AS MATERIALIZED (
                    SELECT p.id, p.first_seen_at, d.* FROM touched JOIN audience_person p USING (id)
                    CROSS JOIN LATERAL (
                        SELECT count(*) AS n60, min(a.occurred_at) FILTER (WHERE a.occurred_at >= {{}}) AS in30,
                               min(a.occurred_at) FILTER (WHERE a.occurred_at >= {{}}) AS in7,
                               (array_agg(a.occurred_at ORDER BY a.occurred_at) FILTER (WHERE a.occurred_at >= {{}}))[{{}}] AS nth14,
                               min(a.occurred_at) FILTER (WHERE a.occurred_at >= {{}} AND k.slug = 'kind_8') AS bought
                        FROM audience_activity a JOIN audience_activitykind k ON k.id = a.kind_id
                        WHERE a.person_id = p.id AND a.occurred_at >= {{}} AND a.occurred_at < {{}} AND {counting}
                    ) d WHERE p.first_seen_at < {{}} AND p.erased_at IS NULL),
                ways AS MATERIALIZED (
                    SELECT deeds.*, m.id AS mid, COALESCE(m.seq, 0) AS seq, m.stage_id AS s0, m.entered_at, f.*
                    FROM deeds LEFT JOIN {{}} m ON m.subject_id = deeds.id
                    CROSS JOIN LATERAL (SELECT
                        m.id IS NULL AS e, (m.id IS NULL OR m.stage_id = {{}}) AND in30 IS NOT NULL AS k,
                        m.stage_id = {{}} AND in7 IS NOT NULL AS r, m.stage_id = {{}} AS here) w
                    CROSS JOIN LATERAL (SELECT w.e, w.k, COALESCE(w.r, false) AS r,
                        (w.k OR COALESCE(w.r OR w.here, false)) AND nth14 IS NOT NULL AS q) q
                    CROSS JOIN LATERAL (SELECT q.e, q.k, q.r, q.q, COALESCE(m.stage_id = {{}}, false) AND n60 = 0 AS z,
                        (q.q OR COALESCE(m.stage_id = {{}}, false)) AND bought IS NOT NULL AS w) f
                    WHERE m.ended_at IS NULL),
                steps AS (
                    SELECT id, mid, seq, entered_at, row_number() OVER (PARTITION BY id ORDER BY o) AS step, source, target, rule, fact
                    FROM ways CROSS JOIN LATERAL (VALUES
                        (1, e, NULL, {{}}, NULL, first_seen_at), (2, k, {{}}, {{}}, {{}}, in30), (3, r, {{}}, {{}}, {{}}, in7),
                        (4, q, {{}}, {{}}, {{}}, nth14), (5, z, {{}}, {{}}, {{}}, {{}}), (6, w, {{}}, {{}}, {{}}, bought)
                    ) s (o, goes, source, target, rule, fact) WHERE goes),
                dated AS MATERIALIZED (
                    SELECT *, max(fact) OVER (PARTITION BY id ORDER BY step) AS evidence,
                           GREATEST(entered_at, max(CASE WHEN fact >= {{}} THEN fact WHEN step > 1 THEN {{}} ELSE {{}} END)
                                        OVER (PARTITION BY id ORDER BY step)) AS moved_at FROM steps),
                last AS (SELECT DISTINCT ON (id) * FROM dated ORDER BY id, step DESC),
                opened AS (
                    INSERT INTO {{}} (lifecycle_id, version_id, person_id, pass_number, stage_id, seq, entered_at, ended_at)
                    SELECT {{}}, {{}}, id, 1, target, step, moved_at, CASE WHEN target = {{}} THEN moved_at END FROM last
                    WHERE mid IS NULL RETURNING id AS mid, subject_id),
                advanced AS (
                    UPDATE {{}} m SET stage_id = target, seq = last.seq + step, entered_at = moved_at,
                           ended_at = CASE WHEN target = {{}} THEN moved_at END
                    FROM last WHERE m.id = last.mid RETURNING m.id AS mid, m.subject_id),
                whose AS (SELECT * FROM opened UNION ALL SELECT * FROM advanced)
                INSERT INTO {{}} (membership_id, seq, version_id, from_stage_id, to_stage_id, occurred_at, evidence_at,
                                  recorded_at, kind, transition_id, reason, actor)
                SELECT whose.mid, dated.seq + step, {{}}, source, target, moved_at, evidence, {{}}, 'replay', rule, '', 'rules'
                FROM dated JOIN whose ON whose.subject_id = dated.id""",
                begins,
                at,
                begins - timedelta(days=60),
                ago[60],
                begins,
                at,
                ago[30],
                ago[7],
                ago[14],
                self.limit,
                ago[7],
                ago[60],
                at,
                at,
                self.ledger.memberships,
                stages["known"],
                stages["resting"],
                stages["engaged"],
                stages["engaged"],
                stages["mql"],
                stages["known"],
                stages["known"],
                stages["engaged"],
                engaged,
                stages["resting"],
                stages["engaged"],
                back,
                stages["engaged"],
                stages["mql"],
                mql,
                stages["engaged"],
                stages["resting"],
                resting,
                at,
                stages["mql"],
                stages["won"],
                won,
                begins,
                begins,
                at,
                self.ledger.memberships,
                self.version.lifecycle_id,
                self.version.pk,
                stages["won"],
                self.ledger.memberships,
                stages["won"],
                self.ledger.movements,
                self.version.pk,
                self.now,
            )  # fmt: skip
        )
