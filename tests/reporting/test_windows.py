"""Time spans: presets by hand, addresses that make no sense, and which part of a form counts."""

from datetime import date

import pytest

from reporting.windows import Preset, Window, preset, wish

FIRST, TODAY = date(2023, 11, 5), date(2025, 3, 1)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("all", date(2023, 11, 5), date(2025, 3, 2)),
        ("last_30_days", date(2025, 1, 31), date(2025, 3, 2)),
        ("last_90_days", date(2024, 12, 2), date(2025, 3, 2)),
        ("last_365_days", date(2024, 3, 2), date(2025, 3, 2)),
        ("this_month", date(2025, 3, 1), date(2025, 3, 2)),
        ("last_month", date(2025, 2, 1), date(2025, 3, 1)),
        ("this_quarter", date(2025, 1, 1), date(2025, 3, 2)),
        ("last_quarter", date(2024, 10, 1), date(2025, 1, 1)),
        ("this_year", date(2025, 1, 1), date(2025, 3, 2)),
        ("last_year", date(2024, 1, 1), date(2025, 1, 1)),
    ],
)
def test_a_preset_is_the_days_it_says(name, start, end):
    assert preset(name, first=FIRST, today=TODAY) == Window(start, end)


def test_every_preset_has_a_window_on_every_kind_of_day():
    for today in (date(2024, 2, 29), date(2024, 12, 31), date(2025, 1, 1)):
        for name in Preset.values:
            assert preset(name, first=today, today=today).days >= 1


def asked(**given):
    found = wish({name.rstrip("_"): text for name, text in given.items()}, first=FIRST, today=TODAY)
    return found.window.start, found.window.end, found.preset, len(found.notes)


def test_nothing_asked_is_all_time():
    assert asked() == (FIRST, date(2025, 3, 2), "all", 0)


def test_days_of_ones_own_count_the_last_one_not():
    assert asked(from_="2025-01-01", to="2025-02-01") == (date(2025, 1, 1), date(2025, 2, 1), "", 0)


def test_one_end_alone_reaches_to_the_other_end_of_all_time():
    assert asked(from_="2025-01-01")[:2] == (date(2025, 1, 1), date(2025, 3, 2))
    assert asked(to="2025-01-01")[:2] == (FIRST, date(2025, 1, 1))
    assert asked(to="2020-01-01")[:2] == (date(2019, 12, 31), date(2020, 1, 1))


def test_the_part_of_a_form_that_was_changed_counts():
    shown = {"from_": "2025-02-01", "to": "2025-03-01", "was": "last_month"}
    assert asked(window="last_month", **shown) == (date(2025, 2, 1), date(2025, 3, 1), "last_month", 0)
    assert asked(window="last_year", **shown) == (date(2024, 1, 1), date(2025, 1, 1), "last_year", 0)
    assert asked(window="last_month", **shown | {"to": "2025-02-15"}) == (date(2025, 2, 1), date(2025, 2, 15), "", 0)
    assert asked(window="own", **shown)[:3] == (date(2025, 2, 1), date(2025, 3, 1), "")


@pytest.mark.parametrize(
    "given",
    [
        {"from_": "yesterday"},
        {"from_": "2025-02-30"},
        {"to": "0001-01-01"},
        {"from_": "9999-12-31"},
        {"window": "next_year"},
        {"from_": "2025-02-01", "to": "2025-01-01"},
        {"from_": "2025-02-01", "to": "2025-02-01"},
        {"from_": "2199-12-31"},
    ],
)
def test_what_makes_no_sense_still_gives_a_window(given):
    start, end, _, notes = asked(**given)
    assert start < end
    assert notes == (0 if given == {"from_": "2199-12-31"} else 1)


def test_a_window_of_no_days_is_refused():
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(TODAY, TODAY)
