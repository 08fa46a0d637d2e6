"""Every metric: its words are those of its file, and its list is as long as its figure."""

import importlib
import inspect
import itertools

import pytest

from kit.sql import rows, sql
from reporting import metrics
from reporting.metrics.cohort_conversion import Order
from reporting.plans import Direction
from reporting.splits import find
from tests.reporting.ledger import asked, lifecycle
from tests.reporting.test_funnel import january

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", [*metrics.ALL, *metrics.CUSTOMERS, *metrics.DEALS, *metrics.CAMPAIGNS])
def test_the_definition_on_the_page_is_the_one_in_the_file(name):
    module = importlib.import_module(f"reporting.metrics.{name}")
    assert str(metrics.find(name).definition) == metrics.metric.in_words(inspect.getdoc(module))


def behind(question, name, part="figure"):
    """The ids of the rows behind a figure."""
    return [row[0] for row in rows(metrics.ALL[name].people(question, part))]


@pytest.mark.parametrize("within", [None, 3, 45])
@pytest.mark.parametrize("split", [None, "country"])
def test_every_figure_is_as_large_as_its_list_is_long(within, split):
    sales = january()
    answer = asked(sales, 1, 32, within=within, split=find(split, "person") if split else None)
    bodies = [(answer.question.about(split=None), answer.everybody)]
    bodies += [(answer.question.about(bucket=bucket.value), bucket.body) for bucket in answer.buckets]
    for question, body in bodies:
        for row in body.rows:
            check(question, row, answer.plan)


def check(question, row, plan):
    slug, onward = row.place.slug, plan.next(row.place.slug)
    at, first = question.about(stage=slug), plan.success[0].slug
    assert len(behind(at.about(moment="start"), "balance")) == row.balance_start
    assert len(behind(at.about(moment="end"), "balance")) == row.balance_end
    assert len(behind(at, "in_flow")) == row.in_flow
    assert len(behind(at, "out_flow")) == row.out_flow
    assert len(behind(at, "time_in_stage")) == row.stays.count
    assert len(behind(at, "time_in_stage", "negative")) == row.stays.negative
    for way, count in row.out_by.items():
        assert len(behind(at.about(directions=(way,)), "out_flow")) == count
    if onward:
        period = behind(at, "period_conversion")
        assert (len(period), len(behind(at, "period_conversion", "base"))) == (row.period.hits, row.period.of)
        parts = behind(at, "period_conversion", "existing") + behind(at, "period_conversion", "new")
        assert sorted(parts) == sorted(period)
        to = at.about(target=onward.slug)
        assert len(behind(to, "cohort_conversion")) == row.next_step.hits
        assert len(behind(to, "cohort_conversion", "base")) == row.next_step.of
        assert len(behind(to, "cohort_conversion", "unfinished")) == row.unfinished
        assert len(behind(to, "velocity")) == row.to_next.count
    if row.place.position:
        from_first = question.about(stage=first, target=slug)
        any_order = question.about(target=slug, order=Order.ANY)
        for asked_for, answer in (
            (from_first, row.cumulative),
            (from_first.about(order=Order.STRICT), row.strict),
            (any_order, row.any_order),
        ):
            assert len(behind(asked_for, "cohort_conversion")) == answer.hits
            assert len(behind(asked_for, "cohort_conversion", "base")) == answer.of


def test_a_list_holds_nobody_twice_except_who_moved_twice():
    sales = january()
    question = asked(sales, 1, 60).question
    for stage, name in itertools.product(("lead", "mql", "sql", "recycled"), ("balance", "in_flow", "out_flow")):
        found = behind(question.about(stage=stage, moment="end"), name)
        assert len(found) == len(set(found))
    assert len(behind(question.about(stage="mql"), "in_flow")) == 6  # B came to it twice


def test_those_left_out_are_listed_as_members():
    sales = january()
    someone = sales.membership_set.first()
    type(someone.person).objects.filter(pk=someone.person_id).update(is_excluded=True)
    question = asked(sales, 1, 32).question
    assert metrics.excluded.compute(question) == 1
    assert behind(question, "excluded") == [someone.pk]


def test_a_list_says_in_words_what_it_holds():
    question = asked(lifecycle(), 1, 32).question.about(stage="lead", target="won", moment="end")
    titles = {name: metric.title(question) for name, metric in metrics.ALL.items()}
    assert titles == {
        "balance": "In “Lead” at the end of Jan 31, 2025",
        "in_flow": "Moves into “Lead”",
        "out_flow": "Moves out of “Lead”",
        "by_version": "Moved by another version: “Lead”",
        "period_conversion": "Moved forward from “Lead”",
        "cohort_conversion": "From “Lead” to “Won” or later",
        "time_in_stage": "Days in “Lead”",
        "velocity": "Days from “Lead” to “Won”",
        "excluded": "Left out of all figures",
        "acceptance": "Handed over in “Lead”",
        "attainment": "Deadlines of “Lead”",
        "time_to_accept": "Hours in “Lead” until accepted",
        "recorded_late": "Moves into “Lead”, recorded late",
        "recycled": "Sent on a detour from “Lead”",
        "time_until_return": "Sent on a detour from “Lead”, days until the return",
        "detoured_wins": "“Won” after a detour",
        "first_and_repeat": "Came into “Lead”",
        "accepted_so_fast": "Accepted from “Lead”, and on to “Won”",
        "throughput": "Moves from “Lead” along the success path",
        "age": "Days so far in “Lead”",
        "survival": "Stays in “Lead” that began",
        "onward": "Stays in “Lead” that began, and went on",
        "latest_time": "Days of the last stay in “Lead”",
        "cumulative_time": "Days of all stays in “Lead”",
        "first_touch": "Working hours in “Lead” until somebody spoke to them",
        "subjects": "Different subjects in “Lead”",
        "stalled": "Stalled in “Lead”",
        "corrections": "Corrections in “Lead”",
        "detour_value": "Back from a detour, with a won deal",
        "neglect": "Still on a detour",
        "cost_per_stage": "First reached “Lead”",
    }
    out = metrics.ALL["out_flow"].title(question.about(directions=(Direction.SKIP,)))
    assert out == "Moves out of “Lead”: past the next stage"
    strict = metrics.ALL["cohort_conversion"].title(question.about(order=Order.STRICT, within=30))
    assert strict == "From “Lead” to “Won” through every stage between, within 30 days"


def test_the_days_of_a_list_are_those_of_its_figure():
    sales = january()
    answer = asked(sales, 1, 32)
    for name, question, counts in (
        ("time_in_stage", answer.question.about(stage="lead"), answer.everybody.rows[0].stays),
        ("velocity", answer.question.about(stage="lead", target="mql"), answer.everybody.rows[0].to_next),
    ):
        metric = metrics.ALL[name]
        statement = sql(
            "SELECT {} FROM reporting_stageentry WHERE id IN ({})",
            metric.days(question),
            metric.people(question, "figure"),
        )
        days = [row[0] for row in rows(statement)]
        assert sum(days) / len(days) == counts.mean
