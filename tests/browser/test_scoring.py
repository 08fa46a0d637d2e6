"""A scoring model made in the browser, from nothing to a published score on a profile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audience.models import Person
from kit.models import User
from tests.factories import activity

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_model_is_made_in_the_browser_and_scores_a_person(page, worker):
    now = timezone.now()
    User.objects.create_user("ada@example.com", "difference engine", role=User.Role.ADMIN)
    someone = Person.objects.create(
        first_name="Ada", last_name="Byron", country="DE", first_seen_at=now - timedelta(days=9), created_at=now
    )
    activity(someone, now - timedelta(minutes=5), "demo_requested")
    page.goto("/sign-in/?next=/scoring/")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("difference engine")
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("link", name="New scoring model").first.click()
    page.get_by_label("Name", exact=True).fill("Hot leads")
    page.get_by_role("button", name="Make the draft").click()

    page.get_by_role("link", name="Points for what they do").click()
    page.get_by_label("Name", exact=True).fill("Asked for a demo")
    page.get_by_label("Points", exact=True).fill("40")
    page.get_by_label("Activity").select_option("demo_requested")
    page.get_by_label("Expires after days").fill("30")
    page.get_by_role("button", name="Keep the rule").click()

    page.get_by_role("link", name="Points for what they are").click()
    page.get_by_label("Name", exact=True).fill("From Germany")
    page.get_by_label("Points", exact=True).fill("10.5")
    build_country(page)
    page.get_by_role("button", name="Keep the rule").click()
    page.get_by_text("country is “DE”").wait_for()

    page.get_by_role("link", name="Change the thresholds").click()
    page.locator("[name=limit]").fill("45")
    page.get_by_role("button", name="Keep the thresholds").click()

    page.get_by_role("button", name="Preview").click()
    page.get_by_text("What publishing would change").wait_for()
    page.locator("[data-metric=enter]").click()
    page.get_by_role("link", name="Ada Byron").wait_for()
    page.go_back()
    page.get_by_role("button", name="Publish and score everybody").click()
    page.get_by_role("link", name="See the scores").click()
    page.wait_for_url("**/scoring/hot_leads/")
    assert page.locator("[data-metric=reached]").inner_text() == "1"
    page.get_by_role("link", name="Ada Byron").click()
    panel = page.locator("#scores")
    assert panel.locator("[data-metric='score:hot_leads']").inner_text() == "51"
    for words in ("Asked for a demo", "From Germany", "Rounded to whole points", "limit 45 reached"):
        panel.get_by_text(words).first.wait_for()


def build_country(page):
    """One condition, through the builder."""
    page.locator("[data-builder][data-ready]").wait_for()
    root = page.locator(".builder__group--root")
    if not root.get_by_role("combobox", name="Field").count():
        root.get_by_role("button", name="Add a condition to this group").click()
    root.get_by_role("combobox", name="Field").last.fill("coun")
    page.get_by_role("option", name="Country", exact=True).click()
    root.get_by_role("combobox", name="Value").fill("DE")
    page.keyboard.press("Tab")
