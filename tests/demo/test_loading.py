"""Asking for the demo company: offered to whoever may, refused where it has no place, once only."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from audience.models import Field
from demo import loading
from demo.company import WITH_PASSWORD
from kit import jobs
from kit.models import Job, User
from lifecycle.engine import replay
from lifecycle.models import Version
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)  # the fifth of March in the company's zone
TODAY = date(2026, 3, 5)


def asked(**more: Any) -> Job:
    return loading.start(**{"seed": 1, "end": TODAY, "by": None, "now": NOW} | more)


def test_it_is_asked_for_once_however_often() -> None:
    first = asked()
    assert (first.kind, first.payload) == ("demo", {"seed": 1, "end": "2026-03-05"})
    assert asked(seed=2) == first
    Job.objects.update(state=Job.State.FAILED)
    assert asked() == first and asked().state == Job.State.QUEUED
    Job.objects.update(state=Job.State.DONE)
    with pytest.raises(loading.Refused, match="is there already"):
        asked()


def test_it_is_refused_beside_other_people_and_for_days_to_come() -> None:
    with pytest.raises(loading.Refused, match="yet to come"):
        asked(end=TODAY + timedelta(days=1))
    factories.person()
    with pytest.raises(loading.Refused, match="people here already"):
        asked()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("load_demo", "--json", stdout=out)
    assert json.loads(out.getvalue())["state"] == "refused"
    with pytest.raises(CommandError, match="people here already"):
        call_command("load_demo")


def test_a_cancelled_loading_stops_between_two_steps(settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR, settings.UPLOADS = tmp_path, tmp_path / "uploads"
    job = asked()
    Job.objects.update(cancel_asked=True)
    assert jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def home(role: str) -> str:
    visitor = Client()
    visitor.force_login(User.objects.create_user(f"{role}@example.com", "x", role=role))
    return visitor.get(reverse("home")).content.decode()


def test_home_offers_it_to_whoever_may_edit_and_shows_how_far_it_is() -> None:
    assert "Use the demo company" in home("marketer") and "Use the demo company" not in home("viewer")
    visitor = Client()
    visitor.force_login(User.objects.create_user("ada@example.com", "x", role="admin"))
    page = visitor.post(reverse("demo_load"), follow=True).content.decode()
    assert "is on its way" in page and "The demo company is being loaded" in page
    assert "Use the demo company" not in page
    assert page.index('id="job-') < page.index("Bring your history"), "what goes on stands above what could be begun"
    assert Job.objects.get().created_by.email == "ada@example.com"  # type: ignore[union-attr]
    Job.objects.update(state=Job.State.DONE)
    assert "The demo company is being loaded" not in visitor.get(reverse("home")).content.decode()
    assert "is there already" in visitor.post(reverse("demo_load"), follow=True).content.decode()


def test_the_command_says_for_whom_and_nobody_else_will_do() -> None:
    with pytest.raises(CommandError, match="Nobody signs in as ada@example.com"):
        call_command("load_demo", "--ask", "--by", "ada@example.com")
    ada = User.objects.create_user("ada@example.com", "a long password", role="admin")
    call_command("load_demo", "--ask", "--by", "ada@example.com", stdout=StringIO())
    assert Job.objects.get(kind="demo").created_by == ada


def test_two_salespeople_sign_in_by_the_password_of_whoever_brought_the_company_in_and_the_home_page_says_so() -> None:
    ada = User.objects.create_user("ada@example.com", "a long password", role="admin")
    visitor = Client()
    visitor.force_login(ada)
    assert "To see it as a salesperson does" not in visitor.get(reverse("home")).content.decode()
    loading._set_up(loading.Loading(1, TODAY, NOW, ada, lambda days, of: None))
    page = visitor.get(reverse("home")).content.decode()
    for email in WITH_PASSWORD:
        assert email in page
        given = {"username": email, "password": "a long password"}
        assert Client().post(reverse("sign_in"), given).status_code == 302, email
        other = Client()
        other.force_login(User.objects.get(email=email))
        assert "To see it as a salesperson does" not in other.get(reverse("home")).content.decode()
    bob = Client()
    bob.force_login(User.objects.create_user("bob@example.com", "another password", role="admin"))
    assert "To see it as a salesperson does" not in bob.get(reverse("home")).content.decode(), "not by his password"


@pytest.mark.parametrize("placed", [False, True])
def test_a_loading_whose_replay_was_cancelled_is_gone_on_with(placed: bool) -> None:
    """The replay takes itself back; going on publishes what it says anew, and waits until all have left before."""
    loaded = loading.Loading(1, TODAY, NOW, None, lambda days, of: None)
    Field.objects.create(of="account", slug="relation", label="Relation", type="text", created_at=NOW)
    factories.account(custom={"relation": "partner"}, first_seen_at=NOW - timedelta(days=90))
    held = loading._publishing("partners", loaded)
    version = Version.objects.get(job=held)
    if placed:  # as if the replay had come so far before
        replay.run(version, now=NOW)
        assert version.membership_set.exists()
    jobs.cancel(held)
    again = loading._publishing("partners", loaded)
    loading._see_through(again, NOW)
    assert again != held
    live = Version.objects.get(lifecycle=version.lifecycle, state=Version.State.PUBLISHED)
    assert live.number == (2 if placed else 1)
    assert loading._publishing("partners", loaded) == again, "what is live is left as it is"
