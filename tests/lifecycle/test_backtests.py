"""Backtests: a draft tried on the past beside the live version, in tables on the side, judged by what came later."""

from datetime import UTC, date, datetime, timedelta

import pytest
import yaml

from audience.models import SegmentMember
from kit import jobs
from kit.models import Job, User
from kit.sql import rows, sql
from lifecycle import backtests
from lifecycle.backtests import judging, numbers
from lifecycle.editions import versions
from lifecycle.engine import replay
from lifecycle.models import Backtest, Membership, Movement, Reached, Transition
from tests.factories import activity, deal, draft, person, published
from tests.lifecycle.test_replay import some_history
from tests.scoring import making as scored

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)
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


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    return client


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
        ("known", 0, 6, 6, 0), ("mql", 0, 4, 2, 2), ("won", 0, 4, 0, 4)
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
    some_history(5, days=40)
    version = draft(now=NOW)
    asked = {
        "begins_on": date(2025, 1, 20),
        "ends_on": date(2025, 3, 1),
        "stage": "lead",
        "outcome_stage": "won",
        "outcome": None,
    }
    found = made(version, **asked)
    replay.run(version, now=NOW, until=datetime(2025, 5, 1, tzinfo=UTC))
    within = Movement.objects.filter(occurred_at__lt=on(60, 0))
    first = within.filter(to_stage__slug="lead").order_by("membership__subject_id", "occurred_at")
    assert dict(Reached.objects.values_list("subject_id", "tried_at")) == {
        subject: at
        for subject, at in first.distinct("membership__subject_id").values_list("membership__subject_id", "occurred_at")
        if at >= on(20, 0)
    }
    assert {stage["slug"]: stage["after"] for stage in found.result["sides"]["tried"]["stages"]} == {
        stage.slug: within.filter(to_stage=stage).count() - within.filter(from_stage=stage).count()
        for stage in version.stages.all()
    }
    assert Reached.objects.exists() and "live" not in found.result["sides"]


@pytest.mark.parametrize(("rule", "values"), [(3, (2, 4)), (6, (0, 1))])
def test_a_sweep_tells_of_each_value_what_a_backtest_of_it_would(rule, values):
    """Of a rule into a gate, whose values leave some behind, and of one that time alone fulfils, so that they go round."""
    some_history(11, people=12, days=30)
    version = draft(now=NOW)
    number = next(
        each for each in numbers.of_version(version) if each.rule.priority == rule and each.place[-1] == "value"
    )
    target = number.rule.to_stage.slug
    asked = {
        "begins_on": date(2025, 1, 1),
        "ends_on": date(2025, 2, 5),
        "stage": target,
        "outcome": {"not": WON},
        "horizon": 5,
    }
    swept = made(version, **asked, number=number.key, least=values[0], most=values[1])
    told = {point.pop("value"): point for point in swept.result["points"]}
    assert set(told) >= set(values) and len({point["entered"] for point in told.values()}) > 1
    for value in values:
        Transition.objects.filter(pk=number.rule.pk).update(
            condition=numbers.with_value(number.rule.condition, number.place, value, "person")
        )
        alone = made(version, **asked).result["sides"]["tried"]
        assert {key: alone[key] for key in told[value]} == told[value], value


def test_the_limit_of_a_score_is_tried_where_a_rule_asks_whether_it_is_reached(admin):
    rules = [{"name": "Did something", "points": 10, "did": {"kind": "page_visited"}}]
    scored.published(yaml.safe_dump({"model": "lead", "name": "Lead score", "limit": 30, "rules": rules}), NOW)
    visitor(10, 20, 30, won=40)
    visitor(40, 50)
    reached = "{field: score.lead.reached, op: is, value: true}"
    version = draft(SALES.replace("{field: activity.count, op: at_least, value: 3}", reached), NOW)
    [number] = [each for each in numbers.of_version(version) if each.rule.to_stage.slug == "mql"]
    assert (number.value, number.words) == (30, "score of Lead score is at least 30")
    found = made(version, number=number.key, least=10, most=22)
    entered = {point["value"]: point["entered"] for point in found.result["points"]}
    assert (entered[10], entered[20], entered[30]) == (2, 2, 1)
    admin.post(f"/backtests/{found.pk}/take/", {"point": "20"})
    assert version.transitions.get(pk=number.rule.pk).condition == {
        "field": "score.lead",
        "op": "at_least",
        "value": 20,
    }


