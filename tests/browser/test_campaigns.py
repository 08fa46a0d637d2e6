"""The flow builder in a browser: by mouse, by keyboard, on a phone, without scripts; axe; then from a flow to a click."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Error as PlaywrightError

from audience import consent, segments
from audience import live as engine
from audience.models import Person, SegmentMember
from campaigns import flows, journeys, live, plans, sending
from campaigns.models import CampaignVersion, Letter, Step
from kit import installation, jobs
from kit.models import Job, User
from lifecycle.models import Movement
from tests import axe, factories, patience
from tests.campaigns import making
from tests.scoring import making as scored

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
# Builders of conditions have told their numbers.
COUNTED = "[...document.querySelectorAll('[data-builder]')].every((it) => it.dataset.ready !== undefined && /[0-9]/.test(it.querySelector('[data-count]').textContent))"  # noqa: E501
GERMAN = {"field": "person.country", "op": "is", "value": "DE"}


@pytest.fixture
def draft() -> CampaignVersion:
    """A draft with a branch: send · branch (yes: wait; no: exit) · send, bound to a stage."""
    made = making.campaign(version=factories.published(), stage="known")
    plans.add_step(made, "send", content=making.content("Hello"))
    branch = plans.add_step(made, "branch", condition=GERMAN)
    plans.add_step(made, "wait", parent=branch, arm="yes", settings={"days": 2})
    plans.add_step(made, "exit", parent=branch, arm="no", settings={"reason": "elsewhere"})
    plans.add_step(made, "send", content=making.content("Goodbye"))
    return made


def sign_in(page: Any, address: str) -> None:
    User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.MARKETER)
    page.goto(f"/sign-in/?next={address}")
    page.get_by_label("Email").fill("ada@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{address}")


def outline(version: CampaignVersion) -> list[Any]:
    def told(nodes: Any) -> list[Any]:
        return [[n.step.kind, told(n.yes), told(n.no)] if n.parts else n.step.kind for n in nodes]

    return told(flows.tree(version))


def until(page: Any, script: str) -> None:
    """Wait for what a script says of the page; the page's own policy forbids Playwright's way."""
    for _try in range(100):
        with suppress(PlaywrightError):  # the page is being left for the next one
            if page.evaluate(script):
                return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {script}")


def test_a_step_is_added_in_the_panel_where_the_plus_was_pressed(page: Any, draft: CampaignVersion) -> None:
    sign_in(page, draft.campaign.get_absolute_url())
    page.get_by_label("Yes", exact=True).get_by_title("Add a step here").last.click()
    page.get_by_role("link", name="Wait until something holds").click()
    page.locator("#step-panel").get_by_role("heading", name="Wait until something holds").wait_for()
    assert "/steps/new/wait_until/" in page.url
    panel = page.locator("#step-panel")
    panel.locator("[data-builder][data-ready]").wait_for()
    build_country(panel, page)
    panel.get_by_label("At most days").fill("5")
    panel.get_by_role("button", name="Add the step").click()
    page.get_by_role("link", name="Wait until country is “DE”, at most 5 days").wait_for()
    assert outline(draft) == ["send", ["branch", ["wait", ["wait_until", [], []]], ["exit"]], "send"]
    assert page.locator(".flow__item:target").count() == 1


def build_country(panel: Any, page: Any) -> None:
    root = panel.locator(".builder__group--root")
    if not root.get_by_role("combobox", name="Field").count():
        root.get_by_role("button", name="Add a condition to this group").click()
    root.get_by_role("combobox", name="Field").last.fill("coun")
    page.get_by_role("option", name="Country", exact=True).click()
    root.get_by_role("combobox", name="Value").fill("DE")
    page.keyboard.press("Tab")


def drag(page: Any, card: str, gap: Any) -> None:
    """As a hand does it: press, move in small steps, let go."""
    box, goal = page.locator(".step").filter(has_text=card).bounding_box(), gap.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(goal["x"] + goal["width"] / 2, goal["y"] + goal["height"] / 2, steps=8)
    page.mouse.up()


def test_a_card_is_dragged_into_an_arm(page: Any, draft: CampaignVersion) -> None:
    page.set_viewport_size({"width": 1440, "height": 1600})
    sign_in(page, draft.campaign.get_absolute_url())
    drag(page, "Hello", page.get_by_label("Yes", exact=True).locator("[data-gap]").last)
    until(page, "document.querySelector('.step__title').textContent.includes('country')")
    assert outline(draft) == [["branch", ["wait", "send"], ["exit"]], "send"]
    drag(page, "If country", page.locator("[data-gap]").last)
    until(page, "document.querySelector('.step__title').textContent.includes('Goodbye')")
    assert outline(draft) == ["send", ["branch", ["wait", "send"], ["exit"]]]


def test_the_keyboard_does_all_that_the_mouse_does(page: Any, draft: CampaignVersion) -> None:
    sign_in(page, draft.campaign.get_absolute_url())
    first = page.get_by_role("link", name="Send “Hello”")
    first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == "If country is “DE”"
    page.keyboard.press("ArrowUp")
    for number in range(2):  # into the arm, and past the wait
        page.keyboard.press("Alt+ArrowDown")
        until(page, f"document.querySelectorAll('.step__title')[{number + 1}].textContent.includes('Hello')")
        until(page, "document.activeElement?.textContent === 'Send “Hello”'")
    assert outline(draft) == [["branch", ["wait", "send"], ["exit"]], "send"]
    page.keyboard.press("Enter")
    page.locator("#step-panel").get_by_role("button", name="Keep the step").wait_for()
    until(page, "document.activeElement?.matches('[data-panel-title]')")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('#step-panel').firstElementChild")
    assert page.evaluate("document.activeElement.textContent") == "Send “Hello”"
    assert page.url.endswith(draft.campaign.get_absolute_url())
    page.keyboard.press("Delete")
    page.get_by_text("“Send “Hello”” is taken out.").wait_for()
    assert outline(draft) == [["branch", ["wait"], ["exit"]], "send"]
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Send “Hello”").wait_for()
    assert outline(draft) == [["branch", ["wait", "send"], ["exit"]], "send"]


def test_the_buttons_of_a_card_keep_the_focus_while_it_moves(page: Any, draft: CampaignVersion) -> None:
    sign_in(page, draft.campaign.get_absolute_url())
    page.get_by_role("button", name="Move “Send “Goodbye”” up").focus()
    page.keyboard.press("Enter")
    until(
        page, "[...document.querySelectorAll('.flow__arm .step__title')].some((t) => t.textContent.includes('Goodbye'))"
    )
    until(page, "document.activeElement?.id.startsWith('up-')")
    assert outline(draft) == ["send", ["branch", ["wait"], ["exit", "send"]]]


def test_the_builder_works_without_scripts(chromium: Any, live_server: Any, draft: CampaignVersion) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, draft.campaign.get_absolute_url())
    page.get_by_title("Add a step here").first.click()
    page.get_by_role("link", name="Wait", exact=False).filter(has_text="Some days").first.click()
    page.get_by_label("Days").fill("1")
    page.get_by_role("button", name="Add the step").click()
    page.get_by_role("button", name="Move “Wait 1 day” down").click()
    page.get_by_role("button", name="Take “Send “Hello”” out").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="If country is “DE”").click()
    page.get_by_label("Name").fill("Germans?")
    page.get_by_role("button", name="Keep the step").click()
    assert outline(draft) == ["send", "wait", ["branch", ["wait"], ["exit"]], "send"]
    assert Step.objects.get(kind="branch").name == "Germans?"
    context.close()


def test_on_a_phone_the_arms_stand_under_each_other_and_nothing_scrolls_sideways(
    page: Any, draft: CampaignVersion
) -> None:
    inner = plans.add_step(
        draft, "branch", condition=GERMAN, parent=Step.objects.get(kind="branch"), arm="no", position=1
    )
    plans.add_step(draft, "wait", parent=inner, arm="yes", settings={"days": 1})
    sign_in(page, draft.campaign.get_absolute_url())
    for width in (360, 390, 768, 1024, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        for address in ("", "settings/", "launch/", "people/", "results/", "versions/", f"steps/{inner.pk}/"):
            page.goto(draft.campaign.get_absolute_url() + address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, address)
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(draft.campaign.get_absolute_url())
    yes, no = (page.locator(".flow__label").nth(n).bounding_box() for n in (0, 1))
    assert no["y"] > yes["y"] + 40
    assert page.evaluate(
        "document.querySelector('.flow-scroll').scrollWidth <= document.querySelector('.flow-scroll').clientWidth"
    )


def test_axe_finds_nothing_on_the_pages_of_campaigns(page: Any, draft: CampaignVersion) -> None:
    plans.add_step(draft, "send")  # with a check beside it
    live = making.launched(making.simple("Running"))
    sign_in(page, draft.campaign.get_absolute_url())
    here, there = draft.campaign.get_absolute_url(), live.campaign.get_absolute_url()
    wait = Step.objects.filter(version=draft, kind="wait").get()
    addresses = (
        "/campaigns/", "/campaigns/new/", here, f"{here}steps/{wait.pk}/", f"{here}settings/", f"{here}launch/", there,
        f"{there}people/", f"{there}results/", f"{there}versions/", f"{there}stop/", f"{there}settings/",
    )  # fmt: skip
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for address in addresses:
            page.goto(address)
            until(page, COUNTED)
            found += [(theme, address, each["id"], each["nodes"][0]["html"][:140]) for each in axe.violations(page)]
    page.goto(here)
    page.get_by_title("Add a step here").first.click()
    found += [("menu", each["id"], each["nodes"][0]["html"][:140]) for each in axe.violations(page)]
    assert found == []


def test_targets_of_the_flow_are_large_enough(page: Any, draft: CampaignVersion) -> None:
    sign_in(page, draft.campaign.get_absolute_url())
    small = page.evaluate(
        """() => [...document.querySelectorAll("#flow a, #flow button, #flow summary, .page-head button")]
            .filter((each) => each.checkVisibility() && !each.matches(".step__open, .flow-ends a"))
            .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
            .filter(([html, box]) => box.width < 24 || box.height < 23.9)
            .map(([html, box]) => `${html} ${box.width}x${box.height}`)"""
    )
    assert small == []


# ---- from the builder to a click in the timeline ----

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"  # a human's, unlike a headless one
READERS = """
lifecycle: readers
name: Readers
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: engaged, name: Engaged}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: known, to: engaged, reason: Followed a link,
     when: {field: activity.count, where: {kind: email_clicked}, op: at_least, value: 1}}
