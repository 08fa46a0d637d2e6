"""The figures of a backtest: flows of either side and of the ledger beside them, who differs, how well the stage tells
who reaches the outcome, what an extra one costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from audience.commerce import costs
from kit import installation
from kit.sql import Sql, dicts, name, rows, run, sql
from kit.statistics import Share
from lifecycle.backtests import recorded, spending
from lifecycle.backtests.spans import Span
from lifecycle.ledger.ledgers import Ledger
from lifecycle.models import Backtest, Version

ENOUGH = 5  # of each kind: with fewer who reached the outcome, or fewer who were judged, no figure is given
MONTHLY = 366  # days up to which a window is told month by month, and beyond by quarters


@dataclass(frozen=True)
class Tables:
    """What was written on the side."""

    tried: Ledger
    live: Ledger
    swept: Ledger
    outcomes: Sql
    points: Sql


def judge(backtest: Backtest, span: Span, tables: Tables) -> dict[str, Any]:
    """All figures, as they are kept; who came to the stage is written down with them."""
    judged = Judged(backtest, span, tables)
    sides = {"tried": judged.side(backtest.version, tables.tried)}
    if backtest.against:
        sides["live"] = judged.side(backtest.against, tables.live)
    beside = recorded.ledger(backtest) if recorded.is_there(backtest) else None
    if beside:
        sides["recorded"] = judged.truly(beside)
    _note_reached(backtest, span, tables, beside)
    money = spending.note_costs(backtest)
    return {
        "sides": sides,
        "differ": _differ(backtest, beside),
        "spent": costs.spent(backtest.begins_on, backtest.ends_on),
        "money": money | {"groups": judged.groups()},
        "moved": _moved(backtest, span, tables) if beside else None,
        "points": judged.points() if backtest.swept_id else [],
    }


def arrivals(backtest: Backtest, ledger: Ledger, stage: str, span: Span) -> Sql:
    """When each subject that counts in figures first came to a stage: subject_id, reached_at.

    Whom another version of the lifecycle put there has not come to it, as in reports.
    """
    return sql(
        """
        SELECT membership.subject_id, min(movement.occurred_at) AS reached_at
        FROM {} movement JOIN {} membership ON membership.id = movement.membership_id
        JOIN lifecycle_stage stage ON stage.id = movement.to_stage_id AND stage.slug = {}
        JOIN {} subject ON subject.id = membership.subject_id AND NOT subject.is_excluded AND subject.erased_at IS NULL
        WHERE membership.lifecycle_id = {} AND movement.occurred_at < {} AND movement.kind <> 'migration'
        GROUP BY 1
        """,
        ledger.movements,
        ledger.memberships,
        stage,
        _subjects(backtest),
        backtest.version.lifecycle_id,
        span.known,
    )


def precision(told: dict[str, Any]) -> Share:
    """Of those who came to the stage, and whose days are over, the share that reached the outcome."""
    return Share(told["hits"], told["of"])


def recall(told: dict[str, Any]) -> Share:
    """Of those who reached the outcome in the window, the share that had come to the stage before, in time."""
    return Share(told["found"], told["outcomes"])


def usual(told: dict[str, Any]) -> Share:
    """Of those who entered the lifecycle in the window, and whose days are over, the share that reached the outcome."""
    return Share(told["usual_hits"], told["usual_of"])


def lift(told: dict[str, Any]) -> float | None:
    """How many times the usual rate the precision is; None where either cannot be told."""
    rate, base = precision(told).rate, usual(told).rate
    return rate / base if rate is not None and base and enough(told) else None


def enough(told: dict[str, Any]) -> bool:
    """Whether there is enough of everything to say anything at all."""
    return told["of"] >= ENOUGH and told["outcomes"] >= ENOUGH


@dataclass(frozen=True)
class Judged:
    """The judgement of one backtest: one statement for each question, whatever the number of subjects."""

    backtest: Backtest
    span: Span
    tables: Tables

    def side(self, version: Version, ledger: Ledger) -> dict[str, Any]:
        """What one side's rules would have done."""
        return {"version": str(version), "stages": self._stages(version, ledger), **self._figures(ledger)}

    def truly(self, ledger: Ledger) -> dict[str, Any]:
        """What the ledger has, by rules or otherwise, told in the same figures."""
        there = recorded.stages(self.backtest, self.span)
        return {"version": "", "stages": there, **self._figures(ledger), **recorded.clocks(self.backtest, self.span)}

    def groups(self) -> dict[str, dict[str, int]]:
        """Whom only one side brings to the stage, and whom both: what they cost, and what came of them."""
        told = spending.groups(self.backtest)
        which = {
            "tried_only": Sql("tried_at AS reached_at FROM lifecycle_reached WHERE live_at IS NULL"),
            "live_only": Sql("live_at AS reached_at FROM lifecycle_reached WHERE tried_at IS NULL"),
            "both": Sql("tried_at AS reached_at FROM lifecycle_reached WHERE live_at IS NOT NULL"),
        }
        for key, each in which.items():
            reached = sql("SELECT subject_id, {} AND backtest_id = {}", each, self.backtest.pk)
            [came] = dicts(
                sql(
                    """SELECT count(*) FILTER (WHERE NOT already AND mature) AS "of",
                              count(*) FILTER (WHERE NOT already AND mature AND in_time) AS hits
                       FROM ({}) came""",
                    self._followed(reached),
                )
            )
            told[key] |= came
        return told

    def _figures(self, ledger: Ledger) -> dict[str, Any]:
        reached = arrivals(self.backtest, ledger, self.backtest.stage, self.span)
        return {**self.told(reached, self._entries(ledger)), "by_time": self.by_time(reached)}

    def points(self) -> list[dict[str, Any]]:
        """The same figures at each value of the number that was swept, of the stage to which its rule leads."""
        rule, ledger = self.backtest.swept, self.tables.swept
        assert rule is not None
        entries = self._entries(ledger)
        otherwise = arrivals(self.backtest, ledger, rule.to_stage.slug, self.span)
        told = []
        for point in self.backtest.points:
            by_rule = sql("SELECT subject_id, reached_at FROM {} WHERE point = {}", self.tables.points, point)
            both = sql("SELECT * FROM ({}) by_rule UNION ALL SELECT * FROM ({}) otherwise", by_rule, otherwise)
            counted = sql(
                """SELECT subject_id, min(reached_at) AS reached_at FROM ({}) both_ways
                   JOIN {} subject ON subject.id = subject_id AND NOT subject.is_excluded
                   AND subject.erased_at IS NULL GROUP BY 1""",
                both,
                _subjects(self.backtest),
            )
            told.append({"value": point, **self.told(counted, entries)})
        return told

    def told(self, reached: Sql, entries: Sql) -> dict[str, Any]:
        """How many came to the stage in the window, what came of them, and how many of the outcomes they are."""
        [found] = dicts(
            sql(
                """
                WITH reached AS MATERIALIZED ({}), entries AS MATERIALIZED ({})
                SELECT came.*, outcomes.*, usual.* FROM (
                    SELECT count(*) AS entered,
                           count(*) FILTER (WHERE already) AS already,
                           count(*) FILTER (WHERE NOT already AND NOT mature) AS unfinished,
                           count(*) FILTER (WHERE NOT already AND mature) AS "of",
                           count(*) FILTER (WHERE NOT already AND mature AND in_time) AS hits
                    FROM ({}) came
                ) came CROSS JOIN (
                    SELECT count(*) AS outcomes,
                           count(*) FILTER (WHERE reached.reached_at < outcome.reached_at
                               AND {} - {} <= {}) AS found
                    FROM {} outcome JOIN entries USING (subject_id) LEFT JOIN reached USING (subject_id)
                    WHERE outcome.reached_at >= {} AND outcome.reached_at < {}
                ) outcomes CROSS JOIN (
                    SELECT count(*) FILTER (WHERE NOT already AND mature) AS usual_of,
                           count(*) FILTER (WHERE NOT already AND mature AND in_time) AS usual_hits
                    FROM ({}) entered
                ) usual
                """,
                reached,
                entries,
                self._followed(Sql("SELECT * FROM reached")),
                self._day("outcome.reached_at"),
                self._day("reached.reached_at"),
                self.backtest.horizon,
                self.tables.outcomes,
                self.span.begins,
                self.span.ends,
                self._followed(Sql("SELECT * FROM entries")),
            )
        )
        return found

    def by_time(self, reached: Sql) -> list[dict[str, Any]]:
        """The precision by when they came to the stage, the earliest first."""
        long = (self.backtest.ends_on - self.backtest.begins_on).days > MONTHLY
        found = rows(
            sql(
                """SELECT date_trunc({}, came.reached_at AT TIME ZONE {})::date,
                          count(*) FILTER (WHERE mature AND in_time), count(*) FILTER (WHERE mature),
                          count(*) FILTER (WHERE NOT mature)
                   FROM ({}) came WHERE NOT already GROUP BY 1 ORDER BY 1""",
                "quarter" if long else "month",
                str(installation.zone()),
                self._followed(reached),
            )
        )
        return [
            {"from": day.isoformat(), "hits": hits, "of": of, "unfinished": open_} for day, hits, of, open_ in found
        ]

    def _followed(self, reached: Sql) -> Sql:
        """Those who came in the window, whether they had the outcome already, got it in time, and whose days are over.

        Days are local days: within h days is up to the end of the h-th day after.
        """
        last = self.span.known.astimezone(installation.zone()).date() - timedelta(days=self.backtest.horizon)
        return sql(
            """SELECT came.subject_id, came.reached_at,
                      COALESCE(outcome.reached_at <= came.reached_at, false) AS already,
                      COALESCE({} - {} <= {}, false) AS in_time,
                      {} < {}::date AS mature
               FROM ({}) came LEFT JOIN {} outcome USING (subject_id)
               WHERE came.reached_at >= {} AND came.reached_at < {}""",
            self._day("NULLIF(outcome.reached_at, '-infinity')"),
            self._day("came.reached_at"),
            self.backtest.horizon,
            self._day("came.reached_at"),
            last,
            reached,
            self.tables.outcomes,
            self.span.begins,
            self.span.ends,
        )

    def _entries(self, ledger: Ledger) -> Sql:
        """When each subject first entered the lifecycle."""
        return sql(
            """SELECT membership.subject_id, min(movement.occurred_at) AS reached_at
               FROM {} movement JOIN {} membership ON membership.id = movement.membership_id
               JOIN {} subject ON subject.id = membership.subject_id AND NOT subject.is_excluded
                   AND subject.erased_at IS NULL
               WHERE movement.seq = 1 AND membership.lifecycle_id = {} AND movement.occurred_at < {} GROUP BY 1""",
            ledger.movements,
            ledger.memberships,
            _subjects(self.backtest),
            self.backtest.version.lifecycle_id,
            self.span.known,
        )

    def _day(self, instant: str) -> Sql:
        return sql(f"({instant} AT TIME ZONE {{}})::date", str(installation.zone()))

    def _stages(self, version: Version, ledger: Ledger) -> list[dict[str, Any]]:
        """Each stage's balance at either end of the window, and who came and left between."""
        return dicts(
            sql(
                """
                SELECT stage.slug, stage.name, stage.path,
                       count(*) FILTER (WHERE comes AND at < {})
                           - count(*) FILTER (WHERE NOT comes AND at < {}) AS before,
                       count(*) FILTER (WHERE comes AND at >= {}) AS came,
                       count(*) FILTER (WHERE NOT comes AND at >= {}) AS "left",
                       count(*) FILTER (WHERE comes) - count(*) FILTER (WHERE NOT comes) AS after
                FROM lifecycle_stage stage LEFT JOIN (
                    SELECT side.stage, side.comes, movement.occurred_at AS at
                    FROM {} movement JOIN {} membership ON membership.id = movement.membership_id
                    JOIN {} subject ON subject.id = membership.subject_id AND NOT subject.is_excluded
                        AND subject.erased_at IS NULL
                    CROSS JOIN LATERAL (VALUES (movement.to_stage_id, true), (movement.from_stage_id, false))
                        side (stage, comes)
                    WHERE movement.occurred_at < {}
                ) moved ON moved.stage = stage.id
                WHERE stage.version_id = {} GROUP BY stage.id ORDER BY stage."order"
                """,
                self.span.begins,
                self.span.begins,
                self.span.begins,
                self.span.begins,
                ledger.movements,
                ledger.memberships,
                _subjects(self.backtest),
                self.span.ends,
                version.pk,
            )
        )


