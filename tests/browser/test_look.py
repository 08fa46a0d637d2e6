"""The look in a browser: list without and with scripts, theme, drawer, keyboard, no sideways scrolling, axe."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from kit.models import Job, User
from tests import axe

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
WIDTHS = (360, 390, 768, 1024, 1440, 2560)


@pytest.fixture
def jobs() -> list[Job]:
    now = timezone.now()
    return Job.objects.bulk_create(
        Job(
            kind="import",
            title=f"people-{number}.csv",
            state="failed" if number % 5 == 0 else "done",
            rows_done=number,
            created_at=now - timedelta(hours=number),
        )
        for number in range(1, 71)
    )


def sign_in(page: Any) -> None:
    User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.OPS)
    page.goto("/sign-in/?next=/operations/jobs/")
    page.get_by_label("Email").fill("ada@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/operations/jobs/")


def test_a_list_answers_while_typing_and_the_address_follows(page: Any, jobs: list[Job]) -> None:
    sign_in(page)
    page.get_by_label("Search this list").fill("people-7")
    page.wait_for_url("**/operations/jobs/?q=people-7")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("State").select_option("failed")
    page.wait_for_url("**/?q=people-7&state=failed")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.go_back()
    page.wait_for_url("**/operations/jobs/?q=people-7")
    page.get_by_text("2 jobs").wait_for()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_sorting_keeps_the_filter_and_the_focus(page: Any, jobs: list[Job]) -> None:
    sign_in(page)
    page.goto("/operations/jobs/?state=failed")
    page.locator("#sort-rows_done").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/?state=failed&sort=-rows_done")
    expect(page.locator("tbody tr").first).to_contain_text("people-70.csv")
    assert page.evaluate("document.activeElement.id") == "sort-rows_done"
    page.get_by_label("Search this list").fill("people-6")
    page.wait_for_url(re.compile("q=people-6.*sort=-rows_done|sort=-rows_done.*q=people-6"))


def test_the_list_works_without_scripts(chromium: Any, live_server: Any, jobs: list[Job]) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(14)
    page.get_by_role("link", name="Worked through", exact=True).click()
    page.wait_for_url("**/?*sort=-rows_done*")
    assert "state=failed" in page.url
    assert page.get_by_title("Switch between light and dark").count() == 1
    assert not page.get_by_title("Switch between light and dark").is_visible()
    context.close()


def test_the_theme_is_switched_remembered_and_there_before_the_first_paint(page: Any) -> None:
    page.emulate_media(color_scheme="light")
    sign_in(page)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_title("Switch between light and dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload(wait_until="commit")
    page.wait_for_selector("h1")
    assert page.evaluate(ground) == dark
    page.get_by_title("Switch between light and dark").click()
    assert page.evaluate("localStorage.getItem('theme')") is None
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == dark


def test_the_drawer_opens_on_a_phone_and_closes_by_escape(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page)
    link = page.locator("#sidebar").get_by_role("link", name="Jobs")
    assert not link.is_visible()
    page.get_by_label("Show the areas").focus()
    page.keyboard.press("Space")
    link.wait_for(state="visible")
    page.keyboard.press("Escape")
    link.wait_for(state="hidden")


def test_the_first_tab_stop_skips_to_the_content(page: Any) -> None:
    sign_in(page)
    page.goto("/styleguide/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_dialog_opens_traps_and_closes(page: Any) -> None:
    sign_in(page)
    page.goto("/styleguide/")
    page.get_by_role("button", name="Delete the segment").click()
    expect(page.locator("dialog[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_running_job_shows_its_progress_and_its_end_without_a_reload(page: Any) -> None:
    sign_in(page)
    now = timezone.now()
    job = Job.objects.create(
        kind="import", title="people.csv", state="running", rows_done=10, rows_total=100, created_at=now, started_at=now
    )
    page.goto(f"/operations/jobs/{job.pk}/")
    page.get_by_text("10 of 100 rows").wait_for()
    Job.objects.filter(pk=job.pk).update(rows_done=60)
    page.get_by_text("60 of 100 rows").wait_for()
    Job.objects.filter(pk=job.pk).update(rows_done=100, state="done", finished_at=timezone.now())
    page.locator(".job").get_by_text("Done").wait_for()
    assert page.locator("[hx-trigger]").count() == 0


def test_no_page_scrolls_sideways_at_any_width(page: Any, jobs: list[Job]) -> None:
    sign_in(page)
    for address in ("/styleguide/", "/operations/jobs/?q=people&state=failed", f"/operations/jobs/{jobs[0].pk}/"):
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)


def test_targets_are_large_enough(page: Any, jobs: list[Job]) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, links inside a line of text and names in a table row excepted by spacing."""
    sign_in(page)
    page.goto("/operations/jobs/?q=people&state=failed")
    small = page.evaluate(
        """() => [...document.querySelectorAll("a, button, summary, input, select")]
            .filter((each) => each.checkVisibility() && !each.matches(".table__main, .skip-link, #drawer"))
            .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
            .filter(([html, box]) => box.width < 24 || box.height < 23.9)
            .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
    )
    assert small == []


def test_axe_finds_nothing(page: Any, jobs: list[Job]) -> None:
    sign_in(page)
    addresses = ("/styleguide/", "/operations/jobs/?q=people&state=failed", f"/operations/jobs/{jobs[0].pk}/")
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for address in addresses:
            page.goto(address)
            found += [(theme, address, each["id"], each["nodes"][0]["html"][:120]) for each in axe.violations(page)]
    assert found == []


@pytest.mark.parametrize("width", [390, 1440])
def test_a_menu_lies_within_the_window(page: Any, jobs: list[Job], width: int) -> None:
    sign_in(page)
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/readiness/", "/operations/jobs/"):
        page.goto(address)
        page.get_by_text("Export", exact=True).click()
        panel = page.get_by_role("link", name="As Excel workbook").locator("xpath=..")
        expect(panel).to_be_in_viewport()
        box = panel.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, (address, box)
