"""The lifecycle editor in a browser: from nothing by mouse, by keyboard alone, two editors at once; nothing is lost."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError

from kit.models import User
from lifecycle.editions import documents
from lifecycle.models import Version
from tests.factories import SMALL, draft

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
EDIT = "/lifecycles/small/v1/edit/"
CASE = "cases: [{name: A stranger, person: {first_seen: 2025-03-01}, expect: {on: 2025-03-05, stage: known}}]"


def sign_in(page: Any, address: str) -> None:
    User.objects.get_or_create(email="ada@perennial.example", defaults={"name": "Ada Lind", "role": User.Role.MARKETER})
    user = User.objects.get(email="ada@perennial.example")
    user.set_password(PASSWORD)
    user.save()
    page.goto(f"/sign-in/?next={address}")
    page.get_by_label("Email").fill("ada@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{address}")


def until(page: Any, look: Any) -> None:
    for _try in range(200):
        with suppress(PlaywrightError):
            if look():
                return
        page.wait_for_timeout(50)
    raise AssertionError("never came true")


def document() -> dict[str, Any]:
    return documents.of_version(Version.objects.get())


def test_a_model_is_built_from_nothing_by_mouse(page: Any) -> None:
    sign_in(page, "/lifecycles/new/")
    page.get_by_label("Name", exact=True).fill("Mine")
    page.get_by_label("Net-new").check()
    page.get_by_role("button", name="Make the draft").click()
    page.wait_for_url("**/lifecycles/mine/v1/edit/")
    assert page.get_by_text("Nothing leads to “Won”").count()

    page.locator("#add-rule").click()
    panel = page.locator("#model-panel")
    panel.get_by_label("To", exact=True).select_option("won")
    panel.get_by_label("Reason noted").fill("By and by")
    panel.get_by_role("button", name="Add the rule").click()
    page.get_by_text("The model is sound").wait_for()
    assert document()["transitions"][0]["reason"] == "By and by"

    page.locator("#add-stage").click()
    panel.get_by_label("Name", exact=True).fill("Talking")
    panel.get_by_role("button", name="Add the stage").click()
    page.locator("#stage-talking").wait_for()
    page.locator("#stage-talking").drag_to(page.locator("#stage-won"), target_position={"x": 200, "y": 55})
    until(page, lambda: [each["slug"] for each in document()["stages"]] == ["entered", "won", "talking"])

    page.locator("#open-stage-talking").click()
    name = panel.get_by_label("Name", exact=True)
    name.fill("Negotiating")
    until(page, lambda: document()["stages"][2]["name"] == "Negotiating")  # kept by itself
    page.locator("#open-stage-talking", has_text="Negotiating").wait_for()

    page.locator("#add-case").click()
    panel.get_by_label("What it shows").fill("Everybody wins")
    panel.get_by_label("First seen").fill("2025-03-01")
    panel.get_by_label("Is then in").select_option("won")
    panel.get_by_label("On the evening of").fill("2025-03-05")
    panel.get_by_role("button", name="Add the test case").click()
    page.locator("#case-results .status--good").wait_for()


def test_the_keyboard_alone_does_all_of_it(page: Any) -> None:
    draft(SMALL + CASE)
    sign_in(page, EDIT)
    page.locator("#cases-state", has_text="The model is sound").wait_for()  # once its case was played
    page.locator("#open-stage-lead").focus()
    page.keyboard.press("Alt+ArrowUp")
    until(page, lambda: [each["slug"] for each in document()["stages"]][2] == "lead")
    page.locator("#stages li:nth-child(3)#stage-lead").wait_for()
    until(page, lambda: page.evaluate("document.activeElement.id") == "open-stage-lead")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "open-stage-checked"
    page.keyboard.press("Enter")
    page.locator("#model-panel [data-panel-title]").wait_for()
    page.locator("#model-panel").get_by_label("Name", exact=True).focus()
    page.keyboard.type("!")
    page.keyboard.press("Escape")
    until(page, lambda: page.evaluate("document.activeElement.id") == "open-stage-checked")
    assert "!" in next(each for each in document()["stages"] if each["slug"] == "checked")["name"]
    page.locator("#open-rule-1").focus()
    page.keyboard.press("Alt+ArrowDown")
    until(page, lambda: document()["transitions"][1]["to"] == "won")
    until(page, lambda: page.evaluate("document.activeElement.id") == "open-rule-2")


def test_what_is_changed_in_a_test_case_is_kept_when_its_panel_is_closed(page: Any) -> None:
    draft(SMALL + CASE)
    sign_in(page, EDIT)
    panel = page.locator("#model-panel")
    page.locator("#open-case-1").click()
    panel.get_by_label("What it shows").fill("A newcomer")
    page.keyboard.press("Escape")
    until(page, lambda: document()["cases"][0]["name"] == "A newcomer")

    page.locator("#open-case-1", has_text="A newcomer").click()
    panel.get_by_label("On the evening of").fill("2025-03-09")
    panel.get_by_role("link", name="Close").click()
    until(page, lambda: document()["cases"][0]["expect"]["on"] == "2025-03-09")
    page.locator("#case-results .status--good").wait_for()

    page.locator("#open-case-1").click()
    facts = panel.locator("[data-rows=facts]")
    for at, (what, value) in enumerate((("country", "DE"), ("city", "Bonn"))):
        if at:
            facts.get_by_role("button", name="One more").click()
        facts.get_by_label("Known of them").nth(at).select_option(what)
        facts.get_by_label("Value").nth(at).fill(value)
        until(page, lambda key=what, told=value: document()["cases"][0]["person"].get(key) == told)
    panel.get_by_role("button", name="Done").click()  # a line that was kept on the way is none the less there
    until(page, lambda: not panel.locator("#model-form").count())
    assert document()["cases"][0]["person"] == {"first_seen": "2025-03-01", "country": "DE", "city": "Bonn"}


def test_the_later_of_two_editors_is_told_and_loses_nothing(chromium: Any, live_server: Any) -> None:
    """In a window of its own: the browser's console tells of the answer 409, as it should."""
    draft()
    page = chromium.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900}).new_page()
    sign_in(page, f"{EDIT}stages/lead/")
    other = page.context.new_page()
    other.goto(f"{EDIT}stages/lead/")
    other.locator("#model-form").get_by_label("Name", exact=True).fill("Theirs")
    until(other, lambda: document()["stages"][3]["name"] == "Theirs")
    name = page.locator("#model-form").get_by_label("Name", exact=True)
    name.fill("Mine")
    page.locator("#model-errors").get_by_text("changed this").wait_for()
    assert name.input_value() == "Mine" and document()["stages"][3]["name"] == "Theirs"
    page.get_by_role("button", name="Done").click()
    until(page, lambda: document()["stages"][3]["name"] == "Mine")
    page.context.close()


