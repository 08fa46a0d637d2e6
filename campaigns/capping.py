"""Not too much to anybody: at most so many messages of all campaigns together within so many days.

The setting `frequency_cap` is `{"messages": 3, "days": 7}`; without a number there is no limit. A message counts from
when it left, one that is in the air counts, and so does one of which nobody knows whether it arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kit import installation
from kit.sql import Sql, run, sql


@dataclass(frozen=True)
class Cap:
    """At most `messages` to one person within `days` days of 24 hours."""

    messages: int
    days: int


def cap() -> Cap | None:
    """The cap in force; None: there is none."""
    told: dict[str, Any] = installation.get("frequency_cap")
    return Cap(told["messages"], told["days"]) if told.get("messages") else None


def hold(subjects: Sql) -> None:
    """Lock the people of a statement (subject_id), in the order of their ids, until this transaction ends.

    Whoever counts what they got after that counts what every other sender has committed, and none spends the last one
    twice. New rows may refer to the people meanwhile.
    """
    run(sql("SELECT FROM audience_person WHERE id IN ({}) ORDER BY id FOR NO KEY UPDATE", subjects))


def spent(subjects: Sql, cap: Cap, *, at: datetime) -> Sql:
    """subject_id, number: how many messages that count each subject of a statement has got; none: no row."""
    return sql(
        """
        SELECT got.subject_id, count(*) AS number FROM campaigns_message got
        WHERE got.subject_id IN ({}) AND got.purpose = 'campaign'
          AND (got.state = 'sending' OR got.state IN ('sent', 'unknown') AND got.sent_at > {})
        GROUP BY got.subject_id
        """,
        subjects,
        at - timedelta(days=cap.days),
    )
