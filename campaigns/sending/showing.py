"""What campaigns show on pages of others: how far sending is behind, and when it stands still."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from campaigns import sending
from campaigns.models import Campaign, ChannelSetting
from campaigns.sending import watching
from kit import instance


def how_far(_subject: None, _request: HttpRequest | None, now: datetime) -> dict[str, Any]:
    """The watchdog's figure: how old the oldest message is that should have come to an end, and what holds it up."""
    found = sending.oldest_open(now)
    age = found.age(now)
    return {
        "open": found,
        "age": age,
        "is_late": age > watching.LATE,
        "paused": ChannelSetting.objects.exclude(paused_at=None).first(),
        "mismatch": instance.mismatch(),
    }


def trouble(subject: None, request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The same, only when somebody has to do something."""
    told = how_far(subject, request, now)
    told["standing"] = Campaign.objects.filter(state=Campaign.State.PAUSED).exclude(paused_because="").order_by("name")
    wrong = told["standing"] or told["is_late"] or told["paused"] or told["mismatch"] or told["open"].unknown
    return told if wrong else None
