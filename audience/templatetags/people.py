"""People and accounts in templates: `{{ person|called }}`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audience.activity import kinds
from audience.models import Account, ActivityKind, Person
from audience.subjects import names, sight
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


@register.filter
def kind_name(kind: ActivityKind) -> str:
    """What a kind of activity is called."""
    return kinds.name(kind)


@register.simple_tag(takes_context=True)
def linked(context: dict[str, Any], account: Account) -> str | SafeString:
    """The name of an account that a page speaks of, leading to its page for those who see it.

    Where somebody works belongs to what is known of them, and is said to whoever sees them.
    """
    name = names.of(account)
    if not sight.is_seen(context["request"].user, account):
        return name
    return format_html('<a href="{}">{}</a>', account.get_absolute_url(), name)
