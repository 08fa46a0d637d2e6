"""How well a score tells who reaches an outcome: AUC, precision and recall of its limit, what its best tenth holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from audience.conditions import compile
from audience.conditions.tree import Node
from kit.sql import Sql, dicts, name, sql
from scoring import compiling
from scoring.rules import Plan


@dataclass(frozen=True)
class Quality:
    """What came of those who were scored. Shares are None where they would be shares of nothing.

    `auc` is how often somebody who reached the outcome has more points than somebody who did not, ties counting half
    (the Mann–Whitney statistic over all such pairs); 0.5 is chance. Of those at the limit `precision` is the share who
    reached the outcome, `recall` how many of all who did were at the limit. `lift_top_tenth` is the rate among the
    tenth with the most points over the rate of all; who ties at its edge counts in part.
    """

    subjects: int
    positives: int
    rate: float | None
    auc: float | None
    limit: int | None
    at_limit: int
    precision: float | None
    recall: float | None
    lift_top_tenth: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def judge(plan: Plan, outcome: Node, *, at: datetime, until: datetime | None = None) -> Quality:
    """The scores as of `at` against the outcome as of the same instant, or as of a later `until`.

    With `until` whoever had reached the outcome by `at` is left out: a score must tell what is not yet known. Those
    left out of figures are in none of the counts.
    """
    table = name("audience_person" if plan.of == "person" else "audience_account")
    counted = sql("SELECT id AS subject_id FROM {} WHERE NOT is_excluded", table)
    if until is not None:
        counted = sql("{} EXCEPT ({})", counted, compile.members(outcome, of=plan.of, at=at))
    reached = compile.table({"reached": outcome}, of=plan.of, at=until or at, among=counted)
    limit = plan.version.limit
    [found] = dicts(
        sql(
            """
            WITH judged AS MATERIALIZED (
                SELECT scored.total, outcome.reached, {} AS at_limit
                FROM ({}) scored JOIN ({}) outcome USING (subject_id)
            ),
            alike AS (
                SELECT total, count(*) AS n, count(*) FILTER (WHERE reached) AS positives FROM judged GROUP BY total
            ),
            placed AS (
                SELECT n, positives, n - positives AS negatives,
                       coalesce(sum(n - positives) OVER (ORDER BY total ROWS BETWEEN UNBOUNDED PRECEDING
                                                         AND 1 PRECEDING), 0) AS negatives_below,
                       coalesce(sum(n) OVER (ORDER BY total DESC ROWS BETWEEN UNBOUNDED PRECEDING
                                             AND 1 PRECEDING), 0) AS above,
                       ceil(sum(n) OVER () / 10.0) AS tenth
                FROM alike
            )
            SELECT (SELECT count(*) FROM judged) AS subjects,
                   (SELECT count(*) FROM judged WHERE reached) AS positives,
                   (SELECT count(*) FROM judged WHERE at_limit) AS at_limit,
                   (SELECT count(*) FROM judged WHERE at_limit AND reached) AS right_at_limit,
                   sum(positives * (negatives_below + negatives / 2.0)) AS pairs,
                   sum(positives * LEAST(n, GREATEST(tenth - above, 0)) / n) AS in_tenth, max(tenth) AS tenth
            FROM placed
            """,
            sql("scored.shown >= {}", limit) if limit is not None else Sql("false"),
            compiling.totals(plan, at=at, among=counted),
            reached,
        )
    )
    subjects, positives, at_limit = found["subjects"], found["positives"], found["at_limit"]
    rate = _share(positives, subjects)
    best = _share(found["in_tenth"], found["tenth"])
    return Quality(
        subjects=subjects,
        positives=positives,
        rate=rate,
        auc=_share(found["pairs"], positives * (subjects - positives)),
        limit=limit,
        at_limit=at_limit,
        precision=_share(found["right_at_limit"], at_limit),
        recall=_share(found["right_at_limit"], positives) if limit is not None else None,
        lift_top_tenth=best / rate if best is not None and rate else None,
    )


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
