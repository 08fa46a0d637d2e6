"""Mappings that are kept, and schedules, as programs make and use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audience.api.mappings import GIVEN
from audience.api.schedules import GIVEN as SCHEDULE
from audience.models import ImportSchedule, Person, SavedMapping
from kit import jobs, secrets
from kit.models import User
from tests.asking import Api, problem, user
from tests.audience.api.test_imports import ops, send

pytestmark = pytest.mark.django_db
FAIR = b"Id,Email,Source,Seen\n1,ann@example.com,Select,03/04/2024\n2,bob@example.com,Google,04/04/2024\n"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> None:
    settings.UPLOADS = tmp_path / "uploads"


@pytest.fixture
def api() -> Api:
    return Api(ops())


def post(api: Api, address: str, body: dict[str, Any], method: str = "post") -> Any:
    return getattr(api.client, method)(f"/api/v1{address}", json.dumps(body), content_type="application/json")


def work() -> None:
    while job := jobs.Job.objects.filter(state="queued").first():
        jobs.run(job.pk, timezone.now())


def test_a_file_is_read_by_a_mapping_that_is_kept(api: Api) -> None:
    made = post(api, "/import-mappings/", GIVEN)
    assert made.status_code == 201 and made.json()["values"] == GIVEN["values"]
    answer = api.client.post("/api/v1/imports/", {"file": _file(FAIR), "saved_mapping": "leads of the fair"})
    assert answer.status_code == 202, answer.content
    assert (answer.json()["kind"], answer.json()["source"]) == ("people", "fair")
    work()
    assert {(each.source, each.first_seen_at.month) for each in Person.objects.all()} == {("", 4), ("google", 4)}
    problem(
        api.client.post("/api/v1/imports/", {"file": _file(FAIR), "saved_mapping": "nobody's"}), 400, "unknown_mapping"
    )
    twice = {"file": _file(FAIR), "saved_mapping": "Leads of the fair", "policy": "fill"}
    assert problem(api.client.post("/api/v1/imports/", twice), 400, "told_twice")["field"] == "policy"
    problem(
        api.client.post("/api/v1/imports/", {"file": _file(b"Id\n1\n"), "saved_mapping": "Leads of the fair"}),
        400,
        "columns_missing",
    )


def _file(content: bytes) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("fair.csv", content)


def test_values_and_formats_are_told_with_a_file_and_refused_in_words(api: Api) -> None:
    told = {"kind": "people", "values": json.dumps({"Source": {"Select": ""}}), "dates": json.dumps({"Seen": "dmy"}),
            "mapping": json.dumps({"Email": "email", "Source": "source", "Seen": "first_seen"})}  # fmt: skip
    assert send(api, FAIR, **told).status_code == 202
    work()
    assert set(Person.objects.values_list("source", flat=True)) == {"", "Google"}
    problem(send(api, FAIR, **{**told, "dates": json.dumps({"Seen": "xyz"})}), 400, "bad_options")
    problem(send(api, FAIR, **{**told, "values": "[1]"}), 400, "wrong_type")
    problem(send(api, FAIR, **{**told, "zones": json.dumps({"Nothing": "UTC"})}), 400, "unknown_column")
    assert api.client.post("/api/v1/imports/", {"file": _file(FAIR)}).json()["kind"] == "people"  # found out


def test_mappings_are_changed_and_thrown_away_but_not_under_a_schedule(api: Api) -> None:
    made = post(api, "/import-mappings/", GIVEN).json()
    one = f"/import-mappings/{made['id']}/"
    problem(post(api, "/import-mappings/", GIVEN), 409, "name_taken")
    problem(
        post(api, "/import-mappings/", {**GIVEN, "name": "X", "mapping": {"Nothing": "email"}}), 400, "unknown_column"
    )
    problem(post(api, "/import-mappings/", {**GIVEN, "name": "X", "kind": "ghosts"}), 400, "unknown_kind")
    changed = post(api, one, {"name": "Fair in Ulm", "values": {"Source": {"Select": "fair"}}}, "patch")
    assert changed.status_code == 200, changed.content
    assert (changed.json()["name"], changed.json()["values"]) == ("Fair in Ulm", {"Source": {"Select": "fair"}})
    assert changed.json()["dates"] == {"Seen": "dmy"}  # what is left out stays
    made = post(api, "/import-schedules/", {**SCHEDULE, "mapping": "Fair in Ulm"})
    assert made.status_code == 201, made.content
    problem(api.client.delete(f"/api/v1{one}"), 409, "in_use")
    assert api.client.delete(f"/api/v1/import-schedules/{made.json()['id']}/").status_code == 204
    assert api.client.delete(f"/api/v1{one}").status_code == 204
    assert not SavedMapping.objects.exists()


def test_a_secret_is_written_and_never_read(api: Api) -> None:
    post(api, "/import-mappings/", {**GIVEN, "name": SCHEDULE["mapping"]})
    made = post(api, "/import-schedules/", SCHEDULE).json()
    one = f"/import-schedules/{made['id']}/"
    assert made["has_secret"] and "secret" not in made and SCHEDULE["secret"] not in json.dumps(api.get(one))
    assert secrets.opened(ImportSchedule.objects.get().secret) == SCHEDULE["secret"]
    assert post(api, one, {"every": "hour"}, "patch").json()["has_secret"]
    problem(post(api, one, {"url": "https://evil.example.com/"}, "patch"), 400, "no_secret")
    for url in ("http://localhost:6379/", "file:///etc/passwd", "https://u:p@example.com/"):
        problem(post(api, one, {"url": url, "secret": "x"}, "patch"), 400, "bad_address")
    problem(post(api, one, {"place": "folder", "folder": "../etc"}, "patch"), 400, "bad_folder")
    assert api.post(f"{one}start/", {}, status=202)["last"]["outcome"] == "open"
    problem(post(api, f"{one}start/", {}), 409, "busy")
    assert post(api, f"{one}pause/", {}).json()["paused_at"]
    assert post(api, f"{one}resume/", {}).json()["paused_at"] is None


def test_a_key_without_the_scope_sees_none() -> None:
    api = Api(user(User.Role.OPS, "other@example.com"), "people:read")
    for address in ("/import-schedules/", "/import-mappings/"):
        api.refused("get", address, None, 403, "scope_missing")
