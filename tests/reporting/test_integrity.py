"""The ledger check: a wrong row planted in each of the things that are stored apart is found and named."""

import pytest

from kit import jobs
from kit.models import Job
from kit.sql import Sql, run, sql
from lifecycle.models import Membership
from reporting import filling, integrity
from reporting.models import LedgerCheck
from tests.reporting.ledger import NOW, lifecycle, walk

pytestmark = pytest.mark.django_db(transaction=True)


def found(sales):
    return {(finding.kind.value, finding.where): finding.words for finding in integrity.check(sales, now=NOW)}


def in_the_ledger(statement, *values):
    """Change the ledger behind its guard's back."""
    run(Sql("ALTER TABLE lifecycle_movement DISABLE TRIGGER ledger"))
    run(sql(statement, *values))
    run(Sql("ALTER TABLE lifecycle_movement ENABLE TRIGGER ledger"))


@pytest.fixture
def sales():
    made = lifecycle()
    walk(made, ("lead", 1), ("mql", 3), ("won", 9))
    walk(made, ("lead", 2), ("recycled", 4))
    walk(made, ("lead", 2), ("", 5))
    filling.fill(made, now=NOW)
    return made


@pytest.fixture
def member(sales):
    """The one that went to be recycled, and stays so."""
    return Membership.objects.get(ended_at=None)


def test_a_sound_ledger_has_no_findings(sales):
    assert integrity.check(sales, now=NOW) == []


def test_a_membership_in_another_stage_than_its_last_move_led_to_is_named(sales, member):
    Membership.objects.filter(pk=member.pk).update(stage=member.version.stages.get(slug="sql"))
    told = found(sales)
    words = "It stands in “sql”, but its last move (2) led to “recycled”."
    assert told["membership", f"membership {member.pk}"] == words
    assert told["today", "“sql” today"] == "The roll-up has 0 in the stage, of the memberships 1 stand there."


def test_a_membership_with_another_count_of_moves_is_named(sales, member):
    Membership.objects.filter(pk=member.pk).update(seq=7)
    assert found(sales) == {
        ("membership", f"membership {member.pk}"): "It says that it moved 7 times, but its last move is number 2."
    }


def test_a_membership_that_ended_without_an_end_is_named(sales, member):
    Membership.objects.filter(pk=member.pk).update(ended_at=NOW)
    assert "Its pass has ended" in found(sales)["membership", f"membership {member.pk}"]


def test_a_move_that_leaves_another_stage_than_the_one_before_led_to_is_named(sales, member):
    wrong = member.version.stages.get(slug="mql").pk
    in_the_ledger(
        "UPDATE lifecycle_movement SET from_stage_id = {} WHERE membership_id = {} AND seq = 2", wrong, member.pk
    )
    told = found(sales)
    assert told["chain", f"membership {member.pk}, move 2"] == "It leaves “mql”, but the move before it led to “lead”."
    flows = [where for kind, where in told if kind == "flows"]
    assert flows == [
        "2025-01-04, version 1, “lead” to “recycled”",
        "2025-01-04, version 1, “mql” to “recycled”",
    ]
    assert ("entries", f"membership {member.pk}, move 2") in told


def test_a_move_that_is_missing_is_named(sales, member):
    in_the_ledger("DELETE FROM lifecycle_movement WHERE membership_id = {} AND seq = 1", member.pk)
    told = found(sales)
    assert told["chain", f"membership {member.pk}, move 2"] == "It is number 2, but stands at place 1."
    assert told["flows", "2025-01-02, version 1, “outside the model” to “lead”"] == (
        "The roll-up has 2 moves, the ledger 1."
    )


def test_a_move_that_happened_before_the_one_before_it_is_named(sales, member):
    in_the_ledger(
        "UPDATE lifecycle_movement SET occurred_at = '2024-12-01T12:00Z' WHERE membership_id = {} AND seq = 2",
        member.pk,
    )
    assert "It happened at 2024-12-01" in found(sales)["chain", f"membership {member.pk}, move 2"]


def test_a_day_with_another_count_than_the_ledger_is_named_and_so_are_the_balances_after_it(sales):
    run(Sql("UPDATE reporting_dailyflow SET count = 5 WHERE from_stage = 'lead' AND to_stage = 'mql'"))
    told = found(sales)
    assert told["flows", "2025-01-03, version 1, “lead” to “mql”"] == "The roll-up has 5 moves, the ledger 1."
    words = "At the end of the day the flows add up to 5, the last moves to 1; 2 days differ."
    assert told["balance", "“mql” from 2025-01-03 on"] == words
    assert ("balance", "“lead” from 2025-01-03 on") in told
    assert told["today", "“mql” today"] == "The roll-up has 4 in the stage, of the memberships 0 stand there."


def test_stays_of_another_length_than_the_ledgers_are_named(sales):
    run(Sql("UPDATE reporting_dailyflow SET stay_days = '{40}' WHERE from_stage = 'lead' AND to_stage = 'mql'"))
    assert found(sales) == {
        ("flows", "2025-01-03, version 1, “lead” to “mql”"): (
            "The roll-up has stays of 40 days in all, the ledger of 2."
        )
    }


def test_a_row_missing_behind_a_figure_is_named(sales, member):
    run(sql("DELETE FROM reporting_stageentry WHERE membership_id = {} AND seq = 2", member.pk))
    assert found(sales) == {
        ("entries", f"membership {member.pk}, move 2"): (
            "The ledger has this move, the lists behind the figures have not."
        )
    }


def test_a_cohort_of_another_size_than_its_rows_tell_is_named(sales):
    which = "kind = 'reached' AND origin = 'lead' AND target = 'won'"
    run(Sql(f"UPDATE reporting_dailycohort SET counts = '{{4}}' WHERE {which}"))
    where = "2025-01-01, reached, “lead” to “won”"
    assert found(sales) == {("cohorts", where): "The roll-up has 4, the rows tell 1."}


def test_somebody_in_a_gate_is_named():
    gated = lifecycle("gated", stages_of=[("lead", "success", "inventory"), ("gate", "success", "gate")])
    member = walk(gated, ("gate", 1))
    words = integrity.check(gated, now=NOW)[0].words
    assert words == "It stands in “gate”, a gate, which holds nobody."
    assert member.ended_at is None


def test_a_move_written_between_two_looks_is_no_finding(sales, monkeypatch):
    looks = []
    compare = integrity._compare

    def while_somebody_moves(of):
        if not looks:
            walk(sales, ("lead", 20))
        looks.append(compare(of))
        return looks[-1]

    monkeypatch.setattr(integrity, "_compare", while_somebody_moves)
    assert integrity.check(sales, now=NOW) == []
    assert len(looks) == 2
    assert looks[0] != []


def test_a_check_is_kept_with_what_it_found(sales, member):
    Membership.objects.filter(pk=member.pk).update(seq=7)
    check = integrity.run(sales, now=NOW)
    assert (check.memberships, check.movements, check.found) == (3, 7, 1)
    assert LedgerCheck.objects.get().findings[0]["where"] == f"membership {member.pk}"


def test_the_check_runs_as_a_job(sales):
    lifecycle("other")
    job = jobs.enqueue(integrity.JOB, {}, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    assert job.result == {"lifecycles": 2, "findings": 0}
    assert LedgerCheck.objects.count() == 2
