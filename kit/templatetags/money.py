"""Amounts of money in templates: `{{ deal.amount|money:deal.currency }}`."""

from __future__ import annotations

from django import template

from kit import money as amounts
from kit import writing

register = template.Library()


@register.filter
def money(minor: int | None, currency: str = "") -> str:
    """An amount in minor units, written for people."""
    return amounts.written(minor, currency)


@register.filter
def money_short(minor: int, currency: str = "") -> str:
    """The same in few letters: “84k EUR”."""
    return amounts.short(minor, currency)


@register.filter
def money_whole(minor: int | None, currency: str = "") -> str:
    """An amount rounded to whole units, without its currency: for tables that name it once for a line."""
    return writing.NOTHING if minor is None else writing.number(amounts.major(minor, currency))
