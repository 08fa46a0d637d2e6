"""Long work: one worker wins, the cursor is true, what dies is resumed, what fails three times stops and says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from kit import jobs, leases
from kit.models import Hint, Job, Team
from tests.patience import until

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
KIND = "make teams"


def make_teams(held: jobs.Held) -> dict[str, Any]:
    """Work in chunks of one team."""
    for number in range(held.cursor.get("done", 0), held.payload["teams"]):
        with transaction.atomic():
            Team.objects.create(name=f"team {number}")
            held.progress(rows_done=number + 1, rows_total=held.payload["teams"], cursor={"done": number + 1})
    return {"made": held.payload["teams"]}


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_kinds", {})
    jobs.register(KIND, make_teams)


def ask(**payload: Any) -> Job:
    return jobs.enqueue(KIND, payload, by=None, now=NOW)


def let_pause_end(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=leases.until(timedelta(seconds=-1)))


def test_a_job_is_done_and_tells_its_result(db: None) -> None:
    job = ask(teams=3)
    assert jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.rows_done, job.rows_total, job.result) == ("done", 3, 3, {"made": 3})
    assert job.finished_at and job.lease_until is None
    assert Team.objects.count() == 3


def test_a_job_of_an_unknown_kind_is_not_taken(db: None) -> None:
    with pytest.raises(LookupError, match="painting"):
        jobs.enqueue("painting", {}, by=None, now=NOW)


def test_a_job_that_is_done_is_not_done_again(db: None) -> None:
    job = ask(teams=1)
    assert jobs.run(job.pk, NOW)
    assert not jobs.run(job.pk, NOW)
    assert Team.objects.count() == 1


def test_of_two_workers_one_gets_the_job(transactional_db: None) -> None:
    job = ask(teams=20)
    won = []

    def claim() -> None:
        won.append(jobs.run(job.pk, NOW))
        connection.close()

    workers = [threading.Thread(target=claim) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(won) == [False, True]
    assert Team.objects.count() == 20


def test_a_failed_chunk_leaves_neither_rows_nor_cursor(db: None) -> None:
    def fail_in_third(held: jobs.Held) -> None:
        for number in range(5):
            with transaction.atomic():
                Team.objects.create(name=f"team {number}")
                if number == 2:
                    raise ValueError("the third is broken")
                held.progress(rows_done=number + 1, cursor={"done": number + 1})

    jobs.register(KIND, fail_in_third)
    job = ask()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.cursor, job.rows_done) == ("queued", {"done": 2}, 2)
    assert "the third is broken" in job.error
    assert Team.objects.count() == 2


def test_after_a_failure_there_is_a_pause_before_the_next_attempt(db: None) -> None:
    jobs.register(KIND, lambda held: 1 / 0)  # type: ignore[arg-type, return-value]
    job = ask()
    assert jobs.run(job.pk, NOW)
    assert not jobs.run(job.pk, NOW)
    let_pause_end(job)
    assert jobs.run(job.pk, NOW)


def test_three_failures_in_a_row_stop_the_job_with_its_reason_until_somebody_retries(db: None) -> None:
    broken = True

    def fail(held: jobs.Held) -> None:
        if broken:
            raise RuntimeError("no such file")

    jobs.register(KIND, fail)
    job = ask()
    for state in ("queued", "queued", "failed"):
        jobs.run(job.pk, NOW)
        job.refresh_from_db()
        assert job.state == state
        let_pause_end(job)
    assert "no such file" in job.error and job.finished_at
    assert not jobs.run(job.pk, NOW)

    broken = False
    assert jobs.retry(job.pk)
    assert jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.error, job.attempts) == ("done", "", 1)


def test_progress_starts_the_three_attempts_afresh(db: None) -> None:
    def one_step_then_fail(held: jobs.Held) -> None:
        held.progress(cursor={"done": held.cursor.get("done", 0) + 1})
        raise RuntimeError("again")

    jobs.register(KIND, one_step_then_fail)
    job = ask()
    for _ in range(6):
        jobs.run(job.pk, NOW)
        let_pause_end(job)
    job.refresh_from_db()
    assert (job.state, job.cursor) == ("queued", {"done": 6})


def test_a_refusal_is_final_and_in_the_users_words(db: None) -> None:
    def refuse(held: jobs.Held) -> None:
        raise jobs.Refused("The file is empty.")

    jobs.register(KIND, refuse)
    job = ask()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "The file is empty.")


def test_a_waiting_job_is_cancelled_at_once_and_cleared_away(db: None) -> None:
    tidied = []
    jobs.register(KIND, make_teams, tidy=lambda job: tidied.append(job.pk))
    job = ask(teams=3)
    assert jobs.cancel(job.pk)
    assert not jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, Team.objects.count(), tidied) == ("cancelled", 0, [job.pk])


def test_a_running_job_stops_at_the_next_chunk_and_keeps_the_chunks_before(db: None) -> None:
    def cancelled_on_the_way(held: jobs.Held) -> None:
        for number in range(5):
            if number == 2:
                assert jobs.cancel(held.job.pk)
            with transaction.atomic():
                Team.objects.create(name=f"team {number}")
                held.progress(cursor={"done": number + 1})

    jobs.register(KIND, cancelled_on_the_way)
    job = ask()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, Team.objects.count()) == ("cancelled", 2)


def test_a_job_that_has_ended_cannot_be_cancelled(db: None) -> None:
    job = ask(teams=1)
    jobs.run(job.pk, NOW)
    assert not jobs.cancel(job.pk)


def test_who_lost_the_lease_cannot_commit_a_chunk(db: None) -> None:
    def taken_over(held: jobs.Held) -> None:
        Job.objects.filter(pk=held.job.pk).update(owner="another worker")
        with transaction.atomic():
            Team.objects.create(name="too late")
            held.progress(cursor={"done": 1})

    jobs.register(KIND, taken_over)
    job = ask()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.owner, Team.objects.count()) == ("running", "another worker", 0)


def test_the_lease_is_kept_while_one_statement_takes_longer_than_it(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEASE", timedelta(seconds=0.5))
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.1)
    rivals = []

    def one_long_statement(held: jobs.Held) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(1.5)")

    def rival(job_id: int) -> None:
        time.sleep(1)
        rivals.append(jobs.run(job_id, NOW))
        connection.close()

    jobs.register(KIND, one_long_statement)
    job = ask()
    other = threading.Thread(target=rival, args=[job.pk])
    other.start()
    assert jobs.run(job.pk, NOW)
    other.join()
    assert rivals == [False]


def test_work_in_one_transaction_is_seen_to_go_on_within_seconds_and_can_be_cancelled(transactional_db: None) -> None:
    seen = []

    def taken_back(held: jobs.Held) -> None:
        with transaction.atomic():
            Team.objects.create(name="for a look")
            held.show(rows_done=3, rows_total=10)
            looker = threading.Thread(target=look, args=[held.job.pk])
            looker.start()
            looker.join()
            held.show(rows_done=4, rows_total=10)

    def look(job_id: int) -> None:
        patience = time.monotonic() + leases.RENEW_EVERY / 2
        while Job.objects.get(pk=job_id).rows_done == 0 and time.monotonic() < patience:
            time.sleep(0.05)
        job = Job.objects.get(pk=job_id)
        seen.append((job.rows_done, job.rows_total))
        jobs.cancel(job_id)
        connection.close()

    jobs.register(KIND, taken_back)
    job = ask()
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert seen == [(3, 10)]
    assert (job.state, Team.objects.count()) == ("cancelled", 0)


def test_a_stopped_process_hands_the_job_back_at_once(transactional_db: None) -> None:
    def interrupted(held: jobs.Held) -> None:
        held.progress(cursor={"done": 1})
        raise KeyboardInterrupt

    jobs.register(KIND, interrupted)
    job = ask()
    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.lease_until, job.attempts) == ("queued", None, 0)


def test_the_sweep_sends_a_hint_for_each_open_job_that_nobody_holds(transactional_db: None) -> None:
    waiting, done = ask(teams=1), ask(teams=0)
    jobs.run(done.pk, NOW)
    held = ask(teams=1)
    Job.objects.filter(pk=held.pk).update(state="running", lease_until=leases.until(timedelta(minutes=1)))
    crashed = ask(teams=1)
    Job.objects.filter(pk=crashed.pk).update(state="running", lease_until=leases.until(timedelta(minutes=-1)))
    Hint.objects.all().delete()
    assert jobs.sweep() == 2
    assert set(Hint.objects.values_list("target", flat=True)) == {waiting.pk, crashed.pk}


def test_work_that_kills_its_worker_three_times_is_not_tried_a_fourth_time(db: None) -> None:
    job = ask(teams=1)
    Job.objects.filter(pk=job.pk).update(state="running", attempts=3, lease_until=leases.until(timedelta(seconds=-1)))
    assert jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, Team.objects.count()) == ("failed", 0)
    assert "three times" in job.error


def test_rate_and_time_left_follow_from_the_row(db: None) -> None:
    job = Job(state="running", rows_done=300, rows_total=900, started_at=NOW)
    later = NOW + timedelta(seconds=30)
    assert jobs.rate(job, later) == 10.0
    assert jobs.time_left(job, later) == timedelta(seconds=60)
    assert jobs.time_left(Job(state="queued"), later) is None


WORKER = """
import os, sys, django
django.setup()
from datetime import UTC, datetime
from django.db import connection, transaction
from kit import jobs
from kit.models import Team

