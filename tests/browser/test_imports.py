"""An import in a browser whose worker is killed meanwhile: the page waits, and it goes on and ends."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from audience.models import Import, Person
from kit import jobs, leases
from kit.models import Job, User
from tests.audience.importing.bringing import NOW
from tests.audience.importing.killing import in_a_process

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
PEOPLE = "Email,First name,Last name\n" + "".join(
    f"p{number}@example.com,Pat,Number {number}\n" for number in range(95)
)
WRITING = 8  # the step at which the worker dies: read and compared, and the first rows are written


def test_an_import_whose_worker_is_killed_goes_on_and_ends_with_every_row_once(page: Any) -> None:
    User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    page.goto("/sign-in/?next=/imports/new/")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("What the rows are").select_option(label="People")
    page.locator("input[type=file]").set_input_files(
        {"name": "p.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
    )
    page.get_by_role("button", name="Upload and look at its columns").click()
    page.get_by_role("button", name="Try without writing").click()
    page.get_by_text("Waiting").first.wait_for()
    assert jobs.run(Import.objects.get().job_id or 0, NOW)
    page.get_by_role("button", name="Import these rows").click()
    page.get_by_text("Waiting").first.wait_for()

    job = Import.objects.get().job_id or 0
    assert in_a_process(job, WRITING, "after").returncode == -signal.SIGKILL
    assert 0 < Person.objects.count() < 95, "it was killed on its way"
    page.get_by_text("Running").first.wait_for()
    assert not page.locator("[data-metric=created]").count()
    Job.objects.update(lease_until=leases.until(-timedelta(seconds=1)))  # nobody renews it
    assert in_a_process(job, 0, "never").returncode == 0
    expect(page.locator("[data-metric=created]")).to_have_text("95")
    assert Person.objects.count() == 95 and Import.objects.get().counts["created"] == 95
