"""Amounts of money in templates: `{{ deal.amount|money:deal.currency }}`."""

from __future__ import annotations

from django import template

from kit import money as amounts

register = template.Library()


@register.filter
def money(minor: int | None, currency: str = "") -> str:
    """An amount in minor units, written for people."""
    return amounts.written(minor, currency)
