"""The change feed misses nothing: whatever the order of commits, and wherever its reader stops."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audience.models import Account, Activity, Person, Tag
from audience.subjects import tags
from integrations import feed
from integrations.models import Change
from kit.sql import rows, run, sql
from tests.factories import NOW, account, activity, person

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = {"person": Person.objects.all(), "account": Account.objects.all(), "activity": Activity.objects.all()}


def started() -> feed.Mark:
    return feed.begin(timezone.now())


def news(mark: feed.Mark, limit: int = 100) -> tuple[list[feed.Item], feed.Mark]:
    """All that there is to be told now."""
    items: list[feed.Item] = []
    more = True
    while more:
        page = feed.read(mark, KINDS, timezone.now(), limit=limit)
        items, mark, more = items + page.items, page.mark, page.more
    return items, mark


def told(items: list[feed.Item]) -> list[tuple[str, int, str]]:
    return [(each.kind, each.id, each.action) for each in items]


def test_what_is_made_and_changed_is_told_once_and_then_no_more() -> None:
    mark = started()
    someone = person(email="ada@example.com")
    deed = activity(someone, NOW)
    items, mark = news(mark)
    assert told(items) == [("person", someone.pk, "created"), ("activity", deed.pk, "created")]
    assert items[0].row.email == "ada@example.com"
    assert news(mark)[0] == []
    Person.objects.filter(pk=someone.pk).update(city="Bonn")
    Person.objects.filter(pk=someone.pk).update(city="Köln")
    items, mark = news(mark)
    assert told(items) == [("person", someone.pk, "changed")] and items[0].row.city == "Köln"
    assert news(mark)[0] == []


def test_made_and_changed_within_one_page_is_made() -> None:
    mark = started()
    someone = person()
    Person.objects.filter(pk=someone.pk).update(city="Bonn")
    assert told(news(mark)[0]) == [("person", someone.pk, "created")]


def test_what_was_rolled_back_is_never_told() -> None:
    mark = started()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        person()
        raise ZeroDivisionError
    assert news(mark)[0] == []


def test_what_stood_before_the_first_look_is_told_first_and_what_changes_meanwhile_after_it() -> None:
    people = [person() for _number in range(5)]
    firm = account()
    mark = feed.begin(timezone.now(), kinds=list(KINDS))
    page = feed.read(mark, KINDS, timezone.now(), limit=2)
    assert told(page.items) == [("person", each.pk, "present") for each in people[:2]] and page.more
    Person.objects.filter(pk=people[0].pk).update(city="Bonn")  # told already
    late = person()
    items, _mark = news(page.mark, limit=2)
    before = [("person", each.pk, "present") for each in [*people[2:], late]] + [("account", firm.pk, "present")]
    assert told(items) == [*before, ("person", people[0].pk, "changed"), ("person", late.pk, "created")]


def test_parts_of_a_row_change_it() -> None:
    someone = person()
    mark = started()
    tags.add(Person, sql("SELECT {}::bigint AS subject_id", someone.pk), ["vip"], source="tests", by=None, now=NOW)
    assert Tag.objects.exists()
    assert told(news(mark)[0]) == [("person", someone.pk, "changed")]


def test_an_erased_person_is_told_by_number_alone_even_to_who_does_not_see_them() -> None:
    someone = person(email="ada@example.com")
    mark = started()
    Person.objects.filter(pk=someone.pk).update(erased_at=NOW, email="")
    [item] = news(mark)[0]
    assert (item.id, item.action, item.row) == (someone.pk, "erased", None)
    nobody = {"person": Person.objects.filter(erased_at=None, owner=-1)}
    [item] = feed.read(mark, nobody, timezone.now(), limit=5).items
    assert (item.id, item.action, item.row) == (someone.pk, "erased", None)
    everybody, _mark = news(feed.begin(timezone.now(), kinds=list(KINDS)))
    assert everybody == []


def test_who_does_not_see_a_row_hears_nothing_of_it() -> None:
    mark = started()
    seen, _unseen = person(city="Bonn"), person(city="Ulm")
    page = feed.read(mark, {"person": Person.objects.filter(city="Bonn")}, timezone.now(), limit=5)
    assert told(page.items) == [("person", seen.pk, "created")]


def test_a_statement_of_many_rows_is_told_in_pages_of_any_size() -> None:
    mark = started()
    Person.objects.bulk_create(Person(first_seen_at=NOW, city="Bonn") for _number in range(1234))
    ids = list(Person.objects.order_by("pk").values_list("pk", flat=True))
    assert Change.objects.count() == 7
    for limit in (1000, 200, 199, 7):
        items, _mark = news(mark, limit)
        assert sorted(each.id for each in items) == ids and len(items) == 1234
    Person.objects.update(city="Ulm")
    assert len(news(mark, 300)[0]) >= 1234


def test_a_transaction_that_stays_open_holds_back_nothing_but_its_own() -> None:
    mark = started()
    begun, may_commit = threading.Event(), threading.Event()
    slow: list[int] = []

    def write_slowly() -> None:
        try:
            with transaction.atomic():
                slow.append(person().pk)
                begun.set()
                may_commit.wait(30)
        finally:
            connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    begun.wait(30)
    quick = person()
    items, mark = news(mark)
    assert told(items) == [("person", quick.pk, "created")] and quick.pk > slow[0]
    later = person()
    items, mark = news(mark)
    assert told(items) == [("person", later.pk, "created")]
    may_commit.set()
    writer.join()
    items, mark = news(mark)
    assert told(items) == [("person", slow[0], "created")]
    assert news(mark)[0] == []


def test_whatever_the_order_of_commits_a_reader_meanwhile_misses_nothing() -> None:
    """Five writers with transactions of any length, some taken back; a reader that pages while they write."""
    mark = feed.begin(timezone.now(), kinds=["person"])
    over = threading.Event()
    kept: list[int] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _turn in range(12):
                made: list[int] = []
                try:
                    with transaction.atomic():
                        for _number in range(chance.randrange(1, 5)):
                            made.append(person().pk)
                            over.wait(chance.random() / 50)
                        if chance.random() < 0.2:
                            raise ZeroDivisionError
                    kept.extend(made)
                except ZeroDivisionError:
                    pass
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(5)]
    for each in writers:
        each.start()
    seen: list[feed.Item] = []
    sources = {"person": Person.objects.all()}
    while any(each.is_alive() for each in writers):
        page = feed.read(mark, sources, timezone.now(), limit=3)
        seen, mark = seen + page.items, page.mark
    for each in writers:
        each.join()
    more = True
    while more:
        page = feed.read(mark, sources, timezone.now(), limit=3)
        seen, mark, more = seen + page.items, page.mark, page.more
    news_alone = [each.id for each in seen if each.action == "created"]
    assert set(kept) == {each.id for each in seen} == set(Person.objects.values_list("pk", flat=True))
    assert len(news_alone) == len(set(news_alone))
    assert len(kept) > 60


def test_a_cursor_of_another_database_or_of_its_future_is_refused() -> None:
    mark = started()
    with pytest.raises(feed.Elsewhere):
        feed.read(feed.replace(mark, here="7000000000000000000/5/00000001"), KINDS, timezone.now(), limit=1)
    with pytest.raises(feed.Elsewhere):
        feed.read(feed.replace(mark, seen="99999999:99999999:"), KINDS, timezone.now(), limit=1)


def test_what_is_dropped_is_older_than_any_cursor_that_is_taken(settings: Any) -> None:
    settings.CHANGES_KEPT_DAYS = 7
    now = timezone.now()
    mark = feed.begin(now - timedelta(days=7, seconds=1))
    with pytest.raises(feed.TooOld):
        feed.read(mark, KINDS, now, limit=1)
    person()
    run(sql("UPDATE integrations_change SET at = at - interval '7 days 1 second'"))
    assert feed.forget(now) == 0
    run(sql("UPDATE integrations_change SET at = at - interval '1 day'"))
    assert feed.forget(now) == 1


def test_notes_of_another_cluster_s_future_disturb_nobody() -> None:
    """As after a dump was restored where transactions are numbered anew."""
    person()
    run(sql("UPDATE integrations_change SET xid = xid + 1000000000"))
    mark = started()
    fresh = person()
    items, mark = news(mark)
    assert told(items) == [("person", fresh.pk, "created")]


def test_a_page_is_found_by_the_index() -> None:
    mark = started()
    Person.objects.bulk_create(Person(first_seen_at=NOW) for _number in range(5000))
    run(sql("ANALYZE integrations_change"))
    with transaction.atomic():
        run(
            sql("SET LOCAL enable_seqscan = off")
        )  # what the tests before have left decides whether reading all is quicker
        asked = sql(
            "EXPLAIN SELECT FROM integrations_change WHERE (xid, id) >= ({}, 0) ORDER BY xid, id LIMIT 5",
            feed._last_of(mark.seen),
        )
        plan = "\n".join(line for (line,) in rows(asked))
    assert "change_in_order" in plan
