"""The one writer of movements: moves, refusals, races, and what the database itself holds."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from kit import holding
from kit.sql import Sql, name, run, sql
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from tests.factories import NOW, days_ago, person, published

pytestmark = pytest.mark.django_db


LONG_AGO = days_ago(10)


def placed(version, slug="known", at=LONG_AGO):
    someone = person()
    stage = version.stages.get(slug=slug)
    assert stages.place(someone.pk, version, to=stage, reason="Test", by=None, at=at, now=NOW)
    return Membership.objects.get(subject_id=someone.pk)


def test_a_placement_and_a_move_are_rows_with_from_to_when_why_and_by_whom():
    version = published()
    membership = placed(version)
    lead = version.stages.get(slug="lead")
    assert stages.move(membership, to=lead, reason="Called us", by=None, at=days_ago(3), now=NOW)
    first, second = Movement.objects.filter(membership=membership).order_by("seq")
    assert (first.seq, first.from_stage, first.to_stage.slug, first.kind) == (1, None, "known", "placement")
    assert (second.seq, second.from_stage.slug, second.to_stage.slug, second.kind) == (2, "known", "lead", "hand")
    assert (second.occurred_at, second.recorded_at, second.reason, second.actor) == (
        days_ago(3),
        NOW,
        "Called us",
        "system",
    )
    membership.refresh_from_db()
    assert (membership.stage.slug, membership.seq, membership.entered_at) == ("lead", 2, days_ago(3))


def test_a_move_dated_before_the_last_one_occurs_with_it_and_keeps_its_own_date_as_evidence():
    version = published()
    membership = placed(version, at=days_ago(10))
    stages.move(membership, to=version.stages.get(slug="lead"), reason="", by=None, at=days_ago(20), now=NOW)
    moved = stages.last_movement(membership)
    assert (moved.occurred_at, moved.evidence_at) == (days_ago(10), days_ago(20))


def test_a_terminal_stage_ends_the_pass_and_a_new_placement_begins_the_next():
    version = published()
    membership = placed(version)
    stages.move(membership, to=version.stages.get(slug="won"), reason="", by=None, at=days_ago(1), now=NOW)
    membership.refresh_from_db()
    assert membership.ended_at == days_ago(1)
    with pytest.raises(stages.MoveRefused, match="has ended"):
        stages.move(membership, to=version.stages.get(slug="lead"), reason="", by=None, at=NOW, now=NOW)
    known = version.stages.get(slug="known")
    assert stages.place(membership.subject_id, version, to=known, reason="", by=None, at=NOW, now=NOW)
    assert not stages.place(membership.subject_id, version, to=known, reason="", by=None, at=NOW, now=NOW)
    assert list(Membership.objects.order_by("pass_number").values_list("pass_number", flat=True)) == [1, 2]


def test_an_exit_leaves_no_stage_and_ends_the_pass():
    membership = placed(published())
    assert stages.move(membership, to=None, reason="Erased", by=None, at=NOW, now=NOW)
    membership.refresh_from_db()
    assert (membership.stage, membership.ended_at) == (None, NOW)


def test_a_stage_of_another_lifecycle_the_same_stage_and_a_gate_are_refused_in_words():
    version = published()
    membership = placed(version)
    from tests.factories import SMALL

    other = published(SMALL.replace("lifecycle: small", "lifecycle: other").replace("name: Small", "name: Other"))
    for stage, words in [
        (other.stages.get(slug="lead"), "is a stage of Other v1"),
        (version.stages.get(slug="known"), "Already in “Known”"),
        (version.stages.get(slug="checked"), "gate and holds nobody"),
    ]:
        with pytest.raises(stages.MoveRefused, match=words):
            stages.move(membership, to=stage, reason="", by=None, at=NOW, now=NOW)
    assert Movement.objects.count() == 1


def test_the_second_of_two_movers_who_read_the_same_state_loses_and_can_tell_who_won():
    version = published()
    read_by_one = placed(version)
    read_by_two = Membership.objects.get(pk=read_by_one.pk)
    assert stages.move(read_by_one, to=version.stages.get(slug="lead"), reason="First", by=None, at=NOW, now=NOW)
    assert not stages.move(
        read_by_two, to=version.stages.get(slug="engaged"), reason="Second", by=None, at=NOW, now=NOW
    )
    assert stages.last_movement(read_by_two).reason == "First"


@pytest.mark.django_db(transaction=True)
def test_of_many_movers_at_once_on_connections_of_their_own_exactly_one_wins():
    version = published()
    membership = placed(version)
    targets = [version.stages.get(slug=slug) for slug in ("lead", "engaged", "resting", "won")] * 2
    gate, won = threading.Barrier(len(targets)), []

    def mover(stage):
        try:
            mine = Membership.objects.get(pk=membership.pk)
            gate.wait()
            won.append(stages.move(mine, to=stage, reason="", by=None, at=NOW, now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=mover, args=[stage]) for stage in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * (len(targets) - 1) + [True]
    assert list(Movement.objects.values_list("seq", flat=True).order_by("seq")) == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_of_two_placements_at_once_one_opens_the_pass():
    version, someone, gate, won = published(), person(), threading.Barrier(2), []
    known = version.stages.get(slug="known")

    def placer():
        try:
            gate.wait()
            won.append(stages.place(someone.pk, version, to=known, reason="", by=None, at=NOW, now=NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=placer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, True]
    assert Movement.objects.count() == Membership.objects.count() == 1


def test_the_database_refuses_to_change_or_delete_a_movement():
    placed(published())
    for attempt in (
        lambda: Movement.objects.update(occurred_at=NOW + timedelta(days=1)),
        lambda: Movement.objects.update(to_stage=None),
        lambda: Movement.objects.update(reason="Rewritten"),
        lambda: Movement.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()
    with holding.erasing():
        assert Movement.objects.update(reason="") == 1


def test_the_database_refuses_to_change_a_published_version():
    version = published()
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        version.stages.filter(slug="known").update(name="Renamed")
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        version.transitions.all().delete()


@pytest.mark.parametrize(
    "table",
    ["lifecycle_movement", "audience_consentrecord", "kit_auditentry", "audience_person", "scoring_scorechange",
     "campaigns_contentversion", "campaigns_messageattempt"],
)  # fmt: skip
def test_no_ledger_is_emptied_whole_nor_by_way_of_what_it_speaks_of_unless_that_is_meant(table):
    placed(published())
    run(Sql("SET CONSTRAINTS ALL IMMEDIATE"))
    with pytest.raises(DatabaseError, match="append-only: it is never emptied"), transaction.atomic():
        run(sql("TRUNCATE {} CASCADE", name(table)))
    assert Movement.objects.count() == 1
    run(sql("SET LOCAL perennial.emptying = on; TRUNCATE {} CASCADE", name(table)))
    run(sql("SET LOCAL perennial.emptying = off"))


def joined_row_by_row(node):
    """Each join of a plan that holds every row of one set of the statement's own against every row of another."""
    parts = node.get("Plans", [])
    if node["Node Type"] == "Nested Loop" and [part["Node Type"] for part in parts] == ["CTE Scan"] * 2:
        yield {part["CTE Name"] for part in parts}
    for part in parts:
        yield from joined_row_by_row(part)


