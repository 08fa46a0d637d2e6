"""Who changed what stands on the profile of whom it was changed, after a merge too, and leads to the trail."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audience import merging
from audience.models import Person
from audience.subjects import accounts, owners, people, tags
from kit import audit
from kit.models import AuditEntry, User
from kit.sql import sql
from lifecycle.ledger import moving, stages, undo
from lifecycle.models import Membership
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> User:
    made = User.objects.create_user("boss@example.com", "x", role=User.Role.ADMIN)
    client.force_login(made)
    return made


def panel(client: Client, subject: Any) -> str:
    page = " ".join(client.get(subject.get_absolute_url()).content.decode().split())
    found = re.search(r'id="trail".*?</section>', page)
    return found[0] if found else ""


def told(client: Client, subject: Any) -> list[str]:
    return re.findall(
        r'row--between"><span>(?:<a href="/operations/audit/\d+/">)?([^<]+)(?:</a>)?</span>', panel(client, subject)
    )


def listed(client: Client, about: str) -> list[str]:
    page = client.get(reverse("audit"), {"about": about}).content.decode()
    return re.findall(r'<a class="table__main" href="/operations/audit/\d+/">([^<]+)</a>', page)


def made(first_name: str, by: User, **values: Any) -> Person:
    return people.create({"first_name": first_name, **values}, source="by hand", by=by, now=NOW)


def test_what_was_done_with_one_or_with_many_stands_on_the_profile_newest_first(client: Client, boss: User) -> None:
    ann, bob, eve = made("Ann", boss), made("Bob", boss), made("Eve", boss)
    people.change(ann, {"city": "Bonn"}, source="by hand", by=boss, now=NOW + timedelta(minutes=1))
    two = sql("SELECT unnest({}::bigint[]) AS subject_id", [ann.pk, bob.pk])
    tags.add(Person, two, ["VIP"], source="by hand", by=boss, now=NOW + timedelta(minutes=2))
    owners.give(Person, two, boss, by=boss, now=NOW + timedelta(minutes=3))
    client.get(reverse("person_everything", args=[ann.pk]), {"export": "json"})
    done = ["List taken away as a file", "Owner given", "Tags put on", "Person changed", "Person created"]
    assert told(client, ann) == listed(client, str(ann.pk)) == done
    assert told(client, bob) == ["Owner given", "Tags put on", "Person created"]
    assert told(client, eve) == ["Person created"]
    assert "boss@example.com" in panel(client, ann)
    assert f'href="/operations/audit/?about={ann.pk}"' in panel(client, ann)
    assert listed(client, f"{bob.pk}, {eve.pk}") == ["Owner given", "Tags put on", "Person created", "Person created"]


def test_an_account_has_its_own(client: Client, boss: User) -> None:
    acme = accounts.create({"name": "Acme"}, source="by hand", by=boss, now=NOW)
    accounts.change(acme, {"city": "Bonn"}, source="by hand", by=boss, now=NOW + timedelta(minutes=1))
    assert told(client, acme) == ["Account changed", "Account created"]


def test_moves_by_hand_of_one_and_of_many_are_among_them_and_what_takes_them_back(client: Client, boss: User) -> None:
    version = factories.published()
    known, engaged, lead = (version.stages.get(slug=each) for each in ("known", "engaged", "lead"))
    ann, bob = made("Ann", boss), made("Bob", boss)
    for each in (ann, bob):
        stages.place(each.pk, version, to=known, reason="", by=None, at=NOW, now=NOW)
    member = Membership.objects.get(subject_id=ann.pk)
    stages.move(member, to=engaged, reason="A fair", by=boss, at=NOW, now=NOW + timedelta(minutes=1))
    last = stages.last_movement(member)
    assert last and undo.undo(last, by=boss, now=NOW + timedelta(minutes=2))
    everybody = moving.everybody_of(Membership.objects.filter(version=version))
    both = moving.move(version, everybody, to=lead, reason="A fair", by=boss, now=NOW + timedelta(minutes=3))
    moving.take_back(both, by=boss, now=NOW + timedelta(minutes=4))
    many = [audit.words("lifecycle.bulk_undo"), audit.words("lifecycle.bulk_move")]
    alone = [audit.words("lifecycle.undo"), audit.words("lifecycle.move")]
    assert told(client, ann) == [*many, *alone, "Person created"]
    assert told(client, bob) == [*many, "Person created"]


def test_both_histories_stand_with_whom_the_two_have_become_until_they_part(client: Client, boss: User) -> None:
    ann, other = made("Ann", boss), made("Anne", boss)
    people.change(other, {"city": "Bonn"}, source="by hand", by=boss, now=NOW + timedelta(minutes=1))
    merge = merging.merge(ann, other, by=boss, now=NOW + timedelta(minutes=2))
    both = ["Two people merged", "Person changed", "Person created", "Person created"]
    assert told(client, ann) == both
    assert f"?about={ann.pk}%2C{other.pk}" in panel(client, ann)
    merging.part(merge, by=boss, now=NOW + timedelta(minutes=3))
    parted = ["Two people parted again", "Two people merged"]
    assert told(client, ann) == [*parted, "Person created"]
    assert told(client, other) == [*parted, "Person changed", "Person created"]


def test_a_salesperson_is_told_of_whom_they_see_and_not_led_to_the_trail(client: Client, boss: User) -> None:
    sally = User.objects.create_user("sally@example.com", "x", role=User.Role.SALES)
    hers, not_hers = made("Ann", boss, owner=sally), made("Bob", boss)
    client.force_login(sally)
    assert told(client, hers) == ["Person created"] and "/operations/audit/" not in panel(client, hers)
    assert client.get(not_hers.get_absolute_url()).status_code == 404
    assert client.get(reverse("audit"), {"about": hers.pk}).status_code == 403


def test_a_long_history_of_merges_costs_no_query_more(client: Client, boss: User) -> None:
    ann = made("Ann", boss)
    client.get(ann.get_absolute_url())
    with CaptureQueriesContext(connection) as few:
        assert told(client, ann)
    for number in range(12):
        people.change(ann, {"city": f"Town {number}"}, source="by hand", by=boss, now=NOW + timedelta(minutes=number))
    before = made("Anna", boss)
    for number in range(3):
        after = made(f"Ann {number}", boss)
        merging.merge(after, before, by=boss, now=NOW + timedelta(hours=number))
        before = after
    merging.merge(ann, before, by=boss, now=NOW + timedelta(hours=9))
    with CaptureQueriesContext(connection) as many:
        assert len(told(client, ann)) == 8

    def trail(queries: CaptureQueriesContext) -> list[str]:
        return [
            each["sql"] for each in queries if "kit_auditentry" in each["sql"] or "WITH RECURSIVE went" in each["sql"]
        ]

    assert len(trail(many)) == len(trail(few)) == 2
    assert AuditEntry.objects.filter(about__contains=[ann.pk]).count() == 14


def test_what_is_no_number_finds_nothing_in_the_trail(client: Client, boss: User) -> None:
    made("Ann", boss)
    assert listed(client, "Ann") == [] and listed(client, "9" * 30) == []
