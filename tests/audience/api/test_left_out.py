"""The lists of whom figures leave out, over the API: named anew whole, and true at once."""

from __future__ import annotations

from typing import Any

import pytest

from audience.models import FieldChange, Person
from kit import installation
from kit.models import AuditEntry, User
from tests import asking, factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/left-out/"


@pytest.fixture
def ada() -> Any:
    return asking.by(asking.user(User.Role.MARKETER), "people:read", "people:write")


def patch(client: Any, name: str, entries: Any, **headers: str) -> Any:
    body = {"entries": entries}
    return client.patch(f"{URL}{name}/", body, content_type="application/json", headers=headers)


def test_a_list_is_named_anew_and_whoever_is_on_it_is_left_out_at_once(ada: Any) -> None:
    ours, theirs = factories.person(email="tina@xn--bcher-kva.example"), factories.person(email="lead@shop.example")
    factories.account(domain="mail.xn--bcher-kva.example")
    told = patch(ada, "own", ["@BÜCHER.example", "xn--bcher-kva.example"])
    assert told.status_code == 200 and told.json() == {
        "name": "own", "called": "Own domains", "entries": ["xn--bcher-kva.example"], "people": 1, "accounts": 1,
    }  # fmt: skip
    assert list(Person.objects.filter(is_excluded=True)) == [ours]
    assert FieldChange.objects.filter(person=ours, field="is_excluded").count() == 1
    entry = AuditEntry.objects.filter(action="figures.lists").get()
    assert entry.after == {"own_domains": ["xn--bcher-kva.example"]}
    patch(ada, "own", [])
    patch(ada, "competitor", ["shop.example"])
    found = {each["name"]: each for each in ada.get(URL).json()["results"]}
    assert list(found) == ["own", "test", "competitor"]
    assert found["own"]["people"] == 0 and found["competitor"]["people"] == 1
    assert list(Person.objects.filter(is_excluded=True)) == [theirs]


def test_what_is_no_domain_or_address_is_refused_and_nothing_changes(ada: Any) -> None:
    told = patch(ada, "test", ["good@example.com", "no domain", "<script>"])
    assert told.status_code == 400 and told.json()["field"].startswith("entries")
    assert "These are no domains: no domain, <script>" in told.json()["detail"]
    assert patch(ada, "test", "example.com").status_code == 400
    assert patch(ada, "test", [{"a": 1}]).status_code == 400
    assert patch(ada, "test", [f"{each}.example" for each in range(201)]).status_code == 400
    assert patch(ada, "friends", []).status_code == 404
    assert installation.get("test_addresses") == []


def test_who_has_not_seen_the_present_list_is_told_so(ada: Any) -> None:
    seen = ada.get(f"{URL}own/")["ETag"]
    factories.person(email="tina@ours.example")
    assert patch(ada, "own", ["ours.example"], **{"if-match": seen}).status_code == 200  # how many they are may change
    late = patch(ada, "own", [], **{"if-match": seen})
    assert late.status_code == 412 and late.json()["code"] == "changed_meanwhile"
    assert installation.get("own_domains") == ["ours.example"]
