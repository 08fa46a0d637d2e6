"""People over the API: read, written one at a time and by the thousand, by the same verbs as on pages."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audience import consent, segments
from audience.models import ConsentRecord, Field, FieldChange, Identity, Person
from audience.subjects import accounts, people
from kit.models import AuditEntry, User
from scoring.models import Score, ScoringModel
from tests.asking import Api, secret_of, user
from tests.factories import NOW, account, person

pytestmark = pytest.mark.django_db


def ops() -> User:
    return user(User.Role.OPS, "ops@example.com")


@pytest.fixture
def api() -> Api:
    return Api(ops())


def made(api: Api, **values: Any) -> dict[str, Any]:
    return dict(api.post("/people/", values, 201))


def test_a_person_is_made_read_and_changed_with_history(api: Api) -> None:
    Field.objects.create(of="person", slug="plan", label="Plan", created_at=NOW)
    acme = accounts.create({"name": "Acme", "domain": "acme.example"}, source="crm", by=None, now=NOW)
    ann = made(
        api, system="crm", external_id="7", email="Ann@BÜCHER.example", title="Head of IT", custom={"plan": "pro"},
        account={"domain": "acme.example"}, owner="OPS@example.com", first_seen_at="2025-01-01T00:00:00Z",
    )  # fmt: skip
    assert (ann["email"], ann["title_group"], ann["custom"]) == ("ann@xn--bcher-kva.example", "it", {"plan": "pro"})
    assert ann["account"] == {"id": acme.pk, "name": "Acme", "domain": "acme.example"}
    assert ann["identities"] == [{"system": "crm", "kind": "person", "external_id": "7"}]
    assert (ann["owner"], ann["first_seen_at"]) == ("ops@example.com", "2025-01-01T00:00:00Z")
    assert api.get(f"/people/{ann['id']}/") == ann
    changed = api.patch(f"/people/{ann['id']}/", {"title": None, "custom": {"plan": None}, "system": "crm"})
    assert (changed["title"], changed["title_group"], changed["custom"]) == ("", "", {})
    assert set(FieldChange.objects.filter(source="crm").values_list("field", "old")) == {
        ("title", "Head of IT"), ("title_group", "it"), ("seniority", "director"), ("custom.plan", "pro"),
    }  # fmt: skip
    assert AuditEntry.objects.filter(action="person.change").get().actor == "ops@example.com (sync)"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"email": "a..b@c.de"}, "bad_email", "email"), ({"email": "jörg@c.de"}, "bad_email", "email"),
        ({"email": "a" * 65 + "@c.de"}, "bad_email", "email"), ({"email": "x", "is_staff": True}, "unknown_field", "is_staff"),
        ({"id": 7}, "unknown_field", "id"), ({"updated_at": "2025-01-01"}, "unknown_field", "updated_at"),
        ({"first_name": "x" * 201}, "too_long", "first_name"), ({"custom": {"nope": 1}}, "unknown_field", "custom.nope"),
        ({"custom": {"size": "big"}}, "wrong_type", "custom.size"), ({"account": {"id": 1}}, "unknown_person", "account"),
        ({"owner": "nobody@x.de"}, "unknown_user", "owner"), ({"first_name": ["x"]}, "invalid", "first_name"),
        ({"first_seen_at": "0001-01-01T00:00:00Z"}, "out_of_range", "first_seen_at"),
        ({"external_id": "x" * 301, "email": "a@c.de"}, "too_long", "external_id"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_code_and_field(api: Api, body: Any, code: str, field: str) -> None:
    Field.objects.create(of="person", slug="size", label="Size", type="number", created_at=NOW)
    code = "unknown_account" if field == "account" else code
    assert api.refused("post", "/people/", body, 400, code)["field"] == field
    assert not Person.objects.exists()


def test_an_email_is_one_persons(api: Api) -> None:
    made(api, email="ann@example.com")
    bob = made(api, email="bob@example.com")
    assert api.refused("post", "/people/", {"email": "ANN@example.com"}, 409, "email_taken")["field"] == "email"
    api.refused("patch", f"/people/{bob['id']}/", {"email": "ann@example.com"}, 409, "email_taken")


def test_nobody_overwrites_what_they_have_not_seen(api: Api) -> None:
    address = f"/people/{made(api, email='ann@example.com')['id']}/"
    seen = api.raw("get", address)["ETag"]
    assert api.raw("get", address, If_None_Match=seen).status_code == 304
    api.patch(address, {"city": "Bonn"}, If_Match=seen)
    told = api.raw("patch", address, {"city": "Ulm"}, If_Match=seen)
    assert told.status_code == 412 and told.json()["code"] == "changed_meanwhile"
    assert api.patch(address, {"city": "Ulm"}, If_Match=told["ETag"])["city"] == "Ulm"


def test_a_score_that_follows_a_write_does_not_refuse_the_next_one(api: Api) -> None:
    """The live engine judges seconds later: the reader is told anew, the writer is not stopped."""
    ann = made(api, email="ann@example.com")
    address, seen = f"/people/{ann['id']}/", api.raw("get", f"/people/{ann['id']}/")["ETag"]
    model = ScoringModel.objects.create(name="Lead", slug="lead", of="person", created_at=NOW)
    Score.objects.create(model=model, person_id=ann["id"], total=5_000_000, behaviour=5_000_000, fit=0, shown=5)
    again = api.raw("get", address, If_None_Match=seen)
    assert again.json()["scores"] == [{"model": "lead", "score": 5, "grade": ""}]
    assert api.patch(address, {"city": "Bonn"}, If_Match=seen)["city"] == "Bonn"


def test_an_upsert_makes_then_changes_then_changes_nothing(api: Api) -> None:
    body = {"system": "crm", "external_id": "7", "email": "ann@example.com", "city": "Bonn"}
    first = api.post("/people/upsert/", body, 201)
    assert (first["outcome"], first["city"]) == ("created", "Bonn")
    assert api.post("/people/upsert/", body)["outcome"] == "unchanged"
    by_email = api.post("/people/upsert/", {"email": "Ann@example.com", "city": "Ulm"})
    assert (by_email["id"], by_email["outcome"], by_email["city"]) == (first["id"], "updated", "Ulm")
    filled = api.post("/people/upsert/", body | {"country": "DE", "policy": "fill"})
    assert (filled["outcome"], filled["city"], filled["country"]) == ("updated", "Ulm", "DE")
    assert api.post("/people/upsert/", body | {"policy": "create"})["outcome"] == "skipped"
    nobody = {"email": "new@example.com", "policy": "update"}
    assert api.post("/people/upsert/", nobody) == {"outcome": "skipped", "id": None}
    assert api.refused("post", "/people/upsert/", {"city": "Bonn"}, 400, "required")["field"] == "email"
    assert Person.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_sixty_four_upserts_of_one_email_make_one_person_and_no_failure() -> None:
    headers = {"Authorization": f"Bearer {secret_of(ops())}"}
    told: list[tuple[int, int]] = []

    def send(number: int) -> None:
        try:
            for turn in range(4):
                body = {
                    "system": "crm",
                    "external_id": str(number % 3),
                    "email": "ann@example.com",
                    "city": f"{number}.{turn}",
                }
                answer = Client(headers=headers).post("/api/v1/people/upsert/", body, content_type="application/json")
                told.append((answer.status_code, answer.json().get("id", 0)))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(status for status, _pk in told) == [200] * 63 + [201]
    assert {pk for _status, pk in told} == {Person.objects.get().pk}
    assert Identity.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_sixty_four_connections_that_bring_the_same_hundred_emails_make_a_hundred_people() -> None:
    headers = {"Authorization": f"Bearer {secret_of(ops())}"}
    emails = [f"person{number}@example.com" for number in range(100)]
    together = threading.Barrier(64)
    told: list[int] = []
    made: list[int] = []

    def send(number: int) -> None:
        rows = [{"email": email, "city": f"{number}"} for email in random.Random(number).sample(emails, 100)]
        try:
            together.wait()
            answer = Client(headers=headers).post("/api/v1/people/bulk/", {"people": rows}, "application/json")
            told.append(answer.status_code)
            made.append(answer.json().get("created", 0))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(64)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert told == [200] * 64
    assert sum(made) == 100
    assert sorted(Person.objects.values_list("email", flat=True)) == sorted(emails)


# ---- many at once ----


def test_a_bulk_upsert_answers_for_each_row(api: Api) -> None:
    Field.objects.create(of="person", slug="size", label="Size", type="number", created_at=NOW)
    Field.objects.create(of="person", slug="worth", label="Worth", type="money", created_at=NOW)
    people.create({"email": "old@example.com", "city": "Bonn"}, source="crm", by=None, now=NOW)
    people.create({"email": "same@example.com", "city": "Bonn"}, source="crm", by=None, now=NOW)
    rows = [
        {"external_id": "1", "email": "new@example.com", "first_seen_at": "2025-01-01T10:00:00+02:00",
         "custom": {"size": 2.5, "worth": 1999}, "account": {"domain": "acme.example", "name": "Acme"}},
        {"email": "old@example.com", "city": "Ulm", "owner": "ops@example.com"},
        {"email": "same@example.com", "city": "Bonn"},
        {"email": "a..b@example.com"},
        {"city": "Bonn"},
        {"email": "x@example.com", "custom": {"size": "big"}},
        {"email": "y@example.com", "nope": 1},
        {"email": "z@example.com", "owner": "nobody@example.com"},
        {"email": "w@example.com", "account": {"vat": "1"}},
        "nonsense",
        {"email": "late@example.com", "first_seen_at": "yesterday"},
        {"email": "new@example.com", "external_id": "1", "first_name": "Last"},
    ]  # fmt: skip
    told = api.post("/people/bulk/", {"system": "crm", "people": rows})
    results = told.pop("results")
    assert told == {"created": 1, "updated": 1, "unchanged": 1, "skipped": 0, "repeated": 1, "refused": 8}
    assert [each["row"] for each in results] == list(range(12))
    assert [(each["outcome"], each.get("code"), each.get("field")) for each in results] == [
        ("repeated", None, None), ("updated", None, None), ("unchanged", None, None), ("refused", "bad_email", "email"),
        ("refused", "required", "external_id"), ("refused", "wrong_type", "custom.size"), ("refused", "unknown_field", "nope"),
        ("refused", "unknown_user", "owner"), ("refused", "unknown_field", "account.vat"),
        ("refused", "wrong_type", ""), ("refused", "bad_instant", "first_seen_at"), ("created", None, None),
    ]  # fmt: skip
    new = Person.objects.get(email="new@example.com")
    assert results[-1]["id"] == new.pk and new.first_name == "Last"
    assert Person.objects.get(email="old@example.com").owner.email == "ops@example.com"
    assert Identity.objects.get(external_id="1").person == new
    assert set(Person.objects.values_list("email", flat=True)) == {
        "new@example.com",
        "old@example.com",
        "same@example.com",
    }


def test_a_bulk_row_has_what_earlier_rows_about_the_same_person_say_and_it_does_not(api: Api) -> None:
    Field.objects.create(of="person", slug="size", label="Size", type="number", created_at=NOW)
    rows = [
        {"email": "ann@example.com", "external_id": "1", "city": "Ulm", "title": "Cook", "custom": {"size": 7}},
        {"external_id": "1", "title": "Chair", "city": None},
    ]
    told = api.post("/people/bulk/", {"system": "crm", "people": rows})
    assert [each["outcome"] for each in told["results"]] == ["repeated", "created"]
    ann = Person.objects.get()
    assert (ann.email, ann.city, ann.title, ann.custom) == ("ann@example.com", "Ulm", "Chair", {"size": 7})


def test_values_of_a_bulk_row_are_kept_as_one_would_be(api: Api) -> None:
    for slug, of_type in (("size", "number"), ("worth", "money"), ("on", "date"), ("is", "yes_no"), ("word", "text")):
        Field.objects.create(of="person", slug=slug, label=slug, type=of_type, created_at=NOW)
    custom = {"size": 2.5, "worth": 1999, "on": "2025-03-31", "is": False, "word": 'a, "b"\nc'}
    body = {
        "first_name": "  Ann ",
        "title": "Head of IT",
        "first_seen_at": "2025-01-01T10:00:00+02:00",
        "custom": custom,
    }
    one = made(api, email="one@example.com", **body)
    api.post("/people/bulk/", {"people": [body | {"email": "two@example.com"}]})
    two = api.get("/people/?email=two@example.com")["results"][0]
    for name in set(one) - {"id", "email", "created_at", "updated_at"}:
        assert one[name] == two[name], name


def test_all_or_nothing_keeps_nothing(api: Api) -> None:
    rows = [{"email": "good@example.com"}, {"email": "bad"}]
    told = api.refused("post", "/people/bulk/", {"people": rows, "all_or_nothing": True}, 400, "rows_refused")
    assert [(each["row"], each["code"]) for each in told["errors"]] == [(1, "bad_email")]
    assert not Person.objects.exists() and not AuditEntry.objects.filter(action__startswith="people").exists()


def test_more_than_a_thousand_rows_are_a_file(api: Api) -> None:
    rows = [{"email": f"{number}@example.com"} for number in range(1001)]
    told = api.refused("post", "/people/bulk/", {"people": rows}, 400, "too_many_rows")
    assert told["field"] == "people"
    assert api.post("/people/bulk/", {"people": rows[:1000]})["created"] == 1000
    assert api.post("/people/bulk/", {"people": rows[:1000]})["unchanged"] == 1000
    assert not Person.objects.filter(custom__has_key="x").exists() and Person.objects.count() == 1000


@pytest.mark.django_db(transaction=True)
def test_bulk_upserts_of_the_same_people_at_once_make_each_once() -> None:
    headers = {"Authorization": f"Bearer {secret_of(ops())}"}
    told: list[Any] = []

    def send(number: int) -> None:
        try:
            rows = [{"email": f"{each}@example.com", "external_id": str(each), "city": str(number),
                     "account": {"name": f"Firm {each % 5}"}} for each in range(60 if number % 2 else 20)]  # fmt: skip
            rows = rows[::-1] if number % 3 else rows
            answer = Client(headers=headers).post(
                "/api/v1/people/bulk/", {"system": "crm", "people": rows}, content_type="application/json"
            )
            told.append((answer.status_code, answer.json().get("refused")))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert told == [(200, 0)] * 6
    assert Person.objects.count() == 60 and Identity.objects.filter(kind="person").count() == 60
    assert accounts.Account.objects.count() == 5


# ---- lists ----


def test_lists_are_narrowed_and_paged(api: Api) -> None:
    acme = account(name="Acme")
    ids = [
        made(api, email=f"p{number}@example.com", city="Bonn", country="DE" if number % 2 else "FR")["id"]
        for number in range(5)
    ]
    people.change(Person.objects.get(pk=ids[0]), {"account": acme}, source="x", by=None, now=NOW)
    api.post(f"/people/{ids[1]}/tags/", {"add": ["VIP"]})
    api.post(f"/people/{ids[2]}/owner/", {"owner": "ops@example.com"})
    api.post("/people/upsert/", {"system": "crm", "external_id": "9", "email": "p3@example.com"})
    french = segments.create(
        "French",
        of="person",
        condition={"field": "person.country", "op": "is", "value": "FR"},
        by=None,
        now=timezone.now(),
    )

    def found(query: str) -> list[int]:
        return [ids.index(each["id"]) for each in api.pages(f"/people/?{query}")]

    assert found("limit=2") == [0, 1, 2, 3, 4]
    assert found("limit=2&ordering=-created_at") == [4, 3, 2, 1, 0]
    assert found("email=P2@example.com") == [2]
    assert found("q=p3") == [3]
    assert found(f"account={acme.pk}") == [0]
    assert found("tag=vip") == [1]
    assert found("owner=ops@example.com") == [2] and found("owner=nobody") == [0, 1, 3, 4]
    assert (
        found("external_id=9&system=crm") == [3]
        and found("external_id=9&system=shop") == []
        and found("system=crm") == [3]
    )
    assert found(f"segment={french.slug}&country=FR") == [0, 2, 4]
    since = api.get(f"/people/{ids[4]}/")["updated_at"]
    assert found(f"updated_since={since}&ordering=updated_at")[0] == 4
    api.refused("get", "/people/?nope=1", None, 400, "unknown_parameter")
    api.refused("get", "/people/?updated_since=yesterday", None, 400, "bad_instant")
    api.refused("get", "/people/?email=%00", None, 400, "bad_unicode")
    api.refused("get", "/people/?ordering=owner__password", None, 400, "unknown_ordering")


def test_a_page_costs_as_many_queries_for_one_row_as_for_many(api: Api, django_assert_num_queries: Any) -> None:
    for number in range(3):
        made(api, email=f"p{number}@example.com", system="crm", external_id=str(number), account=None)
    one = Person.objects.first()
    assert one is not None
    api.get("/people/")
    with django_assert_num_queries(3):  # the key with its user, its allowance, the page
        api.get("/people/?limit=1")
    with django_assert_num_queries(3):
        api.get("/people/")
    with django_assert_num_queries(3):
        api.get(f"/people/{one.pk}/")


# ---- tags, owners, consent ----


def test_tags_and_owner_are_given_by_the_verbs_of_pages(api: Api) -> None:
    ann = made(api, email="ann@example.com")
    assert api.post(f"/people/{ann['id']}/tags/", {"add": ["VIP", "Old"]})["tags"] == ["Old", "VIP"]
    assert api.post(f"/people/{ann['id']}/tags/", {"remove": ["old"]})["tags"] == ["VIP"]
    api.refused("post", f"/people/{ann['id']}/tags/", {"add": ["a,b"]}, 400, "bad_value")
    assert FieldChange.objects.filter(field="tag.old", old="yes").exists()
    assert api.post(f"/people/{ann['id']}/owner/", {"owner": "ops@example.com"})["owner"] == "ops@example.com"
    assert api.post(f"/people/{ann['id']}/owner/", {"owner": None})["owner"] is None
    api.refused("post", f"/people/{ann['id']}/owner/", {}, 400, "required")


def test_consent_is_given_and_withdrawn_with_its_proof(api: Api) -> None:
    consent.ensure_defaults(NOW)
    address = f"/people/{made(api, email='ann@example.com')['id']}/consent/"
    assert api.get(address)["topics"] == [{"topic": "news", "wanted": False, "why_not": "has not agreed"}]
    yes = {
        "topic": "news",
        "given": True,
        "wording": "Yes please",
        "source": "fair",
        "occurred_at": "2025-06-01T10:00:00Z",
    }
    told = api.post(address, yes)
    assert told["topics"] == [{"topic": "news", "wanted": True, "why_not": ""}]
    assert (told["acts"][0]["wording"], told["acts"][0]["by"]) == ("Yes please", "ops@example.com")
    api.post(address, yes)
    assert ConsentRecord.objects.count() == 1
    told = api.post(address, {"topic": None, "given": False, "source": "call"})
    assert told["topics"][0]["wanted"] is False and told["acts"][0]["topic"] is None
    api.refused("post", address, yes | {"topic": "nope"}, 400, "unknown_topic")
    api.refused("post", address, yes | {"occurred_at": "2999-01-01T00:00:00Z"}, 400, "in_the_future")
    assert [each["slug"] for each in api.get("/topics/")["results"]] == ["news"]


# ---- who may, and whom they see ----


def test_a_salespersons_key_sees_their_own_and_a_foreign_person_is_not_there() -> None:
    mine, other = (user(User.Role.SALES, email) for email in ("mine@example.com", "other@example.com"))
    own, foreign = person(email="own@example.com", owner=mine), person(email="foreign@example.com", owner=other)
    api = Api(mine)
    assert [each["id"] for each in api.get("/people/")["results"]] == [own.pk]
    for address in ("", "consent/"):
        api.refused("get", f"/people/{foreign.pk}/{address}", None, 404, "not_found")
    for address, body in (("tags/", {"add": ["x"]}), ("owner/", {"owner": None}), ("consent/", {})):
        api.refused("post", f"/people/{foreign.pk}/{address}", body, 404, "not_found")
    api.refused("patch", f"/people/{foreign.pk}/", {"city": "x"}, 404, "not_found")
    api.refused("post", "/people/upsert/", {"email": "foreign@example.com", "city": "x"}, 409, "known_to_others")
    api.refused("post", "/people/bulk/", {"people": [{"email": "foreign@example.com"}]}, 403, "role_may_not")
    assert made(api, email="new@example.com")["owner"] == mine.email
    assert Person.objects.get(pk=foreign.pk).city == ""


def test_a_key_may_what_its_scope_and_role_may() -> None:
    someone = ops()
    ann = made(Api(someone), email="ann@example.com")
    reader = Api(someone, "people:read")
    assert reader.get(f"/people/{ann['id']}/")["id"] == ann["id"]
    reader.refused("post", "/people/", {"email": "b@example.com"}, 403, "scope_missing")
    Api(someone, "activities:write").refused("get", "/people/", None, 403, "scope_missing")
    viewer = Api(user(User.Role.VIEWER, "viewer@example.com"))
    assert viewer.get("/people/")["results"]
    for address, body in (("/people/", {}), (f"/people/{ann['id']}/tags/", {"add": ["x"]}), ("/people/upsert/", {})):
        viewer.refused("post", address, body, 403, "role_may_not")
    viewer.refused("patch", f"/people/{ann['id']}/", {}, 403, "role_may_not")


def test_a_request_sent_again_with_its_key_makes_nobody_twice(api: Api) -> None:
    first = api.raw("post", "/people/", {"first_name": "Ann"}, Idempotency_Key="one")
    again = api.raw("post", "/people/", {"first_name": "Ann"}, Idempotency_Key="one")
    assert (first.status_code, again.status_code, again.json(), again["ETag"]) == (
        201,
        201,
        first.json(),
        first["ETag"],
    )
    assert Person.objects.count() == 1
