"""Marks: every fact of whatever table marks its subjects, in its own transaction, and a mark is judged exactly once."""

import threading

import pytest
from django.db import connection, transaction

from audience import live
from audience.models import AccountRole, Case, Contract, DealRole, Dirty, Purchase
from audience.subjects import accounts, people
from kit.sql import Sql, rows
from tests.factories import NOW, account, activity, days_ago, deal, person, purchase

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(monkeypatch):
    """The batches that a judge of ours was asked about; no other judge is asked."""
    batches = []
    ours = live.Judge(
        "ours", 1, lambda subjects, **_: batches.append({row[0] for row in rows(subjects)}), lambda now: None
    )
    monkeypatch.setattr(live, "_judges", {"ours": ours})
    return batches


def marked():
    found = set(Dirty.objects.values_list("subject_id", flat=True))
    Dirty.objects.all().delete()
    return found


def test_people_and_accounts_are_marked_when_they_come_and_when_a_value_changes():
    ada, firm = person(), account()
    assert marked() == {ada.pk, firm.pk}
    people.change(ada, {"country": "DE"}, source="tests", by=None, now=NOW)
    assert marked() == {ada.pk}
    people.change(ada, {"country": "DE"}, source="tests", by=None, now=NOW)
    assert marked() == set(), "nothing changed"


def test_what_changes_in_an_account_marks_its_people():
    firm = account()
    inside, outside = person(account=firm), person()
    marked()
    accounts.change(firm, {"industry": "Utilities"}, source="tests", by=None, now=NOW)
    assert marked() == {firm.pk, inside.pk} and outside.pk


def test_facts_mark_those_whom_they_are_about():
    firm, other = account(), account()
    ada = person(account=firm)
    marked()
    activity(ada, days_ago(1), account=firm)
    assert marked() == {ada.pk, firm.pk}
    sale = deal(ada, days_ago(9), account=firm, partner=other)
    assert marked() == {ada.pk, firm.pk, other.pk}
    sale.name = "Sensors"
    sale.save()
    assert marked() == {ada.pk, firm.pk, other.pk}
    DealRole.objects.filter(deal=sale).delete()
    assert marked() == {ada.pk}
    purchase(ada, days_ago(3))
    assert marked() == {ada.pk}
    told = {"recorded_at": NOW, "source": "tests", "external_id": "1"}
    Contract.objects.create(account=firm, starts_on=NOW.date(), **told)
    Case.objects.create(account=other, title="Leaks", opened_at=NOW, **told)
    assert marked() == {firm.pk, other.pk}


def test_a_statement_over_many_leaves_one_mark_each():
    many = [person() for _ in range(5)]
    marked()
    Purchase.objects.bulk_create(
        Purchase(person=who, occurred_at=NOW, recorded_at=NOW, source="t", external_id=f"{who.pk}-{n}")
        for who in many
        for n in range(3)
    )
    assert Dirty.objects.count() == 5


def test_a_role_in_an_account_is_no_fact_of_its_own():
    ada, firm = person(), account()
    marked()
    AccountRole.objects.create(person=ada, account=firm)
    assert marked() == set()


def test_marks_are_judged_once_in_batches_and_together(judged):
    everybody = {person().pk for _ in range(30)}
    assert live.run_all(NOW) == 30
    assert judged == [everybody], "a few are judged together"
    assert live.run_all(NOW) == 0 and not Dirty.objects.exists()


def test_of_many_each_shard_is_judged_by_itself_in_batches(judged, monkeypatch):
    monkeypatch.setattr(live, "FEW", 10)
    monkeypatch.setattr(live, "BATCH", 2)
    everybody = {person().pk for _ in range(30)}
    assert live.run_all(NOW) == 30
    assert set().union(*judged) == everybody and sum(map(len, judged)) == 30
    assert all(len({pk % live.SHARDS for pk in batch}) == 1 for batch in judged[:8])


def test_a_judge_that_fails_leaves_the_marks(monkeypatch):
    def fails(subjects, **_):
        raise RuntimeError("killed")

    ada = person()
    monkeypatch.setattr(live, "_judges", {"ours": live.Judge("ours", 1, fails, lambda now: None)})
    with pytest.raises(RuntimeError):
        live.run_once(NOW)
    assert marked() == {ada.pk}


def test_judges_are_asked_in_their_order(monkeypatch):
    asked = []
    monkeypatch.setattr(live, "_judges", {})
    for name, order in (("segments", 30), ("scores", 10), ("stages", 20)):
        live.register(live.Judge(name, order, lambda *_, name=name, **__: asked.append(name), lambda now: None))
    person()
    live.run_all(NOW)
    assert asked == ["scores", "stages", "segments"]


def test_marks_can_be_left_off_for_a_load_and_come_back_on():
    with live.without_marks():
        person()
    assert marked() == set()
    ada = person()
    assert marked() == {ada.pk}


def test_what_waits_is_told_with_its_age():
    assert live.waiting() == (0, None)
    person()
    count, since = live.waiting()
    assert count == 1 and since is not None


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_judge_one_subject_at_once(monkeypatch):
    who = person()
    inside, overlap = threading.Event(), []
    proceed = threading.Event()

    def slow(subjects, **_):
        overlap.append(inside.is_set())
        inside.set()
        proceed.wait(5)

    monkeypatch.setattr(live, "_judges", {"ours": live.Judge("ours", 1, slow, lambda now: None)})

    def work():
        try:
            live.run_once(NOW)
        finally:
            connection.close()

    first = threading.Thread(target=work)
    first.start()
    assert inside.wait(5)
    person()  # whatever shard it falls into
    live.mark(Sql(f"SELECT {who.pk}::bigint AS subject_id"))
    second = threading.Thread(target=work)
    second.start()
    second.join(0.5)
    proceed.set()
    first.join()
    second.join()
    while live.run_once(NOW):
        pass
    assert not Dirty.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_writers_about_one_subject_do_not_wait_for_each_other():
    ada = person()
    done = threading.Event()

    def write():
        try:
            purchase(ada, NOW)
            done.set()
        finally:
            connection.close()

    with transaction.atomic():
        activity(ada, NOW)  # its mark is not committed yet
        other = threading.Thread(target=write)
        other.start()
        assert done.wait(5), "the other writer waits for our mark"
    other.join()


def test_the_jobs_page_says_what_waits(admin_client):
    assert "scores, stages and segments are up to date" in admin_client.get("/operations/jobs/").content.decode()
    person()
    said = admin_client.get("/operations/jobs/").content.decode()
    assert "1 change waits to be judged" in said and "No worker has been heard of" in said
