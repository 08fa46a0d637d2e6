"""What machines ask: does it live, is it ready, what are its figures; and what a stranger learns by asking."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audience import live
from campaigns.models import Message
from kit import heartbeats, leases, metrics
from kit.models import Heartbeat, Job
from kit.sql import sql
from kit.views import probes
from lifecycle.models import Lifecycle
from reporting.models import LedgerCheck
from tests.campaigns import mailing
from tests.factories import NOW, person

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}
ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7"}


def scraped(client: Client, **given: Any) -> dict[tuple[str, str], float]:
    """Every figure by its name and the value of its label (or of its route)."""
    answer = client.get("/metrics", **LOCAL | given)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    return {
        (sample.name.removeprefix("perennial_"), " ".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


# ---- life and readiness ----


def test_a_process_lives_whatever_becomes_of_the_database(client: Client) -> None:
    """Without a database at hand: the test would fail for asking it."""
    for host in ("testserver", "10.0.0.7:8000"):
        answer = client.get("/healthz", headers={"host": host})
        assert (answer.status_code, answer.json()) == (200, {"alive": True})
        assert answer["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_it_is_ready_when_the_database_answers_and_is_prepared(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["perennial.example"], True
    answer = client.get("/readyz", headers={"host": "10.0.0.7:8000"}, **ELSEWHERE)
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": [], "broker": "answers"})


@pytest.mark.django_db
def test_while_a_migration_is_missing_it_is_not_ready(client: Client) -> None:
    MigrationRecorder(connection).record_unapplied("kit", "0004_operations")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the database is being prepared, or still is to be: migrations are missing"]


@pytest.mark.django_db
def test_before_the_first_migration_it_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO elsewhere")
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db(transaction=True)
def test_without_a_database_it_is_not_ready_and_says_so_without_saying_where_it_would_be(client: Client) -> None:
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = "perennial_that_is_not_there"
    try:
        answer = client.get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    assert answer.status_code == 503 and answer.json()["reasons"] == ["the database does not answer"]
    assert b"perennial_that" not in answer.content


@pytest.mark.django_db
def test_a_broker_that_is_away_is_told_and_stands_in_nobodys_way(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0", raising=False)
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    answer = client.get("/readyz")
    assert answer.status_code == 200 and "does not answer" in answer.json()["broker"]


@pytest.mark.parametrize("path", list(probes.PROBES))
def test_only_looking_is_answered(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


# ---- who may read the figures ----


@pytest.mark.django_db
def test_figures_are_for_this_machine_and_for_whoever_shows_the_token(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "a token of some length"
    right = {"authorization": "Bearer a token of some length"}
    assert client.get("/metrics", **LOCAL).status_code == 200
    assert client.get("/metrics", headers=right, **ELSEWHERE).status_code == 200
    for wrong in ("", "Bearer ", "Bearer a token of some lengt", "Bearer ä", "a token of some length"):
        answer = client.get("/metrics", headers={"authorization": wrong}, **ELSEWHERE)
        assert answer.status_code == 401 and b"perennial" not in answer.content


def test_without_a_token_nobody_elsewhere_may_and_an_empty_one_opens_nothing(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    for given in ("Bearer ", "Bearer", ""):
        assert client.get("/metrics", headers={"authorization": given}, **ELSEWHERE).status_code == 401


def test_what_a_proxy_on_this_machine_passes_on_does_not_come_from_this_machine(client: Client, settings: Any) -> None:
    for header in probes.PASSED_ON:
        assert client.get("/metrics", headers={header: "203.0.113.7"}, **LOCAL).status_code == 401
    settings.TRUSTED_PROXIES = 1
    assert client.get("/metrics", **LOCAL).status_code == 401
    settings.TRUSTED_PROXIES = 0
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, **ELSEWHERE).status_code == 401


# ---- what the figures say ----


@pytest.mark.django_db
def test_requests_are_counted_by_route_and_status_and_not_by_what_strangers_ask_for(client: Client) -> None:
    before = scraped(client)
    for path in ("/sign-in/", "/sign-in/?x=1", "/no/such/page/", f"/no/{'x' * 200}/", "/people/"):
        client.get(path)
    after = scraped(client)

    def came(key: str) -> float:
        name = ("request_seconds_count", key)
        return after[name] - before.get(name, 0)

    assert (came("sign_in 200"), came("none 404"), came("people 302")) == (2, 2, 1)
    assert not any(label.startswith("probe 2") or "xxx" in label for _name, label in after)


@pytest.fixture
def patient(monkeypatch: Any) -> None:
    """However busy the machine of the tests is."""
    monkeypatch.setattr(metrics, "EACH", 60.0)
    monkeypatch.setattr(metrics, "ALL", 60.0)


@pytest.mark.django_db
def test_the_work_is_told_as_the_rows_tell_it(client: Client, patient: None) -> None:
    long_ago = leases.until(-timedelta(hours=1))
    Job.objects.create(kind="sample", state="queued", created_at=NOW)
    Job.objects.filter(kind="sample").update(created_at=long_ago)
    Job.objects.create(kind="sample", state="failed", error="broken", created_at=NOW, finished_at=NOW)
    Job.objects.create(kind="sample", state="done", created_at=NOW)
    heartbeats.beat("worker@here", "quick")
    Heartbeat.objects.create(worker="jobs@gone", queues="jobs", started_at=NOW, seen_at=NOW)
    person()
    message = mailing.queued(mailing.running())
    lifecycle = Lifecycle.objects.create(slug="leads", name="Leads", species="net_new", created_at=NOW)
    for hour, found in enumerate((3, 0)):
        at = NOW + timedelta(hours=hour)
        LedgerCheck.objects.create(lifecycle=lifecycle, checked_at=at, memberships=1, movements=1, found=found)
    told = scraped(client)
    assert told["jobs", "queued"] == 1 and told["jobs", "running"] == 0
    assert 3500 < told["job_oldest_waiting_seconds", ""] < 3700
    assert told["dead_letters", "job"] == 1
    assert told["workers", "quick"] == 1 and told["workers", "jobs"] == 0
    assert told["heartbeat_age_seconds", "worker@here"] < 5 < told["heartbeat_age_seconds", "jobs@gone"]
    assert told["marks_waiting", ""] == live.waiting()[0] > 0
    assert told["messages", "queued"] == Message.objects.filter(state="queued").count() == 1 and message
    assert told["message_oldest_seconds", ""] > 0
    assert told["broker_up", ""] == 1 and told["queue_messages", "quick"] >= 0
    assert told["ledger_findings", "leads"] == 0
    assert told["database_bytes", ""] > 1e6
    assert {value for (name, _part), value in told.items() if name == "scrape_complete"} == {1}


@pytest.mark.django_db
def test_nothing_is_counted_beyond_a_limit(client: Client, patient: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(metrics, "MOST", 5)
    live.mark(sql("SELECT generate_series(1, 50) AS subject_id"))
    assert scraped(client)["marks_waiting", ""] == 5


@pytest.mark.django_db(transaction=True)
def test_a_table_that_a_migration_holds_costs_its_time_and_its_own_figures_alone(
    client: Client, patient: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(metrics, "EACH", 3.0)
    locked, over = threading.Event(), threading.Event()

    def migrate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE audience_dirty IN ACCESS EXCLUSIVE MODE")
            locked.set()
            over.wait(30)
            cursor.execute("ROLLBACK")
        connection.close()

    migration = threading.Thread(target=migrate)
    migration.start()
    locked.wait(10)
    began = time.monotonic()
    told = scraped(client)
    took = time.monotonic() - began
    over.set()
    migration.join()
    assert 2 < took < 30
    assert told["scrape_complete", "audience"] == 0 and told["scrape_complete", "jobs"] == 1
    assert ("marks_waiting", "") not in told and ("jobs", "queued") in told
    assert scraped(client)["scrape_complete", "audience"] == 1


@pytest.mark.django_db
def test_figures_say_nobodys_name_or_address(client: Client) -> None:
    mailing.queued(mailing.running())
    answer = client.get("/metrics", **LOCAL).content.decode()
    assert "@example.com" not in answer and json.dumps(answer)
