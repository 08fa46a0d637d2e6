"""Validation, test cases and publishing: what is refused, and that a killed replay ends as an unkilled one."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.db import connection

from kit import jobs
from kit.models import Job
from lifecycle.editions import versions
from lifecycle.models import Membership, Movement, Version
from tests.factories import NOW, SMALL, draft
from tests.lifecycle import test_replay

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("  - {from: checked, to: resting, when: {}, reason: From elsewhere}\n", ""),
            "gate “Checked” has no default exit",
        ),
        (
            ("{slug: won, name: Won, kind: terminal}", "{slug: won, name: Won}"),
            "No stage of the success path is terminal",
        ),
        (("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla}"), "SLA stage “Lead” has no limit"),
        (
            ("{slug: lead, name: Lead}", "{slug: lead, name: Lead}\n  - {slug: island, name: Island}"),
            "Nothing leads to “Island”",
        ),
    ],
)
def test_a_draft_with_a_fault_cannot_be_published_and_says_which(change, words):
    assert change[0] in SMALL
    version = draft(SMALL.replace(*change))
    with pytest.raises(versions.PublishRefused, match=words):
        versions.publish(version, by=None, now=NOW)
    assert not Job.objects.exists()


def test_a_failing_test_case_blocks_publishing_and_says_what_happened_instead():
    case = "cases: [{name: A stranger buys, person: {first_seen: 2025-03-01}, expect: {on: 2025-03-05, stage: won}}]"
    with pytest.raises(versions.PublishRefused, match="“A stranger buys”: expected in won on 2025-03-05, was in known"):
        versions.publish(draft(SMALL + case), by=None, now=NOW)
    assert not Movement.objects.exists()


def test_publishing_replays_the_history_and_makes_the_version_live():
    test_replay.some_history(3)
    version = draft()
    job = versions.publish(version, by=None, now=test_replay.NOW)
    version.refresh_from_db()
    assert version.state == Version.State.PUBLISHING
    assert jobs.run(job.pk, test_replay.NOW)
    version.refresh_from_db()
    job.refresh_from_db()
    assert (version.state, job.state) == (Version.State.PUBLISHED, Job.State.DONE)
    assert job.result["movements"] == Movement.objects.count() > 20


def test_a_draft_can_be_thrown_away_and_a_live_version_cannot():
    version = draft()
    versions.discard(version, by=None, now=NOW)
    assert not Version.objects.exists()
    live = draft()
    jobs.run(versions.publish(live, by=None, now=NOW).pk, NOW)
    live.refresh_from_db()
    with pytest.raises(versions.PublishRefused, match="not a draft"):
        versions.discard(live, by=None, now=NOW)


WORK = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[2]
from tests.lifecycle.test_replay import NOW
from kit import jobs
print("started", flush=True)
jobs.run(int(sys.argv[1]), NOW)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_of_a_replay_loses_nothing_and_writes_nothing_twice():
    test_replay.some_history(5)
    job = versions.publish(draft(), by=None, now=test_replay.NOW)
    command = [sys.executable, "-c", WORK, str(job.pk), connection.settings_dict["NAME"]]
    kills = 0
    while True:
        Job.objects.filter(pk=job.pk).update(lease_until=None)  # as if the dead worker's lease had run out
        worker = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
        worker.stdout.readline()
        if kills < 2:
            reached = Job.objects.get(pk=job.pk).rows_done
            give_up = time.monotonic() + 60
            while Job.objects.get(pk=job.pk).rows_done < reached + 25 and worker.poll() is None:
                assert time.monotonic() < give_up
                time.sleep(0.01)
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
                kills += 1
            worker.wait()
        else:
            worker.wait(timeout=120)
            break
    job.refresh_from_db()
    assert (kills, job.state) == (2, Job.State.DONE), job.error
    killed = test_replay.ledger()
    members = Membership.objects.count()
    again = draft(SMALL.replace("lifecycle: small", "lifecycle: again"))
    jobs.run(versions.publish(again, by=None, now=test_replay.NOW).pk, test_replay.NOW)
    unkilled = test_replay.ledger()
    assert len(unkilled) == 2 * len(killed)
    assert Membership.objects.count() == 2 * members
    assert sorted(map(str, unkilled)) == sorted(map(str, killed * 2))
