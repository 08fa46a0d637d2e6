"""The board in a browser: moved by mouse, by keyboard, without scripts, many at once; raced, taken back; for axe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from kit import installation
from kit.models import User
from lifecycle.ledger import moving, stages
from lifecycle.models import BulkMove, Membership, Movement, Version
from tests import axe
from tests.factories import account, deal, person, published
from tests.lifecycle.crowds import crowd
from tests.lifecycle.test_overrides import GUARDED

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
BOARD = "/lifecycles/small/board/"
WIDTHS = (360, 390, 768, 1024, 1440, 2560)


@pytest.fixture
def version() -> Version:
    """Six people in two stages, one of them with a deal and an owner, one overdue."""
    return peopled(published())


@pytest.fixture
def guarded() -> Version:
    """The same, where a guard keeps the way to the detour."""
    return peopled(published(GUARDED))


def peopled(made: Version) -> Version:
    now = timezone.now()
    installation.put("currency", "EUR")
    owner = User.objects.create_user("ina@perennial.example", PASSWORD, name="Ina Weber", role=User.Role.SALES)
    acme = account(name="Acme Rail")
    for number, name in enumerate(("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")):
        someone = person(first_name=name, last_name="Okafor", account=acme, owner=owner if number % 2 else None)
        stage = made.stages.get(slug="engaged" if name == "Finn" else "known")
        at = now - timedelta(days=number + 1)
        stages.place(someone.pk, made, to=stage, reason="Test", by=None, at=at, now=at)
    deal(person_called("Ada"), now - timedelta(days=9), amount=48_000_00, currency="EUR")
    Membership.objects.filter(person__first_name="Ben").update(due_at=now - timedelta(days=1))
    return made


def person_called(name: str) -> Any:
    return Membership.objects.get(person__first_name=name).person


def stage_of(name: str) -> str | None:
    stage = Membership.objects.get(person__first_name=name).stage
    return stage.slug if stage else None


def sign_in(page: Any, to: str = BOARD, email: str = "mo@perennial.example") -> None:
    if not User.objects.filter(email=email).exists():
        User.objects.create_user(email, PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    page.goto(f"/sign-in/?next={to}")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{to}")


def column(page: Any, slug: str) -> Any:
    return page.locator(f".board__column[data-slug={slug}]")


def card(page: Any, name: str) -> Any:
    return page.locator(f"[data-card][data-name='{name} Okafor']")


def names(page: Any, slug: str) -> list[str]:
    return [each.split()[0] for each in column(page, slug).locator(".bcard__name").all_inner_texts()]


def figure(page: Any, slug: str) -> str:
    return page.locator(f"[data-metric='board.members:{slug}']").inner_text()


def wait_for_figure(page: Any, slug: str, text: str) -> None:
    page.locator(f"[data-metric='board.members:{slug}']", has_text=text).wait_for()


def told(page: Any, text: str) -> None:
    page.locator(".toasts .note", has_text=text).wait_for()


def test_a_card_is_dragged_to_another_stage_and_taken_back_from_the_toast(page: Any, version: Version) -> None:
    sign_in(page)
    card(page, "Ada").drag_to(column(page, "lead"))
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "Move Ada Okafor"
    assert dialog.get_by_label("To stage").locator("option:checked").inner_text() == "Lead"
    assert names(page, "lead") == ["Ada"], "the page shows it at once"
    dialog.get_by_role("button", name="Spoke with them").click()
    dialog.get_by_role("button", name="Move", exact=True).click()
    told(page, "Moved to “Lead”.")
    wait_for_figure(page, "lead", "1")
    assert figure(page, "known") == "4"
    page.locator("[data-metric='board.with_deal:lead']", has_text="48.0k EUR").wait_for()
    moved = Movement.objects.latest("pk")
    assert (stage_of("Ada"), moved.reason, moved.actor) == ("lead", "Spoke with them", "mo@perennial.example")
    page.locator(".toasts").get_by_role("button", name="Undo").click()
    told(page, "Taken back")
    wait_for_figure(page, "known", "5")
    assert "Ada" in names(page, "known") and names(page, "lead") == []
    assert stage_of("Ada") == "known"


def test_a_drag_that_a_guard_refuses_names_it_and_is_made_all_the_same_with_a_reason(
    page: Any, guarded: Version
) -> None:
    sign_in(page)
    card(page, "Ada").drag_to(column(page, "resting"))
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("Met at the fair")
    dialog.get_by_role("button", name="Move", exact=True).click()
    dialog.get_by_text("This must hold to move there by hand: country is “DE”.").wait_for()
    assert dialog.get_by_label("Why").input_value() == "Met at the fair" and stage_of("Ada") == "known"
    assert names(page, "resting") == ["Ada"], "the page still shows what was asked"
    dialog.get_by_label("To stage").select_option(label="Engaged")
    assert not dialog.get_by_text("This must hold").is_visible(), "another way is another question"
    dialog.get_by_label("To stage").select_option(label="Resting")
    dialog.get_by_role("button", name="Move", exact=True).click()
    dialog.get_by_role("button", name="Move all the same").click()
    told(page, "Moved to “Resting”.")
    moved = Movement.objects.latest("pk")
    assert (stage_of("Ada"), moved.overrides, moved.reason) == ("resting", True, "Met at the fair")
    card(page, "Ben").focus()
    for _step in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("No budget")
    page.keyboard.press("Enter")
    dialog.get_by_text("This must hold to move there by hand").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    column(page, "known").locator(".bcard__name", has_text="Ben").wait_for()  # back, once the dialog is gone
    assert stage_of("Ben") == "known"


def test_a_cancelled_drag_leaves_the_card_where_it_was(page: Any, version: Version) -> None:
    sign_in(page)
    before = names(page, "known")
    card(page, "Cleo").drag_to(column(page, "lead"))
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert names(page, "known") == before and names(page, "lead") == []
    assert Movement.objects.count() == 6


def test_a_card_dropped_on_an_end_leaves_the_board_until_it_is_taken_back(page: Any, version: Version) -> None:
    sign_in(page)
    card(page, "Dan").drag_to(column(page, "won"))
    page.get_by_role("dialog").get_by_label("Why").fill("Signed")
    page.keyboard.press("Enter")
    told(page, "Moved to “Won”.")
    wait_for_figure(page, "won", "1")
    assert card(page, "Dan").count() == 0
    page.locator(".toasts").get_by_role("button", name="Undo").click()
    card(page, "Dan").wait_for()
    assert stage_of("Dan") == "known" and Membership.objects.filter(ended_at=None).count() == 6


def test_a_card_is_moved_by_the_keyboard_alone(page: Any, version: Version) -> None:
    sign_in(page)
    card(page, "Ada").focus()
    assert "Enter moves the card there" in page.locator("#board-keys").inner_text()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.name") == "Ben Okafor"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#board-said").inner_text() == "Towards “Lead”. Enter moves Ben Okafor there, Escape cancels."
    page.keyboard.press("Escape")
    assert page.locator("#board-said").inner_text() == "Ben Okafor stays in “Known”."
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("Asked for a call")
    page.keyboard.press("Enter")
    told(page, "Moved to “Engaged”.")
    assert page.evaluate("document.activeElement.dataset.name") == "Ben Okafor", "the focus goes with the card"
    assert stage_of("Ben") == "engaged"
    page.keyboard.press("Enter")  # without a direction: the form asks for the stage
    assert page.evaluate("document.activeElement.id") == "dialog-to"


def test_the_loser_of_a_race_is_told_and_the_card_goes_to_where_it_is(
    page: Any, version: Version, chromium: Any, live_server: Any
) -> None:
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    slower = context.new_page()
    sign_in(slower)
    sign_in(page, email="kim@perennial.example")
    card(page, "Ada").drag_to(column(page, "engaged"))
    page.get_by_role("dialog").get_by_label("Why").fill("Met at the fair")
    page.keyboard.press("Enter")
    told(page, "Moved to “Engaged”.")

    card(slower, "Ada").drag_to(column(slower, "lead"))
    slower.get_by_role("dialog").get_by_label("Why").fill("Called")
    slower.keyboard.press("Enter")
    told(slower, "Not moved: it was changed to “Engaged” by hand (kim@perennial.example)")
    assert "(Met at the fair)" in slower.locator(".toasts").inner_text()
    assert "Ada" in names(slower, "engaged") and names(slower, "lead") == []
    wait_for_figure(slower, "engaged", "2")
    assert Movement.objects.count() == 7
    context.close()


def test_many_are_ticked_by_a_range_moved_and_taken_back(page: Any, version: Version) -> None:
    sign_in(page)
    boxes = column(page, "known").locator("input[name=member]")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    bar = page.locator("#board-bulk")
    assert bar.locator("[data-count]").inner_text() == "3 selected"
    bar.get_by_label("To stage").select_option("Lead")
    bar.get_by_label("Why").fill("Fair in March")
    bar.get_by_role("button", name="Move", exact=True).click()
    told(page, "3 moved to “Lead”.")
    assert set(names(page, "lead")) == {"Ada", "Ben", "Cleo"}
    page.locator(".toasts").get_by_role("button", name="Undo").click()
    told(page, "Taken back: everybody is where they were. Their time in the stage begins anew.")
    assert set(names(page, "known")) == {"Ada", "Ben", "Cleo", "Dan", "Eve"}
    assert moving.outcomes(BulkMove.objects.get()) == {"undone": 3}


def test_ticked_cards_are_dragged_together(page: Any, version: Version) -> None:
    sign_in(page)
    for name in ("Ada", "Dan"):
        card(page, name).get_by_role("checkbox").check()
    card(page, "Dan").drag_to(column(page, "resting"))
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "Move 2 members"
    dialog.get_by_role("button", name="Not now").click()
    dialog.get_by_role("button", name="Move", exact=True).click()
    told(page, "2 moved to “Resting”.")
    assert (stage_of("Ada"), stage_of("Dan")) == ("resting", "resting")


def test_everybody_in_a_long_column_is_moved_by_a_job_and_taken_back_from_its_page(
    page: Any, version: Version, worker: None
) -> None:
    crowd(version, 300)
    sign_in(page)
    assert column(page, "known").locator("[data-card]").count() == 25
    column(page, "known").get_by_role("link", name="Show more").click()
    column(page, "known").locator("[data-card]").nth(49).wait_for()
    column(page, "known").get_by_label("Select all in Known").check()
    bar = page.locator("#board-bulk")
    assert bar.locator("[data-count]").inner_text() == "50 selected"
    bar.get_by_role("button", name="Select all 305 in “Known”").click()
    assert bar.locator("[data-count]").inner_text() == "305 selected"
    bar.get_by_label("To stage").select_option("Resting")
    bar.get_by_label("Why").fill("Clean-up")
    bar.get_by_role("button", name="Move", exact=True).click()
    page.wait_for_url("**/lifecycles/moves/*/")
    page.set_default_timeout(60_000)
    page.get_by_role("link", name="Open the result").click()
    page.get_by_role("button", name="Take 305 back").click()
    page.get_by_text("Taken back", exact=True).wait_for()
    assert Membership.objects.filter(stage__slug="known").count() == 305


def test_without_scripts_one_and_many_are_moved_by_forms(chromium: Any, live_server: Any, version: Version) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    card(page, "Ada").get_by_role("link", name="Move Ada Okafor to …").click()
    page.get_by_label("To stage").select_option("Lead")
    page.get_by_label("Why").fill("Called")
    page.get_by_role("button", name="Move", exact=True).click()
    page.wait_for_url(f"**{BOARD}*")
    assert names(page, "lead") == ["Ada"]
    page.locator(".toasts").get_by_role("button", name="Undo").click()
    wait_for_figure(page, "lead", "0")
    assert names(page, "lead") == []
    for name in ("Ben", "Cleo"):
        card(page, name).get_by_role("checkbox").check()
    page.locator("#board-bulk").get_by_label("To stage").select_option("Lead")
    page.locator("#board-bulk").get_by_label("Why").fill("Fair")
    page.locator("#board-bulk").get_by_role("button", name="Move").click()
    wait_for_figure(page, "lead", "2")
    assert set(names(page, "lead")) == {"Ben", "Cleo"}
    column(page, "known").get_by_role("link", name="Move all of this column").click()
    page.get_by_label("To stage").select_option("Resting")
    page.get_by_label("Why").fill("Clean-up")
    page.get_by_role("button", name="Move 3").click()
    wait_for_figure(page, "resting", "3")
    assert set(names(page, "resting")) == {"Ada", "Dan", "Eve"}
    context.close()


def test_a_phone_shows_one_column_at_a_time(page: Any, version: Version) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page)
    assert column(page, "known").is_visible() and not column(page, "engaged").is_visible()
    page.get_by_role("link", name="Engaged 1").click()
    expect(column(page, "engaged")).to_be_visible()
    expect(column(page, "known")).to_be_hidden()
    page.get_by_role("link", name="Move Finn Okafor to …").click()
    page.get_by_role("dialog").get_by_label("To stage").select_option("Lead")
    page.get_by_role("dialog").get_by_label("Why").fill("Called")
    page.get_by_role("dialog").get_by_role("button", name="Move", exact=True).click()
    told(page, "Moved to “Lead”.")
    page.get_by_role("link", name="Lead 1").wait_for()
    page.reload()
    assert column(page, "engaged").is_visible(), "the address says which"


def test_a_filter_narrows_the_board_where_it_stands(page: Any, version: Version) -> None:
    sign_in(page)
    page.locator("#list-filters").get_by_role("searchbox").fill("eve")
    wait_for_figure(page, "known", "1")
    assert names(page, "known") == ["Eve"]
    page.get_by_role("link", name="Longest in stage").click()
    page.locator(".segmented [aria-current]", has_text="Longest").wait_for()
    assert "q=eve" in page.url and "sort=entered_at" in page.url
    card(page, "Eve").drag_to(column(page, "lead"))
    page.get_by_role("dialog").get_by_label("Why").fill("Called")
    page.keyboard.press("Enter")
    wait_for_figure(page, "lead", "1")


def test_no_page_scrolls_sideways_and_axe_finds_nothing(page: Any, version: Version) -> None:
    now = timezone.now()
    bulk = moving.move(
        version, moving.everybody_of(Membership.objects.filter(person__first_name="Dan")),
        to=version.stages.get(slug="lead"), reason="Test", by=None, now=now,
    )  # fmt: skip
    member = Membership.objects.get(person__first_name="Ada")
    sign_in(page)
    wide, found = [], []
    addresses = (
        BOARD, f"{BOARD}?q=nobody", f"{BOARD}move/?all=known", f"/memberships/{member.pk}/move/",
        bulk.get_absolute_url(), f"/people/{member.subject_id}/",
    )  # fmt: skip
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for address in addresses:
            page.goto(address)
            for details in page.locator("main details:not(.menu)").all():
                details.evaluate("each => each.open = true")
            if address == BOARD:
                column(page, "known").locator("input[name=member]").first.check()
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                wide += [(address, width, over)] if over > 0 else []
                if width in (390, 1440):
                    result = axe.violations(page)
                    found += [(theme, width, address, each["id"], each["nodes"][0]["html"][:160]) for each in result]
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(BOARD)
        card(page, "Ada").focus()
        page.keyboard.press("Enter")
        found += [(theme, "dialog", each["id"], each["nodes"][0]["html"][:160]) for each in axe.violations(page)]
    assert wide == [] and found == []
