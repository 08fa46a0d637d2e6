"""Naming own domains in the browser leaves their people out of figures, and the page counts them."""

import pytest

from audience.models import FieldChange, Person
from kit import installation
from kit.models import AuditEntry, User
from tests.factories import NOW, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def signed_in(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))


def test_naming_a_domain_leaves_its_people_out_at_once_and_taking_it_away_brings_them_back(client):
    ours, theirs = person(email="tester@xn--bcher-kva.example"), person(email="lead@shop.example")
    client.post("/left-out/", {"own": "@BÜCHER.example\n\n"})
    assert installation.get("own_domains") == ["xn--bcher-kva.example"]
    assert list(Person.objects.filter(is_excluded=True)) == [ours]
    page = client.get("/left-out/").content.decode()
    assert 'data-metric="people_left_out">1<' in page
    listed = client.get("/people/?left_out=yes").content.decode()
    assert f'href="/people/{ours.pk}/"' in listed and f'href="/people/{theirs.pk}/"' not in listed
    assert FieldChange.objects.filter(person=ours, field="is_excluded").count() == 1
    client.post("/left-out/", {"own": ""})
    assert not Person.objects.filter(is_excluded=True).exists()
    assert AuditEntry.objects.count() == 2


def test_what_is_no_domain_is_refused_by_name_and_nothing_changes(client):
    answer = client.post("/left-out/", {"own": "good.example\nnot a domain\n<script>"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "These are no domains: not a domain, &lt;script&gt;" in page
    assert installation.get("own_domains") == []


def test_a_viewer_sees_the_page_and_cannot_change_it(client):
    client.force_login(User.objects.create_user("vi@example.com", "x", role=User.Role.VIEWER))
    assert "Keep these lists" not in client.get("/left-out/").content.decode()
    assert client.post("/left-out/", {"own": "shop.example"}).status_code == 403
    assert installation.get("own_domains") == []


def test_testers_and_competitors_have_lists_of_their_own_and_are_counted_apart(client):
    for email in ("tina@gmail.com", "tom@gmail.com", "a@rival.example", "b@rival.example"):
        person(email=email)
    person(is_excluded=True, excluded_reason="a friend")
    client.post("/left-out/", {"own": "", "test": "Tina@gmail.com", "competitor": "rival.example"})
    page = client.get("/left-out/").content.decode()
    assert 'data-metric="people_left_out">4<' in page
    assert "Testers: 1 · Competitors: 2 · For other reasons: 1" in page and "tina@gmail.com</textarea>" in page
    assert AuditEntry.objects.get().action == "figures.lists"


def test_a_number_without_anybody_is_not_counted(client):
    person(is_excluded=True, excluded_reason="rolled back", erased_at=NOW)
    assert 'data-metric="people_left_out">0<' in client.get("/left-out/").content.decode()


def test_what_is_no_address_is_refused_in_the_list_in_which_it_stands(client):
    answer = client.post("/left-out/", {"test": "good@example.com", "competitor": "bad@@example.com"})
    assert answer.status_code == 400 and "These are no domains: bad@@example.com" in answer.content.decode()
    assert installation.get("test_addresses") == [] == installation.get("competitor_addresses")
