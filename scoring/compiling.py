"""From a version to SQL: one statement scores any set of subjects, or shows every part of one subject's score.

Full runs, live runs, explanations, previews and conditions all ask this statement. Each figure is a whole number of
micro-points, so that sums do not depend on the order of rows.

Read from the inside out: `_behaviour` is one scan of the activities with a sum per rule; `parts` puts the fit rules
beside it, a column per rule (`r0`, `r1` … in the order of the rules); `totals` caps, sums and rounds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from audience.conditions import compile, facts, scan
from audience.conditions.compile import Statement
from audience.conditions.moment import Moment, Span
from kit import installation
from kit.sql import Sql, join, sql
from scoring.rules import MICRO, Behaviour, Fit, Plan

HALF = MICRO // 2
LIFT = 10**12  # added and taken off again, so that division, which cuts towards zero, rounds down


def totals(
    plan: Plan,
    *,
    at: datetime,
    known: datetime | None = None,
    among: Sql | None = None,
    evidence: bool = False,
) -> Sql:
    """A row for each subject that was there: subject_id, total, behaviour, fit (micro-points), shown, grade.

    As of `at`, of the subjects of `among` (None: everybody), counting with `known` only what was recorded by then.
    With `evidence` a column `evidence` more: the date of the latest fact that gave points, NULL when none did.
    """
    inner = parts(plan, at=at, known=known, among=among, evidence=evidence)
    behaviour, fit = _total(plan, Behaviour), _total(plan, Fit)
    dated = Sql(", p.evidence") if evidence else Sql("")
    summed = sql("SELECT p.subject_id, {} AS behaviour, {} AS fit{} FROM ({}) p OFFSET 0", behaviour, fit, dated, inner)
    return sql(
        "SELECT e.subject_id, e.behaviour + e.fit AS total, e.behaviour, e.fit, {} AS shown, {} AS grade{} FROM ({}) e",
        shown(Sql("(e.behaviour + e.fit)")),
        _grade(plan, shown(Sql("e.fit"))),
        Sql(", e.evidence") if evidence else Sql(""),
        summed,
    )


def parts(
    plan: Plan,
    *,
    at: datetime,
    known: datetime | None = None,
    among: Sql | None = None,
    evidence: bool = False,
    details: bool = False,
) -> Sql:
    """A row for each subject that was there: subject_id and, before caps, the micro-points of each rule, `r0`, `r1` ….

    With `details` also how many activities each behaviour rule counts, `n0` …, and the date of the last, `d0` ….
    """
    moment = Moment(at, known)
    statement = Statement(plan.of, moment, among, evidence=evidence)
    numbers = {id(each): number for number, each in enumerate(plan.rules)}
    outputs = []
    if plan.behaviours:
        names = [f"b{numbers[id(each)]}" for each in plan.behaviours]
        if details:
            names += [f"{letter}{numbers[id(each)]}" for each in plan.behaviours for letter in "nd"]
        if evidence:
            names.append("fact_at")
        statement.beside(_behaviour(plan, moment, statement.chosen, evidence, details), "b", names)
    dates = [Sql("q.fact_at")] if plan.behaviours else []
    for number, each in enumerate(plan.rules):
        if isinstance(each, Behaviour):
            outputs.append(Sql(f"COALESCE(q.b{number}, 0) AS r{number}"))
            if details:
                outputs.append(Sql(f"COALESCE(q.n{number}, 0) AS n{number}, q.d{number}"))
            continue
        holds = statement.holds(each.node)
        outputs.append(sql(f"CASE WHEN {{}} THEN {{}}::bigint ELSE 0 END AS r{number}", holds, each.points))
        if evidence and each.points > 0:
            dates.append(sql("CASE WHEN {} THEN {} END", holds, statement.since(each.node)))
    if evidence:
        latest = sql("GREATEST({})", join(", ", dates)) if dates else Sql("NULL::timestamptz")
        outputs.append(sql("{} AS evidence", latest))
    return statement.select(outputs)


def shown(micro_points: Sql) -> Sql:
    """Micro-points as the whole points that are shown: floor(x + 0.5)."""
    return sql(f"((({{}} + {HALF + LIFT * MICRO}) / {MICRO}) - {LIFT})::int", micro_points)


# ---- caps, sums, grades ----


def _total(plan: Plan, kind: type[Behaviour] | type[Fit]) -> Sql:
    """All points of one kind after the caps of rules, then of groups."""
    grouped: dict[str, list[Sql]] = {}
    for number, each in enumerate(plan.rules):
        if isinstance(each, kind):
            grouped.setdefault(each.rule.group, []).append(_capped(each, Sql(f"p.r{number}")))
    sums = []
    for group, points in grouped.items():
        together = join(" + ", points)
        sums.append(sql("LEAST({}, {})", together, plan.caps[group]) if group in plan.caps else together)
    return sql("({})::bigint", join(" + ", sums)) if sums else Sql("0::bigint")


def _capped(rule: Behaviour | Fit, points: Sql) -> Sql:
    if rule.cap is None:
        return points
    return sql("GREATEST({}, {})", points, -rule.cap) if rule.points < 0 else sql("LEAST({}, {})", points, rule.cap)


def _grade(plan: Plan, fit: Sql) -> Sql:
    if not plan.grades:
        return Sql("''::text")
    cases = join(" ", [sql("WHEN {} >= {} THEN {}", fit, least, grade) for grade, least in plan.grades])
    return sql("CASE {} ELSE {} END", cases, plan.lowest_grade)


# ---- activities ----


def _behaviour(plan: Plan, moment: Moment, chosen: Sql, evidence: bool, details: bool) -> Sql:
    """The points of every behaviour rule, a row per subject, by one pass over the activities that can count."""
    subject = scan.SUBJECT[plan.of]
    everywhere = _everywhere(plan, moment, chosen)
    columns = [Sql(f"{subject} AS subject_id")]
    giving: list[Sql] = []
    for number, each in enumerate(plan.rules):
        if not isinstance(each, Behaviour):
            continue
        asked = [part for part in _asked(each) if part is not scan.PEOPLE or not _people_only(plan)]
        holds = join(" AND ", asked + _lasting(each, moment)) or Sql("true")
        only = sql("FILTER (WHERE {})", holds)
        columns.append(sql(f"{{}} AS b{number}", _points(each, only, moment)))
        if details:
            columns.append(sql(f"count(*) {{}} AS n{number}, max(x.occurred_at) {{}} AS d{number}", only, only))
        if each.points > 0:
            giving.append(sql("({})", holds))
    if evidence:
        only = sql("FILTER (WHERE {})", join(" OR ", giving) if giving else Sql("false"))
        columns.append(sql("max(x.occurred_at) {} AS fact_at", only))
    return sql(
        "SELECT {} FROM audience_activity x WHERE {} GROUP BY {}",
        join(", ", columns),
        join(" AND ", everywhere),
        Sql(subject),
    )


def _points(rule: Behaviour, only: Sql, moment: Moment) -> Sql:
    """The sum of what its activities are worth; of a rule that counts once, the one worth most: the youngest."""
    if not rule.decays:
        if rule.rule.once:
            return sql("CASE WHEN count(*) {} > 0 THEN {}::bigint ELSE 0 END", only, rule.points)
        return sql("(count(*) {} * {}::bigint)", only, rule.points)
    days = moment.days_since(Sql("x.occurred_at"))
    worth = sql("({}::int[])[{} + 1]", list(rule.worth), days)
    most = ("min" if rule.points < 0 else "max") if rule.rule.once else "sum"
    return sql(f"{most}({{}}) {{}}", worth, only)


def _everywhere(plan: Plan, moment: Moment, chosen: Sql) -> list[Sql]:
    """Which activities are looked at at all: those that stand, of the kinds, the actors and the time that can count."""
    subject = scan.SUBJECT[plan.of]
    looked_at = [Sql(f"{subject} IS NOT NULL"), moment.counts("x"), scan.standing(moment)]
    if chosen:
        looked_at.append(sql(f"{subject} IN ({{}})", chosen))
    starts = [_counts_from(each, moment) for each in plan.behaviours]
    if all(starts):
        looked_at.append(sql("x.occurred_at >= {}", min(start for start in starts if start)))
    if all(each.kinds is not None for each in plan.behaviours):
        kinds = sorted({kind for each in plan.behaviours for kind in each.kinds or ()})
        looked_at.append(_of_kinds(tuple(kinds)))
    if _people_only(plan):
        looked_at.append(scan.PEOPLE)
    return looked_at


def _people_only(plan: Plan) -> bool:
    return not any("actor" in dict(each.where) for each in plan.behaviours)


def _asked(rule: Behaviour) -> list[Sql]:
    """What the rule asks of an activity, whenever it was."""
    asked = []
    if rule.kinds is not None:
        asked.append(_of_kinds(rule.kinds))
    if "actor" not in dict(rule.where):
        asked.append(scan.PEOPLE)
    return asked + facts.narrowing(rule.where, scan.COLUMNS)


def _of_kinds(kinds: tuple[int, ...]) -> Sql:
    return sql("x.kind_id = {}", kinds[0]) if len(kinds) == 1 else sql("x.kind_id = ANY ({}::bigint[])", list(kinds))


def _lasting(rule: Behaviour, moment: Moment) -> list[Sql]:
    return [] if rule.expires is None else [sql("x.occurred_at >= {}", moment.window_start(rule.expires))]


def _counts_from(rule: Behaviour, moment: Moment) -> datetime | None:
    """Since when an activity can be worth something; None: however old it is."""
    if rule.expires is not None:
        return moment.window_start(rule.expires)
    if rule.decays:
        oldest = moment.today - timedelta(days=len(rule.worth) - 1)
        return installation.midnight(oldest, moment.zone)
    return None


# ---- whose score may differ ----


def touched(plan: Plan, *, span: Span, rises: bool | None = None) -> Sql:
    """The subject_id of all whose total may differ between the two instants, or with `rises` may be higher (lower).

    Complete, as `compile.touched` is. Facts always count; of what time alone does, ageing and expiry, with `rises`
    only what can move the total that way: points that fade take the total down, points taken off that fade bring it up.
    """
    subject = scan.SUBJECT[plan.of]
    pieces = [compile.touched([each.node for each in plan.fits], of=plan.of, since=span.since.at, until=span.until.at)]
    if plan.behaviours:
        one = _one_of(plan.behaviours)
        pieces.append(
            sql(f"SELECT {subject} FROM audience_activity x WHERE {{}} AND ({{}})", span.within("x.occurred_at"), one)
        )
        pieces.append(
            sql(
                f"SELECT {subject} FROM audience_activity r JOIN audience_activity x ON x.id = r.reversal_of_id "
                "WHERE {}",
                span.within("r.occurred_at"),
            )
        )
    fading = [each for each in plan.behaviours if rises is None or (each.points < 0) is rises]
    return join("\nUNION ALL ", [_only_ids(each) for each in pieces + _by_time(plan, fading, span)])


def by_time(plan: Plan, *, span: Span) -> Sql:
    """The subject_id of all whose total time alone may change between two instants of one local day, or dates to come.

    For the live clock: facts of the present have marked their subjects themselves, but a fact that was written down
    before its time comes counts only now.
    """
    subject = scan.SUBJECT[plan.of]
    pieces = _by_time(plan, plan.behaviours, span)
    if plan.behaviours:
        pieces.append(
            sql(
                f"SELECT {subject} FROM audience_activity x WHERE {{}} AND x.recorded_at < x.occurred_at AND ({{}})",
                span.within("x.occurred_at"),
                _one_of(plan.behaviours),
            )
        )
    if plan.by_time:
        pieces.append(compile.touched(plan.by_time, of=plan.of, since=span.since.at, until=span.until.at))
    return join("\nUNION ALL ", [_only_ids(each) for each in pieces] or [Sql("SELECT NULL::bigint WHERE false")])


def _by_time(plan: Plan, fading: list[Behaviour], span: Span) -> list[Sql]:
    subject = scan.SUBJECT[plan.of]
    pieces = []
    for days in sorted({each.expires for each in fading if each.expires is not None}):
        same = [each for each in fading if each.expires == days]
        pieces.append(
            sql(
                f"SELECT {subject} FROM audience_activity x WHERE {{}} AND ({{}})",
                span.leaves_window("x.occurred_at", days),
                _one_of(same),
            )
        )
    ageing = [each for each in fading if each.decays]
    if ageing and span.since.today != span.until.today:
        starts = [_counts_from(each, span.since) for each in ageing]
        pieces.append(
            sql(
                f"SELECT {subject} FROM audience_activity x WHERE x.occurred_at >= {{}} AND x.occurred_at < {{}} "
                "AND ({})",
                min(start for start in starts if start),
                span.until.at,
                _one_of(ageing),
            )
        )
    return pieces


def _one_of(behaviours: list[Behaviour]) -> Sql:
    """An activity that one of the rules counts."""
    return join(" OR ", [sql("({})", join(" AND ", _asked(each)) or Sql("true")) for each in behaviours])


def _only_ids(piece: Sql) -> Sql:
    return sql("SELECT piece.subject_id FROM ({}) piece (subject_id) WHERE piece.subject_id IS NOT NULL", piece)