def slowly(held):
    for number in range(held.cursor.get("done", 0), 50):
        with transaction.atomic():
            Team.objects.create(name=f"team {number}")
            held.progress(rows_done=number + 1, cursor={"done": number + 1})
            if number == 10 and "--hang" in sys.argv:
                connection.cursor().execute("SELECT pg_sleep(60)")
    return {"made": 50}

jobs.register("make teams", slowly)
sys.exit(not jobs.run(int(sys.argv[1]), datetime(2025, 3, 1, 12, tzinfo=UTC)))
"""


def test_a_killed_worker_is_followed_by_one_that_goes_on_from_the_cursor(transactional_db: None) -> None:
    job = ask()
    name = connection.settings_dict["NAME"]

    def worker(*arguments: str) -> subprocess.Popen[bytes]:
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
        environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings"}
        root = Path(__file__).resolve().parents[2]
        return subprocess.Popen([sys.executable, "-c", WORKER, str(job.pk), *arguments], env=environment, cwd=root)

    killed = worker("--hang")
    until(lambda: Job.objects.get(pk=job.pk).rows_done == 10)
    time.sleep(0.2)  # the eleventh chunk is written and not committed
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not jobs.run(job.pk, NOW), "the lease still holds"
    let_pause_end(job)
    assert worker().wait() == 0
    job.refresh_from_db()
    assert (job.state, job.rows_done, job.result) == ("done", 50, {"made": 50})
    assert Team.objects.count() == 50
