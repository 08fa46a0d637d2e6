"""Imports over the API: a file is sent as a form or bare, read in a job, and answered for."""

from __future__ import annotations

import http.client
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from audience.importing import rollback
from audience.models import Import, Person
from kit import jobs
from kit.models import IdempotencyKey, User
from tests.asking import Api, problem, secret_of, user

pytestmark = pytest.mark.django_db
LEADS = b"Id,Email,Country\n1,ann@example.com,DE\n2,bob@example.com,FR\n3,nonsense,DE\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    settings.UPLOADS = tmp_path / "uploads"
    return settings.UPLOADS  # type: ignore[no-any-return]


def ops() -> User:
    return user(User.Role.OPS, "ops@example.com")


@pytest.fixture
def api() -> Api:
    return Api(ops())


def send(api: Api, content: bytes = LEADS, headers: dict[str, str] | None = None, **given: Any) -> Any:
    form = {"kind": "people", "source": "crm", "file": SimpleUploadedFile("leads.csv", content)} | given
    return api.client.post("/api/v1/imports/", form, headers=headers or {})


def bare(api: Api, query: str, content: bytes = LEADS, **headers: str) -> Any:
    return api.client.post(f"/api/v1/imports/?{query}", content, content_type="text/csv", headers=headers)


def work() -> None:
    for job in jobs.Job.objects.filter(state="queued"):
        jobs.run(job.pk, timezone.now())


def test_a_file_is_taken_in_read_by_its_job_and_answered_for(api: Api) -> None:
    answer = send(api)
    taken = answer.json()
    assert answer.status_code == 202 and answer["Location"] == f"/api/v1/imports/{taken['id']}/"
    assert (taken["job"]["state"], taken["counts"], taken["file_name"]) == ("queued", {}, "leads.csv")
    assert taken["mapping"] == {"Id": ["external_id"], "Email": ["email"], "Country": ["country"]}
    asked_for = timezone.now() - timedelta(hours=1)  # it waited for an hour
    Import.objects.update(created_at=asked_for)
    work()
    done = api.get(f"/imports/{taken['id']}/")
    assert done["job"]["state"] == "done"
    assert done["job"]["started_at"] < done["finished_at"] <= done["job"]["finished_at"]
    assert done["counts"] == {
        "rows": 3,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "repeated": 0,
        "rejected": 1,
    }
    assert set(Person.objects.values_list("email", "created_source")) == {
        ("ann@example.com", "crm"),
        ("bob@example.com", "crm"),
    }
    [reject] = api.pages(f"/imports/{taken['id']}/rejects/")
    assert reject == {"row": 4, "column": "Email", "reason": "is no email address", "raw": ["3", "nonsense", "DE"]}
    file = api.client.get(f"/api/v1/imports/{taken['id']}/rejects/csv/", headers={"Accept": "text/csv"})
    assert file["Content-Type"].startswith("text/csv") and b"4,Email,is no email address,3,nonsense,DE" in b"".join(
        file
    )
    assert [each["id"] for each in api.get("/imports/?kind=people&source=crm&state=done&q=leads")["results"]] == [
        taken["id"]
    ]


def test_a_bare_file_is_told_of_in_the_address(api: Api) -> None:
    mapping = '{"Email": "email", "=web": "source"}'
    answer = bare(api, f"kind=people&source=crm&name=leads.csv&policy=create&mapping={mapping}")
    assert answer.status_code == 202, answer.content
    assert answer.json()["mapping"] == {"Email": ["email"], "=web": ["source"]} and answer.json()["policy"] == "create"
    work()
    assert set(Person.objects.values_list("email", "country", "source")) == {
        ("ann@example.com", "", "web"),
        ("bob@example.com", "", "web"),
    }


def test_a_dry_run_writes_nothing_and_may_be_followed_by_the_real_thing(api: Api) -> None:
    taken = send(api, dry_run="true").json()
    api.refused("post", f"/imports/{taken['id']}/begin/", {}, 409, "busy")
    work()
    assert api.get(f"/imports/{taken['id']}/")["counts"]["created"] == 2 and not Person.objects.exists()
    assert api.post(f"/imports/{taken['id']}/begin/", {"policy": "create"}, 202)["policy"] == "create"
    work()
    assert Person.objects.count() == 2
    api.refused("post", f"/imports/{taken['id']}/begin/", {}, 409, "done")


