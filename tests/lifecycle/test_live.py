"""Rules that run by themselves: seconds after a fact, at midnight by time alone, never in a circle, never half."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audience import live as engine
from audience.models import Dirty
from kit import installation, jobs
from kit.models import AuditEntry, Notice, User
from lifecycle import operations
from lifecycle.editions import versions
from lifecycle.engine import live, replay
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Transition, Version
from tests.factories import NOW, SMALL, activity, deal, draft, person
from tests.lifecycle.test_replay import NOW as LATER
from tests.lifecycle.test_replay import START, ledger, some_history

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN)


def publish(text: str = SMALL, now: datetime = NOW) -> Version:
    """A version that is live, with its history replayed and everybody judged."""
    version = draft(text, now)
    jobs.run(versions.publish(version, by=None, now=now).pk, now)
    engine.run_all(now)
    version.refresh_from_db()
    return version


def stage_of(someone) -> str:
    newest = Membership.objects.filter(subject_id=someone.pk).order_by("-pass_number").first()
    return newest.stage.slug if newest and newest.stage else "nowhere"


def test_whoever_comes_after_publishing_is_placed_and_moves_with_what_they_do():
    publish()
    ada = person(country="DE", first_seen_at=NOW)
    engine.run_all(NOW)
    assert stage_of(ada) == "known"
    soon = NOW + timedelta(minutes=5)
    activity(ada, soon - timedelta(seconds=20))
    engine.run_all(soon)
    assert stage_of(ada) == "engaged"
    move = Movement.objects.get(membership__person=ada, to_stage__slug="engaged")
    assert (move.kind, move.reason, move.occurred_at) == ("rule", "Did something", soon - timedelta(seconds=20))
    assert not Dirty.objects.exists()


def test_a_deal_won_ends_the_pass_without_anybody_touching_the_person():
    publish()
    ada = person(first_seen_at=NOW)
    engine.run_all(NOW)
    deal(ada, NOW, NOW + timedelta(hours=1))
    engine.run_all(NOW + timedelta(hours=2))
    assert stage_of(ada) == "won"
    assert Membership.objects.get(person=ada).ended_at == NOW + timedelta(hours=1)


def test_what_time_alone_changes_happens_when_its_window_ends():
    publish()
    ada = person(first_seen_at=NOW)
    activity(ada, NOW)
    engine.run_all(NOW + timedelta(minutes=1))
    assert stage_of(ada) == "engaged"
    edge = NOW + timedelta(days=30)
    engine.clock(edge - timedelta(minutes=1))
    engine.run_all(edge - timedelta(minutes=1))
    assert stage_of(ada) == "engaged"
    engine.clock(edge + timedelta(minutes=1))
    engine.run_all(edge + timedelta(minutes=1))
    assert stage_of(ada) == "resting"


def test_a_fact_with_a_date_to_come_counts_when_it_has_come():
    publish()
    ada = person(first_seen_at=NOW)
    activity(ada, NOW + timedelta(hours=3))
    engine.run_all(NOW + timedelta(minutes=1))
    assert stage_of(ada) == "known"
    engine.clock(NOW + timedelta(hours=4))
    engine.run_all(NOW + timedelta(hours=4))
    assert stage_of(ada) == "engaged"


def test_the_clock_marks_nobody_whom_time_does_not_change():
    publish()
    person(first_seen_at=NOW)
    engine.run_all(NOW)
    engine.clock(NOW + timedelta(minutes=1))
    Dirty.objects.all().delete()
    engine.clock(NOW + timedelta(minutes=2))
    assert not Dirty.objects.exists()


@pytest.mark.parametrize(("seed", "zone"), [(11, "UTC"), (12, "Europe/Berlin")])
def test_living_by_marks_and_clock_equals_the_replay(seed, zone):
    """Midnight after midnight only those are judged who were marked or whom time changed; the replay says the same."""
    installation.put("zone", zone)
    some_history(seed)
    replayed = draft()
    replay.run(replayed, now=LATER)
    expected = ledger()
    assert len({row[4] for row in expected}) >= 4

    lived = draft(SMALL.replace("lifecycle: small", "lifecycle: again"))
    Version.objects.filter(pk=lived.pk).update(state="published", published_at=START, looked_until=START)
    Dirty.objects.all().delete()
    day = START.astimezone(installation.zone()).date()
    while (midnight := installation.midnight(day + timedelta(days=1), installation.zone())) <= LATER:
        engine.clock(midnight - engine.INSTANT)
        engine.run_once(midnight - engine.INSTANT)
        day += timedelta(days=1)
    engine.clock(LATER)
    engine.run_once(LATER)
    assert [row[:3] + row[3:] for row in ledger(version=lived)] == expected


def test_one_lifecycle_starts_another_within_the_same_seconds():
    publish()
    onboarding = """
lifecycle: onboarding
name: Onboarding
species: customer
entry: {field: stage.small, op: is, value: won}
stages:
  - {slug: begun, name: Begun}
  - {slug: done, name: Done, kind: terminal}
transitions:
  - {from: begun, to: done, by_hand: true}
