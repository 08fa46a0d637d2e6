"""The settings page: kept, checked, audited, and for administrators alone."""

import pytest

from kit import installation
from kit.models import AuditEntry, User

pytestmark = pytest.mark.django_db
GOOD = {
    "company": "Marlow Creek", "zone": "Europe/Berlin", "currency": "usd",
    "working_days": ["1", "2", "5"], "working_from": "08:30", "working_until": "17:00",
    "holidays": "2025-12-26, 2025-12-25\n2025-12-25",
}  # fmt: skip


def signed_in(client, role):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=role))


def test_settings_are_kept_and_audited(client):
    signed_in(client, User.Role.ADMIN)
    assert client.post("/operations/settings/", GOOD).status_code == 302
    assert str(installation.zone()) == "Europe/Berlin"
    assert installation.get("currency") == "USD"
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.before["zone"], entry.after["zone"]) == ("ada@example.com", "UTC", "Europe/Berlin")
    assert "Europe/Berlin" in client.get("/operations/settings/").content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zone": "Mars/Base"}, "Mars/Base is not one"),
        ({"currency": "E1"}, "three letters"),
        ({"zone": ""}, "required"),
        ({"working_days": []}, "required"),
        ({"working_days": ["8"]}, "8 is not one"),
        ({"working_until": "08:30"}, "Work ends before it begins"),
        ({"working_from": "noon"}, "valid time"),
        ({"holidays": "Christmas"}, "“Christmas” is no day"),
        ({"holidays": "2025-02-30"}, "“2025-02-30” is no day"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_words(client, change, words):
    signed_in(client, User.Role.ADMIN)
    answer = client.post("/operations/settings/", GOOD | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not AuditEntry.objects.exists()


def test_the_working_calendar_is_kept_as_it_was_meant(client):
    signed_in(client, User.Role.ADMIN)
    client.post("/operations/settings/", GOOD)
    assert [installation.get(name) for name in ("working_days", "working_from", "working_until", "holidays")] == [
        [1, 2, 5], "08:30", "17:00", ["2025-12-25", "2025-12-26"],
    ]  # fmt: skip
    shown = client.get("/operations/settings/").content.decode()
    assert shown.count(" checked") == 3
    assert "2025-12-25\n2025-12-26" in shown
    client.post("/operations/settings/", GOOD | {"working_until": "00:00", "holidays": ""})
    assert (installation.get("working_until"), installation.get("holidays")) == ("24:00", [])
    assert 'value="00:00"' in client.get("/operations/settings/").content.decode()


@pytest.mark.parametrize("role", [role for role in User.Role if role != User.Role.ADMIN])
def test_nobody_but_administrators_sees_or_changes_settings(client, role):
    signed_in(client, role)
    assert client.get("/operations/settings/").status_code == 403
    assert client.post("/operations/settings/", GOOD).status_code == 403
    assert installation.get("zone") == "UTC"
