"""A version is published with a plan for whoever is inside and taken back, tried on the past, and the board goes to a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from lifecycle.ledger import stages
from lifecycle.models import Backtest, Membership, Movement, Version
from tests.browser.test_board import figure, sign_in
from tests.factories import SMALL, activity, draft, person, published
from tests.patience import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Nobody rests any more, and one thing done in a fortnight is enough.
SECOND = "\n".join(line for line in SMALL.splitlines() if "resting" not in line) + "\n"
SECOND = SECOND.replace("days: 30, op: at_least, value: 3}", "days: 14, op: at_least, value: 1}").replace(
    "transitions:", "transitions:\n  - {from: checked, to: known, when: {}, reason: From elsewhere}"
)
THEN = timedelta(days=50)


@pytest.fixture
def first() -> Version:
    """Live for fifty days: six are known, four rest, and two of the known became leads four days ago."""
    made, now = published(), timezone.now()
    for number in range(12):
        someone = person(first_name=f"P{number}", country="DE", first_seen_at=now - timedelta(days=60))
        for days in range(40, 40 - number % 3, -1):
            activity(someone, now - timedelta(days=days))
        stage = "resting" if number < 4 else "known"
        at = now - THEN
        stages.place(someone.pk, made, to=made.stages.get(slug=stage), reason="Test", by=None, at=at, now=at)
    for membership in Membership.objects.filter(person__first_name__in=["P10", "P11"]):
        moved(membership, "lead", now - timedelta(days=4))
    return made


def moved(membership: Membership, to: str, at: datetime) -> None:
    membership = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
    target = membership.version.stages.get(slug=to)
    assert stages.move(membership, to=target, reason="By hand", by=None, at=at, now=at)


def there() -> dict[str, int]:
    found: dict[str, int] = {}
    for slug in Membership.objects.filter(ended_at=None).values_list("stage__slug", flat=True):
        found[str(slug)] = found.get(str(slug), 0) + 1
    return found


def test_a_version_is_published_with_a_plan_and_taken_back(page: Any, worker: None, first: Version) -> None:
    second = draft(SECOND)
    sign_in(page, f"/lifecycles/small/v{second.number}/")
    page.get_by_role("link", name="Publish this version").click()
    # Nobody can stay in a stage that is gone: it has to be said where they go, and how many that are.
    assert page.locator('[data-metric="plan:undecided"]').inner_text() == "4"
    assert page.get_by_label("Resting").input_value() == ""
    page.get_by_role("button", name="Publish and move them over").click()
    assert page.get_by_text("Before it can begin:").count() and there() == {"known": 6, "lead": 2, "resting": 4}
    page.get_by_label("Resting").select_option("engaged")
    page.get_by_role("button", name="Keep and count again").click()
    assert [page.locator(f'[data-metric="plan:{each}"]').inner_text() for each in ("all", "stay", "move")] == [
        "12",
        "8",
        "4",
    ]
    page.get_by_role("button", name="Publish and move them over").click()
    until(lambda: Version.objects.get(pk=second.pk).state == Version.State.PUBLISHED)
    assert there() == {"known": 6, "lead": 2, "engaged": 4}
    assert set(Membership.objects.values_list("version", flat=True)) == {second.pk}
    page.goto("/lifecycles/small/board/")
    assert [figure(page, slug) for slug in ("known", "engaged", "lead")] == ["6", "4", "2"]
    # One of the four moves on; the way back takes the other three to where they were.
    moved(Membership.objects.filter(stage__slug="engaged").order_by("pk")[0], "lead", timezone.now())
    page.goto(f"/lifecycles/small/v{first.number}/")
    page.get_by_role("link", name="Make it live again").click()
    assert page.locator('[data-metric="plan:back"]').inner_text() == "11"
    page.get_by_role("button", name="Make it live again").click()
    until(lambda: Version.objects.get(pk=first.pk).state == Version.State.PUBLISHED)
    assert there() == {"known": 6, "lead": 3, "resting": 3}
    kinds = Movement.objects.values_list("kind", flat=True)
    assert set(kinds) == {"placement", "hand", "migration"}, "what happened stays in the ledger"


def test_a_draft_is_tried_on_the_past_and_each_figure_opens(page: Any, worker: None, first: Version) -> None:
    second, today = draft(SECOND), timezone.localdate()
    sign_in(page, f"/lifecycles/small/v{second.number}/backtest/")
    page.get_by_label("From", exact=True).fill((today - timedelta(days=55)).isoformat())
    page.get_by_label("Until", exact=True).fill((today - timedelta(days=5)).isoformat())
    page.get_by_label("Stage that is judged").select_option("lead")
    page.get_by_label("Within so many days").fill("3")
    page.get_by_role("button", name="Try it").click()
    made = until(lambda: Backtest.objects.filter(job__state="done").first())
    page.goto(made.get_absolute_url())
    # Those who did something once or twice, by the draft alone: eight of the twelve.
    assert page.locator('[data-metric="tried_only"]').inner_text() == "8"
    page.locator('[data-metric="tried_only"]').click()
    assert page.locator("tbody tr").count() == 8
    assert there() == {"known": 6, "lead": 2, "resting": 4}, "nobody was moved"


def test_the_board_goes_to_a_past_day_by_its_slider_and_back(page: Any, first: Version) -> None:
    sign_in(page)
    assert [figure(page, slug) for slug in ("known", "lead")] == ["6", "2"]
    page.get_by_text("Look at a past day").click()
    page.get_by_label("Past day, by slider").focus()
    for _day in range(6):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url("**as_of=**")
    page.locator("[data-metric='board.members:known']", has_text="8").wait_for()
    assert figure(page, "resting") == "4"
    page.go_back()
    page.locator("[data-metric='board.members:known']", has_text="6").wait_for()
