"""What the company spends: each channel month by month over the two years, to the totals of its story.

Content brings who finds it by searching, so its cost is that channel's. What goes to partners and to customers belongs
to no channel by which somebody new comes in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from demo.company import DAYS, Calendar

# Channel, campaign, euros over the two years.
TOTALS = (
    ("Paid social", "", 168_000),
    ("Paid search", "", 140_000),
    ("Events", "", 120_000),
    ("Organic search", "Content", 90_000),
    ("Webinar", "", 22_000),
    ("Bought list", "", 12_000),
    ("", "Partner programme", 60_000),
    ("", "Customer care", 48_000),
)
MONTHS = 24
COST = ["external_id", "channel", "campaign", "starts_on", "last_day", "amount", "currency"]


def costs(calendar: Calendar) -> Iterator[list[str]]:
    """One row for each channel and month; the cents that do not part evenly go into the last."""
    for channel, campaign, euros in TOTALS:
        each = euros * 100 // MONTHS
        for month in range(MONTHS):
            first, over = (calendar.on(DAYS * number // MONTHS) for number in (month, month + 1))
            cents = each if month < MONTHS - 1 else euros * 100 - each * (MONTHS - 1)
            yield [
                f"{channel or campaign} {month + 1}", channel, campaign, first.isoformat(), _day_before(over),
                f"{cents / 100:.2f}", "EUR",
            ]  # fmt: skip


def _day_before(day: date) -> str:
    return (day - timedelta(days=1)).isoformat()
