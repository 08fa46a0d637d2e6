"""Filling: what is filled equals what would be filled from nothing, and costs what changed."""

import threading
from datetime import date

import pytest
from django.db import connection, transaction

from audience.models import FieldChange, Person
from kit import installation
from kit.sql import Sql, rows, run
from reporting import filling
from reporting.filling import Filled
from reporting.models import DailyCohort, DailyFlow, Fill, StageEntry
from tests.reporting.ledger import NOW, STAGES, lifecycle, move, version, walk

COMMITTED = pytest.mark.django_db(transaction=True)


def flows():
    return set(
        rows(
            Sql("SELECT day, from_stage, to_stage, count, stay_days::text, stay_counts::text FROM reporting_dailyflow")
        )
    )


def entries():
    columns = "membership_id, seq, from_stage, to_stage, day, evidence_day, since_day, stay_days, until_day, is_first"
    return set(rows(Sql(f"SELECT {columns} FROM reporting_stageentry")))


def cohorts():
    columns = "kind, day, origin, target, days::text, counts::text"
    return set(rows(Sql(f"SELECT {columns} FROM reporting_dailycohort")))


def ways():
    columns = "membership_id, seq, reached::text, strict::text, from_previous, from_first"
    return set(rows(Sql(f"SELECT {columns} FROM reporting_stageentry")))


def exclude(person, excluded=True):
    Person.objects.filter(pk=person.pk).update(is_excluded=excluded)
    FieldChange.objects.create(
        person=person,
        field="is_excluded",
        old=str(not excluded).lower(),
        source="tests",
        occurred_at=NOW,
        recorded_at=NOW,
    )


@COMMITTED
def test_a_fill_counts_moves_and_the_length_of_stays():
    sales = lifecycle()
    for _ in range(2):
        walk(sales, ("lead", 1), ("mql", 4))
    walk(sales, ("lead", 1), ("mql", 4), ("lead", 4))
    assert filling.fill(sales, now=NOW) == Filled(memberships=3, days=2)
    assert flows() == {
        (date(2025, 1, 1), "", "lead", 3, "{}", "{}"),
        (date(2025, 1, 4), "lead", "mql", 3, "{3}", "{3}"),
        (date(2025, 1, 4), "mql", "lead", 1, "{0}", "{1}"),
    }
    assert StageEntry.objects.filter(to_stage="lead", is_first=True).count() == 3
    assert StageEntry.objects.filter(to_stage="lead", until_day=None).count() == 1


@COMMITTED
def test_a_second_fill_looks_only_at_what_moved_since():
    sales = lifecycle()
    first, _second = (walk(sales, ("lead", 1)) for _ in range(2))
    filling.fill(sales, now=NOW)
    assert filling.fill(sales, now=NOW) == Filled(0, 0)
    move(first, "mql", 3)
    assert filling.fill(sales, now=NOW) == Filled(memberships=1, days=1)
    assert StageEntry.objects.get(to_stage="lead", membership=first).until_day == date(2025, 1, 3)


@COMMITTED
def test_step_by_step_gives_what_one_fill_gives():
    sales = lifecycle()
    members = [walk(sales, ("lead", day)) for day in (1, 1, 2)]
    for number, member in enumerate(members, 3):
        filling.fill(sales, now=NOW)
        for slug in ("sql", "recycled", "mql", "sql"):
            move(member, slug, number)
            filling.fill(sales, now=NOW)
            number += 2
    exclude(members[0].person)
    filling.fill(sales, now=NOW)
    by_steps = flows(), entries(), cohorts(), ways()
    for model in (StageEntry, DailyFlow, DailyCohort, Fill):
        model.objects.all().delete()
    filling.fill(sales, now=NOW)
    assert (flows(), entries(), cohorts(), ways()) == by_steps


@COMMITTED
def test_each_entry_knows_how_soon_the_rest_of_the_success_path_was_reached():
    sales = lifecycle()
    walk(sales, ("lead", 1), ("sql", 4), ("mql", 6), ("sql", 9), ("won", 7))
    filling.fill(sales, now=NOW)
    lead, sql_stage, mql, again, won = StageEntry.objects.order_by("seq")
    assert (lead.reached, lead.strict) == ([0, 3, 3, 8], [0, 5, 8, 8])
    assert (sql_stage.reached, sql_stage.strict) == ([0, 0, 0, 5], [None, None, 0, 5])
    assert (mql.reached, mql.strict) == ([0, 0, 3, 3], [None, 0, 3, 3])
    assert (again.reached, again.strict) == (None, None)  # not for the first time
    assert (won.from_previous, won.from_first) == (3, 6)  # by the facts: won on the seventh, recorded after the ninth
    assert ("reached", date(2025, 1, 1), "lead", "won", "{8}", "{1}") in cohorts()
    assert ("velocity", date(2025, 1, 9), "lead", "won", "{6}", "{1}") in cohorts()


@COMMITTED
def test_another_success_path_counts_all_cohorts_again():
    sales = lifecycle()
    walk(sales, ("lead", 1), ("won", 4))
    filling.fill(sales, now=NOW)
    version(sales, stages_of=[stage for stage in STAGES if stage[0] not in ("mql", "sql")])
    filling.fill(sales, now=NOW)
    assert {row[2:4] for row in cohorts() if row[0] == "reached"} == {
        ("", "lead"), ("", "won"), ("lead", "lead"), ("lead", "won"), ("won", "won"),
    }  # fmt: skip
    assert StageEntry.objects.get(seq=1).reached == [0, 3]


