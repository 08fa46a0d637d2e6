"""Activities over the API: one or a thousand, once per source and id, with a word for each that is refused."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from audience.models import Activity, ActivityKind, Dirty, Identity, Person
from audience.subjects import people
from kit import installation
from kit.models import User
from tests.asking import Api, secret_of, user
from tests.factories import NOW, account, activity, days_ago, person

pytestmark = pytest.mark.django_db
AT = "2025-06-01T10:00:00Z"


def ops() -> User:
    return user(User.Role.OPS, "ops@example.com")


@pytest.fixture
def api() -> Api:
    return Api(ops())


def told(number: int = 1, **values: Any) -> dict[str, Any]:
    return {"external_id": f"e{number}", "kind": "page_visited", "occurred_at": AT} | values


def test_an_activity_is_told_once_however_often_it_is_sent(api: Api) -> None:
    ann = person(email="ann@example.com")
    body = told(
        person={"email": "Ann@example.com"}, source="shop", channel="web", direction="inbound", value=1.5,
        properties={"path": "/pricing", "deep": {"a": [1, None]}}, kind="Page visited", platform="ios",
    )  # fmt: skip
    first = api.post("/activities/", body, 201)
    assert first["person"] == ann.pk and first["kind"] == "page_visited" and first["value"] == 1.5
    assert first["properties"] == body["properties"] and first["occurred_at"] == AT
    assert api.post("/activities/", body) == first
    assert api.get(f"/activities/{first['id']}/") == first
    assert Activity.objects.count() == 1 and Dirty.objects.filter(subject_id=ann.pk).exists()


def test_one_without_an_id_of_its_own_is_new_each_time_but_not_with_an_idempotency_key(api: Api) -> None:
    ann = person()
    body = {"kind": "call", "occurred_at": AT, "person": {"id": ann.pk}}
    api.post("/activities/", body, 201)
    api.post("/activities/", body, 201, Idempotency_Key="one")
    api.post("/activities/", body, 201, Idempotency_Key="one")
    assert Activity.objects.count() == 2


def test_a_batch_keeps_the_good_and_names_the_bad(api: Api) -> None:
    ann, acme = person(email="ann@example.com"), account(domain="acme.example")
    people.upsert({"email": "ann@example.com", "external_id": "7"}, source="crm", by=None, now=NOW)
    gone = person(email="gone@example.com", erased_at=NOW)
    by_id, whose = {"id": ann.pk}, {"person": {"id": ann.pk}}
    rows: list[tuple[Any, str, str]] = [
        (told(1, person=by_id), "", ""),
        (told(2, person={"email": "ANN@example.com"}), "", ""),
        (told(3, person={"external_id": "7", "system": "crm"}), "", ""),
        (told(4, account={"domain": "ACME.example"}), "", ""),
        (told(5, person=by_id, account={"id": acme.pk}), "", ""),
        (told(1, person=by_id), "", ""),
        (told(10, person={"email": "nobody@example.com"}), "unknown_person", "person"),
        (told(11, person={"external_id": "7"}), "unknown_person", "person"),
        (told(12, person={"id": gone.pk}), "unknown_person", "person"),
        (told(13, person={"id": 10**15}), "unknown_person", "person"),
        (told(14, person=by_id, account={"domain": "nope.example"}), "unknown_account", "account"),
        (told(15), "required", "person"), (told(16, person={}), "required", "person"),
        (told(17, person={"email": "a..b@c.de"}), "bad_email", "person.email"),
        (told(18, person={"vat": "1"}), "unknown_field", "person.vat"), (told(19, person=7), "wrong_type", "person"),
        (told(20, person={"id": "7"}), "wrong_type", "person.id"), (told(21, account={"domain": "x"}), "bad_domain", "account.domain"),
        (told(22, **whose, kind=""), "required", "kind"), (told(23, **whose, kind="!!!"), "bad_value", "kind"),
        (told(24, **whose, kind=["x"]), "wrong_type", "kind"), (told(25, **whose, occurred_at="soon"), "bad_instant", "occurred_at"),
        (told(26, **whose, occurred_at="2999-01-01"), "in_the_future", "occurred_at"),
        (told(27, **whose, occurred_at="0001-01-01T00:00:00Z"), "out_of_range", "occurred_at"),
        (told(28, **whose, value="1"), "wrong_type", "value"), (told(29, **whose, value=True), "wrong_type", "value"),
        (told(30, **whose, value=1e17), "number_out_of_range", "value"),
        (told(31, **whose, properties=[]), "wrong_type", "properties"), (told(32, **whose, direction="up"), "invalid_choice", "direction"),
        (told(33, **whose, actor="cat"), "invalid_choice", "actor"), (told(34, **whose, channel="x" * 33), "too_long", "channel"),
        (told(35, **whose, is_staff=True), "unknown_field", "is_staff"), ({**told(36, **whose), "external_id": None}, "required", "external_id"),
        ({**told(37, **whose), "external_id": "x" * 201}, "too_long", "external_id"), ("row", "wrong_type", ""), (None, "wrong_type", ""),
    ]  # fmt: skip
    answer = api.post("/activities/batch/", {"source": "shop", "activities": [row for row, _code, _field in rows]})
    wanted = [(number, code, field) for number, (_row, code, field) in enumerate(rows) if code]
    assert [(each["row"], each["code"], each["field"]) for each in answer["errors"]] == wanted
    assert (answer["new"], answer["known"], answer["refused"]) == (5, 1, len(wanted))
    assert all(each["detail"] for each in answer["errors"])
    kept = dict(Activity.objects.values_list("external_id", "account_id"))
    assert kept == {"e1": None, "e2": None, "e3": None, "e4": acme.pk, "e5": acme.pk}
    assert ActivityKind.objects.get().slug == "page_visited"


def test_a_local_time_that_the_clocks_jumped_over_names_the_next(api: Api) -> None:
    installation.put("zone", "Europe/Berlin")
    whose = {"person": {"id": person().pk}}
    rows = [told(1, **whose, occurred_at="2025-03-30T02:30:00"), told(2, **whose, occurred_at="2025-03-30T03:30:00")]
    answer = api.post("/activities/batch/", {"activities": rows})
    assert answer["errors"][0]["code"] == "time_does_not_exist" and "03:00:00+02:00" in answer["errors"][0]["detail"]
    assert Activity.objects.get().occurred_at.isoformat() == "2025-03-30T01:30:00+00:00"


def test_all_or_nothing_keeps_nothing_and_lists_the_bad(api: Api) -> None:
    ann = person()
    rows = [
        told(1, person={"id": ann.pk}),
        told(2),
        told(3, person={"id": ann.pk}),
        told(4, person={"email": "new@example.com"}),
    ]
    body = {"activities": rows, "all_or_nothing": True, "create_missing": True}
    answer = api.refused("post", "/activities/batch/", body, 400, "rows_refused")
    assert [(each["row"], each["code"]) for each in answer["errors"]] == [(1, "required")]
    assert not Activity.objects.exists() and Person.objects.count() == 1
    assert not ActivityKind.objects.exists()


def test_people_who_are_missing_are_made_when_it_is_asked_for(api: Api) -> None:
    rows = [
        told(1, person={"email": "New@example.com"}), told(2, person={"email": "new@example.com"}, occurred_at="2025-01-01"),
        told(3, person={"external_id": "9"}), told(4, person={"external_id": "9", "email": "nine@example.com"}),
        told(5, person={"id": 12345}),
    ]  # fmt: skip
    body = {"source": "shop", "system": "crm", "activities": rows, "create_missing": True}
    answer = api.post("/activities/batch/", body)
    assert (answer["new"], answer["refused"]) == (4, 1) and answer["errors"][0]["row"] == 4
    new = Person.objects.get(email="new@example.com")
    assert new.first_seen_at.isoformat() == "2025-01-01T00:00:00+00:00"
    assert Identity.objects.get().system == "crm" and Person.objects.count() == 2
    assert api.post("/activities/batch/", body)["known"] == 4
    activities_only = Api(ops_again(), "activities:write")
    assert activities_only.refused("post", "/activities/batch/", body, 403, "scope_missing")["scope"] == "people:write"


def ops_again() -> User:
    return User.objects.get(email="ops@example.com")


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_tell_each_activity_once_and_make_each_person_once() -> None:
    headers = {"Authorization": f"Bearer {secret_of(ops())}"}
    answers: list[Any] = []

    def send(number: int) -> None:
        rows = [told(each, person={"email": f"p{each % 7}@example.com"}, kind=f"kind {each % 3}") for each in range(60)]
        rows = rows[::-1] if number % 2 else rows
        try:
            answer = Client(headers=headers).post(
                "/api/v1/activities/batch/",
                {"activities": rows, "create_missing": True},
                content_type="application/json",
            )
            answers.append((answer.status_code, answer.json()))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [status for status, _told in answers] == [200] * 8, answers
    assert sum(each["new"] for _status, each in answers) == 60 == Activity.objects.count()
    assert sum(each["known"] for _status, each in answers) == 420
    assert Person.objects.count() == 7


def test_a_thousand_rows_are_a_few_statements(api: Api, django_assert_max_num_queries: Any) -> None:
    ann = person()
    rows = [told(number, person={"id": ann.pk}, kind=f"kind {number % 9}") for number in range(1000)]
    with django_assert_max_num_queries(11):  # key, use, allowance, zone, whose, write, trail; four of transactions
        assert api.post("/activities/batch/", {"activities": rows})["new"] == 1000
    with django_assert_max_num_queries(11):
        assert api.post("/activities/batch/", {"activities": rows})["known"] == 1000
    told_so = api.refused("post", "/activities/batch/", {"activities": [*rows, told(1000)]}, 400, "too_many_rows")
    assert told_so["field"] == "activities"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"activities": [{"kind": "a\\u0000b"}]}', 400, "bad_unicode"), (b'{"activities": [], "activities": []}', 400, "duplicate_key"),
        (b'{"activities": [{"value": 1e999}]}', 400, "number_out_of_range"), (b"[" * 5000 + b"]" * 5000, 400, "json_too_deep"),
        (b'{"activities": {}}', 400, "not_a_list"), (b"[]", 400, "invalid"), (b"{}", 400, "required"),
        (b'{"activities": [], "user": 1}', 400, "unknown_field"), (b'{"activities": [], "source": ""}', 400, "blank"),
        (b'{"activities": ["' + b"x" * (5 << 20) + b'"]}', 413, "body_too_large"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_is_refused_whole(api: Api, body: bytes, status: int, code: str) -> None:
    answer = api.client.post("/api/v1/activities/batch/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_lists_go_by_time_and_by_number_and_are_narrowed(api: Api) -> None:
    ann, acme = person(), account()
    made = [activity(ann, days_ago(each), "call" if each % 2 else "visit", channel="phone") for each in range(5)]
    other = activity(acme, days_ago(9), source="crm")

    def found(query: str) -> list[int]:
        return [each["id"] for each in api.pages(f"/activities/?limit=2&{query}")]

    ids = [each.pk for each in made]
    assert found("") == [*ids, other.pk]
    assert found("ordering=occurred_at") == [other.pk, *ids[::-1]] and found("ordering=-occurred_at") == [
        *ids,
        other.pk,
    ]
    assert found(f"person={ann.pk}&kind=call") == [ids[1], ids[3]] and found(f"account={acme.pk}") == [other.pk]
    assert found(f"since={days_ago(3).isoformat()}&until={days_ago(1).isoformat()}") == [ids[2], ids[3]]
    assert found("channel=phone&source=tests") == ids and found("source=crm") == [other.pk]
    assert found("kind=nothing") == []
    api.refused("get", "/activities/?person=x", None, 400, "invalid")


def test_a_page_costs_one_query_beside_those_of_the_key(api: Api, django_assert_num_queries: Any) -> None:
    for each in range(3):
        activity(person(), days_ago(each))
    api.get("/activities/")
    with django_assert_num_queries(3):  # the key, its allowance, the page
        assert len(api.get("/activities/")["results"]) == 3


def test_what_did_not_happen_is_taken_back_by_a_row_of_its_own(api: Api) -> None:
    wrong = activity(person(), days_ago(1))
    assert api.post(f"/activities/{wrong.pk}/take-back/")["reversal_of"] == wrong.pk
    api.refused("post", f"/activities/{wrong.pk}/take-back/", None, 409, "taken_back")
    assert Activity.objects.count() == 2


def test_a_salespersons_key_tells_and_reads_of_their_own_alone() -> None:
    mine, other = (user(User.Role.SALES, email) for email in ("mine@example.com", "other@example.com"))
    own, foreign = person(email="own@example.com", owner=mine), person(email="foreign@example.com", owner=other)
    theirs, firm = activity(foreign, days_ago(1)), activity(account(owner=mine), days_ago(2))
    api = Api(mine)
    rows = [told(1, person={"id": own.pk}), told(2, person={"id": foreign.pk}), told(3, person={"email": "foreign@example.com"}),
            told(4, person={"email": "new@example.com"})]  # fmt: skip
    answer = api.post("/activities/batch/", {"activities": rows, "create_missing": True})
    assert answer["new"] == 2 and [(each["row"], each["code"]) for each in answer["errors"]] == [
        (1, "unknown_person"),
        (2, "unknown_person"),
    ]
    assert {each["person"] for each in api.pages("/activities/")} == {
        own.pk,
        None,
        Person.objects.get(email="new@example.com").pk,
    }
    assert Person.objects.get(email="new@example.com").owner == mine and api.get(f"/activities/{firm.pk}/")
    api.refused("get", f"/activities/{theirs.pk}/", None, 404, "not_found")
    api.refused("post", f"/activities/{theirs.pk}/take-back/", None, 404, "not_found")
    viewer = Api(user(User.Role.VIEWER, "viewer@example.com"))
    viewer.refused("post", "/activities/batch/", {"activities": []}, 403, "role_may_not")


def test_bodies_come_over_a_real_socket(live_server: Any) -> None:
    import http.client

    ann = person(email="ann@example.com")
    headers = {"Authorization": f"Bearer {secret_of(ops())}", "Content-Type": "application/json"}
    host, port = live_server.thread.host, live_server.thread.port
    link = http.client.HTTPConnection(host, port)
    body = json.dumps({"activities": [told(each, person={"email": "ann@example.com"}) for each in range(50)]})
    link.request("POST", "/api/v1/activities/batch/", body, headers)
    answer = link.getresponse()
    assert (answer.status, json.loads(answer.read())["new"]) == (200, 50)
    link.request("POST", "/api/v1/activities/batch/", iter([b"{}"]), headers, encode_chunked=True)
    answer = link.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (411, "length_required")
    link.close()
    assert Activity.objects.filter(person=ann).count() == 50
