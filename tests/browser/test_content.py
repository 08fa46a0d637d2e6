"""The editor of content in a browser: the preview follows, faults lead to their place, nothing in a mail runs; axe."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns import content
from campaigns.models import Content
from kit.models import User
from tests import axe
from tests.campaigns import making
from tests.factories import NOW, account, person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"


@pytest.fixture
def welcome() -> Content:
    making.sender()
    person(
        email="ada@example.com", first_name="Ada", last_name="Lovelace", title="Countess", account=account(name="Acme")
    )
    person(email="bob@example.com", first_name="Bob")
    return content.create(
        "Welcome", content.Draft(subject="Hi", source="<p>Hello {{ person.first_name }}</p>"), by=None, now=NOW
    )


def sign_in(page: Any, address: str) -> None:
    User.objects.create_user("eve@perennial.example", PASSWORD, name="Eve Lind", role=User.Role.MARKETER)
    page.goto(f"/sign-in/?next={address}")
    page.get_by_label("Email").fill("eve@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{address}")


def mail(page: Any) -> Any:
    return page.frame_locator(".mail-frame").locator("body")


def test_the_preview_follows_what_is_typed_and_for_whom(page: Any, welcome: Content) -> None:
    sign_in(page, "/content/welcome/")
    mail(page).get_by_text("Hello Ada").wait_for()
    page.get_by_label("Body").fill("<p>Dear {{ person.first_name }}, {{ person.title }}</p>")
    mail(page).get_by_text("Dear Ada, Countess").wait_for()
    page.get_by_label("See it as").fill("bob@example.com")
    page.keyboard.press("Enter")
    mail(page).get_by_text("Dear Bob").wait_for()
    assert not page.get_by_text("kept").count(), "whom one sees it as is chosen, nothing is kept"
    page.get_by_text("Of this person is missing:").wait_for()
    assert page.locator("[data-person-id]").input_value() == page.locator("#preview [data-person]").get_attribute(
        "data-person"
    )
    page.get_by_text("Text", exact=True).click()
    assert "Dear Bob," in page.locator(".preview__text").inner_text()
    page.get_by_role("button", name="Keep as a new version").click()
    page.get_by_text("Kept as version 2.").wait_for()


def test_a_fault_leads_to_its_place_and_a_value_is_put_where_the_caret_is(page: Any, welcome: Content) -> None:
    sign_in(page, "/content/welcome/")
    body = page.get_by_label("Body")
    body.fill("<p>x</p>\n<p>{% if person.title %}</p>")
    page.get_by_role("button", name="Go to the place").click()
    assert body.evaluate("area => area.value.slice(area.selectionStart).startsWith('{% if')")
    body.fill("<p></p>")
    body.evaluate("area => area.setSelectionRange(3, 3)")
    page.get_by_text("What you can use").click()
    page.get_by_role("button", name="person.title job title").click()
    assert body.input_value() == "<p>{{ person.title }}</p>"
    mail(page).get_by_text("Countess").wait_for()


def test_nothing_in_a_mail_runs_or_reaches_the_page_round_it(chromium: Any, live_server: Any, welcome: Content) -> None:
    evil = "<p onclick='top.canary=1'>x</p><img src='data:,' onerror='top.canary=1'><svg onload='top.canary=1'></svg>"
    content.write(welcome, content.Draft(subject="Hi", source=f"{evil}<p>Bottom</p>"), by=None, now=NOW)
    context = chromium.new_context(base_url=live_server.url)  # of its own: here the browser is to complain
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text))
    sign_in(page, "/content/welcome/")
    mail(page).get_by_text("Bottom").wait_for()
    mail(page).get_by_text("x", exact=True).click()
    assert page.evaluate("window.canary === undefined")
    assert any("Blocked script execution in 'about:srcdoc'" in each for each in complaints)
    context.close()


@pytest.mark.parametrize("address", ["/content/", "/content/new/", "/content/welcome/", "/content/welcome/versions/",
                                     "/content/welcome/versions/1/", "/senders/", "/senders/new/"])  # fmt: skip
def test_axe_finds_nothing(page: Any, welcome: Content, address: str) -> None:
    sign_in(page, address)
    page.wait_for_load_state("networkidle")
    found = axe.violations(page, iframes=False)
    assert not found, [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found]
