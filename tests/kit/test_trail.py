"""The trail: read as differences, narrowed, never changed; and every page that changes something writes to it."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import RequestFactory

from kit import audit
from kit.models import AuditEntry, Setting, User
from tests import auditing

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 6, 15, 10, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
APPS = ("kit", "audience", "scoring", "lifecycle", "campaigns", "reporting", "integrations", "demo")


@pytest.fixture
def boss(client):
    made = User.objects.create_user("boss@example.com", "x", role=User.Role.ADMIN, name="Bo Lund")
    client.force_login(made)
    return made


def entry(action="settings.change", target="zone", *, by=None, at=NOW, before=None, after=None, actor=""):
    return audit.record(action, target, by=by, now=at, before=before, after=after, actor=actor)


def words(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def shown(client, asked=""):
    """The targets in the list, in order."""
    page = words(client.get(f"/operations/audit/{asked}"))
    return re.findall(r'data-label="To what">([^<]*)</td>', page)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            {"zone": "UTC", "currency": "EUR"},
            {"zone": "Asia/Tokyo", "currency": "EUR"},
            [("Zone", "UTC", "Asia/Tokyo")],
        ),
        (
            None,
            {"rows": 3, "filters": {"country": ["DE", "FR"]}},
            [("Rows", "", "3"), ("Filters", "", "Country: DE, FR")],
        ),
        ({"name": "A"}, None, [("Name", "A", "")]),
        ({"may_export": None}, {"may_export": False}, [("May export", "", "no")]),
        (None, ["a", "b"], [("Value", "", "a, b")]),
        (None, None, []),
        ({"a": []}, {"a": ""}, []),
    ],
)
def test_an_entry_is_read_as_what_differs(before, after, told):
    found = audit.changes(AuditEntry(before=before, after=after))
    assert [(each.name, each.before, each.after) for each in found] == told


def test_the_list_narrows_by_user_kind_of_actor_action_day_and_word(client, boss):
    entry(target="a", by=boss)
    entry("user.close", "b", by=boss, at=NOW - timedelta(days=3))
    with audit.speaking():
        audit.through("CRM")
        entry(target="c", by=boss, at=NOW - timedelta(days=1))
    entry(target="d", actor=audit.VISITOR, at=NOW - timedelta(days=2))
    assert shown(client) == ["a", "c", "d", "b"]
    for asked, left in (
        (f"?user={boss.pk}", ["a", "c", "b"]),
        ("?by=key", ["c"]),
        ("?by=user", ["a", "b"]),
        ("?by=other", ["d"]),
        ("?action=user.close", ["b"]),
        ("?first=2025-06-14", ["a", "c"]),
        ("?last=2025-06-13", ["d", "b"]),
        ("?q=VISITOR", ["d"]),
    ):
        assert shown(client, asked) == left, asked


def test_an_entry_opens_to_all_that_it_tells_and_escapes_it(client, boss):
    made = entry(by=boss, before={"company": "<b>old</b>"}, after={"company": "<script>alert(1)</script>"})
    page = words(client.get(made.get_absolute_url()))
    assert "&lt;b&gt;old&lt;/b&gt;" in page and "&lt;script&gt;" in page and "<script>alert" not in page
    assert "Settings changed" in page and "settings.change" in page and boss.get_absolute_url() in page


def test_the_trail_is_taken_away_as_a_file_and_that_is_in_it(client, boss):
    entry(by=boss, before={"zone": "UTC"}, after={"zone": "Asia/Tokyo"})
    text = client.get("/operations/audit/?export=csv").getvalue().decode()
    assert "Settings changed,zone,Zone: UTC → Asia/Tokyo" in text
    assert AuditEntry.objects.get(action="export").after["rows"] == 1


def test_nobody_changes_or_deletes_an_entry():
    made = entry()
    for statement in (
        "UPDATE kit_auditentry SET actor = 'x'",
        "DELETE FROM kit_auditentry",
        "UPDATE kit_auditentry SET at = now()",
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert AuditEntry.objects.get() == made


def test_a_page_of_the_list_costs_few_statements_however_many_entries(client, boss, django_assert_max_num_queries):
    for number in range(60):
        entry(target=str(number), by=boss)
    with django_assert_max_num_queries(9):
        client.get("/operations/audit/")


def test_every_action_that_is_written_has_a_name():
    """So that nobody reads “lifecycle: bulk undo” where words are meant."""
    nameless = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "record" and node.args:
                    action = node.args[0]
                    named = isinstance(action, ast.Constant) and isinstance(action.value, str) and "." in action.value
                    if named and action.value not in dict(audit.choices()):
                        nameless.add(action.value)
    assert nameless == set()


# ---- the law itself, which tests.auditing holds in every other test ----


def asked(do, path="/somewhere/", method="post"):
    def view(request):
        do()
        return HttpResponse()

    request = getattr(RequestFactory(), method)(path)
    request.resolver_match = None
    return auditing.every_change_is_written_down(view)(request)


def test_a_page_that_changes_something_without_an_entry_fails_its_test():
    with pytest.raises(auditing.Unwritten, match="changed kit_setting without an entry"):
        asked(lambda: Setting.objects.create(key="x", value=1))


def test_a_page_that_writes_one_or_changes_nothing_does_not():
    asked(lambda: (Setting.objects.create(key="x", value=1), entry()))
    asked(lambda: Setting.objects.filter(key="nothing").update(value=1))
    asked(lambda: list(Setting.objects.select_for_update()))
