"""The right of access: one file with all that is held, and no table that is forgotten in it."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from audience.models import Person
from kit import holding
from kit.models import AuditEntry, User
from kit.registry import registry
from kit.sql import Sql, rows
from tests import asking
from tests.asking import Api
from tests.factories import person
from tests.privacy import world as worlds
from tests.privacy.world import EMAIL, EXTERNAL, NAME, WORDS, World

pytestmark = pytest.mark.django_db
# Nothing of a person refers to these by a key; what is in them is found by what it says.
FOUND_BY_WORDS = {"kit_auditentry", "audience_reject", "kit_idempotencykey"}
# Reached, and about nobody.
ABOUT_NOBODY = {
    "audience_suppression": "hashes of addresses, which belong to nobody who could be told",
}


@pytest.fixture
def world() -> World:
    return worlds.build()


def reached() -> set[str]:
    """Every table that refers to people, or to a row that does, by the database's own catalogue."""
    links = rows(
        Sql("SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
    )
    columns = rows(
        Sql(
            """SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
                 AND a.attname IN ('subject_id', 'person_id', 'original_subject_id')"""
        )
    )
    found = {"audience_person"} | {table for (table,) in columns}
    while more := {table for table, to in links if to in found} - found:
        found |= more
    # Letters name their message without a key.
    return found | {"campaigns_letter"} - {"audience_person"}


def test_every_table_that_refers_to_people_tells_its_part_or_why_not(world):
    told = {part.label for part in holding.everything(world.person) if part.rows}
    parts = {each.model._meta.db_table: each for each in registry.holders.values()}
    forgotten = {
        table
        for table in (reached() - {"audience_person"}) | FOUND_BY_WORDS
        if table not in parts or not (parts[table].silent or parts[table].label in told)
    }
    assert forgotten - set(ABOUT_NOBODY) == set()


def test_the_file_has_all_that_was_said_of_them_and_nothing_of_another(world, client):
    client.force_login(world.by)
    page = client.get(f"/people/{world.person.pk}/everything/").content.decode()
    assert "Letters" in page and "?export=json" in page
    answer = client.get(f"/people/{world.person.pk}/everything/?export=json")
    text = answer.content.decode()
    told = json.loads(text)
    assert [word for word in WORDS if word not in text.casefold()] == []
    assert told["person"][0]["email"] == EMAIL and told["person"][0]["account"] == "Harmony Works"
    assert told["identities"][0]["external_id"] == EXTERNAL
    assert told["letters"][0]["raw"].endswith(f"Dear {NAME}")
    assert {each["person"] for each in told["activities"]} == {NAME}
    assert "somebody@example.com" not in text and "recommended_by" not in text
    entry = AuditEntry.objects.get(action="export")
    assert entry.target == f"person-{world.person.pk}.json" and entry.after["rows"] > 20


def test_the_same_as_csv_files_that_run_nothing(world, client):
    Person.objects.filter(pk=world.person.pk).update(title="=HYPERLINK(1)")
    client.force_login(world.by)
    packed = client.get(f"/people/{world.person.pk}/everything/?export=csv").content
    archive = zipfile.ZipFile(io.BytesIO(packed))
    assert {"person.csv", "identities.csv", "field-changes.csv", "letters.csv"} <= set(archive.namelist())
    [row] = csv.DictReader(io.StringIO(archive.read("person.csv").decode("utf-8-sig")))
    assert row["title"] == "'=HYPERLINK(1)" and json.loads(row["custom"]) == {"hobby": "falconry"}


def test_over_the_api_as_json_and_as_a_zip(world):
    api = Api(world.by)
    assert api.get(f"/people/{world.person.pk}/everything/")["notes"][0]["body"] == "hates lilac wallpaper"
    answer = api.raw("get", f"/people/{world.person.pk}/everything/csv/", Accept="application/zip")
    assert answer["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert AuditEntry.objects.filter(action="export").count() == 2


def test_only_who_may_take_lists_away_takes_this(client):
    someone = person(email=EMAIL, owner=asking.user(User.Role.SALES))
    client.force_login(someone.owner)
    page = client.get(f"/people/{someone.pk}/everything/").content.decode()
    assert "export=json" not in page and "right of its own" in page
    for kind in ("json", "csv"):
        assert client.get(f"/people/{someone.pk}/everything/?export={kind}").status_code == 403
    Api(someone.owner).refused("get", f"/people/{someone.pk}/everything/", None, 403, "not_allowed")
    assert not AuditEntry.objects.filter(action="export").exists()
