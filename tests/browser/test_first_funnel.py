"""The first ten minutes in a browser: sign in, bring people and activities in, publish a playbook, open a number."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audience.models import Person
from kit.models import User
from lifecycle.models import Membership
from reporting import filling

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"

PEOPLE = "Email,First name,Last name,Created at,Country,Colour\n" + "".join(
    f"lead{number}@example.com,Lead,Number {number},2025-0{1 + number % 6}-1{number % 9},DE,blue\n"
    for number in range(60)
)
BROKEN = "not an address,Wrong,Row,2025-01-01,DE,red\nlead99@example.com,Wrong,Day,2025-02-31,DE,red\n"
ACTIVITIES = "email,kind,when,direction\n" + "".join(
    f"lead{number}@example.com,{kind},2025-0{1 + number % 6}-2{number % 8} 10:00,inbound\n"
    for number in range(60)
    for kind in ("page_visited", "demo_requested")[: 1 + (number % 4 == 0)]
    if number % 3
)


def bring(page: Any, kind: str, name: str, content: str) -> None:
    """Upload a file, take the guessed mapping, try it, then bring it in, and wait for the end."""
    page.goto("/imports/new/")
    page.get_by_label("What the rows are").select_option(label=kind)
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content.encode()})
    page.get_by_role("button", name="Upload and look at its columns").click()
    page.get_by_role("button", name="Try without writing").click()
    page.get_by_role("button", name="Import these rows").click()
    page.get_by_text("This was a dry run").wait_for(state="detached")
    page.locator("[data-metric=created]").wait_for()


def figure(page: Any, metric: str) -> int:
    return int(page.locator(f"[data-metric='{metric}']").first.inner_text().replace(",", ""))


def test_from_an_empty_installation_to_the_people_behind_a_number(page: Any, worker: None) -> None:
    User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.ADMIN)
    page.set_default_timeout(60_000)  # there is real work to wait for
    page.goto("/")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Import a file").click()

    bring(page, "People", "people.csv", PEOPLE + BROKEN)
    assert (figure(page, "created"), figure(page, "rejected")) == (60, 2)
    assert "not an address" in page.content() and "2025-02-31" in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all rejected rows").click()
    assert len(download.value.path().read_text().strip().splitlines()) == 3
    assert Person.objects.count() == 60

    bring(page, "Activities", "activities.csv", ACTIVITIES)
    assert figure(page, "created") == ACTIVITIES.count("\n") - 1

    page.goto("/")
    page.get_by_role("link", name="Choose a playbook").click()
    page.locator("article", has_text="Net-new B2B").get_by_role("button", name="Make a draft").click()
    page.get_by_role("button", name="Preview the replay").click()
    page.get_by_text("What publishing would do").wait_for()
    assert not Membership.objects.exists()
    page.get_by_role("button", name="Publish with its history").click()
    page.get_by_text("Published", exact=True).wait_for()
    assert Membership.objects.count() == 60

    filling.fill_all(timezone.now())
    page.goto("/reports/funnel/?lifecycle=net_new_b2b&span=all")
    number = page.locator("main a[data-metric]", has_text=re.compile("^40$")).first
    number.click()
    page.wait_for_url("**/reports/people/*")
    expect(page.locator("tbody tr")).to_have_count(40)
    assert "40" in page.locator("main").inner_text()
