"""W12: what the funnel's page shows of a year, out of the filled tables, against the same answers out of the ledger.

Flows and stays, velocity, cohorts: each reference is one statement over raw movements, and gives the very numbers (the
one of cohorts leaves out the strict order, which ours answers as well). Then the page itself against all of these
together, whole and split by country, and what it costs to bring the tables up to a day of moves.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench import history, measuring, moves
from bench.moves import DAYS, PATH
from kit import installation
from kit.models import User
from kit.sql import Sql, join, rows, sql, value
from kit.sql import run as execute
from kit.statistics import Counts
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Version
from reporting import filling, flows, plans, splits
from reporting.metrics import cohort_conversion, time_in_stage, velocity
from reporting.questions import Question, ask
from reporting.windows import Window

WITHIN = 90


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Six figures; `activities` lie beside and are not asked. The answers of the first three are compared to the last count."""
    now = history.fill(number, activities, without=moves.SLUG)
    lifecycle = moves.fill(now)
    version = lifecycle.versions.get()
    movements = value(sql("SELECT count(*) FROM lifecycle_movement WHERE version_id = {}", version.pk))
    size = {"people": number, "movements": movements}
    refill = _fill(lifecycle, version, now)
    day = now.astimezone(installation.zone()).date()
    window = Window(day - timedelta(days=364), day + timedelta(days=1))
    plan = plans.read(lifecycle)
    assert plan
    whole = ask(plan, window, day, within=WITHIN)
    parted = ask(plan, window, day, within=WITHIN, split=splits.find("person.country", "person"))

    def compare(case: str, ours: Callable[[], Any], hand: Callable[[], Any]) -> dict[str, Any]:
        figure = measuring.compare(ours, hand, before=measuring.nothing, repeats=repeats)
        return {"case": case, **size, **figure, "rows": movements, "peak_rss_mb": measuring.peak_rss_mb()}

    for case, ours, hand in ANSWERS:
        for question in (whole, parted):
            assert ours(question) == hand(question), case
        yield compare(case, lambda ours=ours: ours(whole), lambda hand=hand: hand(whole))

    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client()
    client.force_login(User.objects.create_user(f"{uuid.uuid4().hex}@bench.example", role=User.Role.ANALYST))
    asked = {"lifecycle": lifecycle.slug, "from": window.start, "to": window.end, "within": WITHIN}
    for case, question, more in (("the page", whole, {}), ("the page, split", parted, {"split": "person.country"})):

        def page(more: dict[str, str] = more) -> None:
            answer = client.get(reverse("report_funnel"), asked | more, secure=True, headers={"host": "localhost"})
            assert answer.status_code == 200, answer.status_code

        with CaptureQueriesContext(connection) as captured:
            page()
        assert not [each for each in captured if "lifecycle_movement" in each["sql"]], "no page reads raw history"
        yield compare(case, page, lambda question=question: [hand(question) for _case, _ours, hand in ANSWERS])
    yield {"case": "the tables brought up to a day", **size, **refill, "peak_rss_mb": measuring.peak_rss_mb()}


def _fill(lifecycle: Lifecycle, version: Version, now: datetime) -> dict[str, Any]:
    """The tables filled from nothing, and brought up to one more day, on which a share of all moves as on any other."""
    begun = time.perf_counter()
    filling.fill(lifecycle, now=now)
    whole = time.perf_counter() - begun
    open_now = sql(
        """SELECT m.subject_id, m.id AS membership_id, m.seq, m.pass_number, 1 AS step, m.stage_id AS from_stage,
                  g.id AS to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at, NULL::bigint AS transition_id,
                  'bench' AS reason
           FROM lifecycle_membership m JOIN lifecycle_stage g ON g.version_id = m.version_id AND g.slug = 'resting'
           WHERE m.version_id = {} AND m.ended_at IS NULL AND m.stage_id <> g.id
           ORDER BY m.subject_id %% 1009, m.id LIMIT (SELECT count(*) / {} FROM lifecycle_movement WHERE version_id = {})""",
        now, now, version.pk, DAYS, version.pk,
    )  # fmt: skip
    moved = stages.move_many(open_now, stages.Ledgering(version, "rule", "bench", now))
    measuring.settle()
    begun = time.perf_counter()
    filled = filling.fill(lifecycle, now=now)
    took = time.perf_counter() - begun
    assert filled.memberships == moved
    return {"ours_s": round(took, 3), "from_nothing_s": round(whole, 1), "rows": moved, "days": filled.days}


# ---- what the page says, and the same out of the ledger ----


