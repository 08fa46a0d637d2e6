"""A form in a browser: from its page to a person with consent and a download; and what a site told before, by the snippet."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audience.models import Activity, ConsentRecord, Form, PageView, Person, Visitor
from audience.webforms import files
from audience.webforms.asking import Question
from kit import installation
from kit.models import Notice, User
from tests import axe
from tests.audience.webforms.making import WORDING, address, published, republished
from tests.factories import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
PDF = b"%PDF-1.7 a guide"
STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def guide(settings: Any, tmp_path: Path) -> Form:
    """A form that hands out a file once the email is confirmed."""
    settings.UPLOADS = tmp_path
    form = published("Guide")
    file = files.keep(form, SimpleUploadedFile("guide.pdf", PDF), now=NOW)
    questions = (
        Question("email", required=True),
        Question("first_name", required=True),
        Question("city", when="later"),
    )
    return republished(form, title="Get the guide", file=file.pk, after_confirming=True, questions=questions)


def open_for_a_while(page: Any) -> None:
    """As long as somebody takes who reads."""
    page.wait_for_timeout(3_100)


def test_from_the_page_of_a_form_to_a_person_with_consent_and_the_file(page: Any, guide: Form) -> None:
    page.goto(address(guide) + "?utm_source=fair")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("First name").fill("Ada")
    assert not page.get_by_label(WORDING).is_checked()
    page.get_by_label(WORDING).check()
    open_for_a_while(page)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("We have sent you an email").wait_for()
    assert not page.get_by_role("link", name="Download").count()
    ada = Person.objects.get()
    assert (ada.email, ada.source) == ("ada@example.com", "fair") and not ConsentRecord.objects.exists()
    page.goto(Notice.objects.get().link)
    page.get_by_role("button", name="Confirm").click()
    with page.expect_download() as handed:
        page.get_by_role("link", name="Download").click()
    assert handed.value.suggested_filename == "guide.pdf" and Path(handed.value.path()).read_bytes() == PDF
    assert ConsentRecord.objects.get().basis == "confirmed"
    page.goto(address(guide))
    assert page.get_by_label("City").count() and not page.get_by_label("First name").count(), "asked what is new"
    assert "Ada" not in page.content()


def test_without_scripts_and_by_the_keyboard_alone(chromium: Any, live_server: Any, guide: Form) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(address(guide))
    page.keyboard.press("Tab")
    page.keyboard.type("ada@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type("Ada")
    page.wait_for_timeout(3_100)
    page.keyboard.press("Enter")
    page.get_by_text("Thank you.").wait_for()
    context.close()
    assert Person.objects.get().first_name == "Ada"


def test_its_pages_are_sound_from_360_px_light_and_dark(page: Any, guide: Form) -> None:
    for url in (address(guide), "/f/nothing-here/", "/f/confirm/garbled/"):
        for width, scheme in ((360, "dark"), (390, "light"), (1440, "dark"), (2560, "light")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            answer = page.request.get(url)
            page.set_content(re.sub(r"<link[^>]*stylesheet[^>]*>", "", answer.text()))
            for sheet in ("tokens", "public"):
                page.add_style_tag(content=Path(f"static/css/{sheet}.css").read_text())
            assert page.evaluate(STICKS_OUT) <= 0, (url, width)
            assert axe.violations(page) == [], (url, width, scheme)


SHOP = """<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>{path}</title><h1>{path}</h1>{form}
<script src="{base}/static/js/site.js"></script></html>"""


@pytest.fixture
def shop(live_server: Any) -> Iterator[Any]:
    """A site of ours at another origin: every page has the snippet, and `/form` what `shop.form` says. Gives its base."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            told = SHOP.format(path=path, base=live_server.url, form=server.form if path == "/form" else "")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_told: Any) -> None:
            """Nothing is told on the terminal."""

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.form, server.base = "", f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    installation.put("site_domains", ["127.0.0.1"])
    yield server
    server.shutdown()
    server.server_close()


def test_what_the_snippet_told_before_a_form_stands_on_the_timeline_after_it(
    page: Any, shop: Any, live_server: Any
) -> None:
    form = published(double_opt_in=False)
    shop.form = f"""<form action="{live_server.url}{address(form)}" method="post" data-perennial>
        <input name="email" type="email" aria-label="Email"><input type="hidden" name="edition" value="1">
        <button>Go</button></form>"""
    page.goto(f"{shop.base}/pricing?utm_source=fair")
    assert page.evaluate("document.cookie") == "" and not PageView.objects.exists(), "nothing before consent"
    with page.expect_response("**/t/v") as told:
        page.evaluate("perennial.consent(true)")
    assert told.value.status == 204
    with page.expect_response("**/t/v"):
        page.evaluate("history.pushState({}, '', '/docs')")
    page.goto(f"{shop.base}/form?utm_campaign=spring")
    with page.expect_response("**/t/v"):
        page.evaluate("perennial.consent(true)")
    assert PageView.objects.count() == 3 and Visitor.objects.get().person is None
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_role("button", name="Go").click()
    page.get_by_text("Thank you.").wait_for()
    ada = Person.objects.get()
    seen = Activity.objects.filter(person=ada, kind__slug="page_viewed").order_by("occurred_at")
    assert [each.properties["page"] for each in seen] == [f"127.0.0.1/{each}" for each in ("pricing", "docs", "form")]
    assert seen[0].properties["utm_source"] == "fair" and not PageView.objects.exists()
    sent = Activity.objects.get(person=ada, kind__slug="form_submitted").properties
    assert sent["page"].endswith("/form") and sent["utm_campaign"] == "spring"
    User.objects.create_user("eve@perennial.example", PASSWORD, role=User.Role.MARKETER)
    page.goto(f"{live_server.url}/sign-in/?next={ada.get_absolute_url()}")
    page.get_by_label("Email").fill("eve@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("127.0.0.1/pricing").first.wait_for()


@pytest.mark.parametrize(("sign", "value"), [("globalPrivacyControl", "true"), ("doNotTrack", "'1'")])
def test_who_does_not_want_to_be_followed_is_not_whatever_the_banner_says(
    page: Any, shop: Any, sign: str, value: str
) -> None:
    page.add_init_script(f"Object.defineProperty(Navigator.prototype, '{sign}', {{get: () => {value}}})")
    page.goto(f"{shop.base}/pricing")
    page.evaluate("perennial.consent(true)")
    page.wait_for_timeout(500)
    assert page.evaluate("document.cookie") == "" and not PageView.objects.exists()


def test_consent_that_is_taken_back_takes_the_id_with_it(page: Any, shop: Any) -> None:
    page.goto(f"{shop.base}/pricing?perennial=word&a=1#top")
    assert page.evaluate("location.href") == f"{shop.base}/pricing?a=1#top"
    with page.expect_response("**/t/v"):
        page.evaluate("perennial.consent(true)")
    assert "perennial_id" in page.evaluate("document.cookie")
    page.evaluate("perennial.consent(false)")
    assert page.evaluate("document.cookie") == ""
