"""Backtests: a draft tried on the past beside the live version, in tables on the side, judged by what came later."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kit import jobs
from kit.sql import rows, sql
from lifecycle import backtests, documents, replay
from lifecycle.backtests import judging, numbers
from lifecycle.models import Backtest, Membership, Movement, Reached, Transition
from tests.factories import activity, deal, draft, person, published
from tests.lifecycle.test_replay import some_history

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SALES = """
lifecycle: sales
name: Sales
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: known, to: mql, when: {field: activity.count, op: at_least, value: 3}, reason: Did a lot}
  - {from: any, to: won, when: {field: deal.count, where: {status: won}, op: at_least, value: 1}, reason: A deal won}
"""
WON = {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1}
WINDOW = {"begins_on": date(2025, 1, 1), "ends_on": date(2025, 4, 1), "stage": "mql", "horizon": 30}


def on(day: int, hour: int = 12) -> datetime:
    """That day of the year 2025."""
    return datetime(2025, 1, 1, hour, tzinfo=UTC) + timedelta(days=day - 1)


def visitor(*days: int, won: int | None = None, **values):
    """Somebody first seen on the first of these days, who did something on each of them and perhaps bought."""
    someone = person(first_seen_at=on(days[0], 8), **values)
    for day in days:
        activity(someone, on(day))
    if won:
        deal(someone, on(days[0]), on(won))
    return someone


def made(version, **asked) -> Backtest:
    """A backtest that has been worked through."""
    backtest = backtests.ask(version, backtests.Asked(**{**WINDOW, "outcome": WON, **asked}), by=None, now=NOW)
    jobs.run(backtest.job_id, NOW)
    backtest.refresh_from_db()
    assert backtest.job.state == "done", backtest.job.error
    return backtest


def test_who_would_have_moved_when_and_what_came_of_them_agrees_with_the_hand_count():
    published(SALES, NOW)
    version = draft(SALES.replace("value: 3", "value: 2"), NOW)
    early = visitor(10, 20, 30, won=40)  # MQL on day 30 by the live version, on day 20 by the draft; won in time
    late = visitor(10, 20, 30, won=80)  # won 60 days after the draft's MQL: too late
    drafted = visitor(40, 50)  # by the draft alone, never won
    already = visitor(30, 40, 50, won=35)  # won before: judged by nobody, and terminal before either MQL
    visitor(60, won=70)  # won without having been an MQL
    visitor(80, 85, 90)  # both, and not over on day 121: 85 + 30 = 115 is, 90 + 30 = 120 is
    open_ones = visitor(89, 90, is_excluded=True)
    found = made(version)
    tried, beside = found.result["sides"]["tried"], found.result["sides"]["live"]
    assert {row.subject_id: (row.tried_at, row.live_at, row.outcome_at) for row in Reached.objects.all()}.items() >= {
        early.pk: (on(20), on(30), on(40)), late.pk: (on(20), on(30), on(80)), drafted.pk: (on(50), None, None)
    }.items()  # fmt: skip
    assert not Reached.objects.filter(subject_id__in=[already.pk, open_ones.pk])
    assert found.result["differ"] == {"tried_only": 1, "live_only": 0, "both": 3, "sooner": 3, "later": 0}
    assert (judging.precision(tried).hits, judging.precision(tried).of) == (1, 4)
    assert (judging.precision(beside).hits, judging.precision(beside).of) == (1, 3)
    # Four won in the window; of them one had become an MQL up to thirty days before, by either version.
    assert (judging.recall(tried).hits, judging.recall(tried).of) == (1, 4)
    assert [(stage["slug"], stage["before"], stage["came"], stage["left"], stage["after"]) for stage in tried["stages"]] == [
        ("known", 0, 6, 5, 1 - 0), ("mql", 0, 4, 2, 2), ("won", 0, 4, 0, 4)
    ]  # fmt: skip


def test_nothing_of_it_is_in_the_ledger_and_nothing_stays_on_the_side():
    visitor(10, 20, 30, won=40)
    live = published(SALES, NOW)
    replay.run(live, now=NOW)
    before = list(Movement.objects.values()), list(Membership.objects.values())
    made(draft(SALES.replace("value: 3", "value: 2"), NOW))
    assert (list(Movement.objects.values()), list(Membership.objects.values())) == before
    assert rows(sql("SELECT tablename FROM pg_tables WHERE schemaname = 'work' AND tablename LIKE 'backtest_%%'")) == []


def test_a_draft_tried_beside_nothing_is_what_publishing_it_would_write():
    some_history(5)
    version = draft(now=NOW)
    found = made(version, stage="lead", outcome_stage="won", outcome=None, begins_on=date(2024, 12, 1), ends_on=date(2025, 5, 1))
    replay.run(version, now=NOW, until=datetime(2025, 5, 1, tzinfo=UTC))
    arrived = Movement.objects.filter(to_stage__slug="lead").order_by("membership__subject_id", "occurred_at")
    assert dict(Reached.objects.values_list("subject_id", "tried_at")) == dict(
        arrived.distinct("membership__subject_id").values_list("membership__subject_id", "occurred_at")
    )
    assert {stage["slug"]: stage["after"] for stage in found.result["sides"]["tried"]["stages"]} == {
        stage.slug: Membership.objects.filter(stage=stage).count() for stage in version.stages.all()
    }
    assert Reached.objects.exists() and "live" not in found.result["sides"]


@pytest.mark.parametrize(("rule", "values"), [(2, (1, 3)), (3, (2, 4)), (6, (0, 1)), (7, (1, 2))])
def test_a_sweep_tells_of_each_value_what_a_backtest_of_it_would(rule, values):
    """Of a rule into a gate, one out of it, one that only time fulfils, and one by which they go round."""
    some_history(11, people=12, days=45)
    version = draft(now=NOW)
    number = next(each for each in numbers.of_version(version) if each.rule.priority == rule and each.place[-1] == "value")
    target = number.rule.to_stage.slug
    asked = {"begins_on": date(2025, 1, 1), "ends_on": date(2025, 2, 20), "stage": target, "outcome": {"not": WON}, "horizon": 5}
    swept = made(version, **asked, number=number.key, least=values[0], most=values[1])
    told = {point.pop("value"): point for point in swept.result["points"]}
    assert set(told) >= set(values) and (rule == 7 or len({point["entered"] for point in told.values()}) > 1)
    for value in values:
        Transition.objects.filter(pk=number.rule.pk).update(
            condition=numbers.with_value(number.rule.condition, number.place, value)
        )
        alone = made(version, **asked).result["sides"]["tried"]
        assert {key: alone[key] for key in told[value]} == told[value], value
