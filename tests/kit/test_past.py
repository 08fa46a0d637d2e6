"""A past day as an address says it: what is understood, and what a page is told of it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.test import RequestFactory

from kit import installation, past

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)


def read(**given: str) -> tuple[past.Past | None, str]:
    return past.read(given, NOW)


def test_a_day_begins_in_the_zone_of_the_installation_and_both_clocks_end_there() -> None:
    installation.put("zone", "Europe/Berlin")
    then, _note = read(as_of="2025-03-31", as_known="then")
    assert then and then.at == datetime(2025, 3, 30, 22, 0, tzinfo=UTC) == then.known
    now, _note = read(as_of="2025-03-31")
    assert now and now.known is None and now.query == {"as_of": "2025-03-31"}


@pytest.mark.parametrize(
    ("text", "said"),
    [("yesterday", "is no day"), ("2025-02-30", "is no day"), ("1200-01-01", "days begin with"), ("2025-06-16", "has not begun"),
     ("9" * 5000, "is no day"), ("\x00", "")],
)  # fmt: skip
def test_what_is_no_past_day_is_now_and_a_note_says_why(text: str, said: str) -> None:
    asked, note = read(as_of=text)
    assert asked is None and (said in note if said else note == "")


def test_the_way_back_to_now_keeps_the_rest_of_the_address() -> None:
    request = RequestFactory().get("/board/?q=ada&as_of=2025-06-01&as_known=then&after=x")
    wish = past.wish(request, NOW, date(2025, 1, 1))
    assert wish.now_url == "/board/?q=ada" and wish.kept == [("q", "ada")]
    assert (wish.step, wish.reach) == (151, 166)
    assert past.wish(RequestFactory().get("/board/"), NOW, date(2025, 1, 1)).step == 166
