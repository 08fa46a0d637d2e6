"""The foundation of the REST API, through its first resource: jobs."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from integrations import keys
from kit import jobs
from kit.api import decoding, idempotency, paging
from kit.api.problems import Problem
from kit.instants import after_gap
from kit.models import AuditEntry, IdempotencyKey, Job, User

pytestmark = pytest.mark.django_db
PROBLEM = "application/problem+json"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ops@example.com", "x", role=User.Role.OPS)


class Program(Client):
    """A client that sends no form, as programs do."""

    def post(self, path: str, *args: Any, **kwargs: Any) -> Any:
        return self.generic("POST", path, kwargs.pop("data", ""), **kwargs)


def asking(user: User, *scopes: str) -> Client:
    _key, secret = keys.make("sync", scopes or keys.all_scopes(), user=user, by=None, now=timezone.now())
    return Program(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def api(user: User) -> Client:
    return asking(user)


@pytest.fixture
def work() -> list[Job]:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return Job.objects.bulk_create(
        Job(kind="import", title=f"{number}.csv", state="failed", created_at=start + timedelta(hours=number))
        for number in range(7)
    )


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM), answer.content[:300]
    told = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(told)
    assert (told["status"], told["code"]) == (status, code)
    return told


def refused(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        decoding.decoded(body)
    return caught.value


def test_pages_follow_one_another_and_a_row_that_comes_between_is_not_lost(api: Client, work: list[Job]) -> None:
    address, seen = "/api/v1/jobs/?limit=3", []
    while address:
        page = api.get(address).json()
        seen += [each["id"] for each in page["results"]]
        if len(seen) == 3:
            seen_late = Job.objects.create(kind="import", title="late", created_at=timezone.now()).pk
        address = page["next"]
    assert seen == [each.pk for each in work] + [seen_late]


def test_a_cursor_that_was_touched_or_is_of_another_list_is_refused(api: Client, work: list[Job]) -> None:
    cursor = paging.sealed((1, 1), "kit.api.paging:/api/v1/jobs/:-pk")
    problem(api.get("/api/v1/jobs/", {"cursor": cursor}), 400, "bad_cursor")
    problem(api.get("/api/v1/jobs/?cursor=garbled"), 400, "bad_cursor")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "bad_number"), ("limit=1001", "bad_number"), ("limit=x", "bad_number"), ("limit=٣", "bad_number"),
        ("ordering=payload", "unknown_ordering"), ("sort=id", "unknown_parameter"), ("state=gone", "invalid_choice"),
    ],
)  # fmt: skip
def test_what_a_list_does_not_know_is_an_error_and_not_a_longer_answer(api: Client, query: str, code: str) -> None:
    problem(api.get(f"/api/v1/jobs/?{query}"), 400, code)


def test_without_a_key_or_with_a_wrong_one_nobody_is_answered(client: Client, user: User) -> None:
    told = client.get("/api/v1/jobs/")
    problem(told, 401, "no_key")
    assert told["WWW-Authenticate"].startswith("Bearer")
    for given in ("Bearer x", "Bearer per_0123456789ab_" + "A" * 43, "Bearer", "Basic eDp4", "Bearer \u00fc"):
        problem(client.get("/api/v1/jobs/", headers={"Authorization": given}), 401, "no_key")


def test_a_session_is_no_key(client: Client, user: User) -> None:
    client.force_login(user)
    problem(client.get("/api/v1/jobs/"), 401, "no_key")


def test_a_key_ends_when_it_is_revoked_or_expires_or_its_user_may_not_sign_in(client: Client, user: User) -> None:
    now = timezone.now()
    for end in ("revoked", "expired", "closed"):
        key, secret = keys.make(end, ["imports:read"], user=user, by=None, now=now)
        headers = {"Authorization": f"Bearer {secret}"}
        assert client.get("/api/v1/jobs/", headers=headers).status_code == 200
        if end == "revoked":
            assert keys.revoke(key, by=None, now=now) and not keys.revoke(key, by=None, now=now)
        elif end == "expired":
            type(key).objects.filter(pk=key.pk).update(expires_at=now)
        else:
            User.objects.filter(pk=user.pk).update(is_active=False)
        problem(client.get("/api/v1/jobs/", headers=headers), 401, "no_key")


def test_a_key_is_kept_as_a_digest_alone(user: User) -> None:
    key, secret = keys.make("sync", ["imports:read"], user=user, by=None, now=timezone.now())
    kept = json.dumps([str(value) for value in type(key).objects.filter(pk=key.pk).values_list()[0]])
    assert secret not in kept and secret.rsplit("_", 1)[-1] not in kept and key.prefix in kept
    assert secret not in str(list(AuditEntry.objects.values()))


def test_a_key_may_what_its_scopes_and_its_users_role_may(user: User, work: list[Job]) -> None:
    retry = f"/api/v1/jobs/{work[0].pk}/retry/"
    reader = asking(user, "imports:read", "people:write")
    assert reader.get("/api/v1/jobs/").status_code == 200
    assert problem(reader.post(retry), 403, "scope_missing")["scope"] == "imports:write"
    problem(asking(user, "people:write").get("/api/v1/jobs/"), 403, "scope_missing")
    viewer = asking(User.objects.create_user("viewer@example.com", "x", role=User.Role.VIEWER))
    problem(viewer.post(retry), 403, "role_may_not")
    assert asking(user, "imports:write").get("/api/v1/jobs/").status_code == 200


def test_an_unchanged_thing_is_not_sent_again(api: Client, work: list[Job]) -> None:
    address = f"/api/v1/jobs/{work[0].pk}/"
    first = api.get(address)
    again = api.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Job.objects.filter(pk=work[0].pk).update(rows_done=1)
    assert api.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize(
    "address", ["/api/v1/", "/api/v1/nothing/", "/api/v1/jobs/999/", f"/api/v1/jobs/{'9' * 5000}/"]
)
def test_where_nothing_is_a_program_is_told_so_in_json(api: Client, address: str) -> None:
    problem(api.get(address), 404, "not_found")


def test_a_method_that_a_resource_does_not_have_is_told_in_json(api: Client) -> None:
    problem(api.delete("/api/v1/jobs/"), 405, "method_not_allowed")
    problem(api.options("/api/v1/jobs/"), 405, "method_not_allowed")


# ---- bodies ----


def test_what_is_sound_is_read_as_it_stands() -> None:
    assert decoding.decoded(b'\xef\xbb\xbf{"a": [1, 2.5, "\\u00e9\\ud83d\\ude00", "}]\\"{"], "b": null}') == {
        "a": [1, 2.5, "é😀", '}]"{'],
        "b": None,
    }
    assert decoding.decoded(b"[" * 64 + b"]" * 64)
    assert decoding.depth(b'{"a\\\\": [{"[[[": "]]]\\"["}]}') == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "json_too_deep"), (b"[" * 65 + b"]" * 65, "json_too_deep"),
        (b'{"a":' * 10_000, "json_too_deep"), (b"", "bad_json"), (b"{", "bad_json"), (b'"\x00"', "bad_json"),
        (b'{"a": "\\u0000"}', "bad_unicode"), (b'{"a": ["\\ud800"]}', "bad_unicode"), (b'{"\\udfff": 1}', "bad_unicode"),
        (b"[NaN]", "number_out_of_range"), (b"[-Infinity]", "number_out_of_range"), (b"[1e400]", "number_out_of_range"),
        (b"[9223372036854775808]", "number_out_of_range"), (b"[" + b"1" * 5000 + b"]", "number_out_of_range"),
        (b"[0." + b"1" * 5000 + b"]", "number_out_of_range"), (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b"[" + b'{"b": {"a": 1, "a": 1}}' + b"]", "duplicate_key"), ("{}".encode("utf-16"), "not_utf8"),
        (b'{"a": "\xff"}', "not_utf8"),
    ],
)  # fmt: skip
def test_what_two_readers_would_understand_differently_is_refused(body: bytes, code: str) -> None:
    found = refused(body)
    assert (found.status_code, found.code) == (400, code)


def test_a_refusal_says_where() -> None:
    assert refused(b'{"a": [{"b": "x\\u0000"}]}').more["path"] == "$.a[0].b"
    assert refused(b'{"a": "\xff"}').more["offset"] == 7
    assert "twice" in str(refused(b'{"twice": 1, "twice": 2}').detail)


def test_a_body_over_the_limit_and_another_kind_of_body_are_refused(
    api: Client, work: list[Job], settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    address = f"/api/v1/jobs/{work[0].pk}/retry/"
    big = api.post(
        address, data="[" + "1," * 100 + "1]", content_type="application/json", headers={"Idempotency-Key": "a"}
    )
    assert problem(big, 413, "body_too_large")
    assert Job.objects.filter(state="failed").count() == 7


# ---- once ----


def test_a_request_sent_again_with_its_key_is_done_once_and_answered_the_same(api: Client, work: list[Job]) -> None:
    address, headers = f"/api/v1/jobs/{work[0].pk}/retry/", {"Idempotency-Key": "one"}
    first = api.post(address, headers=headers)
    again = api.post(address, headers=headers)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert again["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    problem(api.post(address), 409, "job_not_ended")
    other = f"/api/v1/jobs/{work[1].pk}/retry/"
    problem(api.post(other, headers=headers), 422, "idempotency_key_reused")


def test_what_was_refused_may_be_tried_again_with_the_same_key(api: Client, work: list[Job]) -> None:
    Job.objects.filter(pk=work[0].pk).update(state="done")
    address, headers = f"/api/v1/jobs/{work[0].pk}/retry/", {"Idempotency-Key": "one"}
    problem(api.post(address, headers=headers), 409, "job_not_ended")
    Job.objects.filter(pk=work[0].pk).update(state="failed")
    assert api.post(address, headers=headers).status_code == 200


def test_while_the_first_is_worked_on_the_second_waits(api: Client, user: User, work: list[Job]) -> None:
    now = timezone.now()
    address, headers = f"/api/v1/jobs/{work[0].pk}/retry/", {"Idempotency-Key": "one"}
    api.post(address, headers=headers)
    IdempotencyKey.objects.update(status=None, answer=None, created_at=now)
    answer = api.post(address, headers=headers)
    problem(answer, 409, "still_in_flight")
    assert int(answer["Retry-After"]) > 0
    IdempotencyKey.objects.update(created_at=now - idempotency.LEASE - timedelta(seconds=1))
    problem(api.post(address, headers=headers), 409, "job_not_ended")
    assert not IdempotencyKey.objects.exists()


def test_two_users_may_use_the_same_key(user: User, work: list[Job]) -> None:
    headers = {"Idempotency-Key": "one"}
    other = User.objects.create_user("other@example.com", "x", role=User.Role.OPS)
    assert asking(user).post(f"/api/v1/jobs/{work[0].pk}/retry/", headers=headers).status_code == 200
    assert asking(other).post(f"/api/v1/jobs/{work[1].pk}/retry/", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 201, "é"])
def test_an_unusable_key_is_told(api: Client, work: list[Job], key: str) -> None:
    address = f"/api/v1/jobs/{work[0].pk}/retry/"
    problem(api.post(address, headers={"Idempotency-Key": key}), 400, "bad_idempotency_key")


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_with_one_key_do_it_once(user: User) -> None:
    _key, secret = keys.make("sync", ["imports:write"], user=user, by=None, now=timezone.now())
    job = Job.objects.create(kind="import", state="failed", created_at=timezone.now(), attempts=3)
    told: list[int] = []

    def send() -> None:
        try:
            answer = Program().post(
                f"/api/v1/jobs/{job.pk}/retry/", headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "one"}
            )
            told.append(answer.status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(told) <= {200, 409} and 200 in told
    assert IdempotencyKey.objects.get().status == 200


# ---- times ----


def test_a_gap_of_the_clocks_names_the_next_time_that_there_is() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert after_gap(datetime.fromisoformat("2025-03-30T02:30"), berlin).isoformat() == "2025-03-30T03:00:00+02:00"
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert after_gap(datetime.fromisoformat("2025-10-05T02:10"), lord_howe).isoformat() == "2025-10-05T02:30:00+11:00"


def test_what_a_key_does_bears_its_name_in_the_ledgers(user: User) -> None:
    from kit import audit

    with audit.speaking():
        audit.through("sync")
        assert audit.actor_of(user) == "ops@example.com (sync)"
    assert audit.actor_of(user) == "ops@example.com"


def test_the_document_is_served_and_describes_every_operation(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]["/api/v1/jobs/{id}/cancel/"]) == {"post"}
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_jobs_kinds_are_counted_as_they_say(api: Client, work: list[Job]) -> None:
    assert api.get(f"/api/v1/jobs/{work[0].pk}/").json()["counts"] == jobs.counts(work[0])
