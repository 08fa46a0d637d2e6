"""A real wide file brought in, a score over it made in the browser, and judged by command against who enrolled."""

import json

import pytest
from django.core.management import call_command

from audience.models import Person
from examples.xeducation.walk import ENROLLED, LEADS
from kit.models import User
from tests.examples.test_xeducation import DATA

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the X Education file, which is not part of the project"),
]


def test_a_score_of_real_leads_is_made_in_the_browser_and_judged_by_who_enrolled(
    page, worker, capsys, settings, tmp_path
):
    settings.UPLOADS = tmp_path
    mapped = [word for pair in LEADS for word in ("--map", pair)]
    call_command("import_csv", "people", str(DATA / "Leads.csv.gz"), "--source", "xeducation", *mapped, "--json")
    assert Person.objects.count() == 9240
    User.objects.create_user("ada@example.com", "difference engine", role=User.Role.ADMIN)
    page.goto("/sign-in/?next=/scoring/")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("difference engine")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="New scoring model").first.click()
    page.get_by_label("Name", exact=True).fill("Leads")
    page.get_by_role("button", name="Make the draft").click()

    rule(page, "Working professional", "40", "What is your current", "What is your current occupation")
    page.get_by_role("combobox", name="Value").fill("Working Prof")
    page.get_by_role("option", name="Working Professional").click()
    keep(page, "“Working Professional”")
    rule(page, "Long on the site", "30", "Total Time", "Total Time Spent on Website")
    page.get_by_label("Comparison").select_option("at_least")
    page.get_by_label("Value", exact=True).fill("1000")
    keep(page, "is at least 1000")
    rule(page, "Wants no email", "-15", "Do Not E", "Do Not Email")
    page.get_by_label("Value", exact=True).select_option("true")
    keep(page, "Do Not Email: yes")
    page.get_by_role("link", name="Change the thresholds").click()
    page.locator("[name=limit]").fill("30")
    page.get_by_role("button", name="Keep the thresholds").click()
    page.get_by_role("button", name="Publish and score everybody").click()
    page.get_by_role("link", name="See the scores").click()
    page.wait_for_url("**/scoring/leads/")
    assert page.locator("[data-metric=reached]").inner_text() == REACHED

    capsys.readouterr()
    call_command("judge_score", "leads", "--outcome", json.dumps(ENROLLED), "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["subjects"], told["positives"]) == (9240, 3561)
    assert told["auc"] == pytest.approx(AUC, abs=1e-12)


# Counted from the file outside the product: points, pairs, ties counting half.
REACHED, AUC = "2,459", 0.726698603698111


def rule(page, name, points, words, field):
    """A new rule of points for what they are, up to the field that it asks for."""
    page.get_by_role("link", name="Points for what they are").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Points", exact=True).fill(points)
    page.locator("[data-builder][data-ready]").wait_for()
    root = page.locator(".builder__group--root")
    if not root.get_by_role("combobox", name="Field").count():
        root.get_by_role("button", name="Add a condition to this group").click()
    root.get_by_role("combobox", name="Field").last.fill(words)
    page.get_by_role("option", name=field, exact=True).click()


def keep(page, said):
    """Keep the rule, and see that the draft says what it asks."""
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Keep the rule").click()
    page.get_by_text(said).first.wait_for()
