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
SURE = {"sure": "Europe/Berlin USD"}


def signed_in(client, role):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=role))


def test_settings_are_kept_and_audited(client):
    signed_in(client, User.Role.ADMIN)
    assert client.post("/operations/settings/", GOOD | SURE).status_code == 302
    assert str(installation.zone()) == "Europe/Berlin"
    assert installation.get("currency") == "USD"
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.before["zone"], entry.after["zone"]) == ("ada@example.com", "UTC", "Europe/Berlin")
    assert set(entry.after) == {"company", "zone", "currency", "working_days", "working_from", "holidays"}
    assert "Europe/Berlin" in client.get("/operations/settings/").content.decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zone": "Mars/Base"}, "Mars/Base is not one"),
        ({"currency": "E1"}, "three letters"),
        ({"currency": "EUX"}, "No currency is called so"),
        ({"address": "mail.example.com"}, "https://mail.example.com, without a path"),
        ({"address": "https://mail.example.com/here"}, "without a path"),
        ({"address": "http://mail.example.com"}, "Begin it with https"),
        ({"address": "javascript:alert(1)"}, "without a path"),
        ({"address": "https://mail.example.com@evil.example"}, "without a path"),
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
    client.post("/operations/settings/", GOOD | SURE)
    assert [installation.get(name) for name in ("working_days", "working_from", "working_until", "holidays")] == [
        [1, 2, 5], "08:30", "17:00", ["2025-12-25", "2025-12-26"],
    ]  # fmt: skip
    shown = client.get("/operations/settings/").content.decode()
    assert shown.count(" checked") == 3
    assert "2025-12-25\n2025-12-26" in shown
    client.post("/operations/settings/", GOOD | {"working_until": "00:00", "holidays": ""})  # zone and currency stay
    assert (installation.get("working_until"), installation.get("holidays")) == ("24:00", [])
    assert 'value="00:00"' in client.get("/operations/settings/").content.decode()


@pytest.mark.parametrize("role", [role for role in User.Role if role != User.Role.ADMIN])
def test_nobody_but_administrators_sees_or_changes_settings(client, role):
    signed_in(client, role)
    assert client.get("/operations/settings/").status_code == 403
    assert client.post("/operations/settings/", GOOD).status_code == 403
    assert installation.get("zone") == "UTC"


def test_what_reaches_back_into_history_is_asked_about_before_it_is_kept(client):
    signed_in(client, User.Role.ADMIN)
    answer = client.post("/operations/settings/", GOOD)
    page = answer.content.decode()
    assert answer.status_code == 200 and "reaches back into history" in page
    assert "no longer in UTC" in page and "were taken for EUR, and will be taken for USD" in page
    assert 'name="sure" value="Europe/Berlin USD"' in page and "Marlow Creek" in page
    assert installation.get("zone") == "UTC" and not AuditEntry.objects.exists()
    # Whoever was asked about one change has not said yes to another.
    other = client.post("/operations/settings/", GOOD | SURE | {"zone": "Asia/Tokyo"})
    assert other.status_code == 200 and installation.get("zone") == "UTC"
    assert "were taken for" not in client.post("/operations/settings/", GOOD | {"currency": "EUR"}).content.decode()


def test_what_stays_as_it_was_is_asked_about_by_nobody_and_leaves_no_entry(client):
    signed_in(client, User.Role.ADMIN)
    client.post("/operations/settings/", GOOD | SURE)
    assert client.post("/operations/settings/", GOOD).status_code == 302
    assert AuditEntry.objects.count() == 1
    client.post("/operations/settings/", GOOD | {"company": "Marlow"})
    entry = AuditEntry.objects.order_by("pk").last()
    assert (entry.target, entry.before, entry.after) == ("company", {"company": "Marlow Creek"}, {"company": "Marlow"})


def test_the_page_leads_to_what_is_set_elsewhere_and_says_how_it_stands(client):
    signed_in(client, User.Role.ADMIN)
    installation.put("own_domains", ["example.com"])
    installation.put("frequency_cap", {"messages": 3, "days": 7})
    page = client.get("/operations/settings/").content.decode()
    for said in (
        "Own domains: 1",
        "At most 3 messages to one person within 7 days",
        "GRR is held against 92 %",
    ):
        assert said in page
    for url in ("/left-out/", "/sending/#cap", "/reports/retention/"):
        assert f'href="{url}"' in page


def test_a_limit_and_a_par_leave_entries_of_their_own(client):
    signed_in(client, User.Role.ADMIN)
    client.post("/sending/cap/", {"messages": "3", "days": "7"})
    client.post("/reports/retention/pars/", {"grr_par": "95", "nrr_par": "108"})
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "before", "after"))
    assert told == [
        ("frequency_cap.change", {"frequency_cap": {}}, {"frequency_cap": {"messages": 3, "days": 7}}),
        ("reports.pars", {"grr_par": 92}, {"grr_par": 95}),
    ]
