"""How well a score tells an outcome: hand-counted pairs, ties and parts; the outcome of later days alone; the command."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from audience.conditions import tree
from scoring import documents, quality, versions
from scoring.models import ScoringVersion
from scoring.rules import Plans
from tests.factories import NOW, activity, days_ago, deal, person

pytestmark = pytest.mark.django_db

SIMPLE = """
model: lead
name: Lead score
limit: 20
rules:
  - {name: Visited, points: 10, did: {kind: page_visited}}
"""
BOUGHT = {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1}


def published(text=SIMPLE):
    version = versions.draft(documents.parse(text), by=None, now=NOW)
    ScoringVersion.objects.filter(pk=version.pk).update(state="published", published_at=NOW)
    return version


def plan(at=NOW):
    return Plans(published().model).at(at)


def somebody(visits, won=None, **values):
    who = person(**values)
    for number in range(visits):
        activity(who, days_ago(20 + number))
    if won:
        deal(who, won, won)
    return who


def judge(asked, **given):
    return quality.judge(asked, tree.parse(BOUGHT), **{"at": NOW} | given)


def test_the_auc_is_the_share_of_pairs_in_the_right_order_ties_counting_half():
    # Points of those who bought: 30, 10; of those who did not: 20, 10, 0. Of six pairs: 3 + (1 half + 1) = 4.5.
    for visits, won in ((3, days_ago(1)), (1, days_ago(1)), (2, None), (1, None), (0, None)):
        somebody(visits, won)
    found = judge(plan())
    assert (found.subjects, found.positives, found.auc) == (5, 2, 4.5 / 6)
    # At the limit of 20 are the one with 30 and the one with 20.
    assert (found.at_limit, found.precision, found.recall) == (2, 0.5, 0.5)


def test_who_ties_at_the_edge_of_the_best_tenth_counts_in_part():
    # Of twenty the best tenth is two: the one with 30, and one of the four with 20, of whom two bought.
    somebody(3, days_ago(1))
    for won in (days_ago(1), days_ago(1), None, None):
        somebody(2, won)
    for _ in range(15):
        somebody(0)
    found = judge(plan())
    assert found.lift_top_tenth == pytest.approx(((1 + 0.5) / 2) / (3 / 20))


def test_only_what_comes_after_the_day_is_the_outcome_and_only_what_was_before_is_scored():
    before = days_ago(30)
    early = person()
    activity(early, days_ago(40))
    deal(early, days_ago(5), days_ago(5))  # scored 10 then, won after
    somebody(3)  # visited after that day: 0 points then
    customer = person()
    activity(customer, days_ago(40))
    deal(customer, days_ago(50), days_ago(50))  # won already: not judged
    late = person()
    deal(late, days_ago(1), days_ago(1))  # won, but after the days that are looked at
    found = judge(plan(before), at=before, until=before + timedelta(days=28))
    assert (found.subjects, found.positives, found.auc) == (3, 1, 1.0)


def test_those_left_out_of_figures_are_in_no_count():
    somebody(1, days_ago(1))
    somebody(0)
    somebody(9, is_excluded=True)
    assert judge(plan()).subjects == 2


def test_without_both_outcomes_nothing_can_be_said():
    somebody(1)
    found = judge(plan())
    assert (found.auc, found.precision, found.lift_top_tenth, found.recall) == (None, None, None, None)


def test_the_command_answers_in_words_or_json_and_refuses_what_it_cannot_ask(capsys):
    published()
    outcome = ["--outcome", json.dumps(BOUGHT)]
    with pytest.raises(SystemExit) as ended:
        call_command("judge_score", "lead", *outcome)
    assert ended.value.code == 1 and "Not enough data" in capsys.readouterr().out
    somebody(1, days_ago(1))
    somebody(0)
    call_command("judge_score", "lead", *outcome, "--json")
    assert json.loads(capsys.readouterr().out)["auc"] == 1.0
    call_command("judge_score", "lead", *outcome)
    assert "AUC 1.000" in capsys.readouterr().out
    for wrong in (
        ["nobody", *outcome],
        ["lead", "--outcome", "{"],
        ["lead", "--outcome", '{"field": "person.nothing", "op": "is", "value": "x"}'],
        ["lead", *outcome, "--within", "3"],
    ):
        with pytest.raises(CommandError):
            call_command("judge_score", *wrong)
