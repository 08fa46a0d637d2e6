"""Two at once: a full run and a live run of one model wait for each other, so that neither writes over the other."""

import threading

import pytest
from django.db import connection, transaction

from audience import live
from kit.sql import rows, sql
from scoring import compiling, rules, running
from tests.factories import NOW, activity, days_ago, person
from tests.scoring.making import published, stored

pytestmark = pytest.mark.django_db(transaction=True)

AT = NOW + live.INSTANT


def test_a_live_run_waits_for_the_full_run_and_has_the_last_word():
    someone = person()
    activity(person(), days_ago(50), "demo_requested")  # a kind that is known already
    version = published()
    plan = rules.read(version)
    alone = sql("SELECT {}::bigint AS subject_id", someone.pk)

    def judge():
        try:
            running.refresh(plan, alone, at=AT, now=NOW)
        finally:
            connection.close()

    other = threading.Thread(target=judge)
    with transaction.atomic():
        running.full(version.model, at=AT, now=NOW)  # has computed without the fact that comes now
        writer = threading.Thread(
            target=lambda: (activity(someone, days_ago(0.1), "demo_requested"), connection.close())
        )
        writer.start()
        writer.join(timeout=30)
        other.start()
        other.join(timeout=1)
        assert other.is_alive(), "it waits"
    other.join(timeout=30)
    assert not other.is_alive()
    assert stored()[someone.pk][3] == 40
    assert stored() == {row[0]: row[1:] for row in rows(compiling.totals(plan, at=AT))}


def test_live_runs_of_one_model_do_not_wait_for_each_other():
    one, another = person(title="Director"), person(title="Director")
    plan = rules.read(published())
    done = threading.Event()

    def judge():
        try:
            running.refresh(plan, sql("SELECT {}::bigint AS subject_id", another.pk), at=AT, now=NOW)
            done.set()
        finally:
            connection.close()

    with transaction.atomic():
        running.refresh(plan, sql("SELECT {}::bigint AS subject_id", one.pk), at=AT, now=NOW)
        beside = threading.Thread(target=judge)
        beside.start()
        assert done.wait(timeout=30)
    beside.join(timeout=30)
