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

    Those who are erased get none. Each is looked up by its key (hence OFFSET 0): of tables that a file has just filled
    no plan knows the size, and would go through all that wait for each of them.
    """
    theirs = sql(
        """FROM (SELECT DISTINCT id FROM ({}) told) asked
           CROSS JOIN LATERAL (
               SELECT * FROM audience_activityparty own WHERE own.id = asked.id AND own.activity_id IS NULL OFFSET 0
           ) p""",
        parties,
    )
    both = sql(
        """{} CROSS JOIN LATERAL (
               SELECT * FROM audience_unnamedactivity named
               WHERE named.source = p.source AND named.external_id = p.external_id OFFSET 0) u""",
        theirs,
    )
    columns = ("person_id", "account_id", "external_id", *TOLD)
    made = 0
    for (source,) in rows(sql("SELECT DISTINCT p.source {} ORDER BY 1", both)):
        told = sql(
            "SELECT p.person_id, p.account_id, {} AS external_id, {} {} WHERE p.source = {}",
            OWN_ID, _of("u", TOLD), both, source,
        )  # fmt: skip
        made += activities.record_many(told, columns, source=source, now=now)
    if made:
        run(
            sql(
                """UPDATE audience_activityparty party SET activity_id = found.activity FROM (
                       SELECT p.id, a.id AS activity {} CROSS JOIN LATERAL (
                           SELECT id FROM audience_activity made
                           WHERE made.source = p.source AND made.external_id = {} OFFSET 0) a
                   ) found WHERE found.id = party.id""",
                theirs, OWN_ID,
            )
        )  # fmt: skip
    return made


def _of(alias: str, columns: Sequence[str]) -> Sql:
    return join(", ", (sql("{}.{}", Sql(alias), name(column)) for column in columns))
