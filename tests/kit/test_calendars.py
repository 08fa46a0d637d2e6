"""Named working calendars by page and by API: made, changed and removed, and what makes no sense refused in words."""

import re
from html import unescape

import pytest

from kit import calendars, installation
from kit.models import AuditEntry, User, WorkingCalendar
from tests import asking
from tests.factories import NOW

pytestmark = pytest.mark.django_db

LIST = "/operations/settings/calendars/"
HOURS = [{"weekday": day, "opens": "09:00", "closes": "17:00"} for day in range(1, 6)]
TOLD = {"slug": "emea", "name": "EMEA", "zone": "Europe/Berlin", "hours": HOURS, "holidays": [{"on": "2025-12-25"}]}
FORM = {
    "name": "EMEA", "slug": "emea", "zone": "Europe/Berlin", "holidays": "2025-12-26\n2025-12-25 Christmas Day",
    "opens_1": "09:00", "closes_1": "17:00", "opens_6": "22:00", "closes_6": "00:00",
}  # fmt: skip


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    return client


def text_of(answer):
    return unescape(answer.content.decode())


def kept():
    return WorkingCalendar.objects.get()


def test_a_calendar_is_made_changed_and_removed_on_its_pages_and_each_is_in_the_trail(admin):
    assert "No calendar yet" in text_of(admin.get(LIST))
    assert admin.post(LIST + "new/", FORM)["Location"] == LIST
    made = kept()
    assert (made.slug, made.name, made.zone) == ("emea", "EMEA", "Europe/Berlin")
    assert made.hours == [
        {"weekday": 1, "opens": "09:00", "closes": "17:00"}, {"weekday": 6, "opens": "22:00", "closes": "24:00"},
    ]  # fmt: skip
    assert made.holidays == [{"on": "2025-12-25", "name": "Christmas Day"}, {"on": "2025-12-26", "name": ""}]
    words = "Monday, 09:00 to 17:00; Saturday, 22:00 to 24:00 (Europe/Berlin), less 2 holidays"
    assert words in text_of(admin.get(LIST))
    page = text_of(admin.get(LIST + "emea/"))
    assert re.search(r'value="22:00"[^>]*id="id_opens_6"', page) and "2025-12-25 Christmas Day" in page
    assert admin.post(LIST + "emea/", FORM | {"name": "Europe", "opens_6": "", "closes_6": ""}).status_code == 302
    assert (kept().name, len(kept().hours)) == ("Europe", 1)
    assert admin.post(LIST + "emea/", FORM | {"name": "Europe", "opens_6": "", "closes_6": ""}).status_code == 302
    assert admin.post(LIST + "emea/remove/")["Location"] == LIST
    assert not WorkingCalendar.objects.exists()
    told = AuditEntry.objects.filter(action__startswith="calendar.").order_by("pk")
    assert [each.action for each in told] == ["calendar.create", "calendar.change", "calendar.remove"]
    assert (told[1].before["name"], told[1].after["name"]) == ("EMEA", "Europe")


def test_a_new_one_is_proposed_as_the_settings_have_it_and_named_by_its_letters(admin):
    installation.put("zone", "Asia/Tokyo")
    page = text_of(admin.get(LIST + "new/"))
    assert '<option value="Asia/Tokyo" selected>' in page and re.search(r'value="09:00"[^>]*id="id_opens_5"', page)
    for name, slug in (("US East", "us_east"), ("US East", "us_east_2"), ("24/7", "calendar_247"), ("New", "new_2")):
        admin.post(LIST + "new/", FORM | {"name": name, "slug": ""})
        assert WorkingCalendar.objects.filter(name=name, slug=slug).exists(), slug
    assert "4 calendars can be named" in text_of(admin.get("/operations/settings/"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "This field is required"),
        ({"slug": "Not a slug"}, "“Not a slug” is not a short name"),
        ({"slug": "new"}, "“new” is a word that addresses of pages need"),
        ({"zone": "Mars/Base"}, "Mars/Base is not one"),
        ({"closes_1": "08:00"}, "Work ends before it begins"),
        ({"closes_1": "09:00"}, "Work ends before it begins"),
        ({"closes_1": ""}, "Give both times, or none for a free day"),
        ({"opens_2": "09:00"}, "Give both times, or none for a free day"),
        ({"opens_1": "noon"}, "Enter a valid time"),
        (dict.fromkeys(("opens_1", "closes_1", "opens_6", "closes_6"), ""), "Nobody ever works by this calendar"),
        ({"closes_1": "09:30", "opens_6": "", "closes_6": ""}, "Less than an hour of a week"),
        ({"holidays": "Christmas"}, "“Christmas” is no day; write it as 2025-12-25"),
        ({"holidays": "2025-02-30 Never"}, "“2025-02-30” is no day"),
        ({"holidays": "0001-01-01"}, "“0001-01-01” is no day"),
    ],
)
def test_what_makes_no_sense_is_refused_on_the_page_in_words(admin, change, words):
    answer = admin.post(LIST + "new/", FORM | change)
    assert (answer.status_code, words in text_of(answer)) == (400, True)
    assert not WorkingCalendar.objects.exists() and not AuditEntry.objects.exists()