@pytest.mark.parametrize(
    ("content", "given", "code"),
    [
        (b"", {}, "empty"), (b"Email\n", {}, "empty"), (b"%PDF-1.7\n\x00\x01\x02" * 50, {}, "not_csv"), (LEADS, {"kind": "cats"}, "unknown_kind"),
        (LEADS, {"policy": "maybe"}, "invalid_choice"), (LEADS, {"mapping": "[]"}, "bad_mapping"), (LEADS, {"mapping": "{"}, "bad_json"),
        (LEADS, {"mapping": '{"Nope": "email"}'}, "unknown_column"), (LEADS, {"mapping": '{"Email": "nope"}'}, "unknown_field"),
        (LEADS, {"mapping": '{"Country": "country"}'}, "missing_field"), (LEADS, {"mapping": '{"Email": 1}'}, "bad_mapping"),
        (LEADS, {"nope": "1"}, "unknown_field"), (LEADS, {"kind": ""}, "blank"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_and_leaves_no_file(
    api: Api, uploads: Path, content: bytes, given: dict[str, Any], code: str
) -> None:
    answer = send(api, content, **given)
    problem(answer, 400, code)
    assert not Import.objects.exists() and not (uploads.is_dir() and list(uploads.iterdir()))


def test_a_file_beyond_the_limit_is_refused_before_it_fills_the_disk(api: Api, uploads: Path, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1000
    big = LEADS + b"9,x@example.com,DE\n" * 200_000
    problem(send(api, big), 413, "body_too_large")
    problem(bare(api, "kind=people", big), 413, "body_too_large")
    problem(bare(api, "kind=people", LEADS * 20), 413, "body_too_large")
    assert not Import.objects.exists() and not (uploads.is_dir() and list(uploads.iterdir()))


def test_an_upload_sent_again_with_its_key_is_done_once_however_large(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    large = LEADS + b"".join(b"%d,p%d@example.com,DE\n" % (number, number) for number in range(10, 5000))
    one = {"Idempotency-Key": "one"}
    first, again = (send(api, large, headers=one) for _each in range(2))
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 202, first.json()["id"])
    assert again["Idempotent-Replayed"] == "true" and again["Location"] == first["Location"]
    problem(send(api, large[:-1], headers=one), 422, "idempotency_key_reused")
    problem(send(api, large, headers=one, source="other"), 422, "idempotency_key_reused")
    assert bare(api, "kind=people", large, **{"Idempotency-Key": "two"}).status_code == 202
    assert bare(api, "kind=people", large, **{"Idempotency-Key": "two"})["Idempotent-Replayed"] == "true"
    problem(bare(api, "kind=people", LEADS, **{"Idempotency-Key": "two"}), 422, "idempotency_key_reused")
    assert Import.objects.count() == 2 == IdempotencyKey.objects.count()


def test_other_bodies_are_no_files(api: Api) -> None:
    api.refused("post", "/imports/", {"kind": "people"}, 400, "required")
    api.refused("post", "/imports/", [], 400, "invalid")
    answer = api.client.post("/api/v1/imports/", b"x", content_type="application/pdf")
    problem(answer, 415, "unsupported_media_type")


def test_imports_are_for_those_who_may_edit_and_rejects_for_those_who_see_everybody(api: Api) -> None:
    taken = send(api).json()
    work()
    sales = Api(user(User.Role.SALES, "sales@example.com"))
    problem(send(sales), 403, "role_may_not")
    assert sales.get(f"/imports/{taken['id']}/")["counts"]["rejected"] == 1
    sales.refused("get", f"/imports/{taken['id']}/rejects/", None, 404, "not_found")
    sales.refused("get", f"/imports/{taken['id']}/rejects/csv/", None, 404, "not_found")
    api.refused("get", "/imports/999/rejects/", None, 404, "not_found")
    Api(User.objects.get(email="ops@example.com"), "people:write").refused(
        "get", "/imports/", None, 403, "scope_missing"
    )


def test_a_file_comes_over_a_real_socket_in_pieces(live_server: Any) -> None:
    link = http.client.HTTPConnection(live_server.thread.host, live_server.thread.port)
    headers = {
        "Authorization": f"Bearer {secret_of(ops())}",
        "Content-Type": "text/csv",
        "Content-Length": str(len(LEADS)),
    }
    link.putrequest("POST", "/api/v1/imports/?kind=people&source=crm")
    for name, value in headers.items():
        link.putheader(name, value)
    link.endheaders()
    for start in range(0, len(LEADS), 20):
        link.send(LEADS[start : start + 20])
    answer = link.getresponse()
    assert answer.status == 202, answer.read()
    work()
    assert Person.objects.count() == 2


def test_a_whole_import_is_rolled_back_and_told_of_before_and_after(api: Api) -> None:
    place = f"/imports/{send(api).json()['id']}/"
    problem(api.client.get(f"/api/v1{place}rollback/"), 409, "busy")
    work()
    foreseen = api.client.get(f"/api/v1{place}rollback/").json()
    assert foreseen == [{"table": "person", "values": False, "label": "People", "goes": 2, "stays": []}]
    begun = api.client.post(f"/api/v1{place}rollback/")
    assert begun.status_code == 202 and begun.json()["rollback"]["state"] == "queued"
    work()
    done = api.get(place)
    assert done["rollback"]["state"] == "done" and done["rolled_back_at"]
    assert not Person.objects.filter(erased_at=None).exists()
    problem(api.client.post(f"/api/v1{place}rollback/"), 409, "rolled_back")


def test_of_a_large_import_a_job_says_what_rolling_it_back_would_do(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(rollback, "AT_HAND", 0)
    place = f"/imports/{send(api).json()['id']}/rollback/"
    problem(api.client.post(f"/api/v1{place}preview/"), 409, "busy")
    work()
    problem(api.client.get(f"/api/v1{place}"), 409, "preview_needed")
    begun = api.client.post(f"/api/v1{place}preview/")
    again = api.client.post(f"/api/v1{place}preview/")
    assert begun.status_code == again.status_code == 202 and begun.json()["job"] == again.json()["job"]
    work()
    [line] = api.client.get(f"/api/v1{place}").json()
    assert (line["label"], line["goes"]) == ("People", 2)
