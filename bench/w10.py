"""W10: twelve rules over everybody, of whom a tenth moves, against one statement written for these rules alone.

Six stages hold everybody; two rules lead out of each. The reference knows all of them: one scan of the activities of a
fortnight, one CASE for the rule and one for its date, UPDATE … RETURNING, and the movements with the same dates and
reasons, into the same tables with their keys and triggers. It finds no way through several stages, respects no undo,
leaves nobody out of a calendar and would have to be written anew for each lifecycle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audience import live
from audience.conditions.moment import Moment
from audience.models import ActivityKind
from bench import history, measuring
from kit import installation
from kit.sql import Sql, join, rows, sql, value
from kit.sql import run as execute
from lifecycle.editions import documents, versions
from lifecycle.engine import passes, rules
from lifecycle.models import Version

HOLDING = ("known", "engaged", "qualified", "accepted", "open", "resting")
BEHIND = ("worked", "refused", "won")  # left by hand alone, so that everybody goes one step
WEEK, FORTNIGHT = 7, 14


@dataclass(frozen=True)
class Rule:
    """A rule as the product is told it, and as SQL over people p, deeds d, days of stay: when it holds, since when."""

    source: str
    target: str
    when: dict[str, Any]
    holds: str
    since: str


def _did(kind: int, days: int, least: int = 1) -> dict[str, Any]:
    where = {"kind": f"kind_{kind}"}
    return {"field": "activity.count", "where": where, "days": days, "op": "at_least", "value": least}


def _stayed(days: int) -> dict[str, Any]:
    return {"field": "stage.rules.days_in", "op": "at_least", "value": days}


DIRECTOR = {"field": "person.title", "op": "contains", "value": "director"}
BRITISH = {"field": "person.country", "op": "is", "value": "GB"}
BROUGHT = {"field": "person.source", "op": "is", "value": "referral"}
OFTEN = {"field": "activity.count", "days": WEEK, "op": "at_least", "value": 4}
NEVER = "NULL"  # by time alone
DEEDS = (
    (1, WEEK, 1),
    (3, FORTNIGHT, 1),
    (4, WEEK, 1),
    (5, WEEK, 1),
    (6, FORTNIGHT, 2),
    (7, WEEK, 1),
    (8, FORTNIGHT, 1),
)
RULES = (
    Rule("known", "worked", _did(1, WEEK), "d.k1 IS NOT NULL", "d.k1"),
    Rule("known", "refused", {"all": [_stayed(300), BRITISH]}, "stay.days >= 300 AND p.country = 'GB'", NEVER),
    Rule("engaged", "worked", OFTEN, "d.fourth IS NOT NULL", "d.fourth"),
    Rule(
        "engaged", "refused", {"all": [DIRECTOR, _did(3, FORTNIGHT)]},
        "lower(p.title COLLATE \"C\") LIKE '%%director%%' AND d.k3 IS NOT NULL", "GREATEST(p.first_seen_at, d.k3)",
    ),
    Rule("qualified", "worked", _did(4, WEEK), "d.k4 IS NOT NULL", "d.k4"),
    Rule("qualified", "refused", _stayed(580), "stay.days >= 580", NEVER),
    Rule("accepted", "worked", _did(5, WEEK), "d.k5 IS NOT NULL", "d.k5"),
    Rule("accepted", "refused", _did(6, FORTNIGHT, 2), "d.k6 IS NOT NULL", "d.k6"),
    Rule("open", "won", _did(7, WEEK), "d.k7 IS NOT NULL", "d.k7"),
    Rule("open", "refused", {"all": [BRITISH, _stayed(300)]}, "p.country = 'GB' AND stay.days >= 300", NEVER),
    Rule(
        "resting", "worked", {"all": [BROUGHT, _did(8, FORTNIGHT)]},
        "lower(p.source COLLATE \"C\") = 'referral' AND d.k8 IS NOT NULL", "GREATEST(p.first_seen_at, d.k8)",
    ),
    Rule("resting", "refused", _stayed(580), "stay.days >= 580", NEVER),
)  # fmt: skip
WRITTEN = """SELECT m.id, m.stage_id, m.seq, m.entered_at, m.ended_at, v.seq, v.version_id, v.from_stage_id, v.to_stage_id,
                    v.occurred_at, v.evidence_at, v.recorded_at, v.kind, v.transition_id, v.reason, v.actor
             FROM lifecycle_membership m JOIN lifecycle_movement v ON v.membership_id = m.id AND v.seq = m.seq
             WHERE m.version_id = {}"""


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """One figure. Both ways leave the same memberships and write the same movements."""
    now = history.fill(number, activities, without="rules")
    at = now + live.INSTANT
    version = _place_everybody(now)
    asked = rules.read(version)
    moved = set()

    def note() -> None:
        fingerprint = "sum(hashtextextended(written::text, 0)::numeric)"
        moved.update(rows(sql(f"SELECT {fingerprint} FROM ({WRITTEN}) written", version.pk)))

    figure = measuring.compare(
        lambda: passes.apply(asked, among=None, at=at, now=now),
        lambda: execute(by_hand(version, at, now)),
        before=lambda: _take_back(version),
        after=note,
        repeats=repeats,
    )
    assert len(moved) == 1, moved
    many = value(sql("SELECT count(*) FROM lifecycle_movement WHERE version_id = {} AND seq = 2", version.pk))
    size = {"people": number, "activities": activities}
    yield {**size, **figure, "rows": many, "peak_rss_mb": measuring.peak_rss_mb()}


def _place_everybody(now: datetime) -> Version:
    """The lifecycle, and everybody in one of the holding stages since first seen."""
    told: dict[str, Any] = {"lifecycle": "rules", "name": "Rules", "species": "net_new", "entry": {"not": {}}}
    told["stages"] = [{"slug": slug, "name": slug.title()} for slug in (*HOLDING, *BEHIND)]
    told["stages"][-1]["kind"] = "terminal"
    told["transitions"] = [{"from": each.source, "to": each.target, "when": each.when} for each in RULES]
    version = versions.draft(documents.parse(json.dumps(told)), by=None, now=now)
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now, looked_until=now)
    stages = dict(version.stages.values_list("slug", "pk"))
    execute(Sql("SET session_replication_role = replica"))
    execute(
        sql(
            """INSERT INTO lifecycle_membership (lifecycle_id, person_id, version_id, stage_id, pass_number, seq, entered_at)
               SELECT {}, p.id, {}, ({}::bigint[])[1 + p.id %% {}], 1, 1, p.first_seen_at FROM audience_person p""",
            version.lifecycle_id,
            version.pk,
            [stages[slug] for slug in HOLDING],
            len(HOLDING),
        )
    )
    execute(
        sql(
            """INSERT INTO lifecycle_movement (membership_id, version_id, seq, to_stage_id, occurred_at, evidence_at,
                                               recorded_at, kind, reason, actor)
               SELECT id, version_id, 1, stage_id, entered_at, entered_at, {}, 'placement', '', 'bench'
               FROM lifecycle_membership WHERE version_id = {}""",
            now,
            version.pk,
        )
    )
    execute(Sql("SET session_replication_role = DEFAULT"))
    return version


def _take_back(version: Version) -> None:
    """As if nobody had moved. The ledger forbids that to everybody but a replica."""
    execute(Sql("SET session_replication_role = replica"))
    execute(
        sql(
            """WITH gone AS (DELETE FROM lifecycle_movement WHERE version_id = {} AND seq = 2
                             RETURNING membership_id, from_stage_id)
               UPDATE lifecycle_membership m SET stage_id = gone.from_stage_id, seq = 1, ended_at = NULL,
                      entered_at = p.first_seen_at
               FROM gone, audience_person p WHERE m.id = gone.membership_id AND p.id = m.person_id""",
            version.pk,
        )
    )
    execute(Sql("SET session_replication_role = DEFAULT"))
    execute(Sql("TRUNCATE audience_dirty"))


def by_hand(version: Version, at: datetime, now: datetime) -> Sql:
    """Everybody's rule and its date by one scan; whoever has a rule moves."""
    zone = installation.zone()
    stages = dict(version.stages.values_list("slug", "pk"))
    kinds = dict(ActivityKind.objects.values_list("slug", "pk"))
    asked = Moment(at)
    week, fortnight = asked.window_start(WEEK), asked.window_start(FORTNIGHT)
    of_kind = (
        "(array_agg(a.occurred_at ORDER BY a.occurred_at, a.id) FILTER (WHERE a.kind_id = {} AND a.occurred_at >= {}))"
    )
    deeds = [
        sql(f"{of_kind}[{least}] AS k{kind}", kinds[f"kind_{kind}"], {WEEK: week, FORTNIGHT: fortnight}[days])
        for kind, days, least in DEEDS
    ]
    numbered = list(enumerate(RULES))
    chosen = [
        sql(
            "WHEN {} THEN CASE {} END",
            stages[stage],
            join(
                " ", [sql(f"WHEN {rule.holds} THEN {{}}", number) for number, rule in numbered if rule.source == stage]
            ),
        )
        for stage in HOLDING
    ]
    since = [sql("WHEN {} THEN {}", number, Sql(rule.since)) for number, rule in numbered]
    told = [
        sql("({}, {}, {}, {})", number, stages[rule.target], transition.pk, str(transition))
        for (number, rule), transition in zip(numbered, version.transitions.order_by("priority"), strict=True)
    ]
    return sql(
        """WITH deeds AS (
               SELECT a.person_id, {},
                      (array_agg(a.occurred_at ORDER BY a.occurred_at, a.id) FILTER (WHERE a.occurred_at >= {}))[4] AS fourth
               FROM audience_activity a
               WHERE a.occurred_at >= {} AND a.occurred_at < {} AND a.actor = 'human' AND a.person_id IS NOT NULL
                 AND a.reversal_of_id IS NULL
                 AND NOT EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = a.id)
               GROUP BY 1),
           ruled AS (
               SELECT m.id, m.stage_id, m.entered_at, rule.number,
                      COALESCE(CASE rule.number {} END, {}::timestamptz) AS fact_at
               FROM lifecycle_membership m JOIN audience_person p ON p.id = m.person_id AND p.erased_at IS NULL
               LEFT JOIN deeds d ON d.person_id = p.id
               CROSS JOIN LATERAL (SELECT ({}::date - (m.entered_at AT TIME ZONE {})::date) AS days) stay
               CROSS JOIN LATERAL (SELECT CASE m.stage_id {} END AS number OFFSET 0) rule
               WHERE m.version_id = {} AND m.ended_at IS NULL AND rule.number IS NOT NULL),
           dated AS MATERIALIZED (
               SELECT ruled.*, told.*, GREATEST(entered_at, CASE WHEN fact_at >= {} THEN fact_at ELSE {} END) AS moved_at
               FROM ruled JOIN (VALUES {}) told (rule, to_stage, transition, reason) ON told.rule = ruled.number),
           moved AS (
               UPDATE lifecycle_membership m SET stage_id = dated.to_stage, seq = m.seq + 1, entered_at = moved_at,
                      ended_at = CASE WHEN dated.to_stage = {} THEN moved_at END
               FROM dated WHERE dated.id = m.id RETURNING m.seq, dated.*)
           INSERT INTO lifecycle_movement (membership_id, seq, version_id, from_stage_id, to_stage_id, occurred_at,
                                           evidence_at, recorded_at, kind, transition_id, reason, actor)
           SELECT id, seq, {}, stage_id, to_stage, moved_at, fact_at, {}, 'rule', transition, reason, 'rules' FROM moved""",
        join(", ", deeds), week, fortnight, at, join(" ", since), at, asked.today, str(zone), join(" ", chosen),
        version.pk, installation.midnight(installation.day_before(at, zone), zone), at, join(", ", told), stages["won"],
        version.pk, now,
    )  # fmt: skip
