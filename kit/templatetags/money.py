"""Amounts of money in templates: `{{ deal.amount|money:deal.currency }}`."""

from __future__ import annotations

from django import template

from kit import money as amounts

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
def money_bare(minor: int | None, currency: str = "") -> str:
    """The same without its currency: for tables that name it once for a line."""
    return money(minor, currency).removesuffix(currency).strip()
