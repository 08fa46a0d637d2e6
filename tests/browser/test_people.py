"""People and accounts in a browser: find somebody, read what happened, move them; on every width, and for axe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audience.activity import activities
from audience.models import Account, AccountRole, Case, Contract, Deal, FieldChange, Identity, Person
from audience.subjects import tags
from kit import notes, work
from kit.models import User
from kit.sql import sql
from lifecycle.ledger import stages
from tests import axe
from tests.factories import account, activity, deal, person, published, purchase

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
WIDTHS = (360, 390, 768, 1024, 1440, 2560)


@pytest.fixture
def ada() -> Person:
    """A person of whom there is something of everything."""
    now = timezone.now()
    acme: Account = account(name="Acme Rail", domain="acme.example", annual_revenue=100_000_00, currency="EUR")
    account(name="Acme Freight", parent=acme)
    found = person(
        first_name="Ada", last_name="Okafor", email="ada.okafor@acme.example", title="Head of Demand Generation",
        account=acme, is_excluded=True, excluded_reason="own domain",
    )  # fmt: skip
    AccountRole.objects.create(person=found, account=acme, role="decision maker")
    Identity.objects.create(person=found, system="crm", kind="person", external_id="crm-1")
    FieldChange.objects.create(
        person=found, field="title", old="Analyst", source="crm", occurred_at=now - timedelta(days=9), recorded_at=now
    )
    for number in range(40):
        activity(found, now - timedelta(days=number, hours=1), kind="call" if number % 4 == 0 else "page_visited",
                 channel="phone" if number % 4 == 0 else "web", properties={"page": "/pricing"})  # fmt: skip
    deal(found, now - timedelta(days=50), name="Fleet of 40", amount=4_800_000, currency="EUR")
    purchase(found, now - timedelta(days=60), amount=99_00, currency="EUR")
    made = {"source": "erp", "recorded_at": now, "person": found}
    Contract.objects.create(name="Support", starts_on=now.date(), renews_on=now.date(), external_id="c", **made)
    Case.objects.create(title="Does not load", opened_at=now - timedelta(days=70), external_id="k", **made)
    mo = User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    notes.add(found.pk, "Prefers calls after four", by=mo, now=now)
    work.add("Call back", by=mo, now=now, subject_id=found.pk, assigned_to=mo, due_on=now.date() - timedelta(days=2))
    whom = sql("SELECT {}::bigint AS subject_id", found.pk)
    tags.add(Person, whom, ["VIP", "a really quite long tag that somebody made up once"], source="t", by=mo, now=now)
    activities.record(found, kind="meeting", at=now, source="by hand", now=now, properties={"summary": "x" * 200})
    version = published()
    known = version.stages.get(slug="known")
    stages.place(found.pk, version, to=known, reason="First seen", by=None, at=now - timedelta(days=12), now=now)
    return found


def sign_in(page: Any, to: str) -> None:
    if not User.objects.filter(email="mo@perennial.example").exists():
        User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    page.goto(f"/sign-in/?next={to}")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{to}")


def test_from_three_letters_to_a_person_and_on_to_another_stage(page: Any, ada: Person) -> None:
    sign_in(page, "/people/")
    page.keyboard.press("Control+k")
    page.keyboard.type("oka")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=oka")
    page.get_by_role("link", name="Ada Okafor").click()
    page.get_by_role("heading", name="Ada Okafor").wait_for()
    page.get_by_text("Move by hand").click()
    page.get_by_label("To stage").select_option("Lead")
    page.get_by_label("Why").fill("Asked for an offer")
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_text("Moved to “Lead”.").wait_for()
    assert page.locator(".toasts").get_by_text("Moved to “Lead”.").is_visible()
    assert page.locator(".stay__now").inner_text() == "Lead"


def test_older_items_are_put_behind_the_newer_and_a_filter_leaves_what_is_wanted(page: Any, ada: Person) -> None:
    sign_in(page, f"/people/{ada.pk}/")
    items = page.locator(".timeline__item")
    assert items.count() == 25
    page.get_by_role("link", name="Older").click()
    items.nth(43).wait_for()  # 41 activities, the deal, the purchase, the case
    assert items.count() == 44
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_label("Kind").select_option("call")
    page.locator("#timeline .timeline__item").nth(9).wait_for()
    page.locator(".timeline__title", has_text="Page visited").first.wait_for(state="detached")
    assert set(page.locator(".timeline__title").all_inner_texts()) == {"Call"}


def test_without_scripts_older_items_are_a_page_of_their_own(chromium: Any, live_server: Any, ada: Person) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, f"/people/{ada.pk}/")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**/timeline/?before=*")
    assert page.locator(".timeline__item").count() == 19
    page.get_by_label("Kind").select_option("call")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/timeline/?kind=call*")
    assert page.locator(".timeline__item").count() == 10
    context.close()


def addresses(ada: Person) -> list[str]:
    return [
        "/people/",
        "/people/?country=(empty)&left_out=yes",
        f"/people/{ada.pk}/",
        f"/people/{ada.pk}/timeline/",
        f"/people/{ada.pk}/edit/",
        f"/people/{ada.pk}/record/",
        "/people/new/",
        f"/people/{ada.pk}/deal/",
        f"/deals/{Deal.objects.get().pk}/",
        f"/accounts/{ada.account_id}/edit/",
        "/work/",
        "/work/new/",
        "/",
        "/accounts/",
        f"/accounts/{ada.account_id}/",
        f"/accounts/{ada.account_id}/people/",
        "/search/?q=acm",
    ]


def test_no_page_scrolls_sideways(page: Any, ada: Person) -> None:
    sign_in(page, "/people/")
    wide = []
    for address in addresses(ada):
        page.goto(address)
        for details in page.locator("main details:not(.menu)").all():
            details.evaluate("each => each.open = true")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                wide.append((address, width, over))
    assert wide == []


def test_axe_finds_nothing(page: Any, ada: Person) -> None:
    sign_in(page, "/people/")
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for address in addresses(ada):
            page.goto(address)
            for details in page.locator("main details:not(.menu)").all():
                details.evaluate("each => each.open = true")
            found += [(theme, address, each["id"], each["nodes"][0]["html"][:160]) for each in axe.violations(page)]
    assert found == []
