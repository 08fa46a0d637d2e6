"""Scores in conditions: at any instant, stored or computed; and whom the time between two instants may touch."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audience import live
from audience.conditions import compile, describe, explain, tree
from audience.conditions.tree import Not
from kit import installation
from kit.sql import rows
from lifecycle.engine import passes, replay, rules
from lifecycle.models import Movement
from scoring.models import ScoringModel
from tests.factories import NOW, account, activity, days_ago, person
from tests.factories import draft as lifecycle_draft
from tests.factories import published as lifecycle_published
from tests.lifecycle.test_replay import ledger
from tests.scoring import world
from tests.scoring.making import LEAD, draft, published, text_of
from tests.scoring.test_compiling import some_people, some_reasons

pytestmark = pytest.mark.django_db

TICK = live.INSTANT


def ask(**leaf):
    return tree.parse(leaf)


def members(node, at=NOW, **more):
    return {row[0] for row in rows(compile.members(node, of="person", at=at, **more))}


def test_a_score_is_asked_like_any_number():
    hot, warm, cold = person(title="Director", country="DE"), person(title="Director"), person()
    published()
    assert members(ask(field="score.lead", op="at_least", value=20)) == {hot.pk, warm.pk}
    assert members(ask(field="score.lead", op="at_least", value=31)) == {hot.pk}  # 30.5 is shown as 31
    assert members(ask(field="score.lead", op="equals", value=0)) == {cold.pk}
    assert members(ask(field="score.lead.fit", op="at_least", value=31)) == {hot.pk}
    assert members(ask(field="score.lead.behaviour", op="equals", value=0)) == {hot.pk, warm.pk, cold.pk}
    assert members(ask(field="score.lead.grade", op="is", value="A")) == {hot.pk}
    assert members(ask(field="score.lead.grade", op="in", value=["B", "D"])) == {warm.pk, cold.pk}


def test_the_limit_is_that_of_the_version_in_force():
    someone = person(title="Director", country="DE")
    activity(someone, days_ago(5), "demo_requested")
    published()
    reached = ask(field="score.lead.reached", op="is", value=True)
    assert members(reached) == {someone.pk}
    higher = LEAD.replace("limit: 60", "limit: 70\neffective_from: 2025-06-14")
    published(higher)
    node = ask(field="score.lead.reached", op="is", value=True)
    assert members(node) == set()
    assert members(node, datetime(2025, 6, 13, tzinfo=UTC)) == {someone.pk}
    assert members(ask(field="score.lead.reached", op="is", value=False)) == {someone.pk}


def test_in_the_past_it_is_what_it_was_whatever_happened_since():
    someone = person()
    activity(someone, days_ago(40), "content_downloaded")
    activity(someone, days_ago(10), "content_downloaded")
    published()
    node = ask(field="score.lead", op="at_least", value=10)
    assert members(node) == {someone.pk}
    assert members(node, days_ago(20)) == set()
    assert members(ask(field="score.lead", op="equals", value=5), days_ago(20)) == {someone.pk}


def test_as_known_then_a_late_fact_gave_no_points_yet():
    someone = person()
    activity(someone, days_ago(10), "content_downloaded", recorded_at=days_ago(1))
    published()
    node = ask(field="score.lead", op="at_least", value=5)
    assert members(node, days_ago(5)) == {someone.pk}
    assert members(node, days_ago(5), known=days_ago(5)) == set()


def test_stored_scores_are_read_when_they_are_current_and_only_then():
    someone = person()
    version = published()
    node = ask(field="score.lead", op="at_least", value=5)
    reads_stored = lambda at, **more: "scoring_score w" in compile.members(node, of="person", at=at, **more).text  # noqa: E731
    now = NOW + TICK
    assert reads_stored(now) and reads_stored(now + timedelta(minutes=4))
    assert not reads_stored(NOW), "before they were computed"
    assert not reads_stored(now + timedelta(minutes=6)), "the clock has stopped"
    assert not reads_stored(now, known=now)
    later = NOW + timedelta(minutes=2)
    activity(someone, later, "content_downloaded")
    live.run_all(later)
    assert reads_stored(later + TICK)
    assert not reads_stored(NOW + timedelta(minutes=1)), "a score was judged as of later"
    ScoringModel.objects.filter(pk=version.model_id).update(scored_by=None)
    assert not reads_stored(later + TICK)


def test_yesterdays_scores_are_not_todays_where_points_fade():
    person()
    published(now=datetime(2025, 6, 15, 23, 59, tzinfo=UTC))
    node = ask(field="score.lead", op="at_least", value=5)
    statement = compile.members(node, of="person", at=datetime(2025, 6, 16, 0, 1, tzinfo=UTC))
    assert "scoring_score w" not in statement.text


def test_a_model_without_a_version_in_force_gives_nobody_points():
    someone = person(title="Director")
    draft()
    assert members(ask(field="score.lead", op="equals", value=0)) == {someone.pk}
    assert members(ask(field="score.lead.reached", op="is", value=True)) == set()
    assert members(ask(field="score.lead.grade", op="empty")) == {someone.pk}


def test_all_fields_of_a_model_share_one_join():
    person()
    published()
    nodes = {
        "points": ask(field="score.lead", op="at_least", value=20),
        "reached": ask(field="score.lead.reached", op="is", value=True),
        "grade": ask(field="score.lead.grade", op="is", value="A"),
    }
    # Parsed apart, they are three fields; parsed together, one.
    together = tree.parse({"all": [tree.dump(node) for node in nodes.values()]})
    statement = compile.members(together, of="person", at=days_ago(3))
    assert statement.text.count("FROM audience_activity x") == 1


def test_accounts_are_asked_for_the_scores_of_accounts():
    firm = account(industry="Food")
    published(
        "model: firm\nname: Firm\nof: account\nrules:\n"
        "  - {name: Food, points: 9, fit: {field: account.industry, op: is, value: food}}\n"
    )
    node = tree.parse({"field": "score.firm", "op": "at_least", "value": 9}, of="account")
    assert rows(compile.members(node, of="account", at=NOW)) == [(firm.pk,)]
    with pytest.raises(tree.ConditionError, match="cannot be asked of people"):
        ask(field="score.firm", op="at_least", value=9)


def test_it_reads_back_and_explains():
    someone = person(title="Director", country="DE")
    published()
    node = ask(field="score.lead", op="at_least", value=40)
    assert describe.sentence(node) == "score of Lead score is at least 40"
    told = explain.explain(node, someone.pk, of="person", at=NOW)
    assert (told.held, told.found) == (False, "31")


def test_the_evidence_of_a_reached_limit_is_the_last_fact_that_gave_points():
    someone = person(title="Director")
    activity(someone, days_ago(5), "demo_requested")
    activity(someone, days_ago(3), "unsubscribed")
    published()
    answers = compile.table(
        {"up": ask(field="score.lead", op="at_least", value=40), "down": ask(field="score.lead", op="at_most", value=90)},
        of="person", at=NOW, evidence=True,
    )  # fmt: skip
    assert rows(answers) == [(someone.pk, True, days_ago(5), True, None)]  # time alone brings points down


# ---- at random ----


def some_questions(chance):
    number = lambda: chance.choice([-3, 0, 1, 5, 10, 33, 60])  # noqa: E731
    leaves = [
        {"field": "score.lead", "op": chance.choice(["at_least", "at_most", "more_than", "less_than", "equals"]), "value": number()},
        {"field": "score.lead", "op": "between", "value": [0, 20]},
        {"field": "score.lead.reached", "op": "is", "value": chance.choice([True, False])},
        {"field": "score.lead.behaviour", "op": "at_least", "value": number()},
        {"field": "score.lead.fit", "op": "less_than", "value": number()},
    ]  # fmt: skip
    some = chance.sample(leaves, 3)
    return [*leaves, {"not": some[0]}, {"any": [some[1], {"not": some[2]}]}, {"all": [some[0], {"not": some[1]}]}]


@pytest.mark.parametrize("seed", range(12))
def test_any_instant_is_answered_as_by_hand_and_whoever_is_not_touched_stays(seed):
    chance = random.Random(seed)
    zone = chance.choice(["Europe/Berlin", "America/New_York", "UTC"])
    installation.put("zone", zone)
    begin = datetime(2025, 1, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    people = some_people(chance, 10, begin, 90)
    published(text_of(reasons, caps, limit=20), now=begin + timedelta(days=100))
    nodes = [tree.parse(each) for each in some_questions(chance)]
    for _ in range(5):
        since = begin + timedelta(minutes=chance.randrange(1, 100 * 1440))
        until = since + timedelta(minutes=chance.choice([1, 60, 600, 1440, 1500, 4320, 60_000]))
        shown = {each.pk: world.score(each, reasons, caps, since, ZoneInfo(zone))[2] for each in people}
        assert members(tree.parse({"field": "score.lead", "op": "at_least", "value": 5}), since) == {
            pk for pk, points in shown.items() if points >= 5
        }
        for node in nodes:
            before, after = members(node, since), members(node, until)
            assert members(Not(node), since) == {each.pk for each in people} - before
            span = {"of": "person", "since": since, "until": until}
            touched = {row[0] for row in rows(compile.touched([node], **span))}
            assert before ^ after <= touched, describe.sentence(node)
            rising = {row[0] for row in rows(compile.touched([node], **span, rising=True))}
            assert after - before <= rising <= touched, describe.sentence(node)


# ---- a lifecycle that goes by a score ----

BY_SCORE = """
lifecycle: small
name: Small
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: mql, name: MQL}
  - {slug: won, name: Won, kind: terminal}
  - {slug: resting, name: Resting, path: detour}
