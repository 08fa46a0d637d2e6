"""Bulk moves: who is moved, who is left alone and why, jobs that are killed, cancelled and go on, and taking it back."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from kit import jobs, leases
from kit.models import AuditEntry, Job, User
from lifecycle.ledger import moving, stages, undo
from lifecycle.models import BulkMember, Membership, Movement
from reporting import integrity
from tests.factories import NOW, SMALL, published
from tests.lifecycle.crowds import crowd
from tests.patience import until

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    return published()


def everybody(version, **having):
    return moving.everybody_of(Membership.objects.filter(version=version, **having))


def ask(version, members, slug="lead", **given):
    to = version.stages.get(slug=slug) if slug else None
    return moving.move(version, members, to=to, reason="Fair in March", **{"by": None, "now": NOW} | given)


def read(memberships):
    return moving.chosen([(each.pk, each.seq) for each in memberships])


def stages_of(memberships):
    return list(
        Membership.objects.filter(pk__in=[each.pk for each in memberships])
        .order_by("pk")
        .values_list("stage__slug", flat=True)
    )


def test_a_few_are_moved_at_once_each_with_the_reason_and_the_user(version):
    ada = User.objects.create_user("ada@example.com", "secret")
    some = crowd(version, 5)
    bulk = ask(version, read(some[:3]), by=ada)
    assert bulk.job is None
    assert stages_of(some) == ["lead", "lead", "lead", "known", "known"]
    assert moving.outcomes(bulk) == {"moved": 3}
    last = stages.last_movement(some[0])
    assert (last.kind, last.reason, last.actor, last.occurred_at) == ("hand", "Fair in March", "ada@example.com", NOW)
    assert AuditEntry.objects.get(action="lifecycle.bulk_move").after == {"members": 3, "reason": "Fair in March"}


def test_who_was_moved_by_somebody_else_first_or_is_there_already_is_left_alone_and_named(version):
    faster, there, ended, moved = some = crowd(version, 4)
    lead = version.stages.get(slug="lead")
    stages.move(there, to=lead, reason="", by=None, at=NOW, now=NOW)
    stages.move(ended, to=version.stages.get(slug="won"), reason="", by=None, at=NOW, now=NOW)
    there.refresh_from_db(), ended.refresh_from_db()
    members = read(some)
    stages.move(faster, to=version.stages.get(slug="engaged"), reason="Faster", by=None, at=NOW, now=NOW)
    bulk = ask(version, members)
    assert stages_of(some) == ["engaged", "lead", "won", "lead"]
    told = dict(bulk.members.values_list("membership", "outcome"))
    assert told == {faster.pk: "skipped", there.pk: "same", ended.pk: "ended", moved.pk: "moved"}


def test_out_of_the_lifecycle_ends_their_passes(version):
    some = crowd(version, 2)
    ask(version, read(some), slug="")
    assert stages_of(some) == [None, None]
    assert Membership.objects.filter(ended_at=None).count() == 0


def test_what_cannot_be_is_refused_in_words(version):
    some = crowd(version, 1)
    other = published(SMALL.replace("lifecycle: small", "lifecycle: other"))
    draft = type(version).objects.get(pk=version.pk)
    draft.state = "retired"
    for refused, slug, of, words in (
        (version, "checked", read(some), "gate and holds nobody"),
        (version, "lead", read([]), "Nobody is chosen"),
        (other, "lead", read(some), "Nobody is chosen"),
        (draft, "lead", read(some), "is not live"),
    ):
        with pytest.raises(stages.MoveRefused, match=words):
            ask(refused, of, slug)
    with pytest.raises(stages.MoveRefused, match="are members of"):
        moving.move(version, read(some), to=other.stages.get(slug="lead"), reason="x", by=None, now=NOW)
    assert Movement.objects.count() == 1 and not BulkMember.objects.exists()


def test_taking_a_bulk_move_back_leads_everybody_to_where_they_were_and_names_who_stays(version):
    known, engaged = crowd(version, 3), crowd(version, 2, "engaged")
    bulk = ask(version, everybody(version))
    stages.move(
        Membership.objects.get(pk=known[0].pk), to=version.stages.get(slug="won"), reason="", by=None, at=NOW, now=NOW
    )
    moving.take_back(bulk, by=None, now=NOW + timedelta(minutes=1))
    assert stages_of(known + engaged) == ["won", "known", "known", "engaged", "engaged"]
    assert moving.outcomes(bulk) == {"undone": 4, "kept": 1}
    assert "moved again since" in bulk.members.get(outcome="kept").why
    assert stages.last_movement(known[1]).reason == "Takes back move 2: “Known” → “Lead” (undo of a bulk move)"
    with pytest.raises(undo.UndoRefused, match="nothing to take back"):
        moving.take_back(bulk, by=None, now=NOW)
    assert integrity.check(version.lifecycle, now=NOW + timedelta(minutes=1)) == []


def test_many_are_moved_by_a_job_and_taken_back_by_another(version):
    some = crowd(version, moving.CHUNK + 500)
    faster = Membership.objects.get(pk=some[700].pk)
    bulk = ask(version, everybody(version))
    assert stages_of(some[:1]) == ["known"]
    stages.move(faster, to=version.stages.get(slug="engaged"), reason="", by=None, at=NOW, now=NOW)
    with pytest.raises(undo.UndoRefused, match="still on its way"):
        moving.take_back(bulk, by=None, now=NOW)
    assert jobs.run(bulk.job.pk, NOW)
    bulk.refresh_from_db()
    assert (bulk.job.state, bulk.job.rows_done, bulk.job.rows_total) == ("done", 1500, 1500)
    assert bulk.job.result == {"moved": 1499, "skipped": 1, "there_already": 0, "link": f"/lifecycles/moves/{bulk.pk}/"}
    moving.take_back(bulk, by=None, now=NOW + timedelta(minutes=1))
    bulk.refresh_from_db()
    assert jobs.run(bulk.undo_job.pk, NOW + timedelta(minutes=1))
    bulk.undo_job.refresh_from_db()
    assert bulk.undo_job.result["taken_back"] == 1499
    assert Membership.objects.filter(stage__slug="known").count() == 1499
    assert integrity.check(version.lifecycle, now=NOW + timedelta(minutes=1)) == []


def test_the_same_job_run_again_moves_nobody_twice(version):
    crowd(version, moving.AT_ONCE + 1)
    bulk = ask(version, everybody(version))
    assert jobs.run(bulk.job.pk, NOW)
    count = Movement.objects.count()
    Job.objects.filter(pk=bulk.job.pk).update(state="queued", cursor={})
    assert jobs.run(bulk.job.pk, NOW)
    assert Movement.objects.count() == count


WORKER = """
import sys, django
django.setup()
from datetime import UTC, datetime
from kit import jobs
sys.exit(not jobs.run(int(sys.argv[1]), datetime(2025, 6, 15, 10, tzinfo=UTC)))
"""


def worker(job):
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{connection.settings_dict['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", WORKER, str(job.pk)], env=environment, cwd=root)


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(  # in this database: other tests wait in theirs
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks WHERE database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        return cursor.fetchone()[0] > 0


@pytest.mark.django_db(transaction=True)
def test_a_job_killed_within_a_chunk_leaves_nobody_twice_and_nobody_out(version):
    some = crowd(version, 3 * moving.CHUNK)
    bulk = ask(version, everybody(version))
    held_back = some[2 * moving.CHUNK + 10]
    with transaction.atomic():
        Membership.objects.select_for_update().get(pk=held_back.pk)  # the third chunk waits here
        killed = worker(bulk.job)
        until(waits_for_a_lock)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert Membership.objects.filter(stage__slug="lead").count() == 2 * moving.CHUNK
    until(lambda: not waits_for_a_lock())
    Job.objects.filter(pk=bulk.job.pk).update(lease_until=leases.until(timedelta(seconds=-1)))
    assert worker(bulk.job).wait() == 0
    bulk.job.refresh_from_db()
    assert (bulk.job.state, bulk.job.result["moved"], bulk.job.result["skipped"]) == ("done", 3 * moving.CHUNK, 0)
    assert Movement.objects.filter(kind="hand").count() == 3 * moving.CHUNK
    assert set(Movement.objects.filter(kind="hand").values_list("seq", flat=True)) == {2}
    assert integrity.check(version.lifecycle, now=NOW) == []


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_cancelled_stops_can_be_taken_back_and_goes_on_when_tried_again(version):
    some = crowd(version, 2 * moving.CHUNK)
    bulk = ask(version, everybody(version))
    with transaction.atomic():
        Membership.objects.select_for_update().get(pk=some[-1].pk)
        running = worker(bulk.job)
        until(waits_for_a_lock)
        jobs_cancelled = threading.Thread(target=_cancel, args=[bulk.job.pk])
        jobs_cancelled.start()
        jobs_cancelled.join()
    assert running.wait() == 0
    bulk.job.refresh_from_db()
    assert bulk.job.state == "cancelled"
    assert moving.outcomes(bulk) == {"moved": moving.CHUNK, "waiting": moving.CHUNK}
    assert jobs.retry(bulk.job.pk) and jobs.run(bulk.job.pk, NOW)
    assert moving.outcomes(bulk) == {"moved": 2 * moving.CHUNK}


def _cancel(job_id):
    try:
        jobs.cancel(job_id)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_bulk_moves_of_the_same_people_at_once_move_each_once(version):
    crowd(version, 150)
    members, gate, told = everybody(version), threading.Barrier(2), []
    frozen = read(Membership.objects.order_by("pk"))

    def mover(slug):
        try:
            gate.wait()
            told.append(moving.outcomes(ask(version, frozen, slug)))
        finally:
            connection.close()

    threads = [threading.Thread(target=mover, args=[slug]) for slug in ("lead", "engaged")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert members and sorted(told, key=str) == [{"moved": 150}, {"skipped": 150}]
    assert Movement.objects.filter(kind="hand").count() == 150
