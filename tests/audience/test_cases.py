"""Service cases: opened on a profile, changed, closed and opened again; asked for by conditions, seen as their subjects are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from audience.commerce import cases
from audience.conditions import compile, tree
from audience.models import Case
from kit.models import AuditEntry, User
from kit.sql import rows
from tests.asking import Api
from tests.factories import NOW, account, days_ago, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def case(whose, opened, closed=None, severity="high"):
    told = {"title": "Dark display", "severity": severity, "opened_at": opened, "closed_at": closed}
    return cases.open(whose, told, source="tests", by=None, now=NOW)


def those(condition, at=NOW, of="person"):
    return {pk for pk, *_more in rows(compile.members(tree.parse(condition, of=of), of=of, at=at))}


def count(**where):
    return {"field": "case.count", "where": where, "op": "at_least", "value": 1}


def test_a_case_is_opened_on_a_profile_changed_closed_and_opened_again(client, ada):
    ann = person(email="ann@example.com", first_name="Ann")
    told = {"title": "Display stays dark", "severity": "high", "opened_at": "2025-01-02T10:00", "status": "open"}
    page = client.post(reverse("person_case", args=[ann.pk]), told, follow=True).content.decode()
    made = Case.objects.get()
    assert "stands on the profile" in page and reverse("case", args=[made.pk]) in page
    assert "Display stays dark" in client.get(reverse("cases") + "?status=open&severity=high").content.decode()
    assert "Ann" in client.get(reverse("case", args=[made.pk])).content.decode()
    edit = reverse("case_edit", args=[made.pk])
    client.post(edit, told | {"status": "closed", "closed_at": "2025-01-03T10:00"})
    made.refresh_from_db()
    assert made.closed_at - made.opened_at == timedelta(days=1)
    assert made.closed_at and "Display" not in client.get(reverse("cases") + "?status=open").content.decode()
    client.post(edit, told)
    made.refresh_from_db()
    assert made.closed_at is None
    assert AuditEntry.objects.filter(action__startswith="case.").count() == 3


def test_two_who_change_it_at_once_are_told(client, ada):
    made = case(person(), days_ago(3))
    page = client.get(reverse("case_edit", args=[made.pk]))
    seen = page.context["form"].initial["seen"]
    cases.change(made, {"severity": "low"}, by=None, now=NOW)
    told = {"title": "Mine", "opened_at": "2025-01-02T10:00", "status": "open", "seen": seen}
    answer = client.post(reverse("case_edit", args=[made.pk]), told)
    assert answer.status_code == 400 and "Meanwhile somebody else changed it" in answer.content.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"title": " "}, "This field is required."),
        ({"opened_at": "2999-01-01T00:00"}, "It has not happened yet."),
        ({"status": "closed", "closed_at": "2024-01-01T00:00"}, "It is closed after it was opened"),
        ({"status": "lost"}, "lost"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(client, ada, given, words):
    told = {"title": "Dark", "opened_at": "2025-01-02T10:00", "status": "open"} | given
    answer = client.post(reverse("account_case", args=[account(name="Acme").pk]), told)
    assert answer.status_code == 400 and words in answer.content.decode() and not Case.objects.exists()


def test_conditions_ask_for_open_cases_their_severity_and_age():
    ann, bob, cid = person(first_seen_at=days_ago(99)), person(first_seen_at=days_ago(99)), person()
    case(ann, days_ago(20))
    case(bob, days_ago(30), closed=days_ago(10), severity="low")
    assert those(count(status="open")) == {ann.pk} and those(count(status="closed")) == {bob.pk}
    assert those(count(status="open", severity="HIGH")) == {ann.pk} and those(count(severity="low")) == {bob.pk}
    assert those({"field": "case.days_open", "op": "at_least", "value": 20}) == {ann.pk}
    assert those({"field": "case.days_open", "op": "at_least", "value": 21}) == set()
    assert those(count(status="open"), days_ago(15)) == {ann.pk, bob.pk}, "as it then was"
    assert those({"field": "case.count", "op": "equals", "value": 0}) == {cid.pk}
    firm = account(name="Acme", first_seen_at=days_ago(99))
    case(firm, days_ago(2))
    assert those(count(status="open"), of="account") == {firm.pk}


@pytest.mark.parametrize(
    "asked",
    [
        count(status="open"), count(status="closed"), count(status="open") | {"days": 7},
        {"field": "case.days_open", "op": "at_least", "value": 5}, {"field": "case.days_open", "op": "at_most", "value": 9},
    ],
)  # fmt: skip
def test_whoever_may_answer_differently_is_touched(asked):
    for opened, closed in ((40, None), (40, 20), (12, 3), (9, None), (8, 1), (2, None)):
        case(person(first_seen_at=days_ago(99)), days_ago(opened), days_ago(closed) if closed else None)
    node = tree.parse(asked)
    for since in range(20, 0, -1):
        before, after = days_ago(since), days_ago(since - 1)
        touched = {pk for (pk,) in rows(compile.touched([node], of="person", since=before, until=after))}
        assert those(asked, before) ^ those(asked, after) <= touched, since


def test_over_the_api(ada):
    ann = person(email="ann@example.com")
    api = Api(ada, "deals:read", "deals:write")
    told = {"person": {"email": "ann@example.com"}, "title": "Dark", "external_id": "H-1", "source": "helpdesk"}
    made = api.post("/cases/", told | {"severity": "high"}, status=201)
    assert made["person"] == ann.pk and made["closed_at"] is None
    api.refused("post", "/cases/", told, 409, "already_there")
    api.refused("post", "/cases/", {"title": "x"}, 400, "required")
    api.refused("post", "/cases/", told | {"person": {"email": "no@example.com"}}, 400, "unknown_person")
    url = f"/cases/{made['id']}/"
    assert api.patch(url, {"severity": "low"})["severity"] == "low"
    api.refused("patch", url, {"title": ""}, 400, "blank")
    assert api.post(f"{url}close/")["closed_at"]
    assert api.patch(url, {"closed_at": None})["closed_at"] is None
    api.refused("post", f"{url}close/", {"closed_at": "1999-01-01T00:00:00Z"}, 400, "bad_order")