transitions:
  - {from: any, to: won, by_hand: true, reason: Sold}
  - {from: known, to: mql, when: {field: score.lead.reached, op: is, value: true}, reason: Reached the limit}
  - {from: mql, to: resting, when: {field: score.lead, op: less_than, value: 8}, reason: Cooled down}
  - {from: resting, to: mql, when: {field: score.lead, op: at_least, value: 20}, reason: Hot again}
"""


@pytest.mark.parametrize("seed", range(6))
def test_replay_of_rules_by_score_equals_living_through_every_midnight(seed):
    chance = random.Random(seed)
    installation.put("zone", chance.choice(["Europe/Berlin", "UTC"]))
    begin = datetime(2025, 2, 20, tzinfo=UTC)
    end = begin + timedelta(days=70, hours=7)
    reasons, caps = some_reasons(chance)
    reasons.append(world.Reason("16", kind="demo_requested", half_life=4))
    some_people(chance, 10, begin, 69)
    published(text_of(reasons, caps, limit=20), now=end)
    lived = lifecycle_published(BY_SCORE)
    asked, zone = rules.read(lived), installation.zone()
    day = begin.astimezone(zone).date()
    while (midnight := installation.midnight(day + timedelta(days=1), zone)) <= end:
        passes.apply(asked, among=None, at=midnight, now=midnight)
        day += timedelta(days=1)
    passes.apply(asked, among=None, at=end + TICK, now=end)
    expected = ledger()
    assert {move[4] for move in expected} >= {"known", "mql"}
    replayed = lifecycle_draft(BY_SCORE.replace("lifecycle: small", "lifecycle: again"))
    replay.run(replayed, now=end)
    assert ledger(version=replayed) == expected


def test_a_fact_gives_points_and_the_points_move_the_stage_in_one_live_run():
    someone = person(title="Director", country="DE")
    published()
    lifecycle = lifecycle_published(BY_SCORE)
    live.run_all(NOW)
    later = NOW + timedelta(minutes=30)
    activity(someone, later, "demo_requested")
    live.run_all(later)
    moved = Movement.objects.filter(version=lifecycle).order_by("seq")
    assert [each.to_stage.slug for each in moved] == ["known", "mql"]
    assert moved[1].evidence_at == later
