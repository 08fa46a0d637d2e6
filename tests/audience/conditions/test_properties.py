"""What holds of every condition, tried on some hundred random ones over a small world with a past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience.conditions import compile, describe, explain, tree
from audience.conditions.tree import Node, Not
from kit.sql import Sql, dicts, rows, run, sql
from tests.audience.conditions.trees import several, trees
from tests.audience.conditions.world import BEGIN, DAYS, ZONE, World

pytestmark = pytest.mark.django_db

KINDS = st.sampled_from(["person", "person", "account"])
MIDNIGHTS = st.integers(0, DAYS).map(
    lambda day: datetime.combine((BEGIN + timedelta(days=day)).date(), datetime.min.time(), ZONE).astimezone(UTC)
)
INSTANTS = MIDNIGHTS | st.integers(0, DAYS * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes))
SEVERAL = KINDS.flatmap(lambda of: st.tuples(st.just(of), several(of)))
ASKED = KINDS.flatmap(lambda of: st.tuples(st.just(of), trees(of)))

property_test = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for all examples, taken back at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield World()
        transaction.set_rollback(True)


def _members(node: Node, of: str, at: datetime, **more: Any) -> set[int]:
    found = [subject for (subject,) in rows(compile.members(node, of=of, at=at, **more))]
    assert len(found) == len(set(found)), "nobody is listed twice"
    return set(found)


def _answers(nodes: list[Node], of: str, at: datetime, **more: Any) -> list[set[int]]:
    """Of whom each of the conditions holds, asked together in one statement."""
    table = compile.table({str(number): node for number, node in enumerate(nodes)}, of=of, at=at, **more)
    found = rows(table)
    return [{row[0] for row in found if row[number]} for number in range(1, len(nodes) + 1)]


def _parsed(asked: Any) -> tuple[str, list[Node]]:
    of, several = asked
    return of, [tree.parse(data, of=of) for data in several]


@property_test
@given(asked=SEVERAL, at=INSTANTS)
def test_the_statement_answers_what_the_timelines_say(world: World, asked: Any, at: datetime) -> None:
    of, nodes = _parsed(asked)
    for node, answer in zip(nodes, _answers(nodes, of, at), strict=True):
        assert answer == world.members(node, of, at), describe.sentence(node)


@property_test
@given(asked=SEVERAL, at=INSTANTS, days=st.integers(-40, 40))
def test_as_known_then_counts_only_what_was_recorded_by_then(world: World, asked: Any, at: datetime, days: int) -> None:
    of, nodes = _parsed(asked)
    known = at + timedelta(days=days)
    for node, answer in zip(nodes, _answers(nodes, of, at, known=known), strict=True):
        assert answer == world.members(node, of, at, known), describe.sentence(node)


@property_test
@given(asked=ASKED, at=INSTANTS)
def test_a_condition_and_its_negation_part_everybody(world: World, asked: Any, at: datetime) -> None:
    of, data = asked
    node = tree.parse(data, of=of)
    answers = rows(compile.table({"it": node, "opposite": Not(node)}, of=of, at=at, evidence=True))
    assert {row[0] for row in answers} == {each.pk for each in world.there(of, at)}
    assert all(row[1] is (not row[3]) for row in answers), "never both, never neither, never unknown"
    held = {row[0] for row in answers if row[1]}
    assert held == _members(node, of, at), "the table and the filter say the same"
    assert all(row[2] is None for row in answers if not row[1]), "no evidence for what does not hold"
    assert all(row[2] < at for row in answers if row[2]), "evidence lies before the instant"


@property_test
@given(asked=ASKED, at=INSTANTS, who=st.integers(0, 7))
def test_one_subject_asked_alone_gets_the_answer_it_has_in_the_set(
    world: World, asked: Any, at: datetime, who: int
) -> None:
    of, data = asked
    node = tree.parse(data, of=of)
    subject = world.subjects(of)[who]
    alone = sql("SELECT {}::bigint AS subject_id", subject.pk)
    ask: dict[str, Any] = {"of": of, "at": at, "evidence": True}
    in_the_set = [row for row in rows(compile.table({"q": node}, **ask)) if row[0] == subject.pk]
    assert rows(compile.table({"q": node}, among=alone, **ask)) == in_the_set
    explained = explain.explain(node, subject.pk, of=of, at=at)
    assert (explained.held if explained else None) == (in_the_set[0][1] if in_the_set else None)


@property_test
@given(asked=SEVERAL, at=INSTANTS)
def test_at_a_past_instant_nothing_later_counts(world: World, asked: Any, at: datetime) -> None:
    of, nodes = _parsed(asked)
    before = _answers(nodes, of, at)
    with transaction.atomic():
        _more_happens(at)
        for node, was, answer in zip(nodes, before, _answers(nodes, of, at), strict=True):
            assert answer == was, describe.sentence(node)
        transaction.set_rollback(True)


def _more_happens(at: datetime) -> None:
    """Rows of every kind that occurred at `at` or later, for everybody, written behind the world's back."""
    for statement in LATER:
        run(sql(statement, *[at] * statement.replace("{{}}", "").count("{}")))


