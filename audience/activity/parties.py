"""Activities that one file tells and another says whose they are, in whichever order the two come.

An activity that names nobody waits as it was told, and so does everybody of whom it is said that they took part in one.
Where both are known it is an activity of each of them: dated when it was, recorded now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from audience.activity import activities
from kit import turns
from kit.sql import Sql, join, name, rows, run, sql

TOLD = ("kind", "occurred_at", "channel", "platform", "direction", "actor", "value", "properties")
# An activity of several is one of each, under an id of its own.
OWN_ID = Sql("left(p.external_id, 180) || ':' || p.id")


def hold() -> None:
    """Who tells of activities and who tells of their people do so one after the other, or neither would see the other.

    Held to the end of the transaction.
    """
    turns.take("parties", [""])


def meet(parties: Sql, *, now: datetime) -> int:
    """Write the activities of some parties (a statement that yields their ids), as far as both are told; how many.

    Those who are erased get none.
    """
    both = sql(
        """FROM audience_activityparty p
           JOIN audience_unnamedactivity u ON u.source = p.source AND u.external_id = p.external_id
           WHERE p.activity_id IS NULL AND p.id IN ({})""",
        parties,
    )
    columns = ("person_id", "account_id", "external_id", *TOLD)
    made = 0
    for (source,) in rows(sql("SELECT DISTINCT p.source {} ORDER BY 1", both)):
        told = sql(
            "SELECT p.person_id, p.account_id, {} AS external_id, {} {} AND p.source = {}",
            OWN_ID, _of("u", TOLD), both, source,
        )  # fmt: skip
        made += activities.record_many(told, columns, source=source, now=now)
    if made:
        run(
            sql(
                """UPDATE audience_activityparty p SET activity_id = a.id FROM audience_activity a
                   WHERE a.source = p.source AND a.external_id = {} AND p.activity_id IS NULL AND p.id IN ({})""",
                OWN_ID, parties,
            )
        )  # fmt: skip
    return made


def _of(alias: str, columns: Sequence[str]) -> Sql:
    return join(", ", (sql("{}.{}", Sql(alias), name(column)) for column in columns))