def _flows(question: Question) -> Any:
    found = {}
    for bucket, moved in flows.by_bucket(question).items():
        pairs = moved.before.keys() | moved.within.keys()
        found[bucket] = {pair: (moved.before.get(pair, 0), moved.within.get(pair, 0)) for pair in pairs}
    stays = {
        (bucket, place.slug): (days.count, days.median, days.p90)
        for bucket, told in time_in_stage.by_bucket(question).items()
        for place in question.plan.places
        if (days := told.of(place.slug)).count
    }
    return found, stays


def _flows_by_hand(question: Question) -> Any:
    start, end = _instants(question)
    found: dict[str, Any] = defaultdict(dict)
    for bucket, source, target, before, within in _raw(
        sql(
            """SELECT {}, COALESCE(s.slug, ''), t.slug, before, within FROM (
                   SELECT {} AS bucket, v.from_stage_id, v.to_stage_id, count(*) FILTER (WHERE v.occurred_at < {}) AS before,
                          count(*) FILTER (WHERE v.occurred_at >= {}) AS within
                   FROM lifecycle_movement v {} WHERE {} AND v.occurred_at < {} GROUP BY 1, 2, 3) moved
               LEFT JOIN lifecycle_stage s ON s.id = from_stage_id JOIN lifecycle_stage t ON t.id = to_stage_id""",
            Sql("moved.bucket"), *_of(question, start, start), end,
        )
    ):  # fmt: skip
        found[bucket][source, target] = (before, within)
    zone = question.zone
    stays: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for bucket, source, days, count in _raw(
        sql(
            """SELECT bucket, s.slug, days, count FROM (
                   SELECT {} AS bucket, v.from_stage_id,
                          (v.evidence_at AT TIME ZONE {})::date - (b.evidence_at AT TIME ZONE {})::date AS days, count(*)
                   FROM lifecycle_movement v
                   JOIN lifecycle_movement b ON b.membership_id = v.membership_id AND b.seq = v.seq - 1 {}
                   WHERE {} AND v.occurred_at >= {} AND v.occurred_at < {} GROUP BY 1, 2, 3) stayed
               JOIN lifecycle_stage s ON s.id = from_stage_id""",
            *_of(question, zone, zone), start, end,
        )
    ):  # fmt: skip
        stays[bucket, source].append((days, count))
    told = {key: Counts(days) for key, days in stays.items()}
    return dict(found), {key: (days.count, days.median, days.p90) for key, days in told.items()}


def _speeds(question: Question) -> Any:
    return {
        (bucket, *pair): (days.count, days.median, days.p90)
        for bucket, speeds in velocity.by_bucket(question).items()
        for pair, days in speeds.items()
    }


def _speeds_by_hand(question: Question) -> Any:
    """The first entry into a stage, with the day of its fact in the lower half of one number."""
    start, end = _instants(question)
    places = range(1, len(PATH) + 1)
    entry = "min((v.seq::bigint << 32) + ((v.evidence_at AT TIME ZONE {})::date - '1970-01-01'::date))"
    first = [
        sql(f"{entry} FILTER (WHERE {{}}) AS e{n}, min(v.occurred_at) FILTER (WHERE {{}}) AS o{n}", question.zone, _at(question, n), _at(question, n))
        for n in places
    ]  # fmt: skip
    pairs = [(n - 1, n) for n in places[1:]] + [(1, len(PATH))]
    ways = [sql(f"({source}, {target}, e{source}, e{target}, o{target})") for source, target in pairs]
    found: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for bucket, source, target, days, count in _raw(
        sql(
            """SELECT bucket, source, target, (later & 4294967295) - (earlier & 4294967295) AS days, count(*)
               FROM (SELECT {} AS bucket, v.membership_id, {} FROM lifecycle_movement v {} WHERE {} AND v.occurred_at < {}
                     GROUP BY 1, 2) first
               CROSS JOIN LATERAL (VALUES {}) way (source, target, earlier, later, at)
               WHERE way.at >= {} AND way.earlier < way.later GROUP BY 1, 2, 3, 4""",
            _bucket(question), join(", ", first), *_of(question)[-2:], end, join(", ", ways), start,
        )
    ):  # fmt: skip
        found[bucket, PATH[source - 1], PATH[target - 1]].append((days, count))
    told = {key: Counts(days) for key, days in found.items()}
    return {key: (days.count, days.median, days.p90) for key, days in told.items()}


