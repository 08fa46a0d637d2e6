"""The instants of a backtest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kit import installation
from lifecycle.models import Backtest


@dataclass(frozen=True)
class Span:
    """The window `[begins, ends)`, and until when outcomes are looked for."""

    begins: datetime
    ends: datetime
    known: datetime


def of(backtest: Backtest) -> Span:
    """Local midnights; outcomes are looked for until the horizon of the last day is over, or until it was asked."""
    zone = installation.zone()
    ends = installation.midnight(backtest.ends_on, zone)
    horizon = installation.midnight(backtest.ends_on + timedelta(days=backtest.horizon), zone)
    today = installation.midnight(backtest.created_at.astimezone(zone).date(), zone)
    return Span(installation.midnight(backtest.begins_on, zone), ends, max(ends, min(horizon, today)))
