"""Taking lists away as files: a right of its own at every door, and each time an entry in the trail."""

from __future__ import annotations

import csv
import re
from html import unescape
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from audience.models import Import
from kit import rights
from kit.models import AuditEntry, User
from reporting import filling
from tests.factories import NOW, activity, days_ago, person, published
from tests.kit.test_rights import address, routes

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
ALLOWED = [role for role in User.Role if role in rights.RIGHTS["export"]]
REFUSED = [role for role in User.Role if role not in rights.RIGHTS["export"]]


def signed_in(client, role, **values):
    user = User.objects.create_user(f"{role}@example.com", "x", role=role, **values)
    client.force_login(user)
    return user


def imported():
    made = Import.objects.create(kind="people", file_name="leads.csv", header=["email"], created_at=NOW)
    made.rejects.create(row=2, column="email", reason="bad", raw=["a@@b"])
    return made


@pytest.fixture
def doors():
    """Addresses that hand out rows: a list, the rejected rows of an import, a report."""
    activity(person(first_name="Ada", country="DE"), days_ago(1))
    filling.fill(published().lifecycle, now=NOW)
    return [
        "/people/?country=DE&export=csv",
        reverse("import_rejects", args=[imported().pk]),
        "/reports/funnel/?export=csv",
    ]


def test_by_default_four_roles_may_export():
    assert ALLOWED == ["admin", "marketer", "ops", "analyst"] and REFUSED == ["sales", "viewer"]


@pytest.mark.parametrize("role", REFUSED)
def test_without_the_right_every_door_refuses_and_no_page_shows_a_button(client, doors, role):
    signed_in(client, role)
    for door in doors:
        answer = client.get(door)
        hidden = answer.status_code == 404 and "rejects" in door and role == User.Role.SALES  # files of others
        assert hidden or (answer.status_code == 403 and b"a right of its own" in answer.content), door
    for page in ("/people/", "/reports/funnel/"):
        shown = client.get(page).content.decode()
        assert "export=csv" not in shown and "CSV" not in shown, page
    assert not AuditEntry.objects.filter(action="export").exists()


@pytest.mark.parametrize("role", ALLOWED)
def test_with_the_right_each_export_is_in_the_trail(client, doors, role):
    user = signed_in(client, role)
    for door in doors:
        assert client.get(door).getvalue().startswith(b"\xef\xbb\xbf"), door
    people, rejects, funnel = AuditEntry.objects.filter(action="export").order_by("pk")
    assert (people.actor, people.user, people.target) == (user.email, user, "people.csv")
    assert people.after == {"page": "/people/", "filters": {"country": ["DE"]}, "rows": 1}
    assert rejects.after["rows"] == 1 and funnel.after["rows"] == 6
    assert "export=csv" in client.get("/people/").content.decode()


def test_reports_leave_as_workbooks_as_lists_do(client, doors):
    signed_in(client, "analyst")
    shown = client.get("/reports/funnel/").content.decode()
    (address,) = re.findall(r'href="([^"]*export=xlsx[^"]*)"', shown)
    sheet = load_workbook(BytesIO(client.get(unescape(address)).getvalue())).active
    told = client.get(unescape(address).replace("xlsx", "csv")).getvalue().decode("utf-8-sig")
    assert [[str(cell.value or "") for cell in row][0] for row in sheet.rows] == [
        row[0] for row in csv.reader(StringIO(told))
    ]
    assert sheet.max_row == 7 and AuditEntry.objects.filter(action="export", target__startswith="funnel-").count() == 2


def test_the_right_is_given_to_one_user_and_taken_from_another(client, doors):
    signed_in(client, User.Role.SALES, may_export=True)
    assert client.get(doors[0]).status_code == 200
    signed_in(client, User.Role.ADMIN, may_export=False)
    assert client.get(doors[0]).status_code == 403


def test_whoever_is_given_the_right_and_closed_has_it_no_more():
    assert not rights.may(User(role=User.Role.ADMIN, may_export=True, is_active=False), "export")


def test_no_address_hands_rows_as_a_file_to_somebody_without_the_right(client, doors):
    signed_in(client, User.Role.VIEWER)
    for route in routes():
        for asked in ({"export": "csv"}, {"export": "xlsx"}, {}):
            answer = client.get(address(route), asked)
            assert not answer.headers["Content-Type"].startswith(("text/csv", "application/vnd")), route.name


def test_files_are_made_in_one_place():
    """Whoever writes another door has to go through the one that asks for the right."""
    makes = re.compile(r"csv_response|Workbook\(|StreamingHttpResponse|FileResponse|content_type=.text/csv")
    apps = ("kit", "audience", "scoring", "lifecycle", "campaigns", "reporting", "integrations", "demo")
    files = [path for app in apps for path in (ROOT / app).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if makes.search(path.read_text())}
    assert found == {"kit/exports.py", "audience/views/hosted.py"}, "the second gives a form's file to whoever sent it"