def _steps() -> list[tuple[int, int]]:
    """From where (0: the entry into the lifecycle) to where the page shows conversion."""
    last = len(PATH)
    every = (
        [(n, n + 1) for n in range(1, last)]
        + [(1, n) for n in range(1, last + 1)]
        + [(0, n) for n in range(1, last + 1)]
    )
    return list(dict.fromkeys(every))


def _cohorts(question: Question) -> Any:
    names = ("", *PATH)
    return {
        (bucket, source, target): (share.hits, share.of, told.unfinished(names[source]))
        for bucket, told in cohort_conversion.by_bucket(question).items()
        for source, target in _steps()
        for share in [told.conversion(names[source], names[target])]
    }


def _cohorts_by_hand(question: Question) -> Any:
    """Where each began and when, then what came after it: two passes over the moves."""
    zone, places = question.zone, range(1, len(PATH) + 1)
    first = [
        sql(f"min(v.seq) FILTER (WHERE {{}}) AS q{n}, min(v.occurred_at) FILTER (WHERE {{}}) AS o{n}", _at(question, n), _at(question, n))
        for n in places
    ]  # fmt: skip
    reached = [
        sql(f"min(v.occurred_at) FILTER (WHERE {{}}{f' AND v.seq >= q{source}' if source else ''}) AS r{source}_{target}", _at(question, *range(target, len(PATH) + 1)))
        for source, target in _steps()
    ]  # fmt: skip
    day = "(({} AT TIME ZONE '" + zone + "')::date)"
    kept = sql("{}::date", question.window.start), sql("{}::date", question.window.end)
    mature = sql("({}::date - {})", question.today, WITHIN)
    counted = []
    for source, target in _steps():
        begun, end = day.format(f"o{source}"), day.format(f"r{source}_{target}")
        among = sql(f"{begun} >= {{}} AND {begun} < {{}}", *kept)
        counted.append(
            sql(
                f"count(*) FILTER (WHERE {{}} AND {begun} < {{}} AND {end} - {begun} <= {{}}), "
                f"count(*) FILTER (WHERE {{}} AND {begun} < {{}}), count(*) FILTER (WHERE {{}} AND {begun} >= {{}})",
                among, mature, WITHIN, among, mature, among, mature,
            )
        )  # fmt: skip
    found = _raw(
        sql(
            """WITH first AS MATERIALIZED (
                   SELECT {} AS bucket, v.membership_id, min(v.occurred_at) AS o0, {} FROM lifecycle_movement v {} WHERE {}
                   GROUP BY 1, 2),
               after AS (
                   SELECT v.membership_id, {} FROM lifecycle_movement v JOIN first USING (membership_id) GROUP BY 1)
               SELECT bucket, {} FROM first JOIN after USING (membership_id) GROUP BY 1""",
            _bucket(question), join(", ", first), *_of(question)[-2:], join(", ", reached), join(", ", counted),
        )
    )  # fmt: skip
    return {
        (bucket, source, target): tuple(figures[3 * i : 3 * i + 3])
        for bucket, *figures in found
        for i, (source, target) in enumerate(_steps())
    }


ANSWERS = (
    ("flows and stays", _flows, _flows_by_hand),
    ("velocity", _speeds, _speeds_by_hand),
    ("cohorts", _cohorts, _cohorts_by_hand),
)


def _raw(statement: Sql) -> list[tuple[Any, ...]]:
    with transaction.atomic():
        execute(Sql("SET LOCAL work_mem = '256MB'; SET LOCAL jit = off"))
        return rows(statement)


def _instants(question: Question) -> tuple[datetime, datetime]:
    zone = installation.zone()
    return installation.midnight(question.window.start, zone), installation.midnight(question.window.end, zone)


def _at(question: Question, *places: int) -> Sql:
    """The move leads to one of these places of the path."""
    known = {each.slug: each.pk for each in question.plan.version.stages.all()}
    return sql("v.to_stage_id = ANY({})", [known[PATH[n - 1]] for n in places])


def _bucket(question: Question) -> Sql:
    return Sql("p.country" if question.split else "''")


def _of(question: Question, *between: Any) -> list[Any]:
    """The bucket, what stands between, the join for the bucket, and whose moves count."""
    people = "JOIN lifecycle_membership m ON m.id = v.membership_id JOIN audience_person p ON p.id = m.person_id"
    left_out = (
        "SELECT x.id FROM lifecycle_membership x JOIN audience_person y ON y.id = x.person_id WHERE y.is_excluded"
    )
    counts = sql(f"v.version_id = {{}} AND v.membership_id NOT IN ({left_out})", question.plan.version.pk)
    return [_bucket(question), *between, Sql(people if question.split else ""), counts]
