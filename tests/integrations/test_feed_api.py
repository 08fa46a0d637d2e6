"""The change feed as another system reads it: by kinds and scopes, from a cursor, killed and started again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from audience.models import Person
from audience.subjects import titles
from integrations import feed, keys
from integrations.kinds import KINDS
from integrations.models import Change
from kit.api import paging
from kit.models import User
from kit.sql import run, sql
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Version
from tests import asking
from tests.asking import problem
from tests.factories import NOW, days_ago, person, published
from tests.sight import world

pytestmark = pytest.mark.django_db(transaction=True)  # what is not committed is no news
CHANGES = "/api/v1/changes/"
FOLLOW = settings.BASE_DIR / "examples" / "follow.py"


@pytest.fixture
def api() -> Client:
    return asking.by(asking.user())


def placed(version: Version, **values: Any) -> Movement:
    subject = person(**values)
    known = version.stages.get(slug="known")
    stages.place(subject.pk, version, to=known, reason="", by=None, at=days_ago(3), now=NOW)
    return Movement.objects.get(membership__person=subject)


def read(api: Client, cursor: str | None = None, **asked: Any) -> tuple[list[dict[str, Any]], str]:
    """All there is to read, page by page; of movements, unless it says of what."""
    asked = {"kinds": "movement"} | asked
    found: list[dict[str, Any]] = []
    more = True
    while more:
        answer = api.get(CHANGES, asked | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.content
        page = answer.json()
        found, cursor, more = found + page["results"], page["cursor"], page["more"]
    assert cursor
    return found, cursor


def test_a_row_is_told_as_its_resource_shows_it(api: Client) -> None:
    _nothing, cursor = read(api, **{"from": "now"})
    made = placed(published())
    [told], cursor = read(api, cursor)
    shown = api.get(f"/api/v1/movements/{made.pk}/")
    assert (told["kind"], told["id"], told["action"], told["data"]) == ("movement", made.pk, "created", shown.json())
    assert told["version"] == shown["ETag"].strip('"')
    assert read(api, cursor)[0] == []


ADDRESSES = {
    "account": "accounts", "person": "people", "activity": "activities", "deal": "deals", "purchase": "purchases",
    "contract": "contracts", "case": "cases", "movement": "movements",
    "account_role": "account-roles", "pipeline": "pipelines", "exchange_rate": "exchange-rates",
}  # fmt: skip


def test_every_kind_is_told_as_its_resource_shows_it_and_to_a_salesperson_only_what_is_theirs(api: Client) -> None:
    there = world.build()
    titles.write([{"of": "seniority", "value": "vp", "words": ["vp"], "unless": []}], by=None, now=NOW)
    told, _cursor = read(api, kinds=",".join(KINDS))
    assert {each["kind"] for each in told} == set(KINDS)
    for each in told:
        if address := ADDRESSES.get(each["kind"]):
            shown = api.get(f"/api/v1/{address}/{each['id']}/")
            assert each["data"] == shown.json()
            assert each["version"] == shown["ETag"].strip('"').partition("-")[0]
    theirs, _cursor = read(asking.by(there.sal), kinds=",".join(KINDS))
    assert {(each["kind"], each["id"]) for each in theirs} < {(each["kind"], each["id"]) for each in told}
    assert {each["kind"] for each in theirs} == set(KINDS)
    words = json.dumps(theirs).lower()
    assert world.OWN.lower() in words and not any(hidden in words for hidden in world.HIDDEN)


def test_an_erased_person_is_told_without_what_they_were(api: Client) -> None:
    someone = person(email="ada@example.com", first_name="Ada")
    _all, cursor = read(api, kinds="person")
    Person.objects.filter(pk=someone.pk).update(erased_at=NOW)
    [told], cursor = read(api, cursor, kinds="person")
    assert told | {"at": ""} == {
        "kind": "person", "id": someone.pk, "action": "erased", "at": "", "version": None, "data": None,
    }  # fmt: skip
    assert read(api, kinds="person")[0] == []


def test_from_the_beginning_everything_is_told_and_page_by_page_it_is_the_same(api: Client) -> None:
    version = published()
    ids = [placed(version).pk for _number in range(7)]
    for limit in (1, 3, 7, 1000):
        told, _cursor = read(api, limit=limit)
        assert [(each["id"], each["action"], each["at"]) for each in told] == [(pk, "present", None) for pk in ids]


def test_what_a_page_costs_does_not_grow_with_its_rows(api: Client, django_assert_max_num_queries: Any) -> None:
    version = published()
    for _number in range(2):
        placed(version)
    _all, cursor = read(api)
    for _number in range(30):
        placed(version)
    with django_assert_max_num_queries(12):
        assert len(read(api, cursor, limit=100)[0]) == 30


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"kinds": "movement,gone"}, "unknown_kind"), ({"kinds": ""}, "unknown_kind"), ({"from": "1990"}, "invalid_choice"),
        ({"limit": "0"}, "bad_number"), ({"limit": "1001"}, "bad_number"), ({"cursor": "x"}, "bad_cursor"),
        ({"since": "x"}, "unknown_parameter"), ({"cursor": "x" * 9000}, "bad_cursor"),
    ],
)  # fmt: skip
def test_what_the_feed_does_not_know_is_told(api: Client, asked: dict[str, str], code: str) -> None:
    problem(api.get(CHANGES, asked), 400, code)


def test_a_cursor_reads_on_what_it_has_read(api: Client) -> None:
    mark = feed.begin(timezone.now())
    other = paging.sealed(
        (mark.here, mark.seen, mark.seen_at, "", 0, (0, 0, 0), "", 0), "integrations.feed:person,deal"
    )
    problem(api.get(CHANGES, {"cursor": other}), 400, "bad_cursor")


def test_each_kind_takes_its_scope(api: Client) -> None:
    who = User.objects.get()
    for kind, resource in KINDS.items():
        wrong = next(scope for scope in keys.all_scopes() if not scope.startswith(resource.scope))
        problem(asking.by(who, wrong).get(CHANGES, {"kinds": kind}), 403, "scope_missing")
        assert asking.by(who, f"{resource.scope}:read").get(CHANGES, {"kinds": kind}).status_code == 200
    problem(asking.by(who, "reports:read").get(CHANGES), 403, "scope_missing")
    problem(Client().get(CHANGES), 401, "no_key")


def test_a_cursor_of_another_database_is_gone_and_so_is_one_that_is_too_old(api: Client, settings: Any) -> None:
    _nothing, cursor = read(api, **{"from": "now"})
    settings.CHANGES_KEPT_DAYS = -1
    problem(api.get(CHANGES, {"cursor": cursor, "kinds": "movement"}), 410, "cursor_too_old")
    settings.CHANGES_KEPT_DAYS = 30
    mark = feed.begin(timezone.now())
    there = ("7310000000000000000/5/00000001", mark.seen, mark.seen_at, "", 0, (0, 0, 0), "", 0)
    elsewhere = paging.sealed(there, "integrations.feed:movement")
    problem(api.get(CHANGES, {"cursor": elsewhere, "kinds": "movement"}), 410, "cursor_of_another_database")


def test_a_salesperson_is_told_of_their_own_people_alone() -> None:
    version = published()
    ada = asking.user(User.Role.SALES)
    mine, _other = placed(version, owner=ada), placed(version)
    api = asking.by(ada)
    told, cursor = read(api)
    assert [each["id"] for each in told] == [mine.pk]
    lead = version.stages.get(slug="lead")
    for membership in Membership.objects.all():
        stages.move(membership, to=lead, reason="", by=None, at=NOW, now=NOW)
    told, _cursor = read(api, cursor)
    assert [each["data"]["membership"] for each in told] == [mine.membership_id]


def test_a_reader_that_is_killed_again_and_again_has_everything_in_the_end(live_server: Any, tmp_path: Path) -> None:
    """It is killed wherever it is, while two writers write; what it kept must be all that was committed."""
    version = published()
    _key, secret = keys.make("sync", ["lifecycles:read"], user=asking.user(), by=None, now=timezone.now())
    chance, over = random.Random(7), threading.Event()

    def write() -> None:
        try:
            while not over.is_set():
                placed(version)
        finally:
            connection.close()

    def started() -> subprocess.Popen[bytes]:
        asked = [live_server.url + CHANGES, str(tmp_path), "--limit", "3", "--pause", "0.02"]
        return subprocess.Popen([sys.executable, str(FOLLOW), *asked], env=os.environ | {"KEY": secret})

    writers = [threading.Thread(target=write) for _number in range(2)]
    for each in writers:
        each.start()
    try:
        for _turn in range(5):
            reading = started()
            time.sleep(0.5 + chance.random())
            reading.kill()
            reading.wait()
    finally:
        over.set()
        for each in writers:
            each.join()
    written = set(Movement.objects.values_list("pk", flat=True))
    reading = started()
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and kept(tmp_path) != written:
            time.sleep(0.1)
    finally:
        reading.kill()
        reading.wait()
    assert kept(tmp_path) == written and len(written) > 10


def kept(folder: Path) -> set[int]:
    rows = folder / "rows"
    lines = rows.read_text().splitlines() if rows.exists() else []
    found = set()
    for line in lines:
        try:
            found.add(json.loads(line)["id"])
        except json.JSONDecodeError:
            continue  # torn by a kill; its page is read again
    return found


def test_the_notes_of_a_restored_dump_are_no_news(api: Client) -> None:
    """Another cluster has counted its transactions further, and they lie in this one's future."""
    version = published()
    placed(version)
    run(sql("UPDATE integrations_change SET xid = xid + 1000000"))
    told, cursor = read(api)
    assert [each["action"] for each in told] == ["present"]
    fresh = placed(version)
    assert [each["id"] for each in read(api, cursor)[0]] == [fresh.pk]
    kept = Change.objects.count()
    feed.forget_foreign(NOW)
    assert 0 < Change.objects.count() < kept
