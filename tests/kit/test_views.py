"""Sign-in, jobs, error pages: what a user meets at the edges of the kit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from kit import progress
from kit.models import Job, User

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
PASSWORD = "a long password"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.OPS)


def make_job(**values: object) -> Job:
    return Job.objects.create(**({"kind": "sample", "title": "people.csv", "created_at": NOW} | values))


def test_the_right_password_leads_to_where_the_user_wanted_to_go(client: Client, ada: User) -> None:
    refused = client.get("/operations/jobs/?state=done")
    assert refused["Location"] == "/sign-in/?next=/operations/jobs/%3Fstate%3Ddone"
    form = {"username": " Ada@Perennial.example ", "password": PASSWORD, "next": "/operations/jobs/?state=done"}
    assert client.post("/sign-in/", form)["Location"] == "/operations/jobs/?state=done"


def test_a_wrong_password_is_refused_without_saying_which_half_was_wrong(client: Client, ada: User) -> None:
    answers = []
    for email in ("ada@perennial.example", "nobody@perennial.example"):
        response = client.post("/sign-in/", {"username": email, "password": "wrong"})
        assert "do not belong together" in response.content.decode()
        answers.append(response.context["form"].non_field_errors())
    assert answers[0] == answers[1]


def test_signing_in_never_leads_to_another_site(client: Client, ada: User) -> None:
    form = {"username": ada.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/sign-in/", form)["Location"] == "/"


def test_a_part_of_a_page_asked_for_after_the_session_ended_reloads_the_page(client: Client, db: None) -> None:
    headers = {"HX-Request": "true", "HX-Target": "job-1"}
    response = client.get("/operations/jobs/1/", headers=headers, follow=True)
    assert response["HX-Refresh"] == "true" and response.content == b""


def test_sign_out_takes_a_post_and_ends_the_session(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/operations/jobs/").status_code == 302


def test_a_missing_page_says_so_in_the_frame_for_those_signed_in_and_without_it_for_others(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    response = client.get("/operations/jobs/999/")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode() and "Sign out" in response.content.decode()


def test_a_form_without_its_token_is_refused_in_our_words(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/sign-in/", {"username": ada.email, "password": PASSWORD})
    assert response.status_code == 403
    assert "open for too long" in response.content.decode()


def test_every_page_forbids_what_did_not_come_from_here(client: Client, db: None) -> None:
    policy = client.get("/sign-in/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe-inline" not in policy


def test_the_styleguide_shows_every_component(client: Client, ada: User) -> None:
    client.force_login(ada)
    page = client.get("/styleguide/").content.decode()
    for mark in (
        "stat__value",
        "funnel__row",
        "timeline__item",
        "species--partner",
        "note--bad",
        "<dialog",
        "progress--bad",
    ):
        assert mark in page


# ---- jobs ----


def test_an_open_job_asks_for_itself_again_and_an_ended_one_does_not(client: Client, ada: User) -> None:
    client.force_login(ada)
    job = make_job(state="running", rows_done=250, rows_total=1000, started_at=NOW)
    headers = {"HX-Request": "true", "HX-Target": f"job-{job.pk}"}
    part = client.get(f"/operations/jobs/{job.pk}/", headers=headers).content.decode()
    assert 'hx-trigger="every 1s"' in part and "25%" in part and "250 of 1,000 rows" in part and "<html" not in part
    Job.objects.update(state="done", rows_done=1000, finished_at=NOW + timedelta(seconds=75), result={"created": 998})
    ended = client.get(f"/operations/jobs/{job.pk}/", headers=headers).content.decode()
    assert "hx-trigger" not in ended and "took 1 min 15 s" in ended and "998" in ended


def test_a_page_that_shows_what_a_job_makes_is_loaded_anew_when_it_has_ended(client: Client, ada: User) -> None:
    client.force_login(ada)
    job = make_job(state="running", rows_done=250, rows_total=1000, started_at=NOW)
    headers = {"HX-Request": "true", "HX-Target": f"job-{job.pk}"}
    asked = client.get(f"/operations/jobs/{job.pk}/?renews=yes", headers=headers)
    assert f'hx-get="/operations/jobs/{job.pk}/?renews=yes"' in asked.content.decode()
    Job.objects.update(state="done", finished_at=NOW)
    ended = client.get(f"/operations/jobs/{job.pk}/?renews=yes", headers=headers)
    assert ended["HX-Trigger-After-Swap"] == "renew" and "hx-trigger" not in ended.content.decode()  # it asks no more
    assert "HX-Trigger-After-Swap" not in client.get(f"/operations/jobs/{job.pk}/", headers=headers)


def test_cancelling_a_waiting_job_ends_it_and_cancelling_it_again_says_that_it_had_ended(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    job = make_job()
    page = client.post(f"/operations/jobs/{job.pk}/cancel/", follow=True).content.decode()
    assert "Cancelled" in page and "Try again" in page
    assert "had already ended" in client.post(f"/operations/jobs/{job.pk}/cancel/", follow=True).content.decode()


def test_a_failed_job_shows_its_reason_and_can_be_tried_again(client: Client, ada: User) -> None:
    client.force_login(ada)
    job = make_job(state="failed", error="Row 301 has 14 cells.", attempts=3)
    assert "Row 301 has 14 cells." in client.get(f"/operations/jobs/{job.pk}/").content.decode()
    client.post(f"/operations/jobs/{job.pk}/retry/")
    job.refresh_from_db()
    assert job.state == "queued"


def test_cancelling_by_a_mere_link_is_refused(client: Client, ada: User) -> None:
    client.force_login(ada)
    job = make_job()
    assert client.get(f"/operations/jobs/{job.pk}/cancel/").status_code == 405
    job.refresh_from_db()
    assert job.state == "queued"


def test_after_cancelling_the_user_stays_on_a_page_of_ours(client: Client, ada: User) -> None:
    client.force_login(ada)
    job = make_job()
    response = client.post(f"/operations/jobs/{job.pk}/cancel/", {"next": "//evil.example/"})
    assert response["Location"] == f"/operations/jobs/{job.pk}/"


def test_progress_knows_no_percent_without_a_total_and_never_more_than_a_hundred() -> None:
    running = Job(state="running", rows_done=30, started_at=NOW)
    assert progress.of(running, NOW).percent is None
    running.rows_total = 20
    assert progress.of(running, NOW).percent == 100


def test_a_result_leads_only_to_pages_of_this_installation() -> None:
    for link, kept in (("/data/imports/3/", "/data/imports/3/"), ("//evil.example", ""), ("javascript:x", ""), (7, "")):
        assert progress.of(Job(state="done", result={"link": link, "created": 3}), NOW).link == kept
