"""Whether figures are old when somebody looks at them, and having them counted again in the background then."""

from __future__ import annotations

from datetime import datetime

from kit import hints
from lifecycle.models import Lifecycle
from reporting.models import Fill

STALE = 90  # seconds after which somebody who looks has the figures brought up to date at once


def bring_up_to_date(lifecycle: Lifecycle, now: datetime) -> datetime | None:
    """When the tables were filled last; if that is long ago they are filled again in the background."""
    filled_at = Fill.objects.filter(lifecycle=lifecycle).values_list("filled_at", flat=True).first()
    refill_if_stale(lifecycle, filled_at, now)
    return filled_at


def refill_if_stale(lifecycle: Lifecycle, filled_at: datetime | None, now: datetime) -> None:
    """Have the tables filled in the background if that was last done long ago."""
    if filled_at is None or (now - filled_at).total_seconds() > STALE:
        hints.later("reporting.tasks.fill_lifecycle", lifecycle.pk)
