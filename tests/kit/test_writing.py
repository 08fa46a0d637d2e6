"""Figures as people write them."""

import pytest

from kit import writing


@pytest.mark.parametrize(
    ("share", "places", "text"),
    [(0.10525, 1, "10.5%"), (24 / 284, 3, "8.451%"), (0.9996, 1, "100.0%"), (0, 1, "0.0%"), (1 / 3, 0, "33%")],
)
def test_a_share_is_rounded_and_not_cut_off(share, places, text):
    assert writing.percent(share, places) == text


@pytest.mark.parametrize(
    ("value", "places", "text"), [(1234567, 0, "1,234,567"), (48.446, 2, "48.45"), (0.5, 0, "1"), (-2, 0, "-2")]
)
def test_a_number_is_rounded_and_has_its_thousands_told_apart(value, places, text):
    assert writing.number(value, places) == text


def test_nothing_is_a_dash():
    assert writing.number(None) == writing.percent(None) == writing.NOTHING