"""
    publish(onboarding)
    ada = person(first_seen_at=NOW)
    deal(ada, NOW, NOW + timedelta(minutes=1))
    engine.run_all(NOW + timedelta(minutes=2))
    engine.run_all(NOW + timedelta(minutes=2, seconds=2))
    assert set(Membership.objects.filter(person=ada).values_list("stage__slug", flat=True)) == {"won", "begun"}


CIRCLE = (
    SMALL.replace("cases", "")
    + "  - {from: resting, to: engaged, when: {field: person.country, op: is, value: FR}, reason: Round}\n"
    + ("  - {from: engaged, to: resting, when: {field: person.country, op: is, value: FR}, reason: And round}\n")
)


def test_rules_that_send_somebody_in_a_circle_leave_him_alone_after_a_round_and_are_named(admin):
    version = publish(CIRCLE)
    ada, calm = person(country="FR", first_seen_at=NOW), person(country="DE", first_seen_at=NOW)
    activity(ada, NOW)
    activity(calm, NOW)
    for second in range(1, 40):
        engine.run_once(NOW + timedelta(seconds=second))
    assert not Dirty.objects.exists(), "it would go on for ever"
    moved = Movement.objects.filter(membership__person=ada).count()
    assert version.stages.count() < moved < 4 * version.stages.count()
    [circle] = live.circles(version, NOW + timedelta(seconds=40))
    assert (str(circle), circle.subjects) == ("Engaged → Resting → Engaged", 1)
    for minute in (1, 2):
        engine.clock(NOW + timedelta(minutes=minute))
    told = Notice.objects.get(kind=live.CIRCLE)
    assert told.user == admin and "Engaged → Resting → Engaged: 1" in told.body
    assert stage_of(calm) == "engaged"


def test_a_rule_that_fails_stops_alone_and_goes_on_when_asked(admin):
    version = publish()
    gone = {"field": "person.custom.gone", "op": "is", "value": "x"}
    rule = version.transitions.get(to_stage__slug="won")
    asks(rule, gone)
    ada = person(first_seen_at=NOW)
    activity(ada, NOW)
    deal(ada, NOW, NOW)
    engine.run_all(NOW + timedelta(minutes=1))
    stopped = version.stopped_rules.get()
    assert (stopped.transition, stage_of(ada)) == (rule, "engaged"), "the others go on"
    assert "person.custom.gone" in stopped.because and Version.objects.get(pk=version.pk).stopped_at is None
    assert "→ Won" in AuditEntry.objects.get(action="lifecycle.stop_rule").after["rule"]
    assert Notice.objects.get(kind=live.STOPPED).user == admin
    [letter] = operations.stopped_rules(10, None)
    assert "person.custom.gone" in letter.reason
    engine.clock(NOW + timedelta(minutes=2))

    asks(rule, rule.condition)
    assert live.resume(version, by=None, now=NOW) and not live.resume(version, by=None, now=NOW)
    engine.run_all(NOW + timedelta(minutes=3))
    assert stage_of(ada) == "won"


def asks(rule: Transition, condition: Any) -> None:
    """As if what a rule asks for were gone or back, which the product refuses while a rule asks for it."""
    version = Version.objects.filter(pk=rule.version_id)
    version.update(state="draft")
    Transition.objects.filter(pk=rule.pk).update(condition=condition)
    version.update(state="published")


def test_the_page_of_a_stopped_version_says_why_and_lets_it_go_on(admin_client):
    version = publish()
    live.stop(version, "there is no field “person.custom.gone”", NOW)
    page = f"/lifecycles/small/v{version.number}/"
    assert "there is no field “person.custom.gone”" in admin_client.get(page).content.decode()
    admin_client.post(f"{page}resume/")
    version.refresh_from_db()
    assert version.stopped_at is None


def test_what_happens_while_a_replay_runs_is_not_lost():
    version = draft()
    job = versions.publish(version, by=None, now=NOW)
    ada = person(first_seen_at=NOW)
    engine.run_all(NOW)  # the version is still publishing, and nobody judges by it
    activity(ada, NOW + timedelta(minutes=1))
    engine.run_all(NOW + timedelta(minutes=2))
    jobs.run(job.pk, NOW)
    engine.run_all(NOW + timedelta(minutes=3))
    assert stage_of(ada) == "engaged"


def test_a_move_by_hand_is_judged_too():
    version = publish()
    ada = person(first_seen_at=NOW, country="DE")
    engine.run_all(NOW)
    membership = Membership.objects.select_related("version__lifecycle").get(person=ada)
    lead = version.stages.get(slug="lead")
    deal(ada, NOW, NOW + timedelta(seconds=5))
    Dirty.objects.all().delete()  # as if the deal had been judged before the move
    stages.move(membership, to=lead, reason="By eye", by=None, at=NOW, now=NOW)
    engine.run_all(NOW + timedelta(seconds=9))
    assert stage_of(ada) == "won"


@pytest.mark.django_db(transaction=True)
def test_workers_killed_anywhere_leave_the_same_ledger_as_one_that_lived():
    """Kill -9 at random moments, start again, until nothing waits: nothing is lost, nothing is there twice."""
    some_history(21, people=60)
    one, other = draft(), draft(SMALL.replace("lifecycle: small", "lifecycle: again"))
    Version.objects.update(state="published", published_at=START, looked_until=LATER)
    Version.objects.filter(pk=other.pk).update(state="draft")
    engine.mark_everybody("person")
    engine.run_all(LATER)
    expected = ledger(version=one)
    assert len(expected) > 60

    Version.objects.filter(pk=one.pk).update(state="retired")
    Version.objects.filter(pk=other.pk).update(state="published")
    engine.mark_everybody("person")
    kills = 0
    while Dirty.objects.exists():
        command = [sys.executable, "-c", WORKER, connection.settings_dict["NAME"]]
        worker = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": os.getcwd()}
        )
        worker.stdout.readline()
        if kills < 3:
            time.sleep(0.02 + 0.05 * kills)  # in the middle of one of its first batches of five
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
                kills += 1
        worker.wait(timeout=300)
    assert kills == 3, "nobody was killed at work"
    assert ledger(version=other) == expected


WORKER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import connection
settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = sys.argv[1]
from audience import live
from tests.lifecycle.test_replay import NOW
live.BATCH, live.FEW = 5, 0
print("started", flush=True)
live.run_all(NOW)
"""