LATER = [
    """INSERT INTO audience_fieldchange (person_id, field, old, source, occurred_at, recorded_at)
       SELECT id, 'country', country, 'later', {}::timestamptz + interval '400 days', now() FROM audience_person""",
    "UPDATE audience_person SET country = 'XX'",
    """INSERT INTO audience_fieldchange (account_id, field, old, source, occurred_at, recorded_at)
       SELECT id, 'employees', employees::text, 'later', {}::timestamptz + interval '400 days', now()
       FROM audience_account""",
    "UPDATE audience_account SET employees = 1",
    """INSERT INTO audience_fieldchange (person_id, account_id, field, old, source, occurred_at, recorded_at)
       SELECT t.person_id, t.account_id, 'tag.' || g.slug, 'yes', 'later', {}::timestamptz + interval '400 days', now()
       FROM audience_tagged t JOIN audience_tag g ON g.id = t.tag_id WHERE g.slug = 'vip'""",
    "DELETE FROM audience_tagged USING audience_tag g WHERE g.id = tag_id AND g.slug = 'vip'",
    """INSERT INTO audience_activity (person_id, account_id, kind_id, occurred_at, recorded_at, source, external_id,
                                      value, properties)
       SELECT p.id, p.account_id, k.id, {}::timestamptz, now(), 'later', p.id || '/' || k.id, 3, '{{"topic": "Price"}}'
       FROM audience_person p, audience_activitykind k""",
    """INSERT INTO audience_activity (person_id, account_id, kind_id, occurred_at, recorded_at, source, external_id,
                                      reversal_of_id)
       SELECT person_id, account_id, kind_id, {}::timestamptz, now(), 'later', 'r' || id, id
       FROM audience_activity WHERE reversal_of_id IS NULL AND source = 'test'""",
    """INSERT INTO audience_purchase (person_id, amount, currency, quantity, properties, occurred_at, recorded_at,
                                      source, external_id)
       SELECT id, 100, 'EUR', 1, '{{}}', {}::timestamptz, now(), 'later', id FROM audience_person""",
    """INSERT INTO audience_dealstagechange (deal_id, from_stage, to_stage, from_status, to_status, occurred_at,
                                             recorded_at)
       SELECT id, stage, 'done', status, 'won', {}::timestamptz + interval '400 days', now()
       FROM audience_deal WHERE status = 'open'""",
    """UPDATE audience_deal SET status = 'won', stage = 'done', closed_at = {}::timestamptz + interval '400 days'
       WHERE status = 'open'""",
]


@property_test
@given(asked=SEVERAL, since=INSTANTS, minutes=st.sampled_from([1, 60, 600, 1440, 1500, 4320, 60_000]))
def test_whoever_is_not_touched_has_the_same_answer_at_both_instants(
    world: World, asked: Any, since: datetime, minutes: int
) -> None:
    of, nodes = _parsed(asked)
    until = since + timedelta(minutes=minutes)
    span: dict[str, Any] = {"of": of, "since": since, "until": until}
    changed = [
        before ^ after for before, after in zip(_answers(nodes, of, since), _answers(nodes, of, until), strict=True)
    ]
    for node, differ in zip(nodes, changed, strict=True):
        assert differ <= _ids(compile.touched([node], **span)), describe.sentence(node)
    assert set().union(*changed) <= _ids(compile.touched(nodes, **span))


@property_test
@given(asked=SEVERAL, since=INSTANTS, minutes=st.sampled_from([1, 60, 600, 1440, 1500, 4320, 60_000]))
def test_whoever_comes_to_fulfil_a_condition_is_among_those_looked_at_for_that(
    world: World, asked: Any, since: datetime, minutes: int
) -> None:
    of, nodes = _parsed(asked)
    until = since + timedelta(minutes=minutes)
    span: dict[str, Any] = {"of": of, "since": since, "until": until, "rising": True}
    for node, before, after in zip(nodes, _answers(nodes, of, since), _answers(nodes, of, until), strict=True):
        assert after - before <= _ids(compile.touched([node], **span)), describe.sentence(node)


def _ids(statement: Sql) -> set[int]:
    return {row[0] for row in rows(statement)}


@property_test
@given(asked=ASKED, at=INSTANTS, who=st.integers(0, 7))
def test_an_explanation_gives_the_value_that_was_found(world: World, asked: Any, at: datetime, who: int) -> None:
    of, data = asked
    node = tree.parse(data, of=of)
    subject = world.subjects(of)[who]
    explained = explain.explain(node, subject.pk, of=of, at=at)
    if subject not in world.there(of, at):
        assert explained is None
        return
    assert explained is not None
    leaves = list(_leaves(explained))
    for leaf, shown in zip(tree.leaves(node), leaves, strict=True):
        assert shown.held is world.holds(leaf, subject, at, None)
        assert shown.sentence == describe.leaf(leaf)
        found = world.found(leaf, subject, at, None)
        assert (shown.found is None) == (found is None or found == set()) or leaf.field.type == "ever"


def _leaves(explained: explain.Explanation) -> Iterator[explain.Explanation]:
    if not explained.word:
        yield explained
    for part in explained.parts:
        yield from _leaves(part)


@property_test
@given(asked=ASKED)
def test_written_back_a_condition_is_the_same(world: World, asked: Any) -> None:
    of, data = asked
    node = tree.parse(data, of=of)
    assert tree.parse(tree.dump(node), of=of) == node
    assert describe.sentence(node) == describe.sentence(tree.parse(tree.dump(node), of=of))


def test_many_questions_are_one_statement(world: World, django_assert_num_queries: Any) -> None:
    asked = {
        "regulars": {"field": "activity.count", "op": "at_least", "value": 3},
        "won": {"field": "deal.count", "where": {"status": "won"}, "op": "at_least", "value": 1},
        "big": {"field": "account.employees", "op": "more_than", "value": 50},
        "known": {"field": "stage.net_new", "op": "is", "value": "known"},
    }
    nodes = {name: tree.parse(data) for name, data in asked.items()}
    with django_assert_num_queries(1):
        statement = compile.table(nodes, of="person", at=BEGIN + timedelta(days=100), among=_some(), evidence=True)
        answers = dicts(statement)
    assert len(answers) > 1
    assert statement.text.count("FROM audience_activity x") == 1


def _some() -> Sql:
    return Sql("SELECT id AS subject_id FROM audience_person")