def test_a_killed_worker_s_successor_goes_on_where_it_stood_and_comes_to_the_same(monkeypatch):
    """The first dies in the middle of either side's walk, each time between two days."""
    some_history(3, people=8, days=20)
    version = draft(now=NOW)
    asked = {"begins_on": date(2025, 1, 1), "ends_on": date(2025, 1, 25), "stage": "engaged", "horizon": 5}
    whole = made(version, **asked).result
    backtest = backtests.ask(version, backtests.Asked(**asked, outcome=WON), by=None, now=NOW)
    progress, calls = jobs.Held.progress, []

    class Killed(BaseException):
        pass

    def dies(held, **reached):
        progress(held, **reached)
        calls.append(reached.get("cursor"))
        if len(calls) in (9, 30):
            raise Killed

    monkeypatch.setattr(jobs.Held, "progress", dies)
    for _life in range(2):
        with pytest.raises(Killed):
            jobs.run(backtest.job_id, NOW)
        # As a process that is killed leaves it: its lease runs out.
        Job.objects.filter(pk=backtest.job_id).update(state="running", lease_until=None, owner="")
    jobs.run(backtest.job_id, NOW)
    backtest.refresh_from_db()
    assert (backtest.job.state, backtest.result) == ("done", whole)
    walked = [(cursor["step"], cursor["day"]) for cursor in calls if cursor and "day" in cursor]
    assert len(walked) - len(set(walked)) <= 2, "only the day at hand is walked again"


def test_a_value_that_was_tried_goes_into_the_draft_and_the_page_says_that_it_changed(admin):
    visitor(10, 20, 30, won=40)
    version = draft(SALES, NOW)
    number = next(each for each in numbers.of_version(version) if each.value == 3)
    found = made(version, ends_on=date(2025, 2, 1), horizon=5, number=number.key, least=1, most=2)
    assert [point["entered"] for point in found.result["points"]] == [1, 1, 1]
    page = admin.get(found.get_absolute_url()).content.decode()
    assert "Put 2 into the draft" in page and "has been changed since" not in page and "Not enough data" in page
    admin.post(f"/backtests/{found.pk}/take/", {"point": "2"})
    assert version.transitions.get(pk=number.rule.pk).condition["value"] == 2
    assert "has been changed since" in admin.get(found.get_absolute_url()).content.decode()
    for nonsense in ("7", "", "x\x00", "9" * 30, "²"):
        assert admin.post(f"/backtests/{found.pk}/take/", {"point": nonsense}, follow=True).status_code == 200
    assert version.transitions.get(pk=number.rule.pk).condition["value"] == 2


def test_it_is_asked_for_on_a_page_and_its_people_are_kept_as_a_segment(admin):
    published(SALES, NOW)
    version = draft(SALES.replace("value: 3", "value: 2"), NOW)
    someone, _other = visitor(10, 20), visitor(10)
    url = f"/lifecycles/sales/v{version.number}/backtest/"
    assert "deal is won" in admin.get(url).content.decode()
    told = {
        "begins_on": "2025-01-01",
        "ends_on": "2025-02-01",
        "beside": "live",
        "stage": "mql",
        "outcome": "deal",
        "horizon": "30",
    }
    for wrong in ({"ends_on": "2024-01-01"}, {"ends_on": "2999-01-01"}, {"horizon": "0"}, {"stage": "x\x00"},
                  {"outcome": "segment:gone"}, {"number": "1:value"}, {"horizon": "9" * 40}):  # fmt: skip
        assert admin.post(url, told | wrong).status_code == 400, wrong
    assert not Backtest.objects.exists()
    assert admin.post(url, told).status_code == 302
    found = Backtest.objects.get()
    assert "cancel it" in admin.post(url, told).content.decode()
    jobs.run(found.job_id, NOW)
    assert "only by this version" in admin.get(found.get_absolute_url()).content.decode()
    assert "Sales" in admin.get("/lifecycles/sales/backtests/").content.decode()
    people = admin.get(f"/backtests/{found.pk}/people/?who=tried_only").content.decode()
    assert f"/people/{someone.pk}/" in people and f"/people/{_other.pk}/" not in people
    admin.post(f"/backtests/{found.pk}/segment/?who=tried_only", {"name": "Would be MQLs"})
    assert list(SegmentMember.objects.values_list("subject_id", flat=True)) == [someone.pk]
    admin.post(f"/backtests/{found.pk}/remove/")
    assert not Backtest.objects.exists() and not Reached.objects.exists()


def test_a_draft_that_is_discarded_takes_its_results_with_it():
    version = draft(SALES, NOW)
    made(version, begins_on=date(2025, 1, 1), ends_on=date(2025, 1, 3), horizon=1)
    versions.discard(version, by=None, now=NOW)
    assert not Backtest.objects.exists()
