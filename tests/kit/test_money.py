"""Amounts in smallest units, written for people."""

from decimal import Decimal

import pytest
from django.utils import translation

from kit import money


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123450, "EUR", "1,234.50\u00a0EUR"),
        (-5, "usd", "-0.05\u00a0usd"),
        (7000, "JPY", "7,000\u00a0JPY"),
        (123456, "KWD", "123.456\u00a0KWD"),
        (100, "", "1.00"),
        (0, "EUR", "0.00\u00a0EUR"),
        (2**63 - 1, "EUR", "92,233,720,368,547,758.07\u00a0EUR"),
        (None, "EUR", "–"),
    ],
)
def test_an_amount_has_the_places_of_its_currency(minor, currency, text):
    with translation.override("en"):
        assert money.written(minor, currency) == text


def test_an_amount_in_the_currencys_own_unit_is_exact():
    assert money.major(10, "EUR") == Decimal("0.10")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (0, "EUR", "0\u00a0EUR"),
        (95_049, "EUR", "950\u00a0EUR"),
        (99_949, "EUR", "999\u00a0EUR"),
        (99_950, "EUR", "1.0k\u00a0EUR"),
        (84_000_00, "EUR", "84.0k\u00a0EUR"),
        (184_000_00, "EUR", "184k\u00a0EUR"),
        (1_234_567_00, "EUR", "1.2M\u00a0EUR"),
        (-2_500_000_000_00, "EUR", "-2.5bn\u00a0EUR"),
        (1_500, "JPY", "1.5k\u00a0JPY"),
    ],
)
def test_an_amount_is_written_in_few_letters_where_there_is_little_room(minor, currency, text):
    with translation.override("en"):
        assert money.short(minor, currency) == text
