"""The watchdog's figure: how old the oldest message is that should long have come to an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.sql import rows, sql

LATE = timedelta(minutes=5)  # an open message this old wants somebody's attention


@dataclass(frozen=True)
class Open:
    """Since when the oldest due message waits, and what lies in workers' hands."""

    since: datetime | None  # when the oldest open row was due; None: nothing is open
    held: int  # claimed or being sent
    unknown: int  # perhaps sent; waits for a person

    def age(self, now: datetime) -> timedelta:
        """How long the oldest open row has been due."""
        return max(now - self.since, timedelta(0)) if self.since else timedelta(0)


def oldest_open(now: datetime) -> Open:
    """What should have left by `now` and has not come to an end: of running campaigns, and tests and notices."""
    since, held, unknown = rows(
        sql(
            """
            WITH waiting AS (
                SELECT first.due_at FROM campaigns_campaign c CROSS JOIN LATERAL (
                    SELECT due_at FROM campaigns_message m WHERE m.campaign_id = c.id AND m.state = 'queued'
                    ORDER BY due_at LIMIT 1) first
                WHERE c.state = 'running'
                UNION ALL
                (SELECT due_at FROM campaigns_message WHERE campaign_id IS NULL AND state = 'queued'
                 ORDER BY due_at LIMIT 1)
            ),
            held AS (SELECT due_at FROM campaigns_message WHERE state IN ('claimed', 'sending'))
            SELECT (SELECT min(due_at) FROM (SELECT due_at FROM waiting UNION ALL SELECT due_at FROM held) o
                    WHERE due_at <= {}), (SELECT count(*) FROM held),
                   (SELECT count(*) FROM campaigns_message WHERE state = 'unknown')
            """,
            now,
        )
    )[0]
    return Open(since, held, unknown)
