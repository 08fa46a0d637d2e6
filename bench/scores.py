"""A scoring model of twelve behaviour and eight fit rules over the made-up history, and the same scores written by hand."""

from __future__ import annotations

from datetime import datetime

import yaml

from audience.conditions.moment import Moment
from audience.models import ActivityKind
from kit import installation
from kit.sql import Sql, join, sql, value
from scoring import compiling, documents, versions
from scoring.models import ScoringVersion
from scoring.rules import MICRO, Plan

BEHAVIOUR = (
    {"points": 40, "did": {"kind": "kind_1"}, "half_life": 30, "once": True},
    {"points": 5, "did": {"kind": "kind_2"}, "half_life": 14, "group": "content"},
    {"points": 8, "did": {"kind": "kind_3"}, "half_life": 30, "cap": 30, "group": "content"},
    {"points": 3, "did": {"kind": "kind_4"}, "half_life": 7},
    {"points": 2, "did": {"kind": "kind_4"}, "expires": 30, "cap": 10},
    {"points": -15, "did": {"kind": "kind_5"}, "half_life": 60, "once": True},
    {"points": 12, "did": {"kind": "kind_6"}, "expires": 90},
    {"points": 1, "did": {"kind": "kind_7"}, "half_life": 3},
    {"points": 25, "did": {"kind": "kind_8"}, "once": True, "expires": 180},
    {"points": 4, "did": {"kind": "kind_8"}, "half_life": 90, "cap": 20},
    {"points": 6, "did": {"kind": "kind_1"}, "half_life": 45, "group": "intent"},
    {"points": 7, "did": {"kind": "kind_6"}, "half_life": 20, "group": "intent"},
)
FIT = (
    ("person.title", "contains", "director", 20),
    ("person.title", "contains", "head", 15),
    ("person.title", "is", "Engineer", -5),
    ("person.country", "is", "DE", 10.5),
    ("person.country", "in", ["FR", "GB"], 5),
    ("person.source", "is", "referral", 12),
    ("person.source", "empty", None, -2),
    ("person.email", "starts_with", "p1", 3),  # an eighth of everybody: the rule that changes
)
CAPS = {"content": 35, "intent": 40}


def publish(now: datetime, changed: int) -> ScoringVersion:
    """The next version of the model; the last rule gives so many points. Nobody is scored by it yet."""
    told = [{"name": f"Deed {number}", **rule} for number, rule in enumerate(BEHAVIOUR, 1)]
    for number, (field, op, operand, points) in enumerate(FIT, 1):
        fit = {"field": field, "op": op} | ({} if operand is None else {"value": operand})
        told.append({"name": f"Fit {number}", "points": changed if number == len(FIT) else points, "fit": fit})
    document = {"model": "bench", "name": "Bench", "limit": 60, "grades": {"A": 25, "B": 15, "C": 5}}
    text = yaml.safe_dump(document | {"caps": CAPS, "rules": told}, sort_keys=False)
    return versions.draft(documents.parse(text), by=None, now=now)


def put_in_force(version: ScoringVersion, now: datetime) -> None:
    """This version and no other."""
    others = version.model.versions.filter(state="published").exclude(pk=version.pk)
    others.update(state="retired")
    ScoringVersion.objects.filter(pk=version.pk).update(state="published", published_at=now)
    version.refresh_from_db()


