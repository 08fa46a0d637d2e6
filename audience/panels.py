"""What the audience shows on pages of the kit: how far behind the live engine is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from audience import live
from kit import heartbeats

LATE = timedelta(minutes=1)  # a mark that waits longer wants somebody's attention


def waiting(_subject: None, _request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Marks that wait to be judged, the age of the oldest, and whether anybody is there to judge."""
    count, since = live.waiting()
    age = max(now - since, timedelta(0)) if since else None
    workers = [beat for beat in heartbeats.alive() if not beat.worker.startswith("beat@")]
    return {"count": count, "age": age, "is_late": age is not None and age > LATE, "workers": workers}
