"""The board, the list of members and the profile of a past day, on both clocks."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audience.models import FieldChange, Person, Segment
from audience.subjects import people
from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Membership, Version
from tests.factories import account, activity, days_ago, deal, person, published

pytestmark = pytest.mark.django_db
BOARD, MEMBERS = "/lifecycles/small/board/", "/lifecycles/small/members/"


@pytest.fixture
def version() -> Version:
    return published(now=timezone.now() - timedelta(days=400))


@pytest.fixture
def browser(client: Client) -> Client:
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.ADMIN))
    return client


def ago(days: float) -> datetime:
    return days_ago(days, timezone.now())


def day(days: int) -> str:
    return (timezone.localdate() - timedelta(days=days)).isoformat()


def went(version: Version, *steps: tuple[str, float, float], **values: Any) -> Membership:
    """Somebody who went this way: a stage, how many days ago that was, and how many days ago it was recorded."""
    someone = person(first_seen_at=ago(300), created_at=ago(300), **values)
    for slug, happened, recorded in steps:
        to = version.stages.get(slug=slug) if slug else None
        found = Membership.objects.filter(person=someone).first()
        if found is None:
            stages.place(someone.pk, version, to=to, reason="", by=None, at=ago(happened), now=ago(recorded))
        else:
            assert stages.move(found, to=to, reason="", by=None, at=ago(happened), now=ago(recorded))
    return Membership.objects.get(person=someone)


def board(browser: Client, **asked: str) -> dict[str, tuple[int, list[str]]]:
    columns = browser.get(BOARD, asked).context["board"]
    return {
        each.stage.slug: (each.figures.count, sorted(card.subject.first_name for card in each.cards))
        for each in columns
        if each.figures.count
    }


def test_the_board_of_a_past_day_shows_who_was_where(browser: Client, version: Version) -> None:
    went(version, ("known", 100, 100), ("engaged", 20, 20), first_name="Ada")
    went(version, ("known", 90, 90), first_name="Ben")
    went(version, ("known", 90, 90), ("", 60, 60), first_name="Left")
    went(version, ("known", 10, 10), first_name="New")
    went(version, ("known", 90, 90), first_name="Test", is_excluded=True)
    assert board(browser, as_of=day(30)) == {"known": (2, ["Ada", "Ben"])}
    assert board(browser, as_of=day(5)) == {"known": (2, ["Ben", "New"]), "engaged": (1, ["Ada"])}
    assert board(browser, as_of=day(70))["known"][0] == 3
    page = browser.get(BOARD, {"as_of": day(30)}).content.decode()
    assert "Back to now" in page and 'draggable="true"' not in page and 'name="to"' not in page
    assert "30 days" not in page and "70 days" in page  # Ada's stay as it then was


def test_a_late_import_rewrites_the_past_as_known_now_and_not_as_known_then(browser: Client, version: Version) -> None:
    went(version, ("known", 100, 100), ("engaged", 50, 3), first_name="Late")
    assert board(browser, as_of=day(30)) == {"engaged": (1, ["Late"])}
    assert board(browser, as_of=day(30), as_known="then") == {"known": (1, ["Late"])}
    assert board(browser, as_of=day(2), as_known="then") == {"engaged": (1, ["Late"])}


def test_the_value_of_a_column_is_that_of_the_deals_open_then(browser: Client, version: Version) -> None:
    someone = went(version, ("known", 100, 100)).person
    deal(someone, ago(80), ago(20), amount=700_00, currency="EUR")
    deal(someone, ago(10), amount=900_00, currency="EUR")
    values = {
        asked: browser.get(BOARD, {"as_of": day(asked)}).context["board"][0].figures.amount for asked in (90, 40, 15, 5)
    }
    assert values == {90: 0, 40: 700_00, 15: 0, 5: 900_00}


def test_every_count_of_the_past_board_opens_a_list_of_that_length_and_so_does_its_file(
    browser: Client, version: Version
) -> None:
    for number in range(30):
        went(
            version,
            ("known", 100 + number, 100),
            *([("engaged", 20, 20)] if number % 3 else []),
            first_name=f"N{number}",
        )
    for asked in ({"as_of": day(30)}, {"as_of": day(10)}, {"as_of": day(10), "as_known": "then", "q": "N1"}):
        page = browser.get(BOARD, asked).content.decode()
        found = re.findall(r'href="([^"]+)" data-metric="board.members[^"]+" data-count="(\d+)"', page)
        assert sum(int(count) for _url, count in found) > 9
        for url, count in found:
            assert browser.get(url.replace("&amp;", "&")).context["total"].count == int(count), (asked, url)
    assert "All of them" in browser.get(BOARD, {"as_of": day(30)}).content.decode()
    file = browser.get(BOARD, {"as_of": day(30), "export": "csv"}, follow=True)
    assert len(b"".join(file.streaming_content).splitlines()) == 31


def test_of_a_past_day_nobody_can_be_moved_through_the_address(browser: Client, version: Version) -> None:
    member = went(version, ("known", 100, 100))
    to = version.stages.get(slug="engaged").pk
    browser.post(
        f"{BOARD}move/?as_of={day(30)}", {"all": "known", "to": to, "reason": "x", "asked": f"as_of={day(30)}"}
    )
    member.refresh_from_db()
    assert member.stage.slug == "engaged"  # of now, by the board of now


def test_the_profile_of_a_past_day_shows_values_stages_segments_and_the_timeline_of_then(
    browser: Client, version: Version
) -> None:
    member = went(version, ("known", 100, 100), ("engaged", 20, 20), first_name="Ada", country="DE")
    ada = member.person
    people.change(ada, {"country": "FR"}, source="crm", by=None, now=ago(5))
    activity(ada, ago(50), kind="webinar_attended")
    activity(ada, ago(45), kind="late_call", recorded_at=ago(2))
    activity(ada, ago(4), kind="demo_requested")
    for name, value in (("Germans", "DE"), ("French", "FR")):
        Segment.objects.create(
            slug=name.lower(), name=name, of="person", kind="dynamic", created_at=ago(1), updated_at=ago(1),
            condition={"field": "person.country", "op": "is", "value": value},
        )  # fmt: skip
    url = f"/people/{ada.pk}/"
    page = browser.get(url, {"as_of": day(30)}).content.decode()
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Country DE" in told and "Germans" in told and "French" not in told
    assert "Webinar attended" in told and "Late call" in told and "Demo requested" not in told
    assert "1 move" in told and "Because" not in told and 'action="/memberships/' not in page
    assert "Edit" not in told and "Move by hand" not in told and "Back to now" in told
    then = browser.get(url, {"as_of": day(30), "as_known": "then"}).content.decode()
    assert "Webinar attended" in then and "Late call" not in then
    assert "Not known yet" in browser.get(url, {"as_of": day(301)}).content.decode()
    part = browser.get(f"{url}timeline/", {"as_of": day(30)}, headers={"HX-Request": "true", "HX-Target": "timeline"})
    assert "Demo requested" not in part.content.decode() and "Webinar attended" in part.content.decode()


def test_a_change_recorded_late_is_a_value_of_then_only_as_known_now(browser: Client) -> None:
    ben = person(first_name="Ben", country="FR", first_seen_at=ago(300), created_at=ago(300))
    FieldChange.objects.create(
        person=ben, field="country", old="DE", source="crm", occurred_at=ago(50), recorded_at=ago(3)
    )
    for clock, country in (("", "FR"), ("then", "DE")):
        page = browser.get(f"/people/{ben.pk}/", {"as_of": day(30), "as_known": clock}).content.decode()
        assert f"Country {country}" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)), clock


def test_the_profile_of_an_account_has_its_past_too(browser: Client) -> None:
    acme = account(name="Acme", industry="Rail", first_seen_at=ago(100), created_at=ago(100))
    page = browser.get(f"/accounts/{acme.pk}/", {"as_of": day(30)})
    assert page.status_code == 200 and "Rail" in page.content.decode()


def test_a_salesperson_sees_in_the_past_whom_they_see_now(client: Client, version: Version) -> None:
    sara = User.objects.create_user("sara@example.com", "x", role=User.Role.SALES)
    went(version, ("known", 100, 100), first_name="Hers", owner=sara)
    other = went(version, ("known", 100, 100), first_name="Foreign")
    client.force_login(sara)
    assert board(client, as_of=day(30)) == {"known": (1, ["Hers"])}
    assert "Foreign" not in client.get(MEMBERS, {"as_of": day(30), "stage": "known"}).content.decode()
    assert client.get(f"/people/{other.person_id}/", {"as_of": day(30)}).status_code == 404
    assert Person.objects.count() == 2