def by_hand(plan: Plan, at: datetime) -> Sql:
    """The same scores as somebody who knows the tables and this one model would write them: one scan, one pass.

    Values are not undone by history, for nothing has happened since `at`; the arithmetic is that of whole micro-points.
    """
    zone = installation.zone()
    kinds = dict(ActivityKind.objects.values_list("slug", "pk"))
    today = at.astimezone(zone).date()
    age = sql("({}::date - (a.occurred_at AT TIME ZONE {})::date)", today, str(zone))
    sums = []
    for number, (rule, each) in enumerate(zip(BEHAVIOUR, plan.behaviours, strict=True)):
        only = sql("a.kind_id = {}", kinds[rule["did"]["kind"]])
        if rule.get("expires"):
            only = sql("{} AND a.occurred_at >= {}", only, Moment(at).window_start(rule["expires"]))
        if rule.get("half_life"):
            most = ("min" if rule["points"] < 0 else "max") if rule.get("once") else "sum"
            term = sql(f"{most}(({{}}::int[])[{{}} + 1]) FILTER (WHERE {{}})", list(each.worth), age, only)
        elif rule.get("once"):
            term = sql("CASE WHEN bool_or({}) THEN {} ELSE 0 END", only, rule["points"] * MICRO)
        else:
            term = sql("count(*) FILTER (WHERE {}) * {}", only, rule["points"] * MICRO)
        sums.append(sql(f"{{}} AS b{number}", term))
    behaviour = Sql(
        f"COALESCE(d.b0, 0) + COALESCE(d.b3, 0) + LEAST(COALESCE(d.b4, 0), {10 * MICRO}) + COALESCE(d.b5, 0) "
        f"+ COALESCE(d.b6, 0) + COALESCE(d.b7, 0) + COALESCE(d.b8, 0) + LEAST(COALESCE(d.b9, 0), {20 * MICRO}) "
        f"+ LEAST(COALESCE(d.b1, 0) + LEAST(COALESCE(d.b2, 0), {30 * MICRO}), {CAPS['content'] * MICRO}) "
        f"+ LEAST(COALESCE(d.b10, 0) + COALESCE(d.b11, 0), {CAPS['intent'] * MICRO})"
    )
    changed = plan.fits[-1].points
    title, country, source, email = (f'lower(p.{name} COLLATE "C")' for name in ("title", "country", "source", "email"))
    fit = Sql(
        f"(CASE WHEN position('director' IN {title}) > 0 THEN 20000000 ELSE 0 END "
        f"+ CASE WHEN position('head' IN {title}) > 0 THEN 15000000 ELSE 0 END "
        f"+ CASE WHEN {title} = 'engineer' THEN -5000000 ELSE 0 END "
        f"+ CASE WHEN {country} = 'de' THEN 10500000 WHEN {country} IN ('fr', 'gb') THEN 5000000 ELSE 0 END "
        f"+ CASE WHEN {source} = 'referral' THEN 12000000 WHEN p.source = '' THEN -2000000 ELSE 0 END "
        f"+ CASE WHEN starts_with({email}, 'p1') THEN {changed} ELSE 0 END)::bigint"
    )
    return sql(
        """SELECT e.subject_id, e.behaviour + e.fit AS total, e.behaviour, e.fit, {} AS shown,
                  CASE WHEN {} >= 25 THEN 'A' WHEN {} >= 15 THEN 'B' WHEN {} >= 5 THEN 'C' ELSE 'D' END AS grade
           FROM (SELECT p.id AS subject_id, ({})::bigint AS behaviour, {} AS fit
                 FROM audience_person p
                 LEFT JOIN (SELECT a.person_id, {} FROM audience_activity a
                            WHERE a.occurred_at < {} AND a.actor = 'human' AND a.person_id IS NOT NULL
                              AND a.reversal_of_id IS NULL
                              AND NOT EXISTS (SELECT FROM audience_activity r WHERE r.reversal_of_id = a.id)
                            GROUP BY 1) d ON d.person_id = p.id
                 WHERE p.erased_at IS NULL AND p.first_seen_at < {} OFFSET 0) e""",
        compiling.shown(Sql("(e.behaviour + e.fit)")),
        *[compiling.shown(Sql("e.fit"))] * 3,
        behaviour,
        fit,
        join(", ", sums),
        at,
        at,
    )


def differing(plan: Plan, at: datetime) -> int:
    """Of how many people the stored score is not, bit by bit, what a full run says. Asked of the database: sets of a
    million would be the largest thing that the bench holds."""
    columns = Sql("subject_id, total, behaviour, fit, shown, grade")
    told = sql(
        """SELECT count(*) FROM (SELECT {} FROM scoring_score WHERE model_id = {}) stored
           FULL JOIN (SELECT {} FROM ({}) told) computed USING (subject_id)
           WHERE (stored.total, stored.behaviour, stored.fit, stored.shown, stored.grade) IS DISTINCT FROM
                 (computed.total, computed.behaviour, computed.fit, computed.shown, computed.grade)""",
        columns,
        plan.version.model_id,
        columns,
        compiling.totals(plan, at=at),
    )
    return int(value(told))
