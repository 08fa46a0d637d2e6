"""The work of a backtest: the rules of either side walked through history beside the ledger, then judged.

Everything is written into tables on the side, day by day with the job's cursor, so that a killed worker's successor
goes on where it stood. When the figures are there the tables go; what stays is the result, and who came to the stage.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience.conditions import compile, tree
from kit import installation, jobs
from kit.models import Job
from kit.sql import Sql, name, run, sql
from lifecycle.backtests import judging, recorded, spans, sweeping
from lifecycle.backtests.spans import Span
from lifecycle.engine import replay, rules
from lifecycle.ledger import ledgers
from lifecycle.models import Backtest, Version

KIND = "backtest"


@installation.remembering()
def work(held: jobs.Held) -> dict[str, Any]:
    """The job: walk each side, look for the outcomes, judge, keep the result."""
    found = Backtest.objects.select_related("version__lifecycle", "against__lifecycle", "swept")
    backtest = found.filter(pk=held.payload["backtest"]).first()
    if backtest is None:
        raise jobs.Refused(_("This backtest has been removed."))
    span = spans.of(backtest)
    ways: list[tuple[str, Callable[[Walk], None]]] = [
        (_("by this version"), lambda walk: _replay(backtest, backtest.version, "tried", span, walk)),
    ]
    if backtest.against:
        beside = backtest.against
        ways.append((_("by the live version"), lambda walk: _replay(backtest, beside, "live", span, walk)))
    if backtest.swept:
        ways.append((_("with other values"), lambda walk: _sweep(backtest, span, walk)))
    ways.append((_("outcomes"), lambda walk: _find_outcomes(backtest, span, walk)))
    for step in range(held.cursor.get("step", 0), len(ways)):
        label, way = ways[step]
        way(Walk(held, step, len(ways), label))
        held.progress(cursor={"step": step + 1})
    with transaction.atomic():
        result = judging.judge(backtest, span, _tables(backtest))
        Backtest.objects.filter(pk=backtest.pk).update(result=result)
        forget(backtest)
        held.progress(phase="")
    return {"link": backtest.get_absolute_url()}


def tidy(job: Job) -> None:
    """However it ended, nothing stays on the side; whoever tries it again begins anew."""
    for backtest in Backtest.objects.filter(pk=job.payload["backtest"]):
        forget(backtest)
    Job.objects.filter(pk=job.pk).update(cursor={})


def forget(backtest: Backtest) -> None:
    """Throw away what was written on the side. Result and list stay."""
    tables = _tables(backtest)
    for ledger in (tables.tried, tables.live, tables.swept):
        ledgers.remove(ledger)
    run(sql("DROP TABLE IF EXISTS {}, {}", tables.outcomes, tables.points))


class Walk:
    """One of the ways through history within the job: where it goes on, and how far it is."""

    def __init__(self, held: jobs.Held, step: int, of: int, label: str) -> None:
        self.held, self.step, self.of, self.label = held, step, of, label
        self.day = None
        if held.cursor.get("step", 0) == step and held.cursor.get("day"):
            self.day = date.fromisoformat(held.cursor["day"])

    @property
    def is_new(self) -> bool:
        """Whether nothing of it was done before."""
        return self.day is None

    def reached(self, day: date, number: int, of: int) -> None:
        """A day is done; called in its transaction."""
        self.held.progress(
            phase=f"{self.label}, {day.isoformat()}",
            rows_done=self.step * of + number,
            rows_total=self.of * of,
            cursor={"step": self.step, "day": day.isoformat()},
        )


def _replay(
    backtest: Backtest, version: Version, side: str, span: Span, walk: Walk, asked: rules.Rules | None = None
) -> None:
    ledger = _ledger(backtest, side)
    with ledgers.instead(version.lifecycle.slug, ledger):
        if walk.is_new:
            ledgers.make(ledger)
        replay.run(
            version,
            now=backtest.created_at,
            after=walk.day,
            until=span.known,
            progress=lambda step: walk.reached(step.day, step.number, step.of),
            asked=asked,
        )


def _sweep(backtest: Backtest, span: Span, walk: Walk) -> None:
    """The version without the swept rule, and whom that would have moved at which value when."""
    points = _tables(backtest).points
    if walk.is_new:
        sweeping.make(points)
    _replay(backtest, backtest.version, "swept", span, walk, sweeping.rules_without(backtest, points))


def _find_outcomes(backtest: Backtest, span: Span, walk: Walk) -> None:
    """When each subject first reached the outcome."""
    table = _tables(backtest).outcomes
    if walk.is_new:
        run(sql("DROP TABLE IF EXISTS {}", table))
        run(sql("CREATE TABLE {} (subject_id bigint PRIMARY KEY, reached_at timestamptz NOT NULL)", table))
    if backtest.outcome_stage:
        # What truly happened, as soon as there is a ledger to tell; for a first version, what it says itself.
        is_first = not backtest.version.lifecycle.versions.exclude(state=Version.State.DRAFT).exists()
        ledger = _ledger(backtest, "tried") if is_first else recorded.ledger(backtest)
        arrived = judging.arrivals(backtest, ledger, backtest.outcome_stage, span)
        run(sql("INSERT INTO {} {}", table, arrived))
    else:
        _walk_outcomes(table, tree.parse(backtest.outcome, of=backtest.version.lifecycle.of), backtest, span, walk)


def _walk_outcomes(table: Sql, node: tree.Node, backtest: Backtest, span: Span, walk: Walk) -> None:
    """Day by day who comes to fulfil a condition; whoever did before the window has done so since ever."""
    of = backtest.version.lifecycle.of
    if walk.is_new:
        before = compile.members(node, of=of, at=span.begins)
        run(sql("INSERT INTO {} SELECT subject_id, '-infinity' FROM ({}) held", table, before))
    zone = installation.zone()
    first = span.begins.astimezone(zone).date()
    days = (span.known.astimezone(zone).date() - first).days
    for number in range((walk.day - first).days + 1 if walk.day else 0, days):
        day = first + timedelta(days=number)
        with transaction.atomic():
            _note_outcomes(table, node, of, installation.midnight(day, zone), day, zone)
            walk.reached(day, number + 1, days)


def _note_outcomes(table: Sql, node: tree.Node, of: str, begins: datetime, day: date, zone: ZoneInfo) -> None:
    """Those of whom the condition came to hold on a day for the first time, and when on it."""
    ends = installation.midnight(day + timedelta(days=1), zone)
    touched = compile.touched([node], of=of, since=begins, until=ends, rising=True)
    fresh = sql("SELECT subject_id FROM ({}) touched EXCEPT SELECT subject_id FROM {}", touched, table)
    answers = compile.table({"held": node}, of=of, at=ends, among=fresh, evidence=True)
    run(
        sql(
            """INSERT INTO {}
               SELECT subject_id, CASE WHEN held__evidence >= {} THEN LEAST(held__evidence, {}) ELSE {} END
               FROM ({}) answers WHERE held ON CONFLICT DO NOTHING""",
            table,
            begins,
            ends,
            ends,
            answers,
        )
    )


def _ledger(backtest: Backtest, side: str) -> ledgers.Ledger:
    return ledgers.aside(f"backtest_{backtest.pk}_{side}")


def _tables(backtest: Backtest) -> judging.Tables:
    place = f"backtest_{backtest.pk}"
    outcomes, points = (sql("work.{}", name(f"{place}_{which}")) for which in ("outcomes", "points"))
    tried, beside, swept = (_ledger(backtest, side) for side in ("tried", "live", "swept"))
    return judging.Tables(tried, beside, swept, outcomes, points)
