"""The settings page: kept, checked, audited, and for administrators alone."""

import pytest

from kit import installation
from kit.models import AuditEntry, User

pytestmark = pytest.mark.django_db
GOOD = {"company": "Marlow Creek", "zone": "Europe/Berlin", "currency": "usd"}


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
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_words(client, change, words):
    signed_in(client, User.Role.ADMIN)
    answer = client.post("/operations/settings/", GOOD | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [role for role in User.Role if role != User.Role.ADMIN])
def test_nobody_but_administrators_sees_or_changes_settings(client, role):
    signed_in(client, role)
    assert client.get("/operations/settings/").status_code == 403
    assert client.post("/operations/settings/", GOOD).status_code == 403
    assert installation.get("zone") == "UTC"