def test_a_short_name_that_another_has_is_refused(admin):
    calendars.define(TOLD, by=None, now=NOW)
    assert "A calendar has the short name “emea” already." in text_of(admin.post(LIST + "new/", FORM))
    other = calendars.define(TOLD | {"slug": "apac"}, by=None, now=NOW)
    assert "has the short name “emea” already" in text_of(admin.post(other.get_absolute_url(), FORM))


@pytest.mark.parametrize("role", [User.Role.MARKETER, User.Role.OPS, User.Role.VIEWER])
def test_the_pages_are_for_administrators_alone(client, role):
    calendars.define(TOLD, by=None, now=NOW)
    client.force_login(User.objects.create_user("mo@example.com", "x", role=role))
    for address in (LIST, LIST + "new/", LIST + "emea/"):
        assert client.get(address).status_code == 403
    assert client.post(LIST + "emea/remove/").status_code == 403 and kept()


# ---- by API ----


def test_a_program_makes_reads_changes_and_removes_a_calendar():
    api = asking.Api(asking.user(User.Role.ADMIN))
    made = api.post("/working-calendars/", TOLD, 201)
    assert made == TOLD | {"holidays": [{"on": "2025-12-25", "name": ""}], "used_by": []}
    assert api.pages("/working-calendars/") == [made] and api.get("/working-calendars/emea/") == made
    short = api.patch("/working-calendars/emea/", {"hours": HOURS[:1], "slug": "europe"})
    assert (short["hours"], short["holidays"], short["slug"]) == (HOURS[:1], made["holidays"], "europe")
    assert api.post("/working-calendars/", {"name": "APAC", "zone": "UTC", "hours": HOURS}, 201)["slug"] == "apac"
    api.refused("post", "/working-calendars/", TOLD | {"slug": "apac"}, 409, "name_taken")
    api.refused("patch", "/working-calendars/apac/", {"slug": "europe"}, 409, "name_taken")
    api.ask("delete", "/working-calendars/europe/", status=204)
    assert kept().slug == "apac"


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"zone": "Mars/Base"}, "zone", "There is no time zone “Mars/Base”"),
        ({"zone": "../../etc/passwd"}, "zone", "There is no time zone"),
        ({"zone": "EST5EDT"}, "zone", "There is no time zone “EST5EDT”"),
        ({"slug": "EMEA"}, "slug", "is not a short name"),
        ({"name": "x" * 201}, "name", "longer than 200 letters"),
        ({"hours": []}, "hours", "Nobody ever works by this calendar"),
        ({"hours": "always"}, "hours", "Nobody ever works by this calendar"),
        ({"hours": [HOURS[0], HOURS[0]]}, "hours", "Monday is there twice"),
        ({"hours": [HOURS[0] | {"weekday": 8}]}, "hours", "“8” is no weekday"),
        ({"hours": [HOURS[0] | {"weekday": True}]}, "hours", "“True” is no weekday"),
        ({"hours": [HOURS[0] | {"closes": "08:00"}]}, "hours", "On Monday work ends before it begins"),
        ({"hours": [HOURS[0] | {"opens": "24:00"}]}, "hours", "“24:00” on Monday is no time of the day"),
        ({"hours": [HOURS[0] | {"closes": "24:01"}]}, "hours", "“24:01” on Monday is no time of the day"),
        ({"hours": [HOURS[0] | {"opens": 9}]}, "hours", "“9” on Monday is no time of the day"),
        ({"hours": [HOURS[0] | {"until": "9"}]}, "hours", "and nothing else"),
        ({"hours": [7]}, "hours", "and nothing else"),
        ({"hours": [HOURS[0] | {"closes": "09:59"}]}, "hours", "Less than an hour of a week"),
        ({"holidays": "2025-12-25"}, "holidays", "a list of days"),
        ({"holidays": ["2025-12-25"]}, "holidays", "Each holiday has “on”"),
        ({"holidays": [{"on": "2025-02-29"}]}, "holidays", "“2025-02-29” is no day"),
        ({"holidays": [{"on": 20251225}]}, "holidays", "“20251225” is no day"),
        ({"holidays": [{"on": "2025-12-25", "name": 7}]}, "holidays", "is a text"),
        ({"holidays": [{"on": f"{year}-01-01"} for year in range(1000, 2001)]}, "holidays", "At most 1000 holidays"),
    ],
)
def test_what_makes_no_sense_is_refused_over_the_api_at_its_field(change, field, words):
    api = asking.Api(asking.user(User.Role.ADMIN))
    told = api.refused("post", "/working-calendars/", TOLD | change, 400, "calendar_refused")
    assert told["field"] == field and words in told["detail"]
    assert not WorkingCalendar.objects.exists()