def test_a_part_that_was_begun_is_there_again_when_it_is_opened_again(page: Any) -> None:
    draft()
    sign_in(page, EDIT)
    page.locator("#add-rule").click()
    page.locator("#model-panel").get_by_label("Reason noted").fill("Half a thought")
    page.keyboard.press("Escape")
    until(page, lambda: not page.locator("#model-form").count())
    page.locator("#add-rule").click()
    until(page, lambda: page.locator("#model-panel").get_by_label("Reason noted").input_value() == "Half a thought")
    page.locator("#model-panel").get_by_label("Reason noted").fill("Half a thought.")
    page.locator("#open-stage-lead").click()
    page.locator("#model-form [name=phase]").wait_for()
    page.locator("#add-rule").click()
    until(page, lambda: page.locator("#model-panel").get_by_label("Reason noted").input_value() == "Half a thought.")


def test_a_stage_is_handed_to_sales_in_its_panel_and_back(page: Any) -> None:
    draft()
    sign_in(page, f"{EDIT}stages/lead/")
    panel = page.locator("#model-panel")
    assert not panel.get_by_label("When sales rejects").is_visible()
    panel.get_by_label("When sales accepts").select_option("won")
    until(page, lambda: document()["stages"][3].get("hand_off"))
    assert document()["stages"][3]["hand_off"] == {"accept": "won", "reject": "resting", "missed": "stay"}
    page.locator("#stage-lead").get_by_text("handed to sales").wait_for()
    assert not panel.get_by_label("When nobody answers").is_visible()  # no limit runs
    panel.get_by_label("Limit in working hours").evaluate("input => (input.value = 8)")
    panel.get_by_label("Kind").select_option("sla")
    panel.get_by_label("When nobody answers").select_option("pass_on")
    until(page, lambda: document()["stages"][3]["hand_off"]["missed"] == "pass_on")
    panel.get_by_label("When sales accepts").select_option("")
    until(page, lambda: "hand_off" not in document()["stages"][3])
    assert not panel.get_by_label("When sales rejects").is_visible()
