"""Imports that come by themselves, from folders and addresses, each file once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from audience import importing
from audience.importing import saved, schedules
from audience.models import Import, ImportSchedule, ImportTurn, Person, TakenFile
from kit import installation, jobs, secrets
from kit.models import AuditEntry, Job, Notice, User
from tests.audience.importing.bringing import NOW
from tests.kit.test_outside import server  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    (folder / "crm").mkdir(parents=True)
    settings.IMPORT_FOLDERS = str(folder)
    return folder


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("ops@example.com", "x", role=User.Role.OPS)


def kept() -> Any:
    told = {
        "kind": "people",
        "header": ["email"],
        "columns": {"email": "email"},
        "options": {},
        "source": "crm",
        "policy": "upsert",
    }
    return saved.create("People", **told, by=None, now=NOW)


def scheduled(owner: User | None = None, **told: Any) -> ImportSchedule:
    usual = {"name": "Daily", "place": "folder", "folder": "crm", "pattern": "*.csv", "every": "day", "next_at": NOW}
    return schedules.create(**{**usual, "mapping": kept(), **told}, by=owner, now=NOW)


def lay(folder: Path, name: str, text: str, *, age: float = 3600) -> Path:
    path = folder / name
    path.write_text(text)
    os.utime(path, (NOW.timestamp() - age,) * 2)
    return path


def look(schedule: ImportSchedule, now: datetime = NOW, by: User | None = None) -> ImportTurn:
    turn = schedules.start(schedule, by=by, now=now)
    work_off(now)
    turn.refresh_from_db()
    return turn


def work_off(now: datetime = NOW) -> None:
    while job := Job.objects.filter(state__in=jobs.OPEN).order_by("pk").first():
        jobs.run(job.pk, now)


def test_each_file_of_a_folder_is_brought_in_once(root: Path) -> None:
    lay(root / "crm", "a.csv", "email\na@x.example\n")
    lay(root / "crm", "b.csv", "email\nb@x.example\n")
    lay(root / "crm", "notes.txt", "email\nc@x.example\n")
    schedule = scheduled()
    turn = look(schedule)
    assert (turn.outcome, turn.reason) == ("done", "")
    assert set(Person.objects.values_list("email", flat=True)) == {"a@x.example", "b@x.example"}
    assert look(schedule).outcome == "nothing"
    lay(root / "crm", "a.csv", "email\nd@x.example\n", age=-7200)
    assert look(schedule, NOW + DAY).outcome == "done"  # other contents, though of one size and name
    assert look(schedule, NOW + DAY).outcome == "nothing"
    assert TakenFile.objects.count() == 3


def test_a_file_that_is_still_written_to_waits(root: Path) -> None:
    lay(root / "crm", "a.csv", "email\na@x.example\n", age=5)
    schedule = scheduled()
    assert look(schedule).outcome == "nothing"
    assert look(schedule, NOW + timedelta(minutes=2)).outcome == "done"


def test_no_link_and_no_name_leads_out_of_the_open_folder(root: Path, tmp_path: Path) -> None:
    secret = lay(tmp_path, "secret.csv", "email\nsecret@x.example\n")
    (root / "crm" / "link.csv").symlink_to(secret)
    (root / "out").symlink_to(tmp_path)
    os.mkfifo(root / "crm" / "pipe.csv")
    schedule = scheduled()
    assert look(schedule).outcome == "nothing"
    for folder in ("../", "crm/../..", "/etc", "out", "nowhere", "crm/link.csv", "a\x00b", "..\\x"):
        with pytest.raises(importing.Refused) as refused:
            schedules.change(schedule, **{**place(schedule), "folder": folder}, by=None, now=NOW)
        assert refused.value.code in ("bad_folder", "no_folder"), folder
    assert not Person.objects.exists()


def test_a_folder_that_became_a_link_since_is_refused_when_it_is_looked_at(
    root: Path, tmp_path: Path, owner: User
) -> None:
    lay(tmp_path, "secret.csv", "email\nsecret@x.example\n")
    schedule = scheduled(owner)
    (root / "crm").rmdir()
    (root / "crm").symlink_to(tmp_path)
    assert look(schedule).outcome == "failed"
    assert not Person.objects.exists()


def test_without_a_folder_that_is_open_none_can_be_named(settings: Any) -> None:
    settings.IMPORT_FOLDERS = ""
    with pytest.raises(importing.Refused) as refused:
        scheduled()
    assert refused.value.code == "no_folders"


def place(schedule: ImportSchedule) -> dict[str, Any]:
    told = ("name", "place", "folder", "pattern", "url", "sign", "user", "every", "next_at")
    return {"mapping": schedule.saved, **{name: getattr(schedule, name) for name in told}}


def test_a_second_look_is_refused_while_one_is_under_way(root: Path) -> None:
    lay(root / "crm", "a.csv", "email\na@x.example\n")
    schedule = scheduled()
    schedules.start(schedule, by=None, now=NOW)
    with pytest.raises(importing.Refused) as refused:
        schedules.start(schedule, by=None, now=NOW)
    assert refused.value.code == "busy"
    with pytest.raises(importing.Refused):
        schedules.delete(schedule, by=None, now=NOW)
    jobs.run(Job.objects.get(kind="scheduled_import").pk, NOW)
    with pytest.raises(importing.Refused):  # the file's own import is not done yet
        schedules.start(schedule, by=None, now=NOW)
    work_off()
    assert look(schedule).outcome == "nothing"


def test_the_clock_asks_when_it_is_time_and_says_when_next(root: Path) -> None:
    schedule = scheduled(next_at=NOW + timedelta(hours=1))
    assert schedules.clock(NOW) == 0
    late = NOW + timedelta(days=3, hours=2)
    assert schedules.clock(late) == 1
    schedule.refresh_from_db()
    assert schedule.next_at == NOW + timedelta(days=4, hours=1)
    assert schedules.clock(late) == 0
    schedules.pause(schedule, by=None, now=late)
    assert schedules.clock(late + 9 * DAY) == 0
    schedules.resume(schedule, by=None, now=late + 9 * DAY)
    schedule.refresh_from_db()
    assert schedule.paused_at is None and schedule.next_at == NOW + timedelta(days=13, hours=1)


def test_every_day_is_at_the_same_time_of_day_when_clocks_change(root: Path) -> None:
    installation.put("zone", "Europe/Berlin")
    schedule = scheduled(next_at=datetime(2025, 3, 29, 5, 0, tzinfo=UTC))
    schedules.clock(datetime(2025, 3, 29, 5, 1, tzinfo=UTC))
    schedule.refresh_from_db()
    assert schedule.next_at == datetime(2025, 3, 30, 4, 0, tzinfo=UTC)


def test_what_is_due_while_a_look_is_under_way_is_left_out(root: Path) -> None:
    schedule = scheduled()
    schedules.start(schedule, by=None, now=NOW)
    assert schedules.clock(NOW) == 0
    schedule.refresh_from_db()
    assert schedule.next_at == NOW + DAY


def test_once_is_once(root: Path) -> None:
    schedule = scheduled(every="once")
    assert schedules.clock(NOW) == 1
    schedule.refresh_from_db()
    assert schedule.next_at is None


def test_its_owner_is_told_of_what_failed_and_the_others_come_in(root: Path, owner: User) -> None:
    lay(root / "crm", "a.csv", "email\na@x.example\n")
    lay(root / "crm", "b.csv", "another\nthing\n")
    lay(root / "crm", "c.csv", "%PDF-1.7")
    turn = look(scheduled(owner))
    assert turn.outcome == "failed" and "b.csv" in turn.reason and "c.csv" in turn.reason
    notice = Notice.objects.get(user=owner)
    assert "Daily" in notice.title and "c.csv" in notice.body
    assert Person.objects.count() == 1 and Import.objects.count() == 1


def test_a_worker_that_was_killed_leaves_no_look_open_for_ever(root: Path) -> None:
    schedule = scheduled(every="once", next_at=None)
    turn = schedules.start(schedule, by=None, now=NOW)
    Job.objects.filter(pk=turn.job_id).update(state=Job.State.FAILED, error="killed", finished_at=NOW)
    schedules.clock(NOW)
    turn.refresh_from_db()
    assert (turn.outcome, turn.reason) == ("failed", "killed")


def test_an_address_is_fetched_with_its_secret_and_the_same_contents_once(server: Any, owner: User) -> None:  # noqa: F811
    schedule = scheduled(
        owner, place="url", url=server.url + "/people.csv", sign="basic", user="me", secret="pass word"
    )
    assert schedule.secret and "pass word" not in schedule.secret and secrets.opened(schedule.secret) == "pass word"
    assert look(schedule).outcome == "done"
    assert server.asked == ["Basic bWU6cGFzcyB3b3Jk"]
    assert Person.objects.get().email == "a@x.example"
    assert look(schedule).outcome == "nothing"
    server.body += b"b@x.example\n"
    assert look(schedule).outcome == "done"
    assert "pass word" not in str(list(AuditEntry.objects.values_list("before", "after")))


def test_a_secret_goes_nowhere_but_where_it_was_given_for(server: Any) -> None:  # noqa: F811
    schedule = scheduled(place="url", url=server.url + "/a.csv", sign="bearer", secret="token")
    schedules.change(schedule, **{**place(schedule), "name": "Other"}, by=None, now=NOW)
    assert schedule.secret
    with pytest.raises(importing.Refused) as refused, transaction.atomic():
        schedules.change(schedule, **{**place(schedule), "url": "https://evil.example/"}, by=None, now=NOW)
    assert refused.value.code == "no_secret"


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.csv", "http://localhost/a.csv", "http://169.254.169.254/a.csv"])
def test_nothing_of_this_machine_is_fetched(url: str, owner: User) -> None:
    turn = look(scheduled(owner, place="url", url=url))
    assert turn.outcome == "failed" and "network of its own" in turn.reason


def test_an_answer_that_is_no_file_fails_without_its_words(server: Any) -> None:  # noqa: F811
    turn = look(scheduled(place="url", url=server.url + "/wrong"))
    assert turn.outcome == "failed" and "500" in turn.reason and "secret" not in turn.reason


def test_the_pages_make_show_start_pause_and_delete_it(client: Client, root: Path, owner: User) -> None:
    client.force_login(owner)
    mapping = kept()
    lay(root / "crm", "a.csv", "email\na@x.example\n")
    assert "Nothing comes by itself yet" in client.get("/imports/schedules/").content.decode()
    sent = {
        "name": "Daily",
        "mapping": mapping.pk,
        "place": "folder",
        "folder": "crm",
        "pattern": "*.csv",
        "every": "day",
    }
    assert client.post("/imports/schedules/new/", {**sent, "folder": "../.."}).status_code == 400
    assert client.post("/imports/schedules/new/", {**sent, "place": "url"}).status_code == 400
    assert client.post("/imports/schedules/new/", sent).status_code == 302
    schedule = ImportSchedule.objects.get()
    assert schedule.owner == owner and schedule.next_at is not None
    url = f"/imports/schedules/{schedule.pk}/"
    assert client.post(url + "start/").status_code == 302
    assert "under way" in client.get(url).content.decode()
    assert "under way" in client.post(url + "start/", follow=True).content.decode()
    work_off()
    shown = client.get(url).content.decode()
    assert "a.csv" in shown and "brought in" in shown
    client.post(url + "pause/")
    assert "paused" in client.get("/imports/schedules/").content.decode()
    assert client.post(url + "edit/", {**sent, "name": "Nightly"}).status_code == 302
    assert "Nightly" in client.get(url + "edit/").content.decode()
    assert client.post(f"/imports/mappings/{mapping.pk}/delete/", follow=True).content.decode().count("Nightly")
    assert client.post(url + "delete/").status_code == 302
    assert not ImportSchedule.objects.exists() and Person.objects.exists()