def test_whoever_reads_lifecycles_reads_calendars_and_administrators_alone_change_them():
    calendars.define(TOLD, by=None, now=NOW)
    api = asking.Api(asking.user(User.Role.VIEWER), "lifecycles:read")
    assert api.get("/working-calendars/")["results"][0]["slug"] == "emea"
    api = asking.Api(asking.user(User.Role.MARKETER, "mo@example.com"))
    api.refused("patch", "/working-calendars/emea/", {"name": "Other"}, 403, "role_may_not")


GERMAN_2026 = {
    "2026-01-01",
    "2026-04-03",
    "2026-04-06",
    "2026-05-01",
    "2026-05-14",
    "2026-05-25",
    "2026-10-03",
    "2026-12-25",
    "2026-12-26",
}
BAVARIA = {"2026-01-06", "2026-06-04", "2026-11-01"}  # has these besides


def days_of(page):
    return re.search(r'<textarea[^>]*name="holidays"[^>]*>([^<]*)</textarea>', page)[1].strip().splitlines()


def test_public_holidays_are_put_beside_those_that_were_typed_and_kept_with_the_rest(admin):
    asked = {"fill": "holidays", "place": "DE-BY", "first_year": "2026", "last_year": "2026"}
    typed = FORM | {"name": "", "holidays": "2026-12-24 Christmas Eve\n2026-01-01 Closed"}
    page = text_of(admin.post(LIST + "new/", typed | asked))
    lines = days_of(page)
    assert {line[:10] for line in lines} == GERMAN_2026 | BAVARIA | {"2026-12-24"} and lines == sorted(lines)
    assert (
        lines[0] == "2026-01-01 Closed" and "2026-12-25 Christmas Day" in lines and "2026-12-24 Christmas Eve" in lines
    )
    assert "This field is required" not in page and not WorkingCalendar.objects.exists()
    assert re.search(r'value="09:00"[^>]*id="id_opens_1"', page), "what else was typed stays"
    admin.post(LIST + "new/", FORM | {"holidays": "\n".join(lines)})
    assert {each["on"] for each in kept().holidays} == GERMAN_2026 | BAVARIA | {"2026-12-24"}
    page = text_of(admin.post(LIST + "emea/", typed | asked | {"place": "DE", "holidays": ""}))
    assert {line[:10] for line in days_of(page)} == GERMAN_2026


def test_they_are_put_among_the_days_of_the_settings(admin):
    asked = {"fill": "holidays", "place": "DE", "first_year": "2026", "last_year": "2026", "holidays": "2026-12-24"}
    lines = days_of(text_of(admin.post("/operations/settings/", asked)))
    assert set(lines) == GERMAN_2026 | {"2026-12-24"}
    assert installation.get("holidays") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"place": ""}, "This field is required"),
        ({"place": "Mars"}, "Mars is not one of the available choices"),
        ({"last_year": "2025"}, "the last not before the first"),
        ({"last_year": "2036"}, "Give up to 10 years"),
        ({"first_year": "soon"}, "Enter a whole number"),
        ({"first_year": "1066", "last_year": "1067"}, "greater than or equal to 1950"),
    ],
)
def test_where_and_when_there_are_none_is_said_and_what_was_typed_stays(admin, change, words):
    asked = {"fill": "holidays", "place": "DE", "first_year": "2026", "last_year": "2026"} | change
    page = text_of(admin.post(LIST + "new/", FORM | asked))
    assert words in page and days_of(page) == ["2025-12-26", "2025-12-25 Christmas Day"]


def test_a_program_reads_public_holidays_as_calendars_take_them():
    ada = asking.by(asking.user(User.Role.ADMIN), "lifecycles:read", "lifecycles:write")
    address = "/api/v1/working-calendars/public-holidays/"
    told = ada.get(address + "?place=DE-BY&first_year=2026").json()["results"]
    assert {each["on"] for each in told} == GERMAN_2026 | BAVARIA
    assert {"on": "2026-12-25", "name": "Christmas Day"} in told
    made = ada.post("/api/v1/working-calendars/", TOLD | {"holidays": told}, content_type="application/json")
    assert made.status_code == 201 and made.json()["holidays"] == told
    for query, field in (
        ("place=XX&first_year=2026", "place"), ("first_year=2026", "place"), ("place=DE", "first_year"),
        ("place=DE&first_year=2026&last_year=2020", "last_year"), ("place=DE&first_year=2026&when=now", "when"),
    ):  # fmt: skip
        refused = ada.get(f"{address}?{query}")
        assert (refused.status_code, refused.json()["field"]) == (400, field), query
