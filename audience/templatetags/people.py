"""People and accounts in templates: `{{ person|called }}`."""

from __future__ import annotations

from django import template

from audience import names
from audience.models import Account, Person

register = template.Library()


@register.filter
def called(subject: Person | Account) -> str:
    """What to call a person or an account."""
    return names.of(subject)
