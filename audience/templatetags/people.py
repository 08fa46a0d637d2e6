"""People and accounts in templates: `{{ person|called }}`."""

from __future__ import annotations

from datetime import date, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html

from audience import names
from audience.models import Account, Person
from kit import writing

register = template.Library()


@register.filter
def on_day(at: datetime | date | None) -> str:
    """A day, or the day of an instant in the reader's zone with the time of day in the tooltip. None is a dash."""
    if at is None:
        return writing.NOTHING
    if not isinstance(at, datetime):
        return format_html('<time datetime="{}">{}</time>', at.isoformat(), writing.day(at))
    local = timezone.localtime(at)
    whole = f"{writing.instant(at)}:{local:%S} {local:%Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), whole, writing.day(local))


@register.filter
def called(subject: Person | Account) -> str:
    """What to call a person or an account."""
    return names.of(subject)
