"""Two who are one: what moves, which value survives, and that parting them gives everything back."""

from __future__ import annotations

import pytest
from django.db import connection

from audience import merging
from audience.merging import rows
from audience.models import Account, AccountRole
from audience.subjects import tags
from kit.registry import STAYS
from kit.sql import rows as fetched
from kit.sql import sql
from tests import factories
from tests.factories import NOW
from tests.merging import pairs
from tests.privacy import world as worlds

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["other into person", "person into other"])
def test_parting_gives_back_every_row_of_every_table_bit_for_bit(way: str) -> None:
    world = worlds.build()
    pair = (world.person, world.other) if way == "other into person" else (world.other, world.person)
    before = pairs.content()
    made = merging.merge(*pair, by=world.by, now=NOW)
    assert pairs.differences(before, pairs.content())
    merging.part(made, by=world.by, now=NOW)
    left = pairs.differences(before, pairs.content())
    for table in ("audience_fieldchange", "lifecycle_movement", "audience_consentrecord"):
        gone, _made, changed = left.pop(table, ([], [], []))
        assert gone == changed == []
    gone, new, changed = left.pop("audience_person")
    assert gone == new == []
    [(was, now)] = changed
    assert was["id"] == pair[0].pk and {key for key in was if was[key] != now[key]} == {"updated_at"}
    gone, new, changed = left.pop("lifecycle_membership")
    assert gone == new == []
    [(was, now)] = changed
    assert {key for key in was if was[key] != now[key]} == {"seq", "entered_at"}
    assert left == {}


def test_what_is_written_to_the_old_number_at_that_moment_follows_in_the_night() -> None:
    ours, theirs = factories.person(), factories.person()
    made = merging.merge(ours, theirs, by=None, now=NOW)
    late = factories.activity(theirs, NOW)
    merging.look_again(NOW)
    late.refresh_from_db()
    assert (late.person_id, late.original_subject_id) == (ours.pk, theirs.pk)
    merging.part(made, by=None, now=NOW)
    late.refresh_from_db()
    assert (late.person_id, late.original_subject_id) == (theirs.pk, None)


def test_so_it_is_for_accounts_with_their_people_deals_and_tags() -> None:
    world = worlds.build()
    ours, theirs = Account.objects.get(), factories.account(name="Harmony", domain="harmony.test", industry="Music")
    for each in (ours, theirs):
        tags.add(Account, sql("SELECT {}::bigint AS subject_id", each.pk), ["VIP"], source="x", by=None, now=NOW)
        factories.activity(each, NOW)
        AccountRole.objects.create(person=world.other, account=each, role="buyer")
    factories.deal(ours, NOW, partner=theirs)
    before = pairs.content()
    merging.part(merging.merge(ours, theirs, by=None, now=NOW), by=None, now=NOW)
    left = pairs.differences(before, pairs.content())
    gone, _new, changed = left.pop("audience_fieldchange")
    assert gone == changed == []
    [(was, now)] = left.pop("audience_account")[2]
    assert {key for key in was if was[key] != now[key]} == {"updated_at"}
    assert left == {}


@pytest.mark.parametrize("of", ["person", "account"])
def test_whose_rows_are_whose_every_table_tells_by_an_index(of: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of none is not worth an index
    asked = [link for link in rows.links(of) if link.holder.merge != STAYS]
    assert len(asked) > 20
    for link in asked:
        plan = fetched(sql("EXPLAIN SELECT FROM {} t WHERE {}", link.table, link.names("t", 1)))
        assert not any("Seq Scan" in line for (line,) in plan), (link.table, plan)