def test_many_who_move_at_once_are_not_held_against_one_another():
    """How many a part of the statement yields no plan can know: it takes them for one or two."""
    version = published()
    run(Sql("CREATE TEMPORARY TABLE many ON COMMIT DROP AS SELECT generate_series(1, 5000) AS id"))
    run(Sql("ANALYZE many"))
    relation = sql(
        """SELECT id::bigint AS subject_id, id::bigint AS membership_id, 1 AS seq, 1 AS pass_number, 1 AS step,
                  {}::bigint AS from_stage, {}::bigint AS to_stage, {}::timestamptz AS occurred_at,
                  NULL::timestamptz AS evidence_at, NULL::bigint AS transition_id, '' AS reason FROM many""",
        version.stages.get(slug="known").pk, version.stages.get(slug="lead").pk, NOW,
    )  # fmt: skip
    plans = []

    def explained(execute, statement, params, many, context):
        if "WITH asked" in statement:
            with connection.connection.cursor() as cursor:
                cursor.execute("EXPLAIN (FORMAT JSON) " + statement, params)
                plans.append(cursor.fetchone()[0][0]["Plan"])
        return execute(statement, params, many, context)

    with connection.execute_wrapper(explained):
        stages.move_many(relation, stages.Ledgering(version, Movement.Kind.RULE, "rules", NOW))
    [plan] = plans
    assert list(joined_row_by_row(plan)) == []