"""
INTEREST = """
model: interest
name: Interest
limit: 20
rules:
  - {name: Followed a link, points: 25, did: {kind: email_clicked}}
"""
CLICKED = {"field": "activity.count", "where": {"kind": "email_clicked"}, "op": "at_least", "value": 1}


@contextmanager
def workers() -> Iterator[None]:
    """What the beat has workers do every two seconds, done in a thread by the same verbs."""
    over = threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            while not over.wait(0.2):
                for job_id in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
                    jobs.run(job_id, timezone.now())
                engine.run_all(timezone.now())
                live.begin(timezone.now())
                journeys.run_all(timezone.now())
                sending.run_all(timezone.now(), owner="tests")
        except BaseException as fault:  # a test that waits for what nobody does any more should say why
            faults.append(fault)
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="workers", daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(timeout=30)
    assert not faults, faults


@pytest.fixture
def human(chromium: Any, live_server: Any) -> Iterator[Any]:
    """A page whose requests look as those of somebody at a desk."""
    context = chromium.new_context(
        base_url=live_server.url, user_agent=FIREFOX, locale="en-GB", viewport={"width": 1440, "height": 1100}
    )
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_from_an_empty_flow_to_a_click_that_moves_its_reader(human: Any, live_server: Any) -> None:
    now = timezone.now()
    installation.put("address", live_server.url)
    factories.published(READERS, now)
    scored.published(INTEREST, now)
    mira = factories.person(first_name="Mira", last_name="Lund", email="mira@example.com", created_at=now)
    topic, _sender = making.topic(), making.sender()
    consent.give(mira, topic=topic, source="tests", at=now, now=now)
    clickers = segments.create("Clickers", of="person", condition=CLICKED, by=None, now=now)
    engine.run_all(now)
    with workers():
        write(human, live_server.url)
        build(human)
        launch(human)
        follow(human)
        patience.until(lambda: SegmentMember.objects.filter(segment=clickers, person=mira, left_at=None).first())
        patience.until(lambda: Movement.objects.filter(membership__person=mira, to_stage__slug="engaged").first())
    see(human, mira)


def write(page: Any, address: str) -> None:
    """What is said."""
    sign_in(page, "/content/new/?from=nothing")
    page.get_by_label("Name", exact=True).fill("First guide")
    page.get_by_label("Style").select_option("education")
    page.get_by_label("Subject", exact=True).fill("A guide for {{ person.first_name }}")
    page.get_by_label("Body").fill(
        f'<p>Hello {{{{ person.first_name }}}}, <a href="{address}/styleguide/">read</a></p>'
    )
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("It is kept.").wait_for()


def build(page: Any) -> None:
    """To whom, and when."""
    page.goto("/campaigns/new/")
    page.get_by_label("Name", exact=True).fill("Guide for the new")
    page.get_by_label("Type").select_option("welcome")
    page.get_by_label("Stage it serves").select_option("readers/known")
    page.get_by_role("button", name="Make the draft").click()
    page.get_by_title("Add a step here").first.click()
    page.locator(".flow__add[open] .flow__kind").filter(has_text="Send an email").click()
    panel = page.locator("#step-panel")
    panel.get_by_label("What is sent").select_option("First guide")
    panel.get_by_role("button", name="Add the step").click()
    page.get_by_role("link", name="Send “First guide”").wait_for()
    page.get_by_title("Add a step here").last.click()
    page.locator(".flow__add[open] .flow__kind").filter(has_text="Some days or hours").click()
    panel.get_by_label("Days").fill("7")
    panel.get_by_role("button", name="Add the step").click()
    page.get_by_role("link", name="Wait 7 days").wait_for()
    page.get_by_role("link", name="Settings").first.click()
    page.locator("[data-builder][data-ready]").first.wait_for()
    page.get_by_label("Those already there enter at the launch").check()
    page.get_by_label("Whoever leaves the stage leaves the campaign").uncheck()
    page.get_by_role("button", name="Keep the settings").click()
    page.get_by_text("The settings are kept.").wait_for()


def launch(page: Any) -> None:
    """Looked over, and launched."""
    page.get_by_role("link", name="Check and launch").click()
    page.locator("[data-metric='dry_run.sent']").wait_for()
    foreseen = page.locator("[data-metric='dry_run.sent']").inner_text()
    assert page.locator("[data-metric='launch.entering']").inner_text() == foreseen == "1"
    page.get_by_role("button", name="Launch: 1 person enters").click()
    page.get_by_text("“Guide for the new” is running.").wait_for()
    page.locator("[data-metric$='.sent'][data-count='1']").wait_for()  # by itself, without loading the page again


def follow(page: Any) -> None:
    """The letter arrives, is read, and its link is followed."""
    patience.until(lambda: Letter.objects.filter(recipient="mira@example.com").first())
    page.goto("/mailbox/")
    page.get_by_role("link", name="A guide for Mira").click()
    page.wait_for_timeout(2100)  # nobody reads faster; what does is taken for a machine
    with page.context.expect_page() as opened:
        page.frame_locator(".letter__frame").get_by_role("link", name="read").click()
    opened.value.wait_for_url("**/styleguide/**")


def see(page: Any, mira: Person) -> None:
    """What came of it: in the timeline, in the score, in the stage, in the segment, beside the step."""
    page.goto(mira.get_absolute_url())
    page.locator(".timeline__item").filter(has_text="Email clicked").first.wait_for()
    assert page.locator("[data-metric='score:interest']").inner_text() == "25"
    page.get_by_text("Engaged").first.wait_for()
    page.locator("#segments").get_by_text("Clickers").wait_for()
    page.goto("/campaigns/")
    page.get_by_role("link", name="Guide for the new").click()
    step = page.locator(".step").filter(has_text="First guide")
    for name in ("entered", "sent", "clicked"):
        assert step.locator(f"[data-metric$='.{name}']").get_attribute("data-count") == "1"
    step.locator("[data-metric$='.clicked']").click()
    page.get_by_role("link", name="Mira Lund").click()
    page.get_by_role("heading", name="Mira Lund in “Guide for the new”").wait_for()
