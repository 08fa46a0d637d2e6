"""Hand-offs in a browser: accepted by the keyboard, rejected, put off, raced, answered by a mail's link, on a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from kit import installation, notices
from kit.models import Notice, Team, User
from lifecycle.handoffs import answering
from lifecycle.models import Handoff, Membership
from tests.browser.test_board import PASSWORD, sign_in, told
from tests.factories import account
from tests.lifecycle.handoffs.making import handed, version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
QUEUE = "/hand-offs/"


@pytest.fixture
def ina() -> User:
    """A salesperson with three who wait, the first of them late."""
    made, now = version(), timezone.now()
    team = Team.objects.create(name="North")
    user = User.objects.create_user(
        "ina@perennial.example", PASSWORD, name="Ina Weber", role=User.Role.SALES, team=team
    )
    for days, name in ((9, "Ada"), (1, "Ben"), (0, "Cleo")):
        firm = account(name=f"{name} Rail")
        handed(made, at=now - timedelta(days=days), first_name=name, account=firm, owner=user, turn=days == 0)
    return user


def stage_of(name: str) -> str | None:
    stage = Membership.objects.get(person__first_name=name).stage
    return stage.slug if stage else None


def test_the_queue_is_worked_through_by_the_keyboard(page: Any, ina: User) -> None:
    sign_in(page, QUEUE, ina.email)
    assert page.locator("tbody tr").first.inner_text().strip().startswith("Ada Okafor")
    page.get_by_role("link", name="Ada Okafor").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Accept", exact=True).focus()
    page.keyboard.press("Enter")
    told(page, "Accepted: Ada Okafor, Ada Rail.")
    assert page.get_by_role("heading", level=1).inner_text() == "Ben Okafor", "the next one that waits"
    assert stage_of("Ada") == "sal"
    page.get_by_text("Reject, with a reason").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason", exact=True).select_option("No budget")
    page.get_by_role("button", name="Reject", exact=True).click()
    told(page, "Rejected: Ben Okafor, Ben Rail.")
    page.get_by_text("Not now, but on a day to come").click()
    day = timezone.localdate() + timedelta(days=30)
    page.get_by_label("Not before").fill(day.isoformat())
    page.get_by_role("button", name="Not now", exact=True).click()
    told(page, "comes back on that day")
    page.get_by_text("Nobody waits for you").wait_for()
    states = dict(Handoff.objects.values_list("membership__person__first_name", "state"))
    assert states == {"Ada": "accepted", "Ben": "rejected", "Cleo": "not_now"}
    assert (stage_of("Ben"), Handoff.objects.get(state="not_now").until) == ("recycled", day)


def test_whoever_is_second_is_told_who_was_faster(page: Any, ina: User) -> None:
    sign_in(page, QUEUE, ina.email)
    page.get_by_role("link", name="Ada Okafor").click()
    page.get_by_role("heading", level=1, name="Ada Okafor").wait_for()
    mate = User.objects.create_user("bob@perennial.example", PASSWORD, role=User.Role.SALES, team=ina.team)
    ada = Handoff.objects.get(membership__person__first_name="Ada")
    answering.accept(answering.one(ada), answering.Saying(mate, "page", timezone.now()))
    page.get_by_role("button", name="Accept", exact=True).click()
    told(page, "Somebody was faster: accepted by bob@perennial.example")


def test_the_link_of_the_mail_answers_signed_out(page: Any, ina: User) -> None:
    made = Handoff.objects.first().stage.version  # type: ignore[union-attr]
    Notice.objects.all().delete()
    handed(made, at=timezone.now(), first_name="Dan", owner=ina)
    link = notices.mail_of(Notice.objects.get(user=ina), timezone.now()).link
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(link.removeprefix(installation.address()))
    assert page.get_by_role("heading", level=1).inner_text() == "Dan Okafor"
    page.get_by_label("Reason", exact=True).select_option("Competitor")
    page.get_by_role("button", name="Reject", exact=True).click()
    page.get_by_role("heading", name="You rejected.").wait_for()
    assert stage_of("Dan") == "recycled"


def test_on_a_phone_nothing_scrolls_sideways_and_an_answer_is_a_thumb_away(page: Any, ina: User) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, QUEUE, ina.email)
    for address in (QUEUE, Handoff.objects.get(membership__person__first_name="Ada").get_absolute_url(), "/notices/"):
        page.goto(address)
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, address
    page.goto(Handoff.objects.get(membership__person__first_name="Ada").get_absolute_url())
    button = page.get_by_role("button", name="Accept", exact=True)
    assert button.bounding_box()["y"] < 844, "seen without scrolling"
    button.click()
    told(page, "Accepted: Ada Okafor")
