"""Notes and tasks: who may write, change and take back what, what the list and the home page show, and races."""

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from kit import notes, tasks, work
from kit.models import AuditEntry, Note, Task, Team, User
from tests.factories import account, person

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
NASTY = ["<script>alert(1)</script>", "{{ 7*7 }}", "'; DROP TABLE kit_note; --", "‮evil", "👾", "\ufeff", "a" * 9999]


def user(name, role=User.Role.MARKETER, **values):
    return User.objects.create_user(f"{name}@example.com", "x", name=name, role=role, **values)


@pytest.fixture
def ada(client):
    made = user("Ada", team=Team.objects.create(name="North"))
    client.force_login(made)
    return made


def text(client, url, **asked):
    answer = client.get(url, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(client, **asked):
    return [row.title for row in client.get(reverse("work"), asked).context["page"].rows]


# ---- notes ----


def test_a_note_stands_on_the_page_it_was_written_for_with_its_author(client, ada):
    about = person(first_name="Zoë")
    answer = client.post(reverse("note_add"), {"subject": about.pk, "body": "Prefers calls\nafter four"})
    assert answer.url == about.get_absolute_url()
    content = text(client, about.get_absolute_url())
    assert "Prefers calls<br>after four" in content and "The note is kept." in content
    assert AuditEntry.objects.get(action="note.add").after == {"note": Note.objects.get().pk, "subject": about.pk}


def test_a_note_is_removed_and_taken_back_by_the_button_of_the_message(client, ada):
    about = account(name="Acme")
    note = notes.add(about.pk, "Old contract", by=ada, now=NOW)
    client.post(reverse("note_remove", args=[note.pk]), {"next": about.get_absolute_url()})
    content = text(client, about.get_absolute_url())
    assert "Old contract" not in content.replace("toasts", "") and reverse("note_restore", args=[note.pk]) in content
    client.post(reverse("note_restore", args=[note.pk]))
    assert "Old contract" in text(client, about.get_absolute_url())
    assert not notes.restore(note, by=ada, now=NOW)


def test_only_its_author_changes_a_note_and_an_administrator_may_remove_it(client, ada):
    about = person()
    theirs = notes.add(about.pk, "Mine", by=user("Ben"), now=NOW)
    assert client.get(reverse("note_edit", args=[theirs.pk])).status_code == 403
    assert client.post(reverse("note_remove", args=[theirs.pk])).status_code == 403
    assert reverse("note_edit", args=[theirs.pk]) not in text(client, about.get_absolute_url())
    client.force_login(user("Root", User.Role.ADMIN))
    assert client.post(reverse("note_edit", args=[theirs.pk]), {"body": "x"}).status_code == 403
    assert client.post(reverse("note_remove", args=[theirs.pk])).status_code == 302


def test_a_changed_note_says_so_and_the_same_words_are_no_change(client, ada):
    about = person()
    note = notes.add(about.pk, "One", by=ada, now=NOW)
    client.post(reverse("note_edit", args=[note.pk]), {"body": "Two"})
    assert "edited" in text(client, about.get_absolute_url())
    assert not notes.change(note, "Two", by=ada, now=NOW)


def test_what_is_too_long_is_not_lost(client, ada):
    answer = client.post(reverse("note_add"), {"subject": person().pk, "body": "x" * 10_001})
    assert answer.status_code == 400 and "x" * 10_001 in answer.content.decode()
    assert client.post(reverse("note_add"), {"subject": "0", "body": "x"}).status_code == 404
    assert client.post(reverse("note_add"), {"subject": "1; --", "body": "x"}).status_code == 404


@pytest.mark.parametrize("nasty", NASTY)
def test_whatever_is_written_is_shown_as_text(client, ada, nasty):
    about = person()
    client.post(reverse("note_add"), {"subject": about.pk, "body": nasty})
    client.post(reverse("task_new"), {"subject": about.pk, "title": nasty[:300], "assigned_to": ada.pk, "body": nasty})
    assert Note.objects.count() == 1 and Task.objects.count() == 1
    for url in (
        about.get_absolute_url(),
        reverse("work"),
        reverse("home"),
        reverse("task", args=[Task.objects.get().pk]),
    ):
        content = text(client, url)
        assert not re.search(r"<script>alert|>49<", content)


# ---- tasks ----


def test_a_task_of_a_person_is_on_the_page_the_list_and_the_home_of_whoever_it_is_for(client, ada):
    about = person(first_name="Zoë")
    today = timezone.localdate()
    told = {"subject": about.pk, "title": "Call back", "assigned_to": ada.pk, "due_on": today.isoformat()}
    assert client.post(reverse("task_new"), told).url == about.get_absolute_url()
    assert "Call back" in text(client, about.get_absolute_url())
    home = text(client, reverse("home"))
    assert "Call back" in home and "Zoë" in home and 'data-metric="work.today">1 today' in home
    assert shown(client) == ["Call back"]
    assert Task.objects.get().team == ada.team


def test_nobody_has_a_panel_of_work_without_work(client, ada):
    assert 'id="my-work"' not in text(client, reverse("home"))


def test_the_views_of_the_list_part_the_work(client, ada):
    today = timezone.localdate()
    ben = user("Ben", team=ada.team)
    for title, whose, days in (
        ("late", ada, -2),
        ("now", ada, 0),
        ("soon", ada, 5),
        ("any day", ada, None),
        ("ben", ben, 1),
    ):
        due = None if days is None else today + timedelta(days=days)
        work.add(title, by=ben, now=NOW, assigned_to=whose, due_on=due)
    done = work.add("done", by=ada, now=NOW, assigned_to=ada)
    work.finish(done, by=ada, now=NOW)
    assert shown(client) == ["late", "now", "soon", "any day"]
    assert shown(client, state="overdue") == ["late"]
    assert shown(client, state="today") == ["now"]
    assert shown(client, state="done") == ["done"]
    assert shown(client, whose="team") == ["late", "now", "ben", "soon", "any day"]
    assert shown(client, whose="given") == []
    assert shown(client, whose="all", state="any", q="E") == ["late", "ben", "done"]
    assert "2 days overdue" in text(client, reverse("work"))


def test_done_with_one_click_and_undone_with_another(client, ada):
    task = work.add("Call", by=ada, now=NOW, assigned_to=ada)
    answer = client.post(reverse("task_done", args=[task.pk]), {"next": "/work/?whose=all"})
    assert answer.url == "/work/?whose=all"
    task.refresh_from_db()
    assert task.done_by == ada
    assert reverse("task_reopen", args=[task.pk]) in text(client, reverse("work"))
    client.post(reverse("task_reopen", args=[task.pk]), {"next": "https://evil.example/"})
    assert shown(client) == ["Call"]
    assert client.post(reverse("task_reopen", args=[task.pk]), {"next": "//evil.example"}).url == reverse("work")


def test_a_task_is_given_to_somebody_else_put_off_removed_and_taken_back(client, ada):
    ben = user("Ben")
    task = work.add("Call", by=ada, now=NOW, assigned_to=ada)
    url = reverse("task", args=[task.pk])
    client.post(url, {"title": "Call", "assigned_to": ben.pk, "due_on": "2031-01-02"})
    task.refresh_from_db()
    assert (task.assigned_to, task.team, task.due_on.isoformat()) == (ben, None, "2031-01-02")
    assert AuditEntry.objects.get(action="task.change").after["columns"] == ["assigned_to", "due_on", "team_id"]
    assert client.post(url, {"title": "", "due_on": "tomorrow"}).status_code == 400
    client.post(reverse("task_remove", args=[task.pk]))
    assert client.get(url).status_code == 404 and shown(client, whose="all") == []
    client.post(reverse("task_restore", args=[task.pk]))
    assert shown(client, whose="all") == ["Call"]


def test_a_viewer_reads_and_writes_nothing(client, ada):
    about = person()
    notes.add(about.pk, "Read me", by=ada, now=NOW)
    work.add("See me", by=ada, now=NOW, subject_id=about.pk)
    client.force_login(user("Vi", User.Role.VIEWER))
    content = text(client, about.get_absolute_url())
    assert "Read me" in content and "See me" in content
    assert "Add note" not in content and "Add a task" not in content and "/done/" not in content


def test_the_list_of_work_takes_the_same_number_of_queries_however_long_it_is(
    client, ada, django_assert_max_num_queries
):
    for number in range(30):
        work.add(f"t{number}", by=ada, now=NOW, assigned_to=ada, subject_id=person(first_name=str(number)).pk)
    with django_assert_max_num_queries(12):
        text(client, reverse("work"))


def test_what_was_removed_long_ago_is_forgotten(ada):
    for removed in (NOW, NOW - timedelta(days=40)):
        note = notes.add(1, "x", by=ada, now=NOW)
        task = work.add("x", by=ada, now=NOW)
        notes.remove(note, by=ada, now=removed)
        work.remove(task, by=ada, now=removed)
    tasks.forget(NOW)
    assert (Note.objects.count(), Task.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_finish_a_task_at_the_same_moment_one_did_it() -> None:
    ada = user("Ada")
    task = work.add("Call", by=ada, now=NOW)
    won = []

    def finish() -> None:
        won.append(work.finish(task, by=ada, now=NOW))
        connection.close()

    threads = [threading.Thread(target=finish) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(won) == [False, False, False, True]
    assert AuditEntry.objects.filter(action="task.done").count() == 1