def _moved(backtest: Backtest, span: Span, tables: Tables) -> dict[str, dict[str, int]]:
    """Whom hands, files and answers of sales moved, and how many of them the rules would have elsewhere."""
    recorded.note_moved(backtest, span, tables.tried, tables.live)
    return recorded.moved(backtest)


def _note_reached(backtest: Backtest, span: Span, tables: Tables, beside: Ledger | None) -> None:
    """Who came to the stage in the window by either side or in truth, as rows."""
    nobody = Sql("SELECT NULL::bigint AS subject_id, NULL::timestamptz AS reached_at WHERE false")
    tried = arrivals(backtest, tables.tried, backtest.stage, span)
    live = arrivals(backtest, tables.live, backtest.stage, span) if backtest.against else nobody
    truly = arrivals(backtest, beside, backtest.stage, span) if beside else nobody
    person = backtest.version.lifecycle.of == "person"
    backtest.reached.all().delete()
    run(
        sql(
            """
            INSERT INTO lifecycle_reached (backtest_id, person_id, account_id, tried_at, live_at, ledger_at, outcome_at)
            SELECT {}, CASE WHEN {} THEN subject_id END, CASE WHEN {} THEN subject_id END,
                   tried.reached_at, live.reached_at, truly.reached_at, NULLIF(outcome.reached_at, '-infinity')
            FROM (SELECT * FROM ({}) t WHERE t.reached_at < {}) tried
            FULL JOIN (SELECT * FROM ({}) l WHERE l.reached_at < {}) live USING (subject_id)
            FULL JOIN (SELECT * FROM ({}) r WHERE r.reached_at < {}) truly USING (subject_id)
            LEFT JOIN {} outcome USING (subject_id)
            WHERE GREATEST(tried.reached_at, live.reached_at, truly.reached_at) >= {}
            """,
            backtest.pk,
            person,
            not person,
            tried,
            span.ends,
            live,
            span.ends,
            truly,
            span.ends,
            tables.outcomes,
            span.begins,
        )
    )