@COMMITTED
def test_a_move_that_commits_after_the_fill_began_is_found_by_the_next():
    sales = lifecycle()
    waiting, release = threading.Event(), threading.Event()

    def slowly():
        with transaction.atomic():
            walk(sales, ("lead", 1))
            waiting.set()
            release.wait(10)
        connection.close()

    writer = threading.Thread(target=slowly)
    writer.start()
    waiting.wait(10)
    walk(sales, ("lead", 2))  # a later transaction that commits first
    filling.fill(sales, now=NOW)
    assert StageEntry.objects.count() == 1
    release.set()
    writer.join()
    filling.fill(sales, now=NOW)
    assert StageEntry.objects.count() == 2


@COMMITTED
def test_a_fill_that_breaks_off_leaves_nothing_and_is_done_again(monkeypatch):
    sales = lifecycle()
    walk(sales, ("lead", 1))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(filling, "_write_flows", killed)
        filling.fill(sales, now=NOW)
    assert not StageEntry.objects.exists()
    filling.fill(sales, now=NOW)
    assert len(flows()) == len(entries()) == 1


@COMMITTED
def test_two_fills_at_once_count_everybody_once():
    sales = lifecycle()
    for day in range(1, 6):
        walk(sales, ("lead", day))

    def fill():
        filling.fill(sales, now=NOW)
        connection.close()

    threads = [threading.Thread(target=fill) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(flows()) == len(entries()) == 5


@COMMITTED
def test_people_left_out_of_figures_are_in_no_row_and_come_back():
    sales = lifecycle()
    tester = walk(sales, ("lead", 1), ("mql", 3)).person
    walk(sales, ("lead", 1))
    filling.fill(sales, now=NOW)
    exclude(tester)
    assert filling.fill(sales, now=NOW) == Filled(memberships=1, days=2)
    assert flows() == {(date(2025, 1, 1), "", "lead", 1, "{}", "{}")}
    assert ("entered", date(2025, 1, 1), "lead", "", "{0}", "{1}") in cohorts()
    assert not [row for row in cohorts() if "mql" in row]
    exclude(tester, False)
    filling.fill(sales, now=NOW)
    assert len(entries()) == 3


@COMMITTED
def test_a_change_of_the_zone_counts_all_days_again():
    sales = lifecycle()
    walk(sales, ("lead", 1))  # noon in UTC
    filling.fill(sales, now=NOW)
    installation.put("zone", "Pacific/Auckland")  # thirteen hours ahead in January
    filling.fill(sales, now=NOW)
    assert {flow[0] for flow in flows()} == {date(2025, 1, 2)}


@pytest.mark.django_db
def test_every_published_lifecycle_is_filled_and_no_draft():
    sales, draft = lifecycle(), lifecycle("draft")
    draft.versions.update(state="draft")
    walk(sales, ("lead", 1))
    assert filling.fill_all(NOW) == {"sales": Filled(1, 1)}


@COMMITTED
def test_a_wrong_row_of_a_member_that_moves_again_is_put_right():
    sales = lifecycle()
    member = walk(sales, ("lead", 1), ("mql", 3))
    filling.fill(sales, now=NOW)
    right = entries()
    run(Sql("UPDATE reporting_stageentry SET stay_days = 7, day = day + 1 WHERE seq = 2"))
    move(member, "sql", 5)
    filling.fill(sales, now=NOW)
    assert {row[:8] for row in right} <= {row[:8] for row in entries()}
    assert {flow[0] for flow in flows()} == {date(2025, 1, 1), date(2025, 1, 3), date(2025, 1, 5)}


@pytest.mark.django_db
def test_a_transaction_that_goes_on_writing_after_a_fill_is_filled_again():
    """Its own rows count as seen by its own snapshot as soon as younger transactions have ended elsewhere."""
    sales = lifecycle()
    membership = walk(sales, ("lead", 1), ("mql", 4))

    def elsewhere():
        run(Sql("SELECT pg_current_xact_id()"))
        connection.close()

    younger = threading.Thread(target=elsewhere)
    younger.start()
    younger.join()
    filling.fill(sales, now=NOW)
    move(membership, "sql", 6)
    assert filling.fill(sales, now=NOW).memberships == 1
    assert {entry.to_stage for entry in StageEntry.objects.all()} == {"lead", "mql", "sql"}


@COMMITTED
def test_a_restored_database_is_counted_anew_and_on():
    """Elsewhere transactions have other numbers: what was seen there says nothing of what is seen here."""
    sales = lifecycle()
    membership = walk(sales, ("lead", 1), ("mql", 2))
    filling.fill(sales, now=NOW)
    ahead = 2**40
    Fill.objects.update(place="another server", snapshot=f"{ahead}:{ahead}:", through_xid=ahead)
    move(membership, "lead", 4)
    filling.fill(sales, now=NOW)
    assert StageEntry.objects.count() == 3
    move(membership, "mql", 5)
    filling.fill(sales, now=NOW)
    assert StageEntry.objects.count() == 4
