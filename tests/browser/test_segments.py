"""Segments in a browser: a condition built by clicks and by keys alone, kept, opened again, changed; no JSON typed."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from audience import live, segments
from audience.models import Segment, SegmentMember
from kit.models import User
from tests import axe
from tests.factories import account, activity, person, published

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long password"
PEOPLE = re.compile(r"^\d+ (people|person)$")


@pytest.fixture
def crowd() -> None:
    """Thirty people from three countries, some with a title, some who did something lately."""
    now = timezone.now()
    published()
    for number in range(30):
        who = person(
            first_name="Ada", last_name=f"No {number}", country=("DE", "FR", "US")[number % 3],
            title="Director" if number % 2 else "", city="Berlin" if number % 5 == 0 else "",
        )  # fmt: skip
        for day in range(number % 6):
            activity(who, now - timedelta(days=day + 1), "webinar_attended" if day % 2 else "page_visited")


def sign_in(page: Any, to: str) -> None:
    User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    page.goto(f"/sign-in/?next={to}")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**{to}")
    page.locator("[data-builder][data-ready]").wait_for()


def choose(page: Any, within: Any, words: str, label: str) -> None:
    """Choose what a new question asks: the first letters, and a click on the name."""
    within.get_by_role("combobox", name="Field").last.fill(words)
    page.get_by_role("option", name=label, exact=True).click()


def shown(page: Any) -> Any:
    """The JSON that the form would send."""
    return json.loads(page.locator("[data-builder] textarea").input_value())


def count(page: Any) -> int:
    """The live count, once it speaks of what is shown."""
    page.locator("[data-builder]:not([data-counting]) [data-count]").filter(has_text=PEOPLE).wait_for()
    return int(page.locator("[data-count]").inner_text().split()[0])


def test_a_nested_condition_is_built_kept_opened_again_and_changed(page: Any, crowd: None) -> None:
    sign_in(page, "/segments/new/")
    page.get_by_label("Name", exact=True).fill("Near or active")
    root = page.locator(".builder__group--root")
    root.get_by_label("How the conditions of this group combine").select_option("any")

    # (A and …
    root.get_by_role("button", name="Add a group to this group").click()
    both = page.get_by_role("group", name="Group 1 of 1")
    both.get_by_role("button", name="Add a condition to this group").click()
    choose(page, both, "coun", "Country")
    both.get_by_label("Value", exact=True).fill("D")
    page.get_by_role("option", name="DE").click()
    # … (B or not C))
    both.get_by_role("button", name="Add a group to this group").click()
    either = both.get_by_role("group", name="Group 2 of 2")
    either.get_by_role("button", name="Add a condition to this group").click()
    choose(page, either, "job ti", "Job title")
    either.get_by_label("Comparison").select_option("contains")
    either.get_by_label("Value", exact=True).fill("director")
    either.get_by_role("button", name="Add a condition to this group").click()
    choose(page, either, "city", "City")
    last = either.get_by_role("group", name="Condition 2 of 2")
    last.get_by_label("Value", exact=True).fill("Berlin")
    last.get_by_role("button", name="not", exact=True).click()
    # … or at least 3 activities in 30 days
    root.get_by_role("button", name="Add a condition to this group").last.click()
    choose(page, root, "number of act", "Number of activities")
    active = root.get_by_role("group", name="Condition 2 of 2").last
    active.get_by_label("Value", exact=True).fill("3")
    active.get_by_label("Time span", exact=True).select_option("days")
    active.get_by_label("Days of the time span").fill("30")

    built = {"any": [
        {"all": [{"field": "person.country", "op": "is", "value": "DE"},
                 {"any": [{"field": "person.title", "op": "contains", "value": "director"},
                          {"not": {"field": "person.city", "op": "is", "value": "Berlin"}}]}]},
        {"field": "activity.count", "op": "at_least", "value": 3, "days": 30}]}  # fmt: skip
    assert shown(page) == built
    said = "(country is “DE” and (job title contains “director” or not (city is “Berlin”))) or at least 3 activities in the last 30 days"
    page.get_by_text(said).wait_for()
    counted = count(page)
    assert page.locator("[data-sample] li").count() == 10

    page.get_by_role("button", name="Keep this segment").click()
    page.wait_for_url("**/segments/near_or_active/")
    assert page.locator('[data-metric="segment.size"]').inner_text() == str(counted)
    page.locator('[data-metric="segment.size"]').click()
    assert page.locator('[data-metric="list.total"]').inner_text() == f"{counted} people"
    expect(page.locator("tbody tr")).to_have_count(counted)

    page.goto("/segments/near_or_active/edit/")
    page.locator("[data-ready]").wait_for()
    assert shown(page) == built
    page.get_by_label("Value", exact=True).last.fill("5")
    fewer = count(page)
    assert fewer < counted
    page.get_by_role("button", name="Keep the changes").click()
    page.wait_for_url("**/segments/near_or_active/")
    assert page.locator('[data-metric="segment.size"]').inner_text() == str(fewer)
    page.locator('[data-metric="segment.size"]').click()
    expect(page.locator("tbody tr")).to_have_count(fewer)
    assert Segment.objects.get().condition["any"][1]["value"] == 5


def test_a_question_is_added_by_keys_alone(page: Any, crowd: None) -> None:
    sign_in(page, "/segments/new/")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Keys")
    keys(page, "Tab", "Tab")  # the group's select, the tools that do nothing yet
    for _step in range(6):
        if page.evaluate("document.activeElement.dataset.k ?? ''").endswith(":add"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("number of act")
    page.get_by_role("option", name="Number of activities").wait_for()
    page.keyboard.press("Enter")
    keys(page, "Tab")
    page.keyboard.type("2")
    keys(page, "Tab", "ArrowDown", "Tab", "Control+a")  # the time span: in the last … days
    page.keyboard.type("7")
    assert shown(page) == {"all": [{"field": "activity.count", "op": "at_least", "value": 2, "days": 7}]}
    # narrowed to one kind
    while "narrow" not in page.evaluate("document.activeElement.dataset.k ?? ''"):
        page.keyboard.press("Tab")
    keys(page, "ArrowDown", "ArrowDown", "Enter")
    page.get_by_role("combobox", name="kind").wait_for()
    page.keyboard.type("web")
    page.get_by_role("option", name="webinar_attended").wait_for()
    keys(page, "ArrowDown", "Enter")
    assert shown(page)["all"][0]["where"] == {"kind": "webinar_attended"}
    assert count(page) > 0
    # taken back, and done again
    keys(page, "Control+z")
    assert shown(page)["all"][0].get("where") != {"kind": "webinar_attended"}
    keys(page, "Control+Shift+z")
    assert shown(page)["all"][0]["where"] == {"kind": "webinar_attended"}
    # and to those from a day on
    page.locator("[data-k$=narrow]").focus()
    page.keyboard.type("from")
    page.get_by_role("option", name="from").wait_for()
    keys(page, "ArrowDown", "Enter")
    page.get_by_label("from", exact=True).fill("2026-01-01")
    assert shown(page)["all"][0]["where"] == {"kind": "webinar_attended", "since": "2026-01-01"}
    page.get_by_text("(webinar attended, from 2026-01-01) in the last 7 days").wait_for()
    page.get_by_role("button", name="Keep this segment").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/segments/keys/")


def keys(page: Any, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def test_questions_are_moved_copied_wrapped_removed_and_dragged(page: Any, crowd: None) -> None:
    made = segments.create(
        "Three", of="person", by=None, now=timezone.now(),
        condition={"all": [{"field": "person.country", "op": "is", "value": "DE"},
                           {"any": [{"field": "person.city", "op": "is", "value": "Berlin"}]},
                           {"field": "person.title", "op": "not_empty"}]},
    )  # fmt: skip
    sign_in(page, f"/segments/{made.slug}/edit/")

    def fields(node: Any = None) -> Any:
        node = shown(page) if node is None else node
        if "field" in node:
            return node["field"].rpartition(".")[2]
        [(key, inside)] = node.items()
        return fields(inside) if key == "not" else [fields(each) for each in inside]

    assert fields() == ["country", ["city"], "title"]
    first = page.get_by_role("group", name="Condition 1 of 3")
    first.get_by_role("combobox", name="Field").focus()
    steps = [[["country", "city"], "title"], [["city", "country"], "title"], [["city"], "country", "title"]]
    for expected in [*steps, [["city"], "title", "country"], [["city"], "title", "country"]]:
        page.keyboard.press("Alt+ArrowDown")
        assert fields() == expected
        assert page.evaluate("document.activeElement.value") == "Country"
    page.keyboard.press("Alt+ArrowUp")
    assert fields() == [["city"], "country", "title"]
    country = page.get_by_role("group", name="Condition 2 of 3")
    country.get_by_role("button", name="Duplicate").click()
    assert fields() == [["city"], "country", "country", "title"]
    page.get_by_role("group", name="Condition 3 of 4").get_by_role("button", name="Put into a group of its own").click()
    assert fields() == [["city"], "country", ["country"], "title"]
    page.get_by_role("group", name="Group 3 of 4").get_by_role("button", name="Dissolve the group").click()
    page.get_by_role("group", name="Condition 3 of 4").get_by_role("button", name="Remove").click()
    assert fields() == [["city"], "country", "title"]
    for _step in range(7):
        page.keyboard.press("Control+z")
    assert fields()[0] == ["country"] or "country" in fields()[0]
    for _step in range(9):
        page.keyboard.press("Control+Shift+z")
    assert fields() == [["city"], "country", "title"]
    grip = page.get_by_role("group", name="Condition 3 of 3").locator("[data-grip]")
    grip.drag_to(
        page.get_by_role("group", name="Group 1 of 3").locator("[data-node]").first, target_position={"x": 40, "y": 6}
    )
    assert fields() == [["title", "city"], "country"]


def test_a_mistake_is_told_at_its_place_and_kept_conditions_come_back(page: Any, crowd: None) -> None:
    page = page.context.new_page()  # a refused form is answered by 400, of which the console complains
    sign_in(page, "/segments/new/")
    page.get_by_label("Name", exact=True).fill("Odd")
    root = page.locator(".builder__group--root")
    root.get_by_role("button", name="Add a condition to this group").click()
    choose(page, root, "number of act", "Number of activities")
    page.get_by_label("Value", exact=True).fill("1e30")
    page.locator(".builder__leaf .field__error").filter(has_text="beyond").wait_for()
    page.get_by_label("Value", exact=True).fill("")
    page.locator("[data-count]").filter(has_text="Not finished yet").wait_for()
    page.locator(".builder__leaf .field__error").wait_for(state="hidden")  # who still writes has made no mistake
    page.get_by_role("button", name="Keep this segment").click()
    page.locator(".field__error").filter(has_text="all › 1 › value").wait_for()
    page.locator(".builder__leaf .field__error").filter(has_text="needs a number").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "Odd"
    page.get_by_label("Value", exact=True).fill("1")
    assert count(page) == 25
    page.get_by_text("As JSON").click()
    page.get_by_label("The condition as JSON").fill('{"field": "person.country", "op": "in", "value": ["DE", "FR"]}')
    page.get_by_label("The condition as JSON").blur()
    assert count(page) == 20
    page.get_by_role("button", name="Remove “FR”").click()
    assert shown(page) == {"all": [{"field": "person.country", "op": "in", "value": ["DE"]}]}
    assert count(page) == 10


def test_without_scripts_a_segment_is_made_from_its_json(chromium: Any, live_server: Any, crowd: None) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    User.objects.create_user("mo@perennial.example", PASSWORD, name="Mo Lind", role=User.Role.MARKETER)
    page.goto("/sign-in/?next=/segments/new/")
    page.get_by_label("Email").fill("mo@perennial.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name", exact=True).fill("Plain")
    page.get_by_label("The condition as JSON").fill('{"field": "person.country", "op": "is", "value": "DE"}')
    page.get_by_role("button", name="Keep this segment").click()
    assert page.locator('[data-metric="segment.size"]').inner_text() == "10"
    page.goto("/segments/plain/edit/")
    page.get_by_text("country is “DE”").first.wait_for()
    page.goto("/segments/plain/")
    page.get_by_label("As of the beginning of").fill("2025-01-01")
    page.get_by_role("button", name="Show").click()
    assert page.locator('[data-metric="segment.as_of"]').inner_text() == "0 people"
    context.close()


def test_axe_finds_nothing_and_nothing_scrolls_sideways(page: Any, crowd: None) -> None:
    now = timezone.now()
    condition = {"any": [{"field": "person.country", "op": "in", "value": ["DE", "FR"]},
                         {"not": {"field": "activity.count", "where": {"kind": "page_visited", "properties.page": "/"},
                                  "days": 30, "op": "between", "value": [1, 3]}},
                         {"not": {"all": [{"field": "purchase.sum", "op": "at_least", "value": 1250}]}}]}  # fmt: skip
    made = segments.create("All sorts", of="person", condition=condition, by=None, now=now)
    live.run_all(now)
    who = SegmentMember.objects.filter(segment=made).first()
    assert who and who.person
    sign_in(page, f"/segments/{made.slug}/edit/")
    found = []
    for path in ("/segments/", "/segments/all_sorts/", "/segments/all_sorts/edit/", "/segments/all_sorts/history/",
                 "/segments/all_sorts/members/", f"/segments/all_sorts/why/{who.person.pk}/", "/segments/all_sorts/delete/",
                 "/segments/of-list/person/?country=DE"):  # fmt: skip
        page.goto(path)
        if path.endswith("/edit/"):
            page.locator("[data-ready]").wait_for()
            assert shown(page) == condition
            count(page)
            page.get_by_role("combobox", name="Field").first.click()
            page.locator(".combo__option").first.wait_for()
        found += [(path, each["id"], each["nodes"][0]["html"][:200]) for each in axe.violations(page)]
        for width in (360, 390, 768, 1440, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append((path, width, "scrolls sideways"))
    assert found == []


def test_accounts_are_found_by_their_people_in_a_condition_within_the_question(page: Any) -> None:
    firm = account(name="Hollow Creek")
    for title in ("Director of Sales", "Clerk"):
        person(account=firm, title=title)
    person(account=account(name="Elsewhere"), title="Clerk")
    sign_in(page, "/segments/new/?of=account")
    page.get_by_label("Name", exact=True).fill("With a director")
    root = page.locator(".builder__group--root")
    root.get_by_role("button", name="Add a condition to this group").click()
    choose(page, root, "number of people", "Number of people")
    root.get_by_label("Value", exact=True).fill("1")
    theirs = page.get_by_role("group", name="Only people of whom")
    theirs.get_by_role("button", name="Add a condition to this group").click()
    choose(page, theirs, "job", "Job title")
    theirs.get_by_label("Comparison").select_option("contains")
    theirs.get_by_label("Value", exact=True).fill("director")
    page.locator("[data-count]").filter(has_text=re.compile("^1 account$")).wait_for()
    director = {"field": "person.title", "op": "contains", "value": "director"}
    asked = {"field": "account.people", "op": "at_least", "value": 1, "who": {"all": [director]}}
    assert shown(page) == {"all": [asked]}
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Redo").click()
    assert shown(page) == {"all": [asked]}
    page.get_by_role("button", name="Keep this segment").click()
    page.get_by_text("at least 1 person (job title contains “director”)").first.wait_for()
    made = Segment.objects.get()
    assert set(SegmentMember.objects.filter(segment=made).values_list("account_id", flat=True)) == {firm.pk}