def _differ(backtest: Backtest, beside: Ledger | None) -> dict[str, int]:
    """How many only one side brings to the stage, of both how many sooner or later, and how many truly came; by local
    days, in the window."""
    zone = str(installation.zone())
    [found] = dicts(
        sql(
            """
            SELECT count(*) FILTER (WHERE live IS NULL AND tried >= {}) AS tried_only,
                   count(*) FILTER (WHERE tried IS NULL AND live >= {}) AS live_only,
                   count(*) FILTER (WHERE by_both) AS both,
                   count(*) FILTER (WHERE by_both AND tried < live) AS sooner,
                   count(*) FILTER (WHERE by_both AND tried > live) AS later,
                   count(*) FILTER (WHERE truly >= {}) AS recorded,
                   count(*) FILTER (WHERE truly >= {} AND tried IS NULL) AS recorded_only,
                   count(*) FILTER (WHERE truly IS NULL AND tried >= {}) AS unrecorded
            FROM (
                SELECT *, (tried IS NOT NULL AND live IS NOT NULL AND GREATEST(tried, live) >= {}) AS by_both
                FROM (
                    SELECT (tried_at AT TIME ZONE {})::date AS tried, (live_at AT TIME ZONE {})::date AS live,
                           (ledger_at AT TIME ZONE {})::date AS truly
                    FROM lifecycle_reached WHERE backtest_id = {}
                ) days
            ) reached
            """,
            *[backtest.begins_on] * 6,
            zone,
            zone,
            zone,
            backtest.pk,
        )
    )
    if beside is None:
        found = {key: number for key, number in found.items() if "recorded" not in key}
    return found


def _subjects(backtest: Backtest) -> Sql:
    return name(f"audience_{backtest.version.lifecycle.of}")
